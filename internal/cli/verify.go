package cli

import (
	"context"
	"fmt"

	"github.com/kverify/kverify/internal/cli/mirrors"
	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

// verifyFlags are those of "kverify verify" alone.
type verifyFlags struct {
	release string // of which files are
	shard   string
	bundle  bundleFlags
	seen    seenFlags
}

func verifyCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var own verifyFlags
	c := &cobra.Command{
		Use:   "verify WHAT... | -f LIST",
		Short: "Verify a release, images, files, copies, or an artifact by its bundle",
		Long: `Verifies everything about a release that can be proved without downloading its
files, WHAT being a version such as v1.27.2 or a channel such as stable: the images
as kverify images does, the SBOM's signature and its binding to the version, and
every file's digests, across all documents that claim one.

Or verifies images by name, WHAT being registry.k8s.io/NAME:TAG or
registry.k8s.io/NAME@sha256:DIGEST. An image of a Kubernetes release is held
against that release's own documents.

Or verifies files, WHAT being a path that begins with ./, ../ or /, of a program, a
tarball, or a directory of them: which file of which release each is, and that it is
that. What a path or a program says of its version is a hint; --release names it.

Or verifies copies that other tools pulled, WHAT being an archive (docker save, crane,
podman, skopeo, ctr, nerdctl), an OCI layout, a directory of skopeo's or containerd's
content store: each image in it must be the one that its name says.

With -f, judges what a LIST names: a line each, or what kubectl, crictl, docker, podman
or kubeadm printed; - is stdin. A path is itself judged; what is given to -f is not,
what it names is. With --as FROM=TO, names in a private registry claim to be ours: the
bytes are read there, and what proves them where Kubernetes publishes, or in --mirror.
Beside --mirror only private names on the command line are read; those of a LIST are
judged by their digests.

Or says which image of which release a digest is, WHAT being sha256:DIGEST.

Or verifies a whole mirror, WHAT being its directory or a tar archive of it: every
blob, every layer, every signature and file again from its bytes, that everything is
there that was asked for, and that nothing else is. It opens no socket.

With --bundle, WHAT is one file or digest of any project, and the bundle, which is a
Sigstore bundle of version 0.1 to 0.3, must be of it and
signed by the identity that you name.`,
		Example: command.WithExamples(
			"kverify verify v1.27.2  # the whole release: images, SBOM, what is said of every file",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2  # an image by its name",
			"kverify verify ./kubectl /usr/local/bin/kubelet --release v1.27.2  # files",
			"kverify verify registry.k8s.io/kube-proxy@sha256:DIGEST  # exactly these bytes",
			"kverify verify registry.k8s.io/pause:3.10 --checks digest,signature,reference",
			"kverify verify registry.k8s.io/kube-proxy:v1.27.2 --endpoint registry.k8s.io=https://registry.example.com/k8s",
		) + "\n" + command.WithExamples(
			"kverify verify ./images.tar ./layout  # what docker save, skopeo or crane wrote",
			"kubectl get pods -A -o json | kverify verify -f -  # what a cluster runs",
			"kverify verify -f images.txt --as harbor.corp/k8s=registry.k8s.io  # private copies",
			"kverify verify sha256:DIGEST  # which image of which release this is",
		) + "\n" + command.WithExamples(
			"kverify verify ./mirror  # everything in a mirror, offline",
			"kverify verify ./mirror.tar --key cosign.pub  # and what its operator vouches for",
		) + "\n" + command.WithExamples(
			"kverify verify --bundle FILE --certificate-identity SUBJECT --certificate-oidc-issuer URL ./ARTIFACT",
			"kverify verify --bundle FILE --key FILE sha256:DIGEST",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && len(own.seen.lists) == 0 {
				return &command.UsageError{Err: fmt.Errorf("verify needs a release or an image and got none; write kverify verify v1.27.2, or registry.k8s.io/kube-proxy:v1.27.2"), Hint: "try: kverify verify --help"}
			}
			return nil
		},
		ValidArgsFunction: command.CompleteVersions(true, nil),
	}
	c.RunE = func(c *cobra.Command, args []string) error { return verifyWhat(a, c, &flags, &own, args) }
	c.Flags().StringVar(&own.release, "release", "", "files, and digests without a name, are of this `VERSION`")
	_ = c.Flags().SetAnnotation("release", command.NotFromEnvironment, nil)
	c.Flags().StringVar(&own.shard, "shard", "", "only the part `I/N` of the images, such as 0/4")
	flags.AddAccept(c)
	flags.Add(c)
	flags.AddExplain(c.Flags())
	flags.AddLock(c.Flags())
	own.bundle.add(c)
	own.seen.add(c)
	return c
}

// verifyWhat verifies an artifact by its bundle if one is named, else a mirror if WHAT
// is one, else a release, files or images.
func verifyWhat(a *command.App, c *cobra.Command, flags *command.Shared, own *verifyFlags, args []string) error {
	a.Running = true
	if err := a.FromEnvironment(c); err != nil {
		return err
	}
	if err := own.seen.Read(c.Flags()); err != nil {
		return err
	}
	own.bundle.key = flags.Key
	if asked, err := own.bundle.given(c); err != nil {
		return err
	} else if asked {
		return verifyBundle(a, c, flags, &own.bundle, args)
	}
	if is, err := isMirror(args); err != nil {
		return err
	} else if is {
		return mirrors.Verify(a, c, flags, args)
	}
	return a.Verifying(flags, func(ctx context.Context, v *verify.Verifier, args []string) (report.Report, error) {
		shard, err := command.ParseShard(own.shard)
		if err != nil {
			return report.Report{}, err
		}
		return verifyNamed(ctx, a, v, request{what: command.Unique(args), release: own.release, shard: shard, seen: own.seen})
	})(c, args)
}

// verifyNamed verifies a release, files or images.
func verifyNamed(ctx context.Context, a *command.App, v *verify.Verifier, n request) (report.Report, error) {
	if isSeen(n) {
		if n.shard != nil {
			return report.Report{}, command.Usagef("--shard: files, copies and lists are not split; name fewer at once")
		}
		return verifySeen(ctx, a, v, n)
	}
	spec, err := releaseAlone(n.what)
	switch {
	case err != nil:
		return report.Report{}, err
	case n.release != "":
		return report.Report{}, command.Usagef("--release is for files and for digests without a name, and none was named; write a file as ./FILE")
	}
	if spec != "" {
		version, err := a.Resolve(ctx, v.Fetch, spec)
		if err != nil {
			return report.Report{}, err
		}
		a.SayLater(command.Advise(version))
		if n.shard != nil {
			return report.Report{}, command.Usagef("--shard: a whole release is not split; write kverify images %s --shard %d/%d for its images", version, n.shard.Index, n.shard.Count)
		}
		return v.Release(ctx, verify.Request{Versions: []release.Version{version}, Arches: n.seen.Arches})
	}
	if len(n.seen.Arches) > 0 {
		return report.Report{}, command.Usagef("--arch: an image is verified on every platform; leave it out, or name one platform by its digest")
	}
	return verifyReferences(ctx, a, v, n)
}

// verifyReferences verifies images by their names, or the part of them that is asked for.
func verifyReferences(ctx context.Context, a *command.App, v *verify.Verifier, n request) (report.Report, error) {
	var refs []registry.Ref
	for _, what := range n.what {
		ref, err := reference(a, what)
		if err != nil {
			return report.Report{}, err
		}
		refs = append(refs, ref)
	}
	mine, err := verify.ShareReferences(refs, n.shard)
	if err != nil {
		return report.Report{}, err
	}
	r, err := v.References(ctx, mine)
	for _, res := range r.Results {
		if ref, err := registry.ParseRef(res.Subject); err == nil && res.Verdict() == report.Unknown && res.Platform == "" {
			a.SayLater(command.MeantImage(ref))
		}
	}
	if r.Scope.Shard = n.shard; n.shard != nil {
		r.Scope.Subjects = nil
		for _, ref := range refs {
			r.Scope.Subjects = append(r.Scope.Subjects, ref.String())
		}
	}
	return r, err
}
