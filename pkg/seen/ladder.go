package seen

import (
	"context"
	"fmt"
	"slices"

	"github.com/kverify/kverify/pkg/convert"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// A ladder judges copies by the rungs of the check copy: the first one that
// holds decides (docs/trust.md, rules 28 to 30).
type ladder struct {
	run *run
	// remote says that the copy lies in a registry: a runtime that pulls from one holds
	// what a manifest names against its digests, so that nothing under a genuine one is read.
	remote bool
	// unlisted says that the copies lie in a store whose names lie elsewhere: an image may be
	// any manifest in it, for whatever platform an index names it.
	unlisted bool
}

// climb judges a copy under a name.
func (l ladder) climb(ctx context.Context, c claim, n sight.Node) []finding {
	if n.Role == sight.Index {
		return l.climbIndex(ctx, c, n, 0)
	}
	return []finding{l.climbImage(ctx, c, n)}
}

// maxNested caps how deep indexes name indexes: a layout's own list may name an
// index, and none of a release names another.
const maxNested = 2

func (l ladder) climbIndex(ctx context.Context, c claim, n sight.Node, depth int) []finding {
	self := finding{index: l.run.tables[c.key()], digest: n.Blob.Digest, role: sight.Index}
	fail := func(f finding) []finding {
		f.index, f.digest, f.role = self.index, self.digest, sight.Index
		return []finding{f}
	}
	switch {
	case n.Bytes == nil && n.Err != nil:
		return fail(unread("the index", n.Err))
	case n.Bytes == nil:
		return fail(unknown(report.Incomplete, "the index %s is named and is not there", n.Blob.Digest.Short()))
	case depth > maxNested:
		return fail(unknown(report.Limit, "indexes name one another more than %d deep", maxNested))
	}
	self.digest = oci.DigestOf(n.Bytes)
	if n.Blob.Digest != "" && n.Blob.Digest != self.digest {
		if len(l.run.within(c, n.Blob.Digest)) > 0 {
			return fail(refuted("the bytes under the digest of the genuine index hash to %s", self.digest.Short()))
		}
		return fail(unknown(report.Malformed, "the index is said to be %s, and its bytes hash to %s", n.Blob.Digest.Short(), self.digest.Short()))
	}
	var known *hit
	for _, h := range l.run.within(c, self.digest) {
		if h.role == sight.Index {
			known = &h
		}
	}
	if known == nil {
		if a, ok := l.run.elsewhere(c, self.digest); ok {
			return fail(contradicted(a, "it is %s, under the name %s", a.name, c.seen))
		}
	}
	children := l.climbChildren(ctx, c, n, depth, known != nil && known.form == nil)
	if n.Err != nil { // there may be more of it than was read
		children = append(children, fail(unread("the index", n.Err))...)
	}
	if known == nil { // made anew by some tool: its platforms speak for it
		if len(children) == 0 {
			return fail(unknown(report.Incomplete, "the index names no platform that lies there"))
		}
		return children
	}
	self.form = known.form
	worst, any := worstOf(children)
	switch {
	case worst == report.Refuted:
		self.verdict, self.reason, self.detail = report.Refuted, report.Mismatch, "the index is genuine, and what lies under it is not"
	case any:
		self.verdict, self.detail = report.Verified, "the index is the one that Kubernetes released"+self.form.words()
	default:
		self.reason, self.detail = report.Incomplete, "the index is genuine, and no platform of it lies there whole"
	}
	if missing := absentChildren(n); missing > 0 {
		self.notes = append(self.notes, fmt.Sprintf("%d of the %d platforms that the index names are not there", missing, len(n.Children)))
	}
	return append([]finding{self}, children...)
}

// climbChildren judges what an index names. A child of a genuine index that is
// absent is no finding: an exporter leaves out platforms that were never pulled.
func (l ladder) climbChildren(ctx context.Context, c claim, n sight.Node, depth int, isGenuine bool) (out []finding) {
	for _, child := range n.Children {
		if l.leaves(child, isGenuine) {
			continue
		}
		below := c.below(child.Platform)
		if child.Role == sight.Index {
			out = append(out, l.climbIndex(ctx, below, child, depth+1)...)
			continue
		}
		out = append(out, l.climbImage(ctx, below, child))
	}
	return out
}

// leaves says whether what an index names is none of what was asked for. In a store only
// the genuine index tells what it is, of bytes that are what it names.
func (l ladder) leaves(child sight.Node, isGenuine bool) bool {
	isThere := child.Bytes != nil || child.Err != nil
	switch {
	case isGenuine && !isThere:
		return true
	case !l.run.leaves(child.Platform, isGenuine):
		return false
	}
	return !isThere || !l.unlisted || isGenuine && isItself(child)
}

// isItself says whether a manifest and its config are the bytes that are named.
func isItself(n sight.Node) bool {
	return n.Err == nil && oci.DigestOf(n.Bytes) == n.Blob.Digest && (n.ConfigBytes == nil || oci.DigestOf(n.ConfigBytes) == n.Config.Digest)
}

// worstOf joins findings, and says whether any was verified.
func worstOf(list []finding) (worst report.Verdict, any bool) {
	worst = report.Verified
	for _, f := range list {
		any = any || f.verdict == report.Verified
		if f.verdict == report.Refuted || worst == report.Verified {
			worst = f.verdict
		}
	}
	return worst, any
}

func absentChildren(n sight.Node) (missing int) {
	for _, child := range n.Children {
		if child.Bytes == nil && child.Err == nil {
			missing++
		}
	}
	return missing
}

func (l ladder) climbImage(ctx context.Context, c claim, n sight.Node) finding {
	f := l.rung(ctx, c, n)
	if f.digest == "" {
		f.digest, f.role = n.Blob.Digest, sight.Manifest
		if f.digest == "" {
			f.digest, f.role = n.Config.Digest, sight.Config
		}
	}
	if f.platform == "" {
		f.platform = n.Platform
		if config, err := registry.ParseConfig(n.ConfigBytes); err == nil && f.platform == "" {
			f.platform = config.Platform().String()
		}
	}
	return f
}

// rung is the first rung of the ladder that holds for one platform.
func (l ladder) rung(ctx context.Context, c claim, n sight.Node) finding {
	manifest, config := n.Blob.Digest, n.Config.Digest
	if n.Bytes != nil {
		if got := oci.DigestOf(n.Bytes); manifest == "" {
			manifest = got
		} else if got != manifest {
			if h := l.run.within(c, manifest); len(h) > 0 {
				return refuted("the bytes under the digest of a genuine manifest hash to %s", got.Short())
			}
			return unknown(report.Malformed, "the manifest is said to be %s, and its bytes hash to %s", manifest.Short(), got.Short())
		}
	}
	if manifest != "" {
		for _, h := range l.run.within(c, manifest) {
			if h.role == sight.Manifest && h.form == nil {
				return l.genuineManifest(ctx, h.of, n)
			}
		}
		if a, ok := l.run.elsewhere(c, manifest); ok {
			return contradicted(a, "it is %s, under the name %s", a.name, c.label())
		}
		if n.Bytes == nil && n.Role == sight.Manifest {
			return unknown(report.Incomplete, "the manifest %s is named and is not there", manifest.Short())
		}
	}
	if n.Err != nil {
		return unread("what lies there", n.Err)
	}
	if n.ConfigBytes == nil {
		return unknown(report.Incomplete, "its config is not there, which says of what image its layers are")
	}
	got := oci.DigestOf(n.ConfigBytes)
	if config != "" && config != got {
		if h := l.run.within(c, config); len(h) > 0 {
			return refuted("the bytes under the digest of a genuine config hash to %s", got.Short())
		}
		return unknown(report.Malformed, "the config is said to be %s, and its bytes hash to %s", config.Short(), got.Short())
	}
	for _, h := range l.run.within(c, got) {
		if h.role == sight.Config {
			f := l.layersOf(ctx, h.of, n)
			f.of, f.role, f.digest, f.form = h.of, sight.Config, got, h.form
			if f.verdict == report.Verified {
				f.detail = fmt.Sprintf("its config is the genuine one%s, and %s", h.form.words(), f.detail)
				if n.Bytes != nil {
					f.detail += "; what else its manifest says, such as annotations, was not judged"
				}
			}
			return f
		}
	}
	if a, ok := l.run.elsewhere(c, got); ok {
		return contradicted(a, "its config is that of %s, under the name %s", a.name, c.label())
	}
	return l.rewritten(ctx, c, n)
}

// genuineManifest is the first rung: the manifest is the one that was released,
// and so everything that it names is what was released if it hashes.
func (l ladder) genuineManifest(ctx context.Context, g *genuine, n sight.Node) finding {
	f := finding{of: g, role: sight.Manifest, digest: oci.Digest(g.result.Digest)}
	end := func(v finding) finding {
		f.verdict, f.reason, f.detail = v.verdict, v.reason, v.detail
		return f
	}
	switch {
	case g.err != nil:
		return end(unknown(report.Incomplete, "the genuine manifest was not read: %v", g.err))
	case n.Err == nil && n.Bytes == nil:
		return end(unknown(report.Incomplete, "the genuine manifest is named and is not there"))
	case n.Err == nil && l.remote: // a runtime that pulls it checks the rest by its digests
		return end(finding{verdict: report.Verified, detail: "its manifest is the genuine one; its layers were not read, since a runtime that pulls them checks them against it"})
	case n.Err != nil:
		return end(unread("its manifest is the genuine one, and what it names", n.Err))
	case n.ConfigBytes == nil:
		return end(unknown(report.Incomplete, "its manifest is the genuine one, and its config is not there"))
	case oci.DigestOf(n.ConfigBytes) != g.image.Config.Digest:
		return end(refuted("its manifest is the genuine one, and its config is not the one that the manifest names"))
	case len(n.Layers) != len(g.image.Layers):
		return end(unknown(report.Malformed, "its manifest names %d layers, and %d were read", len(g.image.Layers), len(n.Layers)))
	}
	for i, d := range g.image.Layers {
		if n.Layers[i].Absent() {
			return end(unknown(report.Incomplete, "layer %d of %d is not there", i+1, len(g.image.Layers)))
		}
		content, err := n.Layers[i].Read(ctx)
		if err != nil {
			return end(unread(fmt.Sprintf("layer %d of %d", i+1, len(g.image.Layers)), err))
		}
		if content.Digest != d.Digest {
			return end(refuted("layer %d of %d is not the bytes that the manifest names: they hash to %s", i+1, len(g.image.Layers), content.Digest.Short()))
		}
	}
	return end(finding{verdict: report.Verified, detail: fmt.Sprintf("its manifest is the genuine one, and its config and %d layers hash", len(n.Layers))})
}

// layersOf is what rungs two and three share: a genuine config, and as many layers
// as it has diff_ids, each at its place, each one clean stream that hashes to it.
func (l ladder) layersOf(ctx context.Context, g *genuine, n sight.Node) finding {
	want := g.diffIDs
	if g.err != nil {
		return unknown(report.Incomplete, "its config is named by the genuine manifest, and could not be read there: %v", g.err)
	}
	if len(n.Layers) != len(want) {
		return refuted("it has %d layers, and the genuine config names %d", len(n.Layers), len(want))
	}
	for i, blob := range n.Layers {
		what := fmt.Sprintf("layer %d of %d", i+1, len(want))
		if blob.Absent() {
			return unknown(report.Incomplete, "%s is not there", what)
		}
		content, err := blob.Read(ctx)
		switch {
		case err != nil:
			return unread(what, err)
		case content.SecondTable:
			return unknown(report.NoClaim, "%s has a second table of contents, by which some runtimes unpack it, and which is not signed", what)
		case content.Unpacked == "" && content.Joined != "" && content.Joined != want[i]:
			return refuted("%s is not the bytes that the config names: unpacked they hash to %s", what, content.Joined.Short())
		case content.Unpacked == "":
			return unpacking(what, content)
		case content.Unpacked != want[i]:
			return refuted("%s is not the bytes that the config names: unpacked they hash to %s", what, content.Unpacked.Short())
		case blob.Digest != "" && blob.Digest != content.Digest:
			return unknown(report.Malformed, "%s is said to be %s, and its bytes hash to %s", what, blob.Digest.Short(), content.Digest.Short())
		}
	}
	return finding{verdict: report.Verified, detail: fmt.Sprintf("all %d layers are those that it names", len(want))}
}

// unpacking is the finding of a layer that does not come to one clean end.
func unpacking(what string, c sight.Content) finding {
	if c.Err == nil {
		return unknown(report.Malformed, "%s is not one packed stream", what)
	}
	return unread(what, c.Err)
}

// rewritten is the last two rungs: a config that no table has.
func (l ladder) rewritten(ctx context.Context, c claim, n sight.Node) finding {
	t := l.run.tables[c.key()]
	if t == nil || len(t.platforms) == 0 {
		return unknown(report.NoClaim, "no release is known to have an image of the name %s", c.label())
	}
	var ids []oci.Digest
	for i, blob := range n.Layers {
		what := fmt.Sprintf("layer %d of %d", i+1, len(n.Layers))
		if blob.Absent() {
			return unknown(report.Incomplete, "Kubernetes released no such config, and %s is not there", what)
		}
		content, err := blob.Read(ctx)
		if err != nil {
			return unread(what, err)
		}
		if content.Unpacked == "" {
			return unpacking(what, content)
		}
		ids = append(ids, content.Unpacked)
	}
	for _, g := range t.platforms {
		if g.verified() && c.allows(g.at()) && slices.Equal(g.diffIDs, ids) {
			return otherConfig(g, n)
		}
	}
	if !t.whole {
		return unknown(report.Incomplete, "its config is not one that was read of %s; to say more, every platform of that image must be verified, and %s was not", t.ref, t.lack())
	}
	most, of := nearest(t, ids)
	return refuted("it is not %s: %s", t.ref, differ(most, of, len(ids)))
}

// otherConfig says what it is where all layers are genuine and the config is not.
// What changes what runs is no conversion of any tool, and the cheapest attack there is.
func otherConfig(g *genuine, n sight.Node) finding {
	run, rest, err := convert.Differences(g.config, n.ConfigBytes)
	f := finding{of: g, role: sight.Config, digest: oci.DigestOf(n.ConfigBytes)}
	v := unknown(report.NoClaim, "its layers are those of %s, and its config was rewritten (%s); copy it again with --preserve-digests, or as dir: or docker-archive:", g.name(), list(rest))
	switch {
	case err != nil:
		v = unknown(report.Malformed, "its layers are those of %s, and its config cannot be read: %v", g.name(), err)
	case len(run) > 0:
		v = refuted("its layers are those of %s, and its config sets another %s", g.name(), list(run))
	}
	f.verdict, f.reason, f.detail = v.verdict, v.reason, v.detail
	return f
}

// nearest finds the platform that has the most of these layers.
func nearest(t *table, ids []oci.Digest) (most int, of *genuine) {
	for _, g := range t.platforms {
		n := 0
		for _, id := range ids {
			if slices.Contains(g.diffIDs, id) {
				n++
			}
		}
		if of == nil || n > most {
			most, of = n, g
		}
	}
	return most, of
}

func differ(most int, of *genuine, n int) string {
	if most == 0 {
		return fmt.Sprintf("none of its %d layers is one of that image's", n)
	}
	return fmt.Sprintf("%d of its %d layers are those of %s, which has %d", most, n, of.name(), len(of.diffIDs))
}

func (t *table) lack() string {
	if len(t.lacking) == 0 {
		return "another platform than those that were asked for"
	}
	return list(t.lacking)
}
