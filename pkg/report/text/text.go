// Package text writes a [report.Report] for its readers: [Table] and [Story] for a
// person, [JSON] for a program. It writes what the command line does.
//
// A report holds text from registries, documents and certificates, any of which may
// belong to an attacker. Nothing of it reaches the output unescaped.
package text

import (
	"io"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/report"
)

// Options say how text is written. The zero value is plain text, the same for every
// reader.
type Options = render.Options

// NoSubjectError says that a report has nothing under a name, and what it has.
type NoSubjectError = render.NoSubjectError

// Table writes the report as text: a line an image, program or document, what is wrong
// once for all of which it is, and what to do; with [Options.Wide] a row a platform and a
// column a check. The last line is the verdict with its reason. The error is the writer's.
func Table(w io.Writer, r report.Report, o Options) error { return render.Table(w, r, o) }

// Verdict writes the table's last line alone.
func Verdict(w io.Writer, r report.Report, o Options) error { return render.Verdict(w, r, o) }

// Story tells of one subject in words what was proved and by whose word, or what is
// wrong and what to do. The subject is named as the report names it, or by less of it:
// "kube-proxy", a digest, the end of a path. The last line is that subject's verdict. The error is the writer's, or a
// [*NoSubjectError].
func Story(w io.Writer, r report.Report, subject string, o Options) error {
	return render.Story(w, r, subject, o)
}

// Subject is the part of a report that is of one subject, named as [Story] takes it. The
// error is a [*NoSubjectError].
func Subject(r report.Report, name string) (report.Report, error) { return render.Subject(r, name) }

// JSON writes the report as [report.Read] reads it.
func JSON(w io.Writer, r report.Report) error { return render.JSON(w, r) }
