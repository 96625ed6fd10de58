package seen

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// verified says whether everything that was found out about it is.
func (g *genuine) verified() bool { return g.err == nil && g.result.Verdict() == report.Verified }

// name is the image's own, with its platform.
func (g *genuine) name() string {
	return strings.TrimSpace(g.of.ref.String() + " " + g.result.Platform)
}

// at is where it runs: as its config says or, where that was not read, its index.
func (g *genuine) at() (os, arch string) {
	if g.platform.OS != "" {
		return g.platform.OS, g.platform.Architecture
	}
	rest, _, _ := strings.Cut(g.result.Platform, ":")
	parts := append(strings.Split(rest, "/"), "")
	return parts[0], parts[1]
}

// maxConfig caps an image's config: those of a release are under 10 KB.
const maxConfig = 1 << 20

// tablesAtOnce is how many configs are read side by side.
const tablesAtOnce = 32

// newTables makes a table of each image that was examined.
func (s *run) newTables(ctx context.Context, results []report.Result) {
	var all []*genuine
	var fresh []*table
	for i, res := range results {
		if res.Kind != "image" {
			continue
		}
		t := s.tables[res.Subject]
		if t != nil && t.read { // examined twice: what came out otherwise is said too
			s.put(res)
			continue
		}
		if t == nil {
			ref, err := registry.ParseRef(res.Subject)
			if err != nil {
				continue // not the name of an image that this package asked for
			}
			t = &table{ref: ref, index: &report.Result{}}
			s.tables[res.Subject] = t
			s.order, fresh = append(s.order, t), append(fresh, t)
		}
		if res.Platform == "" {
			t.index = &results[i]
			continue
		}
		g := &genuine{of: t, result: res}
		t.platforms, all = append(t.platforms, g), append(all, g)
	}
	for _, t := range fresh {
		if len(t.platforms) == 0 && t.index.Digest != "" { // one manifest without an index
			g := &genuine{of: t, result: *t.index}
			t.platforms, all = []*genuine{g}, append(all, g)
		}
		t.read = true
	}
	par.Map(ctx, len(all), tablesAtOnce, func(ctx context.Context, i int) { all[i].err = s.fill(ctx, all[i]) },
		func(i int) { all[i].err = context.Canceled })
	for _, t := range fresh {
		for _, g := range t.platforms {
			if !g.verified() {
				t.lacking = append(t.lacking, g.result.Platform)
			}
		}
		t.whole = len(t.platforms) > 0 && len(t.lacking) == 0 && t.index.Verdict() == report.Verified
		if n := s.platformsOf(ctx, t); n > len(t.platforms) {
			t.whole = false
		}
		t.derived = s.deriveIndexes(ctx, t)
		t.forget()
	}
	s.indexDigests()
}

// forget drops the bytes that digests were computed of: a list may name thousands of images.
func (t *table) forget() {
	for _, g := range t.platforms {
		g.manifest = nil
		for i := range g.derived {
			g.derived[i].Bytes = nil
		}
	}
	for i := range t.derived {
		t.derived[i].Bytes = nil
	}
}

// platformsOf counts the platforms that the index itself names: a sparse mirror has
// results for fewer. What cannot be read counts as many.
func (s *run) platformsOf(ctx context.Context, t *table) (n int) {
	if t.index.Digest == "" {
		return math.MaxInt
	}
	ref := t.ref
	ref.Tag, ref.Digest = "", oci.Digest(t.index.Digest)
	m, err := s.verifier.Registry.Manifest(ctx, ref)
	if err != nil {
		return math.MaxInt
	}
	if !m.IsIndex() {
		return 1
	}
	idx, err := m.Index()
	if err != nil {
		return math.MaxInt
	}
	for _, d := range idx.Manifests {
		if d.Platform != nil && d.Platform.OS != "unknown" {
			n++
		}
	}
	return n
}

// fill reads the manifest and the config of a platform, both by digest.
func (s *run) fill(ctx context.Context, g *genuine) error {
	ref := g.of.ref
	if g.result.Digest == "" {
		return fmt.Errorf("%s has no digest", g.name())
	}
	ref.Tag, ref.Digest = "", oci.Digest(g.result.Digest)
	reg := s.verifier.Registry
	m, err := reg.Manifest(ctx, ref)
	if err != nil {
		return err
	}
	if g.image, err = m.Image(); err != nil {
		return err
	}
	body, err := reg.Blob(ctx, ref.At(g.image.Config.Digest), maxConfig)
	if err != nil {
		return err
	}
	c, err := registry.ParseConfig(body)
	if err != nil {
		return err
	}
	g.manifest, g.config, g.diffIDs, g.platform = m.Body, body, c.DiffIDs, c.Platform()
	g.derive()
	return nil
}

// name says which image the hit is, for a message.
func (h hit) name() string {
	name, release := h.table.ref.String(), h.table.index.Release
	if h.of != nil {
		name = h.of.name()
	}
	if h.table.ref.Tag == "" && release != "" {
		name += " of " + release
	}
	return name
}

// version is the tag that the digest was found under or, where it was looked up by itself,
// the release that it was bound to; empty if it was bound to none.
func (h hit) version() string {
	if h.table.ref.Tag != "" {
		return h.table.ref.Tag
	}
	return h.table.index.Release
}

// verified says whether what the digest is of was verified: only then may it contradict.
func (h hit) verified() bool {
	if h.of != nil {
		return h.of.verified()
	}
	return h.table.index.Verdict() == report.Verified
}

// indexDigests notes every digest of every table. Any digest is tried in every
// role: what a runtime calls an id is a config's in one store, an index's in another.
func (s *run) indexDigests() {
	clear(s.hits)
	add := func(digest oci.Digest, h hit) {
		if digest != "" && !slices.Contains(s.hits[digest], h) {
			s.hits[digest] = append(s.hits[digest], h)
		}
	}
	for _, t := range s.order {
		add(oci.Digest(t.index.Digest), hit{table: t, role: sight.Index})
		for _, g := range t.platforms {
			add(oci.Digest(g.result.Digest), hit{table: t, of: g, role: sight.Manifest})
			if g.image == nil {
				continue
			}
			add(g.image.Config.Digest, hit{table: t, of: g, role: sight.Config})
			for i := range g.derived {
				add(g.derived[i].Digest, hit{table: t, of: g, role: g.derived[i].role, form: &g.derived[i]})
			}
		}
		for i := range t.derived {
			add(t.derived[i].Digest, hit{table: t, role: sight.Index, form: &t.derived[i]})
		}
	}
}

// within gives the hits of a digest in the table that a claim chooses.
func (s *run) within(c claim, digest oci.Digest) (in []hit) {
	for _, h := range s.hits[digest] {
		if h.table == s.tables[c.key()] && (h.of == nil || c.allows(h.of.at())) {
			in = append(in, h)
		}
	}
	return in
}

// elsewhere finds what else a digest is known to be: the digest of another image,
// version or platform that was verified, or that the catalogue names (rule 28). What is
// in the claim's own table is nothing else.
func (s *run) elsewhere(c claim, digest oci.Digest) (a another, ok bool) {
	if len(s.within(c, digest)) > 0 {
		return a, false
	}
	own := s.tables[c.key()]
	// While nothing was read under the name itself, another tag of the same image contradicts
	// nothing: one digest may have several tags, as those of pause and etcd have. Only an image
	// that is built with each release, under the tag of one, is of no other.
	_, notRelease := release.ParseVersion(c.ref.Tag)
	open := (own == nil || len(own.platforms) == 0) && (notRelease != nil || !s.isCore(c.ref.Repository))
	for _, h := range s.hits[digest] {
		same := h.table.ref.Repository == c.ref.Repository && (h.of == nil || c.allows(h.of.at()))
		if same && (open || h.version() == c.ref.Tag && c.ref.Tag != "") {
			return a, false
		}
		if h.verified() && !(same && h.version() == "") { // of no version that is known, it is not of another
			return another{h.name() + " (" + h.role.String() + ")", report.Signed, h.table.ref.String(), oci.Digest(h.table.index.Digest)}, true
		}
	}
	for _, row := range s.catalogued(digest) {
		if row.Image == c.ref.Repository && (row.Tag == c.ref.Tag || open) {
			return a, false
		}
	}
	for _, row := range s.catalogued(digest) {
		return another{strings.TrimSuffix(row.Image+":"+row.Tag+" "+row.Platform, " index"), report.Embedded, "built-in catalogue", oci.Digest(s.catalogue().Source().Digest)}, true
	}
	return a, false
}
