package verify_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// certificate describes a leaf that the world's CA issues, with an SCT.
type certificate struct {
	emails, dns []string
	uris        []string
	raw, der    string // issuer extensions .1.1 and .1.8; empty for none
	other       []byte // DER of one more name, of any kind
	usages      []x509.ExtKeyUsage
	ca          bool
	lasts       time.Duration
}

func krelTrust() certificate {
	return certificate{emails: []string{world.KrelTrust}, raw: world.Google, der: world.Google,
		usages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, lasts: 10 * time.Minute}
}

// sign makes a signature of a payload as world.Sigstore does, by any certificate.
func (c certificate) sign(t *testing.T, s *world.Sigstore, payload []byte, logged time.Time) *world.Signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: world.Signed2023, NotAfter: world.Signed2023.Add(c.lasts),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: c.usages, EmailAddresses: c.emails, DNSNames: c.dns,
		IsCA: c.ca, BasicConstraintsValid: c.ca,
	}
	for _, u := range c.uris {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, parsed)
	}
	if c.other != nil {
		names := slices.Clone(c.other)
		for _, e := range c.emails {
			names = append(append(names, 0x81, byte(len(e))), e...) // rfc822Name
		}
		names, _ = asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: names})
		template.EmailAddresses = nil
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Critical: true, Value: names})
	}
	if c.raw != "" {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 1}, Value: []byte(c.raw)})
	}
	if c.der != "" {
		v, _ := asn1.MarshalWithParams(c.der, "utf8")
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}, Value: v})
	}
	create := func() *x509.Certificate {
		raw, err := x509.CreateCertificate(rand.Reader, template, s.Intermediate, &key.PublicKey, s.IntermediateKey)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	sct, _ := asn1.Marshal(sctList(t, s, create().RawTBSCertificate))
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: sct})
	out := &world.Signed{Payload: payload, Certificate: create(), ChainPEM: s.ChainPEM(), Signature: sign256(t, key, payload)}
	sum := sha256.Sum256(payload)
	id := sha256.Sum256(publicKey(t, s.LogKey))
	body := map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data": map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hexOf(sum[:])}},
		"signature": map[string]any{"content": out.Signature, "publicKey": map[string]any{
			"content": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: out.Certificate.Raw})}},
	}}
	canonical, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	out.Entry = &world.Entry{Body: canonical, Kind: "hashedrekord", Version: "0.0.1", IntegratedTime: logged.Unix(), TreeIndex: 7, LogID: id[:], Hash: hexOf(sum[:])}
	out.Entry.SET = s.Log.Promise(out.Entry)
	return out
}

// otherName is a name of the kind that Fulcio gives to user names.
func otherName(value string) []byte {
	id, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 7})
	text, _ := asn1.MarshalWithParams(value, "utf8")
	body := append(append(id, 0xa0, byte(len(text))), text...)
	return append([]byte{0xa0, byte(len(body))}, body...)
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, c := range b {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	return out.String()
}

func sign256(t *testing.T, key *ecdsa.PrivateKey, message []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func publicKey(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	out, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sctList is a list of one SCT for a precertificate (RFC 6962, 3.2 and 3.3).
func sctList(t *testing.T, s *world.Sigstore, tbs []byte) []byte {
	t.Helper()
	issuer := sha256.Sum256(s.Intermediate.RawSubjectPublicKeyInfo)
	millis := binary.BigEndian.AppendUint64(nil, uint64(world.Signed2023.UnixMilli()))
	in := slices.Concat([]byte{0, 0}, millis, []byte{0, 1}, issuer[:], []byte{byte(len(tbs) >> 16), byte(len(tbs) >> 8), byte(len(tbs))}, tbs, []byte{0, 0})
	sig := sign256(t, s.CTKey, in)
	id := sha256.Sum256(publicKey(t, s.CTKey))
	sct := slices.Concat([]byte{0}, id[:], millis, []byte{0, 0, 4, 3}, binary.BigEndian.AppendUint16(nil, uint16(len(sig))), sig)
	list := binary.BigEndian.AppendUint16(nil, uint16(len(sct)+2))
	return append(binary.BigEndian.AppendUint16(list, uint16(len(sct))), sct...)
}

func payloadOf(reference, digest string) []byte {
	return []byte(`{"critical":{"identity":{"docker-reference":"` + reference + `"},"image":{"docker-manifest-digest":"` + digest +
		`"},"type":"cosign container image signature"},"optional":null}`)
}

// Rules 14 and 15: certificates that the known CA issued, and that are not
// krel-trust's, or not for signing, or not at that time. The first proves that
// the others fail for their own reason.
func TestHostileCertificates(t *testing.T) {
	built := world.New(world.Options{})
	now := world.Signed2023.Add(time.Second)
	for name, tt := range map[string]struct {
		change func(*certificate)
		logged time.Time
		want   report.Verdict
	}{
		"genuine":                               {func(*certificate) {}, now, report.Verified},
		"genuine, of 2022":                      {func(c *certificate) { c.der = "" }, now, report.Verified},
		"logged in its last second":             {func(*certificate) {}, now.Add(10*time.Minute - time.Second), report.Verified},
		"logged too late":                       {func(*certificate) {}, now.Add(10 * time.Minute), refuted},
		"logged before":                         {func(*certificate) {}, now.Add(-2 * time.Second), refuted},
		"two addresses":                         {func(c *certificate) { c.emails = append(c.emails, "mallory@example.com") }, now, unknown},
		"two addresses, the other first":        {func(c *certificate) { c.emails = []string{"mallory@example.com", world.KrelTrust} }, now, unknown},
		"an address and a URI":                  {func(c *certificate) { c.uris = []string{"https://example.com"} }, now, unknown},
		"an address and a host":                 {func(c *certificate) { c.dns = []string{"example.com"} }, now, unknown},
		"an address, its names written by hand": {func(c *certificate) { c.other = []byte{} }, now, report.Verified},
		"an address and an otherName":           {func(c *certificate) { c.other = otherName("mallory") }, now, unknown},
		"an address and a directory name":       {func(c *certificate) { c.other = []byte{0xa4, 2, 0x30, 0} }, now, unknown},
		"an address and a registered id":        {func(c *certificate) { c.other = []byte{0x88, 1, 0x2a} }, now, unknown},
		"an otherName alone":                    {func(c *certificate) { c.emails, c.other = nil, otherName(world.KrelTrust) }, now, unknown},
		"only a host":                           {func(c *certificate) { c.emails, c.dns = nil, []string{"k8s-releng-prod.iam.gserviceaccount.com"} }, now, unknown},
		"nobody":                                {func(c *certificate) { c.emails = nil }, now, unknown},
		"the address of another case":           {func(c *certificate) { c.emails = []string{strings.ToUpper(world.KrelTrust)} }, now, unknown},
		"the address with a space":              {func(c *certificate) { c.emails = []string{world.KrelTrust + " "} }, now, unknown},
		"the address with a NUL":                {func(c *certificate) { c.emails = []string{world.KrelTrust + "\x00.evil.com"} }, now, unknown},
		"no issuer":                             {func(c *certificate) { c.raw, c.der = "", "" }, now, unknown},
		"another issuer":                        {func(c *certificate) { c.raw, c.der = "https://evil.example", "https://evil.example" }, now, unknown},
		"two issuers":                           {func(c *certificate) { c.der = "https://evil.example" }, now, unknown},
		"two issuers, the other way":            {func(c *certificate) { c.raw = "https://evil.example" }, now, unknown},
		"an issuer with a slash":                {func(c *certificate) { c.raw, c.der = world.Google+"/", world.Google+"/" }, now, unknown},
		"an issuer over http":                   {func(c *certificate) { c.raw, c.der = "http://accounts.google.com", "http://accounts.google.com" }, now, unknown},
		"not for signing code":                  {func(c *certificate) { c.usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, now, refuted},
		"for no use":                            {func(c *certificate) { c.usages = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }, now, refuted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			c := krelTrust()
			tt.change(&c)
			digest := w.Digest(proxy)
			w.PutSignature("kube-proxy", digest, c.sign(t, w.Sigstore(), payloadOf("registry.k8s.io/kube-proxy", digest), tt.logged))
			rep := verdictOf(t, w, version)
			if rep.Verdict() != tt.want {
				t.Errorf("%s, want %s\n%s", rep.Verdict(), tt.want, failures(rep))
			}
		})
	}
}

// Rules 14, 16 and 17: one thing about the annotations of a genuine signature
// is changed, and the only other signature is the staging one.
func TestHostileAnnotations(t *testing.T) {
	built := world.New(world.Options{})
	bundle := func(change func(b, payload object)) func(object, *world.World) {
		return func(a object, _ *world.World) {
			var b object
			if err := json.Unmarshal([]byte(a["dev.sigstore.cosign/bundle"].(string)), &b); err != nil {
				panic(err)
			}
			change(b, b["Payload"].(object))
			out, _ := json.Marshal(b)
			a["dev.sigstore.cosign/bundle"] = string(out)
		}
	}
	for name, change := range map[string]func(a object, w *world.World){
		"another time":          bundle(func(_, p object) { p["integratedTime"] = p["integratedTime"].(float64) + 1 }),
		"time zero":             bundle(func(_, p object) { p["integratedTime"] = 0 }),
		"time below zero":       bundle(func(_, p object) { p["integratedTime"] = -1 }),
		"a time that is a text": bundle(func(_, p object) { p["integratedTime"] = "1684335601" }),
		"another index":         bundle(func(_, p object) { p["logIndex"] = 1 }),
		"another log":           bundle(func(_, p object) { p["logID"] = strings.Repeat("0", 64) }),
		"no log":                bundle(func(_, p object) { p["logID"] = "" }),
		"a log in capitals":     bundle(func(_, p object) { p["logID"] = strings.ToUpper(p["logID"].(string)) }),
		"no promise":            bundle(func(b, _ object) { b["SignedEntryTimestamp"] = nil }),
		"an empty promise":      bundle(func(b, _ object) { b["SignedEntryTimestamp"] = "" }),
		"another promise":       bundle(func(b, _ object) { b["SignedEntryTimestamp"] = base64.StdEncoding.EncodeToString(make([]byte, 71)) }),
		"a body that is null":   bundle(func(_, p object) { p["body"] = nil }),
		"a body that is a list": bundle(func(_, p object) { p["body"] = []string{"x"} }),
		"a body that is another": bundle(func(_, p object) {
			p["body"] = base64.StdEncoding.EncodeToString([]byte(`{"apiVersion":"0.0.1","kind":"rekord","spec":{}}`))
		}),
		"a promise twice": func(a object, _ *world.World) {
			a["dev.sigstore.cosign/bundle"] = strings.Replace(a["dev.sigstore.cosign/bundle"].(string), `{"Signed`, `{"signedentrytimestamp":"","Signed`, 1) + "{}"
		},
		"a proof instead": bundle(func(b, _ object) { delete(b, "SignedEntryTimestamp"); b["inclusionProof"] = object{} }),
		"no bundle":       func(a object, _ *world.World) { delete(a, "dev.sigstore.cosign/bundle") },
		"the key of it":   func(a object, _ *world.World) { delete(a, "dev.sigstore.cosign/certificate") },
		"two certificates": func(a object, _ *world.World) {
			a["dev.sigstore.cosign/certificate"] = a["dev.sigstore.cosign/certificate"].(string) + a["dev.sigstore.cosign/certificate"].(string)
		},
		"text before the certificate, and a key behind": func(a object, _ *world.World) {
			a["dev.sigstore.cosign/certificate"] = "x\n" + a["dev.sigstore.cosign/certificate"].(string) + "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"
		},
		"a signature with something behind": func(a object, _ *world.World) {
			sig, _ := base64.StdEncoding.DecodeString(a["dev.cosignproject.cosign/signature"].(string))
			a["dev.cosignproject.cosign/signature"] = base64.StdEncoding.EncodeToString(append(sig, 0))
		},
		"no signature": func(a object, _ *world.World) { a["dev.cosignproject.cosign/signature"] = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			sig := w.Digest(proxy)
			tag := strings.Replace(sig, ":", "-", 1) + ".sig"
			m, _ := w.Manifest("kube-proxy:" + tag)
			var doc object
			if err := json.Unmarshal(m.Body, &doc); err != nil {
				t.Fatal(err)
			}
			for _, l := range doc["layers"].([]any) {
				change(l.(object)["annotations"].(object), w)
			}
			body, _ := json.Marshal(doc)
			w.PutManifest("kube-proxy", world.Manifest{MediaType: m.MediaType, Body: body}, tag)
			rep := verdictOf(t, w, version)
			if name == "a log in capitals" { // the same log
				return
			}
			if rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}
