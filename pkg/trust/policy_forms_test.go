package trust_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/trust"
)

// Every name in a policy has one exact form, and every list that demands something has something in it.
func TestPolicyForms(t *testing.T) {
	const (
		form, last = "- registry.k8s.io/{name}\n", "    to: \"1.26\"\n    images: [conformance, kube-apiserver, kube-controller-manager, kube-proxy, kube-scheduler]\n    architectures: [amd64, arm, arm64, ppc64le, s390x]\n"
		forms      = "    - registry.k8s.io/{name}\n"
		former     = `{identity: k8s-infra-gcr-promoter, from: "2022-10-28", to: "2022-11-30"}`
		types      = "predicateTypes: [https://slsa.dev/provenance/v0.2, https://slsa.dev/provenance/v1]"
		kubeadm    = `{minor: "1.24", pause: "3.7", etcd: 3.5.3-0, coredns: v1.8.6}`
		incident   = "    title: images of October and November 2022 bear the promoter's own identity\n"
		advice     = "    advice: Use a later patch. Digests of the built-in catalogue are accepted with that identity, if logged within those weeks.\n"
		explains   = "    explains: For some weeks the image promoter signed as the account that it ran under, k8s-infra-gcr-promoter, and not as krel-trust. Seen on v1.24.8.\n"
	)
	text := string(trust.EmbeddedPolicyYAML())
	list := text[strings.Index(text, forms):strings.Index(text, "  regions:\n")]
	readChanged(t, []policyRow{
		{"a number that no schema has", "schemaVersion: 1", "schemaVersion: 99999999999999999999", "schemaVersion"},
		{"an issuer that is https alone", "issuer: https://accounts.google.com", "issuer: https://", `issuer "https://" is not an https URL`},
		{"a registry with a path", "registry: registry.k8s.io", "registry: registry.k8s.io/x", `images.registry: "registry.k8s.io/x" is not a host name`},
		{"a pattern of registries", "registry: registry.k8s.io", `registry: "*.k8s.io"`, `images.registry: "*.k8s.io" is not a host name`},
		{"no form of names", list, "    []\n", "images.dockerReferences is empty"},
		{"a region with a path", "- asia-east1", "- asia-east1/x", `images.regions: "asia-east1/x" is not a region`},
		{"a form with two names", form, "- registry.k8s.io/{name}/{name}\n", `"registry.k8s.io/{name}/{name}": want one exact form`},
		{"a form with two regions", form, "- \"{region}.k8s.io/{region}/{name}\"\n", `"{region}.k8s.io/{region}/{name}": want one exact form`},
		{"a pattern of directories", form, "- registry.k8s.io/*/{name}\n", `"registry.k8s.io/*/{name}": want one exact form`},
		{"a member that no form has", form, "- registry.k8s.io/{arch}/{name}\n", `"registry.k8s.io/{arch}/{name}": want one exact form`},
		{"no former identity", "  formerly: " + former + "\n", "", ""},
		{"a former identity that is not named", former, strings.Replace(former, "gcr", "gcp", 1), `images.formerly: "k8s-infra-gcp-promoter" is not another one`},
		{"a former identity of one day", former, strings.Replace(former, "2022-11-30", "2022-10-28", 1), ""},
		{"a former identity of always", former, strings.Replace(former, "2022-10-28", "", 1), `images.formerly: from "" to "2022-11-30"`},
		{"a former identity of a year and no end", former, `{identity: k8s-infra-gcr-promoter, from: "0001-01-01", to: ""}`, `images.formerly: from "0001-01-01" to ""`},
		{"a former identity without an end", former, strings.Replace(former, "2022-11-30", "9999", 1), `images.formerly: from "2022-10-28" to "9999"`},
		{"no provenance that counts", "  provenance:\n    buckets: [kubernetes-release]\n    " + types + "\n    builders: [https://git.k8s.io/release/docs/krel]\n    buildTypes: [https://cloudbuild.googleapis.com/CloudBuildYaml@v1, https://git.k8s.io/release/docs/krel/buildtypes/v1]\n", "", ""},
		{"a type that is https alone", types, "predicateTypes: [https://]", `files.provenance.predicateTypes: "https://" is not an exact https URI`},
		{"a minor that is a number", `from: "1.24"`, `from: "1.024"`, `inventory: "1.024" to "1.26": want minors`},
		{"a last minor that is a version", `to: "1.26"`, `to: v1.26.0`, `inventory: "1.24" to "v1.26.0": want minors`},
		{"no architecture", last, strings.Replace(last, "[amd64, arm, arm64, ppc64le, s390x]", "[]", 1), "inventory: 1.24: an empty list would demand nothing"},
		{"an image that is a pattern", last, strings.Replace(last, "kube-proxy", `"kube-*"`, 1), `inventory: 1.24: "kube-*" is not a name`},
		{"an architecture with a system", last, strings.Replace(last, "s390x", "linux/s390x", 1), `inventory: 1.24: "linux/s390x" is not a name`},
		{"a later range that holds an earlier one", `from: "1.28"`, `from: "1.20"`, "inventory: the ranges from 1.24 and from 1.20 overlap"},
		{"a range that holds a later one", last, strings.TrimPrefix(last, "    to: \"1.26\"\n"), "inventory: the ranges from 1.24 and from 1.27 overlap"},
		{"a minor of kubeadm that is a version", kubeadm, strings.Replace(kubeadm, `"1.24"`, "v1.24.0", 1), `kubeadm: "v1.24.0": want each minor once`},
		{"a tag of etcd that is a digest", kubeadm, strings.Replace(kubeadm, "3.5.3-0", `"sha256:00"`, 1), `kubeadm: 1.24: "sha256:00" is not a tag`},
		{"no tag of pause", kubeadm, strings.Replace(kubeadm, `"3.7"`, `""`, 1), `kubeadm: 1.24: "" is not a tag`},
		{"no tag of coredns", kubeadm, strings.Replace(kubeadm, "v1.8.6", `""`, 1), `kubeadm: 1.24: "" is not a tag`},
		{"an incident with a title as its id", "id: wrong-identity-2022", "id: Wrong identity", `incidents: "Wrong identity": want an id of its own`},
		{"an incident without a title", incident, "    title: \"\"\n", "incidents: wrong-identity-2022: want a title"},
		{"an incident without an advice", advice, "    advice: \"\"\n", "incidents: wrong-identity-2022: want a title"},
		{"an incident that explains nothing", explains, "    explains: \"\"\n", "incidents: wrong-identity-2022: want a title"},
	})
}

// The former identity counts on both of its days, whole, and on none outside of them.
func TestFormerRuleHolds(t *testing.T) {
	rule := trust.FormerRule{From: "2022-10-28", To: "2022-11-30"}
	for _, tt := range []struct {
		rule trust.FormerRule
		at   string
		want bool
	}{
		{rule, "2022-10-27T23:59:59Z", false}, {rule, "2022-10-28T00:00:00Z", true}, {rule, "2022-11-15T12:00:00Z", true},
		{rule, "2022-11-30T23:59:59Z", true}, {rule, "2022-12-01T00:00:00Z", false}, {rule, "2022-12-01T00:30:00+01:00", true},
		{trust.FormerRule{To: "2022-11-30"}, "2022-11-15T12:00:00Z", false}, {trust.FormerRule{From: "2022-10-28"}, "2022-11-15T12:00:00Z", false},
		{trust.FormerRule{From: "0001-01-01"}, "0001-01-01T00:00:00Z", false}, {trust.FormerRule{From: "2022-10-28"}, "0001-01-01T00:00:00Z", false}, {trust.FormerRule{To: "2022-11-30"}, "0001-01-01T00:00:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.rule.Holds(at); got != tt.want {
			t.Errorf("%+v at %s: %v", tt.rule, tt.at, got)
		}
	}
}

// A file is read if it is one and not too large; what is wrong with it is said of its path, and a report
// names the file that was read.
func TestPolicyAndRootFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	root, err := os.ReadFile("data/trusted_root.json")
	if err != nil {
		t.Fatal(err)
	}
	pad := func(text []byte, size int) []byte {
		return append(slices.Clip(text), strings.Repeat(" ", size-len(text))...)
	}
	const cap = 1 << 20
	loads := map[string]func(path string) (source string, embedded bool, err error){
		"policy": func(path string) (string, bool, error) {
			p, err := trust.LoadPolicy(path)
			if err != nil {
				return "", false, err
			}
			return p.Source().Path, p.Source().Embedded, nil
		},
		"root": func(path string) (string, bool, error) {
			r, err := trust.LoadRoot(path)
			if err != nil {
				return "", false, err
			}
			return r.Source().Path, r.Source().Embedded, nil
		},
		"any root": func(path string) (string, bool, error) {
			r, err := trust.LoadAnyRoot(path)
			if err != nil {
				return "", false, err
			}
			return r.Source().Path, r.Source().Embedded, nil
		},
	}
	for kind, load := range loads {
		text := root
		if kind == "policy" {
			text = trust.EmbeddedPolicyYAML()
		}
		for name, path := range map[string]string{
			"nothing of its kind": put("other", []byte("<html>")), "a directory": dir, "a file of more than a mebibyte": put("large", pad(text, cap+1)),
		} {
			var file *trust.FileError
			if _, _, err := load(path); !errors.As(err, &file) || file.Path != path || errors.Unwrap(err) == nil || file.What == "" {
				t.Errorf("%s from %s: %v", kind, name, err)
			}
		}
		if _, _, err := load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*trust.FileError)) {
			t.Errorf("%s of no file: %v", kind, err)
		}
		same, changed := put("same", text), put("changed", pad(text, cap))
		if source, embedded, err := load(same); err != nil || source != same || !embedded {
			t.Errorf("%s: %q %v %v", kind, source, embedded, err)
		}
		if source, embedded, err := load(changed); err != nil || source != changed || embedded {
			t.Errorf("%s of a mebibyte: %q %v %v", kind, source, embedded, err)
		}
	}
}

// What is compiled in can be named without being read, and is what is read.
func TestEmbeddedSources(t *testing.T) {
	if policy, root := trust.Embedded(); policy != trust.EmbeddedPolicy().Source() || root != trust.EmbeddedRoot().Source() || !policy.Embedded || !root.Embedded {
		t.Errorf("%+v %+v", policy, root)
	}
}

// Of a minor that the policy does not know it says so, and gives no tags.
func TestKubeadmImages(t *testing.T) {
	p := trust.EmbeddedPolicy()
	if tags, ok := p.KubeadmImages(25); !ok || len(tags) != 3 || tags["pause"] != "3.8" || tags["etcd"] != "3.5.4-0" || tags["coredns/coredns"] != "v1.9.3" {
		t.Errorf("%v %v", tags, ok)
	}
	for _, minor := range []int{-1, 0, 23, 99} {
		if tags, ok := p.KubeadmImages(minor); ok || tags != nil {
			t.Errorf("1.%d: %v", minor, tags)
		}
	}
}

// Each form is tried once: for the image and the repository of its architecture, and in each region.
func TestReferencesOfAnImage(t *testing.T) {
	p := *trust.EmbeddedPolicy()
	p.Images.DockerReferences = []string{"a.example/kubernetes/{name}", "{region}.example/{name}", "b.example/{name}"}
	p.Images.Regions = []string{"x", "y"}
	for _, tt := range []struct{ name, arch, want string }{
		{"pause", "", "a.example/kubernetes/pause x.example/pause y.example/pause b.example/pause"},
		{"coredns/coredns", "", "x.example/coredns/coredns y.example/coredns/coredns b.example/coredns/coredns"},
		{"pause", "arm64", "a.example/kubernetes/pause a.example/kubernetes/pause-arm64 x.example/pause y.example/pause x.example/pause-arm64 y.example/pause-arm64 b.example/pause b.example/pause-arm64"},
	} {
		if got := strings.Join(p.References(tt.name, tt.arch), " "); got != tt.want {
			t.Errorf("%s %s: %s", tt.name, tt.arch, got)
		}
	}
}
