package mirrors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/vouch"
	"github.com/spf13/cobra"
)

func showCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	c := &cobra.Command{
		Use:     "show DIR|FILE.tar",
		Aliases: []string{"list", "ls"},
		Short:   "List what a mirror holds, without verifying it",
		Long: `Lists the releases of a mirror, with their images, platforms and files, what is absent,
how large it is, and when and by what it was made. It reads lists and the manifests of
images, and hashes no layer and no file, so that it is quick and proves nothing: what
MANIFEST.json says is the mirror's own word. "kverify verify DIR" proves it.

With --key, holds the operator's signature of MANIFEST.json under that key: exit code 1 if the
list is not the one that was signed, 3 if it is not signed by that key.`,
		Example: command.WithExamples(
			"kverify mirror show DIR",
			"kverify mirror show mirror.tar --key cosign.pub  # and whether that key signed its list",
			"kverify mirror show DIR -o json | jq '.releases[].version'",
		),
		Args: command.Needs(1, 1, "a mirror", "kverify mirror show DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel, set, err := a.Begin(c, &flags)
			if err != nil {
				return err
			}
			defer cancel()
			return showMirror(ctx, a, set, args[0])
		},
	}
	flags.AddShowing(c, "table", "json")
	flags.AddKey(c.Flags())
	return c
}

func showMirror(ctx context.Context, a *command.App, set *command.Settings, path string) error {
	dir, err := mirror.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // only read
	o := dir.Overview()
	if len(o.Damage) > 0 {
		a.Code = command.ExitUnknown
	}
	if set.Key != "" {
		verdict, err := holdSignature(ctx, dir, set.Key, &o.Signed)
		if err != nil {
			return err
		}
		if code := command.VerdictExit[verdict]; verdict != report.Verified {
			a.Code = code
		}
	}
	_, err = a.WriteAll(set, func(w io.Writer, format string, _ terminal.Options) error {
		if format == "json" {
			return encode.JSON(w, o)
		}
		return describeMirror(w, o)
	})
	return err
}

// holdSignature holds a mirror's list under a key, which must not come with the mirror.
func holdSignature(ctx context.Context, dir *mirror.Mirror, path string, s *mirror.Signature) (report.Verdict, error) {
	key, err := command.ReadFile(ctx, path, command.MaxKeyFile)
	if err == nil {
		_, err = sigstore.ParseKey(key)
	}
	if err != nil {
		return report.Unknown, command.Usagef("--key %s: %w; give a public key in PEM", path, command.PlainError(err))
	}
	if err := command.OutsideOf(dir.Path(), "the mirror "+dir.Path(), "--key", path); err != nil {
		return report.Unknown, err
	}
	list, signature, err := dir.ManifestAndSignature()
	if err != nil {
		return report.Unknown, err
	}
	s.Checked = true
	word, err := vouch.Read(path, key, list, signature)
	var not *vouch.Error
	switch {
	case err == nil:
		s.By = strings.TrimSpace(word.Key().Path + " " + word.Key().Digest)
		return report.Verified, nil
	case errors.As(err, &not) && not.Refuted:
		s.Why = not.Err.Error()
		return report.Refuted, nil
	case errors.As(err, &not):
		s.Why = not.Err.Error()
		return report.Unknown, nil
	}
	return report.Unknown, err
}

// maxTold is how much of a list without an end the table tells.
const maxTold = 5

// describeMirror writes an overview for people. Everything in it may come from outside.
func describeMirror(w io.Writer, o mirror.Overview) error {
	b := new(bytes.Buffer)
	what := "a mirror"
	if o.Archive {
		what = "an archive of a mirror"
	}
	fmt.Fprintf(b, "%s: %s of %s, %s (%d bytes)\n", o.Path, what, command.Count(len(o.Releases), "release"), command.BytesText(o.Bytes), o.Bytes)
	field(b, "holds", fmt.Sprintf("%s of %s, %s of %s", command.Count(o.Blobs.Count, "blob"), command.BytesText(o.Blobs.Bytes), command.Count(o.Files.Count, "file"), command.BytesText(o.Files.Bytes)))
	if o.Created+o.Tool != "" {
		field(b, "made", strings.TrimSpace(o.Created+" by "+o.Tool)+", by its own word")
	}
	if o.Base != "" {
		field(b, "base", "made with --base: unpack it over the mirror whose MANIFEST.json is "+o.Base)
	}
	field(b, "signed", signedText(o.Signed))
	if o.Missing.Count > 0 {
		field(b, "missing", fmt.Sprintf("%s of %s, which it names", command.Count(o.Missing.Count, "file"), command.BytesText(o.Missing.Bytes)))
	}
	field(b, "note", o.Partial)
	for i, text := range firstFew(o.Damage) {
		field(b, []string{"damage", ""}[min(i, 1)], text)
	}
	for _, r := range o.Releases {
		describeRelease(b, r)
	}
	if len(o.Others) > 0 {
		b.WriteString("\nimages of no release\n")
		field(b, "images", names(o.Others, false))
	}
	if len(o.Unknown) > 0 {
		b.WriteString("\nkept outside of what is served, since it could not be proved\n")
		field(b, "unknown", strings.Join(firstFew(o.Unknown), ", "))
	}
	if len(o.Releases)+len(o.Others)+len(o.Damage) == 0 {
		b.WriteString("\nNothing is listed in it: it holds files alone, or kverify mirror create has not finished there; run that again, which continues.\n")
		_, err := io.WriteString(w, terminal.EscapeLines(b.String()))
		return err
	}
	fmt.Fprintf(b, "\nNothing was verified: this is what its lists say. Next: kverify verify %s\n", command.LocalPath(o.Path))
	_, err := io.WriteString(w, terminal.EscapeLines(b.String()))
	return err
}

func describeRelease(b *bytes.Buffer, r mirror.ReleaseOverview) {
	size := func(n int64, what string) string {
		if n == 0 {
			return "no " + what
		}
		return command.BytesText(n) + " of " + what
	}
	fmt.Fprintf(b, "\n%s: %s, %s\n", r.Version, size(r.Bytes, "images"), size(r.Files.Bytes, "files"))
	field(b, "images", names(r.Images, true))
	field(b, "platforms", strings.Join(r.Platforms, ", "))
	field(b, "absent", strings.Join(r.Absent, ", "))
	field(b, "without", strings.Join(r.Without, ", "))
	if r.Files.Count > 0 {
		list := slices.Concat(r.Files.Programs, slices.DeleteFunc(slices.Clone(r.Files.Kinds), func(kind string) bool { return kind == "document" }))
		field(b, "files", strings.Join(append(list, fmt.Sprintf("%d with documents and signatures", r.Files.Count)), ", "))
	}
	field(b, "systems", strings.Join(r.Files.Systems, ", "))
}

// names are images as a line has them: of a release without its tag and registry.
func names(list []mirror.ImageOverview, short bool) string {
	var out []string
	for _, i := range list {
		name := i.Name
		if short {
			if _, rest, ok := strings.Cut(name, "/"); ok {
				name = rest[:strings.LastIndexByte(rest, ':')]
			}
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// firstFew cuts a list, and says so.
func firstFew(list []string) []string {
	if len(list) <= maxTold {
		return list
	}
	return append(list[:maxTold:maxTold], fmt.Sprintf("and %d more", len(list)-maxTold))
}

func signedText(s mirror.Signature) string {
	switch {
	case s.By != "":
		return "by " + s.By
	case s.Checked:
		return "not by that key: " + s.Why
	case s.Present:
		return "a signature is there, not checked: add --key FILE"
	}
	return "no"
}

// lineWidth is what a line of a table for every terminal has.
const lineWidth = 80

// field writes a line, or more if its words need them; nothing of an empty text.
func field(b *bytes.Buffer, name, text string) {
	const indent = 12
	at := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			at, _ = fmt.Fprintf(b, "  %-*s", indent-2, name)
		case at+1+len(word) > lineWidth:
			fmt.Fprintf(b, "\n%*s", indent, "")
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	if at > 0 {
		b.WriteByte('\n')
	}
}
