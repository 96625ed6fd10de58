package verify

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// served answers with a body by its URL, and else that it is not there.
type served map[string][]byte

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := s[r.URL.String()]
	a := &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
	if !ok {
		a.StatusCode = http.StatusNotFound
	}
	return a, nil
}

// placedAs prints what an image is taken for.
func placedAs(im *image) string {
	out := im.name + ":" + im.tag
	for _, f := range []struct {
		name, value string
	}{{"pin", string(im.pin)}, {"platform", string(im.platformPin)}, {"index", string(im.index)}, {"arches", strings.Join(im.arches, ",")}, {"expect", strings.Join(im.expect, ",")}} {
		if f.value != "" {
			out += " " + f.name + " " + strings.TrimPrefix(f.value, "sha256:")
		}
	}
	if im.core {
		out += " of " + im.version.String()
	}
	if im.own {
		out += ", own"
	}
	return out
}

// What a name is taken for: of a release only by the form of its tag and by the
// inventory, and the repository of an architecture only where that release has it.
func TestWhatANameIsTakenFor(t *testing.T) {
	r := runOf(t)
	const four = "expect amd64,arm64,ppc64le,s390x"
	for _, tt := range []struct{ name, tag, digit, want string }{
		{"kube-proxy", "v1.27.2", "", "kube-proxy:v1.27.2 " + four + " of v1.27.2"},
		{"kube-proxy", "v1.27.2", "1", "kube-proxy:v1.27.2 pin 1 " + four + " of v1.27.2"},
		{"kube-proxy", "1.27.2", "", "kube-proxy:1.27.2"},
		{"kube-proxy", "v2.27.2", "", "kube-proxy:v2.27.2"},
		{"kube-proxy", "v1.27", "", "kube-proxy:v1.27"},
		{"kube-proxy", "latest", "", "kube-proxy:latest"},
		{"kube-proxy-arm64-amd64", "v1.27.2", "", "kube-proxy-arm64-amd64:v1.27.2"},
		{"kube-proxy", "v1.2.0", "", "kube-proxy:v1.2.0"}, // of a minor that the policy does not know
		{"kube-proxy", "", "1", "kube-proxy: pin 1"},
		{"pause", "v1.27.2", "", "pause:v1.27.2"},
		{"kube-proxy-arm64", "v1.27.2", "", "kube-proxy:v1.27.2 arches arm64 expect arm64 of v1.27.2, own"},
		{"kube-proxy-arm64", "v1.27.2", "1", "kube-proxy:v1.27.2 platform 1 arches arm64 expect arm64 of v1.27.2, own"},
		{"kube-proxy-amd64", "v1.27.2", "", "kube-proxy:v1.27.2 arches amd64 expect amd64 of v1.27.2, own"},
		{"kube-proxy-arm", "v1.27.2", "", "kube-proxy-arm:v1.27.2"}, // dropped in 1.27
		{"kube-proxy-arm64", "", "1", "kube-proxy-arm64: pin 1"},
		{"pause-arm64", "v1.27.2", "", "pause-arm64:v1.27.2"},
	} {
		ref := registry.Ref{Host: "registry.k8s.io", Repository: tt.name, Tag: tt.tag}
		if tt.digit != "" {
			ref.Digest = hashOf(tt.digit)
		}
		want := strings.ReplaceAll(strings.ReplaceAll(tt.want, "pin 1", "pin "+strings.Repeat("1", 64)), "platform 1", "platform "+strings.Repeat("1", 64))
		if got := placedAs(r.imageNamed(ref)); got != want {
			t.Errorf("%s:%s is taken for %s, want %s", tt.name, tt.tag, got, want)
		}
	}
}

// Rules 20 and 21: a digest alone that a document gives to one architecture of an image is looked
// up as that child of the tag's index. An index is what it is, and a list that gives the tag
// to two indexes places nothing.
func TestWhereADigestIsPlaced(t *testing.T) {
	var text strings.Builder
	for _, row := range [][3]string{{"kube-proxy", "1", "v1.27.2"}, {"kube-proxy-arm64", "2", "v1.27.2"}, {"kube-proxy", "3", "v1.27.1"}, {"kube-proxy-amd64", "3", "v1.27.1"},
		{"kube-proxy", "4", "v1.26.0"}, {"kube-proxy", "5", "v1.26.0"}, {"kube-proxy-arm64", "6", "v1.26.0"}, {"kube-proxy-arm", "7", "v1.27.2"}} {
		fmt.Fprintf(&text, "- name: %s\n  dmap:\n    %q: [%q]\n", row[0], hashOf(row[1]), row[2])
	}
	rows := rowsOf(t, "kube-proxy v1.27.0 linux/arm64 9", "kube-proxy v1.26.0 linux/arm64 6")
	alone := func(d string) string { return "kube-proxy: pin " + strings.Repeat(d, 64) }
	child := func(d, tag, index, expect string) string {
		if index != "" {
			index = " index " + strings.Repeat(index, 64)
		}
		return "kube-proxy:" + tag + " pin " + strings.Repeat(d, 64) + index + " expect " + expect + " of " + tag
	}
	for _, tt := range []struct {
		name, digit                   string
		unread, uncatalogued, noLists bool
		want                          string
	}{
		{"an index", "1", false, false, false, alone("1")},
		{"a child", "2", false, false, false, child("2", "v1.27.2", "1", "arm64")},
		{"an index that is listed as a child too", "3", false, false, false, alone("3")},
		{"a child of a tag of two indexes", "6", false, true, false, alone("6")},
		{"the same, in the catalogue", "6", false, false, false, child("6", "v1.26.0", "", "arm64")},
		{"a child of an architecture that the release has not", "7", false, false, false, child("7", "v1.27.2", "1", "amd64,arm64,ppc64le,s390x")},
		{"a child in the catalogue", "9", false, false, false, child("9", "v1.27.0", "", "arm64")},
		{"a child in the catalogue, which is not asked", "9", false, true, false, alone("9")},
		{"nowhere", "8", false, false, false, alone("8")},
		{"a child, the list not read", "2", true, false, false, alone("2")},
		{"a child, the list not there", "2", false, false, true, alone("2")},
		{"a child in the catalogue, the list not there", "9", false, false, true, child("9", "v1.27.0", "", "arm64")},
	} {
		r := runOf(t)
		r.session.Shared = new(release.Shared)
		r.session.Fetch = &fetch.Client{Transport: served{release.PromotionURL("kube-proxy"): []byte(text.String())}}
		if tt.noLists {
			r.session.Fetch = &fetch.Client{Transport: served{}}
		}
		if r.catalogue = rows; tt.uncatalogued {
			r.catalogue = nil
		}
		ref := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: hashOf(tt.digit)}
		im := r.placeDigest(t.Context(), ref, !tt.unread)
		if got := placedAs(im); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if (im.askedFor == ref) != (im.tag != "") {
			t.Errorf("%s: asked for as %s", tt.name, im.askedFor)
		}
	}
	// What has a tag is taken by its name, whatever a list says of its digest.
	r := runOf(t)
	r.session.Fetch = &fetch.Client{Transport: served{release.PromotionURL("kube-proxy"): []byte(text.String())}}
	for _, ref := range []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "x", Digest: hashOf("2")}, {Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "x"}} {
		if im := r.placed(t.Context(), ref); im.tag != "x" || im.pin != ref.Digest {
			t.Errorf("%s: %s", ref, placedAs(im))
		}
	}
	if im := r.placed(t.Context(), registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: hashOf("2")}); im.tag != "v1.27.2" {
		t.Errorf("by digest: %s", placedAs(im))
	}
}

// Rule 20: a digest beside a tag that its index does not name is refuted only where that index is
// verified in full, and every one of its platforms was read.
func TestWhatADigestThatTheIndexDoesNotNameIs(t *testing.T) {
	const v, u, f = report.Verified, report.Unknown, report.Refuted
	check := func(x report.Verdict) report.Check { return report.Check{Verdict: x} }
	type state struct {
		digest, signature, reference, binding report.Verdict
		platforms                             []report.Verdict
	}
	good := state{v, v, v, v, []report.Verdict{v, v}}
	with := func(change func(s *state)) state { s := good; change(&s); return s }
	for _, tt := range []struct {
		name   string
		s      state
		change func(im *image)
		want   string
	}{
		{"verified in full", good, nil, "refuted mismatch: sha256:1111"},
		{"not signed", with(func(s *state) { s.signature = u }), nil, "unknown noClaim: sha256:1111"},
		{"a forged signature", with(func(s *state) { s.signature = f }), nil, "unknown noClaim: sha256:1111"},
		{"under no reference", with(func(s *state) { s.reference = u }), nil, "unknown noClaim: sha256:1111"},
		{"under another reference", with(func(s *state) { s.reference = f }), nil, "unknown noClaim: sha256:1111"},
		{"bound to nothing", with(func(s *state) { s.binding = u }), nil, "unknown noClaim: sha256:1111"},
		{"bound to another version", with(func(s *state) { s.binding = f }), nil, "unknown noClaim: sha256:1111"},
		{"the last platform unread", with(func(s *state) { s.platforms = []report.Verdict{v, u} }), nil, "unknown noClaim: sha256:1111"},
		{"the first platform unread", with(func(s *state) { s.platforms = []report.Verdict{u, v} }), nil, "unknown noClaim: sha256:1111"},
		{"a platform refuted", with(func(s *state) { s.platforms = []report.Verdict{v, f} }), nil, "unknown noClaim: sha256:1111"},
		{"without platforms", with(func(s *state) { s.platforms = nil }), nil, "refuted mismatch: sha256:1111"},
		{"the index not read", with(func(s *state) { s.digest = u }), nil, "unknown: of the index"},
		{"the index refuted", with(func(s *state) { s.digest = f }), nil, "refuted: of the index"},
		{"a config of a platform", good, func(im *image) { im.platforms[1].config = hashOf("1") }, "unknown noClaim: sha256:1111"},
		{"only a document named the tag", good, func(im *image) { im.askedFor.Tag = "" }, "unknown noClaim: sha256:1111"},
		{"only a document named the tag, not signed", with(func(s *state) { s.signature = u }), func(im *image) { im.askedFor.Tag = "" }, "unknown noClaim: sha256:1111"},
	} {
		im := &image{name: "kube-proxy", tag: "v1.27.2", child: hashOf("1"), digest: hashOf("2"), stray: true, askedFor: registry.Ref{Tag: "v1.27.2"}}
		im.digestCheck = report.Check{Name: report.Digest, Verdict: tt.s.digest, Detail: "of the index"}
		im.signed.signature, im.signed.reference, im.binding = check(tt.s.signature), check(tt.s.reference), check(tt.s.binding)
		for _, p := range tt.s.platforms {
			im.platforms = append(im.platforms, &platform{name: "linux/x", digestCheck: check(p)})
		}
		if tt.change != nil {
			tt.change(im)
		}
		c := runOf(t).strayCheck(im)
		if !strings.HasPrefix(said(c), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, said(c), tt.want)
		}
		says := "is none of the"
		switch {
		case tt.s.digest != v:
			says = "of the index"
		case strings.Contains(tt.name, "config"):
			says = "is an image id"
		case im.askedFor.Tag == "" && tt.s.signature == v:
			says = "though a document gives it to one of them"
		case c.Verdict == u:
			says = "which is not verified itself"
		}
		if !strings.Contains(c.Detail, says) || strings.Contains(c.Detail, "names (") && !strings.Contains(c.Detail, "registry.k8s.io/kube-proxy:v1.27.2 ") {
			t.Errorf("%s: %q, want %q", tt.name, c.Detail, says)
		}
	}
	// A run that was asked for less is decided by what it checks.
	few := runOf(t, report.Digest, report.Signature)
	im := &image{name: "kube-proxy", tag: "v1.27.2", child: hashOf("1"), askedFor: registry.Ref{Tag: "v1.27.2"}, digestCheck: check(v), signed: signed{signature: check(v)}}
	if c := few.strayCheck(im); c.Verdict != f {
		t.Errorf("neither reference nor binding is asked for: %s", said(c))
	}
}

// Which of an index's children was asked for: exactly that one, and one that the index
// names for no platform is none of them.
func TestWhichChildIsChosen(t *testing.T) {
	of := func(digit, os string) registry.Descriptor {
		return registry.Descriptor{Digest: hashOf(digit), Platform: &registry.Platform{OS: os, Architecture: map[bool]string{true: "unknown", false: "arm64"}[os == "unknown"]}}
	}
	idx := &registry.Index{Manifests: []registry.Descriptor{of("1", "linux"), of("2", "linux"), of("3", "unknown"), {Digest: hashOf("4")}, of("5", "unknown"), of("5", "linux"), of("6", "linux"), of("6", "unknown")}}
	for _, tt := range []struct {
		child          oci.Digest
		stray, carried bool
	}{
		{hashOf("1"), false, false}, {hashOf("2"), false, false}, {hashOf("3"), true, true}, {hashOf("4"), true, true},
		{hashOf("5"), false, true}, {hashOf("6"), false, true}, {hashOf("7"), true, false},
	} {
		im := &image{child: tt.child, arches: []string{"x"}, oses: []string{"y"}, narrowed: true, expect: []string{"arm64"}}
		im.choose(idx)
		if im.stray != tt.stray || im.carriedAlong != tt.carried || im.arches != nil || im.oses != nil || im.narrowed || (im.expect == nil) != !tt.stray {
			t.Errorf("%s: stray %v, carried along %v, %+v", tt.child, im.stray, im.carriedAlong, im)
		}
	}
	whole := &image{arches: []string{"x"}, narrowed: true, expect: []string{"arm64"}}
	if whole.choose(idx); whole.stray || whole.arches == nil || !whole.narrowed || whole.expect == nil {
		t.Errorf("no child was asked for: %+v", whole)
	}
}

// A digest beside a tag may be a platform's where it is no index, or is not there.
func TestWhatMayBeAChild(t *testing.T) {
	index, single := &registry.Manifest{MediaType: "application/vnd.oci.image.index.v1+json"}, &registry.Manifest{MediaType: "application/vnd.oci.image.manifest.v1+json"}
	for _, tt := range []struct {
		name            string
		tag, pin, child string
		m               *registry.Manifest
		err             error
		want            bool
	}{
		{"a manifest", "t", "p", "", single, nil, true},
		{"an index", "t", "p", "", index, nil, false},
		{"not there", "t", "p", "", nil, &fetch.Error{Kind: fetch.NotFound}, true},
		{"refused", "t", "p", "", nil, &fetch.Error{Kind: fetch.Forbidden}, false},
		{"an outage", "t", "p", "", nil, &fetch.Error{Kind: fetch.ServerError}, false},
		{"without a tag", "", "p", "", single, nil, false},
		{"without a digest", "t", "", "", single, nil, false},
		{"known already", "t", "p", "c", single, nil, false},
	} {
		im := &image{tag: tt.tag, pin: oci.Digest(tt.pin), child: oci.Digest(tt.child)}
		if got := im.maybeChild(tt.m, tt.err); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// A digest alone is placed late where nothing is bound and it is no index, and no version is
// taken from what placed it.
func TestWhatIsPlacedLate(t *testing.T) {
	text := fmt.Sprintf("- name: kube-proxy\n  dmap:\n    %q: [\"v1.27.2\"]\n- name: kube-proxy-arm64\n  dmap:\n    %q: [\"v1.27.2\"]\n", hashOf("1"), hashOf("2"))
	few, bound := []string{report.Digest, report.Signature}, []string{report.Digest, report.Signature, report.Binding}
	const single, index = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	for _, tt := range []struct {
		name   string
		checks []string
		im     image
		media  string
		want   bool
	}{
		{"a manifest", few, image{}, single, true},
		{"an index", few, image{}, index, false},
		{"beside a tag", few, image{tag: "v1.26.0"}, single, false},
		{"a child already", few, image{child: hashOf("2")}, single, false},
		{"where all is checked", nil, image{}, single, false},
		{"where it is bound", bound, image{}, single, false},
	} {
		r := runOf(t, tt.checks...)
		r.session.Fetch = &fetch.Client{Transport: served{release.PromotionURL("kube-proxy"): []byte(text)}}
		im := tt.im
		im.name, im.pin = "kube-proxy", hashOf("2")
		before := placedAs(&im)
		r.placeLate(t.Context(), &im, &registry.Manifest{MediaType: tt.media})
		if (im.tag == "v1.27.2") != tt.want || !tt.want && placedAs(&im) != before || !im.version.IsZero() {
			t.Errorf("%s: %s of %s, before %s", tt.name, placedAs(&im), im.version, before)
		}
	}
	// Rules of a policy are by version: what is of none would escape them.
	lax, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "required: [inventory, digest, signature, reference, binding]", "required: [digest, signature]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&Verifier{Policy: lax}).newRun()
	if err != nil {
		t.Fatal(err)
	}
	r.session.Fetch = &fetch.Client{Transport: served{release.PromotionURL("kube-proxy"): []byte(text)}}
	im := &image{name: "kube-proxy", pin: hashOf("2")}
	if r.placeLate(t.Context(), im, &registry.Manifest{MediaType: single}); im.tag != "" {
		t.Errorf("placed though the policy chose the checks: %s", placedAs(im))
	}
	r = runOf(t, few...)
	r.session.Fetch = &fetch.Client{Transport: served{}}
	im = &image{name: "kube-proxy", pin: hashOf("2"), arches: []string{"arm64"}}
	if r.placeLate(t.Context(), im, &registry.Manifest{MediaType: single}); im.tag != "" || im.arches == nil {
		t.Errorf("placed by nothing: %s", placedAs(im))
	}
}
