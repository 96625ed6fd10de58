package render

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"

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
func Notes(w io.Writer, v NotesView, format string, o Options) error {
	if format == "json" {
		out := jsonNotes{SchemaVersion: report.SchemaVersion, Version: v.Version.String(), Notes: append([]release.Note{}, v.Notes...)}
		if !v.Since.IsZero() {
			out.Since = v.Since.String()
		}
		for _, s := range v.Sources {
			out.Sources = append(out.Sources, jsonSource{s, s.Origin.String()})
		}
		return writeJSON(w, out)
	}
	t := &table{Options: o}
	var version release.Version
	heading := ""
	for i, n := range v.Notes {
		if n.Version != version {
			if i > 0 {
				t.line("")
			}
			version, heading = n.Version, ""
			t.noteHeading(format, 1, version.String())
		}
		if n.Heading != heading {
			heading = n.Heading
			t.line("")
			t.noteHeading(format, 2, heading)
			t.line("")
		}
		t.note(format, n)
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

func (t *table) noteHeading(format string, level int, title string) {
	if title = escapeWhole(title); format == "markdown" {
		t.line(strings.Repeat("#", level) + " " + title)
		return
	}
	t.line(t.paint(bold, title))
}

func (t *table) note(format string, n release.Note) {
	text := n.Text
	if format != "markdown" {
		text = plainMarkdown(text)
	}
	width := t.Width - len("- ")
	for i, line := range strings.Split(text, "\n") {
		line = escapeWhole(strings.ReplaceAll(strings.TrimRight(line, "\r"), "\t", "    "))
		parts := []string{line}
		if format != "markdown" && width >= minText && !strings.HasPrefix(line, " ") {
			parts = wrap(line, width)
		}
		for j, part := range parts {
			lead := "  "
			if i == 0 && j == 0 {
				lead = "- "
			}
			t.line(strings.TrimRight(lead+part, " "))
		}
	}
}

var markdownLink = regexp.MustCompile(`\[([^][\n]+)\]\(([^()\s]+)\)`)

// plainMarkdown takes the addresses out of links, which leaves what a reader
// of the page sees.
func plainMarkdown(s string) string {
	return markdownLink.ReplaceAllString(s, "$1")
}

// escapeWhole is Escape for text that has passed a parser with a limit of its
// own, and must not be cut.
func escapeWhole(s string) string {
	if len(s) <= maxText {
		return Escape(s)
	}
	var b bytes.Buffer
	for len(s) > 0 {
		n := min(len(s), maxText)
		for n < len(s) && n > maxText-4 && s[n]&0xC0 == 0x80 { // not inside a character
			n--
		}
		fmt.Fprint(&b, Escape(s[:n]))
		s = s[n:]
	}
	return disarm(b.String())
}
