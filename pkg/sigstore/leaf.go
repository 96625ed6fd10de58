package sigstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// sameLeaves holds the body of every entry of the newer log (Rekor v2) against its
// inclusion proof. sigstore-go rebuilds such an entry from the bundle's own
// signature, certificate and digest, proves that, and does not look at the body: a
// bundle would verify with a body, and an index in its proof, that are of nothing.
func (s *Bundle) sameLeaves() error {
	for i, e := range s.b.GetVerificationMaterial().GetTlogEntries() {
		if e.GetKindVersion().GetVersion() != "0.0.2" || e.GetKindVersion().GetKind() == "intoto" {
			continue
		}
		p := e.GetInclusionProof()
		if p.GetLogIndex() != e.GetLogIndex() {
			return fmt.Errorf("log entry %d: index %d, and %d in its inclusion proof", i+1, e.GetLogIndex(), p.GetLogIndex())
		}
		lines := strings.SplitN(p.GetCheckpoint().GetEnvelope(), "\n", 4)
		if len(lines) < 4 {
			return fmt.Errorf("log entry %d: a checkpoint that cannot be read", i+1)
		}
		root, err := base64.StdEncoding.DecodeString(lines[2])
		if err != nil {
			return fmt.Errorf("log entry %d: a checkpoint whose root hash cannot be read", i+1)
		}
		leaf := sha256.Sum256(append([]byte{0}, e.GetCanonicalizedBody()...))
		if !included(leaf, p.GetLogIndex(), p.GetTreeSize(), p.GetHashes(), root) {
			return fmt.Errorf("log entry %d: its body is not the entry that the inclusion proof is of", i+1)
		}
	}
	return nil
}

// included verifies an inclusion proof (RFC 9162, 2.1.3.2).
func included(leaf [sha256.Size]byte, index, size int64, path [][]byte, root []byte) bool {
	if index < 0 || index >= size {
		return false
	}
	fn, sn, r := index, size-1, leaf
	for _, p := range path {
		if sn == 0 || len(p) != sha256.Size {
			return false
		}
		if fn&1 == 1 || fn == sn {
			r = node256(p, r[:])
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = node256(r[:], p)
		}
		fn, sn = fn>>1, sn>>1
	}
	return sn == 0 && bytes.Equal(r[:], root)
}

func node256(left, right []byte) [sha256.Size]byte {
	return sha256.Sum256(append(append([]byte{1}, left...), right...))
}
