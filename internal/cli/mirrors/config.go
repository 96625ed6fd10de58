package mirrors

import (
	"fmt"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/release"
	"github.com/spf13/cobra"
)

func configCommand(a *command.App) *cobra.Command {
	var form, ca, version string
	plain := false
	c := &cobra.Command{
		Use:   "config [DIR] REGISTRY[/PREFIX] --for FORM",
		Short: "Write what leads nodes to a registry inside",
		Long: `Writes the configuration with which nodes find the images of registry.k8s.io in a
registry inside: one that a mirror was pushed to, or the address of kverify mirror
serve. It goes to stdout, and its first line says where it belongs. No node that has it
asks registry.k8s.io any more; k3s needs a flag for that, which its file names.

FORM is containerd (hosts.toml), crio (registries.conf.d, for Podman too), kubeadm
(ClusterConfiguration), k3s (registries.yaml, of RKE2 too), talos (RegistryMirrorConfig)
or docker (a script, since Docker has no mirrors but those of docker.io). With the mirror
DIR, kubeadm's is for the newest release in it, and docker's names its images.

A runtime asks for the sandbox image of pods, pause, by a tag of its own, which need not
be the one that kubeadm asks for: with DIR, containerd's and crio's say which the mirror
holds, and how to set it.`,
		Example: command.WithExamples(
			"kverify mirror config registry.example.com/k8s --for containerd  # a registry that was pushed to",
			"kverify mirror config 10.0.0.5:8080 --plain-http --for crio  # kverify mirror serve",
			"kverify mirror config DIR registry.example.com/k8s --for kubeadm  # for the release in DIR",
		),
		Args: command.Needs(1, 2, "a registry", "kverify mirror config registry.example.com/k8s --for containerd"),
		RunE: func(c *cobra.Command, args []string) error {
			a.Running = true
			if form == "" {
				return command.Usagef("mirror config needs --for; write --for %s", command.OrList(mirror.NodeForms))
			}
			if err := command.Chosen("for", []string{form}, mirror.NodeForms); err != nil {
				return err
			}
			base, err := command.RegistryURL(args[len(args)-1], plain)
			if err != nil {
				return err
			}
			n := mirror.NodeConfig{Registry: base, CA: ca}
			if len(args) == 2 {
				dir, err := mirror.Open(args[0])
				if err != nil {
					return err
				}
				defer dir.Close() //nolint:errcheck // only read
				n.Images = dir.Images()
				n.Version = newest(n)
			}
			if version != "" {
				if n.Version, err = release.ParseVersion(version); err != nil {
					return err
				}
			}
			text, err := n.Config(form)
			if err != nil {
				return &command.UsageError{Err: err}
			}
			_, err = fmt.Fprint(a.Stdout, text)
			return err
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&form, "for", "", "write it for `FORM`: "+command.OrList(mirror.NodeForms))
	f.BoolVar(&plain, "plain-http", false, "the registry is spoken to without TLS")
	f.StringVar(&ca, "ca-file", "", "the CA of the registry's certificate, a `PATH` on the node")
	f.StringVar(&version, "release", "", "kubeadm is to install this `VERSION`")
	for _, own := range []string{"for", "plain-http", "ca-file", "release"} {
		_ = f.SetAnnotation(own, command.NotFromEnvironment, nil)
	}
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(mirror.NodeForms, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// newest is the newest release that has an image there.
func newest(n mirror.NodeConfig) (v release.Version) {
	for _, ref := range n.Images {
		w, err := release.ParseVersion(ref.Tag)
		if err == nil && ref.Repository == "kube-apiserver" && (v.IsZero() || v.Compare(w) < 0) {
			v = w
		}
	}
	return v
}
