package release

import (
	"fmt"
	"slices"
	"strings"
)

// RangeError says that a text names no range of releases.
type RangeError struct {
	Spec string
	Why  string
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%s is not a range of releases: %s; write one such as v1.24..v1.27, or v1.27.1..v1.27.4", quote(e.Spec), e.Why)
}

// IsRange says whether spec is meant as a range: whether it has ".." in it.
func IsRange(spec string) bool { return strings.Contains(spec, "..") }

// Range lists the releases of a range, oldest first: "v1.24..v1.27" is every
// patch of those minors, and an end such as v1.27.4 ends there. Which patches
// are out is what [Snapshot] knows, and no request is made; there is no
// pre-release among them. The error is a [*RangeError].
func Range(spec string) ([]Version, error) {
	fail := func(format string, args ...any) ([]Version, error) {
		return nil, &RangeError{spec, fmt.Sprintf(format, args...)}
	}
	low, high, _ := strings.Cut(spec, "..")
	from, fromMinor, err := rangeEnd(low)
	if err != nil {
		return fail("%v", err)
	}
	to, toMinor, err := rangeEnd(high)
	if err != nil {
		return fail("%v", err)
	}
	newest, asOf := Snapshot()
	var all []Version
	for _, n := range slices.Backward(newest) {
		for patch := range n.Patch + 1 {
			v := Version{Major: n.Major, Minor: n.Minor, Patch: patch}
			before := v.Compare(from) < 0
			after := v.Compare(to) > 0 && (!toMinor || v.Minor != to.Minor || v.Major != to.Major)
			if !before && !after {
				all = append(all, v)
			}
		}
	}
	if from.Compare(to) > 0 && !(fromMinor && toMinor && from == to) {
		return fail("it runs backwards")
	}
	for _, end := range []Version{from, to} {
		known, ok := Newest(end)
		if !ok || end.Patch > known.Patch {
			return fail("%s is not among the releases known on %s", end, asOf)
		}
	}
	return all, nil
}

// rangeEnd reads one end: a minor or a release.
func rangeEnd(s string) (v Version, minor bool, err error) {
	if v, err = ParseVersion(s); err == nil {
		if v.Pre != "" {
			return v, false, fmt.Errorf("%s is a pre-release", v)
		}
		return v, false, nil
	}
	if v, e := ParseVersion(s + ".0"); e == nil && v.Pre == "" {
		return v, true, nil
	}
	return v, false, fmt.Errorf("%s is neither a minor nor a release", quote(s))
}
