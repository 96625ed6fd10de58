package verify

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// rowsOf is a catalogue of rows "image tag platform digit".
func rowsOf(t testing.TB, rows ...string) *trust.Catalogue {
	t.Helper()
	var list []trust.CatalogueRow
	for _, r := range rows {
		f := strings.Fields(r)
		list = append(list, trust.CatalogueRow{Image: f[0], Tag: f[1], Platform: f[2], Digest: hashOf(f[3]), Source: "here"})
	}
	c, err := trust.NewCatalogue([]trust.CatalogueSource{{ID: "here", Repository: "example.com/here", Path: "images.yaml", Commit: "unrecorded", Digest: hashOf("0")}}, list)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Rule 12: the catalogue affirms the digest of a row, and contradicts another digest of its
// tag, or other tags of its digest. Of an image by a signer whom the root does not
// know it does not speak, and of what it does not list it says nothing.
func TestWhatTheCatalogueSays(t *testing.T) {
	const index, arm = trust.IndexRow, "linux/arm64"
	c := rowsOf(t, "kube-proxy v1.27.2 "+index+" 1", "kube-proxy v1.27.1 "+index+" 2", "kube-proxy v1.26.0 "+index+" 3", "kube-proxy v1.26.1 "+index+" 3",
		"kube-proxy v1.27.2 "+arm+" 4", "kube-proxy v1.27.1 "+arm+" 5", "pause-arm64 3.9 "+index+" 6")
	for _, tt := range []struct {
		name, image, tag, platform, digest string
		core, stranger                     bool
		want                               stance
		says                               string
	}{
		{"its row", "kube-proxy", "v1.27.2", index, "1", true, false, affirms, "knows it as kube-proxy v1.27.2"},
		{"the row of a platform", "kube-proxy", "v1.27.2", arm, "4", true, false, affirms, "knows it as kube-proxy linux/arm64 v1.27.2"},
		{"another version's digest", "kube-proxy", "v1.27.2", index, "2", true, false, contradicts, "knows kube-proxy v1.27.2 as sha256:1111"},
		{"another version's platform", "kube-proxy", "v1.27.2", arm, "5", true, false, contradicts, "knows kube-proxy linux/arm64 v1.27.2 as sha256:4444"},
		{"the index for a platform", "kube-proxy", "v1.27.2", arm, "1", true, false, contradicts, "as sha256:4444"},
		{"a digest that it does not know", "kube-proxy", "v1.27.2", index, "9", true, false, contradicts, "as sha256:1111"},
		{"a tag that it does not know, and its digest", "kube-proxy", "v1.27.9", index, "3", true, false, contradicts, "knows this digest as kube-proxy v1.26.0, v1.26.1"},
		{"neither", "kube-proxy", "v1.27.9", index, "9", true, false, silent, ""},
		{"another image", "kube-scheduler", "v1.27.2", index, "1", true, false, silent, ""},
		{"a digest alone", "kube-proxy", "", index, "3", true, false, affirms, "knows it as kube-proxy v1.26.0, v1.26.1"},
		{"a digest alone that it does not know", "kube-proxy", "", index, "9", true, false, silent, ""},
		{"a stranger's signature, its row", "kube-proxy", "v1.27.2", index, "1", true, true, affirms, "knows it as"},
		{"a stranger's signature, another digest", "kube-proxy", "v1.27.2", index, "2", true, true, silent, ""},
		{"a stranger's signature, another tag", "kube-proxy", "v1.27.9", index, "3", true, true, silent, ""},
		{"the repository of an architecture", "kube-proxy-arm64", "v1.27.2", index, "4", false, false, affirms, "knows it as kube-proxy linux/arm64 v1.27.2"},
		{"the repository of an architecture, by digest", "kube-proxy-arm64", "", index, "5", false, false, affirms, "knows it as kube-proxy linux/arm64 v1.27.1"},
		{"the repository of another architecture", "kube-proxy-amd64", "v1.27.2", index, "4", false, false, silent, ""},
		{"a name that is not of an architecture", "kube-proxy", "v1.27.2", index, "1", false, false, affirms, "knows it as kube-proxy v1.27.2"},
		{"a release's image whose name ends so", "pause-arm64", "3.9", index, "6", true, false, affirms, "knows it as pause-arm64 3.9"},
		{"a platform of what is not of a release", "kube-proxy-arm64", "v1.27.2", arm, "4", false, false, silent, ""},
		{"nothing read", "kube-proxy", "v1.27.2", index, "", true, false, silent, ""},
	} {
		b := &imageSet{run: runOf(t)}
		b.run.catalogue = c
		im := &image{name: tt.image, tag: tt.tag, core: tt.core}
		if tt.stranger {
			im.signed.signature = report.Check{Reason: report.Untrusted}
		}
		digest := oci.Digest("")
		if tt.digest != "" {
			digest = hashOf(tt.digest)
		}
		got := b.catalogueWitness(im, tt.platform, digest)
		if got.stance != tt.want || !strings.Contains(got.detail, tt.says) || (tt.says == "") != (got.detail == "") {
			t.Errorf("%s: %v %q", tt.name, got.stance, got.detail)
		}
		if tt.want != silent && (got.strength != report.Embedded || (len(got.tags) > 0) != (tt.tag == "")) {
			t.Errorf("%s: %s, tags %v", tt.name, got.strength, got.tags)
		}
		if tt.want != silent && tt.tag != "" && !strings.HasPrefix(got.source, "built-in catalogue, row from ") {
			t.Errorf("%s: from %s", tt.name, got.source)
		}
		b.run.catalogue = nil
		if got := b.catalogueWitness(im, tt.platform, digest); got.stance != silent {
			t.Errorf("%s, without a catalogue: %v", tt.name, got.stance)
		}
	}
}

// bound joins a set: what each says is weighed over all of its images. It returns the bindings
// of its platforms and images in order, a line each.
func bound(b *imageSet) string {
	b.bind()
	var lines []string
	for _, im := range b.images {
		for _, p := range im.platforms {
			lines = append(lines, said(p.binding))
		}
		lines = append(lines, said(im.binding))
	}
	return strings.Join(lines, "\n")
}

// Rule 13: an image that matches in full calibrates what the SBOM says of the others; and
// rule 11: a promotion record counts for nothing where the SBOM's layers contradict it.
func TestBindingOverAllImages(t *testing.T) {
	v, err := release.ParseVersion("v1.27.2")
	if err != nil {
		t.Fatal(err)
	}
	set := func(layers ...oci.Digest) *imageSet {
		b := &imageSet{run: runOf(t), docs: sbomOf("kube-proxy-arm64", hashOf("a"))}
		b.run.catalogue = nil
		for _, l := range layers {
			im := &image{name: "kube-proxy", tag: "v1.27.2", version: v, core: true, digest: hashOf("1"), signed: signed{signature: report.Check{Verdict: report.Verified}}}
			im.platforms = []*platform{{arch: "arm64", name: "linux/arm64", desc: registry.Descriptor{Digest: hashOf("2")}, diffIDs: []oci.Digest{l}, layers: []oci.Digest{hashOf("d")}}}
			b.images = append(b.images, im)
		}
		return b
	}
	ours := func(t *testing.T) *record {
		return &record{tags: []string{"v1.27.2"}, destination: "x", source: promoted(t, [3]string{"kube-proxy", "1", `"v1.27.2"`})}
	}
	const (
		good = "verified: by layers: its 1 layers are those of kube-proxy arm64 in v1.27.2\nverified: the signed index names 1 platforms"
		bad  = "refuted mismatch: this is not v1.27.2: layer 1"
	)
	for name, tt := range map[string]struct {
		b    *imageSet
		want []string // parts, in order
	}{
		"both match":    {set(hashOf("a"), hashOf("a")), []string{good, good}},
		"the first":     {set(hashOf("a"), hashOf("b")), []string{good, bad, "refuted mismatch: its linux/arm64 is not that of v1.27.2"}},
		"the second":    {set(hashOf("b"), hashOf("a")), []string{bad, "refuted mismatch: its linux/arm64", good}},
		"neither":       {set(hashOf("b"), hashOf("c")), []string{"unknown noClaim: layer 1", "unknown noClaim: nothing strong", "unknown noClaim: layer 1"}},
		"none was read": {func() *imageSet { b := set(hashOf("b")); b.docs = nil; return b }(), []string{"unknown noClaim: nothing strong", "unknown noClaim: nothing strong"}},
		"a record, and layers that match": {func() *imageSet { b := set(hashOf("a")); b.images[0].records = []*record{ours(t)}; return b }(),
			[]string{"verified: by layers", "verified: the promotion record and the manifest"}},
		"a record, and layers that differ": {func() *imageSet { b := set(hashOf("b")); b.images[0].records = []*record{ours(t)}; return b }(),
			[]string{"unknown noClaim: layer 1", "unknown noClaim: nothing strong"}},
		"a record, and no SBOM": {func() *imageSet {
			b := set(hashOf("b"))
			b.images[0].records, b.docs = []*record{ours(t)}, nil
			return b
		}(), []string{"verified: named by the index; the promotion record", "verified: the promotion record"}},
		"a record of another digest": {func() *imageSet {
			b := set(hashOf("b"))
			b.images[0].records, b.images[0].digest = []*record{ours(t)}, hashOf("9")
			return b
		}(), []string{"refuted mismatch: this is not v1.27.2: the manifest that its promotion record names", "refuted mismatch: this is not v1.27.2: the manifest"}},
		"by the catalogue, a platform of another system": {func() *imageSet {
			b := set(hashOf("a"))
			b.run.catalogue = rowsOf(t, "kube-proxy v1.27.2 linux/arm64 9")
			b.images[0].platforms[0].desc.Platform = &registry.Platform{OS: "windows", Architecture: "arm64"}
			return b
		}(), []string{"unknown noClaim: nothing strong", "unknown noClaim: nothing strong"}},
		"by the catalogue, another platform": {func() *imageSet {
			b := set(hashOf("a"))
			b.run.catalogue = rowsOf(t, "kube-proxy v1.27.2 linux/arm64 9")
			return b
		}(), []string{"refuted mismatch: this is not v1.27.2: the built-in catalogue", "refuted mismatch: its linux/arm64"}},
	} {
		got := bound(tt.b)
		rest := got
		for _, part := range tt.want {
			_, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("%s: no %q in\n%s", name, part, got)
				break
			}
			rest = after
		}
	}
	alone := set(hashOf("a"))
	alone.images[0].tag, alone.run.catalogue = "", rowsOf(t, "kube-proxy v1.27.2 "+trust.IndexRow+" 1")
	if bound(alone); len(alone.images[0].boundTo) != 1 || alone.images[0].boundTo[0] != v {
		t.Errorf("a digest alone is bound to %v", alone.images[0].boundTo)
	}
	unasked := set(hashOf("a"))
	unasked.run = runOf(t, report.Digest, report.Signature)
	if got := bound(unasked); strings.Contains(got, "verified") {
		t.Errorf("nobody asked:\n%s", got)
	}
}
