package files

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// bind says whether a claim that counts ties these bytes to the version. unsigned
// says that there is no signature at all.
func (f *Verifier) bind(p string, sums fetch.Sums, unsigned bool) report.Check {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) report.Check {
		return f.session.Check(report.Binding, v, reason, format, args...)
	}
	if f.docs.Release == nil {
		return f.docs.SBOM.Binding
	}
	if f.docs.SBOM.Binding.Verdict == report.Refuted {
		return say(report.Refuted, f.docs.SBOM.Binding.Reason, "the SBOM is of another version: %s", f.docs.SBOM.Binding.Detail)
	}
	src := f.docs.Release.SBOM
	unlisted := false
	if f.docs.Usable() {
		sha256, sha512, err := f.sbomSums(p)
		var none *release.NoEntryError
		s := f.docs.SBOMStrength()
		e := report.EvidenceOf(report.Evidence{What: "claim", Source: src.URL, Digest: string(src.Digest), Strength: &s, Fields: map[string]string{"path": p}})
		switch {
		case errors.As(err, &none):
			unlisted = f.docs.SBOM.Signed
		case err != nil:
			return f.session.Failed(report.Binding, err)
		case sha256 != sums.SHA256 || sha512 != sums.SHA512:
			c := say(report.Refuted, report.Mismatch, "this is not %s of %s: the SBOM names other bytes (sha256 %s)", p, f.Version, brief(sha256))
			c.Evidence = e
			return c
		case f.docs.SBOM.Signed:
			c := say(report.Verified, "", "the signed SBOM of %s names %s with this sha256 and sha512", f.Version, p)
			c.Evidence = e
			return c
		}
	}
	if claim, ok := f.published(p, sums); ok {
		if unlisted || unsigned && !f.docs.SignedSince() {
			c := say(report.Verified, "", "%s, %s, gives it this %s", documentName(claim), howRead(claim.Strength), claim.Digest.Algorithm())
			if unsigned {
				c.Detail += "; files were not signed then"
			}
			s := claim.Strength
			c.Evidence = report.EvidenceOf(report.Evidence{What: "claim", Source: claim.URL, Digest: string(claim.Digest), Strength: &s})
			return c
		}
	}
	switch s := f.docs.SBOM.Signature; {
	case src.Err != nil && f.docs.SignedSince():
		return f.session.Failed(report.Binding, fmt.Errorf("no signed SBOM ties it to %s: %w", f.Version, src.Err))
	case src.Err == nil && s.Verdict != report.Verified && f.docs.SignedSince():
		return say(s.Verdict, s.Reason, "no signed SBOM ties it to %s: %s", f.Version, s.Detail)
	case unsigned && strings.HasPrefix(p, "bin/"):
		return say(report.Unknown, report.NoClaim,
			"files of %s are not signed, and no document of another party names a single binary: nothing can prove it; take the tarball that holds it", f.Version)
	}
	if row, ok := f.uncompared(p); ok {
		return say(report.Unknown, report.Malformed, "nothing strong ties it to %s: its row in %s could not be read (%s)", f.Version, path.Base(f.docs.Release.Changelog.URL), row)
	}
	return say(report.Unknown, report.NoClaim, "nothing strong ties it to %s: no signed SBOM and no published CHANGELOG gives its digest", f.Version)
}

// sbomSums is what the SBOM has for a path: as a file, or as an image's archive.
func (f *Verifier) sbomSums(p string) (sha256, sha512 string, err error) {
	doc := f.docs.Release.SBOM.Value
	sha256, sha512, err = release.SBOMFile(doc, f.Version, p)
	var none *release.NoEntryError
	if info := release.DescribeFile(p); errors.As(err, &none) && strings.HasSuffix(p, ".tar") && info.OS == "linux" {
		image := strings.TrimSuffix(info.Component, "-"+info.Arch) // conformance-amd64.tar
		return release.SBOMArchive(doc, f.Version, image, info.Arch)
	}
	return sha256, sha512, err
}

// published finds a claim on these bytes by another party than the one that
// serves them, read from its publisher.
func (f *Verifier) published(p string, sums fetch.Sums) (claims.Claim, bool) {
	if _, odd := f.uncompared(p); odd { // another row about it could not be read, and may say otherwise
		return claims.Claim{}, false
	}
	for _, c := range f.items[p].Claims {
		if c.Document == release.DocChangelog && (c.Strength == report.Published || c.Strength == report.Vouched) &&
			c.Digest.IsSum(sums.SHA256, sums.SHA512) {
			return c, true
		}
	}
	return claims.Claim{}, false
}

// uncompared returns the row of the CHANGELOG that is or may be about the file
// and could not be read. It lists tarballs, which lie at the top of a release.
func (f *Verifier) uncompared(p string) (release.OddRow, bool) {
	if f.docs.Release == nil || strings.Contains(p, "/") {
		return release.OddRow{}, false
	}
	return f.docs.Release.Changelog.Value.Uncompared(p)
}
