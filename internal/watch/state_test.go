package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/report"
)

// filled is a state with everything in it.
func filled(t testing.TB) *state {
	t.Helper()
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	s := newState()
	s.Units["v1.99.1"] = &unit{Channel: "1.99", Tags: map[string]string{"registry.k8s.io/kube-proxy:v1.99.1": "sha256:" + strings.Repeat("a", 64), "registry.k8s.io/pause:3.10": ""},
		Subjects: map[string]*subject{"v1.99.1": {Verdict: report.Refuted, Since: at, Was: report.Refuted, WasAt: at, Alarms: []string{short("a") + "-" + short("b")}}}}
	s.Units[Images] = &unit{Subjects: map[string]*subject{"a": {Since: at}, "b": {Since: at, Was: report.Verified, WasAt: at}, "c": {Verdict: report.Verified, Since: at, Was: report.Verified, WasAt: at}}}
	s.Queue = []Event{{EventVersion: 1, ID: "x", Time: at, Kind: Refuted, Unit: Images, New: "refuted", Problems: []Problem{{Subject: "a"}}}}
	if err := json.Unmarshal([]byte(`{"1.99":"v1.99.1"}`), &s.Channels); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDamagedState refuses what no run writes, and judges nothing by it.
func TestDamagedState(t *testing.T) {
	good, err := json.Marshal(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseState(good); err != nil {
		t.Fatal(err)
	}
	change := func(old, with string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return strings.Replace(string(good), old, with, 1)
	}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "verified", "null": "null", "a list": "[]", "an empty object": "{}",
		"cut off":                  string(good[:len(good)/2]),
		"two values":               string(good) + string(good),
		"a key twice":              change(`{"stateVersion":1`, `{"stateVersion":1,"stateVersion":1`),
		"a key in another case":    change(`"channels"`, `"Channels":{},"channels"`),
		"an unknown key":           change(`"stateVersion":1`, `"stateVersion":1,"trust":true`),
		"another version":          change(`"stateVersion":1`, `"stateVersion":2`),
		"no such verdict":          change(`"verdict":"refuted"`, `"verdict":"good"`),
		"refuted and then unknown": change(`"verdict":"refuted"`, `"verdict":"unknown"`),
		"refuted and told verified": change(`"verdict":"refuted"`,
			`"verdict":"verified"`),
		"a verdict without an answer": change(`"answer":"refuted"`, `"answer":"unknown"`),
		"an answer at no time":        change(`"answered":"2026-12-01T00:00:00Z","alarms"`, `"answered":"0001-01-01T00:00:00Z","alarms"`),
		"no unit":                     change(`"v1.99.1":{"channel"`, `"../x":{"channel"`),
		"a unit that is null":         change(`"units":{`, `"units":{"v1.2.3":null,`),
		"a subject that is null":      change(`"subjects":{"a"`, `"subjects":{"0":null,"a"`),
		"no channel":                  change(`"channel":"1.99"`, `"channel":"v1.99.1"`),
		"no digest":                   change("sha256:aaa", "sha256:xyz"),
		"no tag":                      change(`registry.k8s.io/pause:3.10`, `registry.k8s.io/pause`),
		"no alarm":                    change(`"alarms":["`, `"alarms":["../`),
		"no event":                    change(`"eventVersion":1`, `"eventVersion":3`),
		"an event of no kind":         change(`"kind":"refuted"`, `"kind":"verified"`),
		"too deep":                    strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"a name that is too long":     change(`"subjects":{"a"`, `"subjects":{"`+strings.Repeat("n", maxName+1)+`"`),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := OpenStore(dir)
		var bad *StateError
		if !errors.As(err, &bad) || store != nil || !strings.Contains(err.Error(), "restore it, or remove the file") {
			t.Errorf("%s: %v", name, err)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, stateFile)); err != nil || string(kept) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

// TestStore keeps a state, locks its directory, and removes what was being written when a run was killed.
func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	store, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir); err == nil || !strings.Contains(err.Error(), "another kverify watch has it") {
		t.Errorf("twice: %v", err)
	}
	want := filled(t)
	if err := store.save(want); err != nil {
		t.Fatal(err)
	}
	store.Close()
	left := filepath.Join(dir, "."+stateFile+".new.kverify-part")
	if err := os.WriteFile(left, []byte(`{"stateVersion"`), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err = OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(store.kept)
	if !bytes.Equal(a, b) {
		t.Errorf("kept\n%s\nread\n%s", a, b)
	}
	if _, err := os.Lstat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left over: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.MkdirAll(link, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, stateFile), filepath.Join(link, stateFile)); err != nil {
		t.Skip(err)
	}
	if _, err := OpenStore(link); err == nil {
		t.Error("a link was followed")
	}
}

// TestLargeState is the largest that the limits allow: what is written is read again.
func TestLargeState(t *testing.T) {
	s := filled(t)
	u := &unit{Subjects: map[string]*subject{}, Tags: map[string]string{}}
	s.Units[Images] = u
	at := time.Now().UTC()
	for n := range maxResults {
		name := "registry.k8s.io/" + short("image", strconv.Itoa(n)) + ":v1.2.3"
		u.Subjects[name] = &subject{Verdict: report.Refuted, Since: at, Was: report.Refuted, WasAt: at, Alarms: []string{short("a") + "-" + short("b")}}
		u.Tags[name] = "sha256:" + strings.Repeat("a", 64)
	}
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.save(s); err != nil {
		t.Fatal(err)
	}
	if _, err := store.load(); err != nil {
		t.Error(err)
	}
	u.Subjects[strings.Repeat("n", maxName)] = &subject{Since: at, Alarms: slices.Repeat([]string{strings.Repeat("a", 1<<20)}, 65)}
	if err := store.save(s); err == nil {
		t.Error("a state was written that cannot be read")
	}
	if _, err := store.load(); err != nil {
		t.Errorf("and the one before it is damaged: %v", err)
	}
}

func FuzzState(f *testing.F) {
	good, err := json.Marshal(filled(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"stateVersion":1,"channels":{},"units":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseState(text)
		if err != nil {
			return
		}
		for _, u := range s.Units {
			for _, one := range u.Subjects {
				if v := one.standing(); v == report.Verified {
					t.Error("a state made something verified")
				}
			}
		}
		once, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseState(once)
		if err != nil {
			t.Fatalf("what was read is not read again: %v\n%s", err, once)
		}
		twice, err := json.Marshal(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%v\n%s\n%s", err, once, twice)
		}
	})
}
