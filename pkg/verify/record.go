package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

var commitForm = lazyregexp.New(`^[0-9a-f]{40}$`)

// readRecords reads the promotion manifests that records name. A record tells
// that the promoter promoted a digest; which tag it was given, and that a reviewed
// manifest said so, only the two together do (rule 11).
func (b *imageSet) readRecords(ctx context.Context) {
	if !b.run.needs(report.Binding) {
		return
	}
	read := map[string]release.Source[*release.Promotion]{}
	for _, im := range b.images {
		for _, r := range im.records {
			if !slices.Contains([]string{"git+https://github.com/kubernetes/k8s.io", "git+https://github.com/kubernetes/k8s.io.git"}, r.repository) ||
				r.manifest != release.PromotionPath(im.name) || !commitForm().MatchString(r.commit) {
				continue
			}
			url := release.PromotionAt(im.name, r.commit)
			src, ok := read[url]
			if !ok && len(read) < maxCommits {
				src = release.LoadPromotionAt(ctx, b.run.session.Fetch, im.name, r.commit)
				read[url] = src
			}
			r.source = src
		}
	}
}

// maxCommits caps how many editions of promotion manifests are read for the
// records of one release, which has one or two.
const maxCommits = 64

// recordWitness is what the records of an image's promotion say, each with its
// manifest. A digest may have several: a later one that names no manifest takes
// nothing from the first. A contradiction outweighs what affirms, and the strongest counts.
func recordWitness(im *image) witness {
	var best witness
	for _, r := range im.records {
		t := r.witness(im)
		switch {
		case t.stance == contradicts:
			return t
		case t.stance == affirms && !best.strong():
			best = t
		}
	}
	return best
}

// witness says what a record and its manifest say of an image's digest. The manifest
// counts for what it was read as: the signature over the record names a commit,
// and not the bytes.
func (r *record) witness(im *image) witness {
	if r == nil || r.source.Err != nil || r.source.Value == nil || im.tag == "" || !slices.Contains(r.tags, im.tag) || r.destination == "" {
		return witness{}
	}
	t := witness{source: r.source.URL, digest: r.source.Digest, strength: session.Strength(r.source.Origin)}
	name := release.PromotionName(im.name)
	switch want := r.source.Value.Digests(name, im.tag); {
	case len(want) == 1 && want[0] == im.digest:
		t.stance, t.detail = affirms, fmt.Sprintf("the promotion record and the manifest at the commit that it names list it as %s:%s", name, im.tag)
	case len(want) > 0 && !slices.Contains(want, im.digest):
		t.stance, t.detail = contradicts, fmt.Sprintf("the manifest that its promotion record names says that %s:%s is %s", name, im.tag, want[0].Short())
	}
	return t
}
