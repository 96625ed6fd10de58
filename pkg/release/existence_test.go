package release

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// Only who must know it may say that a version was never released: not a mirror that does
// not hold it, no CHANGELOG that is older, and nobody of what the snapshot knows to be out.
func TestWhoMaySayNeverReleased(t *testing.T) {
	outside := &fetch.Error{Kind: fetch.NotFound, Status: 404}
	mirror := &fetch.Error{Kind: fetch.NotFound, Status: 404, Mirror: "dir", Holds: []string{"v1.27.2"}}
	damaged := &fetch.Error{Kind: fetch.NotFound, Status: 404, Mirror: "dir"}
	const never, held, neither = "was never released", "the mirror dir does not hold ", ""
	for _, tt := range []struct {
		name, version string
		newest        string // of the CHANGELOG; empty if there is none
		origin        fetch.Origin
		absent        error // the answer of who has no SBOM
		want          string
	}{
		{"the outside", "v1.27.99", "v1.27.16", fetch.Published, outside, never},
		{"the outside, without a CHANGELOG", "v1.99.0", "", fetch.Published, outside, never},
		{"a stand-in for it", "v1.27.99", "v1.27.16", fetch.Carried, outside, never},
		{"a number that was skipped", "v1.20.3", "v1.20.15", fetch.Published, outside, never},
		{"a stale cache of what is out", "v1.27.3", "v1.27.2", fetch.Published, outside, neither},
		{"a CHANGELOG that is lost", "v1.27.3", "", fetch.Published, outside, neither},
		{"a stand-in that leaves out what is out", "v1.27.3", "v1.27.16", fetch.Carried, outside, neither},
		{"a mirror of an older day", "v1.27.3", "v1.27.2", fetch.Carried, mirror, held},
		{"a mirror of an older day, and nothing is known", "v1.27.99", "v1.27.2", fetch.Carried, mirror, held},
		{"a mirror without the CHANGELOG", "v1.26.0", "", fetch.Carried, mirror, held},
		{"a mirror without the CHANGELOG of an unknown minor", "v1.99.0", "", fetch.Carried, mirror, held},
		{"a mirror that leaves out what is out", "v1.27.1", "v1.27.2", fetch.Carried, mirror, held},
		{"a mirror that must know it", "v1.99.3", "v1.99.4", fetch.Carried, mirror, never},
		{"a mirror that holds it, by its lists", "v1.27.2", "", fetch.Carried, mirror, neither},
		{"a mirror whose lists are damaged", "v1.27.3", "v1.27.2", fetch.Carried, damaged, neither},
		{"an outage", "v1.27.99", "v1.27.16", fetch.Published, &fetch.Error{Kind: fetch.Unreachable}, neither},
		{"an outage beside the mirror", "v1.27.3", "v1.27.2", fetch.Carried, &fetch.Error{Kind: fetch.Unreachable, Mirror: "dir"}, neither},
	} {
		r := &Release{Version: version(t, tt.version)}
		r.SBOM.URL, r.SBOM.Err = r.Version.SBOMURL(), tt.absent
		r.Changelog.URL, r.Changelog.Err, r.Changelog.Origin = r.Version.ChangelogURL(), tt.absent, tt.origin
		if tt.newest != "" {
			r.Changelog.Err = fmt.Errorf("there: %w", &NoSectionError{Version: r.Version, Newest: version(t, tt.newest), Document: "CHANGELOG"})
		}
		got := []error{r.NotReleased(), r.NotHeld()}
		text := ""
		for _, err := range got {
			if err != nil {
				text += err.Error()
			}
		}
		if got[0] != nil && got[1] != nil || (text == "") != (tt.want == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, got, tt.want)
		}
	}
}

// A mirror of many releases names the newest.
func TestNotHeldWords(t *testing.T) {
	e := &NotHeldError{Version: version(t, "v1.27.3"), Mirror: "dir"}
	if got := e.Error(); !strings.Contains(got, "it holds no release;") {
		t.Error(got)
	}
	for i := range 7 {
		e.Holds = append(e.Holds, fmt.Sprintf("v1.28.%d", 9-i))
	}
	if got := e.Error(); !strings.Contains(got, "it holds v1.28.9, v1.28.8, v1.28.7, v1.28.6 and 3 more; kverify mirror show dir ") {
		t.Error(got)
	}
	var none *NoSectionError
	if _, err := ParseNotes(testdata(t, "changelog-1.27.md"), version(t, "v1.27.99")); !errors.As(err, &none) || none.Newest.Minor != 27 {
		t.Errorf("%v", err)
	}
}
