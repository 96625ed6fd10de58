package world

import (
	"cmp"
	"fmt"
)

func compareVersions(a, b string) int {
	x, y := parseVersion(a), parseVersion(b)
	return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), cmp.Compare(x[2], y[2]))
}

func parseVersion(s string) (v [3]int) {
	if n, err := fmt.Sscanf(s, "v%d.%d.%d", &v[0], &v[1], &v[2]); n != 3 || fmt.Sprintf("v%d.%d.%d", v[0], v[1], v[2]) != s {
		panic(fmt.Sprintf("world: version %q is not like v1.27.2 (%v)", s, err))
	}
	return v
}
