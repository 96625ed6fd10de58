package sigstore

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

// A certificate is of the one name that it has, by the one issuer that it names.
func TestIdentityOf(t *testing.T) {
	uri, err := url.Parse("https://github.com/o/r/.github/workflows/w.yaml@refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	names := func(n int) pkix.Extension {
		list := slices.Repeat([]asn1.RawValue{{Class: 2, Tag: 1, Bytes: []byte("a@example.com")}}, n)
		der, err := asn1.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return pkix.Extension{Id: oidSubjectAltName, Value: der}
	}
	v1 := func(s string) pkix.Extension { return pkix.Extension{Id: oidIssuerV1, Value: []byte(s)} }
	v2 := func(s string) pkix.Extension {
		der, err := asn1.MarshalWithParams(s, "utf8")
		if err != nil {
			t.Fatal(err)
		}
		return pkix.Extension{Id: oidIssuerV2, Value: der}
	}
	other := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte("x")}
	trailing := func(e pkix.Extension) pkix.Extension {
		return pkix.Extension{Id: e.Id, Value: append(slices.Clone(e.Value), 0)}
	}
	const issuer, mail = "https://accounts.google.com", "a@example.com"
	for _, tt := range []struct {
		name  string
		cert  x509.Certificate
		want  trust.Identity // zero if it is refused
		error string
	}{
		{"an email", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(1), v1(issuer)}}, trust.Identity{Issuer: issuer, Subject: mail}, ""},
		{"a URI", x509.Certificate{URIs: []*url.URL{uri}, Extensions: []pkix.Extension{names(1), v2(issuer)}}, trust.Identity{Issuer: issuer, Subject: uri.String()}, ""},
		{"both issuers, the same", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{other, v2(issuer), names(1), v1(issuer)}}, trust.Identity{Issuer: issuer, Subject: mail}, ""},
		{"two issuers", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(1), v1("https://evil"), v2(issuer)}}, trust.Identity{}, "two issuers"},
		{"no issuer", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(1)}}, trust.Identity{Subject: mail}, ""},
		{"no name", x509.Certificate{Extensions: []pkix.Extension{v1(issuer)}}, trust.Identity{}, "0 subject alternative names"},
		{"two names", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(2), v1(issuer)}}, trust.Identity{}, "2 subject alternative names"},
		{"names in two extensions", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(1), names(1), v1(issuer)}}, trust.Identity{}, "2 subject alternative names"},
		{"a name of another kind", x509.Certificate{Extensions: []pkix.Extension{names(1), v1(issuer)}}, trust.Identity{}, "another kind of name"},
		{"bytes behind the names", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{trailing(names(1)), v1(issuer)}}, trust.Identity{}, "unreadable subject alternative names"},
		{"unreadable names", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: []byte{0x30, 0x7f}}}}, trust.Identity{}, "unreadable subject alternative names"},
		{"bytes behind the issuer", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(1), trailing(v2(issuer))}}, trust.Identity{}, "unreadable issuer"},
		{"an unreadable issuer", x509.Certificate{EmailAddresses: []string{mail}, Extensions: []pkix.Extension{names(1), {Id: oidIssuerV2, Value: []byte("x")}}}, trust.Identity{}, "unreadable issuer"},
	} {
		got, err := identityOf(&tt.cert)
		if tt.error == "" && (err != nil || got != tt.want) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if tt.error != "" && (err == nil || !strings.Contains(err.Error(), tt.error)) {
			t.Errorf("%s: taken as %+v, %v", tt.name, got, err)
		}
	}
}

// An authority is unknown only if what the certificate says of it can be read: what
// cannot is left to the verification, which refuses it. One known CT log is enough.
func TestUnknownAuthority(t *testing.T) {
	s, foreign := world.NewSigstore("own"), world.NewSigstore("foreign")
	root, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	sct := func(from *world.Sigstore) []byte { // with its length before it
		cert := s.Sign([]byte("x"), world.Signing{CT: from}).Certificate
		i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSCTList) })
		var list []byte
		if _, err := asn1.Unmarshal(cert.Extensions[i].Value, &list); err != nil {
			t.Fatal(err)
		}
		return list[2:]
	}
	known, unknown := sct(s), sct(foreign)
	base := s.Sign([]byte("x"), world.Signing{}).Certificate
	with := func(list []byte, more ...byte) *x509.Certificate {
		der, err := asn1.Marshal(append([]byte{byte(len(list) >> 8), byte(len(list))}, list...))
		if err != nil {
			t.Fatal(err)
		}
		return &x509.Certificate{AuthorityKeyId: base.AuthorityKeyId, Extensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}}, {Id: oidSCTList, Value: append(der, more...)}}}
	}
	shortest := append([]byte{0, 1 + sha256.Size, 0}, make([]byte, sha256.Size)...)
	const ct = "certificate transparency log"
	for _, tt := range []struct {
		name string
		cert *x509.Certificate
		want string
	}{
		{"genuine", base, ""},
		{"of another CA", foreign.Sign([]byte("x"), world.Signing{}).Certificate, "certificate authority"},
		{"without an SCT", &x509.Certificate{AuthorityKeyId: base.AuthorityKeyId}, ""},
		{"one known log", with(known), ""},
		{"one unknown log", with(unknown), ct},
		{"an unknown log before a known one", with(slices.Concat(unknown, known)), ""},
		{"a known log before an unknown one", with(slices.Concat(known, unknown)), ""},
		{"two unknown logs", with(slices.Concat(unknown, unknown)), ct},
		{"no SCT in the list", with(nil), ""},
		{"an SCT that is an id alone", with(shortest), ""},
		{"an SCT of one byte more", with(append([]byte{0, 2 + sha256.Size}, append(shortest[2:], 0)...)), ct},
		{"an SCT that is shorter than its log's id", with(append([]byte{0, sha256.Size}, make([]byte, 1+sha256.Size)...)), ""},
		{"an SCT that is longer than the list", with(append([]byte{1, 0}, unknown[2:]...)), ""},
		{"an SCT one byte longer than the list", with(append([]byte{0, 3 + sha256.Size}, append(shortest[2:], 0)...)), ""},
		{"bytes behind the list", with(unknown, 0), ""},
		{"a list of one byte", &x509.Certificate{AuthorityKeyId: base.AuthorityKeyId, Extensions: []pkix.Extension{{Id: oidSCTList, Value: []byte{4, 1, 0}}}}, ""},
		{"an unreadable list", &x509.Certificate{AuthorityKeyId: base.AuthorityKeyId, Extensions: []pkix.Extension{{Id: oidSCTList, Value: []byte("x")}}}, ""},
	} {
		if got := unknownAuthority(root, tt.cert); tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
