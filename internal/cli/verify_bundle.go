package cli

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

// bundleFlags are those of "kverify verify --bundle", which is a plain Sigstore
// verifier: the caller says whom to trust, and no policy is asked.
type bundleFlags struct {
	bundle, identity, issuer string
	key                      string // --key, which the shared flags define
}

func (b *bundleFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&b.bundle, "bundle", "", "verify a file or digest by the Sigstore bundle in this `FILE`")
	f.StringVar(&b.identity, "certificate-identity", "", "with --bundle: exactly this `SUBJECT` must have signed")
	f.StringVar(&b.issuer, "certificate-oidc-issuer", "", "with --bundle: and exactly this `URL` must have named it")
	f.Lookup("key").Usage = "the public key in this `FILE` (PEM) vouches for the mirror, or with --bundle must have signed"
}

// given says whether this is about a bundle. The other flags make sense only then.
func (b *bundleFlags) given(c *cobra.Command) (bool, error) {
	if c.Flags().Changed("bundle") {
		return true, nil
	}
	for _, flag := range []string{"certificate-identity", "certificate-oidc-issuer"} {
		if c.Flags().Changed(flag) {
			return false, command.Usagef("--%s says who signed a bundle, and no bundle is named; add --bundle FILE, or leave it out: the policy says who signs Kubernetes", flag)
		}
	}
	return false, nil
}

// verifyBundle verifies one artifact by its bundle.
func verifyBundle(a *command.App, c *cobra.Command, flags *command.Shared, b *bundleFlags, args []string) error {
	if len(args) != 1 {
		return command.Usagef("--bundle is of one artifact and %d were named; write kverify verify --bundle FILE ... ./ARTIFACT", len(args))
	}
	ctx, cancel, set, err := a.Begin(c, flags)
	if err != nil {
		return err
	}
	defer cancel()
	for _, flag := range []string{"policy", "checks", "require", "mirror", "endpoint"} {
		if c.Flags().Changed(flag) {
			return command.Usagef("--%s does not go with --bundle, which asks no policy and no network; leave it out", flag)
		}
	}
	root := trust.EmbeddedRoot()
	if set.TrustedRoot != "" {
		if root, err = trust.LoadAnyRoot(set.TrustedRoot); err != nil {
			return command.NotTrust("--trusted-root", set.TrustedRoot, err)
		}
	}
	artifact := verify.Artifact{Name: args[0], BundleName: b.bundle}
	if artifact.Bundle, err = readBundle(ctx, b.bundle); err != nil {
		return err
	}
	if err := b.signer(ctx, &artifact); err != nil {
		return err
	}
	if err := artifactOf(args[0], &artifact); err != nil {
		return err
	}
	v := &verify.Verifier{Root: root, Tool: command.ThisBuild().Tool(), Progress: new(verify.Progress)}
	r, err := v.Artifact(ctx, artifact)
	if err != nil {
		return err
	}
	a.Code = command.VerdictExit[r.Verdict()]
	return a.Write(r, set)
}

func (b *bundleFlags) signer(ctx context.Context, a *verify.Artifact) error {
	named := b.identity != "" || b.issuer != ""
	switch {
	case b.key != "" && named:
		return command.Usagef("--key and --certificate-identity exclude each other; give one of them")
	case b.key == "" && (b.identity == "" || b.issuer == ""):
		return command.Usagef("--bundle needs to know who must have signed; give --certificate-identity SUBJECT and --certificate-oidc-issuer URL, or --key FILE")
	case b.key == "":
		a.Identity = trust.Identity{Issuer: b.issuer, Subject: b.identity}
		return nil
	}
	text, err := command.ReadFile(ctx, b.key, command.MaxKeyFile)
	if err != nil {
		return command.Usagef("--key %s: %w; give a public key in PEM", b.key, command.PlainError(err))
	}
	if a.Key, err = sigstore.ParseKey(text); err != nil {
		return command.Usagef("--key %s: %w; give a public key in PEM", b.key, err)
	}
	return nil
}

func readBundle(ctx context.Context, path string) ([]byte, error) {
	text, err := command.ReadFile(ctx, path, command.MaxBundleFile)
	if err != nil {
		return nil, command.Usagef("--bundle %s: %w; name a Sigstore bundle", path, command.PlainError(err))
	}
	return bounds.WithoutBOM(text), nil
}

// artifactOf reads the artifact's name: a digest, or a file's path. A file
// comes first only where the name can be nothing else.
func artifactOf(what string, a *verify.Artifact) error {
	info, err := os.Stat(what)
	isFile := err == nil
	algorithm, _, _ := strings.Cut(what, ":")
	isDigest := algorithm == "sha256" || algorithm == "sha384" || algorithm == "sha512"
	switch {
	case isFile && isDigest:
		return command.Usagef("%q is both a digest and a file here; for the file write ./%s", what, what)
	case isDigest:
		a.Digest = what
	case !isFile:
		return command.Usagef("%s: %w; name a file, or a digest such as sha256:DIGEST", what, command.PlainError(err))
	case !info.Mode().IsRegular():
		return command.Usagef("%s is not a regular file; name one, or a digest such as sha256:DIGEST", what)
	default:
		a.Open = func() (io.ReadCloser, error) { return fetch.OpenFile(what) }
	}
	return nil
}
