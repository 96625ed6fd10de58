package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// authority makes a certificate and its key, both in PEM.
func authority(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// TestParseCAs holds what is a file of authorities: certificates in PEM, one at least, and
// nothing else; and that a key in it is not repeated.
func TestParseCAs(t *testing.T) {
	a, key := authority(t, "a")
	b, other := authority(t, "b")
	const bom = "\xef\xbb\xbf"
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
	for text, want := range map[string]string{
		a: "a", a + b: "ab", bom + a: "a", "words\n" + b + "words\n" + a: "ba",
		"": "no certificate", "words": "no certificate", a[:len(a)/2]: "no certificate", a + key: "something else", key: "something else", broken: "cannot be read", a + broken: "cannot be read",
	} {
		list, err := ParseCAs([]byte(text))
		got := ""
		for _, c := range list {
			got += c.Subject.CommonName
		}
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) || err != nil && list != nil || strings.Contains(got, key[30:60]) {
			t.Errorf("%.40q: %s, want %s", text, got, want)
		}
	}
	for name, tt := range map[string]struct {
		cert, key string
		want      bool
	}{"both": {a, key, true}, "marked": {bom + a, bom + key, true}, "of another": {a, other, false}, "no key": {a, "", false}, "no certificate": {"", key, false}, "mistaken": {key, a, false}} {
		id, err := ParseIdentity([]byte(tt.cert), []byte(tt.key))
		if (err == nil) != tt.want || (id != nil) != tt.want || err != nil && strings.Contains(err.Error(), key[30:60]) {
			t.Errorf("%s: %v %v", name, id, err)
		}
	}
	cas, _ := ParseCAs([]byte(a))
	if pool := withCAs(cas); pool.Equal(withCAs(nil)) {
		t.Error("an authority was not added")
	}
}
