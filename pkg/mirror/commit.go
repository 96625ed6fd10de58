package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// Made says what a run has done to a mirror's lists.
type Made struct {
	Listed   bool // what was wanted is in the lists now
	Changed  bool // and they are others than before
	Unsigned bool // a signature of MANIFEST.json was removed, which was of the list before
	Absent   []string
}

// Commit puts what was brought in into the mirror's lists. If anything was
// refuted, or something is unknown that is not allowed to be, nothing of the
// release is listed; what was brought in stays for the next run.
func (p *Plan) Commit(ctx context.Context) (report.Report, Made, error) {
	r := p.outcome(ctx)
	v := r.Verdict()
	if v == report.Refuted || r.Interrupted || v == report.Unknown && !p.maker.AllowUnknown {
		return r, Made{}, nil
	}
	if errors.Join(p.errs...) != nil { // a blob is missing: nothing that names it can be listed
		return r, Made{}, nil //nolint:nilerr // the report says it
	}
	found := &Manifest{Releases: []string{p.wish.Version.String()}, Images: p.images, Unknown: p.unknown}
	scope := Scope{Release: p.wish.Version.String(), Images: p.wish.Images, Names: p.wish.Names, Arches: p.wish.Arches, OSes: p.wish.OSes}
	for _, ref := range p.wish.Also {
		scope.Also = append(scope.Also, ref.String())
	}
	found.Scope = []Scope{scope}
	if err := p.listFiles(ctx, found); err != nil {
		return r, Made{}, err
	}
	made, err := p.maker.commit(r, found, p)
	made.Listed = err == nil
	for _, i := range p.images {
		made.Absent = union(made.Absent, i.Absent)
	}
	return r, made, err
}

// beside are the endings of a file and of what lies beside it.
var beside = []string{"", ".sha256", ".sha512", ".sig", ".cert", verify.BundleSuffix}

// listFiles lists the files that were judged, with what lies beside each.
func (p *Plan) listFiles(ctx context.Context, found *Manifest) error {
	for i, res := range p.results {
		origin := p.origins[i].String()
		if res.Verdict() != report.Verified {
			u := UnknownEntry{Name: res.Subject, Release: p.wish.Version.String(), Digest: res.Digest}
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
		sums, err := fetch.HashFile(ctx, p.maker.root, filePath(res.Subject), nil)
		for try := 0; try < 5 && errors.Is(err, fetch.ErrNotRegular); try++ { // another run is giving it its name
			time.Sleep(busyWait)
			sums, err = fetch.HashFile(ctx, p.maker.root, filePath(res.Subject), nil)
		}
		if err != nil {
			return err
		}
		found.Files = append(found.Files, p.fileEntry(res.Subject, "", origin, wantOf(sums)))
		for _, suffix := range beside[1:] {
			url := res.Subject + suffix
			if lies, ok := p.lies[url]; ok {
				found.Files = append(found.Files, p.fileEntry(url, suffix, origin, lies))
			} else if _, err := p.maker.root.Lstat(filePath(url)); err == nil {
				p.stray = append(p.stray, url)
			}
		}
	}
	return nil
}

func wantOf(s fetch.Sums) want { return want{sha256: s.SHA256, size: s.Size} }

// fileEntry lists a file, or what lies beside one.
func (p *Plan) fileEntry(url, suffix, origin string, w want) FileEntry {
	e := FileEntry{URL: url, SHA256: w.sha256, Size: w.size, Origin: origin, Releases: []string{p.wish.Version.String()},
		Verdict: report.Unknown.String()} // it vouches for itself alone
	if suffix == "" || suffix == verify.BundleSuffix {
		e.Verdict = report.Verified.String()
	}
	return e
}

// writeBeside writes what lies beside a file, and remembers it for the lists.
// What these have with other bytes waits until they change: else the mirror
// would contradict itself if the run ended here.
func (p *Plan) writeBeside(name string, text []byte) error {
	url, m := "https://"+strings.TrimPrefix(name, "files/"), p.maker
	lies := want{sha256: hashHex(text), size: int64(len(text))}
	there := (&change{root: m.root}).same(name, text)
	listed, has := m.listed[url]
	wait := !there && has && listed != lies
	p.mu.Lock()
	p.lies[url] = lies
	if wait {
		p.held[url] = text
	}
	p.mu.Unlock()
	if there || wait {
		return nil
	}
	return fetch.WriteFile(m.root, name, text, 0o644)
}

// commit joins what was found with the lists as they are now, under a lock.
func (m *Maker) commit(r report.Report, found *Manifest, p *Plan) (made Made, err error) {
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
	all.Tool, all.SchemaVersion, all.Sums = m.Tool, manifestVersion, sumsFile
	policy, root := r.Policy, r.TrustedRoot
	policy.Path, root.Path = "", "" // of another machine
	all.Policy, all.TrustedRoot = &policy, &root
	all.merge(found)
	for _, url := range sortedKeys(p.held) {
		c.put(filePath(url), p.held[url])
	}
	for _, url := range p.stray { // it proves nothing, and no list has it
		if !slices.ContainsFunc(all.Files, func(f FileEntry) bool { return f.URL == url }) {
			c.remove(filePath(url))
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
	if err := m.mend(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// current reads MANIFEST.json as it is now.
func (m *Maker) current() (*Manifest, []byte, error) {
	dir := &Dir{path: m.Dir, fsys: m.root.FS()}
	doc, err := dir.readChange()
	if err != nil {
		return nil, nil, err
	}
	if doc != nil { // a dry run, which completes nothing
		dir.fsys = newPending(dir.fsys, doc)
	}
	body, err := dir.readIf(manifestFile, maxManifestFile)
	if err != nil || body == nil {
		return &Manifest{}, nil, err
	}
	parsed, err := parseManifest(body)
	if err != nil {
		return nil, nil, fmt.Errorf("the mirror %s cannot be gone on with: MANIFEST.json: %w", m.Dir, err)
	}
	if m.Operator != nil {
		signature, err := dir.readIf(signatureFile, maxBundle)
		if err != nil {
			return nil, nil, err
		}
		if !m.Operator.Signed(body, signature) {
			parsed.doc.disown()
		}
	}
	return parsed.doc, body, nil
}

// disown takes back what the list says was published. Who signs a list vouches
// for what a run of theirs has read, and not for what somebody wrote into it since.
func (m *Manifest) disown() {
	for i := range m.Files {
		m.Files[i].Origin = fetch.Carried.String()
	}
}

// documents adds what the verdicts rest on. Of promotion manifests only the
// lines of images that the mirror holds are kept.
func (m *Maker) documents(c *change, all *Manifest, releases []string, docs []verify.AdmittedDocument) {
	for _, d := range docs {
		body, whole := d.Body, ""
		if strings.HasSuffix(d.URL, "/images.yaml") {
			body = release.ExcerptPromotion(d.Body, all.holds())
			if body == nil {
				continue
			}
			if len(body) != len(d.Body) {
				sum := sha256.Sum256(d.Body)
				whole = hex.EncodeToString(sum[:])
			}
		}
		parts := map[string][]byte{"": body}
		for suffix, text := range d.Beside {
			parts[suffix] = text
		}
		for _, suffix := range sortedKeys(parts) {
			text := parts[suffix]
			if len(text) == 0 {
				continue
			}
			sum := sha256.Sum256(text)
			e := FileEntry{URL: d.URL + suffix, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text)), Origin: d.Origin.String(),
				Verdict: report.Unknown.String(), Releases: releases}
			if suffix == "" {
				e.Verdict, e.ExcerptOf = d.Verdict.String(), whole
			} else if suffix == verify.BundleSuffix {
				e.Verdict = report.Verified.String()
			}
			c.put(filePath(e.URL), text)
			all.merge(&Manifest{Files: []FileEntry{e}})
		}
	}
}

// holds says of a line of a promotion manifest whether it is about an image of
// the mirror: by its digest, or by a tag that an image has here.
func (m *Manifest) holds() func(name, digest string, tags []string) bool {
	known := map[string]bool{}
	note := func(full, digest string) {
		ref, err := registry.ParseRef(full)
		if err != nil {
			return
		}
		name := release.PromotionName(ref.Repository)
		known[name+"@"+digest] = true
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
	return func(name, digest string, tags []string) bool {
		return known[name+"@"+digest] || slices.ContainsFunc(tags, func(t string) bool { return known[name+":"+t] })
	}
}

// writeLists writes all lists that differ from what is there, and with them what
// else has changed: all of it at once.
func (m *Maker) writeLists(c *change, all *Manifest, before []byte) (made Made, err error) {
	text, err := all.bytes()
	if err != nil {
		return made, err
	}
	if made.Changed = !bytes.Equal(text, before); made.Changed {
		all.Created = m.Now().UTC().Format(time.RFC3339)
		if text, err = all.bytes(); err != nil {
			return made, err
		}
	}
	index, err := all.index()
	if err != nil {
		return made, err
	}
	if len(text) > maxManifestFile || len(index) > maxIndexFile {
		return made, fmt.Errorf("the lists of the mirror %s would be larger than can be read (%d and %d bytes); make another mirror for some of the releases", m.Dir, len(text), len(index))
	}
	files := map[string][]byte{manifestFile: text, layoutFile: []byte(layoutText), indexFile: index}
	signature, err := fetch.ReadRegular(m.root, signatureFile, maxManifestFile)
	had := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	if fits := had && vouch.Check(text, signature) == nil; !fits {
		c.remove(signatureFile)
		signature, made.Unsigned = nil, had && m.Operator == nil
	}
	if m.Operator != nil && (signature == nil || made.Changed || !m.Operator.Signed(text, signature)) {
		if signature, err = m.Operator.Sign(text); err != nil {
			return made, fmt.Errorf("MANIFEST.json could not be signed: %w", err)
		}
	}
	order := []string{manifestFile, layoutFile, indexFile}
	if signature != nil {
		files[signatureFile] = signature
		order = []string{manifestFile, signatureFile, layoutFile, indexFile}
	}
	files[sumsFile] = sums(files)
	for _, name := range append(order, sumsFile) {
		c.put(name, files[name])
	}
	return made, c.carryOut()
}
