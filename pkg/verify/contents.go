package verify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/rootfs"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// maxUnpacking is how many images are unpacked at once: each wants a processor.
const maxUnpacking = 4

// maxImageBytes caps the compressed layers of one image. The largest of a release,
// conformance, has some 300 MB.
const maxImageBytes = 1 << 30

// contents holds the programs inside of images against the files that the
// release signs under the same name (bin/linux/ARCH/kube-proxy in its SBOM). The
// layers stream through, and each is hashed compressed and unpacked.
func (b *imageSet) contents(ctx context.Context) {
	type job struct {
		im *image
		p  *platform
	}
	var jobs []job
	for _, im := range b.images {
		if _, made := b.run.asks(im, report.Contents); !made {
			continue
		}
		for _, p := range im.platforms {
			jobs = append(jobs, job{im, p})
		}
	}
	par.Map(ctx, len(jobs), min(b.run.jobs, maxUnpacking), func(ctx context.Context, i int) {
		j := jobs[i]
		if err := session.Guard(func() { j.p.contents = b.inside(ctx, j.im, j.p) }); err != nil {
			j.p.contents = b.run.failed(report.Contents, err)
		}
	}, func(i int) {
		jobs[i].p.contents = b.run.check(report.Contents, report.Unknown, report.Interrupted, "the run was interrupted before this was examined")
	})
	for _, im := range b.images {
		required, made := b.run.asks(im, report.Contents)
		if !made {
			continue
		}
		im.contents = b.contentsOf(im)
		im.contents.Required = required
		for _, p := range im.platforms {
			p.contents.Required = required
		}
	}
}

// contentsOf joins those of an image's platforms.
func (b *imageSet) contentsOf(im *image) report.Check {
	if len(im.platforms) == 0 {
		return b.run.check(report.Contents, report.Unknown, report.NoClaim, "there is no platform to look into")
	}
	verified := 0
	var worst report.Check
	for _, p := range im.platforms {
		switch {
		case p.contents.Verdict == report.Verified:
			verified++
		case worst.Name == "" || p.contents.Verdict == report.Refuted && worst.Verdict != report.Refuted:
			worst = p.contents
			worst.Detail = p.name + ": " + worst.Detail
		}
	}
	if verified < len(im.platforms) {
		return worst
	}
	c := b.run.check(report.Contents, report.Verified, "", "of each of its %d platforms: %s", verified, im.platforms[0].contents.Detail)
	c.Evidence = im.platforms[0].contents.Evidence
	return c
}

// inside unpacks one platform's image and judges its programs.
func (b *imageSet) inside(ctx context.Context, im *image, p *platform) report.Check {
	unknown := func(reason report.Reason, format string, args ...any) report.Check {
		return b.run.check(report.Contents, report.Unknown, reason, format, args...)
	}
	programs := b.run.session.Policy.Contents[im.name]
	switch {
	case len(programs) == 0:
		return unknown(report.NoClaim, "does not apply: the policy knows no program in %s that a release signs as a file", im.name)
	case p.desc.Digest == "":
		return unknown(report.Incomplete, "there is no image to look into")
	case !p.linux():
		return unknown(report.NoClaim, "does not apply to %s: images are of linux", p.name)
	case p.diffIDs == nil || len(p.blobs) != len(p.diffIDs):
		return unknown(report.NoClaim, "its manifest or config could not be read")
	case !b.docs.Usable():
		return unknown(report.NoClaim, "there is no usable SBOM of %s to say what the programs should be", cmp.Or(im.tag, "any release"))
	}
	total := int64(0)
	for _, d := range p.blobs {
		if total += d.Size; total > maxImageBytes || d.Size > maxImageBytes {
			return unknown(report.Limit, "its layers are more than the %d bytes that are read", int64(maxImageBytes))
		}
	}
	fs := rootfs.New(ctx, slices.Collect(maps.Keys(programs)))
	for i, d := range p.blobs {
		if err := b.unpack(ctx, fs, p, i); err != nil {
			c := b.run.failed(report.Contents, fmt.Errorf("layer %d of %d, %s: %w", i+1, len(p.blobs), d.Digest.Short(), err))
			return c
		}
	}
	var says []string
	var seen []report.Evidence
	for _, file := range slices.Sorted(maps.Keys(programs)) {
		path := "bin/linux/" + p.arch + "/" + programs[file]
		want256, want512, err := release.SBOMFile(b.docs.Release.SBOM.Value, im.version, path)
		if err != nil {
			return unknown(report.NoClaim, "%v", err)
		}
		n, err := fs.At(file)
		switch {
		case err != nil:
			return b.run.failed(report.Contents, err)
		case n == nil:
			return unknown(report.Incomplete, "there is no %s in the image", file)
		case n.Link != "":
			return unknown(report.Malformed, "%s is a link to %.200q, where the release has a plain file", file, n.Link)
		case n.Kind != "":
			return unknown(report.Malformed, "%s is %s, where the release has a plain file", file, n.Kind)
		}
		s := b.docs.SBOMStrength()
		seen = append(seen, report.Evidence{What: "program", Source: file, Digest: string(oci.FromHex(n.SHA256)), Fields: map[string]string{report.FieldSHA512: n.SHA512}},
			report.Evidence{What: "claim", Source: b.docs.Release.SBOM.URL, Digest: string(oci.FromHex(want256)), Strength: &s, Fields: map[string]string{report.FieldSays: path}})
		if n.SHA256 != want256 || n.SHA512 != want512 {
			c := b.run.check(report.Contents, report.Refuted, report.Mismatch, "%s is sha256 %.12s..., but %s of %s is %.12s... by its SBOM", file, n.SHA256, path, im.version, want256)
			c.Evidence = report.EvidenceOf(seen...)
			return c
		}
		says = append(says, fmt.Sprintf("%s is %s of %s", file, path, im.version))
	}
	c := b.run.check(report.Contents, report.Verified, "", "%s", strings.Join(says, "; "))
	if !b.docs.SBOM.Signed {
		c = unknown(report.NoClaim, "%s by an SBOM whose signature does not hold", strings.Join(says, "; "))
	}
	c.Evidence = report.EvidenceOf(seen...)
	return c
}

// unpack streams one layer, and reads it to its end whatever is in it.
func (b *imageSet) unpack(ctx context.Context, fs *rootfs.FS, p *platform, i int) error {
	body, err := b.run.registry.OpenBlob(ctx, b.run.in(p.repository), p.blobs[i])
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return fs.Add(body, p.blobs[i].MediaType, p.diffIDs[i])
}
