package sigstore

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	prekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"

	"github.com/kverify/kverify/internal/strictjson"
)

// checkEntry holds a log entry to what sigstore-go leaves open: indices that
// are none, a kind that is not the body's, and a checkpoint that is for another
// tree than the proof.
func checkEntry(e *prekor.TransparencyLogEntry) error {
	if e.GetLogIndex() < 0 || e.GetIntegratedTime() < 0 {
		return fmt.Errorf("index %d, time %d", e.GetLogIndex(), e.GetIntegratedTime())
	}
	var body struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := strictjson.Check(e.GetCanonicalizedBody()); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if err := json.Unmarshal(e.GetCanonicalizedBody(), &body); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if k := e.GetKindVersion(); k.GetKind() != body.Kind || k.GetVersion() != body.APIVersion {
		return fmt.Errorf("it says %.40q %.20q, and its body %.40q %.20q", k.GetKind(), k.GetVersion(), body.Kind, body.APIVersion)
	}
	p := e.GetInclusionProof()
	origin, _, _ := strings.Cut(p.GetCheckpoint().GetEnvelope(), "\n")
	if body.Kind != "intoto" { // whose 0.0.2 is of the older log
		if err := checkGeneration(body.APIVersion, origin, len(e.GetInclusionPromise().GetSignedEntryTimestamp()) > 0); err != nil {
			return err
		}
	}
	if p == nil {
		return nil
	}
	if p.GetLogIndex() < 0 || p.GetTreeSize() <= 0 || p.GetLogIndex() >= p.GetTreeSize() {
		return fmt.Errorf("inclusion proof for index %d in a tree of %d", p.GetLogIndex(), p.GetTreeSize())
	}
	// A checkpoint's text: origin, tree size, root hash, one a line (c2sp.org/tlog-checkpoint).
	lines := strings.SplitN(p.GetCheckpoint().GetEnvelope(), "\n", 4)
	if len(lines) < 4 || lines[1] != strconv.FormatInt(p.GetTreeSize(), 10) {
		return fmt.Errorf("the checkpoint is not for the proof's tree of %d entries", p.GetTreeSize())
	}
	// The newest form of the log may leave the root out of the proof.
	if len(p.GetRootHash()) > 0 && lines[2] != base64.StdEncoding.EncodeToString(p.GetRootHash()) {
		return errors.New("the checkpoint's root hash is not the proof's")
	}
	return nil
}
