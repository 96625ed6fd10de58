package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// Rule 20: at a stand-in the repository of a single architecture may lack, and can only refute:
// by another digest under its tag, or by bytes that are not what was named. A run that ended says
// nothing of what is absent, and a crash costs the platform.
func TestWhatAPlatformsOwnNameSaysBesideTheIndex(t *testing.T) {
	s := newShelf()
	config := s.blob("kube-proxy", configText)
	good, other := imageManifest(config), imageManifest(hashOf("c"))
	s.manifest("kube-proxy", good)
	type ask = func() (*registry.Manifest, error)
	gives := func(body []byte, err error) ask {
		return func() (*registry.Manifest, error) {
			if err != nil {
				return nil, err
			}
			return &registry.Manifest{MediaType: registry.OCIManifest, Body: body, Digest: oci.DigestOf(body)}, nil
		}
	}
	over, end := context.WithCancel(t.Context())
	end()
	const own = "registry.k8s.io/kube-proxy-arm64:v1.27.2"
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		early  ask
		tagged []byte // under the tag, where it was not asked for early
		want   string
		absent bool
		looked bool // for a signature of the own name
	}{
		{"the same", t.Context(), gives(good, nil), nil, "verified: ", false, true},
		{"the same, not asked for early", t.Context(), nil, good, "verified: ", false, true},
		{"another", t.Context(), gives(other, nil), nil, "refuted mismatch: " + own + " is sha256:", false, false},
		{"another, not asked for early", t.Context(), nil, other, "refuted mismatch: " + own + " is sha256:", false, false},
		{"not there", t.Context(), gives(nil, &fetch.Error{Kind: fetch.NotFound}), nil, "verified: ", true, false},
		{"not there, not asked for early", t.Context(), nil, nil, "verified: ", true, false},
		{"an outage", t.Context(), gives(nil, &fetch.Error{Kind: fetch.ServerError}), nil, "verified: ", true, false},
		{"bytes of another digest", t.Context(), gives(nil, fmt.Errorf("it: %w", &registry.DigestError{})), nil, "refuted mismatch: it: ", false, false},
		{"the run is over", over, gives(nil, &fetch.Error{Kind: fetch.Cancelled}), nil, "verified: ", false, false},
		{"a crash", t.Context(), func() (*registry.Manifest, error) { panic("crash") }, nil, "unknown internal: ", false, false},
	} {
		delete(s.has, "kube-proxy-arm64/manifests/v1.27.2")
		if tt.tagged != nil {
			s.manifest("kube-proxy-arm64", tt.tagged, "v1.27.2")
		}
		r := s.reads(t, report.Digest, report.Signature, report.Reference, report.Binding)
		im := &image{name: "kube-proxy", tag: "v1.27.2", core: true, early: map[string]func() (*registry.Manifest, error){}}
		if tt.early != nil {
			im.early["arm64"] = tt.early
		}
		p := &platform{arch: "arm64", name: "linux/arm64", desc: registry.Descriptor{Digest: oci.DigestOf(good), Size: int64(len(good)), MediaType: registry.OCIManifest,
			Platform: &registry.Platform{OS: "linux", Architecture: "arm64"}}}
		r.examineBeside(tt.ctx, im, p, registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: p.desc.Digest})
		if got := said(p.digestCheck); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		absent := ""
		if tt.absent {
			absent = own
		}
		rep := r.session.Report(t.Context(), report.Scope{}, nil, nil)
		if p.absent != absent || slices.Contains(rep.Scope.Absent, own) != tt.absent {
			t.Errorf("%s: absent %q, the report has %v", tt.name, p.absent, rep.Scope.Absent)
		}
		if looked := p.signed.signature.Reason == report.Absent; looked != tt.looked || slices.Contains(p.seenAs, own) != tt.looked {
			t.Errorf("%s: seen as %v, its signature is %s", tt.name, p.seenAs, said(p.signed.signature))
		}
		// What has no signature of its own may have the index's; what crashed may not.
		if crashed := strings.Contains(tt.want, "internal"); p.signed.absent == crashed {
			t.Errorf("%s: absent %v", tt.name, p.signed.absent)
		}
	}
}

// A stand-in need not have the repositories of single architectures; the registry itself, or
// whoever is asked for the whole, must.
func TestWhoNeedNotHaveAllNames(t *testing.T) {
	for _, tt := range []struct {
		endpoint     string
		whole, wants bool
	}{{"", false, false}, {"", true, false}, {"https://harbor.example/k8s", false, true}, {"https://harbor.example/k8s", true, false}} {
		r := runOf(t)
		r.whole, r.registry = tt.whole, &registry.Client{Endpoints: map[string]string{"registry.k8s.io": tt.endpoint}}
		if r.copies() != tt.wants {
			t.Errorf("%+v: %v", tt, !tt.wants)
		}
	}
}

// The names that a stand-in lacks are told once for the image, without their host.
func TestNamesThatAStandInLacks(t *testing.T) {
	im := &image{platforms: []*platform{{}, {absent: "registry.k8s.io/kube-proxy-arm64:v1"}, {}, {absent: "registry.k8s.io/x/kube-proxy-s390x:v1"}}}
	notes := im.notes()
	if len(notes) != 1 || !strings.Contains(notes[0], "under 2 names of single architectures (kube-proxy-arm64:v1, kube-proxy-s390x:v1)") {
		t.Errorf("%q", notes)
	}
	if notes := (&image{platforms: []*platform{{}, {}}}).notes(); notes != nil {
		t.Errorf("nothing is absent: %q", notes)
	}
}
