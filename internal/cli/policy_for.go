package cli

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/trust"
)

// policyForms are the admission and pull policies that a policy can be written as.
var policyForms = []string{"talos", "crio", "policy-controller", "kyverno"}

// lost says what every one of them leaves out.
const lost = `# What is lost against kverify: no form binds a digest to the version that its tag says, so that an
# old and vulnerable image that Kubernetes signed passes under a new tag; the signed docker-reference
# is not compared; SBOM, promotion and catalogue are not read.
`

// policyFor writes who signs images as the policy of something else.
func policyFor(form string, p *trust.Policy) string {
	id, registry := p.ImageIdentity(), p.Images.Registry
	head := func(where, more string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "# %s\n# Written by kverify policy show --for %s from the policy %s.\n%s", where, form, p.Source().Digest, lost)
		if more != "" {
			b.WriteString("# " + strings.ReplaceAll(more, "\n", "\n# ") + "\n")
		}
		return b.String()
	}
	switch form {
	case "talos":
		return head("A document of Talos Linux 1.13 and later: talosctl patch machineconfig --patch @FILE", "Look at the node's log that it is evaluated.") +
			fmt.Sprintf(`apiVersion: v1alpha1
kind: ImageVerificationConfig
rules:
  - image: %s/*
    keyless:
      issuer: %s
      subject: %s
`, registry, id.Issuer, id.Subject)
	case "crio":
		return head("/etc/containers/policy.json of CRI-O and Podman, in JSON: take these lines out of it",
			"signedIdentity cannot hold: Kubernetes signs names of its own regions, such as us-docker.pkg.dev/..., so that it\nis set to exactRepository of one, and images that were signed under another are refused. It needs\nuse-sigstore-attachments: true in /etc/containers/registries.d, and Fulcio's CA and Rekor's key as files.") +
			fmt.Sprintf(`{
  "default": [{"type": "insecureAcceptAnything"}],
  "transports": {"docker": {%q: [{
    "type": "sigstoreSigned",
    "fulcio": {"caPath": "/etc/containers/fulcio.pem", "oidcIssuer": %q, "subjectEmail": %q},
    "rekorPublicKeyPath": "/etc/containers/rekor.pub",
    "signedIdentity": {"type": "remapIdentity", "prefix": %q, "signedPrefix": "registry.k8s.io"}
  }]}}
}
`, registry, id.Issuer, id.Subject, registry)
	case "policy-controller":
		return head("A ClusterImagePolicy of sigstore's policy-controller: kubectl apply -f FILE", "") +
			fmt.Sprintf(`apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: kubernetes-images
spec:
  images:
    - glob: "%s/**"
  authorities:
    - keyless:
        url: https://fulcio.sigstore.dev
        identities:
          - issuer: %s
            subject: %s
      ctlog:
        url: https://rekor.sigstore.dev
`, registry, id.Issuer, id.Subject)
	default:
		return head("An ImageValidatingPolicy of Kyverno 1.15 and later: kubectl apply -f FILE", "") +
			fmt.Sprintf(`apiVersion: policies.kyverno.io/v1
kind: ImageValidatingPolicy
metadata:
  name: kubernetes-images
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [pods]
  matchImageReferences:
    - glob: "%s/*"
  attestors:
    - name: kubernetes
      cosign:
        keyless:
          identities:
            - issuer: %s
              subject: %s
        ctlog:
          url: https://rekor.sigstore.dev
  validations:
    - expression: >-
        images.containers.map(image, verifyImageSignatures(image, [attestors.kubernetes])).all(e, e > 0)
      message: not signed by Kubernetes
`, registry, id.Issuer, id.Subject)
	}
}
