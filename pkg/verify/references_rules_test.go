package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// References that make no sense are refused before anything is asked for.
func TestReferencesThatMakeNoSense(t *testing.T) {
	one := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"}
	other, abroad := one, one
	other.Tag, abroad.Host = "v1.27.1", "registry.example.com"
	for _, tt := range []struct {
		name string
		refs []registry.Ref
		v    Verifier
		says string
	}{
		{"none", nil, Verifier{}, "no image was named"},
		{"of another registry", []registry.Ref{one, abroad}, Verifier{}, "the policy speaks of images of registry.k8s.io only"},
		{"twice", []registry.Ref{one, other, one}, Verifier{}, "registry.k8s.io/kube-proxy:v1.27.2 is named twice"},
		{"an inventory, required", []registry.Ref{one}, Verifier{Require: []string{report.Inventory}}, "is of a whole release"},
		{"an inventory, checked", []registry.Ref{one}, Verifier{Checks: []string{report.Digest, report.Signature, report.Inventory}}, "is of a whole release"},
		{"an anchor", []registry.Ref{one}, Verifier{Require: []string{report.Anchor}}, "is of files"},
	} {
		tt.v.Fetch = &fetch.Client{Transport: served{}}
		tt.v.Registry = &registry.Client{Fetch: tt.v.Fetch}
		rep, err := tt.v.References(t.Context(), tt.refs)
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.says) || rep.Results != nil {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

// Rule 1: once interrupted, a run says of each image that it was not looked at, by its name.
func TestReferencesOfARunThatIsOver(t *testing.T) {
	over, end := context.WithCancel(t.Context())
	end()
	client := &fetch.Client{Transport: served{}}
	v := &Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Checks: []string{report.Digest, report.Signature}, Jobs: 1}
	var refs []registry.Ref
	for i := range 3 {
		refs = append(refs, registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: fmt.Sprintf("v1.27.%d", i)})
	}
	rep, err := v.References(over, refs)
	if err != nil || len(rep.Results) < 3 || rep.Verdict() != report.Unknown || !rep.Interrupted || len(rep.Scope.Subjects) != 3 {
		t.Fatalf("%v %s, %d results, interrupted %v", err, rep.Verdict(), len(rep.Results), rep.Interrupted)
	}
	for i, ref := range refs {
		if !strings.Contains(fmt.Sprint(rep.Results), ref.String()) || rep.Scope.Subjects[i] != ref.String() {
			t.Errorf("nothing of %s", ref)
		}
	}
	v.Checks = nil
	if all, err := v.References(over, refs[:1]); err != nil || slices.Contains(all.Scope.Checks, report.Inventory) || !slices.Contains(all.Scope.Checks, report.Binding) || all.Scope.Partial {
		t.Errorf("%v, checks %v: an inventory is of a whole release", err, all.Scope.Checks)
	}
	if got := strings.Join(rep.Releases, " "); got != "v1.27.0 v1.27.1 v1.27.2" {
		t.Errorf("releases %s", got)
	}
}

// Images of one release are judged together, those of none too, each release is named once, and what
// several sets read they share.
func TestWhichImagesAreJudgedTogether(t *testing.T) {
	ref := func(name, tag, digit string) registry.Ref {
		r := registry.Ref{Host: "registry.k8s.io", Repository: name, Tag: tag}
		if digit != "" {
			r.Digest = hashOf(digit)
		}
		return r
	}
	for _, tt := range []struct {
		name   string
		refs   []registry.Ref
		want   string // sets, with the images of each
		shared bool
	}{
		{"one", []registry.Ref{ref("kube-proxy", "v1.27.2", "")}, "v1.27.2 kube-proxy", false},
		{"two of one release", []registry.Ref{ref("kube-proxy", "v1.27.2", ""), ref("kube-scheduler-arm64", "v1.27.2", "")}, "v1.27.2 kube-proxy kube-scheduler", false},
		{"of two releases, and one of none", []registry.Ref{ref("kube-proxy", "v1.27.2", ""), ref("pause", "3.9", ""), ref("kube-proxy", "v1.27.1", ""), ref("etcd", "3.5.7-0", ""), ref("kube-scheduler", "v1.27.2", "")},
			"v1.27.2 kube-proxy kube-scheduler | none pause etcd | v1.27.1 kube-proxy", true},
		{"by digest", []registry.Ref{ref("kube-proxy", "", "9")}, "none kube-proxy placed", true},
		{"by digest beside a tag", []registry.Ref{ref("kube-proxy", "v1.27.2", "9")}, "v1.27.2 kube-proxy", false},
	} {
		r := runOf(t)
		r.session.Fetch, r.catalogue = &fetch.Client{Transport: served{}}, nil
		sets, versions := r.joined(t.Context(), tt.refs)
		var got []string
		var known []string
		for _, b := range sets {
			s := "none"
			if b.version != (release.Version{}) {
				s = b.version.String()
				known = append(known, s)
			}
			for _, p := range b.named {
				if s += " " + p.name; p.placed != nil {
					s += " placed"
				}
				if im := r.imageOf(p); im.name != p.name || p.placed != nil && im != p.placed || im.version != b.version {
					t.Errorf("%s: %s was made %s of %s", tt.name, p.name, im.name, im.version)
				}
			}
			got = append(got, s)
			if !b.oneByOne || b.run != r {
				t.Errorf("%s: the set is of a list", tt.name)
			}
		}
		if s := strings.Join(got, " | "); s != tt.want || fmt.Sprint(versions) != fmt.Sprint(known) || (r.session.Shared != nil) != tt.shared {
			t.Errorf("%s: %s, of %v, shared %v", tt.name, s, versions, r.session.Shared != nil)
		}
	}
}

// Very many images of no release are judged in parts, those of one name side by side; those of a
// release stay together.
func TestManyImagesOfNoReleaseArePartedByName(t *testing.T) {
	set := func(n int, version release.Version) *imageSet {
		b := &imageSet{run: &run{}, version: version, oneByOne: true}
		for i := range n {
			b.named = append(b.named, placing{ref: registry.Ref{Tag: fmt.Sprint(i)}, name: []string{"b", "a"}[i%2]})
		}
		return b
	}
	v := versionNamed(t, "v1.27.2")
	for _, tt := range []struct {
		sets []*imageSet
		want string
	}{
		{[]*imageSet{set(32, release.Version{})}, "[32]"},
		{[]*imageSet{set(33, release.Version{})}, "[32 1]"},
		{[]*imageSet{set(33, v), set(65, release.Version{}), set(1, v)}, "[33 32 32 1 1]"},
	} {
		var sizes []int
		for _, b := range inParts(tt.sets) {
			sizes = append(sizes, len(b.named))
			if !b.oneByOne || b.run == nil {
				t.Errorf("%v: %+v", tt.want, b)
			}
		}
		if fmt.Sprint(sizes) != tt.want {
			t.Errorf("%v, want %s", sizes, tt.want)
		}
	}
	if whole := inParts([]*imageSet{set(32, release.Version{})})[0].named; whole[0].name != "b" || whole[1].name != "a" {
		t.Error("what is one part was put in another order")
	}
	first := inParts([]*imageSet{set(66, release.Version{})})[0].named
	for i, p := range first {
		if p.name != "a" || p.ref.Tag != fmt.Sprint(2*i+1) {
			t.Errorf("%d: %s:%s", i, p.name, p.ref.Tag)
		}
	}
}

// What names images is parted, and narrowed by a mirror's list, whether a document places it or
// its own tag does.
func TestNamedImagesAreNarrowedAndParted(t *testing.T) {
	r := runOf(t)
	asked := map[string]int{}
	r.session.Fetch, r.catalogue = &fetch.Client{Transport: counting(asked)}, rowsOf(t, "kube-proxy v1.27.2 linux/arm64 9")
	r.sparse = []MirrorScope{{Release: "v1.27.2", Images: true, Arches: []string{"arm64"}}}
	refs := []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: hashOf("9")}, {Host: "registry.k8s.io", Repository: "kube-scheduler", Tag: "v1.27.2"}}
	for i := range imagesAtOnce + 1 {
		refs = append(refs, registry.Ref{Host: "registry.k8s.io", Repository: "pause", Tag: fmt.Sprint(i)})
	}
	sets, _ := r.joined(t.Context(), refs)
	if len(sets) != 3 || len(sets[0].named) != 2 {
		t.Fatalf("%d sets", len(sets))
	}
	// What placed a digest is not read again.
	if r.session.Shared.LoadPromotion(t.Context(), r.session.Fetch, "kube-proxy"); asked[release.PromotionURL("kube-proxy")] != 1 {
		t.Errorf("%v", asked)
	}
	for _, p := range sets[0].named {
		if im := r.imageOf(p); !im.narrowed || strings.Join(im.expect, " ") != "arm64" {
			t.Errorf("%s: narrowed %v, expects %v", p.name, im.narrowed, im.expect)
		}
	}
}

// A crash in what is looked up on request costs that check alone.
func TestACrashCostsOneCheck(t *testing.T) {
	r := runOf(t, report.Digest, report.Signature, report.Staging)
	r.registry = nil
	im := &image{name: "kube-proxy", digest: hashOf("1")}
	r.attest(t.Context(), im)
	if len(im.attested) != 1 || !strings.HasPrefix(said(im.attested[0]), "unknown internal: ") {
		t.Errorf("%+v", im.attested)
	}
}
