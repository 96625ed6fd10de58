// Package detached proves the signature that lies beside a file of a release, as
// ".sig" and ".cert". Neither holds the entry that the transparency log has of it, so
// that the log is asked; a bundle that was kept beside the file spares the question.
package detached

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// Signature is what lies beside a signed file, as it was read: "<url>.sig" and
// "<url>.cert". Nothing of it is proved yet.
type Signature struct {
	Sig, Cert []byte
	Err       error // why they could not be read
}

// Fetch reads what lies beside the file at url.
func Fetch(ctx context.Context, s *session.Session, url string) (d Signature) {
	d.Sig, d.Cert, d.Err = release.FetchSigned(ctx, s.Fetch, url)
	return d
}

// Verify proves the signature for bytes that are known by their SHA-256: by the
// policy's identity for files, with the entry that the transparency log has of it.
// Where it verifies, it also returns the bundle, in JSON, that holds all of it.
func (d Signature) Verify(ctx context.Context, s *session.Session, url string, sum [sha256.Size]byte) (report.Check, []byte) {
	r := prover{s}
	who := r.session.Policy.Files.Identity
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) (report.Check, []byte) {
		return r.session.Check(report.Signature, v, reason, format, args...), nil
	}
	if d.Err != nil {
		return r.session.Failed(report.Signature, fmt.Errorf("signature of %s: %w", url, d.Err)), nil
	}
	signed, err := sigstore.ParseDetached(sum, d.Sig, d.Cert)
	if err != nil {
		return say(report.Unknown, report.Malformed, "%s%v", url, err)
	}
	if id := signed.Identity; id != r.session.Policy.FileIdentity() {
		return say(report.Unknown, report.Untrusted, "signed by %.80q of %.80q, not by %s", id.Subject, id.Issuer, who)
	}
	// Said apart from a missing log entry: these bytes are not the ones that were signed.
	if !signed.SignsSum() {
		return say(report.Refuted, report.Mismatch, "the signature by %s is for other bytes than %s has now", who, url)
	}
	// A kept entry saves the look-up if it proves all of it; else the log is asked, as if it were not there.
	if entry := s.Entries.Find(signed); entry != nil {
		if c, b := r.proveLogged(url, signed, entry); c.Verdict == report.Verified {
			c.Evidence = c.Evidence.Changed(func(e *report.Evidence) { e.Fields["logEntry"] = "kept beside the file" })
			return c, b
		}
	}
	entries, err := r.lookUp(ctx, signed)
	var none *sigstore.EntryError
	switch {
	case errors.As(err, &none):
		return say(report.Unknown, none.Reason, "%s: %v", url, err)
	case err != nil:
		return r.session.Failed(report.Signature, fmt.Errorf("log entry of %s: %w", url, err)), nil
	}
	// All of them count; one whose proof of inclusion is spoilt does not hide the next.
	first, b := r.proveLogged(url, signed, entries[0])
	for _, e := range entries[1:] {
		if first.Verdict == report.Verified {
			break
		}
		if c, kept := r.proveLogged(url, signed, e); c.Verdict == report.Verified {
			first, b = c, kept
		}
	}
	return first, b
}

// proveLogged verifies the log entry of a file's signature, and returns the bundle that
// holds all of it if it does.
func (r prover) proveLogged(url string, d *sigstore.DetachedSignature, entry *sigstore.LogEntry) (report.Check, []byte) {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) (report.Check, []byte) {
		return r.session.Check(report.Signature, v, reason, format, args...), nil
	}
	who := r.session.Policy.Files.Identity
	if !entry.LogKnown(r.session.Root) {
		return say(report.Unknown, report.Untrusted, "logged by %.64q, which the trusted root does not know: the trusted root may be older than the signature", entry.LogID)
	}
	if !entry.Promised() {
		return say(report.Unknown, report.Absent, "the log entry of %s has no signed timestamp, so nothing says when it was signed", url)
	}
	b, err := d.Bundle(entry)
	if err != nil {
		return say(report.Unknown, report.Malformed, "the log entry of %s cannot be read: %v", url, err)
	}
	if err := b.Verify(r.session.Root, r.session.Policy.FileIdentity()); err != nil {
		if what := d.UnknownAuthority(r.session.Root); what != "" {
			return say(report.Unknown, report.Untrusted, "signed under %s, which the trusted root does not know: the trusted root may be older than the signature", what)
		}
		return say(report.Refuted, report.Forged, "the signature of %s, which claims to be by %s, does not verify: %v", url, who, err)
	}
	kept, err := b.JSON()
	if err != nil {
		return say(report.Unknown, report.Malformed, "the log entry of %s cannot be kept: %v", url, err)
	}
	logged := time.Unix(entry.IntegratedTime, 0).UTC().Format(time.RFC3339)
	c, _ := say(report.Verified, "", "signed by %s, logged %s", who, logged)
	c.Evidence = report.EvidenceOf(report.Evidence{What: "signature", Source: url + ".sig", Digest: string(d.Digest()), Fields: map[string]string{
		report.FieldIdentity: r.session.Policy.FileIdentity().Subject, report.FieldIssuer: r.session.Policy.FileIdentity().Issuer, report.FieldRule: who,
		report.FieldLogIndex: strconv.FormatInt(entry.LogIndex, 10), report.FieldLogID: entry.LogID, report.FieldLogged: logged,
	}})
	return c, kept
}
