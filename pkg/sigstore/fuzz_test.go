package sigstore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

// FuzzReadBundle is the reader of bundles alone, without cryptography.
func FuzzReadBundle(f *testing.F) {
	s := world.NewSigstore("fuzz")
	for _, v := range []string{"0.1", "0.3"} {
		f.Add(s.Sign([]byte("x"), world.Signing{Stamps: []world.Stamp{{Embed: true}}}).Bundle(v))
	}
	f.Add(s.Attest(world.Statement("https://example.com/p", nil, "it", sum(nil)), world.Signing{Tiled: true}).Bundle("0.3"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = sigstore.ParseBundle(b) })
}

// FuzzReadTimestamp is the reader of RFC 3161 timestamps, ASN.1 by strangers.
func FuzzReadTimestamp(f *testing.F) {
	s := world.NewSigstore("fuzz")
	for _, embed := range []bool{false, true} {
		f.Add(s.Timestamp([]byte("x"), world.Signed2023, embed))
	}
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = sigstore.ParseTimestamp(b) })
}

func FuzzReadStatement(f *testing.F) {
	f.Add(world.Statement("https://example.com/p", map[string]any{"a": []any{1, "x"}}, "it", sum(nil)))
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"x","subject":[{"name":"a","digest":{"sha256":"00"}}],"Subject":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sigstore.ParseStatement(b)
		if err == nil && (len(s.Subject) == 0 || s.PredicateType == "" || !strings.HasPrefix(s.Type, "https://in-toto.io/Statement/v")) {
			t.Errorf("read: %q", b)
		}
	})
}

func FuzzReadPayload(f *testing.F) {
	f.Add([]byte(`{"critical":{"identity":{"docker-reference":"registry.k8s.io/kube-proxy"},"image":{"docker-manifest-digest":"` + sum(nil) +
		`"},"type":"cosign container image signature"},"optional":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		// What it gives is compared exactly: an empty reference is not a name of any image.
		reference, _, err := sigstore.ParsePayload(b)
		if err == nil && (!json.Valid(b) || reference != "" && trust.EmbeddedPolicy().ReferenceAllowed(reference, "other", "")) {
			t.Errorf("read %q from %q", reference, b)
		}
	})
}
