package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/spf13/cobra"
)

// trustCommand shows trusted roots.
func trustCommand(a *command.App) *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Show or update a trusted root: the authorities and logs of Sigstore",
		Example: command.WithExamples(
			"kverify trust show  # the built-in one",
			"kverify trust show trusted_root.json",
			"kverify trust update trusted_root.json  # fetch the newest one",
		),
	}
	show := &cobra.Command{
		Use:   "show [FILE]",
		Short: "List what a trusted root trusts, and since when",
		Long: `Lists the certificate authorities, certificate logs, transparency logs and timestamp
authorities of a trusted root, the built-in one or that of a FILE. A root does not
expire: one that is older than a signature makes that signature unknown, and never
refuted, and needs a newer root.`,
		Example: command.WithExamples("kverify trust show", "kverify trust show trusted_root.json"),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return command.Usagef("trust show takes one file and got %d; name one, or none for the built-in root", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			a.Running = true
			root, name := trust.EmbeddedRoot(), "the built-in trusted root"
			if len(args) == 1 {
				var err error
				if root, err = trust.LoadRoot(args[0]); err != nil {
					return command.NotTrust("the trusted root", args[0], err)
				}
				name = args[0]
			}
			return describeRoot(a.Stdout, name, root, time.Now())
		},
	}
	c.AddCommand(show, trustUpdateCommand(a))
	return a.Group(c)
}

func describeRoot(w io.Writer, name string, r *trust.Root, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  digest  %s\n", render.Escape(name), r.Source().Digest)
	var newest time.Time
	for _, k := range r.Anchors() {
		to := "now"
		if !k.To.IsZero() {
			to = k.To.UTC().Format(time.DateOnly)
		}
		if k.From.After(newest) {
			newest = k.From
		}
		fmt.Fprintf(&b, "  %-22s %s to %-10s  %.16s  %s\n", k.Kind, k.From.UTC().Format(time.DateOnly), to, k.ID, render.Escape(k.URI))
	}
	if !newest.IsZero() {
		fmt.Fprintf(&b, "  its newest key is valid since %s, %d days ago\n", newest.UTC().Format(time.DateOnly), int(now.Sub(newest).Hours()/24))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
