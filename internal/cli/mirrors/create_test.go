package mirrors

import (
	"slices"
	"testing"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/release"
)

// TestNamesMeanTheSame holds that a NAME means for a mirror the files that it means
// for a download.
func TestNamesMeanTheSame(t *testing.T) {
	paths := []string{
		"bin/darwin/amd64/kubectl", "bin/linux/amd64/kube-proxy", "bin/linux/amd64/kubectl", "bin/linux/arm64/kubectl", "bin/windows/amd64/kubectl.exe",
		"bin/windows/amd64/kubelet.exe", "kubernetes-client-linux-amd64.tar.gz", "kubernetes-server-linux-amd64.tar.gz", "kubernetes-src.tar.gz",
	}
	c := createOptions{Systems: command.Systems{OSes: []string{"linux"}, Arches: []string{"amd64"}}}
	for name, want := range map[string][]string{
		"kubectl": {"bin/linux/amd64/kubectl"}, "kube-proxy": {"bin/linux/amd64/kube-proxy"}, "kubectl.exe": {"bin/windows/amd64/kubectl.exe"},
		"bin/linux/arm64/kubectl": {"bin/linux/arm64/kubectl"}, "client": {"kubernetes-client-linux-amd64.tar.gz"}, "source": {"kubernetes-src.tar.gz"},
		"binary": {"bin/linux/amd64/kube-proxy", "bin/linux/amd64/kubectl"}, "kube": nil, "images": nil, "document": nil,
	} {
		if got := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return !c.wants([]string{name}, p) }); !slices.Equal(got, want) {
			t.Errorf("mirror create %s: %q", name, got)
		}
		asked := release.Selection{Names: []string{name}, OSes: c.OSes, Arches: c.Arches}
		if got, _ := asked.Paths(paths); !slices.Equal(got, want) {
			t.Errorf("a selection of %s: %q", name, got)
		}
	}
	if c := (createOptions{}); c.wants(nil, "kubernetes-src.tar.gz") || !c.wants(nil, "bin/linux/amd64/kubectl") {
		t.Error("a mirror of everything has no source, which is asked for, and all else")
	}
}
