package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	imageVerifier = "image-verifier"
	// verifierName is what containerd's directory of verifiers has the program under, as a link.
	verifierName = "kverify-image-verifier"
	// verifierTime is what a verdict may take: containerd ends a verifier after ten
	// seconds, and takes that for a refusal without a reason.
	verifierTime = 8 * time.Second
	// maxDescriptor caps what containerd gives on stdin, which is under a KiB.
	maxDescriptor = 64 << 10
)

// asVerifier makes a program that was started by the verifier's name start its command.
func asVerifier(args []string) []string {
	if base := strings.TrimSuffix(filepath.Base(args[0]), ".exe"); base == verifierName {
		return append([]string{imageVerifier}, args[1:]...)
	}
	return args[1:]
}

// pulled is what containerd says of the image that it pulls
// (containerd docs/image-verification.md, pkg/imageverifier/bindir).
type pulled struct {
	name, digest, media string
	unknown             string // KVERIFY_ON_UNKNOWN
}

func imageVerifierCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var own seenFlags
	var p pulled
	c := &cobra.Command{
		Use:   imageVerifier + " -name REF -digest DIGEST",
		Short: "Judge an image that containerd is about to pull, as one of its verifiers",
		Long: `Follows containerd's contract for io.containerd.image-verifier.v1.bindir: it is started
for each image with -name, -digest and -stdin-media-type and the descriptor on stdin.
Exit code 0 lets the image in, any other blocks it, and what is printed is the reason.
A link to this program that is called ` + verifierName + ` does the same.

An image of Kubernetes must be the one that its name and tag say: unlike a policy of
signatures, this binds the version. What is refuted or unknown is blocked. An image that
is not Kubernetes' is let in, and said to be. It has no flags but containerd's;
KVERIFY_MIRROR, KVERIFY_AS and the others of kverify verify are read, and
KVERIFY_ON_UNKNOWN=allow lets in what is unknown.

A verdict must come within eight seconds: give it KVERIFY_MIRROR, or a warm cache.`,
		Example: command.WithExamples(
			"ln -s /usr/local/bin/kverify /opt/containerd/image-verifier/bin/"+verifierName,
			"kverify image-verifier -name registry.k8s.io/pause:3.10 -digest sha256:DIGEST </dev/null  # try it",
		),
		Args: cobra.ArbitraryArgs,
	}
	f := c.Flags()
	f.StringVar(&p.name, "name", "", "the image's `REFERENCE`")
	f.StringVar(&p.digest, "digest", "", "the `DIGEST` that it was resolved to")
	f.StringVar(&p.media, "stdin-media-type", "", "the `TYPE` of what stands on stdin")
	for _, name := range []string{"name", "digest", "stdin-media-type"} {
		_ = f.SetAnnotation(name, command.NotFromEnvironment, nil)
	}
	flags.Add(c)
	f.StringArrayVar(&own.as, "as", nil, "names under FROM claim to be those under TO, `FROM=TO`")
	f.StringVar(&p.unknown, "on-unknown", "", "allow lets in what is unknown; anything else blocks it")
	f.VisitAll(func(fl *pflag.Flag) {
		fl.Hidden = !slices.Contains([]string{"name", "digest", "stdin-media-type"}, fl.Name)
	})
	c.DisableFlagParsing = true
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, arg := range args {
			if arg == "-h" || arg == "--help" || arg == "-help" {
				a.Running = true
				command.Help(a.Stdout, c)
				return nil
			}
		}
		c.DisableFlagParsing = false
		if err := c.ParseFlags(twoDashes(args)); err != nil {
			return &command.UsageError{Err: err}
		}
		if err := command.NotEmpty(c, args); err != nil {
			return err
		}
		if rest := c.Flags().Args(); len(rest) > 0 {
			return command.Usagef("%q is not one of containerd's flags; write kverify %s -name REF -digest DIGEST", rest[0], imageVerifier)
		}
		flags.Quiet = true
		if !c.Flags().Changed("timeout") {
			flags.Timeout = verifierTime
		}
		return verifyPulled(a, c, &flags, &own, &p)
	}
	return c
}

// twoDashes writes long flags with one dash, as containerd gives them, as this program reads them.
func twoDashes(args []string) (out []string) {
	for _, arg := range args {
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			arg = "-" + arg
		}
		out = append(out, arg)
	}
	return out
}

// verifyPulled judges one image, and says in a line why.
func verifyPulled(a *command.App, c *cobra.Command, flags *command.Shared, own *seenFlags, p *pulled) error {
	ctx, cancel, set, err := a.Begin(c, flags)
	if err != nil {
		return err
	}
	defer cancel()
	if err := p.check(ctx); err != nil {
		return err
	}
	v, err := a.Verifier(set)
	if err != nil {
		return err
	}
	aliases, err := sight.ParseMapping(v.Policy.Images.Registry, own.as...)
	if err != nil {
		return &command.UsageError{Err: err}
	}
	j := &seen.Judge{Verifier: v, Names: seen.NamesOf(v.Policy, aliases)}
	in := p.input(j.Names)
	j.Copies = a.Copies(v, in.Refs)
	r, err := j.Judge(ctx, in)
	if err != nil {
		return err
	}
	a.SayJudge()
	allow, why := p.decide(r)
	if !allow {
		a.Code = command.ExitRefuted
		if r.Verdict() != report.Refuted {
			a.Code = command.ExitUnknown
		}
	}
	_, err = fmt.Fprintln(a.Stdout, terminal.EscapeLines(why))
	return err
}

// check holds what containerd gave against itself.
func (p *pulled) check(ctx context.Context) error {
	if p.name == "" || p.digest == "" {
		return command.Usagef("containerd gives -name REF and -digest DIGEST, and one of them is missing")
	}
	if !isDigest(p.digest) {
		return command.Usagef("-digest %q is not sha256: and 64 lower-case hex digits, which is what Kubernetes' images are named by", p.digest)
	}
	if p.media == "" {
		return nil
	}
	in, err := openStdin(ctx)
	if err != nil {
		return command.Usagef("the descriptor on stdin: %w", command.PlainError(err))
	}
	defer func() { _ = in.Close() }()
	text, err := bounds.Read(in, maxDescriptor)
	if err != nil {
		return command.Usagef("the descriptor on stdin: %w", err)
	}
	var d struct{ Digest string }
	if strings.TrimSpace(string(text)) == "" {
		return nil
	}
	if err := cmp.Or(strictjson.Check(text), json.Unmarshal(text, &d)); err != nil || d.Digest != "" && d.Digest != p.digest {
		return command.Usagef("the descriptor on stdin is not that of %s", p.digest)
	}
	return ctx.Err()
}

// input is what the judge is to see: the digest that is about to be pulled, under its
// name. A private copy is read, since docker push changes its digests.
func (p *pulled) input(names sight.Names) seen.Input {
	in := seen.Input{Subjects: []string{p.name + "@" + p.digest}}
	ref, err := sight.ReadName(p.name)
	if kind, own := names.Classify(p.name); err == nil && kind == sight.Ours && ref.Host != own.Host {
		ref.Digest = oci.Digest(p.digest)
		in.Refs = []registry.Ref{ref}
		return in
	}
	one := sight.Sighting{Name: p.name, Digest: oci.Digest(p.digest), Reported: true, Place: report.Place{Source: "containerd"}}
	in.Lists = []iter.Seq2[sight.Sighting, error]{func(yield func(sight.Sighting, error) bool) { yield(one, nil) }}
	return in
}

// decide says whether the image is let in, and why.
func (p *pulled) decide(r report.Report) (allow bool, why string) {
	if len(r.Scope.Others) > 0 && r.Count(report.Refuted)+r.Count(report.Unknown) == 0 {
		return true, p.name + " is not Kubernetes', and was not judged"
	}
	switch r.Verdict() {
	case report.Verified:
		if r.Scope.Partial {
			return false, "partial: KVERIFY_CHECKS leaves out " + strings.Join(r.Scope.Omitted, ", ") + ", without which a name is not bound to its version"
		}
		return true, fmt.Sprintf("%s is what Kubernetes released under that name", p.name)
	case report.Unknown:
		if p.unknown == "allow" {
			return true, "let in though it is unknown (KVERIFY_ON_UNKNOWN=allow): " + command.Cause(r)
		}
	}
	return false, fmt.Sprintf("%s: %s", r.Verdict(), command.Cause(r))
}
