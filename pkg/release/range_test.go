package release

import (
	"errors"
	"testing"
)

func TestRange(t *testing.T) {
	for _, c := range []struct {
		spec        string
		n           int
		first, last string
	}{
		{"v1.24..v1.27", 18 + 17 + 16 + 17, "v1.24.0", "v1.27.16"},
		{"1.27..1.27", 17, "v1.27.0", "v1.27.16"},
		{"v1.27.1..v1.27.4", 4, "v1.27.1", "v1.27.4"},
		{"v1.26.14..v1.27", 2 + 17, "v1.26.14", "v1.27.16"},
		{"v1.26..v1.27.0", 16 + 1, "v1.26.0", "v1.27.0"},
	} {
		got, err := Range(c.spec)
		if err != nil || len(got) != c.n || got[0].String() != c.first || got[len(got)-1].String() != c.last {
			t.Errorf("%s: %v, %v", c.spec, got, err)
		}
	}
	for _, spec := range []string{"", "..", "v1.27..", "..v1.27", "v1.27..v1.24", "v1.27.4..v1.27.1", "v1.27..v1.99", "v1.27..v1.27.99",
		"v1.27...v1.28", "v1.27.0-rc.1..v1.27", "stable..v1.27", "v2.1..v2.2", "v1.27..v1.28..v1.29", "v1.027..v1.28"} {
		var bad *RangeError
		if got, err := Range(spec); !errors.As(err, &bad) {
			t.Errorf("%q: %v, %v", spec, got, err)
		}
	}
}
