package sigstore_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// signer is a key in PEM as who must have signed.
func signer(t *testing.T, text []byte) sigstore.Signer {
	t.Helper()
	key, err := sigstore.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return sigstore.Signer{Key: key}
}

// A key's bundle needs neither log nor time, but what it brings must hold; an identity's
// needs both.
func TestWhatABundleProves(t *testing.T) {
	s, foreign := world.NewSigstore("proves"), world.NewSigstore("foreign")
	root, body := testRoot(t, s), []byte("x")
	keyed, keyText := s.SignWithKey("one", body)
	key, identity, at := signer(t, keyText), sigstore.Signer{Identity: krelTrust}, world.Signed2023
	stampOf := func(message []byte, when time.Time) object {
		return object{"signedTimestamp": s.Timestamp(message, when, false)}
	}
	var signature []byte // of the key
	changed(t, keyed, func(_, _, _, c object) { signature = decoded(t, c["signature"]) })
	unlogged := func(stamps ...object) []byte {
		return changed(t, keyed, func(_, m, _, _ object) {
			delete(m, "tlogEntries")
			m["timestampVerificationData"] = object{"rfc3161Timestamps": stamps}
		})
	}
	sign := func(how world.Signing) []byte { return s.Sign(body, how).Bundle("0.3") }
	stamps := func(list ...world.Stamp) world.Signing { return world.Signing{Stamps: list} }
	other := []byte("something else")
	for _, tt := range []struct {
		name  string
		raw   []byte
		who   sigstore.Signer
		ok    bool
		when  time.Time // zero if nothing says when
		byLog bool
	}{
		{"by a key, logged with a promise", keyed, key, true, at, true},
		{"by a key, logged nowhere", unlogged(), key, true, time.Time{}, false},
		{"by a key, timestamped", unlogged(stampOf(signature, at)), key, true, at, false},
		{"by a key, with a timestamp of something else", unlogged(stampOf(other, at)), key, false, time.Time{}, false},
		{"by a key, with a timestamp of something else before one", unlogged(stampOf(other, at), stampOf(signature, at)), key, false, time.Time{}, false},
		{"by a key, with a promise of another time", changed(t, keyed, func(_, _, e, _ object) { e["integratedTime"] = fmt.Sprint(at.Unix() + 1) }), key, false, time.Time{}, false},
		{"by a key, where an identity is asked for", keyed, identity, false, time.Time{}, false},
		{"by an identity, where a key is asked for", sign(world.Signing{}), key, false, time.Time{}, false},
		{"by another key", keyed, signer(t, second(s.SignWithKey("two", body))), false, time.Time{}, false},
		{"by a key of another kind", keyed, sigstore.Signer{Key: exchangeKey(t)}, false, time.Time{}, false},
		{"by an identity, timestamped and logged nowhere", sign(world.Signing{NoLog: true, Stamps: []world.Stamp{{}}}), identity, false, time.Time{}, false},
		{"by an identity, timestamped in time and logged too late", sign(world.Signing{LogTime: at.Add(time.Hour), Stamps: []world.Stamp{{Time: at}}}), identity, false, time.Time{}, false},
		{"by an identity, logged before it was timestamped", sign(world.Signing{LogTime: at, Stamps: []world.Stamp{{Time: at.Add(time.Minute)}}}), identity, true, at, true},
		{"by an identity, without a time", sign(world.Signing{Tiled: true, Stamps: []world.Stamp{}}), identity, false, time.Time{}, false},
		{"a timestamp of something else beside a promise", sign(stamps(world.Stamp{Of: other})), identity, false, time.Time{}, false},
		{"a timestamp of nobody known beside a promise", sign(stamps(world.Stamp{By: foreign})), identity, true, at.Add(time.Second), true},
		{"a timestamp of nobody known before one", sign(stamps(world.Stamp{By: foreign}, world.Stamp{Time: at})), identity, true, at, false},
		{"a timestamp of something else behind one of nobody known", sign(stamps(world.Stamp{By: foreign}, world.Stamp{Of: other})), identity, false, time.Time{}, false},
		{"a timestamp after the certificate behind one in time", sign(stamps(world.Stamp{}, world.Stamp{Time: at.Add(time.Hour)})), identity, false, time.Time{}, false},
		{"a timestamp before the certificate behind one in time", sign(stamps(world.Stamp{}, world.Stamp{Time: at.Add(-time.Hour)})), identity, false, time.Time{}, false},
	} {
		b, err := sigstore.ParseBundle(tt.raw)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		p, err := b.VerifyContent(root, tt.who, bytes.NewReader(body))
		if (err == nil) != tt.ok || tt.ok && (!p.Time.Equal(tt.when) || p.ByLog != tt.byLog) {
			t.Errorf("%s: %+v, %v", tt.name, p, err)
		}
	}
}

func second(_, b []byte) []byte { return b }

// exchangeKey is a public key that signs nothing.
func exchangeKey(t *testing.T) crypto.PublicKey {
	t.Helper()
	private, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return private.Public()
}

// An Ed25519 key signs the hash of a message, as logs of hashes hold it, and an envelope
// as it is.
func TestEd25519Keys(t *testing.T) {
	s := world.NewSigstore("ed25519")
	root, body := testRoot(t, s), []byte("x")
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	who := sigstore.Signer{Key: private.Public()}
	hash := sha512.Sum512(body)
	hashed, err := private.Sign(nil, hash[:], &ed25519.Options{Hash: crypto.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	statement := world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body))
	const kind = "application/vnd.in-toto+json"
	encoded := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement)
	message, _ := s.SignWithKey("one", body)
	envelope, _ := s.AttestWithKey("one", statement)
	for name, tt := range map[string]struct {
		bundle    []byte
		signature []byte
		ok        bool
	}{
		"a message, hashed":   {message, hashed, true},
		"a message as it is":  {message, ed25519.Sign(private, body), false},
		"an envelope":         {envelope, ed25519.Sign(private, encoded), true},
		"an envelope, hashed": {envelope, signedHash(t, private, encoded), false},
	} {
		b, err := sigstore.ParseBundle(changed(t, tt.bundle, func(_, m, _, c object) {
			delete(m, "tlogEntries")
			if _, ok := c["signatures"]; ok {
				c["signatures"] = []object{{"sig": tt.signature}}
				return
			}
			c["signature"], c["messageDigest"] = tt.signature, object{"algorithm": "SHA2_512", "digest": hash[:]}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.VerifyContent(root, who, bytes.NewReader(body)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func signedHash(t *testing.T, private ed25519.PrivateKey, message []byte) []byte {
	t.Helper()
	hash := sha512.Sum512(message)
	sig, err := private.Sign(nil, hash[:], &ed25519.Options{Hash: crypto.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// What a proof says as evidence is what was proved, and no more.
func TestFieldsOfAProof(t *testing.T) {
	s := world.NewSigstore("fields")
	root, body := testRoot(t, s), []byte("x")
	statement := world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body))
	keyed, keyText := s.SignWithKey("one", body)
	private, privateKey := s.AttestWithKey("one", statement)
	identity := sigstore.Signer{Identity: krelTrust}
	const first, later = "2023-05-17T15:00:00Z", "2023-05-17T15:00:01Z"
	for name, tt := range map[string]struct {
		raw  []byte
		who  sigstore.Signer
		want []string // names of fields, each with its value where the world says it
		when string
	}{
		"a message":             {s.Sign(body, world.Signing{}).Bundle("0.3"), identity, []string{report.FieldIdentity, krelTrust.Subject, report.FieldIssuer, krelTrust.Issuer, report.FieldLogged, later}, ", logged " + later},
		"a timestamp":           {s.Sign(body, world.Signing{Tiled: true}).Bundle("0.3"), identity, []string{report.FieldIdentity, krelTrust.Subject, report.FieldIssuer, krelTrust.Issuer, report.FieldTimestamp, later}, ", timestamped " + later},
		"an envelope":           {s.Attest(statement, world.Signing{}).Bundle("0.3"), identity, []string{report.FieldIdentity, krelTrust.Subject, report.FieldIssuer, krelTrust.Issuer, report.FieldLogged, later, report.FieldPredicateType, "https://example.com/p"}, ", logged " + later},
		"a key":                 {keyed, signer(t, keyText), []string{report.FieldLogged, first}, ", logged " + first},
		"a key, and no time":    {private, signer(t, privateKey), []string{report.FieldPredicateType, "https://example.com/p"}, ""},
		"a key, logged nowhere": {changed(t, keyed, func(_, m, _, _ object) { delete(m, "tlogEntries") }), signer(t, keyText), nil, ""},
	} {
		want := map[string]string{}
		for i := 0; i < len(tt.want); i += 2 {
			want[tt.want[i]] = tt.want[i+1]
		}
		if name != "a key, logged nowhere" {
			changed(t, tt.raw, func(_, _, e, _ object) {
				want[report.FieldLogIndex] = e["logIndex"].(string)
				want[report.FieldLogID] = fmt.Sprintf("%x", decoded(t, e["logId"].(object)["keyId"]))
			})
		}
		b, err := sigstore.ParseBundle(tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.VerifyContent(root, tt.who, bytes.NewReader(body))
		if err != nil || !maps.Equal(p.Fields, want) || p.When() != tt.when {
			t.Errorf("%s: %v\n%v\n%v", name, err, p, want)
		}
	}
}
