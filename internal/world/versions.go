package world

import (
	"cmp"
	"fmt"
	"strings"
)

// compareVersions orders versions; a pre-release stands before what it precedes.
func compareVersions(a, b string) int {
	x, y := parseVersion(a), parseVersion(b)
	// "v1.28.0~" sorts behind "v1.28.0-rc.1", as the final release does.
	return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), cmp.Compare(x[2], y[2]), strings.Compare(a+"~", b+"~"))
}

// parseVersion reads "v1.27.2", and the numbers of "v1.28.0-rc.1".
func parseVersion(s string) (v [3]int) {
	final, pre, isPre := strings.Cut(s, "-")
	if n, err := fmt.Sscanf(final, "v%d.%d.%d", &v[0], &v[1], &v[2]); n != 3 || fmt.Sprintf("v%d.%d.%d", v[0], v[1], v[2]) != final || isPre && pre == "" {
		panic(fmt.Sprintf("world: version %q is not like v1.27.2 or v1.28.0-rc.1 (%v)", s, err))
	}
	return v
}

// isPreRelease says whether a version is an alpha, a beta or a candidate.
func isPreRelease(version string) bool { return strings.Contains(version, "-") }
