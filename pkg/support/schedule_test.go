package support_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
)

func day(t testing.TB, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d.Add(12 * time.Hour)
}

func version(t testing.TB, s string) release.Version {
	t.Helper()
	v, err := release.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// excerpt has every form that editions of schedule.yaml were written in.
const excerpt = `# made for a test
---
schedules:
- release: "1.30"
  releaseDate: "2024-04-17"
  maintenanceModeStartDate: "2025-04-28"
  endOfLifeDate: "2025-06-28"
  somethingNew: {of: upstream}
  next: {release: 1.30.3, cherryPickDeadline: "2024-07-12", targetDate: "2024-07-16"}
  previousPatches:
  - release: 1.30.1
    cherryPickDeadline: N/A
    targetDate: "2024-05-15"
    note: >-
      [Out of band](https://example.com/a) to
      fix **two** things
  - release: 1.30.2
    targetDate: "2024-06-11"
- release: "1.29"
  releaseDate: 2023-12-13
  endOfLifeDate: TBD
  next:
    release: Not Planned
  previousPatches:
  - {release: 1.29.1, cherryPickDeadline: "", targetDate: 2024-01-17}
  - {release: 1.29.0, targetDate: 2023-12-13}
- release: "1.31"
  releaseDate: "2024-08-13"
  previousPatches: []
upcoming_releases:
- cherryPickDeadline: "2024-08-09"
  targetDate: "2024-08-13"
- cherryPickDeadline: "2024-07-12"
  targetDate: "2024-07-16"
`

func TestParseSchedule(t *testing.T) {
	s, err := support.ParseSchedule([]byte(excerpt))
	if err != nil {
		t.Fatal(err)
	}
	if s.AsOf != "2024-06-11" || len(s.Cycles) != 3 || s.Cycles[0].Minor.String() != "1.31" || s.Upcoming[0].Date != "2024-07-16" {
		t.Errorf("%+v", s)
	}
	c, _ := s.Cycle(minor(t, "1.30"))
	if len(c.Patches) != 3 || c.Patches[0].Version.String() != "v1.30.2" || c.Patches[2] != (support.Patch{Version: version(t, "v1.30.0"), Date: "2024-04-17"}) {
		t.Errorf("patches of 1.30: %+v", c.Patches)
	}
	if p := c.Patches[1]; p.Note != "[Out of band](https://example.com/a) to fix **two** things" || p.CherryPickDeadline != "" {
		t.Errorf("v1.30.1: %+v", p)
	} else if got := support.PlainNote(p.Note); got != "Out of band (https://example.com/a) to fix two things" {
		t.Errorf("plain note: %q", got)
	}
	if c.Next == nil || c.Next.Version.String() != "v1.30.3" || c.Next.CherryPickDeadline != "2024-07-12" {
		t.Errorf("next of 1.30: %+v", c.Next)
	}
	c, _ = s.Cycle(minor(t, "1.29"))
	if c.Next != nil || c.EndOfLife != "" || c.Released != "2023-12-13" || len(c.Patches) != 2 {
		t.Errorf("1.29: %+v", c)
	}
	now := day(t, "2024-08-01")
	if v, ok := s.Stable(now); !ok || v.String() != "v1.30.2" {
		t.Errorf("stable before 1.31 is out: %s", v)
	}
	if v, _ := s.Stable(day(t, "2024-08-13")); v.String() != "v1.31.0" {
		t.Errorf("stable on the day of 1.31: %s", v)
	}
}

func TestParseRefuses(t *testing.T) {
	entry := func(fields string) string { return "schedules:\n- release: \"1.30\"\n" + fields }
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":             {"", "0 schedules"},
		"another document":    {"branches: []", "0 schedules"},
		"HTML":                {"<!DOCTYPE html><title>Sign in</title>", "cannot"},
		"no release":          {"schedules:\n- releaseDate: \"2024-04-17\"\n", "not a minor version"},
		"no minor":            {"schedules:\n- release: \"v1.30.1\"\n", "not a minor version"},
		"a field twice":       {entry("  endOfLifeDate: \"2024-01-01\"\n  endOfLifeDate: \"2025-01-01\"\n"), "already set"},
		"a day that is none":  {entry("  endOfLifeDate: \"2025-02-30\"\n"), "is not a date"},
		"a day that is a map": {entry("  endOfLifeDate: {}\n"), "cannot"},
		"a long document":     {strings.Repeat("#", 256<<10+1), "more than"},
		"aliases":             {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", "cannot"},
	} {
		_, err := support.ParseSchedule([]byte(tt.text))
		var format *support.FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	for _, text := range []string{"", "schedules: []", "branches:\n- release: [1.2]\n", "branches: 1", "- a\n- b\n"} {
		if _, err := support.ParseEndOfLife([]byte(text)); !errors.As(err, new(*support.FormatError)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func realDocument(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("../../../shared/realdata/schedule", name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no real data at %s", path)
	}
	return data
}

// TestRealDocuments reads the website's own files, and holds the embedded
// snapshot to them.
func TestRealDocuments(t *testing.T) {
	current, err := support.ParseSchedule(realDocument(t, "schedule.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ended, err := support.ParseEndOfLife(realDocument(t, "eol.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(current.Cycles) != 4 || len(ended.Cycles) != 31 || current.AsOf != "2026-06-09" || len(current.Upcoming) != 3 {
		t.Errorf("%d current, %d ended, as of %s, %d upcoming", len(current.Cycles), len(ended.Cycles), current.AsOf, len(current.Upcoming))
	}
	if c, _ := current.Cycle(minor(t, "1.33")); c.Next != nil || len(c.Patches) != 14 {
		t.Errorf("1.33: next %v, %d patches", c.Next, len(c.Patches))
	}
	joined := support.Join(support.Embedded(), ended, current)
	joined.Source = support.Embedded().Source
	if !reflect.DeepEqual(joined, support.Embedded()) {
		t.Error("the snapshot says something else than the documents that it was made of")
	}
}

// TestSnapshots holds the two snapshots of what is out to each other: that of
// package release refuses a marker that was rolled back.
func TestSnapshots(t *testing.T) {
	s := support.Embedded()
	newest, asOf := release.Snapshot()
	if string(s.AsOf) != asOf || len(newest) != len(s.Cycles) || s.Source == "" {
		t.Errorf("as of %s and %s, %d and %d minors", s.AsOf, asOf, len(s.Cycles), len(newest))
	}
	for i, c := range s.Cycles {
		p, ok := c.Newest(day(t, asOf))
		if !ok || i < len(newest) && p.Version != newest[i] {
			t.Errorf("%s: newest is %s, and %s in package release", c.Minor, p.Version, newest[i])
		}
		if c.EndOfLife == "" {
			t.Errorf("%s: no end of life", c.Minor)
		}
	}
}

func TestPhases(t *testing.T) {
	s := support.Embedded()
	names := func(now string) (list []string) {
		for _, c := range s.Supported(day(t, now)) {
			list = append(list, c.Minor.String()+" "+string(c.Phase(day(t, now))))
		}
		return list
	}
	for now, want := range map[string][]string{
		"2026-06-09": {"1.36 supported", "1.35 supported", "1.34 supported", "1.33 maintenance"},
		"2026-06-28": {"1.36 supported", "1.35 supported", "1.34 supported", "1.33 maintenance"}, // the last day
		"2026-06-29": {"1.36 supported", "1.35 supported", "1.34 supported"},
		"2026-11-22": {"1.36 supported", "1.35 supported"},
		"2030-01-01": nil,
	} {
		if got := names(now); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", now, got, want)
		}
	}
	if n, ok := s.AsOf.DaysBefore(day(t, "2026-11-22")); !ok || n != 166 {
		t.Errorf("the snapshot is %d days old", n)
	}
	if _, ok := support.Date("").DaysBefore(time.Now()); ok {
		t.Error("an unknown day has an age")
	}
}

func TestWarning(t *testing.T) {
	for _, tt := range []struct{ v, now, want string }{
		{"v1.27.2", "2026-06-10", "v1.27.2 is past its end of life (1.27 ended on 2024-07-16) and not its newest patch, v1.27.16"},
		{"v1.27.16", "2026-06-10", "v1.27.16 is past its end of life: 1.27 ended on 2024-07-16"},
		{"v1.27.16", "2024-07-16", ""},
		{"v1.29.15", "2026-06-10", "v1.29.15 is past its end of life: 1.29 ended on 2025-02-28"},
		{"v1.29.14", "2026-06-10", "v1.29.14 is past its end of life (1.29 ended on 2025-02-28) and not its newest patch, v1.29.15"},
		{"v1.35.5", "2026-06-10", "v1.35.5 is not the newest patch of 1.35: v1.35.6 is out"},
		{"v1.35.0-rc.1", "2026-06-10", "v1.35.0-rc.1 is not the newest patch of 1.35: v1.35.6 is out"},
		{"v1.35.6", "2026-06-10", ""},
		{"v1.35.7", "2026-06-10", ""}, // newer than the snapshot
		{"v1.37.0", "2026-11-22", ""},
		{"v1.35.2", "2026-03-01", "v1.35.2 has a note from upstream: Out of band patch release to pick up a new version of Go to address several Go CVEs (https://groups.google.com/g/golang-dev/c/ytMTMwK7QBk/m/hpcstrxADwAJ). No other changes."},
		{"v1.26.2", "2026-06-10", "v1.26.2 is past its end of life (1.26 ended on 2024-02-28) and not its newest patch, v1.26.15, and has a note from upstream: Some container images might be unsigned due to a temporary issue with the promotion process (https://groups.google.com/a/kubernetes.io/g/dev/c/MwSx761slM0/m/4ajkeUl0AQAJ)"},
	} {
		if got := support.Embedded().Warning(version(t, tt.v), day(t, tt.now)); got != tt.want {
			t.Errorf("%s on %s:\n%q, want\n%q", tt.v, tt.now, got, tt.want)
		}
	}
}

func TestPlainNote(t *testing.T) {
	for note, want := range map[string]string{
		"":                       "",
		"plain":                  "plain",
		"[a](b)":                 "a (b)",
		"x [a](b) y [c](d).":     "x a (b) y c (d).",
		"[open":                  "[open",
		"[a](b":                  "[a](b",
		"an [x] and [a](b)":      "an [x] and [a](b)",
		"**[a](b)** is **c** **": "a (b) is c ",
	} {
		if got := support.PlainNote(note); got != want {
			t.Errorf("%q: %q, want %q", note, got, want)
		}
	}
}

// bodies answers with a body for each URL, as if from its publisher's file.
type bodies map[string]string

func (b bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := b[r.URL.String()]
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: http.NoBody}
	if !ok {
		resp.StatusCode = 404
		return resp, nil
	}
	resp.ContentLength = int64(len(body))
	resp.Body = readCloser{strings.NewReader(body)}
	return resp, nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestLoad(t *testing.T) {
	newer := strings.ReplaceAll(excerpt, "2024-06-11", "2026-08-11") // v1.30.2 comes late
	const branches = "branches:\n- {release: \"1.36\", endOfLifeDate: \"2026-08-01\", finalPatchRelease: 1.36.4, note: ended early}\n"
	load := func(b bodies) (*support.Schedule, error) {
		return support.Load(context.Background(), &fetch.Client{Transport: b})
	}
	s, err := load(bodies{support.ScheduleURL: newer, support.EndOfLifeURL: branches})
	if err != nil {
		t.Fatal(err)
	}
	if s.AsOf != "2026-08-11" || s.Source != support.ScheduleURL {
		t.Errorf("as of %s, from %s", s.AsOf, s.Source)
	}
	if c, _ := s.Cycle(minor(t, "1.36")); c.EndOfLife != "2026-08-01" || c.Next != nil || len(c.Patches) != 4 || c.Patches[0].Note != "ended early" {
		t.Errorf("1.36: %+v", c)
	}
	if c, _ := s.Cycle(minor(t, "1.26")); len(c.Patches) < 10 {
		t.Errorf("what the snapshot knew of 1.26 is gone: %+v", c)
	}

	var stale *support.StaleError
	if _, err := load(bodies{support.ScheduleURL: excerpt, support.EndOfLifeURL: branches}); !errors.As(err, &stale) || stale.AsOf != "2024-06-11" {
		t.Errorf("an old edition: %v", err)
	}
	if _, err := load(bodies{support.EndOfLifeURL: branches}); !fetch.Is(err, fetch.NotFound) {
		t.Errorf("no schedule: %v", err)
	}
	if _, err := load(bodies{support.ScheduleURL: "<html>", support.EndOfLifeURL: branches}); err == nil {
		t.Error("HTML was read")
	}
	if _, err := load(bodies{support.ScheduleURL: "schedules: 1", support.EndOfLifeURL: branches}); !errors.As(err, new(*support.FormatError)) {
		t.Errorf("no schedule: %v", err)
	}
}

// TestWorld reads what the made-up outside world publishes.
func TestWorld(t *testing.T) {
	w := world.New(world.Options{})
	_, err := support.Load(context.Background(), &fetch.Client{Transport: w})
	if !errors.As(err, new(*support.StaleError)) {
		t.Fatalf("the world is of 2023, and says %v", err)
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add([]byte(excerpt))
	f.Add([]byte("branches:\n- {release: \"1.26\", endOfLifeDate: \"2024-02-28\", finalPatchRelease: 1.26.15, note: \"n\"}\n"))
	f.Add([]byte("schedules:\n- release: 1.30\n"))
	f.Add([]byte("schedules: [&a {release: 1.30, next: [1.30.1, *a]}, {release: 1.30, release: 1.3}, ~, 1.29]\nschedules: {release: 1.28, releaseDate: 2024-4-7}"))
	f.Add([]byte("schedules: [{release: \"1.30\", next: {release: ~}}]"))
	for _, name := range []string{"schedule.yaml", "eol.yaml"} {
		if data, err := os.ReadFile(filepath.Join("../../../shared/realdata/schedule", name)); err == nil {
			f.Add(data)
		}
	}
	now := time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func([]byte) (*support.Schedule, error){support.ParseSchedule, support.ParseEndOfLife} {
			s, err := parse(data)
			if err != nil {
				if !errors.As(err, new(*support.FormatError)) {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			// What was read can be written and read again, and joining it with
			// itself adds nothing.
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			again := new(support.Schedule)
			if err := json.Unmarshal(text, again); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			back, _ := json.Marshal(again)
			if !bytes.Equal(text, back) {
				t.Fatalf("%s\n%s", text, back)
			}
			twice, _ := json.Marshal(support.Join(s, s))
			if !bytes.Equal(text, twice) {
				t.Fatalf("joined with itself:\n%s\n%s", text, twice)
			}
			for _, c := range s.Cycles {
				for _, p := range c.Patches {
					_ = s.Warning(p.Version, now)
				}
			}
			_, _ = s.Stable(now)
		}
	})
}
