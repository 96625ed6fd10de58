package sight

import (
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/registry"
)

// ours are the images that the tests know.
var ours = []string{"kube-apiserver", "kube-proxy", "kubectl", "etcd", "pause", "coredns/coredns"}

func mappedBy(t *testing.T, as ...string) Names {
	t.Helper()
	m, err := ParseMapping("registry.k8s.io", as...)
	if err != nil {
		t.Fatal(err)
	}
	return Names{Registry: "registry.k8s.io", Inventory: ours, Architectures: []string{"amd64", "arm64"}, Map: m}
}

func read(t *testing.T, s string) registry.Ref {
	t.Helper()
	ref, err := ReadName(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// A name is read as container runtimes complete it.
func TestReadName(t *testing.T) {
	d := "@sha256:" + strings.Repeat("a", 64)
	for in, want := range map[string]string{
		"registry.k8s.io/kube-proxy:v1.30.1":     "registry.k8s.io/kube-proxy:v1.30.1",
		"registry.k8s.io/kube-proxy:v1.30.1" + d: "registry.k8s.io/kube-proxy:v1.30.1" + d,
		"Registry.K8s.IO/kube-proxy:v1.30.1":     "registry.k8s.io/kube-proxy:v1.30.1",
		"nginx":                                  "docker.io/library/nginx:latest",
		"nginx:1.27":                             "docker.io/library/nginx:1.27",
		"nginx" + d:                              "docker.io/library/nginx" + d,
		"grafana/loki:3.0.0":                     "docker.io/grafana/loki:3.0.0",
		"A.Z/x:1":                                "a.z/x:1",
		"localhost/x":                            "localhost/x:latest",
		"localhost:5000/x":                       "localhost:5000/x:latest",
		"harbor.corp:8443/a/b/c:1":               "harbor.corp:8443/a/b/c:1",
		"index.docker.io/library/nginx:1":        "docker.io/library/nginx:1",
	} {
		if got, err := ReadName(in); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "a b", "x\ny", "registry.k8s.io/", "registry.k8s.io/x:", "registry.k8s.io/X:1", "https://registry.k8s.io/x:1", "x@sha256:abc",
		"registry.k8s.io./x:1", "x:1:2", "-x", strings.Repeat("x", 500), "registry.k8s.io/x@sha512:" + strings.Repeat("a", 128), "\u212aubernetes.io/x:1",
	} {
		var e *registry.RefError
		if got, err := ReadName(in); !errors.As(err, &e) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

// The longest FROM wins, at boundaries of the path alone.
func TestMapping(t *testing.T) {
	n := mappedBy(t, "harbor.corp/k8s=registry.k8s.io", "harbor.corp/k8s/dns=registry.k8s.io/coredns", "Mirror.corp:5000/=registry.k8s.io/", "harbor.corp/pause=registry.k8s.io/pause")
	for in, want := range map[string]string{
		"harbor.corp/k8s/kube-proxy:v1.30.1":   "registry.k8s.io/kube-proxy:v1.30.1",
		"harbor.corp/k8s/dns/coredns:v1.11.1":  "registry.k8s.io/coredns/coredns:v1.11.1",
		"harbor.corp/k8s-old/kube-proxy:v1":    "",
		"harbor.corp/k8:v1":                    "",
		"harbor.corp/k8s:v1":                   "", // a registry is no image
		"harbor.corp.evil/k8s/kube-proxy:v1":   "",
		"mirror.corp:5000/kube-proxy:v1":       "registry.k8s.io/kube-proxy:v1",
		"mirror.corp/kube-proxy:v1":            "",
		"harbor.corp/pause:3.9":                "registry.k8s.io/pause:3.9",
		"harbor.corp/pause/x:3.9":              "registry.k8s.io/pause/x:3.9",
		"registry.k8s.io/kube-proxy:v1.30.1":   "",
		"docker.io/harbor.corp/kube-proxy:1.2": "",
	} {
		got, by, ok := n.Map.Apply(read(t, in))
		if ok != (want != "") || ok && (got.String() != want || by.From == "") {
			t.Errorf("%s: %v %v by %v; want %q", in, got, ok, by, want)
		}
	}
	for text, say := range map[string]string{
		"harbor.corp":                              "not two names",
		"=registry.k8s.io":                         "not two names",
		"harbor.corp=":                             "not two names",
		"harbor.corp=harbor.corp/x":                "does not lie under registry.k8s.io",
		"harbor.corp=registry.k8s.io.evil":         "does not lie under registry.k8s.io",
		"harbor.corp=registry.k8s.ioevil/x":        "does not lie under registry.k8s.io",
		"registry.k8s.io/x=registry.k8s.io":        "own name already",
		"https://harbor.corp=registry.k8s.io":      "no host",
		"harbor.corp/x:v1=registry.k8s.io":         "no host",
		"harbor=registry.k8s.io":                   "no host",
		"harbor.corp/X=registry.k8s.io":            "no host",
		"harbor.corp//x=registry.k8s.io":           "no host",
		"harbor.corp=registry.k8s.io=y":            "no host",
		"harbor.corp/\x1b[31m=registry.k8s.io":     "no host",
		"harbor.corp@sha256:a=registry.k8s.io/x:y": "no host",
	} {
		var e *MappingError
		if _, err := ParseMapping("registry.k8s.io", text); !errors.As(err, &e) || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseMapping("registry.k8s.io", "a.b=registry.k8s.io", "a.b=registry.k8s.io/x"); err == nil {
		t.Error("one FROM is mapped to two")
	}
	if m, err := ParseMapping("registry.k8s.io", "a.b=registry.k8s.io", "a.b/=registry.k8s.io"); err != nil || len(m.aliases) != 1 {
		t.Error(m, err)
	}
	for _, order := range [][]string{{"a.b=registry.k8s.io/x", "a.b/c=registry.k8s.io/y"}, {"a.b/c=registry.k8s.io/y", "a.b=registry.k8s.io/x"}} { // the longest, wherever it stands
		if got, by, ok := mappedBy(t, order...).Map.Apply(read(t, "a.b/c/d:1")); !ok || got.String() != "registry.k8s.io/y/d:1" || by.From != "a.b/c" {
			t.Errorf("%q: %v by %v", order, got, by)
		}
	}
}

// Traps 25, 27, 30 and 31: whose a name is.
func TestClassify(t *testing.T) {
	for _, c := range []struct{ as, in, kind, ref, advice string }{
		{"", "registry.k8s.io/kube-proxy:v1.30.1", "ours", "registry.k8s.io/kube-proxy:v1.30.1", ""},
		{"", "registry.k8s.io/kube-proxy-arm64:v1.30.1", "ours", "registry.k8s.io/kube-proxy-arm64:v1.30.1", ""},
		{"", "registry.k8s.io/kube-proxy:v1.30.1-eksbuild.1", "ours", "registry.k8s.io/kube-proxy:v1.30.1-eksbuild.1", ""},
		{"", "registry.k8s.io/ingress-nginx/controller:v1.10.0", "ours", "registry.k8s.io/ingress-nginx/controller:v1.10.0", ""},
		{"", "registry.k8s.io/coredns:1.7.0", "ours", "registry.k8s.io/coredns:1.7.0", ""}, // a repository of its own
		{"", "k8s.gcr.io/kube-proxy:v1.24.1", "ours", "registry.k8s.io/kube-proxy:v1.24.1", ""},
		{"harbor.corp/k8s=registry.k8s.io", "harbor.corp/k8s/kube-proxy:v1.30.1", "ours", "registry.k8s.io/kube-proxy:v1.30.1", ""},
		{"harbor.corp/k8s=registry.k8s.io", "harbor.corp/k8s/coredns:v1.11.1", "ours", "registry.k8s.io/coredns/coredns:v1.11.1", ""},
		{"harbor.corp=registry.k8s.io", "harbor.corp/k8s-proxy/coredns/coredns:v1.11.1", "ours", "registry.k8s.io/coredns/coredns:v1.11.1", ""},
		{"harbor.corp=registry.k8s.io", "harbor.corp/k8s-proxy/kube-proxy-arm64:v1.30.1", "ours", "registry.k8s.io/kube-proxy-arm64:v1.30.1", ""},
		{"harbor.corp=registry.k8s.io", "harbor.corp/kube-proxy:v1.30.1-eksbuild.1", "ours", "registry.k8s.io/kube-proxy:v1.30.1-eksbuild.1", ""},
		{"harbor.corp=registry.k8s.io", "harbor.corp/library/nginx:1.27", "ours", "registry.k8s.io/library/nginx:1.27", ""},
		{"", "harbor.corp/k8s/kube-proxy:v1.30.1", "alike", "", "harbor.corp/k8s=registry.k8s.io"},
		{"", "harbor.corp/k8s/kube-proxy:mine", "alike", "", "harbor.corp/k8s=registry.k8s.io"},
		{"", "harbor.corp/kube-proxy@sha256:" + strings.Repeat("a", 64), "alike", "", "harbor.corp=registry.k8s.io"},
		{"", "harbor.corp/k8s/coredns/coredns:v1.11.1", "alike", "", "harbor.corp/k8s=registry.k8s.io"},
		{"", "harbor.corp/k8s/coredns:v1.11.1", "alike", "", "harbor.corp/k8s=registry.k8s.io"},
		{"", "harbor.corp/k8s/kube-proxy-arm64:v1.30.1", "alike", "", "harbor.corp/k8s=registry.k8s.io"},
		{"", "kube-proxy:v1.30.1", "alike", "", "docker.io/library=registry.k8s.io"},
		{"", "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/pause:3.10", "alike", "", "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks=registry.k8s.io"},
		{"", "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/kube-proxy:v1.30.1-minimal-eksbuild.2", "vendor", "", ""},
		{"", "public.ecr.aws/eks-distro/kubernetes/kube-apiserver:v1.30.1-eks-1-30-8", "vendor", "", ""},
		{"", "gke.gcr.io/kube-proxy-amd64:v1.30.1-gke.1329000", "vendor", "", ""},
		{"", "index.docker.io/rancher/kubectl:v1.30.4-rke2r1", "vendor", "", ""},
		{"", "rancher/kubectl:v1.30.4-k3s1", "vendor", "", ""},
		{"", "projects.registry.vmware.com/tkg/etcd:v3.5.11_vmware.4", "vendor", "", ""},
		{"", "evil.example/kube-proxy:v1.30.1-eksbuild.1.evil", "alike", "", "evil.example=registry.k8s.io"},
		{"", "evil.example/kube-proxy:eksbuild.1", "alike", "", "evil.example=registry.k8s.io"},
		{"", "evil.example/kube-proxy:v1.30.1-mycorp.1", "alike", "", "evil.example=registry.k8s.io"},
		{"", "registry.k8s.io.evil.example/kube-proxy:v1.30.1", "alike", "", "registry.k8s.io.evil.example=registry.k8s.io"},
		{"", "registry.k8s.io:443/kube-proxy:v1.30.1", "alike", "", "registry.k8s.io:443=registry.k8s.io"},
		{"", "docker.io/library/nginx:1.27", "foreign", "", ""},
		{"", "rancher/hardened-kubernetes:v1.30.4-rke2r1-build20240815", "foreign", "", ""},
		{"", "quay.io/calico/node:v3.28.0", "foreign", "", ""},
	} {
		var as []string
		if c.as != "" {
			as = append(as, c.as)
		}
		n := mappedBy(t, as...)
		kind, ref := n.Classify(c.in)
		if c.ref == "" {
			c.ref = read(t, c.in).String()
		}
		if kind.String() != c.kind || ref.String() != c.ref || n.Advice(c.in) != c.advice {
			t.Errorf("%s with %q: %s %s %q; want %s %s %q", c.in, c.as, kind, ref, n.Advice(c.in), c.kind, c.ref, c.advice)
		}
	}
	if kind, ref := mappedBy(t).Classify("registry.k8s.io/X Y"); kind != NoName || ref != (registry.Ref{}) {
		t.Error(kind, ref)
	}
}

// What is advised makes the name Kubernetes' own.
func TestAdviceMaps(t *testing.T) {
	for _, in := range []string{"harbor.corp/k8s/coredns:v1", "harbor.corp/coredns/coredns:v1", "a.b/c/kube-proxy-arm64:v1", "kubectl", "localhost:5000/etcd:3"} {
		n := mappedBy(t)
		if kind, _ := n.Classify(in); kind != Alike {
			t.Error(in, kind)
		}
		n = mappedBy(t, n.Advice(in))
		if kind, ref := n.Classify(in); kind != Ours || !n.has(ref.Repository) || n.Advice(in) != "" {
			t.Error(in, kind, ref)
		}
	}
}

// Two images with one last element: neither is chosen.
func TestAmbiguousLastElement(t *testing.T) {
	n := mappedBy(t, "h.corp=registry.k8s.io")
	n.Inventory = append(n.Inventory, "other/coredns")
	if kind, ref := n.Classify("h.corp/coredns:v1"); kind != Ours || ref.Repository != "coredns" {
		t.Error(kind, ref)
	}
	if bare := (Names{Inventory: ours}); !bare.has("pause") || bare.has("pause-arm64") { // without architectures
		t.Error(bare)
	}
	n.Inventory = append(n.Inventory, "other/kube-proxy-arm64") // which has not the name of an architecture's own repository
	if kind, ref := n.Classify("h.corp/kube-proxy-arm64:v1"); kind != Ours || ref.Repository != "kube-proxy-arm64" {
		t.Error(kind, ref)
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"nginx", "registry.k8s.io/kube-proxy:v1.30.1", "harbor.corp/k8s/coredns:v1.11.1-eksbuild.1", "A.b/c@sha256:" + strings.Repeat("0", 64)} {
		f.Add(s, "harbor.corp/k8s=registry.k8s.io")
	}
	f.Fuzz(func(t *testing.T, s, as string) {
		ref, err := ReadName(s)
		if err != nil {
			return
		}
		if again, err := registry.ParseRef(ref.String()); err != nil || again != ref {
			t.Fatalf("%q: %v is read as %v, %v", s, ref, again, err)
		}
		n := mappedBy(t)
		if m, err := ParseMapping(n.Registry, as); err == nil {
			n.Map = m
		}
		switch kind, is := n.Classify(s); kind {
		case Ours:
			if is.Host != n.Registry || is.Tag != ref.Tag || is.Digest != ref.Digest {
				t.Fatalf("%q: %+v", s, is)
			}
		case NoName:
			t.Fatalf("%q has a kind", s)
		default:
			if is != ref || ref.Host == n.Registry {
				t.Fatalf("%q: %+v", s, is)
			}
		}
	})
}
