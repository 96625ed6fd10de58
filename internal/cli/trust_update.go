package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/spf13/cobra"
)

// keptSuffix names the file beside a pinned root in which an update keeps what
// the next one needs to refuse a roll-back.
const keptSuffix = ".tuf.json"

// updateFlags are those of "kverify trust update" alone.
type updateFlags struct {
	tufRoot         string
	dryRun, removal bool
}

// trustUpdate fetches the newest trusted root into a file.
func trustUpdateCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var u updateFlags
	c := &cobra.Command{
		Use:   "update FILE",
		Short: "Fetch the newest trusted root into a file",
		Long: `Fetches the trusted root of Sigstore's public-good instance from where it is
published, ` + trust.Repository + `, verifies it as The Update Framework says
(a chain of signed roots from the built-in one, nothing older than what was seen
before, nothing out of date), says what changed, and writes it to FILE at once or not
at all. What proves it is kept beside it, in FILE` + keptSuffix + `.

Nothing uses FILE by itself: give it to a command with --trusted-root FILE. A root
that has lost an authority or log which FILE holds (or, without one, the built-in
root), or that has opened one again which had ended, is refused; if its publisher
did withdraw a key, --accept-removal takes it.

The exit code is 0 if FILE is now the newest root, 1 if what was served contradicts
what is known, and 3 if it could not be fetched. FILE is left as it was in both cases.`,
		Example: command.WithExamples(
			"kverify trust update trusted_root.json",
			"kverify trust update trusted_root.json --dry-run  # only say what would change",
			"kverify images v1.27.2 --trusted-root trusted_root.json  # use it",
		),
		Args: command.OneFile("trust update", "file to write, such as trusted_root.json"),
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, args []string) error {
			return updateTrust(ctx, r, args[0], u)
		}),
	}
	flags.AddAsking(c, "text", "json")
	f := c.Flags()
	f.BoolVar(&u.dryRun, "dry-run", false, "write nothing")
	f.BoolVar(&u.removal, "accept-removal", false, "take a root that has lost an authority or log")
	f.StringVar(&u.tufRoot, "tuf-root", "", "begin with the root.json in this `FILE` instead of the built-in one")
	for _, name := range []string{"dry-run", "accept-removal", "tuf-root"} {
		_ = f.SetAnnotation(name, command.NotFromEnvironment, nil)
	}
	return c
}

func updateTrust(ctx context.Context, r *command.ReadOnlyRun, file string, u updateFlags) error {
	req := trust.UpdateRequest{Old: trust.EmbeddedRoot(), AcceptRemoval: u.removal}
	before := "the built-in one"
	old, err := trust.LoadRoot(file)
	var bad *trust.FileError
	switch {
	case err == nil:
		req.Old, before = old, file
	case errors.As(err, &bad):
		return command.Usagef("%s is there and is not a trusted root: %w; name another file, or remove it", file, bad.Err)
	case !errors.Is(err, fs.ErrNotExist):
		return command.Usagef("%s: %w; name a file that can be read and written", file, command.PlainError(err))
	}
	if req.Previous, err = command.ReadFile(ctx, file+keptSuffix, maxKept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return command.Usagef("%s: %w; it is what the last update kept: restore it, or remove it if you do not know better", file+keptSuffix, command.PlainError(err))
	}
	if u.tufRoot != "" {
		if req.TUFRoot, err = command.ReadFile(ctx, u.tufRoot, maxKept); err != nil {
			return command.Usagef("--tuf-root %s: %w; name a root.json of %s", u.tufRoot, command.PlainError(err), trust.Repository)
		}
	}
	req.Previous, req.TUFRoot = bounds.WithoutBOM(req.Previous), bounds.WithoutBOM(req.TUFRoot)
	if req.Client, err = client(r); err != nil {
		return err
	}
	got, err := trust.Update(ctx, req)
	var refused *trust.UpdateError
	switch {
	case errors.As(err, &refused):
		if refused.Refuted {
			r.App.Code = command.ExitRefuted
		}
		hint := "try later"
		if refused.Refuted {
			hint = "another party may stand between you and it"
		}
		return fmt.Errorf("%s: %w; nothing was written: %s", trust.Repository, err, hint)
	case errors.As(err, &bad) && u.tufRoot != "" && bad.What == "TUF root":
		return command.Usagef("--tuf-root %s is not a root of a TUF repository that this kverify reads: %w; name a root.json, and of a repository whose first ones are of an older form a newer one", u.tufRoot, bad.Err)
	case errors.As(err, &bad):
		return command.Usagef("%s: %w; restore it, or remove it if you do not know better", file+keptSuffix, bad.Err)
	case err != nil:
		return fmt.Errorf("updating %s: %w; nothing was written", file, err)
	}
	if !u.dryRun {
		if err := writePinned(file, got); err != nil {
			return err
		}
	}
	_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, _ terminal.Options) error {
		if format == "json" {
			return updateJSON(w, file, req.Old, got, !u.dryRun)
		}
		return updateText(w, file, before, req.Old, got, !u.dryRun)
	})
	return err
}

// maxKept caps the record of an update: some roots of 6 KB each.
const maxKept = 1 << 20

// writePinned writes the record before the root: if the second is not done, the
// next update knows more than it needs, and not less.
func writePinned(file string, got *trust.Updated) (err error) {
	dir, name := filepath.Split(file)
	if dir == "" {
		dir = "."
	}
	root, err := fetch.OpenDir(dir)
	if err != nil {
		return command.Usagef("%s: %w; name a file in a directory that is there", file, command.PlainError(err))
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := fetch.WriteFile(root, name+keptSuffix, got.Keep, 0o644); err != nil {
		return fmt.Errorf("%s: %w; the trusted root was left as it was", file, err)
	}
	if err := fetch.WriteFile(root, name, got.Text, 0o644); err != nil {
		return fmt.Errorf("%s: %w; the trusted root was left as it was", file, err)
	}
	return nil
}

func updateText(w io.Writer, file, before string, old *trust.Root, got *trust.Updated, written bool) error {
	var b strings.Builder
	switch name := terminal.Escape(file); {
	case !written:
		fmt.Fprintf(&b, "%s: nothing was written (--dry-run)\n", name)
	default:
		fmt.Fprintf(&b, "%s: written; use it with --trusted-root\n", name)
	}
	fmt.Fprintf(&b, "  before  %s, %s\n", old.Source().Digest, terminal.Escape(before))
	fmt.Fprintf(&b, "  after   %s\n", got.Root.Source().Digest)
	fmt.Fprintf(&b, "  signed  root version %d, targets %d, timestamp %d, which says until %s that it is the newest\n",
		got.RootVersion, got.TargetsVersion, got.TimestampVersion, got.Until.UTC().Format(time.RFC3339))
	for _, c := range got.Changes {
		fmt.Fprintf(&b, "  %s\n", terminal.Escape(c.String()))
	}
	if len(got.Changes) == 0 {
		b.WriteString("  no authority or log is other than before\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func updateJSON(w io.Writer, file string, old *trust.Root, got *trust.Updated, written bool) error {
	type change struct {
		Change string     `json:"change"`
		Kind   string     `json:"kind"`
		URI    string     `json:"uri"`
		ID     string     `json:"id"`
		From   time.Time  `json:"from"`
		To     *time.Time `json:"to,omitempty"`
	}
	out := struct {
		File             string    `json:"file"`
		Written          bool      `json:"written"`
		Before           string    `json:"before"`
		After            string    `json:"after"`
		RootVersion      int64     `json:"rootVersion"`
		TargetsVersion   int64     `json:"targetsVersion"`
		TimestampVersion int64     `json:"timestampVersion"`
		Until            time.Time `json:"until"`
		Changes          []change  `json:"changes"`
	}{file, written, old.Source().Digest, got.Root.Source().Digest, got.RootVersion, got.TargetsVersion, got.TimestampVersion, got.Until.UTC(), []change{}}
	for _, c := range got.Changes {
		a := c.Is
		if a.Kind == "" {
			a = c.Was
		}
		one := change{Change: c.Kind(), Kind: a.Kind, URI: a.URI, ID: a.ID, From: a.From.UTC()}
		if !a.To.IsZero() {
			one.To = &a.To
		}
		out.Changes = append(out.Changes, one)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
