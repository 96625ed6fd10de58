package support_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/support"
)

func fieldCase(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("../../../shared/cases", name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no case at %s", path)
	}
	return data
}

// A value counts as it is written, and what is out of form costs itself alone.
func TestScheduleReadsWhatIsWrittenByHand(t *testing.T) {
	const rest = "- release: \"1.29\"\n  releaseDate: \"2023-12-13\"\n  previousPatches:\n  - {release: 1.29.4, targetDate: \"2024-04-16\"}\n"
	for name, c := range map[string]struct {
		entry string
		next  string // of 1.30; "gone" for a minor that is left out
		odd   string // part of what is said; nothing if empty
	}{
		"a number":                   {"- release: 1.30\n  next: {release: 1.30.1}\n", "v1.30.1", ""},
		"days without quotes":        {"- release: 1.30\n  releaseDate: 2024-04-17\n  endOfLifeDate: 2025-6-28\n  next: {release: 1.30.1, targetDate: 2024-05-15}\n", "v1.30.1", ""},
		"a moment for a day":         {"- release: 1.30\n  releaseDate: 2024-04-17T00:00:00Z\n  next: 1.30.1\n", "v1.30.1", ""},
		"next as a text":             {"- release: \"1.30\"\n  next: \"1.30.1\"\n", "v1.30.1", ""},
		"next as words":              {"- release: \"1.30\"\n  next: Not Planned\n", "", ""},
		"next as N/A":                {"- release: \"1.30\"\n  next: {release: N/A}\n", "", ""},
		"next as nothing":            {"- release: \"1.30\"\n  next:\n", "", ""},
		"next as ~":                  {"- release: \"1.30\"\n  next: ~\n", "", ""},
		"next as an empty list":      {"- release: \"1.30\"\n  next: []\n", "", ""},
		"next as a list":             {"- release: \"1.30\"\n  next: [{release: 1.30.2}, {release: 1.30.1}]\n", "v1.30.1", ""},
		"next without a release":     {"- release: \"1.30\"\n  next: {targetDate: \"2024-05-15\"}\n", "", ""},
		"next of another minor":      {"- release: \"1.30\"\n  next: {release: 1.31.1}\n", "", "not a patch of 1.30"},
		"next as a minor":            {"- release: \"1.30\"\n  next: {release: 1.31}\n", "", "MAJOR.MINOR.PATCH"},
		"next on a day that is none": {"- release: \"1.30\"\n  next: {release: 1.30.1, targetDate: soon}\n", "", "is not a date"},
		"no patches":                 {"- release: \"1.30\"\n  previousPatches: ~\n  next: 1.30.1\n", "v1.30.1", ""},
		"patches as texts":           {"- release: \"1.30\"\n  previousPatches: [1.30.0]\n  next: 1.30.1\n", "v1.30.1", ""},
		"a patch of another minor":   {"- release: \"1.30\"\n  previousPatches: [{release: 1.29.1}]\n  next: 1.30.1\n", "v1.30.1", "not a patch of 1.30"},
		"a pre-release":              {"- release: \"1.30\"\n  previousPatches: [{release: 1.30.0-rc.1}]\n  next: 1.30.1\n", "v1.30.1", "not a patch of 1.30"},
		"a patch twice, the same":    {"- release: \"1.30\"\n  previousPatches: [{release: 1.30.1}, {release: 1.30.1}]\n", "", ""},
		"a patch twice":              {"- release: \"1.30\"\n  previousPatches: [{release: 1.30.1}, {release: 1.30.1, targetDate: \"2024-05-15\"}]\n", "", "listed twice"},
		"a long note":                {"- release: \"1.30\"\n  next: 1.30.2\n  previousPatches: [{release: 1.30.1, note: " + strings.Repeat("a", 2001) + "}]\n", "v1.30.2", "more than 2000"},
		"a field twice, the same":    {"- release: \"1.30\"\n  release: 1.30\n  next: 1.30.1\n", "v1.30.1", ""},
		"a field twice":              {"- release: \"1.30\"\n  release: 1.28\n", "gone", "given twice"},
		"a day that is none":         {"- release: \"1.30\"\n  endOfLifeDate: next summer\n", "gone", "is not a date"},
		"no release":                 {"- releaseDate: \"2024-04-17\"\n", "gone", "without a release"},
		"a release that is a list":   {"- release: [1.30]\n", "gone", "cannot be read"},
		"an entry that is a text":    {"- \"1.30\"\n", "gone", "no fields"},
		"an entry that is nothing":   {"- ~\n", "gone", ""},
		"a minor twice, the same":    {"- release: \"1.30\"\n  next: 1.30.1\n- release: 1.30\n  next: 1.30.1\n", "v1.30.1", ""},
		"a minor twice":              {"- release: \"1.30\"\n  next: 1.30.1\n- release: 1.30\n  endOfLifeDate: \"2026-06-28\"\n  next: 1.30.5\n", "v1.30.5", "1.30 is listed twice"},
		"the list twice":             {"- release: 1.30\n  next: 1.30.1\nschedules:\n", "v1.30.1", "given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := support.ParseSchedule([]byte("schedules:\n" + c.entry + rest))
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := s.Cycle(minor(t, "1.29")); !ok || len(other.Patches) != 2 {
				t.Errorf("1.29 is lost: %+v", s)
			}
			cycle, ok := s.Cycle(minor(t, "1.30"))
			next := ""
			switch {
			case !ok:
				next = "gone"
			case cycle.Next != nil:
				next = cycle.Next.Version.String()
			}
			if next != c.next {
				t.Errorf("next is %q, want %q", next, c.next)
			}
			if all := strings.Join(s.Odd, "\n"); !strings.Contains(all, c.odd) || c.odd == "" && all != "" {
				t.Errorf("odd: %q", s.Odd)
			}
			if s.AsOf != "2024-04-16" && name != "a patch twice" {
				t.Errorf("as of %s", s.AsOf)
			}
		})
	}
}

// Until 2022 the days of the next patch stood beside it.
func TestScheduleDaysBesideNext(t *testing.T) {
	const text = "schedules:\n- release: 1.20\n  next: 1.20.3\n  cherryPickDeadline: 2021-02-12\n  targetDate: %\n  endOfLifeDate: 2021-12-30\n"
	for day, want := range map[string]support.Date{"2021-02-17": "2021-02-17", "TBD": "", "soon": ""} {
		s, err := support.ParseSchedule([]byte(strings.Replace(text, "%", day, 1)))
		if err != nil || len(s.Cycles) != 1 || s.Cycles[0].Next == nil || s.Cycles[0].Next.Date != want || s.Cycles[0].Next.CherryPickDeadline != "2021-02-12" {
			t.Errorf("%s: %+v %v", day, s, err)
		} else if (day == "soon") != (len(s.Odd) == 1) {
			t.Errorf("%s: %q", day, s.Odd)
		}
	}
}

// What cannot be read of a final patch is named.
func TestEndOfLifeOfAListOfFinals(t *testing.T) {
	s, err := support.ParseEndOfLife([]byte("branches:\n- {release: 1.20, endOfLifeDate: 2022-02-28, finalPatchRelease: [1.20.15, 1.20.14]}\n"))
	if err != nil || len(s.Cycles) != 1 || len(s.Cycles[0].Patches) != 0 || len(s.Odd) != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

// Of two finals of a minor the newest counts.
func TestEndOfLifeOfTwoFinals(t *testing.T) {
	s, err := support.ParseEndOfLife(fieldCase(t, "eol-two-finals.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := s.Cycle(minor(t, "1.22"))
	if !ok || c.EndOfLife != "2022-12-08" || len(c.Patches) != 3 || c.Patches[0].Version.String() != "v1.22.17" || !strings.Contains(c.Patches[1].Note, "CVE-2022-3162") {
		t.Errorf("%+v", c)
	}
	if !slices.ContainsFunc(s.Odd, func(odd string) bool { return strings.Contains(odd, "1.22 is listed twice") }) {
		t.Errorf("%q", s.Odd)
	}
	turned := "branches:\n- {release: 1.22, finalPatchRelease: 1.22.15, endOfLifeDate: 2022-10-28}\n- {release: 1.22, finalPatchRelease: 1.22.17, endOfLifeDate: 2022-12-08}\n"
	if s, err = support.ParseEndOfLife([]byte(turned)); err != nil || s.Cycles[0].EndOfLife != "2022-12-08" || s.Cycles[0].Patches[0].Version.Patch != 17 {
		t.Errorf("the older one first: %v %+v", err, s)
	}
}

func TestScheduleOfNumbers(t *testing.T) {
	s, err := support.ParseSchedule(fieldCase(t, "schedule-number.yaml"))
	if err != nil || len(s.Odd) != 0 || s.Cycles[0].Minor.String() != "1.30" || s.Cycles[0].Next == nil {
		t.Errorf("%v %+v", err, s)
	}
}

func TestRealEditionsOfTheSchedule(t *testing.T) {
	dir := "../../../shared/realdata/schedule"
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Skipf("no real data at %s", dir)
	}
	for _, e := range list {
		t.Run(e.Name(), func(t *testing.T) {
			parse, key := support.ParseSchedule, "\n- release:"
			if strings.HasSuffix(e.Name(), "eol.yaml") {
				parse = support.ParseEndOfLife
			}
			data := string(realDocument(t, e.Name()))
			s, err := parse([]byte(data))
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Cycles) < 3 {
				t.Errorf("%d minors, %d times %q", len(s.Cycles), strings.Count(data, key), key)
			}
			for _, odd := range s.Odd {
				t.Log(odd)
			}
		})
	}
}
