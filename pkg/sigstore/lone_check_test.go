package sigstore_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sigstore"
)

// Of an image's signature each part is genuine but one, so that one check alone can see
// it: a log that signs whatever it is given does not make a signature.
func TestEachCheckOfASignatureStandsAlone(t *testing.T) {
	s := world.NewSigstore("alone")
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	payload := []byte(`{"critical":{"identity":{"docker-reference":"registry.k8s.io/pause"},"image":{"docker-manifest-digest":"` + digest +
		`"},"type":"cosign container image signature"},"optional":null}`)
	of := func(n string) []byte { return bytes.ReplaceAll(payload, []byte("1111"), []byte(n)) }
	v, err := sigstore.NewSignatureVerifier(testRoot(t, s), krelTrust)
	if err != nil {
		t.Fatal(err)
	}
	// taken is logged by a log that does not look: signature and hash need not belong together.
	taken := func(signature, hashed []byte) map[string]string {
		signed := s.Sign(payload, world.Signing{})
		body := bytes.Replace(signed.Entry.Body, []byte(sum(payload)[len("sha256:"):]), []byte(sum(hashed)[len("sha256:"):]), 1)
		body = bytes.Replace(body, []byte(base64.StdEncoding.EncodeToString(signed.Signature)), []byte(base64.StdEncoding.EncodeToString(signature)), 1)
		signed.Signature, signed.Entry = signature, s.Log.Take("hashedrekord", "0.0.1", body, world.Signed2023.Add(time.Second).Unix())
		return signed.Annotations()
	}
	const entry = "dev.sigstore.cosign/bundle"
	edited := func(old, text string) map[string]string {
		a := s.Sign(payload, world.Signing{}).Annotations()
		if !strings.Contains(a[entry], old) {
			t.Fatalf("no %s in %s", old, a[entry])
		}
		a[entry] = strings.Replace(a[entry], old, text, 1)
		return a
	}
	genuine, other := s.Sign(payload, world.Signing{}).Signature, s.Sign([]byte("something else"), world.Signing{}).Signature
	for _, tt := range []struct {
		name         string
		hash, given  []byte // what the manifest and the entry name, and what is there
		annotations  map[string]string
		ok, mismatch bool // verified; a contradiction that was read
	}{
		{"logged by a log that does not look", payload, payload, taken(genuine, payload), true, false},
		{"a signature over something else, logged", payload, payload, taken(other, payload), false, false},
		{"a signature over what is there, logged for something else", of("2222"), payload, taken(genuine, of("2222")), false, false},
		{"a promise of another time", payload, payload, edited(`"integratedTime":16843`, `"integratedTime":16842`), false, false},
		{"a promise of another second, within the certificate's life", payload, payload, edited(`"integratedTime":1684335601`, `"integratedTime":1684335602`), false, false},
		{"a promise of another index", payload, payload, edited(`"logIndex":`, `"logIndex":1`), false, false},
		{"no promise", payload, payload, edited(`"SignedEntryTimestamp":"`, `"SignedEntryTimestamp":"","x":"`), false, false},
		{"a payload of another digest", of("2222"), of("2222"), s.Sign(of("2222"), world.Signing{}).Annotations(), false, true},
		{"a payload that cannot be read", []byte("x"), []byte("x"), s.Sign([]byte("x"), world.Signing{}).Annotations(), false, false},
	} {
		l, err := sigstore.ParseSignature(registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
			Digest: oci.Digest(sum(tt.hash)), Size: int64(len(tt.hash)), Annotations: tt.annotations})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := l.ReadEntry(); err != nil && tt.ok {
			t.Fatalf("%s: %v", tt.name, err)
		}
		err = v.Verify(t.Context(), l, tt.given, digest)
		var differs *sigstore.MismatchError
		if (err == nil) != tt.ok || errors.As(err, &differs) != tt.mismatch {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
