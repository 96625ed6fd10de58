package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/describe"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
	"github.com/spf13/cobra"
)

// skewFlags are the flags of skew, in the order of support.Components and Tools.
var skewFlags = []struct {
	name      string
	component support.Component
}{
	{"apiserver", support.APIServer},
	{"controller-manager", support.ControllerManager},
	{"scheduler", support.Scheduler},
	{"cloud-controller-manager", support.CloudControllerManager},
	{"kubelet", support.Kubelet},
	{"kube-proxy", support.KubeProxy},
	{"kubectl", support.Kubectl},
	{"kubeadm", support.Kubeadm},
}

func skewCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var from, to string
	components := make([][]string, len(skewFlags))
	own := []string{"from", "to"}
	for _, s := range skewFlags {
		own = append(own, s.name)
	}
	c := &cobra.Command{
		Use:   "skew --apiserver VERSION --COMPONENT VERSION... | --from VERSION --to VERSION",
		Short: "Check component versions against the version skew policy",
		Long: `Says whether the components of a cluster go together by the version skew policy of
Kubernetes, which rule forbids what does not, and what each component may be beside
the others. Name every API server: those of different versions narrow the rest, as
they do where a component can reach any of them. Where one talks to a single API
server only, check it with that one alone.

With --from and --to, prints the order in which components are upgraded, and what
must hold before each step.

Only minor versions count: 1.27 and v1.27.2 are the same here, and so is what clusters
and packages print, such as v1.27.2-eks-2d5f260, v1.27.2+k3s1 or 1.27.2-1.1: its
upstream part counts, and what was passed over is said. The exit code is 0 if all of it
is supported, and 1 if not.`,
		Example: command.WithExamples(
			"kverify skew --apiserver 1.27 --kubelet 1.25 --kubectl 1.28  # do these go together?",
			"kverify skew --apiserver 1.27 --apiserver 1.26 --kubelet 1.27  # while API servers are upgraded",
			"kverify skew --apiserver 1.28 --kubelet 1.25 --kube-proxy 1.26 -o json  # for a program",
			"kverify skew --apiserver v1.31.4-eks-2d5f260 --kubelet v1.29.6+k3s1  # as a cluster prints them",
			"kverify skew --from 1.26 --to 1.27  # in which order to upgrade",
		),
		Args: command.NoArguments,
		RunE: a.ReadOnly(&flags, func(ctx context.Context, r *command.ReadOnlyRun, _ []string) error {
			if err := command.Judges(r.Set); err != nil {
				return err
			}
			given := false
			for _, versions := range components {
				given = given || len(versions) > 0
			}
			switch upgrade := from != "" || to != ""; {
			case upgrade && given:
				return command.Usagef("skew checks components or orders an upgrade, and was asked for both; leave out --from and --to, or the components")
			case upgrade && (from == "" || to == ""):
				return command.Usagef("an upgrade has two ends, and one of --from and --to is missing; write kverify skew --from 1.26 --to 1.27")
			case upgrade:
				return tellUpgrade(ctx, r, from, to)
			case !given:
				return &command.UsageError{Err: fmt.Errorf("skew was given no component; write kverify skew --apiserver 1.27 --kubelet 1.25"), Hint: "try: kverify skew --help"}
			}
			return skew(ctx, r, components)
		}),
	}
	f := c.Flags()
	flags.AddTelling(c, describe.SkewFormats...)
	for i, s := range skewFlags {
		f.StringSliceVar(&components[i], s.name, nil, fmt.Sprintf("`VERSION` of %s; repeatable", s.component))
	}
	f.StringVar(&from, "from", "", "the `VERSION` that a cluster has")
	f.StringVar(&to, "to", "", "the `VERSION` that it is to have")
	for _, name := range own {
		_ = f.SetAnnotation(name, command.NotFromEnvironment, nil)
		_ = c.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return command.Minors(), cobra.ShellCompDirectiveNoFileComp
		})
	}
	return c
}

func skew(ctx context.Context, r *command.ReadOnlyRun, components [][]string) error {
	var cluster []support.Instance
	for i, versions := range components {
		for _, spec := range versions {
			m, err := minor(ctx, r, skewFlags[i].name, spec)
			if err != nil {
				return err
			}
			cluster = append(cluster, support.Instance{Component: skewFlags[i].component, Minor: m})
		}
	}
	s, err := support.Check(cluster)
	if err != nil {
		return err
	}
	if !s.Supported() {
		r.App.Code = command.ExitRefuted
	}
	_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
		return describe.Skew(w, s, format, o)
	})
	return err
}

func tellUpgrade(ctx context.Context, r *command.ReadOnlyRun, from, to string) error {
	first, err := minor(ctx, r, "from", from)
	if err != nil {
		return err
	}
	last, err := minor(ctx, r, "to", to)
	if err != nil {
		return err
	}
	steps, err := support.UpgradeOrder(first, last)
	if err != nil {
		return err
	}
	_, err = r.App.WriteAll(r.Set, func(w io.Writer, format string, o terminal.Options) error {
		return describe.Upgrade(w, first, last, steps, format, o)
	})
	return err
}

// printedMinor reads a version as a cluster, a package or a component itself
// prints it: "v1.31.4-eks-2d5f260", "1.28.9-2.1", "Kubernetes v1.27.2",
// "Client Version: v1.30.0", "1.27+".
func printedMinor(spec string) (m support.Minor, passed string, ok bool) {
	text, name := strings.TrimSpace(spec), ""
	for _, before := range []string{"Kubernetes ", "Client Version: ", "Server Version: "} {
		if rest, named := strings.CutPrefix(text, before); named {
			text, name = rest, strings.TrimSpace(before)
		}
	}
	v, rest, ok := release.Upstream(text)
	if ok && (rest != "" || name != "") {
		return support.MinorOf(v), cmp.Or(rest, name), true
	}
	// The API answers with "27+" as the minor of a build that is not upstream's.
	if minor, plus := strings.CutSuffix(text, "+"); plus {
		m, err := support.ParseMinor(minor)
		return m, "+", err == nil
	}
	return support.Minor{}, "", false
}

// minor reads the version of a component. Only stable, latest and those of a
// major version must be asked for; every other form names its minor itself.
func minor(ctx context.Context, r *command.ReadOnlyRun, flag, spec string) (support.Minor, error) {
	marker, v, err := release.Channel(spec)
	if err != nil {
		if m, passed, ok := printedMinor(spec); ok {
			r.Remark("--%s %s: read as %s, and %q was passed over", flag, spec, m, passed)
			return m, nil
		}
		return support.Minor{}, command.Usagef("--%s: %w", flag, err)
	}
	if marker == "" {
		return support.MinorOf(v), nil
	}
	if _, branch, ok := strings.Cut(marker, "-"); ok && strings.Contains(branch, ".") {
		return support.ParseMinor(branch)
	}
	client, err := client(r)
	if err != nil {
		return support.Minor{}, err
	}
	if v, err = release.Resolve(ctx, client, spec); err != nil {
		v, err = fromSnapshot(r, spec, err)
	}
	return support.MinorOf(v), err
}
