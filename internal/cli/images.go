package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/spf13/cobra"
)

// imagesFlags are those of "kverify images" alone.
type imagesFlags struct {
	systems      command.Systems
	allSupported bool
	shard        string
}

func imagesCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var own imagesFlags
	c := &cobra.Command{
		Use:   "images VERSION [NAME...]",
		Short: "Verify the images of a release",
		Long: `Verifies every image of a release: the index, each platform, and the
repositories of single architectures. VERSION is a version such as v1.27.2, or a
channel such as stable or 1.27. With NAMEs, such as kube-proxy, only those images.

v1.24..v1.27 is every patch of those minors that this kverify knows of, and
--all-supported those of every minor that is supported: one job, one report. --shard
examines a part of it; "kverify report" puts the parts together again.`,
		Example: command.WithExamples(
			"kverify images v1.27.2  # every image, on every architecture",
			"kverify images v1.27.2 kube-proxy kube-apiserver  # two of them",
			"kverify images v1.27.2 --platform linux/amd64,linux/arm64  # two platforms",
			"kverify images v1.27.2 --mirror DIR  # with no network",
			"kverify images v1.24..v1.27 -q  # every patch of four minors",
			"kverify images --all-supported --shard 0/8 -o json=shard-0.json  # an eighth of it",
			"kverify images stable -o table -o json=report.json  # for a person and for a program",
		),
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !own.allSupported {
				return &command.UsageError{Err: fmt.Errorf("images needs a version and got none; write kverify images v1.27.2"), Hint: "try: kverify images --help"}
			}
			if own.allSupported {
				return nil
			}
			return command.VersionFirst(c, args)
		},
	}
	c.RunE = a.Verifying(&flags, func(ctx context.Context, v *verify.Verifier, args []string) (report.Report, error) {
		if err := own.systems.Read(c.Flags()); err != nil {
			return report.Report{}, err
		}
		shard, err := command.ParseShard(own.shard)
		if err != nil {
			return report.Report{}, err
		}
		versions, names, err := imageReleases(ctx, a, v, own.allSupported, args)
		if err != nil {
			return report.Report{}, err
		}
		return v.Images(ctx, verify.Request{Versions: versions, Names: names, Arches: own.systems.Arches, Shard: shard})
	})
	c.ValidArgsFunction = command.CompleteVersions(false, command.ImagesOf)
	c.Flags().SortFlags = false
	own.systems.Add(c, false, "(default all)")
	c.Flags().BoolVar(&own.allSupported, "all-supported", false, "every patch of every minor that is supported today")
	_ = c.Flags().SetAnnotation("all-supported", command.NotFromEnvironment, nil)
	c.Flags().StringVar(&own.shard, "shard", "", "only the part `I/N`, such as 0/4: of several releases some, of one some images")
	flags.AddAccept(c)
	flags.Add(c)
	flags.AddExplain(c.Flags())
	flags.AddLock(c.Flags())
	return c
}

// imageReleases turns the arguments into versions, and names of images.
func imageReleases(ctx context.Context, a *command.App, v *verify.Verifier, allSupported bool, args []string) (versions []release.Version, names []string, err error) {
	if allSupported {
		for _, name := range args {
			if _, _, err := release.Channel(name); err == nil || release.IsRange(name) {
				return nil, nil, command.Usagef("--all-supported and the version %q contradict each other; give one of them", name)
			}
		}
		versions, err = support.SupportedReleases(time.Now())
		if err == nil && len(versions) == 0 {
			err = command.Usagef("--all-supported: no release that this kverify knows of is supported today; update kverify, or name a range")
		}
		return versions, args, err
	}
	if release.IsRange(args[0]) {
		versions, err = release.Range(args[0])
		return versions, args[1:], err
	}
	version, err := a.Resolve(ctx, v.Fetch, args[0])
	if err == nil {
		a.SayLater(command.Advise(version))
	}
	return []release.Version{version}, args[1:], err
}
