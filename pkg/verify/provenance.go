package verify

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// judgeProvenance proves a provenance that is signed in place (rule 32). It comes
// after the SBOM, without which it vouches for nothing.
func (f *facts) judgeProvenance() {
	p := f.rel.Provenance.Value
	if p == nil {
		return
	}
	if p.Statement != nil {
		if err := guard(func() { f.provenance = f.sealedProvenance(p) }); err != nil {
			f.provenance = provenanceFacts{note: fmt.Sprintf("its claims can only refute: reading its signature failed: %v", err)}
		}
	}
	if names := p.Misplaced(); len(names) > 0 {
		f.provenance.note = joinNotes(f.provenance.note, fmt.Sprintf("%d of its %d subjects name no file of %s, such as %.120q, and were passed over",
			len(names), len(p.Subjects), f.version, names[0]))
	}
	if f.provenance.note != "" {
		f.provenance.note = f.rel.Provenance.URL + ": " + f.provenance.note
	}
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func (f *facts) sealedProvenance(p *release.Provenance) provenanceFacts {
	who := sigstore.Signer{Identity: f.run.Policy.FileIdentity()}
	only := func(format string, args ...any) provenanceFacts {
		return provenanceFacts{note: "its claims can only refute: " + fmt.Sprintf(format, args...)}
	}
	s, err := sigstore.ParseBundle(f.rel.Provenance.Body)
	if err != nil {
		return only("it is not a Sigstore bundle that can be verified: %v", err)
	}
	// What was read must be what was signed, whoever of the two readers is more lenient.
	if s.Statement() == nil || !bytes.Equal(s.Payload(), p.Statement) {
		return only("two readers of its bundle find two statements")
	}
	if _, detail := s.Undecidable(f.run.Root, who); detail != "" {
		return only("%s", detail)
	}
	first, err := hex.DecodeString(p.Subjects[0].SHA256)
	if err != nil || len(first) == 0 {
		return only("its first subject has no sha256")
	}
	proof, err := s.Verify(f.run.Root, who, sigstore.Digest{Algorithm: "sha256", Sum: first})
	if err != nil {
		return only("a signature that claims to be by %s does not verify: %v", f.run.Policy.Files.Identity, err)
	}
	by := fmt.Sprintf("signed in place by %s%s", f.run.Policy.Files.Identity, proof.When())
	if why := f.run.Policy.Files.Provenance.Counts(p); why != "" {
		return only("%s, but %s", by, why)
	}
	if !f.sbom.signed {
		return only("%s, but without a signed SBOM it vouches for nothing", by)
	}
	return provenanceFacts{signed: true, note: by}
}

// provenanceStrength is that of a claim of the provenance: signed, if the signed
// SBOM says the same of the same path (vouched holds the SBOM's), else that of where it came from.
func (f *facts) provenanceStrength(c release.Claim, vouched map[string]bool) report.Strength {
	if f.provenance.signed && vouched[c.Subject+" "+c.Digest] {
		return report.Signed
	}
	return strength(c.Origin)
}
