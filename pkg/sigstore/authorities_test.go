package sigstore

import (
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

// someAuthorities is a trusted root that knows these timestamp authorities.
type someAuthorities struct {
	root.BaseTrustedMaterial
	list []root.TimestampingAuthority
}

func (s *someAuthorities) TimestampingAuthorities() []root.TimestampingAuthority { return s.list }

// unreadAuthority is of a kind whose certificates nobody here reads.
type unreadAuthority struct{ root.TimestampingAuthority }

// A timestamp is of an authority of the root if it names that authority's certificate, by
// issuer and serial number, or an authority that may have issued one that is not listed.
func TestAuthoritiesThatATimestampNames(t *testing.T) {
	name := func(s string) []byte {
		der, err := asn1.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	leaf := func(issuer string, serial int64) *x509.Certificate {
		return &x509.Certificate{RawIssuer: name(issuer), SerialNumber: big.NewInt(serial)}
	}
	ca := func(subject string) *x509.Certificate {
		return &x509.Certificate{RawSubject: name(subject), SerialNumber: big.NewInt(7)}
	}
	of := func(a root.SigstoreTimestampingAuthority) root.TimestampingAuthority { return &a }
	own := of(root.SigstoreTimestampingAuthority{Leaf: leaf("ca", 7), Root: ca("ca")})
	stamp := signedTimestamp{issuer: name("ca"), serial: big.NewInt(7)}
	for what, tt := range map[string]struct {
		list []root.TimestampingAuthority
		want bool
	}{
		"its certificate":                              {[]root.TimestampingAuthority{own}, true},
		"its certificate, behind another's":            {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Leaf: leaf("another", 7), Root: ca("another")}), own}, true},
		"its certificate, behind one that is not read": {[]root.TimestampingAuthority{unreadAuthority{}, own}, true},
		"nobody":                                        {nil, false},
		"one that is not read":                          {[]root.TimestampingAuthority{unreadAuthority{}}, false},
		"another certificate of the same issuer":        {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Leaf: leaf("ca", 8), Root: ca("ca")})}, false},
		"the same number of another issuer":             {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Leaf: leaf("another", 7), Root: ca("another")})}, false},
		"the root, and no certificate":                  {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Root: ca("ca")})}, true},
		"an intermediate, and no certificate":           {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Intermediates: []*x509.Certificate{ca("ca")}, Root: ca("root")})}, true},
		"another root, and no certificate":              {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Root: ca("another")})}, false},
		"neither root nor certificate":                  {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{})}, false},
		"another root without certificate, and its own": {[]root.TimestampingAuthority{of(root.SigstoreTimestampingAuthority{Root: ca("another")}), own}, true},
	} {
		if got := stamp.namesAuthorityOf(&trust.Root{Material: &someAuthorities{list: tt.list}}); got != tt.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// A timestamp is signed once: by whom is not to be chosen among several, or none.
func TestTimestampsAreSignedOnce(t *testing.T) {
	genuine := world.NewSigstore("stamps").Timestamp([]byte("x"), world.Signed2023, false)
	// A TimeStampResp is a status and a token, which is a kind and [0] of a SignedData,
	// whose last member is the set of its signers.
	members := func(der []byte) (out []asn1.RawValue) {
		for len(der) > 0 {
			var one asn1.RawValue
			rest, err := asn1.Unmarshal(der, &one)
			if err != nil {
				t.Fatal(err)
			}
			out, der = append(out, one), rest
		}
		return out
	}
	with := func(v asn1.RawValue, list []asn1.RawValue) asn1.RawValue {
		v.FullBytes, v.Bytes = nil, nil
		for _, m := range list {
			der, err := asn1.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			v.Bytes = append(v.Bytes, der...)
		}
		return v
	}
	signedBy := func(n int) []byte {
		response := members(genuine)[0]
		top := members(response.Bytes)
		token := members(top[1].Bytes)
		signed := members(token[1].Bytes)[0]
		parts := members(signed.Bytes)
		signers := parts[len(parts)-1]
		var all []asn1.RawValue
		for range n {
			all = append(all, members(signers.Bytes)...)
		}
		parts[len(parts)-1] = with(signers, all)
		token[1] = with(token[1], []asn1.RawValue{with(signed, parts)})
		top[1] = with(top[1], token)
		der, err := asn1.Marshal(with(response, top))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for n, want := range map[int]string{0: "signed 0 times", 1: "", 2: "signed 2 times"} {
		got, err := parseTimestamp(signedBy(n))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || (got.raw != nil) != (want == "") {
			t.Errorf("%d signers: %v", n, err)
		}
	}
}
