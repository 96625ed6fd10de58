package files

import (
	"path"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// brief is a hash as a person reads it.
func brief(sum string) string {
	if len(sum) > 12 {
		return sum[:12] + "..."
	}
	return sum
}

// howRead words how a document was read.
func howRead(s report.Strength) string {
	if s == report.Vouched {
		return "vouched for by the operator's key"
	}
	return "read from its publisher"
}

// documentName names a claim's document as a person knows it.
func documentName(c claims.Claim) string {
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
