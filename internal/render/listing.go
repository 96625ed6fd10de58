package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// ListingFormats are the formats of [Listing]: a row a file or image with the
// beginning of its digest, the same with whole digests and URLs, two for
// programs, and bare names or URLs for pipes.
var ListingFormats = []string{"table", "wide", "json", "yaml", "name", "url"}

// Listing writes what a release holds in one of the ListingFormats.
func Listing(w io.Writer, l *verify.Listing, format string, o Options) error {
	var buf bytes.Buffer
	switch format {
	case "json":
		if err := writeJSON(&buf, listing(l)); err != nil {
			return err
		}
	case "yaml":
		if err := writeYAML(&buf, listing(l)); err != nil {
			return err
		}
	case "name":
		for _, it := range l.Items {
			fmt.Fprintln(&buf, Escape(it.Subject))
		}
	case "url":
		for _, it := range l.Items {
			if it.URL != "" {
				fmt.Fprintln(&buf, Escape(it.URL))
			}
		}
	case "wide":
		listingTable(&buf, l, o, true)
	default:
		listingTable(&buf, l, o, false)
	}
	_, err := w.Write(buf.Bytes())
	return err
}

func listingTable(buf *bytes.Buffer, l *verify.Listing, o Options, wide bool) {
	head := []string{"NAME", "KIND", "PLATFORM", "DIGEST", "CLAIMED BY"}
	if wide {
		head = []string{"NAME", "KIND", "PLATFORM", "SHA256", "SHA512", "CLAIMED BY", "URL"}
	}
	rows := make([]gridRow, 0, len(l.Items))
	for _, it := range l.Items {
		where := platforms(it)
		if n := len(it.Platforms); n > 1 && o.Width > 0 && !wide { // one row would be as wide as three
			where = plural(n, "platform")
		}
		row := gridRow{cells: []string{it.Subject, it.Info.Kind, where}}
		switch {
		case wide:
			row.cells = append(row.cells, cmp.Or(it.SHA256, "-"), cmp.Or(it.SHA512, "-"), claimants(it), cmp.Or(it.URL, "-"))
		default:
			row.cells = append(row.cells, shortest(it), claimants(it))
		}
		if it.Conflict != "" {
			row.below = it.Conflict
		}
		rows = append(rows, row)
	}
	writeGrid(buf, head, rows, o)
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
		return short("sha256:" + it.SHA256)
	case it.SHA512 != "":
		return short("sha512:" + it.SHA512)
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

// writeYAML writes the value's JSON form as YAML. YAML has characters that
// stand for themselves and that a terminal acts on, so its strings are escaped.
func writeYAML(w io.Writer, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return err
	}
	out, err := yaml.Marshal(plainTree(tree))
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// maxYAMLKey is how long a key may be: beyond 1024 characters one line cannot hold it (YAML
// 1.2, 7.4.2).
const maxYAMLKey = 512

func plainText(s string) string {
	return strings.ReplaceAll(Escape(s), "\uFFFD", `\ufffd`) // what was not UTF-8
}

func plainTree(v any) any {
	switch v := v.(type) {
	case string:
		return plainText(v)
	case []any:
		for i := range v {
			v[i] = plainTree(v[i])
		}
	case map[string]any:
		plain := make(map[string]any, len(v))
		for k := range v {
			key := strings.ToValidUTF8(plainText(k)[:min(maxYAMLKey, len(plainText(k)))], "")
			plain[key] = plainTree(v[k])
		}
		return plain
	}
	return v
}

// gridRow is a row of a plain table; below, if not empty, says on a line of its
// own what is wrong with it.
type gridRow struct {
	cells []string
	below string
}

// writeGrid writes a header and rows in columns. Cells are foreign text. Where the terminal is
// too narrow, the last column is broken at words; where even that does not fit, each row is
// a line with its first cell, and below it the others behind the words of the header.
func writeGrid(buf *bytes.Buffer, head []string, rows []gridRow, o Options) {
	t := &table{Options: o}
	widths := make([]int, len(head))
	for i, h := range head {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, r := range rows {
		for i, c := range r.cells {
			r.cells[i] = Escape(c)
			widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i]))
		}
	}
	last, before := len(head)-1, 0
	for _, w := range widths[:last] {
		before += w + 2
	}
	stacked := o.Width > 0 && before+widths[last] > o.Width && o.Width-before < minText
	write := func(cells []string, style string) {
		if stacked {
			t.stack(head, cells, style)
			return
		}
		var out []string
		for i, c := range cells[:len(cells)-1] {
			out = append(out, t.pad(t.paint(style, c), c, widths[i]))
		}
		end := cells[len(cells)-1]
		lines := []string{end}
		if len(cells) == len(head) {
			lines = t.wrap(end, before)
		}
		t.line(strings.TrimRight(strings.Join(append(out, t.paint(style, lines[0])), "  "), " "))
		for _, l := range lines[1:] {
			t.line(strings.Repeat(" ", before) + t.paint(style, l))
		}
	}
	if !stacked {
		write(head, dim)
	}
	for _, r := range rows {
		style := ""
		if r.below != "" {
			style = red
		}
		write(r.cells, style)
		if r.below != "" {
			t.wrapped("    ", "FAIL", red, Escape(r.below))
		}
	}
	buf.Write(t.buf.Bytes())
}

// stack writes a row of a grid that is wider than the terminal.
func (t *table) stack(head, cells []string, style string) {
	const hang = "    "
	t.line(t.paint(style, cells[0]))
	line := ""
	for i, c := range cells[1:] {
		if c == "-" || c == "" {
			continue
		}
		said := strings.ToLower(head[i+1]) + ": " + c
		if line != "" && utf8.RuneCountInString(hang+line+"  "+said) > t.Width {
			t.line(hang + line)
			line = ""
		}
		if line != "" {
			line += "  "
		}
		line += said
	}
	if line == "" {
		return
	}
	for _, l := range t.wrap(line, len(hang)) {
		t.line(hang + l)
	}
}
