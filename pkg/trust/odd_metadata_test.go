package trust_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

// Metadata that is signed, and does not name what it must, is no reason to go on without it, nor to fall:
// go-tuf panics over some of it.
func TestUpdateFromOddMetadata(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	without := func(list, name string) func(object) {
		return func(signed object) { delete(signed[list].(object), name) }
	}
	null := func(list, name string) func(object) {
		return func(signed object) { signed[list].(object)[name] = nil }
	}
	target := func(change func(object)) func(object) {
		return func(signed object) { change(signed["targets"].(object)["trusted_root.json"].(object)) }
	}
	keys := func(put func(object)) func(object) {
		return func(signed object) {
			for _, k := range signed["keys"].(object) {
				put(k.(object))
			}
		}
	}
	for _, tt := range []struct {
		name, role string
		edit       func(object)
		seen       bool // after an update
		refuted    bool
		says       string
	}{
		{"no snapshot", "timestamp", without("meta", "snapshot.json"), false, true, "timestamp.json: repository error: it names no snapshot.json"},
		{"no snapshot any more", "timestamp", without("meta", "snapshot.json"), true, false, "malformed metadata"},
		{"null for a snapshot", "timestamp", null("meta", "snapshot.json"), false, true, "it names no snapshot.json"},
		{"no targets", "snapshot", without("meta", "targets.json"), false, true, "snapshot.json: repository error: it names no targets.json"},
		{"no targets any more", "snapshot", without("meta", "targets.json"), true, true, "missing info for targets.json"},
		{"null for targets", "snapshot", null("meta", "targets.json"), false, true, "it names no targets.json"},
		{"null for targets after an update", "snapshot", null("meta", "targets.json"), true, false, "malformed metadata"},
		{"no root", "targets", without("targets", "trusted_root.json"), false, true, "targets.json: repository error: it signs no trusted_root.json"},
		{"null for a root", "targets", null("targets", "trusted_root.json"), false, false, "malformed metadata"},
		{"a root without a hash", "targets", target(func(f object) { f["hashes"] = object{} }), false, false, "hashes must not be empty"},
		{"a root of one hash", "targets", target(func(f object) { delete(f["hashes"].(object), "sha256") }), false, false, ""},
		{"another length", "targets", target(func(f object) { f["length"] = len(genuine) + 1 }), false, true, "not what was signed"},
		{"a root of more than a mebibyte", "targets", target(func(f object) { f["length"] = 1<<20 + 2 }), false, false, "too large"},
		{"a root of less than nothing", "targets", target(func(f object) { f["length"] = -1 }), false, true, "not what was signed"},
		{"targets of more than a mebibyte", "targets", func(signed object) { signed["x"] = strings.Repeat("x", 1<<20) }, false, false, "too large"},
		{"a snapshot of more than two megabytes", "snapshot", func(signed object) { signed["x"] = strings.Repeat("x", 2_000_000) }, false, false, "too large"},
		{"a key without a key", "root", keys(func(k object) { k["keyval"] = object{"public": ""} }), false, false, "malformed metadata"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, repo, req := repository(t, genuine)
			if tt.seen {
				got, err := trust.Update(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				req.Previous, repo.Timestamp, repo.Snapshot = got.Keep, 2, 2
			}
			if tt.name == "a root of more than a mebibyte" {
				repo.Served = make([]byte, 1<<20+1)
			}
			if tt.role == "root" {
				repo.Root = 2
			}
			repo.Edit[tt.role] = tt.edit
			repo.Publish(w)
			got, err := trust.Update(t.Context(), req)
			if tt.says == "" {
				if err != nil || !bytes.Equal(got.Text, genuine) {
					t.Error(err)
				}
				return
			}
			var refused *trust.UpdateError
			if !errors.As(err, &refused) || got != nil || refused.Refuted != tt.refuted || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; want %q", err, tt.says)
			}
		})
	}
}

// Whoever has no key, and stands in between, makes nobody fall either, nor does a file that is given as the first root.
func TestUpdateFromOddMetadataOfNobody(t *testing.T) {
	genuine := world.New(world.Options{}).TrustedRootJSON()
	w, _, req := repository(t, genuine)
	targets := bytes.Replace(w.File(tufURL("1.targets.json")), []byte(`"trusted_root.json":`), []byte(`"other":null,"trusted_root.json":`), 1)
	w.PutFile(tufURL("1.targets.json"), targets)
	var refused *trust.UpdateError
	if _, err := trust.Update(t.Context(), req); !errors.As(err, &refused) || refused.Refuted {
		t.Errorf("%v", err)
	}
	var root object
	if err := json.Unmarshal(req.TUFRoot, &root); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"keys", "roles"} {
		for name := range root["signed"].(object)[member].(object) {
			root["signed"].(object)[member].(object)[name] = nil
		}
		req.TUFRoot, _ = json.Marshal(root)
		var file *trust.FileError
		if _, err := trust.Update(t.Context(), req); !errors.As(err, &file) || file.What != "TUF root" {
			t.Errorf("%s: %v", member, err)
		}
	}
}
