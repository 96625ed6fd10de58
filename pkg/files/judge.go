package files

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

	"github.com/kverify/kverify/internal/detached"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// sidecars is what is published next to a file, and what could be concluded from
// it before the file's bytes are known.
type sidecars struct {
	claims   []claims.Claim
	sums     map[string][]byte // the checksums as they came, by suffix
	errs     []error
	detached detached.Signature

	expected  string // sha256 that signature is about; empty if there is none yet
	signature report.Check
	bundle    []byte
}

// readSidecars reads what lies beside a file, and verifies its signature for the bytes
// that the documents let expect. All of it travels while the file does.
func (f *Verifier) readSidecars(ctx context.Context, p string) *sidecars {
	b := &sidecars{sums: map[string][]byte{}}
	url := f.Version.FileURL(p)
	sums, raw := [2]claims.Claim{}, [2][]byte{}
	errs := [2]error{}
	get := func(i int, algorithm string, digits int) func() {
		return func() { sums[i], raw[i], errs[i] = f.checksum(ctx, p, algorithm, digits) }
	}
	par.Do(
		func() { b.detached = detached.Fetch(ctx, f.session, url) },
		get(0, "sha256", 64), get(1, "sha512", 128),
		func() { f.Load(ctx) },
		func() { f.askAnchor(ctx) },
	)
	for i := range sums {
		if errs[i] == nil {
			b.claims = append(b.claims, sums[i])
			b.sums["."+sums[i].Digest.Algorithm()] = raw[i]
		} else if !fetch.Is(errs[i], fetch.NotFound) {
			b.errs = append(b.errs, errs[i])
		}
	}
	if it, ok := f.items[p]; ok && it.SHA256 != "" {
		b.expected = it.SHA256
		b.signature, b.bundle = f.sign(ctx, url, it.SHA256, b.detached)
	}
	return b
}

func (f *Verifier) sign(ctx context.Context, url, sum string, d detached.Signature) (report.Check, []byte) {
	var raw [sha256.Size]byte
	if n, err := hex.Decode(raw[:], []byte(sum)); err != nil || n != len(raw) {
		return f.session.Check(report.Signature, report.Unknown, report.Malformed, "no sha256"), nil
	}
	var c report.Check
	var bundle []byte
	if err := session.Guard(func() { c, bundle = d.Verify(ctx, f.session, url, raw) }); err != nil {
		return f.session.Failed(report.Signature, err), nil
	}
	return c, bundle
}

// MaxChecksum caps a .sha256 or .sha512: bare hexadecimal, or as a tool's line.
const MaxChecksum = 1 << 10

// checksum reads the .sha256 or .sha512 beside a file.
func (f *Verifier) checksum(ctx context.Context, p, algorithm string, digits int) (claims.Claim, []byte, error) {
	url := f.Version.FileURL(p) + "." + algorithm
	resp, err := f.session.Fetch.Get(ctx, url, MaxChecksum)
	if err != nil {
		return claims.Claim{}, nil, err
	}
	sum, _, _ := strings.Cut(strings.TrimSpace(string(resp.Body)), " ")
	if len(sum) != digits || strings.Trim(sum, "0123456789abcdef") != "" {
		return claims.Claim{}, nil, fmt.Errorf("%s: %.80q is not a %s", url, resp.Body, algorithm)
	}
	return claims.Claim{Claim: release.Claim{
		Subject: p, Digest: oci.New(algorithm, sum), Document: release.Document(path.Base(url)), URL: url, Origin: resp.Origin,
	}, Strength: session.Strength(resp.Origin)}, resp.Body, nil
}

// FileVerdict is the verdict on the bytes of one file.
type FileVerdict struct {
	Result report.Result
	// Bundle is a Sigstore bundle, in JSON, with the signature, the certificate
	// and the log entry, if the signature verified: any Sigstore client verifies
	// it offline. https://docs.sigstore.dev/about/bundle/
	Bundle []byte
	// Sidecars is what was read beside the file, by suffix: ".sha256", ".sha512",
	// ".sig", ".cert".
	Sidecars map[string][]byte
}

// Judge gives the verdict on bytes of the given hashes as the release's file of
// that path, such as "bin/linux/amd64/kubectl".
func (f *Verifier) Judge(ctx context.Context, p string, sums fetch.Sums) FileVerdict {
	return f.judgeBytes(ctx, p, sums, f.readSidecars(ctx, p))
}

func (f *Verifier) judgeBytes(ctx context.Context, p string, sums fetch.Sums, b *sidecars) FileVerdict {
	f.Load(ctx)
	out := FileVerdict{Result: f.result(p)}
	url := f.Version.FileURL(p)
	out.Result.Digest = string(sums.Digest())
	out.Sidecars = map[string][]byte{".sig": b.detached.Sig, ".cert": b.detached.Cert}
	maps.Copy(out.Sidecars, b.sums)
	signature, bundle := b.signature, b.bundle
	if b.expected != sums.SHA256 {
		signature, bundle = f.sign(ctx, url, sums.SHA256, b.detached)
	}
	digest := f.digest(p, sums, b)
	if digest.Verdict == report.Verified && signature.Verdict == report.Refuted && signature.Reason == report.Mismatch {
		// Told apart from tampering: an attacker who changes a file in transit does not
		// reach the CHANGELOG and the signed SBOM.
		signature.Reason = report.OtherBytes
		signature.Detail = fmt.Sprintf("the signature by %s is for other bytes, while all %d claims agree on these: the release was signed wrongly, or the signature is another build's; see \"kverify help incidents\"",
			f.session.Policy.Files.Identity, len(digest.Evidence.All()))
	}
	absent := signature.Reason == report.Absent && fetch.Is(b.detached.Err, fetch.NotFound)
	if absent && !f.docs.SignedSince() {
		signature.Required = false
		signature.Detail = fmt.Sprintf("%s is from before file signing (%s), and has none", f.Version, f.session.Policy.Files.SignedSince)
	}
	if row, ok := f.uncompared(p); ok {
		out.Result.Notes = append(out.Result.Notes, fmt.Sprintf("not compared with %s, where its row could not be read: %s", path.Base(f.docs.Release.Changelog.URL), row))
	}
	binding := f.bind(p, sums, absent)
	out.Result.Checks = []report.Check{digest, signature}
	if f.session.Needs(report.Binding) {
		out.Result.Checks = append(out.Result.Checks, binding)
	}
	if f.session.Needs(report.Anchor) {
		out.Result.Checks = append(out.Result.Checks, f.anchored(ctx))
	}
	if signature.Verdict == report.Verified {
		out.Bundle = bundle
	}
	return out
}

func (f *Verifier) result(p string) report.Result {
	res := report.Result{Subject: f.Version.FileURL(p), Kind: report.KindFile, Release: f.Version.String()}
	if info := release.DescribeFile(p); info.OS != "" {
		res.Platform = info.OS + "/" + info.Arch
	}
	return res
}

// digest holds the bytes against every claim that there is. One that differs
// refutes, whichever document made it; one that exists and cannot be read leaves it open.
func (f *Verifier) digest(p string, sums fetch.Sums, b *sidecars) report.Check {
	have := map[string]string{"sha256": sums.SHA256, "sha512": sums.SHA512}
	all := append(slices.Clone(f.items[p].Claims), b.claims...)
	var differ []string
	var says claims.Claim
	var evidence []report.Evidence
	agree := map[string]bool{}
	for _, c := range all {
		algorithm, sum, _ := strings.Cut(string(c.Digest), ":")
		if have[algorithm] == "" {
			continue
		}
		s := c.Strength
		e := report.Evidence{What: "claim", Source: c.URL, Digest: string(c.Digest), Strength: &s, Fields: map[string]string{"document": documentName(c)}}
		if sum != have[algorithm] {
			e.Fields[report.FieldSays] = "other bytes"
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
			algorithm, sum, _ := strings.Cut(string(says.Digest), ":")
			text := fmt.Sprintf("%s is %s, but %s says %s", algorithm, brief(have[algorithm]), strings.Join(differ, ", "), brief(sum))
			if len(differ) > 1 {
				text = fmt.Sprintf("it hashes to %s:%s, but %s say otherwise (%s)", algorithm, brief(have[algorithm]), strings.Join(differ, ", "), brief(sum))
			}
			if len(agree) > 0 {
				text += fmt.Sprintf("; %d other documents agree with the bytes", len(agree))
			}
			return f.session.Check(report.Digest, report.Refuted, report.Mismatch, "%s", text)
		}
		for _, err := range append(f.unread(p), b.errs...) {
			return f.session.Failed(report.Digest, fmt.Errorf("a claim about it could not be read: %w", err))
		}
		if len(agree) == 0 {
			return f.session.Check(report.Digest, report.Unknown, report.NoClaim, "no document of %s names this file", f.Version)
		}
		names := make([]string, 0, len(agree))
		for name := range agree {
			names = append(names, name)
		}
		slices.Sort(names)
		return f.session.Check(report.Digest, report.Verified, "", "%d documents agree: %s", len(names), strings.Join(names, ", "))
	}()
	c.Evidence = report.EvidenceOf(evidence...)
	return c
}

// unread are the documents that claim something about files, exist, and could
// not be read. What is absent claims nothing. The SBOM is the binding's.
func (f *Verifier) unread(p string) (errs []error) {
	rel := f.docs.Release
	if rel == nil {
		return []error{errors.New(f.docs.SBOM.Signature.Detail)}
	}
	all := []error{rel.SHA256SUMS.Err, rel.SHA512SUMS.Err, rel.Provenance.Err}
	if !strings.HasPrefix(p, "bin/") { // the CHANGELOG never names those
		all = append(all, rel.Changelog.Err)
	}
	var none *release.NoSectionError
	var noFiles *release.NoFilesError
	for _, err := range all {
		if err != nil && !fetch.Is(err, fetch.NotFound) && !errors.As(err, &none) && !errors.As(err, &noFiles) {
			errs = append(errs, err)
		}
	}
	// A contradiction is worse than a gap.
	slices.SortStableFunc(errs, func(a, b error) int {
		x, _ := session.Classify(a)
		y, _ := session.Classify(b)
		return int(y) - int(x)
	})
	return errs
}

// Report makes the report of a run over files. names and platforms are what
// was asked for.
func (f *Verifier) Report(ctx context.Context, names, platforms []string, results []report.Result) report.Report {
	scope := report.Scope{Subjects: []string{f.Version.String()}, Names: names, Platforms: platforms}
	all := slices.Clone(results)
	if f.docs != nil {
		documents := f.docs.Results()
		for i := range documents {
			// Rule 9: for files alone the SBOM is not anchored in the images, unless that was asked for.
			if !f.session.Needs(report.Anchor) {
				documents[i].Notes = append(documents[i].Notes, "its images were not examined here, so that it rests on its own signature; \"--require anchor\" holds it against them")
			}
		}
		all = append(documents, all...)
	}
	return f.session.Report(ctx, scope, []release.Version{f.Version}, all)
}
