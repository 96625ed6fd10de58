package convert

import (
	"maps"
	"reflect"
	"slices"

	"github.com/kverify/kverify/internal/strictjson"
)

// runs are the members of a config's "config" that decide what a container runs;
// no converter changes them.
var runs = []string{"Entrypoint", "Cmd", "Env", "User", "WorkingDir", "Volumes"}

// runsIfAdded are those that a converter may drop, and never adds or changes.
// Docker runs a health check in the container by itself, by Shell if that is
// given (moby daemon/health.go); Windows takes its command line apart by ArgsEscaped.
var runsIfAdded = []string{"Healthcheck", "Shell", "ArgsEscaped"}

// Differences says in what another config differs from the genuine one. run are
// members that decide what a container runs, by name: Entrypoint, Cmd, Env, User,
// WorkingDir, Volumes, and Healthcheck, Shell and ArgsEscaped where the other has
// one that the genuine config does not have so. No named converter makes such a
// difference. rest are the paths of all other members that differ, such as
// "config.Labels", "created" and "rootfs", sorted; at most [MaxPaths]. Names are
// the other's, and must be escaped before they are shown.
//
// Names are compared as runtimes read them, in any case of letters, and a member
// without content (null, "", {}, [], 0, false) is the same as none. The error is
// an [*Error], whose What says which of the two cannot be read.
func Differences(genuine, other []byte) (run, rest []string, err error) {
	g, err := configOf(genuine, "the genuine config")
	if err != nil {
		return nil, nil, err
	}
	o, err := configOf(other, "the other config")
	if err != nil {
		return nil, nil, err
	}
	for _, name := range runs {
		if !same(name, g.run[strictjson.Fold(name)].value, o.run[strictjson.Fold(name)].value) {
			run = append(run, name)
		}
	}
	for _, name := range runsIfAdded {
		theirs := o.run[strictjson.Fold(name)].value
		if !blank(theirs) && !same(name, g.run[strictjson.Fold(name)].value, theirs) {
			run = append(run, name)
		}
	}
	rest = append(rest, differing(g.run, o.run, "config.", slices.Concat(runs, run))...)
	rest = append(rest, differing(g.top, o.top, "", nil)...)
	slices.Sort(rest)
	return run, rest[:min(len(rest), MaxPaths)], nil
}

// parts are a config's members, and those of its "config" apart.
type parts struct{ top, run members }

func configOf(document []byte, what string) (parts, error) {
	if err := decodeDocument(document, what, nil); err != nil {
		return parts{}, err
	}
	tree, err := decode(document)
	if err != nil {
		return parts{}, &Error{what, err}
	}
	p := parts{top: membersOf(tree)}
	key := strictjson.Fold("config")
	switch config := p.top[key].value.(type) {
	case nil:
	case map[string]any:
		p.run = membersOf(config)
	default:
		return parts{}, &Error{what, errNoObject}
	}
	delete(p.top, key)
	return p, nil
}

// differing are the paths of the members that differ, but for those that were compared already.
func differing(g, o members, prefix string, compared []string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(union(g, o))) {
		name := o[key].name
		if name == "" {
			name = g[key].name
		}
		was := slices.ContainsFunc(compared, func(k string) bool { return strictjson.Fold(k) == key })
		if len(out) < MaxPaths && !was && !same("", g[key].value, o[key].value) {
			out = append(out, prefix+name)
		}
	}
	return out
}

func union(a, b members) members {
	out := maps.Clone(a)
	if out == nil {
		out = members{}
	}
	maps.Copy(out, b)
	return out
}

// same compares two values of a member. Of Volumes the keys alone have a meaning.
func same(name string, a, b any) bool {
	if blank(a) || blank(b) {
		return blank(a) && blank(b)
	}
	if name == "Volumes" {
		one, isOne := a.(map[string]any)
		two, isTwo := b.(map[string]any)
		if isOne && isTwo {
			return slices.Equal(slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(two)))
		}
	}
	one, isOne := a.([]any)
	two, isTwo := b.([]any)
	if isOne && isTwo {
		return slices.EqualFunc(one, two, func(a, b any) bool { return reflect.DeepEqual(filled(a), filled(b)) })
	}
	return reflect.DeepEqual(a, b)
}

// filled is an element of a list as a converter writes it, for which null is "".
func filled(v any) any {
	if v == nil {
		return ""
	}
	return v
}
