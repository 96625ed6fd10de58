package trust_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/trust"
)

const realData = "../../../shared/realdata"

func TestEmbedded(t *testing.T) {
	p := trust.EmbeddedPolicy()
	if !p.Source().Embedded || !strings.HasPrefix(p.Source().Digest, "sha256:") {
		t.Errorf("source %+v", p.Source())
	}
	want := trust.Identity{Issuer: "https://accounts.google.com", Subject: "krel-trust@k8s-releng-prod.iam.gserviceaccount.com"}
	if got := p.ImageIdentity(); got != want {
		t.Errorf("images are signed by %+v", got)
	}
	want.Subject = "krel-staging@k8s-releng-prod.iam.gserviceaccount.com"
	if got := p.FileIdentity(); got != want {
		t.Errorf("files are signed by %+v", got)
	}
	r := trust.EmbeddedRoot()
	if !r.Source().Embedded {
		t.Errorf("source %+v", r.Source())
	}
	if n := len(r.Material.RekorLogs()); n < 1 {
		t.Errorf("%d transparency logs", n)
	}
}

func TestLeast(t *testing.T) {
	p := trust.EmbeddedPolicy()
	for _, tt := range []struct {
		minor   int
		arm     bool
		kubectl bool
		ok      bool
	}{
		{23, false, false, false}, {24, true, false, true}, {26, true, false, true},
		{27, false, false, true}, {28, false, true, true}, {99, false, true, true},
	} {
		images, arches, ok := p.MinimumImages(tt.minor)
		if ok != tt.ok || slices.Contains(arches, "arm") != tt.arm || slices.Contains(images, "kubectl") != tt.kubectl {
			t.Errorf("1.%d: %v %v %v", tt.minor, images, arches, ok)
		}
	}
}

func TestReferenceAllowed(t *testing.T) {
	p := trust.EmbeddedPolicy()
	for _, tt := range []struct {
		ref, name, arch string
		want            bool
	}{
		{"registry.k8s.io/kube-proxy", "kube-proxy", "", true},
		{"registry.k8s.io/kubernetes/kube-proxy", "kube-proxy", "", true},
		{"registry.k8s.io/kube-proxy-arm64", "kube-proxy", "arm64", true},
		{"registry.k8s.io/kube-proxy", "kube-proxy", "arm64", true},
		{"us-west2-docker.pkg.dev/k8s-artifacts-prod/images/kubernetes/kube-proxy-s390x", "kube-proxy", "s390x", true},
		{"asia.gcr.io/k8s-artifacts-prod/kube-proxy", "kube-proxy", "", true},
		{"registry.k8s.io/coredns/coredns", "coredns/coredns", "", true},

		{"registry.k8s.io/kube-proxy-arm64", "kube-proxy", "", false},
		{"registry.k8s.io/kube-proxy-arm64", "kube-proxy", "amd64", false},
		{"registry.k8s.io/kube-scheduler", "kube-proxy", "", false},
		{"registry.k8s.io/kube-proxy:v1.27.2", "kube-proxy", "", false},
		{"registry.k8s.io/kube-proxy/", "kube-proxy", "", false},
		{"registry.k8s.io/Kube-proxy", "kube-proxy", "", false},
		{"registry.k8s.io/x/kube-proxy", "kube-proxy", "", false},
		{"registry.k8s.io/kubernetes/coredns/coredns", "coredns/coredns", "", false},
		{"registry.k8s.io/coredns", "coredns/coredns", "", false},
		{"xregistry.k8s.io/kube-proxy", "kube-proxy", "", false},
		{"us-mars1-docker.pkg.dev/k8s-artifacts-prod/images/kube-proxy", "kube-proxy", "", false},
		{"us-west2-docker.pkg.dev/k8s-artifacts-prod-evil/images/kube-proxy", "kube-proxy", "", false},
		{"gcr.io/k8s-staging-kubernetes/kube-proxy", "kube-proxy", "", false},
		{"gcr.io/k8s-artifacts-prod/kube-proxy", "kube-proxy", "", false},
		{"", "kube-proxy", "", false},
	} {
		if got := p.ReferenceAllowed(tt.ref, tt.name, tt.arch); got != tt.want {
			t.Errorf("%q for %s %s: %v", tt.ref, tt.name, tt.arch, got)
		}
	}
}

// Each change to the embedded policy is a slip of the pen, or an attempt to
// make it accept more; none may be read.
func TestPolicyRefusesWhatWouldLoosenIt(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	for name, change := range map[string][2]string{
		"unknown field":               {"schemaVersion: 1", "schemaVersion: 1\nfoo: bar"},
		"unknown field inside a rule": {"  registry: registry.k8s.io", "  registry: registry.k8s.io\n  regexp: .*"},
		"a key that stands twice":     {"name: kubernetes", "name: kubernetes\nname: other"},
		"another schema":              {"schemaVersion: 1", "schemaVersion: 2"},
		"no schema":                   {"schemaVersion: 1", ""},
		"digest left out":             {"[inventory, digest,", "[inventory,"},
		"signature left out":          {"digest, signature,", "digest,"},
		"nothing required":            {"required: [inventory, digest, signature, reference, binding]", "required: []"},
		"unknown check":               {"[inventory,", "[inventroy,"},
		"check twice":                 {"[inventory,", "[binding,"},
		"identity without issuer":     {"issuer: https://accounts.google.com", `issuer: ""`},
		"issuer over http":            {"issuer: https://accounts.google.com", "issuer: http://accounts.google.com"},
		"subject is a pattern":        {"subject: krel-trust@", "subject: .*@"},
		"subject in upper case":       {"subject: krel-trust@", "subject: KREL-trust@"},
		"identity that is not named":  {"identity: krel-trust", "identity: krel-turst"},
		"no identity":                 {"identity: krel-trust\n", "\n"},
		"pattern in a reference":      {"- registry.k8s.io/{name}", "- registry.k8s.io/.*{name}"},
		"reference without a name":    {"- registry.k8s.io/{name}", "- registry.k8s.io/kube-proxy"},
		"name not last":               {"- registry.k8s.io/{name}", "- registry.k8s.io/{name}/x"},
		"staging counts twice":        {"alsoSeen: [krel-staging]", "alsoSeen: [krel-trust]"},
		"inventory that is empty":     {"images: [conformance, kube-apiserver, kube-controller-manager, kube-proxy, kube-scheduler]", "images: []"},
		"inventory ranges overlap":    {`to: "1.26"`, `to: "1.27"`},
		"inventory runs backwards":    {`to: "1.26"`, `to: "1.2"`},
		"version of signing":          {"signedSince: v1.26.0", "signedSince: never"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(text, change[0], change[1], 1)
			if changed == text {
				t.Fatalf("the policy has no %q", change[0])
			}
			if _, err := trust.ParsePolicy([]byte(changed)); err == nil {
				t.Error("it was read")
			}
		})
	}
}

func TestRootRefusals(t *testing.T) {
	text, err := os.ReadFile("data/trusted_root.json")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(m map[string]any)) []byte {
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		f(m)
		b, _ := json.Marshal(m)
		return b
	}
	for name, b := range map[string][]byte{
		"empty":         {},
		"no JSON":       []byte("<html>"),
		"unknown field": edit(func(m map[string]any) { m["extra"] = 1 }),
		"no authority":  edit(func(m map[string]any) { delete(m, "certificateAuthorities") }),
		"no log":        edit(func(m map[string]any) { delete(m, "tlogs") }),
		"no CT log":     edit(func(m map[string]any) { delete(m, "ctlogs") }),
		"other media":   edit(func(m map[string]any) { m["mediaType"] = "application/json" }),
		"log without age": edit(func(m map[string]any) {
			log := m["tlogs"].([]any)[0].(map[string]any)["publicKey"].(map[string]any)
			delete(log, "validFor")
		}),
	} {
		if _, err := trust.ParseRoot(b); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(bad, []byte("schemaVersion: 1\nnope: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var file *trust.FileError
	if _, err := trust.LoadPolicy(bad); !errors.As(err, &file) || file.Path != bad {
		t.Errorf("error %v", err)
	}
	if _, err := trust.LoadRoot(bad); !errors.As(err, &file) || file.Path != bad {
		t.Errorf("error %v", err)
	}
	same := filepath.Join(dir, "same.yaml")
	if err := os.WriteFile(same, trust.EmbeddedPolicyYAML(), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := trust.LoadPolicy(same); err != nil || !p.Source().Embedded {
		t.Errorf("a copy of the embedded policy: %v", err)
	}
	if _, err := trust.LoadPolicy(dir); err == nil {
		t.Error("a directory was read")
	}
}

func TestRealRoot(t *testing.T) {
	path := filepath.Join(realData, "sigstore/trusted_root.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no %s", path)
	}
	r, err := trust.ParseRoot(b)
	if err != nil {
		t.Fatal(err)
	}
	for id := range r.Material.RekorLogs() {
		if _, ok := trust.EmbeddedRoot().Material.RekorLogs()[id]; !ok {
			t.Errorf("the embedded root does not know the log %s", id)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(trust.EmbeddedPolicyYAML())
	f.Add([]byte("schemaVersion: 1\nrequired: [digest, signature]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := trust.ParsePolicy(b)
		if err != nil {
			return
		}
		if id := p.ImageIdentity(); id.Issuer == "" || id.Subject == "" {
			t.Errorf("a policy without an image identity was read")
		}
		if p.ReferenceAllowed("", "kube-proxy", "") || p.ReferenceAllowed("registry.k8s.io/other", "kube-proxy", "") && !strings.Contains(string(b), "other") {
			t.Errorf("a reference to nothing is allowed")
		}
	})
}

func FuzzParseRoot(f *testing.F) {
	b, err := os.ReadFile("data/trusted_root.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := trust.ParseRoot(b); err == nil && len(r.Material.RekorLogs()) == 0 {
			t.Error("a root without a log was read")
		}
	})
}

func Example() {
	p := trust.EmbeddedPolicy()
	fmt.Println(p.ImageIdentity().Subject)
	fmt.Println(p.ReferenceAllowed("registry.k8s.io/kube-proxy-arm64", "kube-proxy", "arm64"))
	// Output:
	// krel-trust@k8s-releng-prod.iam.gserviceaccount.com
	// true
}

func TestReleaseProvenanceInAPolicy(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	p := trust.EmbeddedPolicy()
	if got := p.ProvenanceBuckets(); len(got) != 1 || got[0] != "kubernetes-release" {
		t.Errorf("buckets %q", got)
	}
	for name, c := range map[string]struct{ old, with, says string }{
		"the bucket of rehearsals":  {"[kubernetes-release]", "[kubernetes-release, kubernetes-release-gcb]", "rehearsals"},
		"no bucket":                 {"[kubernetes-release]", "[]", "empty"},
		"a bucket twice":            {"[kubernetes-release]", "[kubernetes-release, kubernetes-release]", "twice"},
		"a pattern of buckets":      {"[kubernetes-release]", `["kubernetes-*"]`, "exact name"},
		"a bucket with a directory": {"[kubernetes-release]", "[kubernetes-release/release]", "exact name"},
		"no builder":                {"builders: [https://git.k8s.io/release/docs/krel]", "builders: []", "empty"},
		"a pattern of builders":     {"builders: [https://git.k8s.io/release/docs/krel]", `builders: ["https://git.k8s.io/*"]`, "exact https URI"},
		"a builder by http":         {"builders: [https://git.k8s.io/release/docs/krel]", "builders: [http://git.k8s.io/release/docs/krel]", "exact https URI"},
	} {
		if strings.Count(text, c.old) < 1 {
			t.Fatalf("the policy has no %q", c.old)
		}
		if _, err := trust.ParsePolicy([]byte(strings.Replace(text, c.old, c.with, 1))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A byte order mark that an editor has put before a trusted root says nothing.
func TestRootWithByteOrderMark(t *testing.T) {
	name := filepath.Join(t.TempDir(), "root.json")
	text, err := os.ReadFile("data/trusted_root.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append([]byte("\xef\xbb\xbf"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := trust.LoadRoot(name); err != nil || !r.Source().Embedded {
		t.Errorf("%v", err)
	}
}
