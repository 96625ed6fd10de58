package verify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// papers are what lies beside a signed file: "<url>.sig" and "<url>.cert".
type papers struct {
	sig, cert []byte
	err       error
}

func (r *run) papers(ctx context.Context, url string) (p papers) {
	p.sig, p.cert, p.err = release.FetchSigned(ctx, r.Fetch, url)
	return p
}

// signatureOf proves the detached signature of bytes that are known by their
// SHA-256, by the policy's identity for files, with the entry that the
// transparency log has of it. Where it verifies, it also returns the bundle
// that holds all of it.
func (r *run) signatureOf(ctx context.Context, url string, sum [sha256.Size]byte, p papers) (report.Check, []byte) {
	who := r.Policy.Files.Identity
	digest := "sha256:" + hex.EncodeToString(sum[:])
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) (report.Check, []byte) {
		return r.check(report.Signature, v, reason, format, args...), nil
	}
	if p.err != nil {
		return r.failed(report.Signature, fmt.Errorf("signature of %s: %w", url, p.err)), nil
	}
	sigText, certText := p.sig, p.cert
	signature := strings.TrimSpace(string(sigText))
	if sig, err := base64.StdEncoding.Strict().DecodeString(signature); err != nil || len(sig) == 0 {
		return say(report.Unknown, report.Malformed, "%s.sig is not a signature in base64", url)
	}
	pemText, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(certText)))
	if err != nil {
		pemText = certText // PEM as it is, without the base64 around it
	}
	cert, err := oneCertificate(pemText)
	if err != nil {
		return say(report.Unknown, report.Malformed, "%s.cert: %v", url, err)
	}
	id, err := identityOf(cert)
	if err != nil {
		return say(report.Unknown, report.Malformed, "%s.cert: %v", url, err)
	}
	if id != r.Policy.FileIdentity() {
		return say(report.Unknown, report.Untrusted, "signed by %.80q of %.80q, not by %s", id.Subject, id.Issuer, who)
	}
	// Said apart from a missing log entry: these bytes are not the ones that were signed.
	if raw, _ := base64.StdEncoding.DecodeString(signature); !signs(cert, raw, sum[:]) {
		return say(report.Refuted, report.Mismatch, "the signature by %s is for other bytes than %s has now", who, url)
	}
	d := detached{url, sum[:], signature, cert}
	// A kept entry saves the look-up if it proves all of it; else the log is asked, as if it were not there.
	if entry := r.kept.find(digest, signature, cert); entry != nil {
		if c, b := d.prove(r, entry); c.Verdict == report.Verified {
			c.Evidence[0].Fields["logEntry"] = "kept beside the file"
			return c, b
		}
	}
	entries, err := r.lookUp(ctx, d)
	var none *lookUpError
	switch {
	case errors.As(err, &none):
		return say(report.Unknown, none.reason, "%s: %v", url, err)
	case err != nil:
		return r.failed(report.Signature, fmt.Errorf("log entry of %s: %w", url, err)), nil
	}
	// All of them count; one whose proof of inclusion is spoilt does not hide the next.
	first, b := d.prove(r, entries[0])
	for _, e := range entries[1:] {
		if first.Verdict == report.Verified {
			break
		}
		if c, kept := d.prove(r, e); c.Verdict == report.Verified {
			first, b = c, kept
		}
	}
	return first, b
}

// detached is a file's signature, of the right identity by its certificate's
// own word, and made over the right bytes.
type detached struct {
	url       string
	sum       []byte // SHA-256 of the file
	signature string // base64
	cert      *x509.Certificate
}

func (d detached) digest() string { return "sha256:" + hex.EncodeToString(d.sum) }

// prove verifies the log entry of a file's signature, and returns the bundle that
// holds all of it if it does.
func (d detached) prove(r *run, entry *logEntry) (report.Check, []byte) {
	say := func(v report.Verdict, reason report.Reason, format string, args ...any) (report.Check, []byte) {
		return r.check(report.Signature, v, reason, format, args...), nil
	}
	url, sum, who := d.url, d.sum, r.Policy.Files.Identity
	if logID, _ := hex.DecodeString(entry.LogID); !r.Root.KnowsLog(logID) {
		return say(report.Unknown, report.Untrusted, "logged by %.64q, which the trusted root does not know: the trusted root may be older than the signature", entry.LogID)
	}
	if len(entry.Verification.SignedEntryTimestamp) == 0 {
		return say(report.Unknown, report.Absent, "the log entry of %s has no signed timestamp, so nothing says when it was signed", url)
	}
	b, err := newBundle(sum, d.signature, d.cert.Raw, entry)
	if err != nil {
		return say(report.Unknown, report.Malformed, "the log entry of %s cannot be read: %v", url, err)
	}
	if err := verifyBundle(r.Root, r.Policy.FileIdentity(), b, sum); err != nil {
		if what := unknownAuthority(r.Root, d.cert); what != "" {
			return say(report.Unknown, report.Untrusted, "signed under %s, which the trusted root does not know: the trusted root may be older than the signature", what)
		}
		return say(report.Refuted, report.Forged, "the signature of %s, which claims to be by %s, does not verify: %v", url, who, err)
	}
	kept, err := b.MarshalJSON()
	if err != nil {
		return say(report.Unknown, report.Malformed, "the log entry of %s cannot be kept: %v", url, err)
	}
	logged := time.Unix(entry.IntegratedTime, 0).UTC().Format(time.RFC3339)
	c, _ := say(report.Verified, "", "signed by %s, logged %s", who, logged)
	c.Evidence = []report.Evidence{{What: "signature", Source: url + ".sig", Digest: "sha256:" + hex.EncodeToString(sum), Fields: map[string]string{
		"identity": r.Policy.FileIdentity().Subject, "issuer": r.Policy.FileIdentity().Issuer, "rule": who,
		"logIndex": strconv.FormatInt(entry.LogIndex, 10), "logID": entry.LogID, "integratedTime": logged,
	}}}
	return c, kept
}

// signs says whether the certificate's key made the signature. It can only
// refute: who the certificate is of is for verifyBundle to say.
func signs(cert *x509.Certificate, signature, sum []byte) bool {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	return ok && ecdsa.VerifyASN1(key, sum, signature)
}
