package cli

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/command"
)

// What is named by where a copy lies is answered with what to run, prefix and
// scheme kept; the registries behind registry.k8s.io name the image itself.
func TestNamesOfCopies(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, tt := range []struct{ what, image, says string }{
		{"registry.k8s.io/kube-proxy:v1.31.0", "registry.k8s.io/kube-proxy:v1.31.0", ""},
		{"k8s.gcr.io/kube-proxy:v1.24.0", "registry.k8s.io/kube-proxy:v1.24.0", ""},
		{"k8s.gcr.io/coredns/coredns:v1.8.6", "registry.k8s.io/coredns/coredns:v1.8.6", ""},
		{"k8s.gcr.io/sig-storage/csi-attacher:v3.4.0", "registry.k8s.io/sig-storage/csi-attacher:v3.4.0", ""},
		{"us-west1-docker.pkg.dev/k8s-artifacts-prod/images/kube-proxy:v1.27.2", "registry.k8s.io/kube-proxy:v1.27.2", ""},
		{"europe-west8-docker.pkg.dev/k8s-artifacts-prod/images/kubernetes/kube-proxy" + digest, "registry.k8s.io/kube-proxy" + digest, ""},
		{"us-docker.pkg.dev/k8s-artifacts-prod/images/coredns/coredns:v1.10.1", "registry.k8s.io/coredns/coredns:v1.10.1", ""},
		{"eu.gcr.io/k8s-artifacts-prod/kube-apiserver-arm64:v1.27.2", "registry.k8s.io/kube-apiserver-arm64:v1.27.2", ""},

		{"harbor.example.com/k8s/kube-proxy:v1.27.2", "", "kverify verify registry.k8s.io/kube-proxy:v1.27.2 --endpoint registry.k8s.io=https://harbor.example.com/k8s\n"},
		{"harbor.example.com/kube-proxy:v1.27.2", "", "write: kverify verify registry.k8s.io/kube-proxy:v1.27.2 --endpoint registry.k8s.io=https://harbor.example.com\n"},
		{"harbor.example.com:8443/a/b/coredns/coredns:v1.10.1", "", "registry.k8s.io/coredns/coredns:v1.10.1 --endpoint registry.k8s.io=https://harbor.example.com:8443/a/b\n"},
		{"coredns.example.com/xcoredns/coredns:v1.10.1", "", "registry.k8s.io/coredns:v1.10.1 --endpoint registry.k8s.io=https://coredns.example.com/xcoredns\n"},
		{"http://harbor.example.com/k8s/pause:3.9", "", "registry.k8s.io/pause:3.9 --endpoint registry.k8s.io=http://harbor.example.com/k8s\n"},
		{"https://localhost:5000/k8s/pause:3.9", "", "registry.k8s.io/pause:3.9 --endpoint registry.k8s.io=https://localhost:5000/k8s\n"},
		{"localhost:5000/kube-proxy-amd64:v1.27.2" + digest, "", "registry.k8s.io/kube-proxy-amd64:v1.27.2" + digest + " --endpoint registry.k8s.io=http://localhost:5000\n"},
		{"docker.io/me/kube-proxy:v1.27.2", "", "--endpoint registry.k8s.io=https://index.docker.io/me\n"},
		{"us-west1-docker.pkg.dev/my-project/k8s/kube-proxy:v1.27.2", "", "--endpoint registry.k8s.io=https://us-west1-docker.pkg.dev/my-project/k8s\n"},
		{"k8s.gcr.io.example.com/kube-proxy:v1.24.0", "", "--endpoint registry.k8s.io=https://k8s.gcr.io.example.com\n"},
		{"harbor.example.com/k8s/metrics-server/metrics-server:v0.6.3", "", "if it is a copy of registry.k8s.io/metrics-server:v0.6.3"},

		{"quay.io/cilium/cilium:v1.14.0", "", "no copy"},
		{"quay.io/coreos/etcd:v3.5.9", "", "no copy"},
		{"docker.io/coredns/coredns:1.10.1", "", "no copy"},
		{"gcr.io/distroless/static:nonroot", "", "no copy"},
		{"gcr.io/k8s-artifacts-prod:v1", "", "no copy"},
	} {
		a := &command.App{}
		ref, err := reference(a, tt.what)
		switch {
		case tt.image != "":
			if err != nil || ref.String() != tt.image {
				t.Errorf("%s is %s, %v; want %s", tt.what, ref, err, tt.image)
			}
			if said := len(a.Remarks) > 0; said == strings.HasPrefix(tt.what, "registry.k8s.io/") {
				t.Errorf("%s: remarks %q", tt.what, a.Remarks)
			}
		case err == nil:
			t.Errorf("%s is taken as %s", tt.what, ref)
		case tt.says == "no copy":
			if strings.Contains(err.Error(), "--endpoint") {
				t.Errorf("%s is offered as a copy: %v", tt.what, err)
			}
		case !strings.Contains(err.Error()+"\n", tt.says):
			t.Errorf("%s: %v\nwant %q", tt.what, err, tt.says)
		}
	}
}
