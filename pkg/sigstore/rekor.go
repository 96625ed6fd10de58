package sigstore

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/kverify/kverify/pkg/trust"
)

// LogEntry is a Rekor v1 log entry as its API returns it. All of it is a claim
// until it has been counted ([CountEntries]) and verified ([LoggedSignature.Verify]).
// https://github.com/sigstore/rekor/blob/main/openapi.yaml
type LogEntry struct {
	Body           string `json:"body"`           // base64 of the canonical entry
	IntegratedTime int64  `json:"integratedTime"` // seconds since 1970
	LogID          string `json:"logID"`          // hex
	LogIndex       int64  `json:"logIndex"`
	Verification   struct {
		SignedEntryTimestamp []byte          `json:"signedEntryTimestamp"`
		InclusionProof       *inclusionProof `json:"inclusionProof"`
	} `json:"verification"`

	record *hashedRekord // what Body holds, once it was read
}

type inclusionProof struct {
	Checkpoint string   `json:"checkpoint"`
	Hashes     []string `json:"hashes"` // hex
	LogIndex   int64    `json:"logIndex"`
	RootHash   string   `json:"rootHash"` // hex
	TreeSize   int64    `json:"treeSize"`
}

// readBody reads the body, once.
func (e *LogEntry) readBody() error {
	if e.record != nil {
		return nil
	}
	canonical, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return err
	}
	e.record, err = parseHashedRekord(canonical)
	return err
}

// Promised says whether the entry brings a signed entry timestamp, without which
// nothing says when it was logged.
func (e *LogEntry) Promised() bool { return len(e.Verification.SignedEntryTimestamp) > 0 }

// LogKnown says whether the root knows the log of the entry.
func (e *LogEntry) LogKnown(r *trust.Root) bool {
	id, err := hex.DecodeString(e.LogID)
	return err == nil && r.KnowsLog(id)
}
