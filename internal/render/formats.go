package render

import (
	"fmt"
	"io"

	"github.com/kverify/kverify/pkg/report"
)

// Formats are those of a report, the default first.
var Formats = append([]string{"table", "wide", "json", "yaml", "html", "markdown", "sarif", "junit", "github", "codequality"}, Statements...)

// Report writes the report in one of [Formats]. A format is a view: none changes the
// verdict, and none makes the exit code. [Statements] refuse some reports.
func Report(w io.Writer, r report.Report, format string, o Options) error {
	switch format {
	case "table":
		return Table(w, r, o)
	case "wide":
		o.Wide = true
		return Table(w, r, o)
	case "json":
		return JSON(w, r)
	case "yaml":
		return YAML(w, r)
	case "html":
		return HTML(w, r)
	case "markdown":
		return Markdown(w, r)
	case "sarif":
		return SARIF(w, r)
	case "junit":
		return JUnit(w, r)
	case "github":
		return GitHub(w, r)
	case "codequality":
		return CodeQuality(w, r)
	case "vsa":
		return VSA(w, r)
	case "svr":
		return SVR(w, r)
	case "refs":
		return Refs(w, r)
	}
	return fmt.Errorf("a report has no format %.40q; it has %q", format, Formats)
}
