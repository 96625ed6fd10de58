package render

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/pkg/report"
)

// Options say how a table is written. The zero value is plain text with one
// line an explanation, which is the same whoever reads it and stays so.
type Options struct {
	Color   bool // colours, and marks instead of words
	Width   int  // of the terminal, to wrap at words; 0 wraps nothing
	Quiet   bool // only the last line
	Wide    bool // a row a platform with whole digests, other names, places, and what every check looked at
	Verbose bool // of an SBOM: whole digests, whole entries, relationships
	// Explain tells in words of the subjects of these names, where "" is every one that is
	// not verified, in the place of the short table. Nil tells of none.
	Explain []string
	// Command are the arguments of the command line that made the report, to say what to run
	// next; nil if there is none.
	Command []string
}

// Table writes the report as text: a line an image, program or document, what is wrong
// once for all of which it is, refuted before unknown before verified, and what to do. Its
// last line is the verdict with its reason. See [Options] for a row a platform and for words.
func Table(w io.Writer, r report.Report, o Options) error {
	t := &table{Options: o, said: map[text]string{}}
	list := troubles(r)
	if !o.Quiet {
		if o.Wide {
			t.rows(r)
		}
		if o.Explain != nil {
			t.stories(r)
		}
		if !o.Wide && (o.Explain == nil || t.buf.Len() == 0) {
			t.summary(r, list)
		}
		t.todo(r, list)
	}
	t.last(t.verdict(r, list))
	_, err := w.Write(t.buf.Bytes())
	return err
}

// Verdict writes the table's last line alone.
func Verdict(w io.Writer, r report.Report, o Options) error {
	o.Quiet = true
	return Table(w, r, o)
}

const kindImage = "image"

type table struct {
	Options
	buf      bytes.Buffer
	checks   []string // columns of the images' table
	label    int      // widths
	document int
	said     map[text]string // what was explained already, and under which image
}

// A group is an image with its platforms.
type group struct {
	title string
	rows  []row
}

type row struct {
	label string
	report.Result
}

// groups sorts the images' results under the image they belong to, in the
// order of the report.
func groups(results []report.Result) []group {
	var list []group
	at := map[string]int{}
	for _, res := range results {
		if res.Kind != kindImage {
			continue
		}
		title, label := place(res)
		i, ok := at[title]
		if !ok {
			i = len(list)
			at[title] = i
			list = append(list, group{title: title})
		}
		list[i].rows = append(list[i].rows, row{label, res})
	}
	return list
}

// place names the group and the row of an image's result. A per-architecture
// repository (kube-proxy-arm64) stands with its image.
func place(res report.Result) (title, label string) {
	if res.Platform == "" {
		return res.Subject, "index"
	}
	_, arch, _ := strings.Cut(res.Platform, "/")
	arch, _, _ = strings.Cut(arch, ":")
	arch, _, _ = strings.Cut(arch, "/")
	slash := strings.LastIndexByte(res.Subject, '/') + 1
	end := strings.IndexAny(res.Subject[slash:], ":@")
	if end < 0 {
		return res.Subject, res.Platform
	}
	end += slash
	image, ok := strings.CutSuffix(res.Subject[:end], "-"+arch)
	if !ok {
		return res.Subject, res.Platform
	}
	return image + res.Subject[end:], res.Platform + " in " + res.Subject[slash:end]
}

// mark is a check's cell. A check that is not required stands in brackets.
func (t *table) mark(c report.Check) (mark, style string) {
	words := map[report.Verdict]string{report.Verified: "ok", report.Refuted: "FAIL", report.Unknown: "?"}
	if t.Color {
		words = map[report.Verdict]string{report.Verified: "✓", report.Refuted: "✗", report.Unknown: "?"}
	}
	style = styleOf(c.Verdict)
	if !c.Required {
		return "(" + words[c.Verdict] + ")", dim
	}
	return words[c.Verdict], style
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// shortDigest is how much of a digest a person compares.
const shortDigest = 12

func short(digest string) string {
	if algorithm, hex, ok := strings.Cut(digest, ":"); ok && len(hex) > shortDigest {
		return algorithm + ":" + hex[:shortDigest]
	}
	return digest
}

func (t *table) digestWidth() int {
	if t.Wide {
		return 64
	}
	return shortDigest
}

func (t *table) digest(d string) string {
	hex := strings.TrimPrefix(d, "sha256:")
	if len(hex) > t.digestWidth() {
		hex = hex[:t.digestWidth()]
	}
	hex = Escape(cmp.Or(hex, "-"))
	return t.pad(t.paint(dim, hex), hex, t.digestWidth())
}
