package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// A bundle with an entry of the newer log is one text: its body, and its proof's index,
// are those of the entry that was logged. Where it stands in the tree does not matter.
func TestBodyIsTheLoggedLeaf(t *testing.T) {
	s := world.NewSigstore("leaf")
	root, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("an artifact\n")
	judge := func(b []byte) report.Verdict {
		return artifact(t, root, verify.Artifact{Bundle: b, Digest: sum(body), Identity: google(world.KrelTrust)}).Verdict()
	}
	statement := world.Statement("https://example.com/p", nil, "it", sum(body))
	for i := range 20 { // trees of every form
		signed := s.Sign(body, world.Signing{Tiled: true})
		if i%2 == 1 {
			if v := judge(s.Attest(statement, world.Signing{Tiled: true}).Bundle("0.3")); v != report.Verified {
				t.Fatalf("attestation %d: %s", i, v)
			}
		}
		b := signed.Bundle("0.3")
		if v := judge(b); v != report.Verified {
			t.Fatalf("entry %d: %s", i, v)
		}
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		entry := doc["verificationMaterial"].(map[string]any)["tlogEntries"].([]any)[0].(map[string]any)
		proof := entry["inclusionProof"].(map[string]any)
		for name, change := range map[string]func(){
			"a digit of the body's digest": func() {
				text, _ := base64.StdEncoding.DecodeString(entry["canonicalizedBody"].(string))
				entry["canonicalizedBody"] = bytes.Replace(text, []byte(`"digest":"`), []byte(`"digest":"A`), 1)
			},
			"the index in the proof": func() { proof["logIndex"] = "0" },
		} {
			was, index := entry["canonicalizedBody"], proof["logIndex"]
			change()
			changed, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			entry["canonicalizedBody"], proof["logIndex"] = was, index
			if v := judge(changed); v == report.Verified {
				t.Errorf("entry %d, changed %s: %s", i, name, v)
			}
		}
	}
}
