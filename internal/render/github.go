package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// maxAnnotations is how many annotations of one kind a step of a GitHub job shows.
const maxAnnotations = 10

// GitHub writes the report as annotations of a GitHub job: an error a required check
// that is refuted, a warning one that is unknown, at most ten of a kind, of which the
// last counts the rest; then the verdict as a notice. It goes to the step's output.
func GitHub(w io.Writer, r report.Report) error {
	errors, warnings, notices := annotations{kind: "error"}, annotations{kind: "warning"}, annotations{kind: "notice"}
	for _, p := range problems(r) {
		switch {
		case !p.check.Required:
			notices.add(annotation(p))
		case p.check.Verdict == report.Refuted:
			errors.add(annotation(p))
		default:
			warnings.add(annotation(p))
		}
	}
	notices.add(" title=kverify::" + githubData(verdictLine(r)))
	var buf bytes.Buffer
	for _, list := range []annotations{errors, warnings, notices} {
		if more := list.more; more > 0 {
			list.lines[maxAnnotations-1] = fmt.Sprintf(" title=kverify::%d more are not shown; the report has them all", more+1)
		}
		for _, l := range list.lines {
			buf.WriteString("::" + list.kind + l + "\n")
		}
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// annotations are those of a kind, without it.
type annotations struct {
	kind  string
	lines []string
	more  int // that are not shown
}

func (a *annotations) add(line string) {
	if len(a.lines) == maxAnnotations {
		a.more++
		return
	}
	a.lines = append(a.lines, line)
}

// annotation is one without its kind: where it is, its title, and what it says. A file
// is named only where the subject was seen in one.
func annotation(p problem) string {
	at := ""
	if len(p.result.Places) > 0 && p.result.Places[0].Source != "-" {
		file, line := p.file()
		at = fmt.Sprintf("file=%s,line=%d,", githubProperty(file), line)
	}
	message := githubData(p.headline())
	if todo := p.todo(); todo != "" {
		message += "%0A" + githubData("What to do: "+todo)
	}
	return " " + at + "title=" + githubProperty("kverify "+p.check.Name) + "::" + message
}

// githubData is the escaper of workflow commands, for what stands after the second
// "::" (actions/toolkit, command.ts).
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(terminal.Escape(s))
}

// githubProperty is githubData for the value of a property.
func githubProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(githubData(s))
}
