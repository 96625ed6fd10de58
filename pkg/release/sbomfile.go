package release

import (
	"strings"

	"github.com/kverify/kverify/pkg/sbom"
)

// SBOMFile returns the sha256 and sha512 that doc has for the release's file
// of exactly that path, such as "bin/linux/amd64/kubectl". doc must have
// passed [CheckSBOM] for v.
//
// A path may stand there more than once: krel lists a Windows program from its
// client and from its node directory (kubernetes/release, ListBuildBinaries).
// Entries that all have sha256 and sha512, and agree in both and in any sha1,
// are one claim. Any others are an [*AmbiguousError]; no entry, or one that lacks
// a hash, is a [*NoEntryError].
func SBOMFile(doc *sbom.Document, v Version, path string) (sha256, sha512 string, err error) {
	var one *pathClaim
	for _, f := range doc.Files {
		if f.Name == path {
			one = one.join(f.Checksums)
		}
	}
	switch {
	case one == nil:
		return "", "", &NoEntryError{v.String(), path, "it lists no file of that path"}
	case one.differs != nil:
		return "", "", one.ambiguous(sbomName, path)
	}
	return bothSums(v, path, one.sums)
}

// SBOMAmbiguous returns, for each path of which doc says things that are not
// one claim, the [*AmbiguousError] that [SBOMFile] has for it.
func SBOMAmbiguous(doc *sbom.Document) map[string]error {
	claims := make(map[string]*pathClaim, len(doc.Files))
	for _, f := range doc.Files {
		claims[f.Name] = claims[f.Name].join(f.Checksums)
	}
	out := map[string]error{}
	for path, c := range claims {
		if c.differs != nil {
			out[path] = c.ambiguous(sbomName, path)
		}
	}
	return out
}

// pathClaim is what one document says of one path, in however many entries.
type pathClaim struct {
	sums    sbom.Checksums
	differs *sbom.Checksums // the first entry that is no repetition of those before it
}

// join adds an entry. Only an entry that has sha256 and sha512, both equal to
// those before it, repeats a claim; where both have a sha1, that must be equal too.
func (c *pathClaim) join(sums sbom.Checksums) *pathClaim {
	if c == nil {
		return &pathClaim{sums: sums}
	}
	same := isHex(sums.SHA256, sha256Hex) && isHex(sums.SHA512, sha512Hex) && sums.SHA256 == c.sums.SHA256 && sums.SHA512 == c.sums.SHA512 &&
		(sums.SHA1 == c.sums.SHA1 || sums.SHA1 == "" || c.sums.SHA1 == "")
	if !same && c.differs == nil {
		c.differs = &sums
	}
	if c.sums.SHA1 == "" {
		c.sums.SHA1 = sums.SHA1 // for the next one to agree with
	}
	return c
}

func (c *pathClaim) ambiguous(document, path string) *AmbiguousError {
	return &AmbiguousError{document, path, [2]string{sumsText(c.sums), sumsText(*c.differs)}}
}

// sumsText names the hashes of an entry as briefly as tells two apart.
func sumsText(c sbom.Checksums) string {
	var out []string
	for _, h := range [][2]string{{"sha256", c.SHA256}, {"sha512", c.SHA512}, {"sha1", c.SHA1}} {
		if sum := h[1]; sum != "" {
			out = append(out, h[0]+":"+sum[:min(12, len(sum))])
		}
	}
	if out == nil {
		return "no hash"
	}
	return strings.Join(out, " ")
}
