package verify

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// What an image says of its contents is the worst of its platforms, and verified only if
// each is.
func TestContentsOfAllPlatforms(t *testing.T) {
	const v, u, f = report.Verified, report.Unknown, report.Refuted
	for _, tt := range []struct {
		name      string
		platforms []report.Verdict
		want      string
	}{
		{"none", nil, "unknown noClaim: there is no platform to look into"},
		{"each", []report.Verdict{v, v}, "verified: of each of its 2 platforms: a"},
		{"one", []report.Verdict{v}, "verified: of each of its 1 platforms: a"},
		{"not the last", []report.Verdict{v, u}, "unknown: b: b"},
		{"not the first", []report.Verdict{u, v}, "unknown: a: a"},
		{"none of two", []report.Verdict{u, u}, "unknown: a: a"},
		{"one refuted before", []report.Verdict{f, u, v}, "refuted: a: a"},
		{"one refuted after", []report.Verdict{v, u, f}, "refuted: c: c"},
		{"two refuted", []report.Verdict{u, f, f}, "refuted: b: b"},
		{"one refuted among verified", []report.Verdict{v, f, v}, "refuted: b: b"},
	} {
		im := &image{name: "kube-proxy"}
		for i, x := range tt.platforms {
			name := string(rune('a' + i))
			im.platforms = append(im.platforms, &platform{name: name, contents: report.Check{Name: report.Contents, Verdict: x, Detail: name}})
		}
		if got := said((&imageSet{run: runOf(t)}).contentsOf(im)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What is not looked into is unknown, each for its own reason, before any layer is asked for.
func TestContentsThatAreNotLookedInto(t *testing.T) {
	blobs := func(sizes ...int64) (out []registry.Descriptor) {
		for _, n := range sizes {
			out = append(out, registry.Descriptor{Digest: hashOf("a"), Size: n})
		}
		return out
	}
	const (
		limit   = "unknown limit: its layers are more than the 1073741824 bytes that are read"
		fetched = "unknown absent: layer 1 of "
	)
	for _, tt := range []struct {
		name   string
		change func(b *imageSet, im *image, p *platform)
		want   string
	}{
		{"a layer that is not there", func(*imageSet, *image, *platform) {}, fetched},
		{"an image without programs", func(_ *imageSet, im *image, _ *platform) { im.name = "pause" }, "unknown noClaim: does not apply: the policy knows no program in pause"},
		{"no platform", func(_ *imageSet, _ *image, p *platform) { p.desc.Digest = "" }, "unknown incomplete: there is no image to look into"},
		{"another system", func(_ *imageSet, _ *image, p *platform) { p.desc.Platform = &registry.Platform{OS: "windows"} }, "unknown noClaim: does not apply to linux/arm64: images are of linux"},
		{"no config", func(_ *imageSet, _ *image, p *platform) { p.diffIDs, p.blobs = nil, nil }, "unknown noClaim: its manifest or config could not be read"},
		{"fewer layers than diff_ids", func(_ *imageSet, _ *image, p *platform) { p.diffIDs = append(p.diffIDs, hashOf("b")) }, "unknown noClaim: its manifest or config could not be read"},
		{"no documents", func(b *imageSet, _ *image, _ *platform) { b.docs = nil }, "unknown noClaim: there is no usable SBOM of v1.27.2"},
		{"an SBOM of another version", func(b *imageSet, _ *image, _ *platform) { b.docs.SBOM.Binding.Verdict = report.Refuted }, "unknown noClaim: there is no usable SBOM of v1.27.2"},
		{"as much as is read", func(_ *imageSet, _ *image, p *platform) { p.blobs = blobs(maxImageBytes) }, fetched},
		{"more than is read", func(_ *imageSet, _ *image, p *platform) { p.blobs = blobs(maxImageBytes + 1) }, limit},
		{"more than is read, in two", func(_ *imageSet, _ *image, p *platform) {
			p.blobs, p.diffIDs = blobs(maxImageBytes, 1), []oci.Digest{hashOf("b"), hashOf("c")}
		}, limit},
		{"as much as is read, in two", func(_ *imageSet, _ *image, p *platform) {
			p.blobs, p.diffIDs = blobs(maxImageBytes-1, 1), []oci.Digest{hashOf("b"), hashOf("c")}
		}, fetched},
		{"sizes whose sum is small again", func(_ *imageSet, _ *image, p *platform) {
			p.blobs, p.diffIDs = blobs(1, math.MaxInt64), []oci.Digest{hashOf("b"), hashOf("c")}
		}, limit},
	} {
		b := &imageSet{run: runOf(t), docs: sbomOf("kube-proxy-arm64", hashOf("a"))}
		b.run.registry = &registry.Client{Fetch: &fetch.Client{Transport: served{}}}
		im := &image{name: "kube-proxy", tag: "v1.27.2"}
		p := &platform{name: "linux/arm64", arch: "arm64", desc: registry.Descriptor{Digest: hashOf("1")}, blobs: blobs(10), diffIDs: []oci.Digest{hashOf("b")}, repository: "kube-proxy"}
		tt.change(b, im, p)
		if got := said(b.inside(t.Context(), im, p)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Contents are looked into where they are asked for, and a run that ends or crashes leaves
// them unknown.
func TestContentsThatWereNotReached(t *testing.T) {
	over, end := context.WithCancel(t.Context())
	end()
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		crash bool
		want  string
	}{
		{"as it is", t.Context(), false, "unknown noClaim: its manifest or config could not be read"},
		{"the run is over", over, false, "unknown interrupted: the run was interrupted before this was examined"},
		{"a crash", t.Context(), true, "unknown internal: "},
	} {
		for _, required := range []bool{true, false} {
			rule := "{images: [kube-proxy, kube-apiserver], report: [contents]}"
			if required {
				rule = "{images: [kube-proxy, kube-apiserver], require: [contents]}"
			}
			b := &imageSet{run: ruledBy(t, nil, nil, rule)}
			if tt.crash {
				b.docs = sbomOf("kube-proxy-arm64", hashOf("a"))
			}
			// The second is not asked for, and stands between those that are.
			for _, name := range []string{"kube-proxy", "kube-scheduler", "kube-apiserver"} {
				p := &platform{name: "linux/arm64", arch: "arm64", desc: registry.Descriptor{Digest: hashOf("1")}}
				if tt.crash {
					p.blobs, p.diffIDs, p.repository = []registry.Descriptor{{Digest: hashOf("a"), Size: 1}}, []oci.Digest{hashOf("b")}, name
				}
				b.images = append(b.images, &image{name: name, tag: "v1.27.2", platforms: []*platform{p}})
			}
			if tt.crash {
				b.run.registry = nil
			}
			b.contents(tt.ctx)
			for _, im := range b.images {
				if im.name == "kube-scheduler" {
					if im.contents.Name != "" || im.platforms[0].contents.Name != "" || im.contents.Required {
						t.Errorf("%s: nobody asks for those of %s: %+v", tt.name, im.name, im.contents)
					}
					continue
				}
				for what, c := range map[string]report.Check{tt.want: im.platforms[0].contents, strings.Replace(tt.want, ": ", ": linux/arm64: ", 1): im.contents} {
					if !strings.HasPrefix(said(c), what) || c.Required != required {
						t.Errorf("%s, %s: %s, required %v, want %s", tt.name, im.name, said(c), c.Required, what)
					}
				}
			}
		}
	}
}
