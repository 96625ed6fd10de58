package sigstore_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

var krelTrust = trust.Identity{Issuer: "https://accounts.google.com", Subject: world.KrelTrust}

func testRoot(t *testing.T, s *world.Sigstore) *trust.Root {
	t.Helper()
	root, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Nobody in particular, or half of an identity, must not mean anybody.
func TestZeroSignerProvesNothing(t *testing.T) {
	s := world.NewSigstore("zero")
	root, body := testRoot(t, s), []byte("x")
	b, err := sigstore.ParseBundle(s.Sign(body, world.Signing{}).Bundle("0.3"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	for name, who := range map[string]sigstore.Signer{
		"nobody":     {},
		"no issuer":  {Identity: trust.Identity{Subject: krelTrust.Subject}},
		"no subject": {Identity: trust.Identity{Issuer: krelTrust.Issuer}},
	} {
		if p, err := b.Verify(root, who, sigstore.Digest{Algorithm: "sha256", Sum: sum[:]}); err == nil {
			t.Errorf("%s: proved: %+v", name, p)
		}
		if _, err := sigstore.NewSignatureVerifier(root, who.Identity); err == nil {
			t.Errorf("%s: a verifier of it", name)
		}
	}
	for name, d := range map[string]sigstore.Digest{"no digest": {}, "no sum": {Algorithm: "sha256"}} {
		if _, err := b.Verify(root, sigstore.Signer{Identity: krelTrust}, d); err == nil {
			t.Errorf("%s: proved", name)
		}
	}
}

// A signature whose log entry was not read proves nothing, whoever forgets to read it.
func TestSignatureWithoutItsEntry(t *testing.T) {
	s := world.NewSigstore("entry")
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	payload := []byte(`{"critical":{"identity":{"docker-reference":"registry.k8s.io/pause"},"image":{"docker-manifest-digest":"` + digest +
		`"},"type":"cosign container image signature"},"optional":null}`)
	v, err := sigstore.NewSignatureVerifier(testRoot(t, s), krelTrust)
	if err != nil {
		t.Fatal(err)
	}
	l, err := sigstore.ParseSignature(registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
		Digest: oci.Digest(sum(payload)), Size: int64(len(payload)), Annotations: s.Sign(payload, world.Signing{}).Annotations()})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), l, payload, digest); !errors.Is(err, sigstore.ErrNoEntry) {
		t.Errorf("before: %v", err)
	}
	if err := l.ReadEntry(); err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), l, payload, digest); err != nil {
		t.Errorf("after: %v", err)
	}
	var differs *sigstore.MismatchError
	if err := v.Verify(t.Context(), l, payload, oci.Digest(strings.Replace(digest, "1", "2", 2))); err == nil || errors.As(err, &differs) && differs.What == "" {
		t.Errorf("another digest: %v", err)
	}
}

// A detached signature goes to a bundle and back: the entry that is read from it is
// the one that was put in.
func TestDetachedThereAndBack(t *testing.T) {
	s, foreign := world.NewSigstore("detached"), world.NewSigstore("foreign")
	root, body := testRoot(t, s), []byte("a file\n")
	signed := s.Sign(body, world.Signing{})
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed.Certificate.Raw})
	d, err := sigstore.ParseDetached(sha256.Sum256(body), []byte(signed.Annotations()["dev.cosignproject.cosign/signature"]),
		[]byte(base64.StdEncoding.EncodeToString(cert)))
	if err != nil || !d.SignsSum() || d.Identity != krelTrust {
		t.Fatalf("%v, %+v", err, d)
	}
	entry, err := sigstore.EntryOf(signed.Bundle("0.3"))
	if err != nil || !d.LoggedBy(entry) || !entry.LogKnown(root) || !entry.Promised() {
		t.Fatalf("%v, %+v", err, entry)
	}
	logged, err := d.Bundle(entry)
	if err != nil {
		t.Fatal(err)
	}
	if err := logged.Verify(root, krelTrust); err != nil {
		t.Error(err)
	}
	if err := logged.Verify(testRoot(t, foreign), krelTrust); err == nil {
		t.Error("verified under a foreign root")
	}
	text, err := logged.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := sigstore.EntryOf(text)
	if err != nil || again.Body != entry.Body || again.IntegratedTime != entry.IntegratedTime {
		t.Errorf("%v, %+v", err, again)
	}
	if l, err := sigstore.ParseLogged(text, d.Sum); err != nil || l.Verify(root, krelTrust) != nil {
		t.Error("what was written does not verify")
	}
	if l, err := sigstore.ParseLogged(text, make([]byte, sha256.Size)); err != nil || l.Verify(root, krelTrust) == nil {
		t.Error("verified for another file")
	}
}

// What a log answers is counted, whatever its order; nothing of it refutes.
func TestEntriesThatCount(t *testing.T) {
	s, foreign := world.NewSigstore("count"), world.NewSigstore("foreign")
	root, body := testRoot(t, s), []byte("a file\n")
	signed := s.Sign(body, world.Signing{})
	d, err := sigstore.ParseDetached(sha256.Sum256(body), []byte(signed.Annotations()["dev.cosignproject.cosign/signature"]),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed.Certificate.Raw}))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(bundles ...[]byte) (found []map[string]json.RawMessage) {
		for _, b := range bundles {
			e, err := sigstore.EntryOf(b)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, map[string]json.RawMessage{"any id": text})
		}
		return found
	}
	own, other := signed.Bundle("0.3"), foreign.Sign(body, world.Signing{}).Bundle("0.3")
	list, err := sigstore.CountEntries(root, d, append(answer(other, own, own), map[string]json.RawMessage{"x": []byte("[]")}))
	if err != nil || len(list) != 1 {
		t.Errorf("%d, %v", len(list), err)
	}
	var why *sigstore.EntryError
	if _, err := sigstore.CountEntries(root, d, answer(other)); !errors.As(err, &why) || why.Reason != report.Malformed {
		t.Errorf("of another signature: %v", err)
	}
	if _, err := sigstore.CountEntries(testRoot(t, foreign), d, answer(own)); !errors.As(err, &why) || why.Reason != report.Untrusted {
		t.Errorf("of a log that is not known: %v", err)
	}
	if _, err := sigstore.CountEntries(root, d, nil); !errors.As(err, &why) {
		t.Errorf("of nothing: %v", err)
	}
}
