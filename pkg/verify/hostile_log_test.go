package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// Rules 15 and 16: what a log may answer about the SBOM's signature. Nothing
// but the SBOM binds here.
func TestHostileLogAnswers(t *testing.T) {
	built := world.New(world.Options{})
	entry := func(change func(e, v object)) func(*world.World) {
		return func(w *world.World) {
			w.Tamper(world.RekorEntriesURL, func(b []byte) []byte {
				var found []map[string]object
				if err := json.Unmarshal(b, &found); err != nil {
					panic(err)
				}
				for _, byID := range found {
					for _, e := range byID {
						change(e, e["verification"].(object))
					}
				}
				out, _ := json.Marshal(found)
				return out
			})
		}
	}
	answer := func(url, body string) func(*world.World) {
		return func(w *world.World) { w.Tamper(url, func([]byte) []byte { return []byte(body) }) }
	}
	for name, do := range map[string]func(*world.World){
		"a proof without a promise":    entry(func(_, v object) { delete(v, "signedEntryTimestamp") }),
		"a proof and an empty promise": entry(func(_, v object) { v["signedEntryTimestamp"] = "" }),
		"a proof, and another time":    entry(func(e, v object) { delete(v, "signedEntryTimestamp"); e["integratedTime"] = 1 }),
		"another time":                 entry(func(e, _ object) { e["integratedTime"] = e["integratedTime"].(float64) - 1 }),
		"no time":                      entry(func(e, _ object) { delete(e, "integratedTime") }),
		"a time below zero":            entry(func(e, _ object) { e["integratedTime"] = -5 }),
		"another index":                entry(func(e, _ object) { e["logIndex"] = 1 }),
		"an index below zero":          entry(func(e, _ object) { e["logIndex"] = -1 }),
		"another log":                  entry(func(e, _ object) { e["logID"] = strings.Repeat("0", 64) }),
		"no log":                       entry(func(e, _ object) { e["logID"] = "" }),
		"neither promise nor proof":    entry(func(_, v object) { delete(v, "signedEntryTimestamp"); delete(v, "inclusionProof") }),
		"a tree below zero":            entry(func(_, v object) { v["inclusionProof"].(object)["treeSize"] = -1 }),
		"a tree of nothing":            entry(func(_, v object) { v["inclusionProof"].(object)["treeSize"] = 0 }),
		"a tree beyond measure":        entry(func(_, v object) { v["inclusionProof"].(object)["treeSize"] = 1 << 62 }),
		"a leaf below zero":            entry(func(_, v object) { v["inclusionProof"].(object)["logIndex"] = -1 }),
		"no hashes":                    entry(func(_, v object) { v["inclusionProof"].(object)["hashes"] = []string{} }),
		"hashes that are none":         entry(func(_, v object) { v["inclusionProof"].(object)["hashes"] = []string{"xyz"} }),
		"a checkpoint of nobody":       entry(func(_, v object) { v["inclusionProof"].(object)["checkpoint"] = "rekor - 1\n1\nAAAA\n\n" }),
		"no checkpoint":                entry(func(_, v object) { v["inclusionProof"].(object)["checkpoint"] = "" }),
		"no body":                      entry(func(e, _ object) { e["body"] = "" }),
		"another kind of body": entry(func(e, _ object) {
			e["body"] = base64.StdEncoding.EncodeToString([]byte(`{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{}}`))
		}),
		"nothing":               answer(world.RekorEntriesURL, "[]"),
		"null":                  answer(world.RekorEntriesURL, "null"),
		"a null":                answer(world.RekorEntriesURL, "[null]"),
		"an entry that is null": answer(world.RekorEntriesURL, `[{"x":null}]`),
		"a map":                 answer(world.RekorEntriesURL, "{}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			do(w)
			v := verifier(t, w)
			v.Fetch.Transport = carried(w)
			rep, err := v.Images(t.Context(), request(t, version))
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}

// Rules 14 and 15: who signed the SBOM, and when it was logged.
func TestHostileSBOMSignatures(t *testing.T) {
	built := world.New(world.Options{})
	evil := world.NewSigstore("evil")
	for name, how := range map[string]world.Signing{
		"another's":             {Identity: "mallory@example.com"},
		"krel-trust":            {Identity: world.KrelTrust},
		"the promoter of 2022":  {Identity: world.Promoter22},
		"by way of another":     {Identity: world.KrelStage, Issuer: "https://evil.example"},
		"another CA":            {Identity: world.KrelStage, CA: evil},
		"another CT log":        {Identity: world.KrelStage, CT: evil},
		"another log":           {Identity: world.KrelStage, Log: evil},
		"no SCT":                {Identity: world.KrelStage, NoSCT: true},
		"not logged":            {Identity: world.KrelStage, NoLog: true},
		"logged an hour later":  {Identity: world.KrelStage, LogTime: world.Signed2023.Add(time.Hour)},
		"logged an hour before": {Identity: world.KrelStage, LogTime: world.Signed2023.Add(-time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			w.PutFile(world.SBOMURL(version), append(bytes.Clone(w.File(world.SBOMURL(version))), '\n')) // bytes that krel-staging never signed
			w.SignFile(world.SBOMURL(version), how)
			if rep := verdictOf(t, w, version); rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}
