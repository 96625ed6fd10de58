package verify

import (
	"slices"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// share takes every n-th of a list on which the server of the releases has no
// influence, so that nothing can fall between two shards.
func share[T any](list []T, s *report.Shard, what string) ([]T, error) {
	if s == nil {
		return list, nil
	}
	if s.Index < 0 || s.Index >= s.Count {
		return nil, session.Usagef("there is no shard %s", s)
	}
	if s.Count > len(list) {
		return nil, session.Usagef("%d %s cannot be split into %d shards", len(list), what, s.Count)
	}
	var mine []T
	for i := s.Index; i < len(list); i += s.Count {
		mine = append(mine, list[i])
	}
	return mine, nil
}

// chooseShard leaves of the images of a release those that belong to a shard: of those
// that the policy names every n-th, and of those that only a document names, which
// are not known yet, those of the first.
func (b *imageSet) chooseShard(s *report.Shard) error {
	var known []string
	for n := range b.lists {
		if b.wanted(n) {
			known = append(known, n)
		}
	}
	slices.Sort(known)
	mine, err := share(known, s, "images that the policy names")
	b.inShard = func(name string) bool {
		return slices.Contains(mine, name) || s.Index == 0 && !slices.Contains(known, name)
	}
	return err
}

// ShareReferences takes the part of a shard out of a list of references.
func ShareReferences(refs []registry.Ref, s *report.Shard) ([]registry.Ref, error) {
	return share(refs, s, "images")
}
