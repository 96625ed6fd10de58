package verify

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Rule 18: the identity of late 2022 counts for what the catalogue lists, and for what such an
// index names, and else is somebody's.
func TestWhatAFormerSignerCountsFor(t *testing.T) {
	made := newSignatures(t)
	root := made.root()
	for _, tt := range []struct {
		name, row, arch string
		inherited       bool
		want            report.Verdict
	}{
		{"an index", "kube-proxy v1.25.4 " + trust.IndexRow + " 1", "", false, report.Verified},
		{"an index that is not listed", "kube-proxy v1.25.4 " + trust.IndexRow + " 2", "", false, report.Unknown},
		{"a platform", "kube-proxy v1.25.4 linux/arm64 1", "arm64", false, report.Verified},
		{"another platform", "kube-proxy v1.25.4 linux/amd64 1", "arm64", false, report.Unknown},
		{"a platform of an index that is listed", "kube-proxy v1.25.4 " + trust.IndexRow + " 3", "arm64", true, report.Verified},
	} {
		s, r := shelfOf(t)
		r, err := (&Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: root, Catalogue: rowsOf(t, tt.row)}).newRun()
		if err != nil {
			t.Fatal(err)
		}
		if tt.inherited {
			r.legacy.inherit("kube-proxy", hashOf("3"), []oci.Digest{hashOf("1")})
		}
		made.shelve(s, "kube-proxy", "former")
		got := r.imageSignature(t.Context(), "kube-proxy", hashOf("1"), "kube-proxy", tt.arch)
		if got.signature.Verdict != tt.want || tt.want == report.Unknown && got.signature.Reason != report.Untrusted {
			t.Errorf("%s: %s", tt.name, both(got))
		}
	}
}

// Rule 19: a ".sig" manifest is read to a cap of bytes, and what is none is not known.
func TestWhatIsNoSignatureManifest(t *testing.T) {
	made := newSignatures(t)
	root := made.root()
	for _, tt := range []struct {
		name   string
		change func(at shelved) shelved
		want   string
	}{
		{"as large as is read", func(at shelved) shelved {
			at.body = append(at.body, bytes.Repeat([]byte(" "), maxSignatureManifest-len(at.body))...)
			return at
		}, "verified: "},
		{"larger", func(at shelved) shelved {
			at.body = append(at.body, bytes.Repeat([]byte(" "), maxSignatureManifest+1-len(at.body))...)
			return at
		}, "unknown limit: registry.k8s.io/kube-proxy:sha256-1111"},
		{"an index", func(shelved) shelved {
			return shelved{registry.OCIIndex, []byte(`{"schemaVersion":2,"manifests":[]}`)}
		}, "unknown malformed: registry.k8s.io/kube-proxy:sha256-1111"},
		{"a page", func(shelved) shelved { return shelved{"text/html", []byte("<html>")} }, "unknown malformed: "},
		{"nothing", nil, "unknown absent: registry.k8s.io/kube-proxy has no signature for sha256:1111"},
	} {
		s, r := shelfOf(t)
		r, err := (&Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: root}).newRun()
		if err != nil {
			t.Fatal(err)
		}
		key := "kube-proxy/manifests/" + hashOf("1").SignatureTag()
		if tt.change != nil {
			made.shelve(s, "kube-proxy", "good")
			s.has[key] = tt.change(s.has[key])
		}
		got := r.imageSignature(t.Context(), "kube-proxy", hashOf("1"), "kube-proxy", "")
		if !strings.HasPrefix(said(got.signature), tt.want) || got.absent != (tt.change == nil) || (got.where != "") != got.absent {
			t.Errorf("%s: %s, absent %v at %q", tt.name, both(got), got.absent, got.where)
		}
		if got.signature.Verdict != report.Verified && got.reference.Verdict != report.Unknown {
			t.Errorf("%s: %s", tt.name, both(got))
		}
	}
}

// Rule 14: where evidence may lie in two places, the union counts: neither says for the other that
// there is none, and one that holds in either is enough.
func TestSignaturesOfTwoPlaces(t *testing.T) {
	made := newSignatures(t)
	root := made.root()
	for _, tt := range []struct {
		here, there string
		want        string
		asked       int // there
	}{
		{"good", "forged", "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z / verified", 0},
		{"forged", "good", "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z, in the mirror / verified", 1},
		{"", "good", "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z, in the mirror / verified", 1},
		{"", "forged", "refuted forged: ", 1},
		{"forged", "", "refuted forged: ", 1},
		{"unlogged", "forged", "refuted forged: ", 1},
		{"forged", "unlogged", "refuted forged: ", 1},
		{"staging", "", "unknown untrusted: ", 1},
		{"", "staging", "unknown untrusted: ", 1},
		{"", "", "unknown absent: registry.k8s.io/kube-proxy has no signature for sha256:111111111111; nor has the mirror (registry.k8s.io/kube-proxy)", 1},
		{"misnamed", "good", "verified: signed by krel-trust, logged 2023-05-17T15:00:01Z, in the mirror / verified", 1},
	} {
		here, r := shelfOf(t)
		there := &shelf{has: map[string]shelved{}}
		also := &fetch.Client{Transport: there}
		r, err := (&Verifier{Fetch: r.session.Fetch, Registry: r.registry, Root: root, Also: &Also{Registry: &registry.Client{Fetch: also}, Name: "the mirror"}}).newRun()
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []struct {
			s    *shelf
			what string
		}{{here, tt.here}, {there, tt.there}} {
			if at.what != "" {
				made.shelve(at.s, "kube-proxy", at.what)
			}
		}
		got := r.imageSignature(t.Context(), "kube-proxy", hashOf("1"), "kube-proxy", "")
		if !strings.HasPrefix(both(got), tt.want) || got.absent != (tt.here+tt.there == "") {
			t.Errorf("%q and %q: %s, want %s", tt.here, tt.there, both(got), tt.want)
		}
		if n := there.count("kube-proxy/manifests/" + hashOf("1").SignatureTag()); n != tt.asked {
			t.Errorf("%q and %q: the mirror was asked %d times", tt.here, tt.there, n)
		}
		for _, e := range got.signature.Evidence.All() {
			if got.holds() && e.What == "signature manifest" && (e.Fields["from"] == "the mirror") != strings.Contains(both(got), "in the mirror") {
				t.Errorf("%q and %q: %+v", tt.here, tt.there, e)
			}
		}
	}
}
