package release_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kverify/kverify/pkg/release"
)

var selectable = []string{
	"bin/darwin/amd64/kubectl", "bin/linux/amd64/kube-proxy", "bin/linux/amd64/kube-proxy.docker_tag", "bin/linux/amd64/kube-proxy.tar",
	"bin/linux/amd64/kubectl", "bin/linux/arm64/kubectl", "bin/windows/amd64/kubectl.exe", "bin/windows/arm64/kubectl.exe",
	"kubernetes-client-linux-amd64.tar.gz", "kubernetes-client-windows-amd64.tar.gz", "kubernetes-server-linux-arm64.tar.gz",
	"kubernetes-src.tar.gz", "kubernetes.tar.gz", "SHA256SUMS",
}

// TestSelectionOfFiles holds what a name means among the files of a release.
func TestSelectionOfFiles(t *testing.T) {
	linux, amd64 := []string{"linux"}, []string{"amd64"}
	for name, c := range map[string]struct {
		s       release.Selection
		want    []string
		missing []string
	}{
		"a component on one system":        {release.Selection{Names: []string{"kubectl"}, OSes: linux, Arches: amd64}, []string{"bin/linux/amd64/kubectl"}, nil},
		"a component on Windows":           {release.Selection{Names: []string{"kubectl"}, OSes: []string{"windows"}, Arches: amd64}, []string{"bin/windows/amd64/kubectl.exe"}, nil},
		"a component is its program":       {release.Selection{Names: []string{"kube-proxy"}}, []string{"bin/linux/amd64/kube-proxy"}, nil},
		"or its archives too":              {release.Selection{Names: []string{"kube-proxy"}, Archives: true}, []string{"bin/linux/amd64/kube-proxy", "bin/linux/amd64/kube-proxy.docker_tag", "bin/linux/amd64/kube-proxy.tar"}, nil},
		"the last element":                 {release.Selection{Names: []string{"kube-proxy.tar"}, OSes: linux}, []string{"bin/linux/amd64/kube-proxy.tar"}, nil},
		"the last element, elsewhere":      {release.Selection{Names: []string{"kube-proxy.tar"}, OSes: []string{"darwin"}}, nil, []string{"kube-proxy.tar"}},
		".exe says its system":             {release.Selection{Names: []string{"kubectl.exe"}, OSes: linux, Arches: amd64}, []string{"bin/windows/amd64/kubectl.exe"}, nil},
		".exe does not say its processor":  {release.Selection{Names: []string{"kubectl.exe"}, Arches: []string{"386"}}, nil, []string{"kubectl.exe"}},
		"a path says everything":           {release.Selection{Names: []string{"bin/windows/arm64/kubectl.exe"}, OSes: linux, Arches: amd64}, []string{"bin/windows/arm64/kubectl.exe"}, nil},
		"a kind":                           {release.Selection{Names: []string{"client"}, OSes: linux}, []string{"kubernetes-client-linux-amd64.tar.gz"}, nil},
		"the source is for every system":   {release.Selection{Names: []string{"source"}, OSes: linux}, []string{"kubernetes-src.tar.gz", "kubernetes.tar.gz"}, nil},
		"a kind by its flag":               {release.Selection{Kinds: []string{"document"}}, []string{"SHA256SUMS"}, nil},
		"of that kind alone":               {release.Selection{Names: []string{"kube-proxy.tar"}, Kinds: []string{"binary"}}, nil, nil},
		"no document by its kind":          {release.Selection{Names: []string{"document"}}, nil, []string{"document"}},
		"every file":                       {release.Selection{Names: []string{"files"}}, selectable, nil},
		"no image":                         {release.Selection{Names: []string{"images"}}, nil, []string{"images"}},
		"the zero value":                   {release.Selection{}, selectable, nil},
		"one of two":                       {release.Selection{Names: []string{"kubectll", "server"}}, []string{"kubernetes-server-linux-arm64.tar.gz"}, []string{"kubectll"}},
		"no part of a name":                {release.Selection{Names: []string{"kube", "linux", "", "bin", "amd64/kubectl"}}, nil, []string{"kube", "linux", "", "bin", "amd64/kubectl"}},
		"nothing where a system has none":  {release.Selection{OSes: []string{"plan9"}, Names: []string{"client"}}, nil, []string{"client"}},
		"what has a system, of one system": {release.Selection{OSes: []string{"darwin"}, Kinds: []string{"binary"}}, []string{"bin/darwin/amd64/kubectl"}, nil},
	} {
		got, missing := c.s.Paths(selectable)
		if !slices.Equal(got, c.want) || !slices.Equal(missing, c.missing) {
			t.Errorf("%s: %q, missing %q", name, got, missing)
		}
	}
}

// TestSelectionOfImages holds what a name means among images.
func TestSelectionOfImages(t *testing.T) {
	image := func(ref string, platforms ...string) release.Item {
		return release.Item{Subject: ref, Info: release.DescribeImage(ref), Platforms: platforms}
	}
	index := image("registry.k8s.io/kube-proxy:v1.27.2", "linux/amd64", "linux/arm64")
	single := image("registry.k8s.io/kube-proxy-arm64:v1.27.2")
	nested := image("registry.k8s.io/coredns/coredns:v1.10.1")
	for name, c := range map[string]struct {
		s    release.Selection
		want [3]bool
	}{
		"a component":         {release.Selection{Names: []string{"kube-proxy"}}, [3]bool{true, true, false}},
		"a repository":        {release.Selection{Names: []string{"kube-proxy-arm64"}}, [3]bool{false, true, false}},
		"a nested repository": {release.Selection{Names: []string{"coredns/coredns"}}, [3]bool{false, false, true}},
		"a reference":         {release.Selection{Names: []string{"registry.k8s.io/kube-proxy:v1.27.2"}, Arches: []string{"s390x"}}, [3]bool{true, false, false}},
		"every image":         {release.Selection{Names: []string{"images"}}, [3]bool{true, true, true}},
		"no file":             {release.Selection{Names: []string{"files"}}, [3]bool{}},
		"one processor":       {release.Selection{Names: []string{"kube-proxy"}, Arches: []string{"amd64"}}, [3]bool{true, false, false}},
		"another":             {release.Selection{Names: []string{"kube-proxy"}, Arches: []string{"s390x"}}, [3]bool{}},
		"a kind of files":     {release.Selection{Names: []string{"server"}}, [3]bool{}},
	} {
		if got := [3]bool{c.s.Has(index), c.s.Has(single), c.s.Has(nested)}; got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestProgramPath holds that what is not part of a path makes none.
func TestProgramPath(t *testing.T) {
	for _, c := range [][4]string{
		{"kubectl", "linux", "amd64", "bin/linux/amd64/kubectl"},
		{"kubectl", "windows", "arm64", "bin/windows/arm64/kubectl.exe"},
		{"kubectl.exe", "windows", "arm64", "bin/windows/arm64/kubectl.exe"},
		{"", "linux", "amd64", ""}, {"kubectl", "", "amd64", ""}, {"kubectl", "linux", "..", ""}, {"../kubectl", "linux", "amd64", ""},
		{"a/b", "linux", "amd64", ""}, {"kube-proxy.tar", "linux", "amd64", ""}, {"kubectl\x1b", "linux", "amd64", ""},
	} {
		got, err := release.ProgramPath(c[0], c[1], c[2])
		if got != c[3] || (err == nil) != (c[3] != "") {
			t.Errorf("%q: %q %v", c[:3], got, err)
		}
	}
	if got := (release.Selection{OSes: []string{"linux"}, Arches: []string{"amd64", "arm64"}}).ProgramPaths("kubeadm"); len(got) != 2 {
		t.Error(got)
	}
	for _, name := range []string{"", "client", "files", "bin/linux/amd64/kubectl", "kubectl.sha256"} {
		if got := (release.Selection{}).Here().ProgramPaths(name); got != nil {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// From a program and a system to its file, without asking anybody.
func ExampleProgramPath() {
	v, _ := release.ParseVersion("v1.27.2")
	path, _ := release.ProgramPath("kubectl", "linux", "amd64")
	fmt.Println(v.FileURL(path))
	// Output: https://dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl
}
