package vouch

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// signer is an operator and the public key in PEM.
func signer(tb testing.TB) (*Operator, []byte) {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(der)
	o := &Operator{public: k.Public(), hint: base64.StdEncoding.EncodeToString(sum[:]), sign: func(message []byte) ([]byte, error) {
		digest := sha256.Sum256(message)
		return ecdsa.SignASN1(rand.Reader, k, digest[:])
	}}
	return o, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

const listedURL = "https://dl.k8s.io/release/v1.27.2/CHANGELOG.md"

var (
	one = strings.Repeat("1", 64)
	two = strings.Repeat("2", 64)
)

func listOf(entries ...[3]string) []byte {
	var files []string
	for _, e := range entries {
		files = append(files, fmt.Sprintf(`{"url":%q,"sha256":%q,"origin":%q}`, e[0], e[1], e[2]))
	}
	return []byte(`{"schemaVersion":1,"files":[` + strings.Join(files, ",") + `]}`)
}

func signs(tb testing.TB, o *Operator, list []byte) []byte {
	tb.Helper()
	b, err := o.Sign(list)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// What an operator vouches for is what was published, for its URL and digest.
func TestWord(t *testing.T) {
	o, key := signer(t)
	list := listOf([3]string{listedURL, one, "published"}, [3]string{"https://example.com/x", two, "carried"})
	v, err := Read("operator.pub", key, list, signs(t, o, list))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		url  string
		sum  string
		want bool
	}{
		{listedURL, one, true}, {listedURL, two, false}, {listedURL, "", false}, {listedURL + "x", one, false},
		{"https://example.com/x", two, false}, {"", "", false},
	} {
		if got := v.Published(tt.url, oci.FromHex(tt.sum)); got != tt.want {
			t.Errorf("%s %.4s: %v", tt.url, tt.sum, got)
		}
	}
	if v.Published(listedURL, oci.Digest(one)) || v.Published("https://example.com/y", "sha256:") {
		t.Error("what is no digest is vouched for")
	}
	if (*Word)(nil).Published(listedURL, oci.FromHex(one)) {
		t.Error("nobody vouches")
	}
	block, _ := pem.Decode(key)
	sum := sha256.Sum256(block.Bytes)
	if k := v.Key(); k.Path != "operator.pub" || k.Digest != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("the key is shown as %+v", k)
	}
	if other, _ := signer(t); other.Signed(list, signs(t, o, list)) || !o.Signed(list, signs(t, o, list)) || o.Signed(append(list, '\n'), signs(t, o, list)) || o.Signed(list, nil) {
		t.Error("whose signature it is")
	}
}

// What an attacker can make of a signature and of a list without the key.
func TestWordAttacks(t *testing.T) {
	o, key := signer(t)
	stranger, _ := signer(t)
	list := listOf([3]string{listedURL, one, "published"})
	good := signs(t, o, list)
	form := func(change func(b *bundleForm)) []byte {
		var b bundleForm
		if err := json.Unmarshal(good, &b); err != nil {
			t.Fatal(err)
		}
		change(&b)
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return append(text, '\n')
	}
	signed := func(kind string, payload []byte) []byte {
		return form(func(b *bundleForm) {
			b.Envelope.Payload = payload
			var err error
			if b.Envelope.Signatures[0].Sig, err = o.sign(preAuth(kind, payload)); err != nil {
				t.Fatal(err)
			}
		})
	}
	var payload []byte
	form(func(b *bundleForm) { payload = b.Envelope.Payload })
	longer := append(bytes.Clone(list), ' ')
	for _, tt := range []struct {
		name         string
		list, bundle []byte
		refuted      bool
		says         string
	}{
		{"unsigned", list, nil, false, "is not signed"},
		{"by another key", list, signs(t, stranger, list), false, "not by this key"},
		{"of another list, by another key", longer, signs(t, stranger, list), false, "not by this key"},
		{"of another list", longer, good, true, "not the one that was signed"},
		{"of another list of the same size", listOf([3]string{listedURL, two, "published"}), good, true, "not the one that was signed"},
		{"of a list of another size", list, signed(manifestType, bytes.Replace(payload, []byte(fmt.Sprintf(`"size":%d`, len(list))), []byte(`"size":7`), 1)), true, "not the one that was signed"},
		{"of another type", list, form(func(b *bundleForm) { b.Envelope.PayloadType = "application/vnd.in-toto+json" }), false, "not of a mirror's list"},
		{"signed as another type", list, signed("application/vnd.in-toto+json", payload), false, "not by this key"},
		{"no bundle", list, form(func(b *bundleForm) { b.MediaType = "application/json" }), false, "not a bundle"},
		{"no signature in it", list, form(func(b *bundleForm) { b.Envelope.Signatures = b.Envelope.Signatures[:0] }), false, "not a bundle"},
		{"two signatures", list, form(func(b *bundleForm) { b.Envelope.Signatures = append(b.Envelope.Signatures, b.Envelope.Signatures[0]) }), false, "not a bundle"},
		{"written in another way", list, append(good, '\n'), false, "written in another way"},
		{"a member more", list, bytes.Replace(good, []byte(`{"mediaType"`), []byte(`{"x":1,"mediaType"`), 1), false, "cannot be read"},
		{"a member twice", list, bytes.Replace(good, []byte(`{"mediaType"`), []byte(`{"mediaType":"x","mediaType"`), 1), false, "cannot be read"},
		{"too long", list, append(bytes.Clone(good), bytes.Repeat([]byte(" "), maxSignature)...), false, "more than"},
		{"a payload with a member more", list, signed(manifestType, bytes.Replace(payload, []byte("{"), []byte(`{"x":1,`), 1)), false, "cannot be read"},
		{"a payload that is no JSON", list, signed(manifestType, []byte("x")), false, "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := Read("operator.pub", key, tt.list, tt.bundle)
			var e *Error
			if !errors.As(err, &e) || errors.Unwrap(e) == nil || e.Refuted != tt.refuted || e.Key != "operator.pub" || !strings.Contains(err.Error(), tt.says) || v != nil {
				t.Errorf("%v, %v", v, err)
			}
		})
	}
	for _, key := range [][]byte{nil, []byte("x"), key[:40]} {
		if v, err := Read("k", key, list, good); err == nil || v != nil {
			t.Errorf("a key that is none: %v", err)
		}
	}
}

// Rule 1: a signature that speaks of another list contradicts this one; one that cannot be read says nothing.
func TestWhatASignatureSaysOfAList(t *testing.T) {
	o, _ := signer(t)
	list := listOf([3]string{listedURL, one, "published"})
	good := signs(t, o, list)
	for _, tt := range []struct {
		name         string
		list, bundle []byte
		want         report.Verdict
		reason       report.Reason
	}{
		{"of another list", append(bytes.Clone(list), ' '), good, report.Refuted, report.Mismatch},
		{"no bundle", list, []byte("{}"), report.Unknown, report.Malformed},
		{"no JSON", list, []byte("x"), report.Unknown, report.Malformed},
		{"written in another way", list, append(bytes.Clone(good), '\n'), report.Unknown, report.Malformed},
	} {
		var e *signatureError
		if err := Check(tt.list, tt.bundle); !errors.As(err, &e) {
			t.Errorf("%s: %v", tt.name, err)
		} else if v, reason := e.Classify(); v != tt.want || reason != tt.reason {
			t.Errorf("%s: %s, %s", tt.name, v, reason)
		}
	}
	if err := Check(list, good); err != nil {
		t.Error(err)
	}
}

// What an operator signed is still read strictly: a list that says two things of one URL, in
// whatever order, vouches for nothing.
func TestWordOfADoubtfulList(t *testing.T) {
	o, key := signer(t)
	for name, list := range map[string][]byte{
		"published twice":             listOf([3]string{listedURL, one, "published"}, [3]string{listedURL, two, "published"}),
		"published and carried":       listOf([3]string{listedURL, one, "published"}, [3]string{listedURL, two, "carried"}),
		"carried and published":       listOf([3]string{listedURL, two, "carried"}, [3]string{listedURL, one, "published"}),
		"a member twice":              bytes.Replace(listOf([3]string{listedURL, one, "published"}), []byte(`{"url"`), []byte(`{"origin":"carried","url"`), 1),
		"no list":                     []byte(`{"files":7}`),
		"no JSON":                     []byte(`files`),
		"two documents, one by one":   append(listOf(), listOf([3]string{listedURL, one, "published"})...),
		"a member in another writing": bytes.Replace(listOf([3]string{listedURL, one, "carried"}), []byte(`"origin"`), []byte(`"Origin":"published","origin"`), 1),
	} {
		if v, err := Read("k", key, list, signs(t, o, list)); err == nil || v != nil {
			t.Errorf("%s: vouched for", name)
		}
	}
}

// A hint is what a bundle may be long by: up to the limit it is read, and no further.
func TestWordOfALongBundle(t *testing.T) {
	o, key := signer(t)
	list := listOf([3]string{listedURL, one, "published"})
	o.hint = strings.Repeat("h", maxSignature-len(signs(t, o, list))+len(o.hint))
	bundle := signs(t, o, list)
	for len(bundle) != maxSignature { // a signature has another length each time
		o.hint += strings.Repeat("h", max(0, maxSignature-len(bundle)))
		o.hint = o.hint[:len(o.hint)-max(0, len(bundle)-maxSignature)]
		bundle = signs(t, o, list)
	}
	if _, err := Read("k", key, list, bundle); err != nil {
		t.Error(err)
	}
}

// A key that does not sign leaves no signature behind.
func TestOperatorThatFails(t *testing.T) {
	o, _ := signer(t)
	o.sign = func([]byte) ([]byte, error) { return nil, errors.New("the token was taken out") }
	if _, err := o.Sign(listOf()); err == nil {
		t.Error("signed")
	}
	for _, key := range [][]byte{nil, []byte("x"), pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: []byte("{}")})} {
		if o, err := ReadOperator(key, nil); err == nil || o != nil {
			t.Errorf("%q is a key", key)
		}
	}
}

func FuzzRead(f *testing.F) {
	o, key := signer(f)
	list := listOf([3]string{listedURL, one, "published"})
	f.Add(list, signs(f, o, list))
	f.Fuzz(func(t *testing.T, other, bundle []byte) {
		v, err := Read("k", key, other, bundle)
		if err == nil && (!bytes.Equal(other, list) || !v.Published(listedURL, oci.FromHex(one))) {
			t.Errorf("vouched for without the key: %q", other)
		}
	})
}
