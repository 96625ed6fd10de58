package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Files judges the files of one release by the bytes that were received, read
// or found of them: what they hash to is held against every document of the
// release, their signature and log entry are verified, and a strong claim must
// tie them to the version (rules 8 to 10).
//
// It may be used by several goroutines. Judging waits for the documents, which
// [Files.Load] reads.
type Files struct {
	Version release.Version

	run     *run
	once    sync.Once
	facts   *facts
	listing *Listing
	items   map[string]Listed
	named   map[string][]string // paths of what can be judged, by last element in lower case

	anchorOnce sync.Once
	anchor     report.Check
}

// Files begins to judge the files of a release. The only error is a
// [*UsageError].
func (v *Verifier) Files(version release.Version) (*Files, error) {
	if err := v.forFiles(); err != nil {
		return nil, err
	}
	r, err := v.begin()
	if err != nil {
		return nil, err
	}
	// What the policy demands of images has no meaning for a file.
	no := func(name string) bool { return !slices.Contains(ofFiles, name) }
	r.required, r.omitted = slices.DeleteFunc(r.required, no), slices.DeleteFunc(r.omitted, no)
	r.partial = len(r.omitted) > 0
	return &Files{run: r, Version: version}, nil
}

// Load reads the release's documents, once, and lists what it holds.
func (f *Files) Load(ctx context.Context) *Listing {
	f.once.Do(func() {
		f.learn(f.run.loadDocuments(ctx, f.Version, release.Options{Want: []release.Document{
			release.DocSBOM, release.DocChangelog, release.DocSHA256SUMS, release.DocSHA512SUMS, release.DocProvenance,
		}}))
	})
	return f.listing
}

// take is Load with documents that somebody else has read.
func (f *Files) take(read *facts) { f.once.Do(func() { f.learn(read) }) }

func (f *Files) learn(read *facts) {
	f.facts = read
	f.listing = f.facts.listing()
	f.items, f.named = map[string]Listed{}, map[string][]string{}
	for _, it := range f.listing.Items {
		if !it.Image {
			f.items[it.Subject] = it
			if IsSubject(it.Subject) {
				base := strings.ToLower(path.Base(it.Subject))
				f.named[base] = append(f.named[base], it.Subject)
			}
		}
	}
}

// NotReleased reports that the release's documents say there is no such
// version, or nil.
func (f *Files) NotReleased(ctx context.Context) error {
	if f.Load(ctx); f.facts.rel == nil {
		return nil
	}
	return f.facts.rel.NotReleased()
}

// IsSubject says whether a path of a release can be judged as a file: documents
// about files, their checksums and the tags beside archives cannot (rule 10).
func IsSubject(path string) bool { return isSubject(path, release.DescribeFile(path)) }

// Find returns the paths, sorted, that the documents say have that hash.
func (f *Files) Find(ctx context.Context, sums fetch.Sums) (paths []string) {
	f.Load(ctx)
	for p, it := range f.items {
		if IsSubject(p) && slices.ContainsFunc(it.Claims, func(c StrongClaim) bool {
			return c.Digest == "sha256:"+sums.SHA256 || c.Digest == "sha512:"+sums.SHA512
		}) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

// beside is what is published next to a file, and what could be concluded from
// it before the file's bytes are known.
type beside struct {
	claims []StrongClaim
	sums   map[string][]byte // the checksums as they came, by suffix
	errs   []error
	papers papers

	expected  string // sha256 that signature is about; empty if there is none yet
	signature report.Check
	bundle    []byte
}

// ask reads what lies beside a file, and verifies its signature for the bytes
// that the documents let expect. All of it travels while the file does.
func (f *Files) ask(ctx context.Context, p string) *beside {
	b := &beside{sums: map[string][]byte{}}
	url := f.Version.FileURL(p)
	sums, raw := [2]StrongClaim{}, [2][]byte{}
	errs := [2]error{}
	get := func(i int, algorithm string, digits int) func() {
		return func() { sums[i], raw[i], errs[i] = f.checksum(ctx, p, algorithm, digits) }
	}
	par.Do(
		func() { b.papers = f.run.papers(ctx, url) },
		get(0, "sha256", 64), get(1, "sha512", 128),
		func() { f.Load(ctx) },
		func() { f.askAnchor(ctx) },
	)
	for i := range sums {
		if errs[i] == nil {
			b.claims = append(b.claims, sums[i])
			b.sums["."+algorithmOf(sums[i].Digest)] = raw[i]
		} else if !fetch.Is(errs[i], fetch.NotFound) {
			b.errs = append(b.errs, errs[i])
		}
	}
	if it, ok := f.items[p]; ok && it.SHA256 != "" {
		b.expected = it.SHA256
		b.signature, b.bundle = f.sign(ctx, url, it.SHA256, b.papers)
	}
	return b
}

func (f *Files) sign(ctx context.Context, url, sum string, p papers) (report.Check, []byte) {
	var raw [sha256.Size]byte
	if n, err := hex.Decode(raw[:], []byte(sum)); err != nil || n != len(raw) {
		return f.run.check(report.Signature, report.Unknown, report.Malformed, "no sha256"), nil
	}
	var c report.Check
	var bundle []byte
	if err := guard(func() { c, bundle = f.run.signatureOf(ctx, url, raw, p) }); err != nil {
		return f.run.failed(report.Signature, err), nil
	}
	return c, bundle
}

// maxChecksum caps a .sha256 or .sha512: bare hexadecimal, or as a tool's line.
const maxChecksum = 1 << 10

// checksum reads the .sha256 or .sha512 beside a file.
func (f *Files) checksum(ctx context.Context, p, algorithm string, digits int) (StrongClaim, []byte, error) {
	url := f.Version.FileURL(p) + "." + algorithm
	resp, err := f.run.Fetch.Get(ctx, url, maxChecksum)
	if err != nil {
		return StrongClaim{}, nil, err
	}
	sum, _, _ := strings.Cut(strings.TrimSpace(string(resp.Body)), " ")
	if len(sum) != digits || strings.Trim(sum, "0123456789abcdef") != "" {
		return StrongClaim{}, nil, fmt.Errorf("%s: %.80q is no %s", url, resp.Body, algorithm)
	}
	return StrongClaim{release.Claim{
		Subject: p, Digest: algorithm + ":" + sum, Document: release.Document(path.Base(url)), URL: url, Origin: resp.Origin,
	}, strength(resp.Origin)}, resp.Body, nil
}

// Judged is the verdict on the bytes of one file.
type Judged struct {
	Result report.Result
	// Bundle is a Sigstore bundle, in JSON, with the signature, the certificate
	// and the log entry, if the signature verified: any Sigstore client verifies
	// it offline. https://docs.sigstore.dev/about/bundle/
	Bundle []byte
	// Beside is what was read beside the file, by suffix: ".sha256", ".sha512",
	// ".sig", ".cert".
	Beside map[string][]byte
}

// Judge gives the verdict on bytes of the given hashes as the release's file of
// that path, such as "bin/linux/amd64/kubectl".
func (f *Files) Judge(ctx context.Context, p string, sums fetch.Sums) Judged {
	return f.judge(ctx, p, sums, f.ask(ctx, p))
}

func (f *Files) judge(ctx context.Context, p string, sums fetch.Sums, b *beside) Judged {
	f.Load(ctx)
	out := Judged{Result: f.result(p)}
	url := f.Version.FileURL(p)
	out.Result.Digest = "sha256:" + sums.SHA256
	out.Beside = map[string][]byte{".sig": b.papers.sig, ".cert": b.papers.cert}
	maps.Copy(out.Beside, b.sums)
	signature, bundle := b.signature, b.bundle
	if b.expected != sums.SHA256 {
		signature, bundle = f.sign(ctx, url, sums.SHA256, b.papers)
	}
	digest := f.digest(p, sums, b)
	if digest.Verdict == report.Verified && signature.Verdict == report.Refuted && signature.Reason == report.Mismatch {
		// Told apart from tampering: whoever changes a file in transit does not
		// reach the CHANGELOG and the signed SBOM.
		signature.Reason = report.OtherBytes
		signature.Detail = fmt.Sprintf("the signature by %s is for other bytes, while all %d claims agree on these: the release was signed wrongly, or the signature is another build's; see \"kverify help incidents\"",
			f.run.Policy.Files.Identity, len(digest.Evidence))
	}
	absent := signature.Reason == report.Absent && fetch.Is(b.papers.err, fetch.NotFound)
	if absent && !f.facts.signedSince() {
		signature.Required = false
		signature.Detail = fmt.Sprintf("%s is from before file signing (%s), and has none", f.Version, f.run.Policy.Files.SignedSince)
	}
	if row, ok := f.uncompared(p); ok {
		out.Result.Notes = append(out.Result.Notes, fmt.Sprintf("not compared with %s, where its row could not be read: %s", path.Base(f.facts.rel.Changelog.URL), row))
	}
	binding := f.bind(p, sums, absent)
	out.Result.Checks = []report.Check{digest, signature}
	if f.run.needs(report.Binding) {
		out.Result.Checks = append(out.Result.Checks, binding)
	}
	if f.run.needs(report.Anchor) {
		out.Result.Checks = append(out.Result.Checks, f.anchored(ctx))
	}
	if signature.Verdict == report.Verified {
		out.Bundle = bundle
	}
	return out
}

func (f *Files) result(p string) report.Result {
	res := report.Result{Subject: f.Version.FileURL(p), Kind: "file", Release: f.Version.String()}
	if info := release.DescribeFile(p); info.OS != "" {
		res.Platform = info.OS + "/" + info.Arch
	}
	return res
}

// digest holds the bytes against every claim that there is. One that differs
// refutes, whoever made it; one that exists and cannot be read leaves it open.
func (f *Files) digest(p string, sums fetch.Sums, b *beside) report.Check {
	have := map[string]string{"sha256": sums.SHA256, "sha512": sums.SHA512}
	claims := append(slices.Clone(f.items[p].Claims), b.claims...)
	var differ []string
	var says StrongClaim
	var evidence []report.Evidence
	agree := map[string]bool{}
	for _, c := range claims {
		algorithm, sum, _ := strings.Cut(c.Digest, ":")
		if have[algorithm] == "" {
			continue
		}
		s := c.Strength
		e := report.Evidence{What: "claim", Source: c.URL, Digest: c.Digest, Strength: &s, Fields: map[string]string{"document": documentName(c)}}
		if sum != have[algorithm] {
			e.Fields["says"] = "other bytes"
			if name := documentName(c); !slices.Contains(differ, name) {
				differ = append(differ, name)
			}
			says = c
		} else {
			agree[documentName(c)] = true
		}
		evidence = append(evidence, e)
	}
	c := func() report.Check {
		if len(differ) > 0 {
			algorithm, sum, _ := strings.Cut(says.Digest, ":")
			text := fmt.Sprintf("%s is %s, but %s says %s", algorithm, brief(have[algorithm]), strings.Join(differ, ", "), brief(sum))
			if len(differ) > 1 {
				text = fmt.Sprintf("it hashes to %s:%s, but %s say otherwise (%s)", algorithm, brief(have[algorithm]), strings.Join(differ, ", "), brief(sum))
			}
			if len(agree) > 0 {
				text += fmt.Sprintf("; %d other documents agree with the bytes", len(agree))
			}
			return f.run.check(report.Digest, report.Refuted, report.Mismatch, "%s", text)
		}
		for _, err := range append(f.unread(p), b.errs...) {
			return f.run.failed(report.Digest, fmt.Errorf("a claim about it could not be read: %w", err))
		}
		if len(agree) == 0 {
			return f.run.check(report.Digest, report.Unknown, report.NoClaim, "no document of %s names this file", f.Version)
		}
		names := make([]string, 0, len(agree))
		for name := range agree {
			names = append(names, name)
		}
		slices.Sort(names)
		return f.run.check(report.Digest, report.Verified, "", "%d documents agree: %s", len(names), strings.Join(names, ", "))
	}()
	c.Evidence = evidence
	return c
}

// documentName names a claim's document as a person knows it.
func documentName(c StrongClaim) string {
	switch c.Document {
	case release.DocSBOM:
		if c.Strength == report.Signed {
			return "the signed SBOM"
		}
		return "the SBOM"
	case release.DocProvenance:
		if c.Strength == report.Signed {
			return "the signed provenance.json"
		}
	case release.DocChangelog:
		return path.Base(c.URL)
	}
	return string(c.Document)
}

// unread are the documents that claim something about files, exist, and could
// not be read. What is absent claims nothing. The SBOM is the binding's.
func (f *Files) unread(p string) (errs []error) {
	rel := f.facts.rel
	if rel == nil {
		return []error{errors.New(f.facts.sbom.signature.Detail)}
	}
	all := []error{rel.SHA256SUMS.Err, rel.SHA512SUMS.Err, rel.Provenance.Err}
	if !strings.HasPrefix(p, "bin/") { // the CHANGELOG never names those
		all = append(all, rel.Changelog.Err)
	}
	var never *release.NotReleasedError
	var noFiles *release.NoFilesError
	for _, err := range all {
		if err != nil && !fetch.Is(err, fetch.NotFound) && !errors.As(err, &never) && !errors.As(err, &noFiles) {
			errs = append(errs, err)
		}
	}
	// A contradiction is worse than a gap.
	slices.SortStableFunc(errs, func(a, b error) int {
		x, _ := judge(a)
		y, _ := judge(b)
		return int(y) - int(x)
	})
	return errs
}

// Report makes the report of a run over files. names and platforms are what
// was asked for.
func (f *Files) Report(ctx context.Context, names, platforms []string, results []report.Result) report.Report {
	scope := report.Scope{Subjects: []string{f.Version.String()}, Names: names, Platforms: platforms}
	all := slices.Clone(results)
	if f.facts != nil {
		documents := f.facts.results()
		for i := range documents {
			// Rule 9: for files alone the SBOM is not anchored in the images, unless that was asked for.
			if !f.run.needs(report.Anchor) {
				documents[i].Notes = append(documents[i].Notes, "its images were not examined here, so that it rests on its own signature; \"--require anchor\" holds it against them")
			}
		}
		all = append(documents, all...)
	}
	return f.run.report(ctx, scope, []release.Version{f.Version}, all)
}
