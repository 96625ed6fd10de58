package cli

import (
	"slices"
	"testing"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/verify"
)

// TestNamesMeanTheSame holds that a NAME means the same files in a download and a
// listing; the commands of mirrors have a test like it.
func TestNamesMeanTheSame(t *testing.T) {
	paths := []string{
		"bin/darwin/amd64/kubectl", "bin/linux/amd64/kube-proxy", "bin/linux/amd64/kubectl", "bin/linux/arm64/kubectl", "bin/windows/amd64/kubectl.exe",
		"bin/windows/amd64/kubelet.exe", "kubernetes-client-linux-amd64.tar.gz", "kubernetes-server-linux-amd64.tar.gz", "kubernetes-src.tar.gz",
	}
	for name, want := range map[string][]string{
		"kubectl": {"bin/linux/amd64/kubectl"}, "kube-proxy": {"bin/linux/amd64/kube-proxy"}, "kubectl.exe": {"bin/windows/amd64/kubectl.exe"},
		"bin/linux/arm64/kubectl": {"bin/linux/arm64/kubectl"}, "client": {"kubernetes-client-linux-amd64.tar.gz"}, "source": {"kubernetes-src.tar.gz"},
		"binary": {"bin/linux/amd64/kube-proxy", "bin/linux/amd64/kubectl"}, "kube": nil, "images": nil, "document": nil,
	} {
		systems := release.Selection{OSes: []string{"linux"}, Arches: []string{"amd64"}}
		d := downloadOptions{names: []string{name}, Systems: command.Systems{OSes: systems.OSes, Arches: systems.Arches}}
		if got, _ := d.selection().Paths(paths); !slices.Equal(got, want) {
			t.Errorf("download %s: %q", name, got)
		}
		byName := narrowing{names: []string{name}}.dimensions()[0]
		for _, p := range want {
			if !byName.has(verify.Entry{Subject: p, Info: release.DescribeFile(p)}) {
				t.Errorf("list %s: no %s", name, p)
			}
		}
		if want == nil && slices.ContainsFunc(paths, func(p string) bool { return byName.has(verify.Entry{Subject: p, Info: release.DescribeFile(p)}) }) {
			t.Errorf("list %s: something", name)
		}
	}
}
