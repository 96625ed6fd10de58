package claims

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// judgeProvenance proves a provenance that is signed in place (rule 32). It comes
// after the SBOM, without which it vouches for nothing.
func (d *Documents) judgeProvenance() {
	p := d.Release.Provenance.Value
	if p == nil {
		return
	}
	if p.Statement != nil {
		if err := session.Guard(func() { d.provenance = d.sealedProvenance(p) }); err != nil {
			d.provenance = provenanceProof{note: fmt.Sprintf("its claims can only refute: reading its signature failed: %v", err)}
		}
	}
	if names := p.Misplaced(); len(names) > 0 {
		d.provenance.note = joinNotes(d.provenance.note, fmt.Sprintf("%d of its %d subjects name no file of %s, such as %.120q, and were passed over",
			len(names), len(p.Subjects), d.Version, names[0]))
	}
	if d.provenance.note != "" {
		d.provenance.note = d.Release.Provenance.URL + ": " + d.provenance.note
	}
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func (d *Documents) sealedProvenance(p *release.Provenance) provenanceProof {
	who := sigstore.Signer{Identity: d.session.Policy.FileIdentity()}
	only := func(format string, args ...any) provenanceProof {
		return provenanceProof{note: "its claims can only refute: " + fmt.Sprintf(format, args...)}
	}
	s, err := sigstore.ParseBundle(d.Release.Provenance.Body)
	if err != nil {
		return only("it is not a Sigstore bundle that can be verified: %v", err)
	}
	// What was read must be what was signed, whichever of the two readers is more lenient.
	if s.Statement() == nil || !bytes.Equal(s.Payload(), p.Statement) {
		return only("two readers of its bundle find two statements")
	}
	if _, detail := s.Undecidable(d.session.Root, who); detail != "" {
		return only("%s", detail)
	}
	first, err := hex.DecodeString(p.Subjects[0].SHA256)
	if err != nil || len(first) == 0 {
		return only("its first subject has no sha256")
	}
	proof, err := s.Verify(d.session.Root, who, sigstore.Digest{Algorithm: "sha256", Sum: first})
	if err != nil {
		return only("a signature that claims to be by %s does not verify: %v", d.session.Policy.Files.Identity, err)
	}
	by := fmt.Sprintf("signed in place by %s%s", d.session.Policy.Files.Identity, proof.When())
	if why := d.session.Policy.Files.Provenance.Counts(p); why != "" {
		return only("%s, but %s", by, why)
	}
	if !d.SBOM.Signed {
		return only("%s, but without a signed SBOM it vouches for nothing", by)
	}
	return provenanceProof{signed: true, note: by}
}

// provenanceStrength is that of a claim of the provenance: signed, if the signed
// SBOM says the same of the same path (vouched holds the SBOM's), else that of where it came from.
func (d *Documents) provenanceStrength(c release.Claim, vouched map[string]bool) report.Strength {
	if d.provenance.signed && vouched[c.Subject+" "+string(c.Digest)] {
		return report.Signed
	}
	return session.Strength(c.Origin)
}
