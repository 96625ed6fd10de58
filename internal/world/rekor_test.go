package world_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

// The log answers a question by proposed entry from all of its shards, and nothing
// depends on the index beside it.
func TestRekorByProposedEntry(t *testing.T) {
	w := world.New(world.Options{})
	ask := func(body string) (int, string) {
		t.Helper()
		resp, err := (&http.Client{Transport: w}).Post(world.RekorEntriesURL, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	e := w.SignedFile(world.SBOMURL(v)).Entry
	again := w.Sigstore().Log.Shard(2).Again(e, e.IntegratedTime+60)
	status, text := ask(`{"entries":[` + string(e.Body) + `]}`)
	var found []map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &found); err != nil || status != 200 || len(found) != 2 || found[0][again.UUID()] == nil || found[1][e.UUID()] == nil {
		t.Errorf("%d %s", status, text)
	}
	if again.UUID() == e.UUID() || again.LeafHash() != e.LeafHash() || again.LogIndex() == e.LogIndex() {
		t.Errorf("%s %s", again.UUID(), e.UUID())
	}
	if _, byLeaf := ask(`{"entryUUIDs":["` + e.LeafHash() + `"]}`); byLeaf != text {
		t.Errorf("by leaf hash: %s", byLeaf)
	}
	if _, one := ask(`{"entryUUIDs":["` + e.UUID() + `"]}`); strings.Count(one, `"logIndex"`) != 2 { // the entry's, and its proof's
		t.Errorf("by id: %s", one)
	}
	for body, want := range map[string]int{
		`{"entries":[{"kind":"rfc3161"}]}`: 400,
		`{"entries":[` + string(bytes.Replace(e.Body, []byte(`"value":"`), []byte(`"value":"00`), 1)) + `]}`: 400,
		`{"entryUUIDs":["00"]}`: 400,
		`{"entryUUIDs":["1","2","3","4","5","6","7","8","9","10","11"]}`: 422,
		`{`: 400,
	} {
		if status, text := ask(body); status != want {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if n := len(w.Clone().Sigstore().Log.Shard(2).Prove(again).Hashes); n != 0 {
		t.Errorf("%d hashes in a tree of one", n)
	}
	for index, want := range map[world.Index]string{world.IndexPage: "200 <!d", world.IndexWorks: `200 ["`, world.IndexEmpty: "200 []", world.IndexGone: "404 {", world.IndexDown: "503 {"} {
		w.SetIndex(index)
		resp, err := (&http.Client{Transport: w}).Post(world.RekorSearchURL, "application/json", strings.NewReader(`{"hash":"sha256:`+e.Hash+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := resp.Status[:3] + " " + string(text); !strings.HasPrefix(got, want) {
			t.Errorf("index %d: %.40s", index, got)
		}
	}
}
