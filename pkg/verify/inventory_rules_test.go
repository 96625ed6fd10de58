package verify

import (
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// readWhole is a set of a release whose documents were read, with kube-proxy for two architectures.
func readWhole(t testing.TB, version string) *imageSet {
	r := runOf(t)
	d := (&claims.Documents{Version: versionNamed(t, version), Release: &release.Release{}}).In(r.session)
	d.Release.Changelog.Value = &release.Changelog{}
	d.Release.Changelog.URL, d.Release.SBOM.Err = "the changelog", nil
	of := func(name string) *platform {
		return &platform{name: name, desc: registry.Descriptor{Digest: hashOf("2")}}
	}
	return &imageSet{run: r, version: d.Version, docs: d, images: []*image{{name: "kube-proxy", digest: hashOf("1"), platforms: []*platform{of("linux/amd64"), of("linux/arm64")}}}}
}

// Rule 2: an inventory is whole only where every list was read and all that they name is there.
func TestWhatAnInventorySays(t *testing.T) {
	absent := &fetch.Error{Kind: fetch.NotFound}
	const notKnown = "what the release holds is not known: "
	for _, tt := range []struct {
		name, version string
		change        func(b *imageSet)
		want          string
	}{
		{"as it is", "v1.27.2", func(*imageSet) {}, "verified: 1 images with 2 platforms, nothing missing"},
		{"a crash read the documents", "v1.27.2", func(b *imageSet) {
			b.docs.Release, b.docs.SBOM.Signature.Detail = nil, "it crashed"
		}, "unknown internal: it crashed"},
		{"no CHANGELOG", "v1.27.2", func(b *imageSet) { b.docs.Release.Changelog.Err = absent }, "unknown absent: " + notKnown},
		{"a row of images that is odd", "v1.27.2", func(b *imageSet) {
			b.docs.Release.Changelog.Value.Odd = []release.OddRow{{Image: true, Text: "x", Why: "y"}}
		}, "unknown malformed: " + notKnown},
		{"a row of files that is odd", "v1.27.2", func(b *imageSet) {
			b.docs.Release.Changelog.Value.Odd = []release.OddRow{{Text: "x", Why: "y"}}
		}, "verified: "},
		{"no SBOM", "v1.27.2", func(b *imageSet) { b.docs.Release.SBOM.Err = absent }, "unknown absent: " + notKnown},
		{"no SBOM, of before they were signed", "v1.24.2", func(b *imageSet) { b.docs.Release.SBOM.Err = absent }, "verified: "},
		{"no image", "v1.27.2", func(b *imageSet) { b.images = nil }, "unknown incomplete: nothing of this release was found to examine"},
		{"an image without platforms", "v1.27.2", func(b *imageSet) { b.images[0].platforms = nil }, "unknown incomplete: nothing of this release was found to examine"},
		{"an image that was not read", "v1.27.2", func(b *imageSet) { b.images[0].digest = "" }, "unknown incomplete: missing: kube-proxy"},
		{"an image that was not read, whose platforms are expected", "v1.27.2", func(b *imageSet) {
			b.images[0].digest, b.images[0].platforms[0].desc.Digest = "", ""
		}, "unknown incomplete: missing: kube-proxy$"},
		{"a platform that is not there", "v1.27.2", func(b *imageSet) { b.images[0].platforms[1].desc.Digest = "" }, "unknown incomplete: missing: kube-proxy linux/arm64"},
		{"two of them, the second image whole", "v1.27.2", func(b *imageSet) {
			b.images = append([]*image{{name: "x", platforms: []*platform{{name: "linux/amd64"}}}, {name: "c", digest: hashOf("3"), platforms: []*platform{{name: "linux/z"}, {name: "linux/a"}}}}, b.images...)
		}, "unknown incomplete: missing: c linux/a, c linux/z, x"},
	} {
		b := readWhole(t, tt.version)
		tt.change(b)
		c := b.inventoryCheck()
		if got := said(c) + "$"; !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What an inventory rests on stands beside it: the policy's list, where it knows the minor, and those
// of the release.
func TestWhatAnInventoryRestsOn(t *testing.T) {
	for _, known := range []bool{false, true} {
		b := readWhole(t, "v1.27.2")
		b.known = known
		var sources []string
		for _, e := range b.inventoryCheck().Evidence.All() {
			sources = append(sources, e.Source)
			if strings.HasPrefix(e.Source, "policy") && (e.Strength == nil || *e.Strength != report.Embedded || e.Digest != b.run.session.Policy.Source().Digest) {
				t.Errorf("%+v", e)
			}
		}
		want := "the changelog"
		if known {
			want = "policy kubernetes, the changelog"
		}
		if got := strings.Join(sources, ", "); got != want {
			t.Errorf("known %v: %s", known, got)
		}
	}
}

// An inventory says what was not read beside it, and what an old release has no signature of.
func TestNotesOfAnInventory(t *testing.T) {
	for _, tt := range []struct {
		name, version string
		change        func(b *imageSet)
		want          string
	}{
		{"all read", "v1.27.2", func(*imageSet) {}, ""},
		{"no promotion manifest", "v1.27.2", func(b *imageSet) { b.docs.Release.Promotion.Err = errors.New("an outage") }, "the promotion manifest was not read: an outage"},
		{"an SBOM without a signature", "v1.27.2", func(b *imageSet) { b.docs.SBOM.Signature.Reason = report.Absent }, ""},
		{"an old SBOM without a signature", "v1.24.2", func(b *imageSet) { b.docs.SBOM.Signature.Reason = report.Absent }, "files of v1.24.2 are from before file signing (v1.26.0): its SBOM has no signature"},
		{"an old SBOM whose signature was not read", "v1.24.2", func(b *imageSet) { b.docs.SBOM.Signature.Reason = report.Unreachable }, ""},
		{"nothing read", "v1.24.2", func(b *imageSet) { b.docs.Release, b.docs.SBOM.Signature.Reason = nil, report.Absent }, ""},
	} {
		b := readWhole(t, tt.version)
		tt.change(b)
		res := b.inventory()
		if got := strings.Join(res.Notes, "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if res.Kind != report.KindRelease || res.Subject != tt.version || res.Release != tt.version || len(res.Checks) != 1 {
			t.Errorf("%s: %+v", tt.name, res)
		}
	}
}
