package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// essence is what a bundle says that its signatures cover. Whitespace, the order
// of keys, names of keys and further cosignatures are not in it.
func essence(bundle []byte) string {
	type entry struct {
		LogIndex          any    `json:"logIndex"`
		IntegratedTime    any    `json:"integratedTime"`
		CanonicalizedBody []byte `json:"canonicalizedBody"`
		LogID             struct {
			KeyID []byte `json:"keyId"`
		} `json:"logId"`
	}
	type certificate struct {
		RawBytes []byte `json:"rawBytes"`
	}
	var b struct {
		Material struct {
			Certificate certificate `json:"certificate"`
			Chain       struct {
				Certificates []certificate `json:"certificates"`
			} `json:"x509CertificateChain"`
			Entries []entry `json:"tlogEntries"`
		} `json:"verificationMaterial"`
		Message struct {
			Digest    struct{ Digest []byte } `json:"messageDigest"`
			Signature []byte                  `json:"signature"`
		} `json:"messageSignature"`
		Envelope struct {
			Payload    []byte `json:"payload"`
			Signatures []struct {
				Sig []byte `json:"sig"`
			} `json:"signatures"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return "?"
	}
	if len(b.Material.Chain.Certificates) > 0 {
		b.Material.Certificate, b.Material.Chain.Certificates = b.Material.Chain.Certificates[0], nil
	}
	for i, e := range b.Material.Entries { // numbers may be written as strings
		b.Material.Entries[i].LogIndex, b.Material.Entries[i].IntegratedTime = fmt.Sprint(e.LogIndex), fmt.Sprint(e.IntegratedTime)
	}
	return fmt.Sprintf("%+v", b)
}

// FuzzBundle changes genuine bundles of every form: whatever still verifies
// must say the same as one of them.
func FuzzBundle(f *testing.F) {
	s := world.NewSigstore("fuzz") // a whole world would have to be built by every worker
	root, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		f.Fatal(err)
	}
	body := []byte("an artifact\n")
	statement := world.Statement("https://example.com/p", nil, "it", sum(body))
	genuine := map[string]bool{}
	add := func(b []byte) {
		if res := artifact(f, root, verify.Artifact{Bundle: b, Digest: sum(body), Identity: google(world.KrelTrust)}); res.Verdict() != report.Verified {
			f.Fatalf("a seed is not verified: %+v", res.Checks)
		}
		genuine[essence(b)] = true
		f.Add(b)
	}
	for _, v := range []string{"0.1", "0.2", "0.3"} {
		add(s.Sign(body, world.Signing{}).Bundle(v))
	}
	add(s.Sign(body, world.Signing{Tiled: true}).Bundle("0.3"))
	add(s.Attest(statement, world.Signing{}).Bundle("0.3"))
	add(s.Attest(statement, world.Signing{Tiled: true}).Bundle("0.3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := verify.Artifact{Bundle: b, Digest: sum(body), Identity: google(world.KrelTrust)}
		if res := artifact(t, root, a); res.Verdict() == report.Verified && !genuine[essence(b)] {
			t.Errorf("verified: %q", b)
		}
		for _, other := range []verify.Artifact{
			{Bundle: b, Digest: pauseDigest, Identity: google(world.KrelTrust)},
			{Bundle: b, Digest: sum(body), Identity: google(world.KrelStage)},
		} {
			if res := artifact(t, root, other); res.Verdict() == report.Verified {
				t.Errorf("verified for %s as %s: %q", other.Digest, other.Identity.Subject, b)
			}
		}
	})
}

// signatureShelf is a ".sig" manifest of kube-proxy with its payloads, and a
// verifier that sees nothing else.
func signatureShelf(t testing.TB) (v *verify.Verifier, s shelf, path, digest string, manifest world.Manifest) {
	w := world.New(world.Options{})
	digest = w.Digest(proxy)
	m, ok := w.Manifest("kube-proxy:" + strings.Replace(digest, ":", "-", 1) + ".sig")
	if !ok {
		t.Fatal("no signature")
	}
	var list struct {
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal(m.Body, &list); err != nil {
		t.Fatal(err)
	}
	s = shelf{}
	for _, l := range list.Layers {
		s["/v2/kube-proxy/blobs/"+l.Digest] = w.Blob(l.Digest)
	}
	path = "/v2/kube-proxy/manifests/" + strings.Replace(digest, ":", "-", 1) + ".sig"
	v = verifier(t, w)
	v.Fetch = &fetch.Client{Transport: s}
	v.Registry = &registry.Client{Fetch: v.Fetch}
	return v, s, path, digest, m
}

// promoted says whether a ".sig" manifest still has the genuine layer of
// krel-trust: its payload, signature, certificate and log entry, in any writing.
func promoted(manifest []byte) (out map[string]bool) {
	out = map[string]bool{}
	var m struct {
		Layers []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	_ = json.Unmarshal(manifest, &m)
	for _, l := range m.Layers {
		var entry struct {
			SignedEntryTimestamp []byte
			Payload              struct {
				Body                     string
				IntegratedTime, LogIndex int64
				LogID                    string
			}
		}
		block, _ := pem.Decode([]byte(l.Annotations["dev.sigstore.cosign/certificate"]))
		if json.Unmarshal([]byte(l.Annotations["dev.sigstore.cosign/bundle"]), &entry) != nil || block == nil {
			continue
		}
		out[fmt.Sprintf("%s %s %x %+v", l.Digest, l.Annotations["dev.cosignproject.cosign/signature"], block.Bytes, entry)] = true
	}
	return out
}

// FuzzSignatureManifest changes a genuine ".sig" manifest. Its digest changes
// with it, since a tag is all that leads there.
func FuzzSignatureManifest(f *testing.F) {
	v, s, path, digest, genuine := signatureShelf(f)
	f.Add(genuine.Body)
	known := promoted(genuine.Body)
	s[path] = genuine.Body
	if signature, _ := verify.SignatureOf(context.Background(), v, "kube-proxy", digest); signature.Verdict != report.Verified || len(known) != 2 {
		f.Fatalf("the seed is not verified: %+v, %d layers", signature, len(known))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		mine := maps.Clone(s)
		mine[path] = b
		own := *v
		own.Fetch = &fetch.Client{Transport: mine}
		own.Registry = &registry.Client{Fetch: own.Fetch}
		signature, _ := verify.SignatureOf(context.Background(), &own, "kube-proxy", digest)
		if signature.Verdict != report.Verified {
			return
		}
		for layer := range promoted(b) {
			if known[layer] {
				return
			}
		}
		t.Errorf("verified: %q", b)
	})
}

// FuzzPolicy judges by any policy an image that nobody signed but mallory.
func FuzzPolicy(f *testing.F) {
	f.Add(trust.EmbeddedPolicyYAML())
	f.Add(bytes.ReplaceAll(trust.EmbeddedPolicyYAML(), []byte("registry: registry.k8s.io"), []byte("registry: example.com")))
	w := world.New(world.Options{})
	const mallory = "mallory@example.com"
	w.SignAs(proxy, world.Signing{Identity: mallory})
	digest := w.Digest(proxy)
	v := verifier(f, w)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := trust.ParsePolicy(b)
		if err != nil || bytes.Contains(b, []byte("mallory")) {
			return
		}
		own := *v
		own.Policy = p
		if signature, _ := verify.SignatureOf(context.Background(), &own, "kube-proxy", digest); signature.Verdict == report.Verified {
			t.Errorf("verified by %q", b)
		}
	})
}

// FuzzTrustedRoot judges by any root that can be read what another Sigstore signed.
func FuzzTrustedRoot(f *testing.F) {
	w, other := world.New(world.Options{}), world.NewSigstore("another")
	f.Add(w.TrustedRootJSON())
	body := []byte("an artifact\n")
	bundles := [][]byte{other.Sign(body, world.Signing{}).Bundle("0.3"), other.Sign(body, world.Signing{Tiled: true}).Bundle("0.3"),
		w.Sigstore().Sign(body, world.Signing{CA: other}).Bundle("0.3"), w.Sigstore().Sign(body, world.Signing{Log: other}).Bundle("0.3")}
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := trust.ParseRoot(b)
		if err != nil {
			return
		}
		for _, bundle := range bundles {
			if res := artifact(t, root, verify.Artifact{Bundle: bundle, Digest: sum(body), Identity: google(world.KrelTrust)}); res.Verdict() == report.Verified {
				t.Errorf("verified under %q", b)
			}
		}
	})
}

// FuzzFileForm holds that a manifest which is read as a file's names one that
// can be written nowhere else, and a whole sha512.
func FuzzFileForm(f *testing.F) {
	w := world.New(world.Options{})
	for _, change := range []func(m map[string]any){nil,
		func(m map[string]any) { annotationsOf(m)[fileTitle] = "spoc-/../x" },
		func(m map[string]any) { annotationsOf(m)[fileSHA512] = "00" },
	} {
		f.Add(w.FileManifest("spoc", []byte("x"), change).Body)
	}
	f.Fuzz(func(t *testing.T, manifest []byte) {
		title, sum, ok, err := verify.ReadFileForm("project/spoc", registry.OCIManifest, manifest)
		if ok && err == nil && (!strings.HasPrefix(title, "spoc") || strings.ContainsAny(title, "/\\\x00\n") || len(sum) != 128) {
			t.Errorf("%q %q", title, sum)
		}
	})
}
