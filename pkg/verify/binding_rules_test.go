package verify

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sbom"
)

// runOf is a run under the embedded policy, with no network.
func runOf(t testing.TB, checks ...string) *run {
	t.Helper()
	client := &fetch.Client{}
	r, err := (&Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Checks: checks}).newRun()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// said is a check in one line: verdict, reason, and what it says.
func said(c report.Check) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s", c.Verdict, c.Reason)) + ": " + c.Detail
}

func hashOf(digit string) oci.Digest { return oci.Digest("sha256:" + strings.Repeat(digit, 64)) }

// What ties a platform to a version, and in which order it is asked (rules 8, 12, 13):
// a contradiction of what names the digest comes first, and what was carried in ties nothing.
func TestWhatBindsAPlatform(t *testing.T) {
	b := &imageSet{run: runOf(t)}
	w := func(s stance, strength report.Strength, source string) witness {
		return witness{stance: s, strength: strength, source: source, detail: source + " speaks"}
	}
	var (
		none      []witness
		nothing   witness
		layersYes = w(affirms, report.Signed, "sbom")
		layersBut = w(affirms, report.Carried, "sbom")
		layersNo  = w(contradicts, report.Signed, "sbom")
		yes       = []witness{w(affirms, report.Published, "promotion")}
		weak      = []witness{w(affirms, report.Carried, "promotion")}
		no        = []witness{w(contradicts, report.Carried, "promotion")}
		row       = []witness{w(affirms, report.Embedded, "catalogue")}
		notRow    = []witness{w(contradicts, report.Embedded, "catalogue")}
	)
	const (
		nobody  = "unknown noClaim: nothing strong ties this digest to v1.27.2: no signed SBOM"
		carried = "unknown noClaim: nothing strong ties this digest to v1.27.2: %s says so, but was carried here"
	)
	for _, tt := range []struct {
		name       string
		layers     witness
		own, index []witness
		calibrated bool
		want       string
	}{
		{"nothing speaks", nothing, none, none, false, nobody},
		{"nothing speaks of it, and others matched", nothing, none, none, true, nobody},
		{"a signed SBOM that does not list it", w(silent, report.Signed, "sbom"), none, none, true, nobody},
		{"signed layers", layersYes, none, none, true, "verified: by layers: sbom speaks"},
		{"layers of an SBOM that nobody signed", layersBut, none, none, true, fmt.Sprintf(carried, "sbom")},
		{"the same, and a published row of its own", layersBut, yes, none, true, "verified: promotion speaks"},
		{"a published row of its own", nothing, yes, none, false, "verified: promotion speaks"},
		{"a carried row of its own", nothing, weak, none, false, fmt.Sprintf(carried, "promotion")},
		{"carried rows of both", nothing, weak, weak, false, fmt.Sprintf(carried, "promotion")},
		{"a carried row, and layers that nobody signed", layersBut, weak, none, true, fmt.Sprintf(carried, "promotion and sbom")},
		{"a published row of the index", nothing, none, yes, false, "verified: named by the index; promotion speaks"},
		{"a carried row of the index", nothing, none, weak, false, fmt.Sprintf(carried, "promotion")},
		{"a carried row of its own, one of the index in the catalogue", nothing, weak, row, false, "verified: named by the index; catalogue speaks"},
		{"its own contradicts signed layers", layersYes, no, none, true, "refuted mismatch: this is not v1.27.2: promotion speaks (promotion)"},
		{"the index's contradicts signed layers", layersYes, none, no, true, "refuted mismatch: this is not v1.27.2: promotion speaks (promotion)"},
		{"its own contradicts, the index's affirms", nothing, no, row, false, "refuted mismatch: this is not v1.27.2: promotion speaks (promotion)"},
		{"its own affirms, the index's contradicts", nothing, row, no, false, "refuted mismatch: this is not v1.27.2: promotion speaks (promotion)"},
		{"the catalogue contradicts", layersYes, none, notRow, true, "refuted mismatch: this is not v1.27.2: catalogue speaks (catalogue)"},
		{"other layers, and nothing matched", layersNo, none, none, false, "unknown noClaim: sbom speaks; no image of this release matches the SBOM"},
		{"other layers, and another matched", layersNo, none, none, true, "refuted mismatch: this is not v1.27.2: sbom speaks (sbom)"},
		{"other layers, and a carried row", layersNo, weak, weak, true, "refuted mismatch: this is not v1.27.2: sbom speaks (sbom)"},
		{"other layers, and a row of its own", layersNo, row, none, true, "verified: catalogue speaks; but the SBOM differs: sbom speaks"},
		{"other layers, and a row of the index", layersNo, none, row, true, "verified: catalogue speaks; but the SBOM differs: sbom speaks"},
		{"other layers, and a row that contradicts", layersNo, none, notRow, true, "refuted mismatch: this is not v1.27.2: catalogue speaks (catalogue)"},
	} {
		im, p := &image{name: "kube-proxy", tag: "v1.27.2"}, &platform{desc: registry.Descriptor{Digest: hashOf("1")}}
		c := b.bindPlatform(im, p, tt.layers, tt.own, tt.index, tt.calibrated)
		if !strings.HasPrefix(said(c), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, said(c), tt.want)
		}
	}
	im := &image{name: "kube-proxy", pin: "sha256:12"}
	if c := b.bindPlatform(im, &platform{}, layersYes, yes, yes, true); said(c) != "unknown incomplete: there is nothing to bind" {
		t.Errorf("a platform that is not there: %s", said(c))
	}
	p := &platform{desc: registry.Descriptor{Digest: hashOf("1")}}
	if c := b.bindPlatform(im, p, nothing, no, none, false); said(c) != "refuted mismatch: this is not sha256:12: promotion speaks (promotion)" {
		t.Errorf("by digest: %s", said(c))
	}
	if c := b.bindPlatform(im, p, nothing, none, none, false); !strings.HasPrefix(said(c), "unknown noClaim: nothing strong ties this digest to any release:") {
		t.Errorf("by digest, nothing speaks: %s", said(c))
	}
}

// What ties an index: what names its digest, else its signature with every platform that it
// has tied, and one that is another version's refutes it.
func TestWhatBindsAnIndex(t *testing.T) {
	b := &imageSet{run: runOf(t)}
	one := func(s stance, strength report.Strength) []witness {
		return []witness{{stance: s, strength: strength, source: "promotion", detail: "it speaks"}}
	}
	of := func(verdicts ...report.Verdict) (out []*platform) {
		for i, v := range verdicts {
			out = append(out, &platform{name: fmt.Sprint("linux/", i), desc: registry.Descriptor{Digest: hashOf("1")}, binding: report.Check{Verdict: v}})
		}
		return out
	}
	const v, u, r = report.Verified, report.Unknown, report.Refuted
	missing := &platform{name: "linux/missing", binding: report.Check{Verdict: u}}
	const (
		nobody = "unknown noClaim: nothing strong ties this digest to v1.27.2: no signed SBOM"
		ours   = "verified: it speaks"
		other  = "refuted mismatch: this is not v1.27.2: it speaks (promotion)"
	)
	for _, tt := range []struct {
		name      string
		platforms []*platform
		index     []witness
		signature report.Verdict
		want      string
	}{
		{"signed, each tied", of(v, v), nil, v, "verified: the signed index names 2 platforms, each tied to v1.27.2"},
		{"signed, each of those that it has", append([]*platform{missing}, of(v)...), nil, v, "verified: the signed index names 1 platforms, each"},
		{"not signed, each tied", of(v, v), nil, u, nobody},
		{"its signature refuted, each tied", of(v, v), nil, r, nobody},
		{"signed, one not tied", of(v, u), nil, v, nobody},
		{"signed, of no platform", nil, nil, v, nobody},
		{"signed, none of what it should have", []*platform{missing}, nil, v, nobody},
		{"signed, one of another version", of(v, r, v), nil, v, "refuted mismatch: its linux/1 is not that of v1.27.2"},
		{"named, one of another version", of(r), one(affirms, report.Published), v, ours},
		{"named, nothing signed", of(u), one(affirms, report.Embedded), u, ours},
		{"named by what was carried", of(u), one(affirms, report.Carried), v, "unknown noClaim: nothing strong ties this digest to v1.27.2: promotion says so, but was carried here"},
		{"named by what was carried, each tied", of(v), one(affirms, report.Carried), v, "verified: the signed index names 1 platforms"},
		{"contradicted, each tied", of(v), one(contradicts, report.Carried), v, other},
		{"contradicted and named", of(v), append(one(affirms, report.Published), one(contradicts, report.Carried)...), v, other},
	} {
		im := &image{name: "kube-proxy", tag: "v1.27.2", digest: hashOf("2"), platforms: tt.platforms, signed: signed{signature: report.Check{Verdict: tt.signature}}}
		if c := b.bindImage(im, tt.index); !strings.HasPrefix(said(c), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, said(c), tt.want)
		}
	}
	unread := &image{name: "kube-proxy", tag: "v1.27.2", platforms: of(v), signed: signed{signature: report.Check{Verdict: v}}}
	if c := b.bindImage(unread, one(affirms, report.Published)); said(c) != "unknown noClaim: there is nothing to bind" {
		t.Errorf("an index that was not read: %s", said(c))
	}
}

// The lists of layers are compared whole; a repeated layer may stand once, or as the hash of
// nothing, and a layer also by the digest that the manifest gives it (rule 13).
func TestLayersAreComparedWhole(t *testing.T) {
	const a, b, c, x, y, z, e = "sha256:a", "sha256:b", "sha256:c", "sha256:x", "sha256:y", "sha256:z", emptyLayer
	type list = []oci.Digest
	for _, tt := range []struct {
		name                    string
		diffIDs, layers, listed list
		want                    string // part of what differs; "" for nothing
	}{
		{"the same", list{a, b}, list{x, y}, list{a, b}, ""},
		{"in another order", list{a, b}, list{x, y}, list{b, a}, ""},
		{"by the digests of the manifest", list{a, b}, list{x, y}, list{x, y}, ""},
		{"some by each", list{a, b}, list{x, y}, list{a, y}, ""},
		{"one more in the image", list{a, b}, list{x, y}, list{a}, "layer 2, sha256:b, is not among the 1"},
		{"one more in the SBOM", list{a}, list{x}, list{a, b}, "lists a layer sha256:b that the image does not have"},
		{"one exchanged", list{a, b}, list{x, y}, list{a, c}, "layer 2, sha256:b, is not among the 2"},
		{"the first exchanged", list{a, b}, list{x, y}, list{c, b}, "layer 1, sha256:a"},
		{"both hashes of one layer for two", list{a, b}, list{x, y}, list{a, x}, "layer 2, sha256:b"},
		{"both hashes of one layer beside the other", list{a, b}, list{x, y}, list{a, x, b}, "the SBOM lists 3 layers, the image has 2"},
		{"none in the SBOM", list{a}, list{x}, nil, "layer 1, sha256:a, is not among the 0"},
		{"none in either", nil, nil, nil, "the SBOM lists 0 layers, the image has 0"},
		{"a repeated one, once", list{a, b, a}, list{x, y, x}, list{a, b}, ""},
		{"a repeated one, twice", list{a, b, a}, list{x, y, x}, list{a, b, a}, ""},
		{"a repeated one as nothing", list{a, b, a}, list{x, y, x}, list{a, b, e}, ""},
		{"nothing, where none is repeated", list{a, b}, list{x, y}, list{a, b, e}, "that the image does not have"},
		{"nothing in the place of one, where none is repeated", list{b, a, c}, list{y, x, z}, list{a, b, c, e}, "that the image does not have"},
		{"nothing twice, and one repeated once", list{a, b, a}, list{x, y, x}, list{a, b, e, e}, "the SBOM lists 4 layers, the image has 3"},
		{"another beside a repeated one", list{a, b, a}, list{x, y, x}, list{a, b, c}, "lists a layer sha256:c"},
	} {
		got := compareLayers(tt.diffIDs, tt.layers, tt.listed)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// sbomOf is a signed SBOM of v1.27.2 that lists one image with these layers.
func sbomOf(name string, layers ...oci.Digest) *claims.Documents {
	id := "SPDXRef-Package-registry.k8s.io-" + name + "-v1.27.2"
	doc := &sbom.Document{Packages: []sbom.Package{{ID: id}}}
	for i, l := range layers {
		layer := fmt.Sprint(id, "-sha256-", i)
		doc.Packages = append(doc.Packages, sbom.Package{ID: layer, Checksums: sbom.Checksums{SHA256: strings.TrimPrefix(string(l), "sha256:")}})
		doc.Relationships = append(doc.Relationships, sbom.Relationship{From: id, Type: "CONTAINS", To: layer})
	}
	d := &claims.Documents{Release: &release.Release{}}
	d.Release.SBOM.Value, d.Release.SBOM.URL = doc, "the SBOM"
	d.Release.Promotion.Err = errors.New("not read")
	d.SBOM.Signed, d.SBOM.Binding.Verdict = true, report.Verified
	return d
}

// An SBOM speaks of the linux images of its release, by layers that were read, and only if
// it was signed does it count.
func TestWhatAnSBOMSaysOfLayers(t *testing.T) {
	v, err := release.ParseVersion("v1.27.2")
	if err != nil {
		t.Fatal(err)
	}
	type mod = func(b *imageSet, im *image, p *platform)
	for _, tt := range []struct {
		name   string
		change mod
		want   stance
		says   string
	}{
		{"its layers", func(*imageSet, *image, *platform) {}, affirms, "its 2 layers are those of kube-proxy arm64 in v1.27.2"},
		{"other layers", func(_ *imageSet, _ *image, p *platform) { p.diffIDs = []oci.Digest{hashOf("a"), hashOf("c")} }, contradicts, "layer 2"},
		{"no layers read", func(_ *imageSet, _ *image, p *platform) { p.diffIDs = nil }, silent, "could not be read"},
		{"another architecture", func(_ *imageSet, _ *image, p *platform) { p.arch = "amd64" }, silent, "amd64"},
		{"of no release", func(_ *imageSet, im *image, _ *platform) { im.core = false }, silent, ""},
		{"of another system", func(_ *imageSet, _ *image, p *platform) { p.desc.Platform = &registry.Platform{OS: "windows"} }, silent, ""},
		{"no documents", func(b *imageSet, _ *image, _ *platform) { b.docs = nil }, silent, ""},
		{"an SBOM of another version", func(b *imageSet, _ *image, _ *platform) { b.docs.SBOM.Binding.Verdict = report.Unknown }, silent, ""},
	} {
		b := &imageSet{run: runOf(t), docs: sbomOf("kube-proxy-arm64", hashOf("a"), hashOf("b"))}
		im := &image{name: "kube-proxy", tag: "v1.27.2", version: v, core: true}
		p := &platform{arch: "arm64", diffIDs: []oci.Digest{hashOf("a"), hashOf("b")}, layers: []oci.Digest{hashOf("d"), hashOf("e")}}
		tt.change(b, im, p)
		got := b.layerWitness(im, p)
		if got.stance != tt.want || !strings.Contains(got.detail, tt.says) || (tt.says == "") != (got.detail == "") {
			t.Errorf("%s: %v %q", tt.name, got.stance, got.detail)
		}
		if tt.says != "" && (!got.strong() || got.source != "the SBOM") {
			t.Errorf("%s: %s of %s", tt.name, got.strength, got.source)
		}
	}
	b := &imageSet{run: runOf(t), docs: sbomOf("kube-proxy-arm64", hashOf("a"))}
	b.docs.SBOM.Signed = false
	if got := b.layerWitness(&image{name: "kube-proxy", version: v, core: true}, &platform{arch: "arm64", diffIDs: []oci.Digest{hashOf("a")}, layers: []oci.Digest{hashOf("d")}}); got.stance != affirms || got.strong() {
		t.Errorf("an SBOM that nobody signed: %v, %s", got.stance, got.strength)
	}
}

// promoted is a promotion manifest as it lies with its publisher: lines of an image, a
// digit of a digest, and its tags.
func promoted(t testing.TB, rows ...[3]string) release.Source[*release.Promotion] {
	t.Helper()
	var text strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&text, "- name: %s\n  dmap:\n    %q: [%s]\n", r[0], hashOf(r[1]), r[2])
	}
	p, err := release.ParsePromotion([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return release.Source[*release.Promotion]{URL: "the manifest", Origin: fetch.Published, Value: p}
}

// What a promotion manifest says of a digest: it affirms what it gives the tag to, and
// contradicts another digest of that tag, or other tags of that digest (rules 11, 21).
func TestWhatAPromotionManifestSays(t *testing.T) {
	src := promoted(t, [3]string{"kube-proxy", "1", `"v1.27.2"`}, [3]string{"kube-proxy", "2", `"v1.27.1"`}, [3]string{"kube-proxy", "3", `"v1.26.0", "v1.26.0-x"`},
		[3]string{"kube-proxy", "4", `"v1.25.0"`}, [3]string{"kube-proxy", "5", `"v1.25.0"`}, [3]string{"coredns", "6", `"v1.10.1"`})
	for _, tt := range []struct {
		name, image, tag, digest string
		want                     stance
		says                     string
	}{
		{"its digest", "kube-proxy", "v1.27.2", "1", affirms, "lists it as kube-proxy:v1.27.2"},
		{"another version's digest", "kube-proxy", "v1.27.2", "2", contradicts, "kube-proxy:v1.27.2 is sha256:1111"},
		{"a digest that it does not list", "kube-proxy", "v1.27.2", "9", contradicts, "kube-proxy:v1.27.2 is sha256:1111"},
		{"a tag that it does not list, of a digest of others", "kube-proxy", "v1.27.9", "3", contradicts, "this digest is kube-proxy:v1.26.0, v1.26.0-x"},
		{"neither", "kube-proxy", "v1.27.9", "9", silent, ""},
		{"a tag of two digests", "kube-proxy", "v1.25.0", "4", silent, "gives kube-proxy:v1.25.0 to 2 digests"},
		{"a tag of two digests, and neither", "kube-proxy", "v1.25.0", "9", silent, "gives kube-proxy:v1.25.0 to 2 digests"},
		{"a name in a project", "coredns/coredns", "v1.10.1", "6", affirms, "lists it as coredns:v1.10.1"},
		{"a digest alone", "kube-proxy", "", "3", affirms, "lists it as kube-proxy:v1.26.0, v1.26.0-x"},
		{"a digest alone that it does not list", "kube-proxy", "", "9", silent, ""},
		{"another image's digest alone", "kube-scheduler", "", "1", silent, ""},
		{"nothing read", "kube-proxy", "v1.27.2", "", silent, ""},
	} {
		digest := oci.Digest("")
		if tt.digest != "" {
			digest = hashOf(tt.digest)
		}
		b := &imageSet{run: runOf(t), docs: &claims.Documents{Release: &release.Release{Promotion: src}}}
		got := b.promotionWitness(&image{name: tt.image, tag: tt.tag, core: true}, tt.image, digest)
		if got.stance != tt.want || !strings.Contains(got.detail, tt.says) || (tt.says == "") != (got.detail == "") {
			t.Errorf("%s: %v %q", tt.name, got.stance, got.detail)
		}
		if tt.want != silent && (got.strength != report.Published || got.source != "the manifest" || (len(got.tags) > 0) != (tt.tag == "")) {
			t.Errorf("%s: %s of %s, tags %v", tt.name, got.strength, got.source, got.tags)
		}
	}
	for name, docs := range map[string]*claims.Documents{
		"no documents":    nil,
		"an unread one":   {Release: &release.Release{Promotion: release.Source[*release.Promotion]{Err: errors.New("no"), URL: "x"}}},
		"a carried one":   {Release: &release.Release{Promotion: release.Source[*release.Promotion]{Value: src.Value}}},
		"no release read": {},
	} {
		b := &imageSet{run: runOf(t), docs: docs}
		got := b.promotionWitness(&image{name: "kube-proxy", tag: "v1.27.2", core: true}, "kube-proxy", hashOf("1"))
		if (got.stance == affirms) != (name == "a carried one") || got.strong() {
			t.Errorf("%s: %v, %s", name, got.stance, got.strength)
		}
	}
}
