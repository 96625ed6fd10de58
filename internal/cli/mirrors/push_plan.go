package mirrors

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/mirror/push"
	"github.com/kverify/kverify/pkg/report"
	"github.com/spf13/cobra"
)

// planned makes -o that of a dry run. Nothing is in the registry yet, so that a report about it
// would say verified of what is not there: a dry run makes a list, and none of a report's formats.
func planned(c *cobra.Command, flags *command.Shared) error {
	flags.Output.Formats = []string{"table", "name"}
	for _, v := range flags.Output.Values {
		format, _, _ := strings.Cut(v, "=")
		if slices.Contains(render.Formats, format) && !slices.Contains(flags.Output.Formats, format) {
			return command.Usagef("-o %s: a dry run pushes nothing, and makes no report; write -o table or name, each to a FILE too, or leave out --dry-run", format)
		}
	}
	return c.Flags().SetAnnotation("output", command.NotFromEnvironment, nil) // KVERIFY_OUTPUT names formats of reports
}

// plan is what a dry run found.
type plan struct {
	there, of      string // the registry, and the mirror
	pushed         *push.Result
	judged, report report.Report // of the mirror, and of what is in the registry
}

// writePlan lists what a push has to do. What is yet to be pushed is no failure; what is not
// proved in the mirror is, and what the registry contradicts or does not tell. The verdict is then
// said as every run says it.
func writePlan(a *command.App, set *command.Settings, p plan) error {
	failed := slices.ContainsFunc(p.pushed.Names, func(c push.Name) bool { return c.Err != nil })
	r := p.report
	if failed {
		r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool {
			return slices.ContainsFunc(p.pushed.Names, func(c push.Name) bool { return c.State == push.WouldPush && c.In(p.there) == res.Subject })
		})
	} else {
		r = p.judged
		r.Scope.Subjects = []string{p.of}
	}
	r = set.CutShort(r)
	a.Code = command.VerdictExit[r.Verdict()]
	said := r.Verdict() == report.Verified // of the mirror; nothing is said of the registry
	_, err := a.WriteAll(set, func(w io.Writer, format string, o terminal.Options) error {
		switch {
		case format == "name":
			return p.writeRepositories(w)
		case failed:
			said = said || w == a.Stdout
			return render.Report(w, r, format, a.ReportOptions(set, o))
		}
		return p.writeNames(w)
	})
	if !said {
		err = errors.Join(err, a.SayVerdict(r, set))
	}
	return err
}

// writeRepositories writes what must be there where a registry makes none by itself.
func (p plan) writeRepositories(w io.Writer) error {
	list := p.pushed.Repositories(p.there)
	if len(list) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, strings.Join(list, "\n"))
	return err
}

// writeNames writes a name a line, none of which failed.
func (p plan) writeNames(w io.Writer) error {
	var b strings.Builder
	for _, c := range p.pushed.Names {
		what := map[push.State]string{push.WouldPush: "would be pushed", push.AlreadyThere: "is there"}[c.State]
		fmt.Fprintf(&b, "%s -> %s: %s\n", c.Ref, c.In(p.there), what)
	}
	_, err := io.WriteString(w, terminal.EscapeLines(b.String()))
	return err
}
