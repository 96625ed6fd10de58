package trust_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/trust"
)

func parseRoot(t testing.TB, text []byte) *trust.Root {
	t.Helper()
	r, err := trust.ParseRoot(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// logUntil ends the first transparency log of a root; an empty time opens it.
func logUntil(text []byte, end string) []byte {
	return world.EditRoot(text, func(root map[string][]map[string]any) {
		valid := root["tlogs"][0]["publicKey"].(map[string]any)["validFor"].(map[string]any)
		if valid["end"] = end; end == "" {
			delete(valid, "end")
		}
	})
}

// secondLog adds another Sigstore's log.
func secondLog(text []byte) []byte {
	return world.EditRoot(text, func(root map[string][]map[string]any) {
		var other struct{ Tlogs []map[string]any }
		if err := json.Unmarshal(world.NewSigstore("another").TrustedRootJSON(), &other); err != nil {
			panic(err)
		}
		root["tlogs"] = append(root["tlogs"], other.Tlogs[0])
	})
}

// repository is a world that publishes a root, and the request that asks it.
func repository(t testing.TB, target []byte) (*world.World, *world.TUF, trust.UpdateRequest) {
	t.Helper()
	w := world.New(world.Options{})
	old := parseRoot(t, w.TrustedRootJSON())
	repo := world.NewTUF(target)
	repo.Publish(w)
	return w, repo, trust.UpdateRequest{Client: &fetch.Client{Transport: w}, TUFRoot: repo.RootJSON(1), Old: old}
}

func TestUpdate(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	ended := logUntil(genuine, "2030-01-01T00:00:00Z")
	for _, tt := range []struct {
		name   string
		target []byte
		change func(*world.TUF)
		want   []string
	}{
		{"nothing new", genuine, func(*world.TUF) {}, nil},
		{"a chain of roots", genuine, func(r *world.TUF) { r.Root = 5 }, nil},
		{"the first root has expired", genuine, func(r *world.TUF) { r.Root = 2 }, nil},
		{"a log more", secondLog(genuine), func(*world.TUF) {}, []string{"added transparency log"}},
		{"a log that has ended", ended, func(*world.TUF) {}, []string{"ended transparency log"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, repo, req := repository(t, tt.target)
			tt.change(repo)
			repo.Publish(w)
			got, err := trust.Update(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Text, tt.target) || got.RootVersion != int64(repo.Root) || len(got.Changes) != len(tt.want) {
				t.Fatalf("root %d, %v", got.RootVersion, got.Changes)
			}
			for i, s := range tt.want {
				if !strings.Contains(got.Changes[i].String(), s) {
					t.Errorf("%s", got.Changes[i])
				}
			}
			// Again, with what it kept: the same.
			req.Previous, req.Old = got.Keep, got.Root
			again, err := trust.Update(t.Context(), req)
			if err != nil || !bytes.Equal(again.Text, got.Text) || !bytes.Equal(again.Keep, got.Keep) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// Whoever stands between kverify and the repository has old metadata, keys of
// his own, and patience. None of it may give him a root.
func TestUpdateAttacks(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	newer := secondLog(genuine)
	week := time.Now().AddDate(0, 0, -7)
	at := func(path string) string { return "https://" + world.HostTUF + "/" + path }
	for _, tt := range []struct {
		name   string
		target []byte
		// seen is what was published when the last update was made; nil: there was none.
		seen    func(*world.TUF)
		attack  func(*world.World, *world.TUF)
		refuted bool
		says    string
	}{
		{"freeze: the timestamp has expired", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Expires["timestamp"] = week
			r.Publish(w)
		}, false, "out of date"},
		{"freeze: the snapshot has expired", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Expires["snapshot"] = week
			r.Publish(w)
		}, false, "out of date"},
		{"freeze: the targets have expired", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Expires["targets"] = week
			r.Publish(w)
		}, false, "out of date"},
		{"freeze: the last root has expired", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Root, r.Expires["root"] = 2, week
			r.Publish(w)
		}, false, "out of date"},
		{"roll-back: an older timestamp", genuine, func(r *world.TUF) { r.Timestamp = 3 }, func(w *world.World, r *world.TUF) {
			r.Timestamp = 2
			r.Publish(w)
		}, true, "older than"},
		{"roll-back: an older snapshot under a newer timestamp", genuine, func(r *world.TUF) { r.Snapshot = 3 }, func(w *world.World, r *world.TUF) {
			r.Snapshot, r.Timestamp = 2, 9
			r.Publish(w)
		}, true, "older than"},
		{"roll-back: older targets under a newer snapshot", genuine, func(r *world.TUF) { r.Targets = 3 }, func(w *world.World, r *world.TUF) {
			r.Targets, r.Snapshot, r.Timestamp = 2, 9, 9
			r.Publish(w)
		}, true, "older than"},
		{"roll-back: a root without a log", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Target = secondLog(genuine)
			r.Target = world.EditRoot(r.Target, func(root map[string][]map[string]any) { root["tlogs"] = root["tlogs"][len(root["tlogs"])-1:] })
			r.Publish(w)
		}, true, "a step back: removed transparency log"},
		{"mix and match: targets that the snapshot does not name", genuine, nil, func(w *world.World, r *world.TUF) {
			other := *r
			other.Targets, other.Target = 2, newer
			other.Publish(w)
			b := w.File(at("2.targets.json"))
			r.Publish(w)
			w.PutFile(at("1.targets.json"), b)
		}, true, ""},
		{"mix and match: a snapshot that the timestamp does not name", genuine, nil, func(w *world.World, r *world.TUF) {
			other := *r
			other.Snapshot = 2
			other.Publish(w)
			b := w.File(at("2.snapshot.json"))
			r.Publish(w)
			w.PutFile(at("1.snapshot.json"), b)
		}, true, ""},
		{"wrong keys: timestamp", genuine, nil, func(w *world.World, r *world.TUF) { r.KeySeed["timestamp"] = "evil"; r.Publish(w) }, true, "not signed by enough"},
		{"wrong keys: snapshot", genuine, nil, func(w *world.World, r *world.TUF) { r.KeySeed["snapshot"] = "evil"; r.Publish(w) }, true, "not signed by enough"},
		{"wrong keys: targets", genuine, nil, func(w *world.World, r *world.TUF) { r.KeySeed["targets"] = "evil"; r.Publish(w) }, true, "not signed by enough"},
		{"wrong keys: the next root", genuine, nil, func(w *world.World, r *world.TUF) {
			evil := world.NewTUF(newer)
			evil.Seed, evil.Root = "evil", 2
			evil.Publish(w)
		}, true, "not signed by enough"},
		{"two signatures of three", genuine, nil, func(w *world.World, r *world.TUF) { r.Signers["targets"] = 2; r.Publish(w) }, true, "not signed by enough"},
		{"another target of the same length", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Served = bytes.Replace(genuine, []byte("rekor.sigstore.dev"), []byte("rekor.sigstore.xyz"), 1)
			r.Publish(w)
		}, true, "not what was signed"},
		{"a truncated target", genuine, nil, func(w *world.World, r *world.TUF) { r.Served = genuine[:len(genuine)/2]; r.Publish(w) }, true, "not what was signed"},
		{"a target that is no root", []byte(`{"mediaType":"x"}`), nil, func(*world.World, *world.TUF) {}, false, "cannot be read"},
		{"endless: timestamp", genuine, nil, func(w *world.World, _ *world.TUF) { w.EndlessBody(at("timestamp.json")) }, false, "too large"},
		{"endless: the next root", genuine, nil, func(w *world.World, r *world.TUF) {
			r.Root = 2
			r.Publish(w)
			w.EndlessBody(at("2.root.json"))
		}, false, "too large"},
		{"endless: the target", genuine, nil, func(w *world.World, _ *world.TUF) { w.EndlessBody(at("targets/*")) }, false, "too large"},
		{"a web page", genuine, nil, func(w *world.World, _ *world.TUF) { w.HTML(at("*")) }, false, "could not be fetched"},
		{"cut in half", genuine, nil, func(w *world.World, _ *world.TUF) { w.Truncate(at("1.targets.json"), 100) }, false, "truncated"},
		{"no network", genuine, nil, func(w *world.World, _ *world.TUF) { w.Refuse(at("*")) }, false, "cannot reach"},
		{"the repository is away", genuine, nil, func(w *world.World, _ *world.TUF) { w.Status(at("timestamp.json"), 404) }, false, "404"},
		{"the snapshot is away", genuine, nil, func(w *world.World, _ *world.TUF) { w.Status(at("1.snapshot.json"), 404) }, false, "404"},
		{"the targets are away", genuine, nil, func(w *world.World, _ *world.TUF) { w.Status(at("1.targets.json"), 404) }, false, "404"},
		{"a server error for the next root is not its absence", genuine, nil, func(w *world.World, _ *world.TUF) { w.Status(at("2.root.json"), 500) }, false, "500"},
		{"no JSON", genuine, nil, func(w *world.World, _ *world.TUF) { w.PutFile(at("timestamp.json"), []byte("{")) }, false, "cannot be read: timestamp.json: "},
		{"no JSON: the snapshot", genuine, nil, func(w *world.World, _ *world.TUF) { w.PutFile(at("1.snapshot.json"), []byte("{")) }, true, "1.snapshot.json: "},
		{"no JSON: the targets", genuine, nil, func(w *world.World, _ *world.TUF) { w.PutFile(at("1.targets.json"), []byte("{")) }, false, "1.targets.json: "},
		{"no JSON: the next root", genuine, nil, func(w *world.World, _ *world.TUF) { w.PutFile(at("2.root.json"), []byte("{")) }, false, "2.root.json: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, repo, req := repository(t, tt.target)
			if tt.seen != nil {
				tt.seen(repo)
				repo.Publish(w)
				got, err := trust.Update(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				req.Previous = got.Keep
			}
			tt.attack(w, repo)
			got, err := trust.Update(t.Context(), req)
			var refused *trust.UpdateError
			if !errors.As(err, &refused) || got != nil {
				t.Fatalf("taken: %v", err)
			}
			if refused.Refuted != tt.refuted || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("refuted=%v: %v", refused.Refuted, err)
			}
		})
	}
}

// Roots that were seen are kept, so that hiding them brings back no older one.
func TestHiddenRootsAreKept(t *testing.T) {
	w, repo, req := repository(t, world.New(world.Options{}).TrustedRootJSON())
	repo.Root = 4
	repo.Publish(w)
	got, err := trust.Update(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	repo.Root = 2
	repo.Publish(w)
	if again, err := trust.Update(t.Context(), trust.UpdateRequest{Client: req.Client, TUFRoot: req.TUFRoot, Old: req.Old, Previous: got.Keep}); err != nil || again.RootVersion != 4 {
		t.Errorf("%v %v", again, err)
	}
	for name, kept := range map[string]string{"no JSON": "x", "another schema": `{"schemaVersion":2}`, "unknown fields": `{"schemaVersion":1,"x":1}`, "of another repository": `{"schemaVersion":1,"repository":"https://example.com"}`} {
		req.Previous = []byte(kept)
		if _, err := trust.Update(t.Context(), req); !errors.As(err, new(*trust.FileError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAcceptRemoval(t *testing.T) {
	all := secondLog(world.New(world.Options{}).TrustedRootJSON())
	_, _, req := repository(t, world.New(world.Options{}).TrustedRootJSON())
	req.Old = parseRoot(t, all)
	if _, err := trust.Update(t.Context(), req); err == nil {
		t.Error("a removal was taken without being asked for")
	}
	req.AcceptRemoval = true
	if got, err := trust.Update(t.Context(), req); err != nil || len(got.Changes) != 1 || got.Changes[0].Kind() != "removed" {
		t.Errorf("%v", err)
	}
}

func TestChanges(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	ended, later := logUntil(genuine, "2030-01-01T00:00:00Z"), logUntil(genuine, "2031-01-01T00:00:00Z")
	for _, tt := range []struct {
		was, is []byte
		kind    string
		back    bool
	}{
		{genuine, genuine, "", false}, {genuine, secondLog(genuine), "added", false}, {secondLog(genuine), genuine, "removed", true},
		{genuine, ended, "ended", false}, {later, ended, "ended", false}, {ended, genuine, "reopened", true}, {ended, later, "reopened", true},
	} {
		got := trust.Changes(parseRoot(t, tt.was), parseRoot(t, tt.is))
		if tt.kind == "" {
			if len(got) > 0 {
				t.Errorf("%v", got)
			}
			continue
		}
		if len(got) != 1 || got[0].Kind() != tt.kind || got[0].IsRollback() != tt.back {
			t.Errorf("want %s: %v", tt.kind, got)
		}
	}
}

// The embedded root of the repository is the one that go-tuf accepts.
func TestEmbeddedTUFRoot(t *testing.T) {
	w := world.New(world.Options{})
	w.Refuse("https://" + world.HostTUF + "/*")
	_, err := trust.Update(t.Context(), trust.UpdateRequest{Client: &fetch.Client{Transport: w}, Old: trust.EmbeddedRoot()})
	if !fetch.Is(err, fetch.Unreachable) {
		t.Errorf("%v", err)
	}
}

// What was kept and is signed still is not asked for again.
func TestUpdateOfNothingNew(t *testing.T) {
	w, _, req := repository(t, world.New(world.Options{}).TrustedRootJSON())
	got, err := trust.Update(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	req.Previous = got.Keep
	for _, name := range []string{"1.snapshot.json", "1.targets.json"} {
		w.Status("https://"+world.HostTUF+"/"+name, 404)
	}
	if again, err := trust.Update(t.Context(), req); err != nil || !bytes.Equal(again.Keep, got.Keep) {
		t.Error(err)
	}
}
