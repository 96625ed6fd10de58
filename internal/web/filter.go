package web

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
)

// filter is what the form asks for. An empty field asks for everything.
type filter struct {
	Version, Component, OS, Arch, Verdict, Text string
	Entry                                       string // one entry alone, by its ID
}

// everything is the value of a select that leaves nothing out. An absent
// version is the newest.
const everything = "all"

// maxField caps what is taken of a field of the form.
const maxField = 200

func readFilter(q url.Values, newest string) filter {
	get := func(name string) string {
		v := strings.TrimSpace(q.Get(name))
		if len(v) > maxField {
			v = v[:maxField]
		}
		return strings.ToValidUTF8(v, "")
	}
	f := filter{get("version"), get("component"), get("os"), get("arch"), get("verdict"), get("q"), get("entry")}
	if f.Version == "" {
		f.Version = newest
	}
	for _, s := range []*string{&f.Version, &f.Component, &f.OS, &f.Arch, &f.Verdict} {
		if *s == everything {
			*s = ""
		}
	}
	return f
}

func (f filter) matches(i item) bool {
	is := func(want string, have ...string) bool { return want == "" || slices.Contains(have, want) }
	ofVersion := is(f.Version, i.Version)
	if _, err := release.ParseVersion(i.Version); err != nil {
		ofVersion = true // what belongs to no release, such as pause, goes with all of them
	}
	return ofVersion && is(f.Component, i.Component) && is(f.OS, i.OS...) && is(f.Arch, i.Arch...) &&
		(f.Verdict == "" || i.Judged && f.Verdict == i.Verdict.String()) &&
		(f.Entry == "" || f.Entry == i.ID) && (f.Text == "" || f.found(i))
}

// IsNarrow says whether the form asks for less than a version.
func (f filter) IsNarrow() bool {
	f.Version = ""
	return f != filter{}
}

// found looks for every word of the text.
func (f filter) found(i item) bool {
	words := []string{i.Subject, i.Name, i.Version, i.Platform(), i.Digest, i.Kind, i.Component}
	for _, r := range i.Results {
		words = append(words, r.Digest, r.Platform)
	}
	in := strings.ToLower(strings.Join(words, " "))
	for _, w := range strings.Fields(strings.ToLower(f.Text)) {
		if !strings.Contains(in, w) {
			return false
		}
	}
	return true
}

// choices are the values that a select offers.
func choices(list []item, of func(item) []string, less func(a, b string) int) []string {
	seen := map[string]bool{}
	for _, i := range list {
		for _, v := range of(i) {
			if v != "" {
				seen[v] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), less)
}
