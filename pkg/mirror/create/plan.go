package create

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Request is what is wanted of one release.
type Request struct {
	Version release.Version
	Images  bool     // images at all
	Names   []string // of images; none means all
	Arches  []string // none means all
	OSes    []string // none means all
	Also    []registry.Ref
	// Files chooses among the paths of the release; nil wants none.
	Files func(path string) bool
}

// Plan is what has to be done for one release, after its images and documents
// were verified.
type Plan struct {
	Report report.Report // of the images and documents; a refutation stops everything
	Items  []*Item       // what is to be brought in, in a fixed order
	Need   int64         // bytes of blobs that are not there yet; of files it is not known before

	maker   *Maker
	request Request
	carried *verify.Admitted
	images  []layout.ImageEntry
	unknown []layout.UnknownEntry
	results []report.Result // of the files
	origins []fetch.Origin
	errs    []error

	mu       sync.Mutex
	sidecars map[string]layout.Want // by URL, what lies beside files that were verified
	waiting  map[string][]byte      // by URL, what of it would contradict the lists until they change
	stray    []string               // URLs of what lies beside files, and does not belong there
}

// Item is one blob or file on its way into a mirror.
type Item struct {
	Name         string // as a person knows it
	Path         string // in the mirror
	URL          string // of a file, outside; empty for a blob
	Size         int64  // 0 while it is not known
	AlreadyThere bool   // something of its size stands in the mirror already, which is hashed before it counts
	Transfer     fetch.Transfer

	do   func(ctx context.Context) (said string)
	skip func()
}

// Do brings the item in and says in a word how that went. It may be called for
// several items at once.
func (i *Item) Do(ctx context.Context) string { return i.do(ctx) }

// Skip says that the run did not come to it.
func (i *Item) Skip() { i.skip() }

// content is a blob or a manifest that something admitted names.
type content struct {
	digest     oci.Digest
	mediaType  string
	size       int64
	host, repo string
	body       []byte // of manifests; what is larger is fetched
	unpacked   layout.Unpacked
}

// Plan verifies what is wanted, and lists what has to be brought in.
//
// What the mirror holds already is used, and if the verdict is then anything
// but verified, everything is asked for once more outside before it counts.
func (m *Maker) Plan(ctx context.Context, w Request) (*Plan, error) {
	p, err := m.plan(ctx, w)
	if err == nil && p.Report.Verdict() != report.Verified && m.overlay != nil && m.overlay.used.Load() > 0 && ctx.Err() == nil {
		m.withoutOverlay()
		return m.plan(ctx, w)
	}
	return p, err
}

func (m *Maker) plan(ctx context.Context, w Request) (*Plan, error) {
	p := &Plan{maker: m, request: w, sidecars: map[string]layout.Want{}, waiting: map[string][]byte{}}
	c := verify.AdmitRequest{Version: w.Version, Images: w.Images, Names: w.Names, Arches: w.Arches, OSes: w.OSes, Also: w.Also,
		Referrers: true, Files: w.Files != nil}
	if m.old != nil && !m.Refresh {
		for _, i := range m.old.Images {
			if i.Referrers != "" {
				c.Known = append(c.Known, i.Digest)
			}
		}
	}
	var err error
	if p.carried, err = m.Verifier.Admit(ctx, c); err != nil {
		return nil, err
	}
	p.Report = p.carried.Report
	if p.Report.Verdict() == report.Refuted || p.Report.Verdict() == report.Unknown && !m.AllowUnknown {
		return p, nil
	}
	pieces := map[oci.Digest]*content{}
	for _, im := range p.carried.Images {
		if err := p.image(ctx, im, pieces); err != nil {
			return nil, err
		}
	}
	for _, digest := range slices.Sorted(maps.Keys(pieces)) {
		p.blobItem(pieces[digest])
	}
	if w.Files != nil && p.carried.Files != nil {
		p.fileItems(ctx)
	}
	return p, nil
}

// image takes over the names of an image, and everything that they name.
func (p *Plan) image(ctx context.Context, im verify.AdmittedImage, pieces map[oci.Digest]*content) error {
	releases := []string{p.request.Version.String()}
	if im.Verdict != report.Verified {
		u := layout.UnknownEntry{Name: im.Ref.String(), Release: p.request.Version.String(), Digest: im.Digest, Detail: im.Detail}
		if im.Digest != "" {
			if _, err := p.follow(ctx, registry.Ref{Host: im.Ref.Host, Repository: im.Ref.Repository, Digest: im.Digest}, im.Digest, pieces); err != nil {
				u.Digest, u.Detail = "", u.Detail+"; "+err.Error() // recorded, and not even its bytes are here
			}
		}
		p.unknown = append(p.unknown, u)
		return nil
	}
	for i, a := range im.Admissions {
		absent, err := p.follow(ctx, a.Ref(), a.Digest(), pieces)
		if err != nil {
			return err
		}
		e := layout.ImageEntry{Name: a.Ref().String(), Digest: a.Digest(), MediaType: a.MediaType(), Size: a.Size(), Absent: absent,
			Origin: fetch.Carried.String(), Verdict: report.Verified.String(), Why: a.Why(), Releases: releases}
		if a.Ref().Tag != "" && a.Ref().Digest != "" { // a tag, demanded with a digest
			e.Name = registry.Ref{Host: a.Ref().Host, Repository: a.Ref().Repository, Tag: a.Ref().Tag}.String()
		}
		if i == 0 {
			e.Referrers = im.Referrers
		}
		p.images = append(p.images, e)
	}
	return nil
}

// follow reads a manifest that must have the digest, and collects what it
// names. The platforms that are not wanted are returned.
func (p *Plan) follow(ctx context.Context, ref registry.Ref, digest oci.Digest, pieces map[oci.Digest]*content) (absent []string, err error) {
	m, err := p.maker.Verifier.Registry.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	if m.Digest != digest {
		return nil, &registry.DigestError{Subject: ref.String(), Want: string(digest), Got: string(m.Digest), Claim: "what was verified"}
	}
	pieces[digest] = &content{digest: digest, mediaType: m.MediaType, size: int64(len(m.Body)), host: ref.Host, repo: ref.Repository, body: m.Body}
	if m.IsIndex() {
		index, err := m.Index()
		if err != nil {
			return nil, err
		}
		for _, d := range index.Manifests {
			if !p.wanted(d.Platform) {
				absent = append(absent, d.Platform.String())
				continue
			}
			if _, err := p.follow(ctx, registry.Ref{Host: ref.Host, Repository: ref.Repository, Digest: d.Digest}, d.Digest, pieces); err != nil {
				return nil, err
			}
		}
		return absent, nil
	}
	img, err := m.Image()
	if err != nil {
		return nil, err
	}
	for _, d := range append([]registry.Descriptor{img.Config}, img.Layers...) {
		if pieces[d.Digest] == nil {
			pieces[d.Digest] = &content{digest: d.Digest, mediaType: d.MediaType, size: d.Size, host: ref.Host, repo: ref.Repository}
		}
	}
	if !layout.IsConfig(img.Config.MediaType) {
		return nil, nil
	}
	body, err := p.maker.Verifier.Registry.Blob(ctx, ref.At(img.Config.Digest), layout.MaxChecked)
	if err != nil {
		return nil, err
	}
	config, err := registry.ParseConfig(body)
	if err != nil {
		return nil, err
	}
	layers, err := layout.LayersOf(img, config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	pieces[img.Config.Digest].body = body
	for digest, u := range layers {
		pieces[digest].unpacked.MediaType = u.MediaType
		pieces[digest].unpacked.DiffIDs = append(pieces[digest].unpacked.DiffIDs, u.DiffIDs...)
	}
	return nil, nil
}

// wanted says whether a child of an index is carried. Children that are not platforms are carried too.
func (p *Plan) wanted(platform *registry.Platform) bool {
	if platform == nil || platform.OS == "unknown" && platform.Architecture == "unknown" {
		return true
	}
	return (len(p.request.Arches) == 0 || slices.Contains(p.request.Arches, platform.Architecture)) &&
		(len(p.request.OSes) == 0 || slices.Contains(p.request.OSes, platform.OS))
}

func (p *Plan) blobItem(b *content) {
	name := layout.BlobPath(b.digest)
	it := &Item{Name: b.repo + "@" + b.digest.Short(), Path: name, Size: b.size, AlreadyThere: p.maker.holds(name, b.size)}
	at := len(p.errs)
	p.errs = append(p.errs, nil)
	it.do = func(ctx context.Context) string {
		said, err := p.maker.fetchBlob(ctx, b, &it.Transfer)
		if p.errs[at] = err; err != nil {
			return "failed"
		}
		return said
	}
	it.skip = func() { p.errs[at] = context.Canceled }
	if !it.AlreadyThere {
		p.Need += b.size
	}
	p.Items = append(p.Items, it)
}

func (p *Plan) fileItems(ctx context.Context) {
	files := p.carried.Files
	var paths []string
	for _, listed := range files.Load(ctx).Items {
		if !listed.Image && verify.IsSubject(listed.Subject) && release.CheckPath(listed.Subject) == nil && p.request.Files(listed.Subject) {
			paths = append(paths, listed.Subject)
		}
	}
	slices.Sort(paths)
	p.results, p.origins = make([]report.Result, len(paths)), make([]fetch.Origin, len(paths))
	for i, name := range paths {
		t := verify.Target{Path: name, Name: layout.FilePath(p.request.Version.FileURL(name)), Mode: 0o644, Sidecars: true, WaitIfBusy: true, Origin: &p.origins[i],
			Attempts: p.maker.Attempts, Reserve: p.maker.space, Write: p.writeSidecar}
		if release.DescribeFile(name).Kind == "binary" {
			t.Mode = 0o755
		}
		if p.maker.AllowUnknown {
			t.QuarantineAs = path.Join(layout.UnknownFolder, strings.TrimPrefix(p.request.Version.FileURL(name), "https://"))
		}
		it := &Item{Name: name, Path: t.Name, URL: p.request.Version.FileURL(name)}
		if w, listed := p.maker.listed[it.URL]; listed && p.maker.holds(t.Name, w.Size) {
			it.Size, it.AlreadyThere = w.Size, true
		}
		t.Progress = &it.Transfer
		it.do = func(ctx context.Context) string {
			p.results[i] = files.Download(ctx, p.maker.root, t)
			return p.results[i].Verdict().String()
		}
		it.skip = func() { p.results[i] = files.Skipped(name) }
		p.Items = append(p.Items, it)
	}
}

// None is what to say where the release does not have what was asked for; see
// [verify.Listing.None].
func (p *Plan) None(ctx context.Context, err error) error {
	if p.carried.Files == nil {
		return err
	}
	return p.carried.Files.Load(ctx).None(err)
}

// Files returns how many files of the release are among the items.
func (p *Plan) Files() int { return len(p.results) }

// CheckFree says whether what is missing has room in the directory.
func (p *Plan) CheckFree() error { return fetch.CheckFree(p.maker.root, p.Need) }

// Run brings in all items, as many at once as jobs says.
func (p *Plan) Run(ctx context.Context, jobs int, began, ended func(i int, said string)) {
	par.Map(ctx, len(p.Items), jobs, func(ctx context.Context, i int) {
		began(i, "")
		ended(i, p.Items[i].Do(ctx))
	}, func(i int) { p.Items[i].Skip() })
}

// outcome joins the report with what became of the items.
func (p *Plan) outcome(ctx context.Context) report.Report {
	r := p.Report
	r.Results = append(slices.Clone(r.Results), p.results...)
	for i, err := range p.errs {
		if err == nil {
			continue
		}
		c := report.Check{Name: report.Digest, Required: true, Detail: err.Error()}
		if c.Verdict, c.Reason = session.Classify(err); c.Reason == report.Interrupted {
			c.Detail = "the run was interrupted before this was brought in"
		}
		r.Results = append(r.Results, report.Result{Subject: p.Items[i].Name, Kind: "blob", Release: p.request.Version.String(), Checks: []report.Check{c}})
	}
	r.Interrupted = r.Interrupted || ctx.Err() != nil
	return r
}
