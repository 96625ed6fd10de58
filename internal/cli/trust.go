package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
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
	var flags command.Shared
	show := &cobra.Command{
		Use:   "show [FILE]",
		Short: "List what a trusted root trusts, and since when",
		Long: `Lists the certificate authorities, certificate logs, transparency logs and timestamp
authorities of a trusted root, the built-in one or that of a FILE. A root does not
expire: one that is older than a signature makes that signature unknown, and never
refuted, and needs a newer root.`,
		Example: command.WithExamples("kverify trust show", "kverify trust show trusted_root.json", "kverify trust show -o json  # for a program"),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return command.Usagef("trust show takes one file and got %d; name one, or none for the built-in root", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			a.Running = true
			set := &command.Settings{Ctx: c.Context(), Shared: flags}
			if set.Outputs, err = flags.Output.Read(); err != nil {
				return err
			}
			root, name := trust.EmbeddedRoot(), "the built-in trusted root"
			if len(args) == 1 {
				if root, err = trust.LoadRoot(args[0]); err != nil {
					return command.NotTrust("the trusted root", args[0], err)
				}
				name = args[0]
			}
			_, err = a.WriteAll(set, func(w io.Writer, format string, _ terminal.Options) error {
				if format != "text" {
					return encode.As(w, shownRoot(name, root), format)
				}
				return describeRoot(w, name, root, time.Now())
			})
			return err
		},
	}
	flags.Output.AddOwn(show, encode.Formats)
	c.AddCommand(show, trustUpdateCommand(a))
	return a.Group(c)
}

// trustedRoot is a trusted root for a program: digest and what it trusts, with times in
// RFC 3339; no "to" is still valid.
type trustedRoot struct {
	Name    string          `json:"name"`
	Digest  string          `json:"digest"`
	BuiltIn bool            `json:"builtIn"`
	Anchors []trustedAnchor `json:"anchors"`
}

type trustedAnchor struct {
	Kind string     `json:"kind"`
	URI  string     `json:"uri,omitempty"`
	ID   string     `json:"id"`
	From time.Time  `json:"from"`
	To   *time.Time `json:"to,omitempty"`
}

func shownRoot(name string, r *trust.Root) trustedRoot {
	out := trustedRoot{Name: name, Digest: r.Source().Digest, BuiltIn: r.Source().Embedded, Anchors: []trustedAnchor{}}
	for _, k := range r.Anchors() {
		anchor := trustedAnchor{Kind: k.Kind, URI: k.URI, ID: k.ID, From: k.From.UTC()}
		if !k.To.IsZero() {
			to := k.To.UTC()
			anchor.To = &to
		}
		out.Anchors = append(out.Anchors, anchor)
	}
	return out
}

func describeRoot(w io.Writer, name string, r *trust.Root, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  digest  %s\n", terminal.Escape(name), r.Source().Digest)
	var newest time.Time
	for _, k := range r.Anchors() {
		to := "now"
		if !k.To.IsZero() {
			to = k.To.UTC().Format(time.DateOnly)
		}
		if k.From.After(newest) {
			newest = k.From
		}
		fmt.Fprintf(&b, "  %-22s %s to %-10s  %.16s  %s\n", k.Kind, k.From.UTC().Format(time.DateOnly), to, k.ID, terminal.Escape(k.URI))
	}
	if !newest.IsZero() {
		fmt.Fprintf(&b, "  its newest key is valid since %s, %d days ago\n", newest.UTC().Format(time.DateOnly), int(now.Sub(newest).Hours()/24))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
