package push

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/registry"
)

// A Cause is why several names failed, told by one of them.
type Cause struct {
	First Name
	Count int // names that failed for it, the first among them
}

// Causes puts the names that failed together by why, the most frequent first.
func (p *Result) Causes() (list []Cause) {
	at := map[string]int{}
	for _, c := range p.Names {
		if c.Err == nil {
			continue
		}
		key := cause(c)
		i, ok := at[key]
		if !ok {
			i, at[key] = len(list), len(list)
			list = append(list, Cause{First: c})
		}
		list[i].Count++
	}
	slices.SortStableFunc(list, func(a, b Cause) int { return b.Count - a.Count })
	return list
}

// cause says in short why a name failed: without what is the name's own.
func cause(c Name) string {
	var request *fetch.Error
	var refused *registry.RefusedError
	words := ""
	if errors.As(c.Err, &refused) {
		words = strings.Join(refused.Codes, ",")
	}
	switch {
	case errors.As(c.Err, new(*ConflictError)), errors.As(c.Err, new(*registry.DigestError)), errors.As(c.Err, new(*layout.CorruptError)):
		return c.Ref.String() // each is a finding
	case errors.As(c.Err, new(*AttachedError)):
		return "the tag was not set for want of a signature or of what else refers to it"
	case errors.As(c.Err, &request) && request.Status != 0:
		return strings.TrimSpace(fmt.Sprintf("%s: status %d %s", request.Method, request.Status, words))
	case errors.As(c.Err, &request):
		return request.Kind.String()
	}
	return c.Err.Error()
}

// MissingRepositories are the repositories that the registry has not, and did not make when
// something was sent to them: such registries want them made beforehand. One that misses what a
// manifest names, such as a platform that a sparse mirror lacks, has the repository.
func (p *Result) MissingRepositories(there string) []string {
	return p.repositories(there, func(c Name) bool {
		var request *fetch.Error
		var refused *registry.RefusedError
		if !errors.As(c.Err, &request) || request.Status != http.StatusNotFound && request.Status != http.StatusBadRequest && request.Status != http.StatusForbidden {
			return false
		}
		if errors.As(c.Err, &refused) {
			if slices.Contains(refused.Codes, layout.CodeName) {
				return true
			}
			if slices.ContainsFunc(refused.Codes, layout.MissesContent) {
				return false
			}
		}
		return request.Status == http.StatusNotFound && request.Method != http.MethodGet && request.Method != http.MethodHead
	})
}

// Repositories are those that hold the names of a push, or will.
func (p *Result) Repositories(there string) []string {
	return p.repositories(there, func(Name) bool { return true })
}

func (p *Result) repositories(there string, of func(Name) bool) (list []string) {
	for _, c := range p.Names {
		if of(c) {
			list = append(list, there+"/"+c.Ref.Repository)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
