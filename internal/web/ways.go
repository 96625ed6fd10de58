package web

import (
	"cmp"
	"fmt"
)

// A way is one to use the mirror: lines to copy, and where they go.
type way struct {
	Name, Before, File, After string
	Text                      string
}

// Ways are the lines by which containerd, kubeadm and kverify use this server.
func (v view) Ways() []way {
	base, files := v.Base, v.Base+"/dl.k8s.io"
	return []way{
		{"containerd", "In", "/etc/containerd/certs.d/registry.k8s.io/hosts.toml", ", so that nodes go on pulling registry.k8s.io/…:",
			fmt.Sprintf("server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]", base, base)},
		{"kubeadm", "With images by this server’s own name, in the file for", "kubeadm init --config", ":",
			"imageRepository: " + v.Host},
		{"kverify", "Prove it again from where you are; the verdicts above are this server’s:", "", "",
			"kverify verify " + quote(text(cmp.Or(v.Filter.Version, v.Newest))) + " \\\n" +
				"  --endpoint registry.k8s.io=" + base + " \\\n" +
				"  --endpoint dl.k8s.io=" + files + " \\\n" +
				"  --endpoint sbom.k8s.io=" + base + "/sbom.k8s.io \\\n" +
				"  --endpoint raw.githubusercontent.com=" + base + "/raw.githubusercontent.com \\\n" +
				"  --endpoint rekor.sigstore.dev=" + base},
	}
}
