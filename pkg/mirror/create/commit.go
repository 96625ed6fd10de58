package create

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// Committed says what a run has done to a mirror's lists.
type Committed struct {
	Listed   bool // what was wanted is in the lists now
	Changed  bool // and they are others than before
	Wrote    bool // a list, a signature or a document was written anew
	Unsigned bool // a signature of MANIFEST.json was removed, which was of the list before
	Absent   []string
}

// Commit puts what was brought in into the mirror's lists. If anything was
// refuted, or something is unknown that is not allowed to be, nothing of the
// release is listed; what was brought in stays for the next run.
func (p *Plan) Commit(ctx context.Context) (report.Report, Committed, error) {
	r := p.outcome(ctx)
	v := r.Verdict()
	if v == report.Refuted || r.Interrupted || v == report.Unknown && !p.maker.AllowUnknown {
		return r, Committed{}, nil
	}
	if errors.Join(p.errs...) != nil { // a blob is missing: nothing that names it can be listed
		return r, Committed{}, nil //nolint:nilerr // the report says it
	}
	found := &layout.Manifest{Releases: []string{p.request.Version.String()}, Images: p.images, Unknown: p.unknown}
	scope := layout.Scope{Release: p.request.Version.String(), Images: p.request.Images, Names: p.request.Names, Arches: p.request.Arches, OSes: p.request.OSes}
	for _, ref := range p.request.Also {
		scope.Also = append(scope.Also, ref.String())
	}
	found.Scope = []layout.Scope{scope}
	if err := p.listFiles(ctx, found); err != nil {
		return r, Committed{}, err
	}
	made, err := p.maker.commit(r, found, p)
	made.Listed = err == nil
	for _, i := range p.images {
		made.Absent = layout.Union(made.Absent, i.Absent)
	}
	return r, made, err
}

// listFiles lists the files that were judged, with what lies beside each.
func (p *Plan) listFiles(ctx context.Context, found *layout.Manifest) error {
	for i, res := range p.results {
		origin := p.origins[i].String()
		if res.Verdict() != report.Verified {
			u := layout.UnknownEntry{Name: res.Subject, Release: p.request.Version.String(), Digest: oci.Digest(res.Digest)}
			for _, c := range res.Checks {
				if c.Required && c.Verdict != report.Verified && u.Detail == "" {
					u.Detail = c.Name + ": " + c.Detail
				}
			}
			if n := len(res.SeenAs); n > 0 {
				u.Path = res.SeenAs[n-1]
			} else {
				u.Digest = ""
			}
			found.Unknown = append(found.Unknown, u)
			continue
		}
		sums, err := fetch.HashFile(ctx, p.maker.root, layout.FilePath(res.Subject), nil)
		for try := 0; try < 5 && errors.Is(err, fetch.ErrNotRegular); try++ { // another run is giving it its name
			time.Sleep(busyWait)
			sums, err = fetch.HashFile(ctx, p.maker.root, layout.FilePath(res.Subject), nil)
		}
		if err != nil {
			return err
		}
		found.Files = append(found.Files, p.fileEntry(res.Subject, "", origin, wantOf(sums)))
		for _, suffix := range layout.Sidecars[1:] {
			url := res.Subject + suffix
			if lies, ok := p.sidecars[url]; ok {
				found.Files = append(found.Files, p.fileEntry(url, suffix, origin, lies))
			} else if _, err := p.maker.root.Lstat(layout.FilePath(url)); err == nil {
				p.stray = append(p.stray, url)
			}
		}
	}
	return nil
}

func wantOf(s fetch.Sums) layout.Want { return layout.Want{Sha256: s.SHA256, Size: s.Size} }

// fileEntry lists a file, or what lies beside one.
func (p *Plan) fileEntry(url, suffix, origin string, w layout.Want) layout.FileEntry {
	e := layout.FileEntry{URL: url, SHA256: w.Sha256, Size: w.Size, Origin: origin, Releases: []string{p.request.Version.String()},
		Verdict: report.Unknown.String()} // it vouches for itself alone
	if suffix == "" || suffix == verify.BundleSuffix {
		e.Verdict = report.Verified.String()
	}
	return e
}

// writeSidecar writes what lies beside a file, and remembers it for the lists.
// What these have with other bytes waits until they change: else the mirror
// would contradict itself if the run ended here.
func (p *Plan) writeSidecar(name string, text []byte) error {
	url, m := "https://"+strings.TrimPrefix(name, "files/"), p.maker
	lies := layout.Want{Sha256: layout.HashHex(text), Size: int64(len(text))}
	there := (&change{root: m.root}).same(name, text)
	listed, has := m.listed[url]
	wait := !there && has && listed != lies
	p.mu.Lock()
	p.sidecars[url] = lies
	if wait {
		p.waiting[url] = text
	}
	p.mu.Unlock()
	if there || wait {
		return nil
	}
	return fetch.WriteFile(m.root, name, text, 0o644)
}

// commit joins what was found with the lists as they are now, under a lock.
func (m *Maker) commit(r report.Report, found *layout.Manifest, p *Plan) (made Committed, err error) {
	unlock, err := m.lockLists()
	if err != nil {
		return made, err
	}
	defer unlock()
	c := &change{root: m.root}
	old, oldBytes, err := m.current()
	if err != nil {
		return made, err
	}
	all := old
	all.Tool, all.SchemaVersion, all.Sums = m.Tool, layout.ManifestVersion, layout.SumsFile
	policy, root := r.Policy, r.TrustedRoot
	policy.Path, root.Path = "", "" // of another machine
	all.Policy, all.TrustedRoot = &policy, &root
	all.Merge(found)
	for _, url := range slices.Sorted(maps.Keys(p.waiting)) {
		c.put(layout.FilePath(url), p.waiting[url])
	}
	for _, url := range p.stray { // it proves nothing, and no list has it
		if !slices.ContainsFunc(all.Files, func(f layout.FileEntry) bool { return f.URL == url }) {
			c.remove(layout.FilePath(url))
		}
	}
	m.documents(c, all, found.Releases, p.carried.Documents)
	return m.writeLists(c, all, oldBytes)
}

// lockLists keeps others from the lists until it is released, and completes what
// a run was killed in that had them.
func (m *Maker) lockLists() (unlock func(), err error) {
	f, err := m.root.Open("oci")
	if err != nil {
		return nil, err
	}
	lock(f, true, true)
	if err := m.completeChange(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// current reads MANIFEST.json as it is now.
func (m *Maker) current() (*layout.Manifest, []byte, error) {
	fsys := m.root.FS()
	doc, err := layout.ReadChange(fsys)
	if err != nil {
		return nil, nil, err
	}
	if doc != nil { // a dry run, which completes nothing
		fsys = layout.Overlay(fsys, doc)
	}
	body, err := layout.ReadIfThere(fsys, layout.ManifestFile, layout.MaxManifestFile)
	if err != nil || body == nil {
		return &layout.Manifest{}, nil, err
	}
	parsed, err := layout.ParseManifest(body)
	if err != nil {
		return nil, nil, fmt.Errorf("the mirror %s cannot be updated: MANIFEST.json: %w", m.Dir, err)
	}
	if m.Operator != nil {
		signature, err := layout.ReadIfThere(fsys, layout.SignatureFile, layout.MaxBundle)
		if err != nil {
			return nil, nil, err
		}
		if !m.Operator.Signed(body, signature) {
			disown(parsed.Manifest)
		}
	}
	return parsed.Manifest, body, nil
}

// disown takes back what the list says was published. Who signs a list vouches
// for what a run of theirs has read, and not for what others wrote into it since.
func disown(m *layout.Manifest) {
	for i := range m.Files {
		m.Files[i].Origin = fetch.Carried.String()
	}
}

// documents adds what the verdicts rest on. Of promotion manifests only the
// lines of images that the mirror holds are kept.
func (m *Maker) documents(c *change, all *layout.Manifest, releases []string, docs []verify.AdmittedDocument) {
	for _, d := range docs {
		body, whole := d.Body, ""
		if strings.HasSuffix(d.URL, "/images.yaml") {
			body = release.ExcerptPromotion(d.Body, heldLines(all))
			if body == nil {
				continue
			}
			if len(body) != len(d.Body) {
				sum := sha256.Sum256(d.Body)
				whole = hex.EncodeToString(sum[:])
			}
		}
		parts := map[string][]byte{"": body}
		for suffix, text := range d.Sidecars {
			parts[suffix] = text
		}
		for _, suffix := range slices.Sorted(maps.Keys(parts)) {
			text := parts[suffix]
			if len(text) == 0 {
				continue
			}
			sum := sha256.Sum256(text)
			e := layout.FileEntry{URL: d.URL + suffix, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text)), Origin: d.Origin.String(),
				Verdict: report.Unknown.String(), Releases: releases}
			if suffix == "" {
				e.Verdict, e.ExcerptOf = d.Verdict.String(), whole
			} else if suffix == verify.BundleSuffix {
				e.Verdict = report.Verified.String()
			}
			c.put(layout.FilePath(e.URL), text)
			all.Merge(&layout.Manifest{Files: []layout.FileEntry{e}})
		}
	}
}

// heldLines says of a line of a promotion manifest whether it is about an image of
// the mirror: by its digest, or by a tag that an image has here.
func heldLines(m *layout.Manifest) func(name string, digest oci.Digest, tags []string) bool {
	known := map[string]bool{}
	note := func(full string, digest oci.Digest) {
		ref, err := registry.ParseRef(full)
		if err != nil {
			return
		}
		name := release.PromotionName(ref.Repository)
		known[name+"@"+string(digest)] = true
		if ref.Tag != "" {
			known[name+":"+ref.Tag] = true
		}
	}
	for _, i := range m.Images {
		note(i.Name, i.Digest)
	}
	for _, u := range m.Unknown {
		note(u.Name, u.Digest)
	}
	return func(name string, digest oci.Digest, tags []string) bool {
		return known[name+"@"+string(digest)] || slices.ContainsFunc(tags, func(t string) bool { return known[name+":"+t] })
	}
}

// writeLists writes all lists that differ from what is there, and with them what
// else has changed: all of it at once.
func (m *Maker) writeLists(c *change, all *layout.Manifest, before []byte) (made Committed, err error) {
	text, err := all.Bytes()
	if err != nil {
		return made, err
	}
	if made.Changed = !bytes.Equal(text, before); made.Changed {
		all.Created = m.Now().UTC().Format(time.RFC3339)
		if text, err = all.Bytes(); err != nil {
			return made, err
		}
	}
	index, err := all.Index()
	if err != nil {
		return made, err
	}
	if len(text) > layout.MaxManifestFile || len(index) > layout.MaxIndexFile {
		return made, fmt.Errorf("the lists of the mirror %s would be larger than can be read (%d and %d bytes); make another mirror for some of the releases", m.Dir, len(text), len(index))
	}
	files := map[string][]byte{layout.ManifestFile: text, layout.LayoutFile: []byte(layout.LayoutText), layout.IndexFile: index}
	signature, err := fetch.ReadRegular(m.root, layout.SignatureFile, layout.MaxManifestFile)
	had := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	if fits := had && vouch.Check(text, signature) == nil; !fits {
		c.remove(layout.SignatureFile)
		signature, made.Unsigned = nil, had && m.Operator == nil
	}
	if m.Operator != nil && (signature == nil || made.Changed || !m.Operator.Signed(text, signature)) {
		if signature, err = m.Operator.Sign(text); err != nil {
			return made, fmt.Errorf("MANIFEST.json could not be signed: %w", err)
		}
	}
	order := []string{layout.ManifestFile, layout.LayoutFile, layout.IndexFile}
	if signature != nil {
		files[layout.SignatureFile] = signature
		order = []string{layout.ManifestFile, layout.SignatureFile, layout.LayoutFile, layout.IndexFile}
	}
	files[layout.SumsFile] = layout.Sums(files)
	for _, name := range append(order, layout.SumsFile) {
		c.put(name, files[name])
	}
	err = c.carryOut()
	made.Wrote = c.wrote
	return made, err
}
