package cli

import (
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/spf13/cobra"
)

// seenFlags are those of what others pulled.
type seenFlags struct {
	lists []string
	as    []string
	command.Systems
	strict bool
}

func (s *seenFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&s.lists, "file", "f", nil, "judge what this `LIST` names (- is stdin): references, or what kubectl, crictl, docker, podman or kubeadm printed; repeatable")
	_ = c.Flags().SetAnnotation("file", command.NotFromEnvironment, nil)
	f.StringArrayVar(&s.as, "as", nil, "names under FROM claim to be those under TO, `FROM=TO`, such as harbor.corp/k8s=registry.k8s.io; repeatable")
	s.Add(c, false, "(of a release, and of copies; default all)")
	f.BoolVar(&s.strict, "strict", false, "an image that is not Kubernetes' is unknown, instead of counted")
}

func isDigest(what string) bool {
	_, err := registry.ParseRef("registry.k8s.io/x@" + what)
	return err == nil && strings.HasPrefix(what, "sha256:")
}
