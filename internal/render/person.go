package render

import (
	"io"

	"github.com/kverify/kverify/pkg/report"
)

// Table writes the report as text: a line an image, program or document, what is wrong
// once for all of which it is, refuted before unknown before verified, and what to do. Its
// last line is the verdict with its reason. See [Options] for a row a platform and for words.
func Table(w io.Writer, r report.Report, o Options) error {
	t := newTable(o)
	list := troubles(r)
	if !o.Quiet {
		if o.Wide {
			t.rows(w, r)
		}
		if o.Explain != nil {
			t.stories(w, r)
		}
		if !o.Wide && (o.Explain == nil || t.Height() == 0) {
			t.summary(r, list)
		}
		t.todo(r, list)
	}
	t.Last(t.verdict(r, list))
	_, err := t.WriteTo(w)
	return err
}

// Verdict writes the table's last line alone.
func Verdict(w io.Writer, r report.Report, o Options) error {
	o.Quiet = true
	return Table(w, r, o)
}
