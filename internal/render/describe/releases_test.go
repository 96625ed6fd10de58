package describe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/render/describe"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/support"
)

func releasesText(t *testing.T, v describe.ReleasesView, format string) string {
	t.Helper()
	var b strings.Builder
	if err := describe.Releases(&b, v, format, terminal.Options{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07") {
		t.Errorf("%s: an escape sequence came through", format)
	}
	return b.String()
}

func TestReleases(t *testing.T) {
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const table = `MINOR  STATE        RELEASED    NEWEST    OUT SINCE   MAINTENANCE  END OF LIFE  NEXT      PLANNED FOR  CHERRY-PICKS UNTIL
1.36   supported    2026-04-22  v1.36.2   2026-06-09  2027-04-28   2027-06-28   v1.36.3   2026-07-14   2026-07-10
1.35   supported    2025-12-17  v1.35.6   2026-06-09  2026-12-28   2027-02-28   v1.35.7   2026-07-14   2026-07-10
1.34   supported    2025-08-27  v1.34.9   2026-06-09  2026-08-27   2026-10-27   v1.34.10  2026-07-14   2026-07-10
1.33   maintenance  2025-04-23  v1.33.13  2026-06-09  2026-04-28   2026-06-28   -         -            -

as of 2026-06-09, 1 day ago, from the snapshot built into this kverify
`
	view := describe.ReleasesView{Schedule: support.Embedded(), Embedded: true, Now: day("2026-06-10")}
	if got := releasesText(t, view, "table"); got != table {
		t.Errorf("got\n%swant\n%s", got, table)
	}
	if got := releasesText(t, view, "name"); got != "v1.36.2\nv1.35.6\nv1.34.9\nv1.33.13\n" {
		t.Errorf("names: %q", got)
	}
	view.Now = day("2026-06-01") // a clock that is behind; v1.36.2 is not out then
	if got := releasesText(t, view, "table"); !strings.Contains(got, "8 days ahead of this computer's clock") || !strings.Contains(got, "v1.36.1   2026-05-13") {
		t.Errorf("a clock that is behind:\n%s", got)
	}
	view.Now = day("2040-01-01")
	if got := releasesText(t, view, "table"); !strings.Contains(got, "no minor that is known here is supported today") {
		t.Errorf("long after:\n%s", got)
	}
	view.Now = day("2026-07-20")
	if got := releasesText(t, view, "table"); !strings.Contains(got, "plans that have passed have likely come true") {
		t.Errorf("after the next patches:\n%s", got)
	}

	for spec, want := range map[string]string{
		"v1.35.6":      "v1.35.6  the newest patch of 1.35\n",
		"v1.35.2":      "v1.35.2  not the newest patch of 1.35, which is v1.35.6\n",
		"v1.35.9":      "v1.35.9  newer than v1.35.6, the newest patch of 1.35 that is known here\n",
		"v1.35.0-rc.1": "v1.35.0-rc.1  a pre-release; the newest patch of 1.35 is v1.35.6\n",
		"v1.24.1":      "v1.24.1  not listed here; the newest patch of 1.24 is v1.24.17\n",
		"v9.9.9":       "v9.9.9  of 9.9 nothing is known here\n",
	} {
		v, err := release.ParseVersion(spec)
		if err != nil {
			t.Fatal(err)
		}
		view := describe.ReleasesView{Schedule: support.Embedded(), Now: day("2026-06-10"), Spec: spec, Version: v}
		if got := releasesText(t, view, "table"); !strings.HasPrefix(got, want) {
			t.Errorf("%s:\n%swant\n%s", spec, got, want)
		}
		if got := releasesText(t, view, "name"); got != spec+"\n" {
			t.Errorf("%s: name %q", spec, got)
		}
	}
}

func TestReleasesEscape(t *testing.T) {
	v := release.Version{Major: 1, Minor: 30, Patch: 1}
	s := &support.Schedule{Source: "\x1b[2J", AsOf: "2026-01-01", Cycles: []support.Cycle{{
		Minor: support.MinorOf(v), Patches: []support.Patch{{Version: v, Note: "a\x1b]0;b\x07\nVERIFIED"}},
	}}}
	for _, spec := range []string{"", "1.30"} {
		for _, format := range describe.ReleasesFormats {
			view := describe.ReleasesView{Schedule: s, Now: time.Unix(1.8e9, 0), Spec: spec, Version: v}
			if got := releasesText(t, view, format); strings.Contains(got, "\nVERIFIED") {
				t.Errorf("%s: a line of its own:\n%s", format, got)
			}
		}
	}
}
