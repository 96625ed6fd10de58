package sigstore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// The entry that a bundle shows of the newer log is the one that its proof is of: who
// reads it for evidence must not be shown another.
func TestEntriesOfTheNewerLog(t *testing.T) {
	s := world.NewSigstore("newer")
	body := []byte("x")
	entryOf := func(raw []byte) (entry object) {
		changed(t, raw, func(_, _, e, _ object) { entry = e })
		return entry
	}
	tiled := s.Sign(body, world.Signing{Tiled: true}).Bundle("0.3")
	other := entryOf(s.Sign([]byte("y"), world.Signing{Tiled: true}).Bundle("0.3"))
	// The same signature in both logs: the world signs the same bytes always.
	older := s.Sign(body, world.Signing{}).Bundle("0.3")
	statement := world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body))
	both := func(change func(second object)) []byte {
		second := entryOf(tiled)
		change(second)
		return changed(t, older, func(_, m, e, _ object) { m["tlogEntries"] = []object{e, second} })
	}
	// from is a trusted root to which the newer log begins at that time.
	from := func(at time.Time) *trust.Root {
		var r object
		if err := json.Unmarshal(s.TrustedRootJSON(), &r); err != nil {
			t.Fatal(err)
		}
		r["tlogs"].([]any)[1].(object)["publicKey"].(object)["validFor"].(object)["start"] = at.Format(time.RFC3339)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		root, err := trust.ParseRoot(text)
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	at := world.Signed2023
	own := testRoot(t, s)
	for _, tt := range []struct {
		name string
		raw  []byte
		root *trust.Root
		says string // "" if it is verified
	}{
		{"as it is", tiled, own, ""},
		{"in both logs", both(func(object) {}), own, ""},
		{"an envelope in the older log's form of that number", s.Attest(statement, world.Signing{Intoto: true}).Bundle("0.3"), own, ""},
		{"another entry's body", changed(t, tiled, func(_, _, e, _ object) { e["canonicalizedBody"] = other["canonicalizedBody"] }), own, "log entry 1: its body is not the entry"},
		{"another entry's body behind a genuine entry", both(func(e object) { e["canonicalizedBody"] = other["canonicalizedBody"] }), own, "log entry 2: its body is not the entry"},
		{"another index in its proof", changed(t, tiled, func(_, _, e, _ object) { e["inclusionProof"].(object)["logIndex"] = "1" }), own, "and 1 in its inclusion proof"},
		{"a log that begins with the signature", tiled, from(at.Add(time.Second)), ""},
		{"a log that begins after it", tiled, from(at.Add(2 * time.Second)), "the log's key was not valid"},
		{"in both logs, the newer of which begins after the older's promise", both(func(object) {}), from(at.Add(2 * time.Second)), "the log's key was not valid"},
	} {
		b, err := sigstore.ParseBundle(tt.raw)
		if err == nil {
			_, err = b.VerifyContent(tt.root, sigstore.Signer{Identity: krelTrust}, bytes.NewReader(body))
		}
		if (err == nil) != (tt.says == "") || !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}
