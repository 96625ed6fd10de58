package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Release verifies everything about a release that can be proved without
// downloading its files: the images as [Verifier.Images] does, the SBOM, and
// for each file that the digests which the release's documents claim agree and
// that one of those claims counts.
//
// The only error is a [*UsageError].
func (v *Verifier) Release(ctx context.Context, req Request) (report.Report, error) {
	r, err := v.start()
	if err != nil {
		return report.Report{}, err
	}
	b := newBatch(r, req)
	b.everything = true
	if err := b.start(); err != nil {
		return report.Report{}, err
	}
	if err := b.all(ctx); err != nil {
		return report.Report{}, err
	}
	results := b.results()
	if r.needs(report.Binding) && b.facts != nil && !b.facts.neverReleased(b.images) {
		results = append(results, b.facts.files(req)...)
	}
	scope := report.Scope{Subjects: []string{req.Version.String()}, Names: req.Names, Platforms: req.Arches}
	return r.report(ctx, scope, []release.Version{req.Version}, results), nil
}

// files reports each file of the release on the word of its documents.
func (f *facts) files(req Request) []report.Result {
	var out []report.Result
	want := release.Selection{Names: req.Names, Archives: true}
	for _, it := range f.listing().Items {
		if it.Image || !isSubject(it.Subject, it.Info) || !want.Has(release.Item{Subject: it.Subject, Info: it.Info}) ||
			len(req.Arches) > 0 && !slices.Contains(req.Arches, it.Info.Arch) {
			continue
		}
		res := report.Result{Subject: it.URL, Kind: "file", Release: f.version.String()}
		if it.Info.OS != "" {
			res.Platform = it.Info.OS + "/" + it.Info.Arch
		}
		var c report.Check
		c, res.Digest = f.fileClaims(it)
		res.Checks = []report.Check{c}
		out = append(out, res)
	}
	return out
}

// isSubject leaves out what only speaks about files (rule 10), and the tags
// beside the image archives.
func isSubject(path string, info release.FileInfo) bool {
	if info.Kind == "document" || info.Kind == "other" {
		return false
	}
	for _, suffix := range []string{".sig", ".cert", ".sha256", ".sha512", ".docker_tag"} {
		if strings.HasSuffix(path, suffix) {
			return false
		}
	}
	return true
}

// fileClaims judges what is said of one file: any two claims that disagree
// refute, and without a claim that counts nothing is known. The digest is one
// that a claim which counts has given, never one that only a list beside the
// file has; it is empty without such a claim.
func (f *facts) fileClaims(it Listed) (report.Check, string) {
	var c report.Check
	var who []string
	for _, claim := range it.Claims {
		who = append(who, string(claim.Document))
	}
	strong, digest := it.proved()
	slices.Sort(who)
	who = slices.Compact(who)
	switch {
	case it.Conflict != "":
		c = f.run.check(report.Binding, report.Refuted, report.Mismatch, "the documents of %s disagree: %s", f.version, it.Conflict)
	case it.ambiguous != nil:
		c = f.run.failed(report.Binding, it.ambiguous)
	case strong != "":
		algorithm, _, _ := strings.Cut(digest, ":")
		c = f.run.check(report.Binding, report.Verified, "", "its %s is known from %s; nothing in %s disagrees", algorithm, strong, strings.Join(who, ", "))
	default:
		c = f.run.check(report.Binding, report.Unknown, report.NoClaim,
			"only %s names it, which cannot vouch for a file: no signed SBOM and no published CHANGELOG does", strings.Join(who, ", "))
	}
	seen := map[string]bool{}
	for _, claim := range it.Claims {
		key := claim.URL + claim.Digest
		if !seen[key] {
			seen[key] = true
			s := claim.Strength
			c.Evidence = append(c.Evidence, report.Evidence{What: "claim", Source: claim.URL, Digest: claim.Digest, Strength: &s})
		}
	}
	if c.Verdict != report.Verified {
		digest = ""
	}
	return c, digest
}

// proved returns the strongest document that counts, and a digest that it
// gives: its sha256 if it has one. An SBOM must give both digests (rule 10).
func (it Listed) proved() (document, digest string) {
	byDocument := map[release.Document][]StrongClaim{}
	for _, c := range it.Claims {
		if c.counts() {
			byDocument[c.Document] = append(byDocument[c.Document], c)
		}
	}
	for _, d := range []release.Document{release.DocSBOM, release.DocChangelog} {
		claims := byDocument[d]
		if len(claims) == 0 || d == release.DocSBOM && len(claims) < 2 {
			continue
		}
		// Sorted by algorithm: sha256 before sha512.
		return fmt.Sprintf("%s (%s)", d, claims[0].Strength), slices.MinFunc(claims, func(a, b StrongClaim) int {
			return strings.Compare(a.Digest, b.Digest)
		}).Digest
	}
	return "", ""
}
