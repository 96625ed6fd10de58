package cli

import (
	"slices"
	"testing"
)

// A NAME that ends in .exe is a program for Windows, on whatever system kverify runs.
func TestDownloadNameOfAWindowsProgram(t *testing.T) {
	paths := []string{"bin/darwin/amd64/kubectl", "bin/linux/amd64/kubectl", "bin/linux/arm64/kubectl", "bin/windows/amd64/kubectl.exe", "bin/windows/arm64/kubectl.exe", "bin/windows/amd64/kubelet.exe"}
	for name, c := range map[string]struct {
		wish wish
		name string
		want []string
	}{
		"alone":             {wish{arches: []string{"amd64"}}, "kubectl.exe", []string{"bin/windows/amd64/kubectl.exe"}},
		"for linux":         {wish{oses: []string{"linux"}, arches: []string{"amd64"}}, "kubectl.exe", nil},
		"for both":          {wish{oses: []string{"linux", "windows"}, arches: []string{"amd64"}}, "kubectl.exe", []string{"bin/windows/amd64/kubectl.exe"}},
		"without it":        {wish{oses: []string{"windows"}, arches: []string{"amd64"}}, "kubectl", []string{"bin/windows/amd64/kubectl.exe"}},
		"without it, linux": {wish{oses: []string{"linux"}, arches: []string{"amd64"}}, "kubectl", []string{"bin/linux/amd64/kubectl"}},
		"a path":            {wish{oses: []string{"linux"}}, "bin/windows/arm64/kubectl.exe", []string{"bin/windows/arm64/kubectl.exe"}},
	} {
		if got := c.wish.named(c.name, paths); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	o := order{names: []string{"kubectl.exe", "kubelet"}, oses: []string{"linux"}, arches: []string{"amd64"}}
	if got := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return !o.wants(p) }); !slices.Equal(got, []string{"bin/windows/amd64/kubectl.exe"}) {
		t.Errorf("a mirror wants %v", got)
	}
}
