package sigstore_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sigstore"
)

// authority makes a CA's certificate of this name, issued under that name by a key.
func authority(t *testing.T, subject, issuer string, key, by *ecdsa.PrivateKey) string {
	t.Helper()
	one := func(name string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(1), EmailAddresses: []string{"a@example.com"}, IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	}
	parent := one(issuer)
	parent.PublicKey = by.Public()
	der, err := x509.CreateCertificate(rand.Reader, one(subject), parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// A bundle brings no authority of its own: a root anywhere in its chain, or a CA in the
// place of who signed. An intermediate behind the signer is what the format wants.
func TestChainsOfBundles(t *testing.T) {
	s := world.NewSigstore("chain")
	raw := s.Sign([]byte("x"), world.Signing{}).Bundle("0.1")
	keys := make([]*ecdsa.PrivateKey, 2)
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	between := authority(t, "between", "above", keys[0], keys[1])
	root := authority(t, "root", "root", keys[0], keys[0])
	sameName := authority(t, "root", "root", keys[0], keys[1])    // as a root and one that it renewed are called
	sameKey := authority(t, "between", "above", keys[0], keys[0]) // of one key under two names
	for name, tt := range map[string]struct {
		chain func(leaf any) []any
		ok    bool
	}{
		"who signed alone":                 {func(leaf any) []any { return []any{leaf} }, true},
		"with an intermediate":             {func(leaf any) []any { return []any{leaf, object{"rawBytes": between}} }, true},
		"with one of its issuer's name":    {func(leaf any) []any { return []any{leaf, object{"rawBytes": sameName}} }, true},
		"with one of its issuer's key":     {func(leaf any) []any { return []any{leaf, object{"rawBytes": sameKey}} }, true},
		"with a root":                      {func(leaf any) []any { return []any{leaf, object{"rawBytes": root}} }, false},
		"with a root behind an authority":  {func(leaf any) []any { return []any{leaf, object{"rawBytes": between}, object{"rawBytes": root}} }, false},
		"an authority where a signer is":   {func(leaf any) []any { return []any{object{"rawBytes": between}, leaf} }, false},
		"with what is no certificate":      {func(leaf any) []any { return []any{leaf, object{"rawBytes": "AAAA"}} }, false},
		"the root in place of who signed":  {func(any) []any { return []any{object{"rawBytes": root}} }, false},
		"no certificate in place of a key": {func(any) []any { return nil }, false},
	} {
		b, err := sigstore.ParseBundle(changed(t, raw, func(_, m, _, _ object) {
			c := m["x509CertificateChain"].(object)
			c["certificates"] = tt.chain(c["certificates"].([]any)[0])
		}))
		if (err == nil) != tt.ok || strings.Contains(name, "root") && !strings.Contains(err.Error(), "may not bring along") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (b.Identity() != krelTrust || !b.Logged()) {
			t.Errorf("%s: signed by %v", name, b.Identity())
		}
	}
	two := s.Sign([]byte("x"), world.Signing{}).Bundle("0.3")
	if _, err := sigstore.ParseBundle(append(two, bytes.Repeat([]byte(" "), 16<<20-len(two))...)); err != nil {
		t.Errorf("16 MiB: %v", err)
	}
	if _, err := sigstore.ParseBundle(append(two, bytes.Repeat([]byte(" "), 16<<20-len(two)+1)...)); err == nil || !strings.Contains(err.Error(), "more than 16777216") {
		t.Errorf("a byte more than 16 MiB: %v", err)
	}
	for name, mediaType := range map[string]any{"none": "", "a number": 3, "of version 0.4": "application/vnd.dev.sigstore.bundle.v0.4+json"} {
		if _, err := sigstore.ParseBundle(changed(t, two, func(b, _, _, _ object) { b["mediaType"] = mediaType })); err == nil {
			t.Errorf("media type: %s: read", name)
		}
	}
	keyed, err := sigstore.ParseBundle(changed(t, two, func(_, m, _, _ object) {
		delete(m, "certificate")
		m["publicKey"] = object{"hint": "k"}
	}))
	if err != nil || keyed.Identity().Subject != "" || !keyed.Logged() {
		t.Errorf("signed with a key: %v", err)
	}
	unlogged, err := sigstore.ParseBundle(changed(t, two, func(_, m, _, _ object) {
		delete(m, "certificate")
		delete(m, "tlogEntries")
		m["publicKey"] = object{"hint": "k"}
	}))
	if err != nil || unlogged.Logged() {
		t.Errorf("signed with a key, and not logged: %v", err)
	}
}

// What a bundle says that it is of is what it is proved to be of, and nothing else.
func TestBundlesAreOfWhatTheySign(t *testing.T) {
	s := world.NewSigstore("of")
	root, body := testRoot(t, s), []byte("x")
	sha2, sha5 := sha256.Sum256(body), sha512.Sum512(body)
	own, other := sigstore.Digest{Algorithm: "sha256", Sum: sha2[:]}, sigstore.Digest{Algorithm: "sha512", Sum: sha5[:]}
	statement := world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body))
	stamps := func(n ...world.Stamp) world.Signing { return world.Signing{Tiled: true, Stamps: n} }
	at := world.Signed2023
	for name, tt := range map[string]struct {
		raw    []byte
		when   time.Time // zero if it does not verify
		byLog  bool
		change func(b, m, e, c object)
	}{
		"a message":                        {s.Sign(body, world.Signing{}).Bundle("0.3"), at.Add(time.Second), true, nil},
		"an envelope":                      {s.Attest(statement, world.Signing{}).Bundle("0.3"), at.Add(time.Second), true, nil},
		"a message in the newer log":       {s.Sign(body, world.Signing{Tiled: true}).Bundle("0.3"), at.Add(time.Second), false, nil},
		"two timestamps, the later first":  {s.Sign(body, stamps(world.Stamp{Time: at.Add(9 * time.Second)}, world.Stamp{Time: at.Add(2 * time.Second)})).Bundle("0.3"), at.Add(2 * time.Second), false, nil},
		"a timestamp of something else":    {s.Sign(body, stamps(world.Stamp{}, world.Stamp{Of: []byte("y")})).Bundle("0.3"), time.Time{}, false, nil},
		"a timestamp beside a promise":     {s.Sign(body, world.Signing{Stamps: []world.Stamp{{Time: at}}}).Bundle("0.3"), at, false, nil},
		"a timestamp before the validity":  {s.Sign(body, stamps(world.Stamp{Time: at.Add(-time.Second)})).Bundle("0.3"), time.Time{}, false, nil},
		"a timestamp in its first second":  {s.Sign(body, stamps(world.Stamp{Time: at})).Bundle("0.3"), at, false, nil},
		"a timestamp after the validity":   {s.Sign(body, stamps(world.Stamp{Time: at.Add(time.Hour)})).Bundle("0.3"), time.Time{}, false, nil},
		"an envelope, its signature gone":  {s.Attest(statement, stamps(world.Stamp{})).Bundle("0.3"), time.Time{}, false, func(_, _, _, c object) { c["signatures"] = []object{{"sig": "AAAA"}} }},
		"a body of another entry":          {s.Sign(body, world.Signing{Tiled: true}).Bundle("0.3"), time.Time{}, false, func(_, _, e, _ object) { e["inclusionProof"].(object)["hashes"] = []string{} }},
		"no SCT":                           {s.Sign(body, world.Signing{NoSCT: true}).Bundle("0.3"), time.Time{}, false, nil},
		"a promise that nobody gave":       {s.Sign(body, world.Signing{}).Bundle("0.3"), time.Time{}, false, func(_, _, e, _ object) { e["integratedTime"] = "1684335602" }},
		"by somebody else":                 {s.Sign(body, world.Signing{Identity: "mallory@example.com"}).Bundle("0.3"), time.Time{}, false, nil},
		"by the same name elsewhere":       {s.Sign(body, world.Signing{Issuer: "https://example.com"}).Bundle("0.3"), time.Time{}, false, nil},
		"logged after the certificate was": {s.Sign(body, world.Signing{LogTime: at.Add(time.Hour)}).Bundle("0.3"), time.Time{}, false, nil},
	} {
		raw := tt.raw
		if tt.change != nil {
			raw = changed(t, raw, tt.change)
		}
		b, err := sigstore.ParseBundle(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !b.IsOf(own) || b.IsOf(other) || !b.Logged() {
			t.Errorf("%s: it is of %s", name, b.About())
		}
		p, err := b.Verify(root, sigstore.Signer{Identity: krelTrust}, own)
		if (err == nil) != !tt.when.IsZero() || err == nil && (!p.Time.Equal(tt.when) || p.ByLog != tt.byLog) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if _, err := b.VerifyContent(root, sigstore.Signer{Identity: krelTrust}, bytes.NewReader(body)); (err == nil) != !tt.when.IsZero() {
			t.Errorf("%s, by its content: %v", name, err)
		}
		if _, err := b.VerifyContent(root, sigstore.Signer{Identity: krelTrust}, strings.NewReader("y")); err == nil {
			t.Errorf("%s: verified for other content", name)
		}
	}
}

// An image's signature that does not hold in one point holds in none.
func TestSignaturesThatDoNotHold(t *testing.T) {
	s, foreign := world.NewSigstore("holds"), world.NewSigstore("foreign")
	const digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	payload := []byte(`{"critical":{"identity":{"docker-reference":"registry.k8s.io/pause"},"image":{"docker-manifest-digest":"` + digest +
		`"},"type":"cosign container image signature"},"optional":null}`)
	otherType := bytes.Replace(payload, []byte("cosign container"), []byte("another container"), 1)
	v, err := sigstore.NewSignatureVerifier(testRoot(t, s), krelTrust)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		signed, given []byte
		how           world.Signing
		ok            bool
	}{
		"as it is":                {payload, payload, world.Signing{}, true},
		"another payload":         {payload, append(bytes.Clone(payload), '\n'), world.Signing{}, false},
		"another type":            {otherType, otherType, world.Signing{}, false},
		"a payload of no form":    {[]byte("x"), []byte("x"), world.Signing{}, false},
		"by another CA":           {payload, payload, world.Signing{CA: foreign}, false},
		"by another CT log":       {payload, payload, world.Signing{CT: foreign}, false},
		"in another log":          {payload, payload, world.Signing{Log: foreign}, false},
		"without an SCT":          {payload, payload, world.Signing{NoSCT: true}, false},
		"by somebody else":        {payload, payload, world.Signing{Identity: "mallory@example.com"}, false},
		"by another issuer":       {payload, payload, world.Signing{Issuer: "https://example.com"}, false},
		"logged too late":         {payload, payload, world.Signing{LogTime: world.Signed2023.Add(time.Hour)}, false},
		"logged too early":        {payload, payload, world.Signing{LogTime: world.Signed2023.Add(-time.Second)}, false},
		"logged the first second": {payload, payload, world.Signing{LogTime: world.Signed2023}, true},
	} {
		l, err := sigstore.ParseSignature(registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
			Digest: oci.Digest(sum(tt.signed)), Size: int64(len(tt.signed)), Annotations: s.Sign(tt.signed, tt.how).Annotations()})
		if err != nil || l.ReadEntry() != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := v.Verify(t.Context(), l, tt.given, digest); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is read of a layer's annotations is refused where it is of another form.
func TestSignaturesThatCannotBeRead(t *testing.T) {
	payload := []byte("x")
	genuine := world.NewSigstore("read").Sign(payload, world.Signing{}).Annotations()
	const sig, cert, entry = "dev.cosignproject.cosign/signature", "dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle"
	layer := registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: oci.Digest(sum(payload)), Size: 64 << 10}
	for name, tt := range map[string]struct {
		change       func(d *registry.Descriptor)
		read, logged bool
	}{
		"as it is":                 {func(*registry.Descriptor) {}, true, true},
		"another media type":       {func(d *registry.Descriptor) { d.MediaType = "text/plain" }, false, false},
		"a byte more than 64 KiB":  {func(d *registry.Descriptor) { d.Size++ }, false, false},
		"no signature":             {func(d *registry.Descriptor) { delete(d.Annotations, sig) }, false, false},
		"a signature of no base64": {func(d *registry.Descriptor) { d.Annotations[sig] = "x" }, false, false},
		"no certificate":           {func(d *registry.Descriptor) { delete(d.Annotations, cert) }, false, false},
		"bytes behind it":          {func(d *registry.Descriptor) { d.Annotations[cert] += "x" }, false, false},
		"a key for a certificate": {func(d *registry.Descriptor) {
			d.Annotations[cert] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}))
		}, false, false},
		"no log entry":         {func(d *registry.Descriptor) { delete(d.Annotations, entry) }, true, false},
		"an entry of no form":  {func(d *registry.Descriptor) { d.Annotations[entry] = "{" }, true, false},
		"an entry of nothing":  {func(d *registry.Descriptor) { d.Annotations[entry] = "{}" }, true, false},
		"a time of nought":     {edit(entry, `"integratedTime":`, `"integratedTime":0,"x":`), true, false},
		"a log that is no hex": {edit(entry, `"logID":"`, `"logID":"zz`), true, false},
		"a longer log's id":    {edit(entry, `"logID":"`, `"logID":"00`), true, false},
		"an index below":       {edit(entry, `"logIndex":`, `"logIndex":-`), true, false},
		"a body of no base64":  {edit(entry, `"body":"`, `"body":"!`), true, false},
		"an empty body":        {edit(entry, `"body":"`, `"body":"","Body":"`), true, false},
	} {
		d := layer
		d.Annotations = map[string]string{}
		for k, v := range genuine {
			d.Annotations[k] = v
		}
		tt.change(&d)
		l, err := sigstore.ParseSignature(d)
		if (err == nil) != tt.read {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if err := l.ReadEntry(); (err == nil) != tt.logged {
			t.Errorf("%s: the entry: %v", name, err)
		}
		if err := l.EntryMatches(); (err == nil) != tt.logged {
			t.Errorf("%s: it matches: %v", name, err)
		}
	}
}

// edit changes the text of an annotation.
func edit(key, old, new string) func(*registry.Descriptor) {
	return func(d *registry.Descriptor) { d.Annotations[key] = strings.Replace(d.Annotations[key], old, new, 1) }
}
