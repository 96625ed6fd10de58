package mirrors

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/release"
	"github.com/spf13/cobra"
)

func pruneCommand(a *command.App) *cobra.Command {
	var keep []string
	var dry, quiet bool
	var signKey string
	c := &cobra.Command{
		Use:   "prune DIR",
		Short: "Remove from a mirror what no kept release needs",
		Long: `Takes releases out of a mirror, all but those of --keep, and removes what is then not
needed: blobs that no image shares, files, and what interrupted runs have left.
Without --keep every release stays, and only such leftovers go. It needs no network,
so that a mirror inside is pruned inside.`,
		Example: command.WithExamples(
			"kverify mirror prune DIR --keep v1.27.2,v1.28.1 --dry-run  # what would go",
			"kverify mirror prune DIR --keep v1.27.2,v1.28.1",
			"kverify mirror prune DIR  # only what nothing lists",
		),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &command.UsageError{Err: errors.New("mirror prune takes one directory; write kverify mirror prune DIR"), Hint: "try: kverify mirror prune --help"}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			a.Running = true
			o := create.PruneOptions{Dir: args[0], DryRun: dry}
			for _, k := range keep {
				v, err := release.ParseVersion(k)
				if err != nil {
					return err
				}
				o.Keep = append(o.Keep, v)
			}
			var err error
			if o.Operator, err = operator(c.Context(), a, signKey, args[0]); err != nil {
				return err
			}
			out, err := create.Prune(o)
			if err != nil {
				return err
			}
			for _, name := range out.Files {
				if _, err := fmt.Fprintln(a.Stdout, terminal.Escape(name)); err != nil {
					return err
				}
			}
			if quiet {
				return nil
			}
			did := "removed"
			if dry {
				did = "would be removed, and nothing was"
			}
			what := ""
			if len(out.Releases) > 0 {
				what = fmt.Sprintf(" with %s and %s of images", strings.Join(out.Releases, ", "), command.Count(out.Names, "name"))
			}
			a.Say("%s of %s%s: %s", command.Count(len(out.Files), "file"), command.BytesText(out.Bytes), what, did)
			if out.Unsigned {
				a.Say("MANIFEST.json has changed, and its old signature, which no longer fits, was removed; sign it with --sign-key")
			}
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&keep, "keep", nil, "keep only this `VERSION`; repeatable (default all)")
	f.BoolVar(&dry, "dry-run", false, "list what would go, and remove nothing")
	f.StringVar(&signKey, "sign-key", "", "vouch for what stays with the private key in this `FILE`")
	f.BoolVarP(&quiet, "quiet", "q", false, "no remarks on stderr")
	f.VisitAll(command.OwnFlag(c))
	return c
}
