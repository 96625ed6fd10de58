package oci_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
)

func ExampleParseDigest() {
	d, err := oci.ParseDigest("sha256:" + strings.Repeat("7c38", 16))
	fmt.Println(d.Short(), d.Algorithm(), err)
	_, err = oci.ParseDigest(strings.Repeat("7c38", 16))
	fmt.Println(err != nil)
	// Output:
	// sha256:7c387c387c38 sha256 <nil>
	// true
}

func TestParseDigest(t *testing.T) {
	hex64, hex128 := strings.Repeat("0f", 32), strings.Repeat("0f", 64)
	for in, valid := range map[string]bool{
		"sha256:" + hex64:                        true,
		"sha512:" + hex128:                       true,
		"":                                       false,
		"sha256:":                                false,
		":" + hex64:                              false,
		hex64:                                    false,
		"sha256:" + hex64[1:]:                    false,
		"sha256:" + hex64 + "0":                  false,
		"sha256:" + hex128:                       false,
		"sha512:" + hex64:                        false,
		"sha384:" + strings.Repeat("0", 96):      false,
		"SHA256:" + hex64:                        false,
		"sha256:" + strings.ToUpper(hex64):       false,
		"sha256:sha256:" + hex64[7:]:             false,
		"sha256:" + hex64[:60] + "/../":          false,
		" sha256:" + hex64:                       false,
		"sha256:" + hex64[1:] + "\n":             false,
		"sha256:" + strings.Repeat("\u0660", 32): false, // digits to Unicode, not to us
	} {
		d, err := oci.ParseDigest(in)
		if (err == nil) != valid || (d.Hex() != "") != valid || (d.Algorithm() != "") != valid || (d.Tag() != "") != valid ||
			(d.SignatureTag() != "") != valid || (len(d.Bytes()) > 0) != valid {
			t.Errorf("%q: %v, %q, %q, %q", in, err, d.Hex(), d.Tag(), d.SignatureTag())
		}
		if err != nil && !errors.As(err, new(*oci.InvalidDigestError)) {
			t.Errorf("%q: %T", in, err)
		}
		if valid && string(d) != in {
			t.Errorf("%q became %q", in, d)
		}
	}
}

// A sum that is missing is the sum of nothing: neither an empty digest nor one
// without digits matches it.
func TestIsSum(t *testing.T) {
	a, b := sha256.Sum256([]byte("a")), sha512.Sum512([]byte("a"))
	short, long := hex.EncodeToString(a[:]), hex.EncodeToString(b[:])
	for _, c := range []struct {
		d              oci.Digest
		sha256, sha512 string
		want           bool
	}{
		{oci.DigestOf([]byte("a")), short, long, true},
		{oci.DigestOf([]byte("a")), short, "", true},
		{oci.DigestOf([]byte("a")), "", long, false},
		{oci.DigestOf([]byte("b")), short, long, false},
		{oci.Digest("sha512:" + long), short, long, true},
		{oci.Digest("sha512:" + long), short, "", false},
		{"", "", "", false},
		{"sha256:", "", "", false},
		{"sha512:", "", "", false},
		{oci.Digest(short), short, long, false},
	} {
		if got := c.d.IsSum(c.sha256, c.sha512); got != c.want {
			t.Errorf("%q of %q, %q: %v", c.d, c.sha256, c.sha512, got)
		}
	}
	h := sha256.New()
	h.Write([]byte("a"))
	if d := oci.FromHash(h); d != oci.DigestOf([]byte("a")) || d != oci.FromHex(short) || !bytes.Equal(d.Bytes(), a[:]) {
		t.Errorf("three ways to one digest: %s", d)
	}
	if d := oci.DigestOf(nil); len(d) != oci.DigestLen || d.SignatureTag() != "sha256-"+d.Hex()+".sig" || oci.Digest("sha25").Short() != "sha25" {
		t.Errorf("%s: %s", d, d.SignatureTag())
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add("sha256:" + strings.Repeat("0f", 32))
	f.Add("sha512:" + strings.Repeat("0f", 64))
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := oci.ParseDigest(s)
		if err == nil && (d.Algorithm()+":"+d.Hex() != s || len(d.Bytes())*2 != len(d.Hex()) || strings.ContainsAny(d.SignatureTag(), ":/")) {
			t.Errorf("%q: %q, %q", s, d.Algorithm(), d.Hex())
		}
	})
}
