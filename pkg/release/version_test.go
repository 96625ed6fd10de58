package release

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		"v1.27.2":          {1, 27, 2, ""},
		"1.27.2":           {1, 27, 2, ""},
		"v1.28.0-alpha.1":  {1, 28, 0, "alpha.1"},
		"v1.28.0-beta.0":   {1, 28, 0, "beta.0"},
		"1.28.0-rc.10":     {1, 28, 0, "rc.10"},
		"v2.0.0":           {2, 0, 0, ""},
		"v1.9999.0-rc.100": {1, 9999, 0, "rc.100"},
	} {
		got, err := ParseVersion(in)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
		again, err := ParseVersion(got.String())
		if err != nil || again != got {
			t.Errorf("%q: back from %q: %v, %v", in, got, again, err)
		}
	}
	for _, in := range []string{
		"", "v", "1", "v1.27", "v1.27.2.3", "vv1.27.2", "V1.27.2", "v01.27.2", "v1.027.2", "v1.27.02",
		"v1.27.-2", "v1.+27.2", " v1.27.2", "v1.27.2 ", "v1.27.2\n", "v1.27.2-", "v1.27.2-rc", "v1.27.2-rc.", "v1.27.2-rc.01",
		"v1.27.2-gamma.1", "v1.27.2-rc.1.2", "v1.27.2-RC.1", "v1.27.2+build", "v1.27.2-rc.1+build", "v0.21.1", "v1.10000.0",
		"v1.27.x", "v1.27.2/..", "../v1.27.2", "v1.２7.2", "v1.27.2-rc.1-dirty",
	} {
		var e *VersionError
		if v, err := ParseVersion(in); !errors.As(err, &e) || !v.IsZero() {
			t.Errorf("%q: %v, %v", in, v, err)
		}
	}
}

func TestCompare(t *testing.T) {
	want := []string{
		"v1.2.7", "v1.9.11", "v1.26.0-alpha.0", "v1.26.0-alpha.2", "v1.26.0-alpha.10", "v1.26.0-beta.0", "v1.26.0-rc.0", "v1.26.0-rc.1",
		"v1.26.0", "v1.26.2-rc.0", "v1.26.2", "v1.26.16", "v1.27.0", "v2.0.0-alpha.1",
	}
	var vs []Version
	for _, s := range want {
		vs = append(vs, version(t, s))
	}
	for i, a := range vs {
		for j, b := range vs {
			if got := a.Compare(b); got != sign(i-j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	slices.Reverse(vs)
	slices.SortFunc(vs, Version.Compare)
	for i, v := range vs {
		if v.String() != want[i] {
			t.Errorf("%d: %s", i, v)
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

func TestURLs(t *testing.T) {
	v := version(t, "v1.27.2")
	for got, want := range map[string]string{
		v.SBOMURL():                     "https://sbom.k8s.io/v1.27.2/release",
		v.SourceSBOMURL():               "https://sbom.k8s.io/v1.27.2/source",
		v.ChangelogURL():                "https://raw.githubusercontent.com/kubernetes/kubernetes/master/CHANGELOG/CHANGELOG-1.27.md",
		v.FileURL("SHA256SUMS"):         "https://dl.k8s.io/release/v1.27.2/SHA256SUMS",
		PromotionURL("kube-proxy"):      "https://raw.githubusercontent.com/kubernetes/k8s.io/main/registry.k8s.io/images/k8s-staging-kubernetes/images.yaml",
		PromotionURL("pause"):           "https://raw.githubusercontent.com/kubernetes/k8s.io/main/registry.k8s.io/images/k8s-staging-kubernetes/images.yaml",
		PromotionURL("etcd"):            "https://raw.githubusercontent.com/kubernetes/k8s.io/main/registry.k8s.io/images/k8s-staging-etcd/images.yaml",
		PromotionURL("coredns/coredns"): "https://raw.githubusercontent.com/kubernetes/k8s.io/main/registry.k8s.io/images/k8s-staging-coredns/images.yaml",
		MarkerURL("stable-1.27"):        "https://dl.k8s.io/release/stable-1.27.txt",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for _, p := range []string{"SHA256SUMS", "bin/linux/amd64/kubectl", "kubernetes-client-linux-amd64.tar.gz", "bin/windows/amd64/kubectl-convert.exe.sha512"} {
		if err := CheckPath(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, p := range []string{"", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "a/./b", ".hidden", "a/-rf", "a\x00b", "a\nb", "a\x1b[31m", "a b", `a\b`, "ä", "a:b", "a?b", "a#b", "a%2e"} {
		if CheckPath(p) == nil {
			t.Errorf("%q was accepted", p)
		}
	}
}

func TestDescribeFile(t *testing.T) {
	for path, want := range map[string]FileInfo{
		"kubernetes.tar.gz":                              {Kind: "source"},
		"kubernetes-src.tar.gz.sha512":                   {Kind: "source"},
		"kubernetes-client-darwin-arm64.tar.gz":          {Kind: "client", OS: "darwin", Arch: "arm64"},
		"kubernetes-server-linux-s390x.tar.gz.sig":       {Kind: "server", OS: "linux", Arch: "s390x"},
		"kubernetes-test-portable.tar.gz":                {Kind: "test"},
		"kubernetes-manifests.tar.gz":                    {Kind: "other"},
		"bin/windows/amd64/kubectl-convert.exe":          {Kind: "binary", Component: "kubectl-convert", OS: "windows", Arch: "amd64"},
		"bin/linux/arm64/kube-proxy.tar":                 {Kind: "archive", Component: "kube-proxy", OS: "linux", Arch: "arm64"},
		"bin/linux/arm64/kube-proxy.docker_tag.sha256":   {Kind: "archive", Component: "kube-proxy", OS: "linux", Arch: "arm64"},
		"kubernetes-release.spdx":                        {Kind: "document"},
		"SHA512SUMS":                                     {Kind: "document"},
		"something-else":                                 {Kind: "other"},
		"kubernetes-client-linux-amd64-extra.tar.gz":     {Kind: "client"},
		"bin/linux/amd64/deep/kubectl":                   {Kind: "other"},
		"kubernetes-node-windows-amd64.tar.gz.cert":      {Kind: "node", OS: "windows", Arch: "amd64"},
		"bin/linux/amd64/apiextensions-apiserver.sha512": {Kind: "binary", Component: "apiextensions-apiserver", OS: "linux", Arch: "amd64"},
	} {
		if got := DescribeFile(path); got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestDescribeImage(t *testing.T) {
	for ref, want := range map[string]FileInfo{
		"registry.k8s.io/kube-proxy:v1.27.2":           {Kind: "image", Component: "kube-proxy"},
		"registry.k8s.io/kube-proxy-arm64:v1.27.2":     {Kind: "image", Component: "kube-proxy", OS: "linux", Arch: "arm64"},
		"registry.k8s.io/kube-proxy-arm:v1.26.2":       {Kind: "image", Component: "kube-proxy", OS: "linux", Arch: "arm"},
		"registry.k8s.io/coredns/coredns:v1.10.1":      {Kind: "image", Component: "coredns/coredns"},
		"registry.k8s.io/kube-proxy@sha256:0123456789": {Kind: "image", Component: "kube-proxy"},
		"": {Kind: "image"},
	} {
		if got := DescribeImage(ref); got != want {
			t.Errorf("%s: %+v, want %+v", ref, got, want)
		}
	}
}

// What clusters and packages print begins with the upstream version.
func TestUpstream(t *testing.T) {
	for in, want := range map[string][2]string{
		"v1.31.4":                       {"v1.31.4", ""},
		"v1.31.4-eks-2d5f260":           {"v1.31.4", "-eks-2d5f260"},
		"v1.29.6-gke.1038001":           {"v1.29.6", "-gke.1038001"},
		"v1.30.4+k3s1":                  {"v1.30.4", "+k3s1"},
		"v1.28.9+rke2r1":                {"v1.28.9", "+rke2r1"},
		"v1.27.8+4fab27b":               {"v1.27.8", "+4fab27b"},
		"v1.27.3+vmware.1-fips.1":       {"v1.27.3", "+vmware.1-fips.1"},
		"v1.26.3-aliyun.1":              {"v1.26.3", "-aliyun.1"},
		"v1.25.3-r0-25.1.5":             {"v1.25.3", "-r0-25.1.5"},
		"v1.27.5+IKS":                   {"v1.27.5", "+IKS"},
		"v1.27.2-dirty":                 {"v1.27.2", "-dirty"},
		"1.27.2-1.1":                    {"v1.27.2", "-1.1"},
		"1.28.2-00":                     {"v1.28.2", "-00"},
		"1.28.2-150500.1.1":             {"v1.28.2", "-150500.1.1"},
		"0:1.27.2-0":                    {"v1.27.2", "0:-0"},
		"0:1.27.2":                      {"v1.27.2", "0:"},
		"1.27.2-0":                      {"v1.27.2", "-0"},
		"v1.30.4-rc1+k3s1":              {"v1.30.4", "-rc1+k3s1"},
		"1.30.0-0ubuntu1~22.04.1":       {"v1.30.0", "-0ubuntu1~22.04.1"},
		"1.28.0~rc.1-1.1":               {"v1.28.0-rc.1", "-1.1"},
		"v1.24.6-rc.1+k3s1":             {"v1.24.6-rc.1", "+k3s1"},
		"v1.28.0-alpha.1.45+0c0ffee123": {"v1.28.0-alpha.1", ".45+0c0ffee123"},
		"v1.27.2-rc.1-dirty":            {"v1.27.2-rc.1", "-dirty"},
	} {
		v, rest, ok := Upstream(in)
		if !ok || v.String() != want[0] || rest != want[1] {
			t.Errorf("%s: %s %q %v", in, v, rest, ok)
		}
		_, err := ParseVersion(in)
		var e *VersionError
		if rest != "" && (!errors.As(err, &e) || e.Upstream != v || !strings.Contains(err.Error(), "the upstream version in it is "+want[0])) {
			t.Errorf("%s: %v", in, err)
		}
		if _, _, err := Channel(in); (err == nil) != (rest == "") {
			t.Errorf("%s as a channel: %v", in, err)
		}
	}
	for _, in := range []string{"", "v1.27", "v1.27.x-eks", "v1.27.2-", "v1.27.2+", "v1.27.2 -eks", "0:0:1.27.2-0", ":1.27.2-0", "0:", "a:1.27.2", "10.0.0.1:5000", "v1.27.2-e\x1b[31m", "v1.27.2/..", "v1.27.2-\u00e9", "v01.27.2-eks", "v1.27.2-" + strings.Repeat("a", 200)} {
		if v, rest, ok := Upstream(in); ok {
			t.Errorf("%q: %s %q", in, v, rest)
		}
	}
	for in, why := range map[string]string{"V1.27.2": "capital", "1.27.2 ": "space", " v1.27.2": "space", "v1.27.2\n": "line break", "v1.27.x": "plain decimals"} {
		if _, err := ParseVersion(in); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestChannelsOfAMajorVersion(t *testing.T) {
	for spec, want := range map[string]string{"stable-1": "stable-1", "latest-1": "latest-1", "stable-1.27": "stable-1.27", "1.27": "stable-1.27"} {
		if got, _, err := Channel(spec); err != nil || got != want {
			t.Errorf("%s: %q, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"1", "v1", "stable-", "stable-0", "stable-01", "stable-1-1", "stable-1.", "beta-1", "1-1"} {
		if got, _, err := Channel(spec); err == nil {
			t.Errorf("%s: %q", spec, got)
		}
	}
}
