package verify

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// catalogueWitness asks the catalogue of past releases (rule 12). It knows the tags
// of a digest as its promotion manifest listed them, all of them, so that a
// digest of other tags contradicts; a tag that it does not know says nothing.
func (b *imageSet) catalogueWitness(im *image, platform string, digest oci.Digest) witness {
	c := b.run.catalogue
	if c == nil || digest == "" {
		return witness{}
	}
	t := witness{source: "built-in catalogue", digest: oci.Digest(c.Source().Digest), strength: report.Embedded}
	name := im.name
	if platform == trust.IndexRow && !im.core {
		name, platform = b.child(name)
	}
	tags := c.Tags(name, platform, digest)
	what := name
	if platform != trust.IndexRow {
		what += " " + platform
	}
	if im.tag == "" {
		if len(tags) > 0 {
			t.stance, t.tags, t.detail = affirms, tags, fmt.Sprintf("the built-in catalogue knows it as %s %s", what, strings.Join(tags, ", "))
		}
		return t
	}
	row, known := c.Row(name, im.tag, platform)
	switch {
	case known && row.Digest == digest:
		t.stance, t.detail = affirms, fmt.Sprintf("the built-in catalogue knows it as %s %s", what, im.tag)
	case im.signed.signature.Reason == report.Untrusted:
		// By a signer whom the root does not know, and unknown for that: the image
		// may be of another instance, of which the catalogue does not speak.
	case known:
		t.stance, t.detail = contradicts, fmt.Sprintf("the built-in catalogue knows %s %s as %s", what, im.tag, row.Digest.Short())
	case len(tags) > 0:
		row, _ = c.Row(name, tags[0], platform)
		t.stance, t.detail = contradicts, fmt.Sprintf("the built-in catalogue knows this digest as %s %s", what, strings.Join(tags, ", "))
	}
	if row.Source != "" {
		t.source = "built-in catalogue, row from " + c.Describe(row)
	}
	return t
}

// child reads the name of a repository of one architecture, such as
// "kube-proxy-arm64", which is that child of the image (rule 21).
func (b *imageSet) child(name string) (image, platform string) {
	for _, arch := range release.Arches {
		if base, ok := strings.CutSuffix(name, "-"+arch); ok {
			return base, "linux/" + arch
		}
	}
	return name, trust.IndexRow
}
