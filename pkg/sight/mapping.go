package sight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
)

// Alias says that what lies under one name is claimed to be what lies under
// another: --as FROM=TO. It changes a claim, and never where evidence is read.
type Alias struct {
	From string // "harbor.corp/k8s": a host, or one with the beginning of a path
	To   string // "registry.k8s.io", or a path under it
}

// String gives FROM=TO.
func (a Alias) String() string { return a.From + "=" + a.To }

// Mapping is a set of aliases. The longest From that a name has at a boundary of
// its path decides. The zero value maps nothing.
type Mapping struct{ aliases []Alias }

// A MappingError says why FROM=TO is no alias.
type MappingError struct {
	Text, Why, Hint string
}

func (e *MappingError) Error() string {
	return fmt.Sprintf("--as %s: %s; %s", quoted(e.Text), e.Why, e.Hint)
}

// ParseMapping reads aliases FROM=TO. own is the registry that Kubernetes
// publishes in, such as "registry.k8s.io": every TO is it, or lies under it, and
// no FROM does. Two aliases of one FROM are an error unless they are equal, which
// is a [*MappingError] as any other.
func ParseMapping(own string, aliases ...string) (Mapping, error) {
	var m Mapping
	for _, text := range aliases {
		bad := func(hint, why string, args ...any) (Mapping, error) {
			return Mapping{}, &MappingError{Text: text, Why: fmt.Sprintf(why, args...), Hint: hint}
		}
		form := fmt.Sprintf("write FROM=TO, such as harbor.corp/k8s=%s", own)
		from, to, _ := strings.Cut(text, "=")
		if from == "" || to == "" {
			return bad(form, "it has not two names")
		}
		host, path, _ := strings.Cut(strings.TrimSuffix(from, "/"), "/")
		a := Alias{From: strings.TrimSuffix(lowerHost(host)+"/"+path, "/"), To: strings.TrimSuffix(to, "/")}
		for _, side := range []string{a.From, a.To} {
			// The grammar of both is that of a reference, up to its last element.
			if _, err := registry.ParseRef(side + "/x:t"); err != nil {
				return bad(form+", without scheme, tag or digest", "%s is no host with or without a path", quoted(side))
			}
		}
		if !under(a.To, own) {
			return bad(form, "%s does not lie under %s, where Kubernetes publishes", quoted(a.To), own)
		}
		if under(a.From, own) {
			return bad("leave it out", "%s is Kubernetes' own name already", quoted(a.From))
		}
		i := slices.IndexFunc(m.aliases, func(b Alias) bool { return b.From == a.From })
		if i >= 0 && m.aliases[i].To != a.To {
			return bad("give one of them", "%s is mapped to %s too", quoted(a.From), quoted(m.aliases[i].To))
		}
		if i < 0 {
			m.aliases = append(m.aliases, a)
		}
	}
	return m, nil
}

// under says whether a name is base, or lies below it.
func under(name, base string) bool {
	return name == base || strings.HasPrefix(name, base+"/")
}

// Apply gives the name that ref is claimed to have, with its tag and digest, and
// the alias that says so; ok is false if none does.
func (m Mapping) Apply(ref registry.Ref) (mapped registry.Ref, by Alias, ok bool) {
	name := ref.Host + "/" + ref.Repository
	for _, a := range m.aliases {
		if under(name, a.From) && len(a.From) > len(by.From) {
			by = a
		}
	}
	if by.From == "" {
		return registry.Ref{}, Alias{}, false
	}
	host, repository, found := strings.Cut(by.To+strings.TrimPrefix(name, by.From), "/")
	if !found { // an image whose whole name is mapped to a registry alone
		return registry.Ref{}, Alias{}, false
	}
	mapped = registry.Ref{Host: host, Repository: repository, Tag: ref.Tag, Digest: ref.Digest}
	return mapped, by, true
}
