package release

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"
)

// Said gathers the versions that a program's bytes, written to it, name: most often
// first. They are hints, which choose whom to ask and prove nothing. The zero value is ready.
type Said struct {
	tail   []byte // of what was written last: a version may stand across two writes
	counts map[string]int
}

// maxSaid caps the different versions that are counted.
const maxSaid = 4096

var saidForm = lazyregexp.New(`v1\.[0-9]{1,3}\.[0-9]{1,3}(?:-(?:alpha|beta|rc)\.[0-9]{1,3})?`)

// longestSaid is what a version has at most: "v1.999.999-alpha.999".
const longestSaid = 20

// Write never fails.
func (s *Said) Write(p []byte) (int, error) {
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	// What begins in the last bytes may go on in the next write, and is counted there.
	text := slices.Concat(s.tail, p)
	end := max(0, len(text)-longestSaid)
	for _, at := range saidForm().FindAllIndex(text, -1) {
		if at[0] < end {
			s.add(string(text[at[0]:at[1]]))
		}
	}
	s.tail = append(s.tail[:0:0], text[end:]...)
	return len(p), nil
}

func (s *Said) add(version string) {
	if _, known := s.counts[version]; known || len(s.counts) < maxSaid {
		s.counts[version]++
	}
}

// Versions gives at most n of them. Libraries that have versions of the same form are
// of lower minors than any release in use, and are left out.
func (s *Said) Versions(n int) (list []Version) {
	counts := map[string]int{}
	for name, c := range s.counts {
		counts[name] = c
	}
	for _, m := range saidForm().FindAll(s.tail, -1) {
		counts[string(m)]++
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		if v, err := ParseVersion(name); err == nil && v.Minor >= 16 && len(list) < n {
			list = append(list, v)
		}
	}
	return list
}
