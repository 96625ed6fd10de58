package sigstore

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"

	pbundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	pcommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	prekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// entryFor is a log entry as a bundle has it, to be changed.
func entryFor(kind, version, checkpoint string) *prekor.TransparencyLogEntry {
	body, _ := json.Marshal(map[string]string{"kind": kind, "apiVersion": version})
	return &prekor.TransparencyLogEntry{KindVersion: &prekor.KindVersion{Kind: kind, Version: version}, CanonicalizedBody: body, LogId: &pcommon.LogId{},
		InclusionProof: &prekor.InclusionProof{TreeSize: 1, Checkpoint: &prekor.Checkpoint{Envelope: checkpoint}}}
}

func bundleOf(entries ...*prekor.TransparencyLogEntry) *Bundle {
	return &Bundle{b: &bundle.Bundle{Bundle: &pbundle.Bundle{VerificationMaterial: &pbundle.VerificationMaterial{TlogEntries: entries}}}}
}

// Only an entry of a private log, whose form is Rekor v1's and whose checkpoint names no
// tree, is verified here; all others are sigstore-go's.
func TestWhichEntriesAreOfAPrivateLog(t *testing.T) {
	const plain, tree = "log.example.com\n1\nAAAA\n", "log.example.com - 123\n1\nAAAA\n"
	unproved := entryFor("hashedrekord", "0.0.1", plain)
	unproved.InclusionProof = nil
	promised := bundleOf(entryFor("hashedrekord", "0.0.1", plain))
	promised.promised = true
	for name, tt := range map[string]struct {
		b    *Bundle
		want bool
	}{
		"a message":                          {bundleOf(entryFor("hashedrekord", "0.0.1", plain)), true},
		"an envelope":                        {bundleOf(entryFor("dsse", "0.0.1", plain)), true},
		"an envelope in the older form":      {bundleOf(entryFor("intoto", "0.0.2", plain)), true},
		"in a form of neither log":           {bundleOf(entryFor("intoto", "0.0.3", plain)), false},
		"in the newer log":                   {bundleOf(entryFor("hashedrekord", "0.0.2", plain)), false},
		"under a checkpoint that names one":  {bundleOf(entryFor("hashedrekord", "0.0.1", tree)), false},
		"a tree's number in the second line": {bundleOf(entryFor("hashedrekord", "0.0.1", "log.example.com\n - 123\n")), true},
		"two entries":                        {bundleOf(entryFor("hashedrekord", "0.0.1", plain), entryFor("hashedrekord", "0.0.1", plain)), false},
		"no entry":                           {bundleOf(), false},
		"with a promise":                     {promised, false},
		"without a proof":                    {bundleOf(unproved), false},
	} {
		if got := tt.b.plainOrigin(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What sigstore-go may leave open of an entry is refused, also if it learns to read it.
func TestEntriesThatSayNothing(t *testing.T) {
	const checkpoint = "log.example.com\n1\nAAAA\n\n"
	entry := func(change func(e *prekor.TransparencyLogEntry)) *prekor.TransparencyLogEntry {
		e := entryFor("hashedrekord", "0.0.1", checkpoint)
		change(e)
		return e
	}
	body := func(text string) func(e *prekor.TransparencyLogEntry) {
		return func(e *prekor.TransparencyLogEntry) { e.CanonicalizedBody = []byte(text) }
	}
	for name, tt := range map[string]struct {
		e  *prekor.TransparencyLogEntry
		ok bool
	}{
		"as it is":                  {entry(func(*prekor.TransparencyLogEntry) {}), true},
		"an index below nought":     {entry(func(e *prekor.TransparencyLogEntry) { e.LogIndex = -1 }), false},
		"a time below nought":       {entry(func(e *prekor.TransparencyLogEntry) { e.IntegratedTime = -1 }), false},
		"a body with a key twice":   {entry(body(`{"kind":"x","kind":"hashedrekord","apiVersion":"0.0.1"}`)), false},
		"a body that is a list":     {entry(func(e *prekor.TransparencyLogEntry) { e.CanonicalizedBody, e.KindVersion = []byte("[]"), nil }), false},
		"a body that is no JSON":    {entry(body("x")), false},
		"a body of another kind":    {entry(body(`{"kind":"dsse","apiVersion":"0.0.1"}`)), false},
		"a body of another version": {entry(body(`{"kind":"hashedrekord","apiVersion":"0.0.3"}`)), false},
		"without a proof":           {entry(func(e *prekor.TransparencyLogEntry) { e.InclusionProof = nil }), true},
	} {
		if err := checkEntry(tt.e); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A leaf is proved to a checkpoint that can be read to its last letter.
func TestLeavesUnderACheckpoint(t *testing.T) {
	rootOf := func(body string) string { // of a tree of that leaf alone
		leaf := sha256.Sum256([]byte("\x00" + body))
		return base64.StdEncoding.EncodeToString(leaf[:])
	}
	own := rootOf(`{"apiVersion":"0.0.2","kind":"hashedrekord"}`)
	for name, tt := range map[string]struct {
		checkpoint string
		ok         bool
	}{
		"a root":                     {"log.example.com\n1\n" + own + "\n", true},
		"another root":               {"log.example.com\n1\n" + rootOf("{}") + "\n", false},
		"a root and a letter behind": {"log.example.com\n1\n" + own + "!\n", false},
		"no root":                    {"log.example.com\n1\n\n", false},
		"no line behind the root":    {"log.example.com\n1\n" + own, false},
	} {
		if err := bundleOf(entryFor("hashedrekord", "0.0.2", tt.checkpoint)).sameLeaves(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
