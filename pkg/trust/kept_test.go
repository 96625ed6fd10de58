package trust_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

type object = map[string]any

func tufURL(name string) string { return "https://" + world.HostTUF + "/" + name }

// kept is what an update keeps of what a world publishes now, of the versions given.
func kept(t *testing.T, w *world.World, change func(kept object)) []byte {
	t.Helper()
	k := object{"schemaVersion": 1, "repository": trust.Repository, "roots": object{},
		"timestamp": w.File(tufURL("timestamp.json")), "snapshot": w.File(tufURL("3.snapshot.json")), "targets": w.File(tufURL("3.targets.json"))}
	change(k)
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What the last update kept is verified again, and only ever makes the next one stricter: what has
// expired still says what was seen, what is forged says nothing, and what cannot be read is said to be so.
func TestUpdateFromWhatWasKept(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	week := time.Now().AddDate(0, 0, -7)
	at := func(timestamp, snapshot, targets int) func(*world.TUF) {
		return func(r *world.TUF) { r.Timestamp, r.Snapshot, r.Targets = timestamp, snapshot, targets }
	}
	as := func(object) {}
	put := func(name, text string) func(object) { return func(k object) { k[name] = []byte(text) } }
	for _, tt := range []struct {
		name string
		seen func(*world.TUF) // published when the last update was made, all of version 3
		kept func(object)
		now  func(*world.TUF)
		says string // empty where it is taken
	}{
		{"the same", nil, as, at(3, 3, 3), ""},
		{"a newer timestamp alone", nil, as, at(4, 3, 3), ""},
		{"a newer snapshot", nil, as, at(4, 4, 3), ""},
		{"newer targets", nil, as, at(4, 4, 4), ""},
		{"an older timestamp", nil, as, at(2, 3, 3), "older than"},
		{"an older snapshot", nil, as, at(4, 2, 3), "older than"},
		{"older targets", nil, as, at(4, 4, 2), "older than"},
		{"an expired timestamp, and a newer one", func(r *world.TUF) { r.Expires["timestamp"] = week }, as, at(4, 3, 3), ""},
		{"an expired timestamp, and an older one", func(r *world.TUF) { r.Expires["timestamp"] = week }, as, at(2, 3, 3), "older than"},
		{"an expired snapshot, and a newer one", func(r *world.TUF) { r.Expires["snapshot"] = week }, as, at(4, 4, 3), ""},
		{"expired targets, and newer ones", func(r *world.TUF) { r.Expires["targets"] = week }, as, at(4, 4, 4), ""},
		{"expired targets, and older ones", func(r *world.TUF) { r.Expires["targets"] = week }, as, at(4, 4, 2), "older than"},
		{"a forged timestamp", func(r *world.TUF) { r.KeySeed["timestamp"] = "evil" }, as, at(2, 3, 3), ""},
		{"a forged snapshot", func(r *world.TUF) { r.KeySeed["snapshot"] = "evil" }, as, at(4, 4, 4), ""},
		{"forged targets", func(r *world.TUF) { r.KeySeed["targets"] = "evil" }, as, at(4, 4, 4), ""},
		{"a timestamp that is no JSON", nil, put("timestamp", "{"), at(4, 4, 4), "the kept timestamp.json: "},
		{"a snapshot that is no JSON", nil, put("snapshot", "{"), at(3, 3, 3), "the kept snapshot.json: "},
		{"targets that are no JSON", nil, put("targets", "{"), at(3, 3, 3), "the kept targets.json: "},
		{"no snapshot", nil, func(k object) { delete(k, "snapshot") }, at(3, 3, 3), ""},
		{"no targets", nil, func(k object) { delete(k, "targets") }, at(3, 3, 3), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, repo, req := repository(t, genuine)
			at(3, 3, 3)(repo)
			if tt.seen != nil {
				tt.seen(repo)
			}
			repo.Publish(w)
			req.Previous = kept(t, w, tt.kept)
			clear(repo.Expires)
			clear(repo.KeySeed)
			tt.now(repo)
			repo.Publish(w)
			got, err := trust.Update(t.Context(), req)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("%v; want %q", err, tt.says)
			}
			if err == nil && (!bytes.Equal(got.Text, genuine) || got.TimestampVersion != int64(repo.Timestamp) || got.TargetsVersion != int64(repo.Targets) || got.Root.Source().Embedded) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A repository may leave versions out of its names (consistent_snapshot, section 6.2 of the specification).
func TestUpdateWithoutVersionsInNames(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	w, repo, req := repository(t, genuine)
	repo.Edit["root"] = func(signed object) { signed["consistent_snapshot"] = false }
	repo.Publish(w)
	w.PutFile(tufURL("snapshot.json"), w.File(tufURL("1.snapshot.json")))
	w.PutFile(tufURL("targets.json"), w.File(tufURL("1.targets.json")))
	w.PutFile(tufURL("targets/trusted_root.json"), genuine)
	for _, name := range []string{"1.snapshot.json", "1.targets.json"} {
		w.Status(tufURL(name), 404)
	}
	req.TUFRoot = repo.RootJSON(1)
	if got, err := trust.Update(t.Context(), req); err != nil || !bytes.Equal(got.Text, genuine) {
		t.Error(err)
	}
}

// An update to the root that is compiled in is known as that one, and a TUF root that is none is a wrong file.
func TestUpdateToTheEmbeddedRoot(t *testing.T) {
	text, err := os.ReadFile("data/trusted_root.json")
	if err != nil {
		t.Fatal(err)
	}
	_, _, req := repository(t, text)
	req.Old = trust.EmbeddedRoot()
	if got, err := trust.Update(t.Context(), req); err != nil || !got.Root.Source().Embedded || len(got.Changes) > 0 || got.Until.Before(time.Now()) {
		t.Errorf("%+v: %v", got, err)
	}
	req.TUFRoot = []byte("{}")
	var file *trust.FileError
	if _, err := trust.Update(t.Context(), req); !errors.As(err, &file) || file.What != "TUF root" {
		t.Errorf("%v", err)
	}
}
