package verify

import (
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// signed is what was found out about the signature of one digest.
type signed struct {
	signature report.Check
	reference report.Check
	absent    bool   // the registry that was asked says that there is none
	where     string // who says so

	// The manifest that signature and reference were read from.
	at        registry.Ref
	manifest  oci.Digest
	mediaType string
	size      int64
}

func (s signed) holds() bool {
	return s.signature.Verdict == report.Verified && s.reference.Verdict == report.Verified
}

func (s signed) refuted() bool {
	return s.signature.Verdict == report.Refuted || s.reference.Verdict == report.Refuted
}

// missing says why it does not hold.
func (s signed) missing() string {
	if s.signature.Verdict == report.Verified {
		return s.reference.Detail
	}
	return s.signature.Detail
}

// or joins what two places have. Only if both say that there is none, there is none.
func (s signed) or(t signed) signed {
	switch {
	case s.holds():
	case t.holds(), s.absent && !t.absent, !s.refuted() && t.refuted():
		return t
	case s.absent:
		s.signature.Detail += "; nor has " + t.where
	case t.absent:
		s.signature.Detail += "; " + t.where + " has none"
	}
	return s
}

func (r *run) noReference(why string) report.Check {
	return report.Check{Name: report.Reference, Required: r.needs(report.Reference), Reason: report.NoClaim, Detail: why}
}

func (r *run) notLookedAt() signed {
	return signed{
		signature: r.check(report.Signature, report.Unknown, report.NoClaim, "there is no manifest to look up a signature for"),
		reference: r.noReference("no signature was looked at"),
	}
}
