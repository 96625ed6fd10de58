package cli

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

func reportCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var subject string
	c := &cobra.Command{
		Use:   "report FILE...",
		Short: "Show, convert and merge saved reports",
		Long: `Reads reports that -o json=FILE wrote. One is shown, or converted. Several are
merged into one: all shards of a job, or reports of different releases, judged by
the same policy and trusted root; partial and interrupted ones are refused. The
verdict and the exit code are those that the reports give: a saved report is its
writer's word. None is signed, and nothing is examined again. What no kverify can have
written is refused.

"kverify report diff OLD NEW" says by subject what changed between two reports; its
exit code is 0.`,
		Example: command.WithExamples(
			"kverify report report.json  # as a table",
			"kverify report report.json --subject kube-proxy  # one subject, in words",
			"kverify report shard-*.json -o table -o json=all.json  # every shard of a job",
			"kverify report v1.26.json v1.27.json  # two runs as one",
			"kverify report report.json -o html=report.html  # a page to keep",
			"kverify report diff old.json new.json  # what changed, as table or json",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &command.UsageError{Err: errors.New("report needs a saved report and got none; write kverify report FILE"), Hint: "try: kverify report --help"}
			}
			return nil
		},
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		a.Running = true
		a.HoldMany()
		if flags.Quiet && flags.Verbose {
			return command.Usagef("--quiet and --verbose contradict each other; give one of them")
		}
		set := &command.Settings{Ctx: c.Context(), Shared: flags}
		if args[0] == "diff" {
			if c.Flags().Changed("subject") {
				return command.Usagef("--subject does not go with diff, which compares all subjects; leave it out")
			}
			return reportDiff(c.Context(), a, args[1:], set)
		}
		var err error
		if set.Outputs, err = flags.Output.ReadSaved(); err != nil {
			return err
		}
		if err := flags.CheckExplain(set.Outputs); err != nil {
			return err
		}
		r, err := readReports(c.Context(), args)
		if err != nil {
			return err
		}
		a.Code = command.VerdictExit[r.Verdict()]
		if !c.Flags().Changed("subject") {
			return a.Write(r, set)
		}
		return tell(a, r, subject, set)
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&subject, "subject", "", "tell of this `NAME` alone: who signed it, when, what ties it to its version, or what is wrong and what to do")
	_ = f.SetAnnotation("subject", command.NotFromEnvironment, nil)
	flags.Output.AddReport(c)
	flags.AddTalk(f, "only the last line, the verdict", "no effect: nothing is asked of anybody")
	flags.AddExplain(f)
	return c
}

// tell writes the story of one subject.
func tell(a *command.App, r report.Report, subject string, set *command.Settings) error {
	shown := slices.ContainsFunc(set.Outputs, func(o command.Output) bool { return o.Format != "table" })
	if shown || set.Quiet {
		return command.Usagef("--subject tells in words; leave out -q, and -o but for table")
	}
	own, err := render.Subject(r, subject)
	if err == nil {
		a.Code = command.VerdictExit[own.Verdict()]
		_, err = a.WriteAll(set, func(w io.Writer, _ string, o terminal.Options) error {
			return render.Story(w, r, subject, a.ReportOptions(set, o))
		})
	}
	var none *render.NoSubjectError
	if errors.As(err, &none) {
		return command.Usagef("--subject: %w; name one of these", none)
	}
	return err
}

// readReports reads saved reports, and merges several into one.
func readReports(ctx context.Context, names []string) (report.Report, error) {
	var files []*report.File
	for _, name := range names {
		f, err := readReport(ctx, name)
		if err != nil {
			return report.Report{}, err
		}
		files = append(files, f)
	}
	if len(files) == 1 {
		return files[0].Report, nil
	}
	return report.Merge(files)
}

func readReport(ctx context.Context, name string) (*report.File, error) {
	f, err := fetch.OpenInput(ctx, name)
	if err != nil {
		return nil, command.Usagef("%s: %w; name a report that -o json=FILE wrote", name, command.PlainError(err))
	}
	defer func() { _ = f.Close() }()
	saved, err := report.Read(name, f)
	if err != nil {
		return nil, err
	}
	if err := verify.Saved(saved.Report); err != nil {
		return nil, &report.FileError{Name: name, Err: err}
	}
	return saved, nil
}

// reportDiff compares two saved reports. That they differ is an answer: the exit code is 0.
func reportDiff(ctx context.Context, a *command.App, names []string, set *command.Settings) (err error) {
	if len(names) != 2 {
		return command.Usagef("report diff needs two saved reports and got %d; write kverify report diff OLD.json NEW.json, and ./diff for a report of that name", len(names))
	}
	o := set.Output
	o.Formats = render.DiffFormats
	if set.Outputs, err = o.Read(); err != nil {
		return err
	}
	var both [2]report.Report
	for i, name := range names {
		f, err := readReport(ctx, name)
		if err != nil {
			return err
		}
		both[i] = f.Report
	}
	list := report.Diff(both[0], both[1])
	_, err = a.WriteAll(set, func(w io.Writer, format string, _ terminal.Options) error {
		return render.Diff(w, names[0], names[1], list, format)
	})
	return err
}
