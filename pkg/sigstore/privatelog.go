package sigstore

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kverify/kverify/pkg/trust"
)

// plainOrigin says whether the bundle's one entry is of a kind that Rekor v1
// writes, under a checkpoint whose origin is a plain name and no tree id: a
// private log may do so. sigstore-go takes such an entry for one of the newer log,
// and refuses it.
func (s *Bundle) plainOrigin() bool {
	entries := s.b.GetVerificationMaterial().GetTlogEntries()
	if len(entries) != 1 || s.promised || entries[0].GetInclusionProof() == nil {
		return false
	}
	kind, version := entries[0].GetKindVersion().GetKind(), entries[0].GetKindVersion().GetVersion()
	origin, _, _ := strings.Cut(entries[0].GetInclusionProof().GetCheckpoint().GetEnvelope(), "\n")
	return (version == "0.0.1" || kind == "intoto" && version == "0.0.2") && !olderTree().MatchString(origin)
}

// verifyPlainOrigin verifies that entry: the checkpoint is signed by the log
// that the root knows under that origin, the entry is in its tree, and it has
// this signature, this key and this content. It says nothing about time, so that
// it is for signatures by a key that the caller named.
func (s *Bundle) verifyPlainOrigin(r *trust.Root, key crypto.PublicKey) error {
	e := s.b.GetVerificationMaterial().GetTlogEntries()[0]
	log, ok := r.Material.RekorLogs()[hex.EncodeToString(e.GetLogId().GetKeyId())]
	if !ok {
		return errors.New("the log is not known")
	}
	base, err := url.Parse(log.BaseURL)
	if err != nil || base.Hostname() == "" {
		return fmt.Errorf("the trusted root gives the log no name: %q", log.BaseURL)
	}
	if e.GetLogIndex() != e.GetInclusionProof().GetLogIndex() {
		return errors.New("the entry's index is not the proof's")
	}
	verifier, err := signature.LoadVerifier(log.PublicKey, log.SignatureHashFunc)
	if err != nil {
		return err
	}
	entry, err := tlog.ParseTransparencyLogEntry(e)
	if err != nil {
		return err
	}
	if err := tlog.ValidateEntry(entry); err != nil {
		return err
	}
	if err := tlog.VerifyCheckpointAndInclusion(entry, verifier, base.Hostname()); err != nil {
		return err
	}
	if !bytes.Equal(entry.Signature(), s.signature) {
		return errors.New("the log entry is of another signature")
	}
	same, ok := entry.PublicKey().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !same.Equal(key) {
		return errors.New("the log entry is of another key")
	}
	var logged []byte
	want := s.digest.Sum
	if s.statement != nil {
		sum := sha256.Sum256(s.b.GetDsseEnvelope().GetPayload())
		want = sum[:]
		logged, _ = entry.GetDssePayloadHash() // nothing if it is of another form, likewise below
	} else {
		logged, _, _ = entry.GetHashedRekordDigest()
	}
	if len(want) == 0 || !bytes.Equal(logged, want) {
		return errors.New("the log entry is of other content")
	}
	return nil
}
