package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/sbom"
)

// SBOMFormats are the formats of [SBOM] and [SBOMDiff]: for a person, and two
// for programs.
var SBOMFormats = []string{"text", "json", "yaml"}

// NamesFormats are the formats of [Names]: a line a name, and two for programs.
var NamesFormats = []string{"name", "json", "yaml"}

// Names writes a list of names.
func Names(w io.Writer, names []string, format string) error {
	switch format {
	case "json":
		return writeJSON(w, names)
	case "yaml":
		return writeYAML(w, names)
	}
	var buf bytes.Buffer
	for _, n := range names {
		buf.WriteString(Escape(n))
		buf.WriteByte('\n')
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// treeNode is an element of an SBOM as it is shown. Its Kind is "image",
// "layer", "package" or "file".
type treeNode struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	ID   string `json:"id"`
	sbom.Checksums
	Children []*treeNode `json:"children,omitempty"`
}

type treeDocument struct {
	SPDXVersion string         `json:"spdxVersion"`
	Name        string         `json:"name"`
	Namespace   string         `json:"namespace"`
	Created     string         `json:"created,omitempty"`
	Creators    []string       `json:"creators,omitempty"`
	Counts      map[string]int `json:"counts"` // of each kind, and of relationships
	Tree        []*treeNode    `json:"tree"`
}

// SBOM writes a document as a tree of images, layers and files, with counts.
func SBOM(w io.Writer, doc *sbom.Document, format string, o Options) error {
	d := treeDocument{
		SPDXVersion: doc.SPDXVersion, Name: doc.Name, Namespace: doc.Namespace, Created: doc.Created, Creators: doc.Creators,
		Counts: map[string]int{"relationship": len(doc.Relationships)}, Tree: []*treeNode{},
	}
	for _, n := range doc.Tree().Children {
		d.Tree = append(d.Tree, d.node(n, nil))
	}
	switch format {
	case "json":
		return writeJSON(w, d)
	case "yaml":
		return writeYAML(w, d)
	}
	t := &table{Options: o}
	t.line(t.paint(bold, Escape(cmp.Or(d.Name, "unnamed"))) + "  " + Escape(d.SPDXVersion))
	t.line("  namespace  " + Escape(d.Namespace))
	t.line("  created    " + Escape(d.Created) + " by " + Escape(strings.Join(d.Creators, ", ")))
	t.line("  holds      " + counted(d.Counts))
	for _, n := range d.Tree {
		t.node(n, 0)
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

// treeKinds are the kinds that are counted, in the order of telling.
var treeKinds = []string{"image", "layer", "package", "file", "relationship"}

func counted(counts map[string]int) string {
	var out []string
	for _, kind := range treeKinds {
		if n := counts[kind]; n > 0 {
			out = append(out, plural(n, kind))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "nothing")
}

func (d *treeDocument) node(n *sbom.Node, parent *treeNode) *treeNode {
	t := &treeNode{Kind: n.Kind.String(), Name: n.Name, ID: n.ID, Checksums: n.Checksums}
	if n.Kind == sbom.KindPackage {
		// As the listing of images names it, which tells architectures apart.
		if names := release.SBOMImageNames(&sbom.Document{Packages: []sbom.Package{{ID: n.ID}}}); len(names) == 1 {
			t.Kind, t.Name = "image", names[0]
		} else if parent != nil && strings.HasPrefix(n.ID, parent.ID+"-sha256-") {
			t.Kind = "layer"
		}
	}
	d.Counts[t.Kind]++
	for _, child := range n.Children {
		t.Children = append(t.Children, d.node(child, t))
	}
	return t
}

func (t *table) node(n *treeNode, depth int) {
	cells := []string{n.Kind, Escape(cmp.Or(n.Name, n.ID))}
	// A layer is named by its hash; only another one is worth saying.
	if sum := n.SHA256; sum != "" && !strings.Contains(n.Name, sum) {
		if !t.Verbose && len(sum) > shortDigest {
			sum = sum[:shortDigest]
		}
		cells = append(cells, t.paint(dim, Escape("sha256:"+sum)))
	}
	if len(n.Children) > 0 {
		counts := map[string]int{}
		for _, c := range n.Children {
			counts[c.Kind]++
		}
		cells = append(cells, "("+counted(counts)+")")
	}
	t.line(strings.Repeat("  ", depth) + strings.Join(cells, "  "))
	for _, c := range n.Children {
		t.node(c, depth+1)
	}
}

// jsonDiff is the JSON and YAML form of a difference.
type jsonDiff struct {
	Old string `json:"old"`
	New string `json:"new"`
	sbom.Delta
}

// SBOMDiff writes how two documents differ: by name and hash, and with
// Options.Verbose whole entries and relationships as well.
func SBOMDiff(w io.Writer, one, two string, d sbom.Delta, format string, o Options) error {
	switch format {
	case "json":
		return writeJSON(w, jsonDiff{one, two, d})
	case "yaml":
		return writeYAML(w, jsonDiff{one, two, d})
	}
	t := &table{Options: o}
	if d.Empty() {
		t.line(Escape(one) + " and " + Escape(two) + " say the same")
	} else {
		t.line("- " + Escape(one))
		t.line("+ " + Escape(two))
	}
	for _, section := range []struct {
		what    string
		changes []sbom.Change
		show    bool
	}{{"document", d.Document, true}, {"files", d.Files, true}, {"packages", d.Packages, true}, {"relationships", d.Relationships, o.Verbose}} {
		if len(section.changes) == 0 {
			continue
		}
		var added, removed, changed int
		for _, c := range section.changes {
			switch {
			case c.Old == "":
				added++
			case c.New == "":
				removed++
			default:
				changed++
			}
		}
		t.line("")
		more := ""
		if !section.show {
			more = " (-v lists them)"
		}
		t.line(t.paint(bold, section.what) + fmt.Sprintf(": %d added, %d removed, %d changed", added, removed, changed) + more)
		for _, c := range section.changes {
			if section.show {
				t.change(c)
			}
		}
	}
	_, err := w.Write(t.buf.Bytes())
	return err
}

func (t *table) change(c sbom.Change) {
	subject := Escape(c.Subject)
	from, to := clipped(c.Old), clipped(c.New)
	if t.Verbose {
		from, to = Escape(c.Old), Escape(c.New)
	}
	switch {
	case c.Old == "":
		t.line(t.paint(green, "  + "+subject) + said(to))
	case c.New == "":
		t.line(t.paint(red, "  - "+subject) + said(from))
	default:
		t.line(t.paint(yellow, "  ~ "+subject) + "  " + from + " -> " + to)
	}
}

func said(s string) string {
	if s == "" || s == "present" {
		return ""
	}
	return "  " + s
}

// clipped is what a person compares of an entry: the beginning of its sha256,
// or of the whole if it has none.
func clipped(entry string) string {
	const enough = 60
	for _, f := range strings.Fields(entry) {
		if len(f) == 64 && strings.Trim(f, "0123456789abcdef") == "" {
			return "sha256:" + f[:shortDigest]
		}
	}
	if entry = Escape(entry); utf8.RuneCountInString(entry) > enough {
		return string([]rune(entry)[:enough]) + "..."
	}
	return entry
}

// Printable reports whether text holds nothing that a terminal would act on.
func Printable(text []byte) bool {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 || r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return false
		}
		text = text[size:]
	}
	return true
}
