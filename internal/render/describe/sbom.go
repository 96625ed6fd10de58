package describe

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
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
	if format != "name" {
		return encode.As(w, names, format)
	}
	var buf bytes.Buffer
	for _, n := range names {
		buf.WriteString(terminal.Escape(n))
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

// SBOMView is what [SBOM] shows.
type SBOMView struct {
	Document *sbom.Document
	Verbose  bool // whole digests
}

// SBOM writes a document as a tree of images, layers and files, with counts.
func SBOM(w io.Writer, v SBOMView, format string, o terminal.Options) error {
	doc := v.Document
	d := treeDocument{
		SPDXVersion: doc.SPDXVersion, Name: doc.Name, Namespace: doc.Namespace, Created: doc.Created, Creators: doc.Creators,
		Counts: map[string]int{"relationship": len(doc.Relationships)}, Tree: []*treeNode{},
	}
	for _, n := range doc.Tree().Children {
		d.Tree = append(d.Tree, d.node(n, nil))
	}
	if format != "text" {
		return encode.As(w, d, format)
	}
	p := &terminal.Page{Options: o}
	p.Line(p.Paint(terminal.Bold, terminal.Escape(cmp.Or(d.Name, "unnamed"))) + "  " + terminal.Escape(d.SPDXVersion))
	p.Line("  namespace  " + terminal.Escape(d.Namespace))
	p.Line("  created    " + terminal.Escape(d.Created) + " by " + terminal.Escape(strings.Join(d.Creators, ", ")))
	p.Line("  holds      " + counted(d.Counts))
	for _, n := range d.Tree {
		writeNode(p, n, 0, v.Verbose)
	}
	_, err := p.WriteTo(w)
	return err
}

// treeKinds are the kinds that are counted, in the order in which they are named.
var treeKinds = []string{"image", "layer", "package", "file", "relationship"}

func counted(counts map[string]int) string {
	var out []string
	for _, kind := range treeKinds {
		if n := counts[kind]; n > 0 {
			out = append(out, terminal.Plural(n, kind))
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

func writeNode(p *terminal.Page, n *treeNode, depth int, whole bool) {
	cells := []string{n.Kind, terminal.Escape(cmp.Or(n.Name, n.ID))}
	// A layer is named by its hash; only another one is worth saying.
	if sum := n.SHA256; sum != "" && !strings.Contains(n.Name, sum) {
		if !whole && len(sum) > terminal.ShortDigest {
			sum = sum[:terminal.ShortDigest]
		}
		cells = append(cells, p.Paint(terminal.Dim, terminal.Escape("sha256:"+sum)))
	}
	if len(n.Children) > 0 {
		counts := map[string]int{}
		for _, c := range n.Children {
			counts[c.Kind]++
		}
		cells = append(cells, "("+counted(counts)+")")
	}
	p.Line(strings.Repeat("  ", depth) + strings.Join(cells, "  "))
	for _, c := range n.Children {
		writeNode(p, c, depth+1, whole)
	}
}

// jsonDiff is the JSON and YAML form of a difference.
type jsonDiff struct {
	Old string `json:"old"`
	New string `json:"new"`
	sbom.Delta
}

// SBOMDiffView is what [SBOMDiff] shows.
type SBOMDiffView struct {
	Old, New string // names of the documents
	Delta    sbom.Delta
	Verbose  bool // whole entries, and relationships
}

// SBOMDiff writes how two documents differ, by name and hash.
func SBOMDiff(w io.Writer, v SBOMDiffView, format string, o terminal.Options) error {
	if format != "text" {
		return encode.As(w, jsonDiff{v.Old, v.New, v.Delta}, format)
	}
	d := v.Delta
	p := &terminal.Page{Options: o}
	if d.Empty() {
		p.Line(terminal.Escape(v.Old) + " and " + terminal.Escape(v.New) + " say the same")
	} else {
		p.Line("- " + terminal.Escape(v.Old))
		p.Line("+ " + terminal.Escape(v.New))
	}
	for _, section := range []struct {
		what    string
		changes []sbom.Change
		show    bool
	}{{"document", d.Document, true}, {"files", d.Files, true}, {"packages", d.Packages, true}, {"relationships", d.Relationships, v.Verbose}} {
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
		p.Line("")
		more := ""
		if !section.show {
			more = " (-v lists them)"
		}
		p.Line(p.Paint(terminal.Bold, section.what) + fmt.Sprintf(": %d added, %d removed, %d changed", added, removed, changed) + more)
		for _, c := range section.changes {
			if section.show {
				writeChange(p, c, v.Verbose)
			}
		}
	}
	_, err := p.WriteTo(w)
	return err
}

func writeChange(p *terminal.Page, c sbom.Change, whole bool) {
	subject := terminal.Escape(c.Subject)
	from, to := clipped(c.Old), clipped(c.New)
	if whole {
		from, to = terminal.Escape(c.Old), terminal.Escape(c.New)
	}
	switch {
	case c.Old == "":
		p.Line(p.Paint(terminal.Green, "  + "+subject) + unlessPresent(to))
	case c.New == "":
		p.Line(p.Paint(terminal.Red, "  - "+subject) + unlessPresent(from))
	default:
		p.Line(p.Paint(terminal.Yellow, "  ~ "+subject) + "  " + from + " -> " + to)
	}
}

// unlessPresent is an entry of which more is known than that it is there.
func unlessPresent(s string) string {
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
			return "sha256:" + f[:terminal.ShortDigest]
		}
	}
	if entry = terminal.Escape(entry); utf8.RuneCountInString(entry) > enough {
		return string([]rune(entry)[:enough]) + "..."
	}
	return entry
}
