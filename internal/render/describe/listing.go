// Package describe writes what is published of a release, and judges nothing: what it holds,
// its SBOM, its notes, how long it is supported, and which versions go together.
package describe

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// ListingFormats are the formats of [Listing]: a row a file or image with the
// beginning of its digest, the same with whole digests and URLs, two for
// programs, and bare names or URLs for pipes.
var ListingFormats = []string{"table", "wide", "json", "yaml", "name", "url"}

// Listing writes what a release holds in one of the ListingFormats.
func Listing(w io.Writer, l *verify.Listing, format string, o terminal.Options) error {
	var buf bytes.Buffer
	switch format {
	case "json", "yaml":
		return encode.As(w, listing(l), format)
	case "name":
		for _, it := range l.Items {
			fmt.Fprintln(&buf, terminal.Escape(it.Subject))
		}
	case "url":
		for _, it := range l.Items {
			if it.URL != "" {
				fmt.Fprintln(&buf, terminal.Escape(it.URL))
			}
		}
	default:
		return grid(w, l, format == "wide", o)
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// grid writes a row a file or image.
func grid(w io.Writer, l *verify.Listing, wide bool, o terminal.Options) error {
	head := []string{"NAME", "KIND", "PLATFORM", "DIGEST", "CLAIMED BY"}
	if wide {
		head = []string{"NAME", "KIND", "PLATFORM", "SHA256", "SHA512", "CLAIMED BY", "URL"}
	}
	rows := make([]terminal.Row, 0, len(l.Items))
	for _, it := range l.Items {
		where := platforms(it)
		if n := len(it.Platforms); n > 1 && o.Width > 0 && !wide { // one row would be as wide as three
			where = terminal.Plural(n, "platform")
		}
		row := terminal.Row{Cells: []string{it.Subject, it.Info.Kind, where}}
		switch {
		case wide:
			row.Cells = append(row.Cells, cmp.Or(it.SHA256, "-"), cmp.Or(it.SHA512, "-"), claimants(it), cmp.Or(it.URL, "-"))
		default:
			row.Cells = append(row.Cells, shortest(it), claimants(it))
		}
		if it.Conflict != "" {
			row.Below = it.Conflict
		}
		rows = append(rows, row)
	}
	p := &terminal.Page{Options: o}
	p.Grid(head, rows)
	_, err := p.WriteTo(w)
	return err
}

func platforms(it verify.Entry) string {
	switch {
	case it.Info.OS != "" && it.Info.Arch != "":
		return it.Info.OS + "/" + it.Info.Arch
	case len(it.Platforms) > 0:
		return strings.Join(it.Platforms, ",")
	}
	return "-"
}

// shortest is the beginning of the strongest digest that all claims agree on.
func shortest(it verify.Entry) string {
	switch {
	case it.Conflict != "":
		return "conflict"
	case it.SHA256 != "":
		return terminal.Short("sha256:" + it.SHA256)
	case it.SHA512 != "":
		return terminal.Short("sha512:" + it.SHA512)
	}
	return "-"
}

// claimants names the documents that give a digest, strongest first, each kind
// of strength once: "signed sbom; carried SHA256SUMS, SHA512SUMS".
func claimants(it verify.Entry) string {
	by := map[report.Strength][]string{}
	for _, c := range it.Claims {
		if name := string(c.Document); !slices.Contains(by[c.Strength], name) {
			by[c.Strength] = append(by[c.Strength], name)
		}
	}
	var out []string
	for _, s := range []report.Strength{report.Signed, report.Embedded, report.Published, report.Vouched, report.Carried} {
		if names := by[s]; len(names) > 0 {
			slices.Sort(names)
			out = append(out, s.String()+" "+strings.Join(names, ", "))
		}
	}
	return cmp.Or(strings.Join(out, "; "), "nobody")
}

// jsonListing is the JSON and YAML form of a listing. The rule of compatibility
// is that of [report.SchemaVersion].
type jsonListing struct {
	SchemaVersion int            `json:"schemaVersion"`
	Version       string         `json:"version"`
	Verdict       report.Verdict `json:"verdict"`
	Notes         []string       `json:"notes,omitempty"`
	Items         []jsonItem     `json:"items"`
}

type jsonItem struct {
	Name      string      `json:"name"`
	Kind      string      `json:"kind"`
	Component string      `json:"component,omitempty"`
	OS        string      `json:"os,omitempty"`
	Arch      string      `json:"arch,omitempty"`
	Platforms []string    `json:"platforms,omitempty"`
	URL       string      `json:"url,omitempty"`
	SHA256    string      `json:"sha256,omitempty"`
	SHA512    string      `json:"sha512,omitempty"`
	Conflict  string      `json:"conflict,omitempty"`
	Claims    []jsonClaim `json:"claims"`
}

type jsonClaim struct {
	Document string          `json:"document"`
	Strength report.Strength `json:"strength"`
	Digest   string          `json:"digest"`
	URL      string          `json:"url"`
}

func listing(l *verify.Listing) jsonListing {
	out := jsonListing{SchemaVersion: report.SchemaVersion, Version: l.Version.String(), Verdict: l.Verdict, Notes: l.Notes, Items: []jsonItem{}}
	for _, it := range l.Items {
		item := jsonItem{
			Name: it.Subject, Kind: it.Info.Kind, Component: it.Info.Component, OS: it.Info.OS, Arch: it.Info.Arch,
			Platforms: it.Platforms, URL: it.URL, SHA256: it.SHA256, SHA512: it.SHA512, Conflict: it.Conflict, Claims: []jsonClaim{},
		}
		for _, c := range it.Claims {
			item.Claims = append(item.Claims, jsonClaim{string(c.Document), c.Strength, string(c.Digest), c.URL})
		}
		out.Items = append(out.Items, item)
	}
	return out
}
