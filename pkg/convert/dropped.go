package convert

import (
	"maps"
	"slices"

	"github.com/kverify/kverify/internal/strictjson"
)

// MaxPaths caps how many members are listed as dropped or different.
const MaxPaths = 64

// droppedMembers are the paths of what the genuine document has and the derived
// one lacks.
func droppedMembers(genuine, derived []byte) ([]string, error) {
	g, err := decode(genuine)
	if err != nil {
		return nil, err
	}
	d, err := decode(derived)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	missing("", g, d, found)
	return slices.Sorted(maps.Keys(found)), nil
}

// missing adds to found what from has and to lacks.
func missing(path string, from, to any, found map[string]bool) {
	switch from := from.(type) {
	case map[string]any:
		object, _ := to.(map[string]any)
		there := membersOf(object)
		for _, name := range slices.Sorted(maps.Keys(from)) {
			if len(found) == MaxPaths {
				return
			}
			at := name
			if path != "" {
				at = path + "." + name
			}
			switch m, ok := there[strictjson.Fold(name)]; {
			case ok:
				missing(at, from[name], m.value, found)
			case !blank(from[name]):
				found[at] = true
			}
		}
	case []any:
		list, _ := to.([]any)
		for i := range from {
			if i < len(list) {
				missing(path+"[]", from[i], list[i], found)
			}
		}
	}
}
