package command

import (
	"strings"
	"testing"
)

// Only a host that is near to one that kverify asks was meant as that.
func TestMeantHost(t *testing.T) {
	for host, want := range map[string]string{
		"registry.k8s.io": "", "dl.k8s.io": "", "raw.githubusercontent.com": "", "registry.example.com": "", "registry:5000": "",
		"gcr.io": "", "quay.io": "", "log2025-1.rekor.sigstore.dev": "", "rekor.example.com": "", "localhost:5000": "", "k8s.gcr.io": "",
		"registry.k8s.oi": "registry.k8s.io", "registry.k8s.i": "registry.k8s.io", "dl.k8s.io:443": "dl.k8s.io", "d1.k8s.io": "dl.k8s.io",
		"raw.githubusercontents.com": "raw.githubusercontent.com", "rekor.sigstore.dv": "rekor.sigstore.dev",
	} {
		got := meantHost(host)
		if (got == "") != (want == "") || !strings.HasSuffix(got, "did you mean \""+want+"\"?") && want != "" {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}
