package sigstore_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sigstore"
)

// manyNames is a signer's certificate of two names, or of none.
func manyNames(t *testing.T, mails ...string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	child := *parent
	child.EmailAddresses = mails
	child.Subject.CommonName = "signer" // not of its issuer's name
	der, err := x509.CreateCertificate(rand.Reader, &child, parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemText(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// A bundle is of the form that its type names, of a signer with one name, and of a size
// that is worth reading; why it is not is told by what is wrong with it.
func TestBundlesOfOtherForms(t *testing.T) {
	s := world.NewSigstore("forms")
	body := []byte("x")
	plain := s.Sign(body, world.Signing{}).Bundle("0.3")
	first := s.Sign(body, world.Signing{}).Bundle("0.1")
	typed := func(raw []byte, mediaType string) []byte {
		return changed(t, raw, func(b, _, _, _ object) { b["mediaType"] = mediaType })
	}
	signedBy := func(der []byte) []byte {
		return changed(t, plain, func(_, m, _, _ object) { m["certificate"] = object{"rawBytes": der} })
	}
	const media = "application/vnd.dev.sigstore.bundle"
	for name, tt := range map[string]struct {
		raw  []byte
		says string // "" if it is read
	}{
		"as it is":                          {plain, ""},
		"of version 0.1":                    {first, ""},
		"version 0.3 in the older spelling": {typed(plain, media+"+json;version=0.3"), ""},
		"version 0.2 in the newer spelling": {typed(plain, media+".v0.2+json"), "is not of a bundle of version"},
		"version 0.1 in the newer spelling": {typed(plain, media+".v0.1+json"), "is not of a bundle of version"},
		"a patch of a version":              {typed(plain, media+".v0.3.1+json"), "is not of a bundle of version"},
		"no JSON":                           {[]byte(`{"mediaType":"` + media + `.v0.3+json",`), "breaks off or is malformed"},
		"a number for a type":               {bytes.Replace(plain, []byte(`"`+media+`.v0.3+json"`), []byte("3"), 1), `its "mediaType" has a form`},
		"a chain under version 0.3":         {typed(s.Sign(body, world.Signing{}).Bundle("0.2"), media+".v0.3+json"), "chain"},
		"no promise under version 0.1":      {changed(t, first, func(_, _, e, _ object) { delete(e, "inclusionPromise") }), "promise"},
		"no proof under version 0.3":        {changed(t, plain, func(_, _, e, _ object) { delete(e, "inclusionProof") }), "proof"},
		"a member besides":                  {changed(t, plain, func(b, _, _, _ object) { b["x"] = 1 }), "unknown field"},
		"a signer of one name":              {signedBy(manyNames(t, "a@example.com")), ""},
		"a signer of two names":             {signedBy(manyNames(t, "a@example.com", "b@example.com")), "2 subject alternative names"},
		"a signer of no name":               {signedBy(manyNames(t)), "0 subject alternative names"},
	} {
		b, err := sigstore.ParseBundle(tt.raw)
		if (err == nil) != (tt.says == "") || (b != nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	// Two bytes of text may cost hundreds of memory.
	objects := strings.TrimSuffix(strings.Repeat("{},", 500_000), ",")
	var costs *bounds.Error
	if _, err := sigstore.ParseBundle(bytes.Replace(plain, []byte(`"tlogEntries":[`), []byte(`"tlogEntries":[`+objects+`,`), 1)); !errors.As(err, &costs) {
		t.Errorf("a bundle that costs more than it may: %.200v", err)
	}
	if _, err := sigstore.ParseStatement([]byte(`{"subject":[` + objects + `]}`)); !errors.As(err, &costs) {
		t.Errorf("a statement that costs more than it may: %.200v", err)
	}
}

// What stands in a layer's annotations is read to its last letter: what decodes up to
// there is not taken for the whole.
func TestAnnotationsAreReadToTheEnd(t *testing.T) {
	payload := []byte("x")
	s := world.NewSigstore("annotations")
	const sig, cert, entry = "dev.cosignproject.cosign/signature", "dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle"
	in := func(key, pattern, text string) func(map[string]string) {
		return func(a map[string]string) {
			was := a[key]
			if a[key] = regexp.MustCompile(pattern).ReplaceAllString(was, text); a[key] == was {
				t.Fatalf("no %s in %s", pattern, was)
			}
		}
	}
	body := func(text string) func(map[string]string) {
		return in(entry, `"body":"[^"]*"`, `"body":"`+base64.StdEncoding.EncodeToString([]byte(text))+`"`)
	}
	for name, tt := range map[string]struct {
		change       func(map[string]string)
		read, logged bool
	}{
		"as it is":                     {func(map[string]string) {}, true, true},
		"the first entry of a log":     {in(entry, `"logIndex":\d+`, `"logIndex":0`), true, true},
		"the first second":             {in(entry, `"integratedTime":\d+`, `"integratedTime":1`), true, true},
		"letters behind the signature": {in(sig, `$`, "!"), false, false},
		"bits behind the signature":    {in(sig, `.*`, "AB=="), false, false},
		"a certificate of two names":   {in(cert, `(?s).*`, pemText(manyNames(t, "a@example.com", "b@example.com"))), false, false},
		"a time of nought":             {in(entry, `"integratedTime":\d+`, `"integratedTime":0`), true, false},
		"a time below nought":          {in(entry, `"integratedTime":`, `"integratedTime":-`), true, false},
		"an index below nought":        {in(entry, `"logIndex":\d+`, `"logIndex":-1`), true, false},
		"a member besides":             {in(entry, `\}$`, `,"x":1}`), true, false},
		"a member twice":               {in(entry, `\}$`, `,"SignedEntryTimestamp":""}`), true, false},
		"letters behind the log's id":  {in(entry, `("logID":"[^"]*)"`, `${1}zz"`), true, false},
		"a letter behind the log's id": {in(entry, `("logID":"[^"]*)"`, `${1}a"`), true, false},
		"letters behind the body":      {in(entry, `("body":"[^"]*)"`, `${1}!"`), true, false},
		"a body of no entry":           {body("{}"), true, false},
		"a body of no JSON":            {body("x"), true, false},
	} {
		a := s.Sign(payload, world.Signing{}).Annotations()
		tt.change(a)
		l, err := sigstore.ParseSignature(registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: oci.Digest(sum(payload)), Annotations: a})
		if (err == nil) != tt.read || (l != nil) != tt.read {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if err := l.ReadEntry(); (err == nil) != tt.logged || errors.Is(err, sigstore.ErrNoEntry) {
				t.Errorf("%s: the entry: %v", name, err)
			}
		}
	}
	a := s.Sign(payload, world.Signing{NoLog: true}).Annotations()
	l, err := sigstore.ParseSignature(registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: oci.Digest(sum(payload)), Annotations: a})
	if err != nil || !errors.Is(l.ReadEntry(), sigstore.ErrNoEntry) {
		t.Errorf("without an entry: %v", err)
	}
	l, err = sigstore.ParseSignature(registry.Descriptor{MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Digest: oci.Digest(sum(payload)),
		Annotations: s.Sign(payload, world.Signing{}).Annotations()})
	if err != nil || l.ReadEntry() != nil || !l.LogKnown(testRoot(t, s)) || l.LogKnown(testRoot(t, world.NewSigstore("foreign"))) {
		t.Errorf("the log is the one that the root knows: %v", err)
	}
}

// Statements and payloads of the right words in the wrong form are not read.
func TestStatementsOfOtherForms(t *testing.T) {
	const good = `{"name":"a","digest":{"sha256":"00"}}`
	for _, subjects := range []string{good, good + "," + good, good + `,{"name":1}`, good + `,1`, `1`, `"a"`, `[]`, `{"digest":[]}`} {
		text := fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[%s],"predicateType":"https://example.com/p"}`, subjects)
		want := strings.ReplaceAll(strings.ReplaceAll(subjects, good, ""), ",", "") == ""
		for range 20 { // members are read in any order
			if s, err := sigstore.ParseStatement(text); (err == nil) != want || (s != nil) != want {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	const payload = `{"critical":{"identity":{"docker-reference":"a"},"image":{"docker-manifest-digest":"b"},"type":"cosign container image signature"},"optional":null}`
	for text, want := range map[string]bool{
		payload:                                 true,
		strings.Replace(payload, `"b"`, `1`, 1): false,
		strings.Replace(payload, `"a"`, `["a"]`, 1):                false,
		strings.Replace(payload, `cosign container`, `another`, 1): false,
		payload[:len(payload)-1]:                                   false,
	} {
		if reference, digest, err := sigstore.ParsePayload([]byte(text)); (err == nil) != want || !want && (reference != "" || digest != "") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A pair of keys signs and verifies what cosign's does.
func TestKeyPairs(t *testing.T) {
	private, public, err := sigstore.GenerateKeyPair([]byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sigstore.ParseKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sign, half, err := sigstore.LoadPrivateKey(private, []byte("password"))
	if err != nil || !key.(*ecdsa.PublicKey).Equal(half) {
		t.Fatalf("the public half of the key: %v", err)
	}
	message := []byte("a message")
	sig, err := sign(message)
	if err != nil || sigstore.VerifyMessage(key, sig, message) != nil {
		t.Errorf("its own signature: %v", err)
	}
	if sigstore.VerifyMessage(key, sig, []byte("another")) == nil || sigstore.VerifyMessage(key, nil, message) == nil || sigstore.VerifyMessage(exchangeKey(t), sig, message) == nil {
		t.Error("it verifies another message, no signature, or by a key that signs nothing")
	}
	for name, b := range map[string][]byte{"a public key": public, "nothing": nil} {
		if sign, half, err := sigstore.LoadPrivateKey(b, []byte("password")); err == nil || sign != nil || half != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
