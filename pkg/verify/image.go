package verify

import (
	"context"
	"fmt"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// examine fills in everything about one image that the registry itself can
// tell. What ties it to a version is decided afterwards, over all images.
func (r *run) examine(ctx context.Context, im *image) {
	tasks := append([]func(){func() { r.examineIndex(ctx, im) }}, r.askEarly(ctx, im)...)
	tasks = append(tasks, r.askHinted(ctx, im)...)
	if err := session.Guard(func() { par.Do(tasks...) }); err != nil {
		im.digestCheck = r.failed(report.Digest, err)
		im.signed = r.notLookedAt()
		im.platforms = nil
	}
	r.attest(ctx, im)
	r.attestChild(ctx, im)
	r.progress.finish(1)
}

// askEarly makes the requests that need not wait for the index, because names
// and tags are known: a config is then one answer away instead of two.
func (r *run) askEarly(ctx context.Context, im *image) (tasks []func()) {
	if !im.core || im.tag == "" {
		return nil
	}
	im.early = map[string]func() (*registry.Manifest, error){}
	for _, arch := range im.expect {
		ask := par.OnceValues(func() (*registry.Manifest, error) { return r.registry.Manifest(ctx, r.own(im, arch)) })
		im.early[arch] = ask
		tasks = append(tasks, func() { _ = session.Guard(func() { _, _ = ask() }) }) // who needs the answer sees how it went
	}
	return tasks
}

// askHinted asks for the signatures of the digests that the names of an image are thought to
// have, while the names themselves are asked for. The registry's client remembers what came, so
// that a hint that is right saves the round trips between the two; nothing else looks at it.
func (r *run) askHinted(ctx context.Context, im *image) (tasks []func()) {
	if im.tag == "" || len(r.hints) == 0 && im.pin == "" {
		return nil
	}
	ask := func(repository, platform string) {
		digest := r.hints[[2]string{r.subject(im), platform}]
		if platform == "" && im.pin != "" {
			digest = im.pin
		}
		if digest == "" {
			return
		}
		ref := r.signatureRef(repository, digest)
		tasks = append(tasks, func() {
			_ = session.Guard(func() { _, _ = r.registry.Manifest(ctx, ref) }) // who needs it sees how it went
		})
	}
	ask(im.name, "")
	if im.core && (im.own || !r.copies()) {
		for _, arch := range im.expect {
			ask(r.own(im, arch).Repository, "linux/"+arch)
		}
	}
	return tasks
}

func (r *run) examineIndex(ctx context.Context, im *image) {
	ref := im.ref()
	ref.Host = r.session.Policy.Images.Registry
	m, err := r.registry.Manifest(ctx, ref)
	if err == nil {
		r.placeLate(ctx, im, m)
	}
	if im.maybeChild(m, err) {
		r.examineChild(ctx, im, m)
		return
	}
	if err != nil {
		im.digestCheck, im.signed = r.notRead(ctx, im, err), r.notLookedAt()
		return
	}
	r.examineManifest(ctx, im, ref, m)
}

// examineManifest judges what a name or a digest gave.
func (r *run) examineManifest(ctx context.Context, im *image, ref registry.Ref, m *registry.Manifest) {
	im.digest, im.mediaType = m.Digest, m.MediaType
	seen := report.Evidence{What: "manifest", Source: ref.String(), Digest: string(m.Digest)}
	im.digestCheck = r.check(report.Digest, report.Verified, "", "%d bytes hash to %s", len(m.Body), m.Digest.Short())
	im.digestCheck.Evidence = report.EvidenceOf(seen)
	if !m.IsIndex() {
		r.examineSingle(ctx, im, m)
		return
	}
	idx, err := m.Index()
	if err != nil {
		im.digestCheck, im.signed = r.failed(report.Digest, err), r.notLookedAt()
		return
	}
	if n := countPlatforms(idx); n > maxPlatforms {
		im.digestCheck = r.check(report.Digest, report.Unknown, report.Limit, "the index names %d platforms, more than the %d that are looked at", n, maxPlatforms)
		im.signed = r.notLookedAt()
		return
	}
	im.choose(idx)
	im.list(r, idx)
	if typ := fileIndex(idx); typ != "" && r.isImageName(im.name) {
		im.digestCheck = r.check(report.Digest, report.Refuted, report.Mismatch, "it is an index of files (%.100q), and %s is the name of an image", typ, im.name)
	}
	r.legacy.inherit(im.name, im.digest, im.children())
	tasks := []func(){func() { im.signed = r.imageSignature(ctx, im.name, m.Digest, im.name, "") }}
	for _, p := range im.platforms {
		if p.desc.Digest == "" {
			continue // expected, but not in the index
		}
		tasks = append(tasks, func() { r.examinePlatform(ctx, im, p) })
	}
	tasks = append(tasks, func() { r.reallyAbsent(ctx, im) })
	par.Do(tasks...)
	for _, p := range im.platforms {
		r.inherit(im, p)
	}
	if im.other.Name != "" {
		im.digestCheck = im.other
	}
}

// examineSingle is for a name that answers with one manifest. Release images
// are indexes (rule 20), so there that is a contradiction.
func (r *run) examineSingle(ctx context.Context, im *image, m *registry.Manifest) {
	im.single = true
	img, err := m.Image()
	if err != nil {
		im.digestCheck, im.signed = r.failed(report.Digest, err), r.notLookedAt()
		return
	}
	if isFile(img) {
		im.digestCheck = r.fileCheck(ctx, im.name, registry.Descriptor{Digest: m.Digest}, img, im.digestCheck)
	}
	if im.core && im.tag != "" {
		im.digestCheck = r.check(report.Digest, report.Refuted, report.Mismatch,
			"%s is one manifest (%s), where a release has an index over its platforms", r.subject(im), m.MediaType)
	}
	im.signed = r.imageSignature(ctx, im.name, m.Digest, im.name, "")
}

// list takes over the platforms of an index, in its order, and then those that
// are expected and not in it.
func (im *image) list(r *run, idx *registry.Index) {
	names := map[string]bool{}
	arches := map[string]bool{}
	im.widen(idx)
	for _, d := range idx.Manifests {
		p := &platform{desc: d}
		if d.Platform != nil {
			p.arch, p.name = d.Platform.Architecture, d.Platform.String()
		}
		if !isPlatform(d) || im.child != "" && !im.stray && d.Digest != im.child {
			continue
		}
		if names[p.name] {
			im.digestCheck = r.check(report.Digest, report.Refuted, report.Mismatch, "the index names %s twice", p.name)
		}
		names[p.name] = true
		arches[p.arch] = arches[p.arch] || d.Platform.OS == "linux"
		switch {
		case im.asksFor(d):
			im.platforms = append(im.platforms, p)
		case im.narrowed || r.held:
			r.session.Absent.Add(r.subject(im) + " " + p.name)
			im.left = append(im.left, p)
		}
	}
	for _, arch := range im.expect {
		if !arches[arch] {
			p := &platform{arch: arch, name: "linux/" + arch}
			p.digestCheck = r.check(report.Digest, report.Unknown, report.Incomplete, "the index does not name linux/%s, which this release has", arch)
			p.signed = r.notLookedAt()
			im.platforms = append(im.platforms, p)
		}
	}
}

// maxPlatforms caps the platforms of an index: each costs some four requests.
// Those of a release are five, pause has ten.
const maxPlatforms = 64

func countPlatforms(idx *registry.Index) (n int) {
	for _, d := range idx.Manifests {
		if isPlatform(d) {
			n++
		}
	}
	return n
}

// examinePlatform reads the manifest of one platform, from its own repository
// where it has one, and side by side looks for a signature of its own.
func (r *run) examinePlatform(ctx context.Context, im *image, p *platform) {
	ref := registry.Ref{Host: r.session.Policy.Images.Registry, Repository: im.name, Digest: p.desc.Digest}
	if im.core && im.tag != "" && p.desc.Platform.OS == "linux" {
		if r.copies() && !im.own {
			r.examineBeside(ctx, im, p, ref)
			return
		}
		ref = r.own(im, p.arch)
	}
	err := session.Guard(func() {
		par.Do(
			func() { r.readPlatform(ctx, im, p, ref) },
			func() {
				p.signed = signed{absent: true}
				if ref.Tag != "" {
					p.signed = r.imageSignature(ctx, ref.Repository, p.desc.Digest, im.name, p.arch)
				}
			})
	})
	if err != nil {
		p.digestCheck, p.signed = r.failed(report.Digest, err), r.notLookedAt()
	}
}

func (r *run) readPlatform(ctx context.Context, im *image, p *platform, ref registry.Ref) {
	refute := func(format string, args ...any) {
		p.digestCheck = r.check(report.Digest, report.Refuted, report.Mismatch, format, args...)
	}
	ask := im.early[p.arch]
	if ref.Tag == "" || ask == nil {
		ask = func() (*registry.Manifest, error) { return r.registry.Manifest(ctx, ref) }
	}
	m, err := ask()
	if err != nil {
		p.digestCheck = r.failed(report.Digest, err)
		return
	}
	if ref.Tag != "" {
		p.seenAs = append(p.seenAs, ref.String())
	}
	switch {
	case im.platformPin != "" && m.Digest != im.platformPin:
		if img, err := m.Image(); err == nil && img.Config.Digest == im.platformPin {
			p.digestCheck = r.imageID(im.platformPin, p.name)
			return
		}
		refute("%s is %s, not %s as asked for", ref, m.Digest, im.platformPin)
		return
	case m.Digest != p.desc.Digest:
		refute("%s is %s, but the index of %s says %s for %s", ref, m.Digest, r.subject(im), p.desc.Digest, p.name)
		return
	case int64(len(m.Body)) != p.desc.Size:
		refute("%s has %d bytes, but the index says %d", ref, len(m.Body), p.desc.Size)
		return
	case m.MediaType != p.desc.MediaType:
		refute("%s is %s, but the index says %s", ref, m.MediaType, p.desc.MediaType)
		return
	}
	img, err := m.Image()
	if err != nil {
		p.digestCheck = r.failed(report.Digest, err)
		return
	}
	p.blobs, p.repository, p.config = img.Layers, ref.Repository, img.Config.Digest
	for _, l := range img.Layers {
		p.layers = append(p.layers, l.Digest)
	}
	p.digestCheck = r.check(report.Digest, report.Verified, "", "%d bytes hash to %s, as the index says", len(m.Body), m.Digest.Short())
	p.digestCheck.Evidence = report.EvidenceOf(report.Evidence{What: "manifest", Source: ref.String(), Digest: string(m.Digest)})
	if isFile(img) {
		p.digestCheck = r.fileCheck(ctx, im.name, p.desc, img, p.digestCheck)
		return
	}
	if _, contents := r.asks(im, report.Contents); contents || r.needs(report.Binding) {
		r.readConfig(ctx, p, ref.Repository, img)
	}
}

// maxConfig caps an image config. Those of a release are under 10 KB.
const maxConfig = 1 << 20

func (r *run) readConfig(ctx context.Context, p *platform, repository string, img *registry.Image) {
	b, err := r.registry.Blob(ctx, r.in(repository).At(img.Config.Digest), maxConfig)
	if err == nil {
		var c *registry.Config
		if c, err = registry.ParseConfig(b); err == nil {
			want := p.desc.Platform
			if c.OS != want.OS || c.Architecture != want.Architecture {
				p.digestCheck = r.check(report.Digest, report.Refuted, report.Mismatch,
					"the config says %s/%s, but the index says %s", c.OS, c.Architecture, p.name)
				return
			}
			if len(c.DiffIDs) != len(img.Layers) {
				p.digestCheck = r.check(report.Digest, report.Refuted, report.Mismatch,
					"the config names %d layers, the manifest %d", len(c.DiffIDs), len(img.Layers))
				return
			}
			p.diffIDs = c.DiffIDs
			p.digestCheck.Evidence = p.digestCheck.Evidence.Add(
				report.Evidence{What: "config", Source: repository, Digest: string(img.Config.Digest)})
			return
		}
	}
	p.digestCheck = r.failed(report.Digest, fmt.Errorf("config of %s: %w", p.name, err))
}

// inherit gives a platform the signature of the index that names it, if it has
// none of its own (rule 20). A signature of its own that does not hold is not
// covered up by that.
func (r *run) inherit(im *image, p *platform) {
	if !p.signed.absent {
		return
	}
	p.signed.signature, p.signed.reference = im.signed.signature, im.signed.reference
	if c := &p.signed.signature; c.Verdict == report.Verified {
		c.Detail = "named by the signed index: " + c.Detail
	}
}
