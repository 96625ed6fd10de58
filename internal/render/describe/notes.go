package describe

import (
	"io"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// NotesFormats are the formats of [Notes]: for a person, the CHANGELOG's own
// words, and for a program.
var NotesFormats = []string{"text", "markdown", "json"}

// NotesView is what [Notes] shows: notes newest version first, in the
// documents' order.
type NotesView struct {
	Version, Since release.Version // Since is zero if only one version was asked for
	Sources        []NotesSource
	Notes          []release.Note
}

// NotesSource is a CHANGELOG that notes are from.
type NotesSource struct {
	URL    string       `json:"url"`
	Digest string       `json:"digest"`
	Origin fetch.Origin `json:"-"`
}

type jsonNotes struct {
	SchemaVersion int            `json:"schemaVersion"`
	Version       string         `json:"version"`
	Since         string         `json:"since,omitempty"`
	Sources       []jsonSource   `json:"sources"`
	Notes         []release.Note `json:"notes"`
}

type jsonSource struct {
	NotesSource
	Origin string `json:"origin"`
}

// Notes writes release notes.
func Notes(w io.Writer, v NotesView, format string, o terminal.Options) error {
	if format == "json" {
		out := jsonNotes{SchemaVersion: report.SchemaVersion, Version: v.Version.String(), Notes: append([]release.Note{}, v.Notes...)}
		if !v.Since.IsZero() {
			out.Since = v.Since.String()
		}
		for _, s := range v.Sources {
			out.Sources = append(out.Sources, jsonSource{s, s.Origin.String()})
		}
		return encode.JSON(w, out)
	}
	p := &terminal.Page{Options: o}
	var version release.Version
	heading := ""
	for i, n := range v.Notes {
		if n.Version != version {
			if i > 0 {
				p.Line("")
			}
			version, heading = n.Version, ""
			noteHeading(p, format, 1, version.String())
		}
		if n.Heading != heading {
			heading = n.Heading
			p.Line("")
			noteHeading(p, format, 2, heading)
			p.Line("")
		}
		writeNote(p, format, n)
	}
	_, err := p.WriteTo(w)
	return err
}

func noteHeading(p *terminal.Page, format string, level int, title string) {
	if title = terminal.EscapeWhole(title); format == "markdown" {
		p.Line(strings.Repeat("#", level) + " " + title)
		return
	}
	p.Line(p.Paint(terminal.Bold, title))
}

func writeNote(p *terminal.Page, format string, n release.Note) {
	text := n.Text
	if format != "markdown" {
		text = plainMarkdown(text)
	}
	width := p.Width - len("- ")
	for i, line := range strings.Split(text, "\n") {
		line = terminal.EscapeWhole(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", "    "))
		parts := []string{line}
		if format != "markdown" && width >= terminal.MinText && !strings.HasPrefix(line, " ") {
			parts = terminal.Wrap(line, width)
		}
		for j, part := range parts {
			lead := "  "
			if i == 0 && j == 0 {
				lead = "- "
			}
			p.Line(strings.TrimRight(lead+part, " "))
		}
	}
}

var markdownLink = lazyregexp.New(`\[([^][\n]+)\]\(([^()\s]+)\)`)

// plainMarkdown takes the addresses out of links, which leaves what a reader
// of the page sees.
func plainMarkdown(s string) string {
	return markdownLink().ReplaceAllString(s, "$1")
}
