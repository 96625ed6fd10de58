package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Files reports each file of the release on the word of its documents: those of the
// components and architectures given, of all where none is.
func (d *Documents) Files(components, arches []string) []report.Result {
	var out []report.Result
	want := release.Selection{Names: components, Archives: true}
	for _, it := range d.Listing().Items {
		if it.Image || !isSubject(it.Subject, it.Info) || !want.Has(release.Item{Subject: it.Subject, Info: it.Info}) ||
			len(arches) > 0 && !slices.Contains(arches, it.Info.Arch) {
			continue
		}
		res := report.Result{Subject: it.URL, Kind: report.KindFile, Release: d.Version.String()}
		if it.Info.OS != "" {
			res.Platform = it.Info.OS + "/" + it.Info.Arch
		}
		var c report.Check
		c, res.Digest = d.fileClaims(it)
		res.Checks = []report.Check{c}
		out = append(out, res)
	}
	return out
}

// isSubject leaves out what only speaks about files (rule 10), and the tags
// beside the image archives.
func isSubject(path string, info release.FileInfo) bool {
	return info.Kind != "document" && info.Kind != "other" && !release.IsSidecar(path)
}

// IsSubject says whether a path of a release can be judged as a file: documents
// about files, their checksums and the tags beside archives cannot (rule 10).
func IsSubject(path string) bool { return isSubject(path, release.DescribeFile(path)) }

// fileClaims judges what is said of one file: any two claims that disagree
// refute, and without a claim that counts nothing is known. The digest is one
// that a claim which counts has given, never one that only a list beside the
// file has; it is empty without such a claim.
func (d *Documents) fileClaims(it Entry) (report.Check, string) {
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
		c = d.session.Check(report.Binding, report.Refuted, report.Mismatch, "the documents of %s disagree: %s", d.Version, it.Conflict)
	case it.ambiguous != nil:
		c = d.session.Failed(report.Binding, it.ambiguous)
	case strong != "":
		algorithm, _, _ := strings.Cut(digest, ":")
		c = d.session.Check(report.Binding, report.Verified, "", "its %s is known from %s; nothing in %s disagrees", algorithm, strong, strings.Join(who, ", "))
	default:
		c = d.session.Check(report.Binding, report.Unknown, report.NoClaim,
			"only %s names it, which cannot vouch for a file: no signed SBOM and no published CHANGELOG does", strings.Join(who, ", "))
	}
	seen := map[string]bool{}
	for _, claim := range it.Claims {
		key := claim.URL + string(claim.Digest)
		if !seen[key] {
			seen[key] = true
			s := claim.Strength
			c.Evidence = c.Evidence.Add(report.Evidence{What: "claim", Source: claim.URL, Digest: string(claim.Digest), Strength: &s})
		}
	}
	if c.Verdict != report.Verified {
		digest = ""
	}
	return c, digest
}

// proved returns the strongest document that counts, and a digest that it
// gives: its sha256 if it has one. An SBOM must give both digests (rule 10).
func (it Entry) proved() (document, digest string) {
	byDocument := map[release.Document][]Claim{}
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
		return fmt.Sprintf("%s (%s)", d, claims[0].Strength), string(slices.MinFunc(claims, func(a, b Claim) int {
			return strings.Compare(string(a.Digest), string(b.Digest))
		}).Digest)
	}
	return "", ""
}
