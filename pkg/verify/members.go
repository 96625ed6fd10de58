package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// members reads a predicate by the exact names of its members.
type members struct {
	doc any
	err error // the first member that is not of its type
}

func readMembers(b json.RawMessage) (*members, error) {
	m := new(members)
	if len(b) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(b, &m.doc); err != nil {
		return nil, err
	}
	if _, ok := m.doc.(map[string]any); !ok && m.doc != nil {
		return nil, errors.New("not an object")
	}
	return m, nil
}

// get returns what lies under names, nil if nothing does.
func (m *members) get(names ...string) any {
	at := m.doc
	for i, name := range names {
		object, ok := at.(map[string]any)
		if !ok && at != nil && m.err == nil {
			m.err = fmt.Errorf("%s is not an object", strings.Join(names[:i], "."))
		}
		at = object[name]
	}
	return at
}

// text returns the string under names, "" if there is none.
func (m *members) text(names ...string) string {
	return as[string](m, names)
}

// texts returns the list of strings under names.
func (m *members) texts(names ...string) []string {
	var out []string
	for _, v := range as[[]any](m, names) {
		s, ok := v.(string)
		if !ok && m.err == nil {
			m.err = fmt.Errorf("%s has a member that is not text", strings.Join(names, "."))
		}
		out = append(out, s)
	}
	return slices.Clip(out)
}

func as[T any](m *members, names []string) T {
	v := m.get(names...)
	out, ok := v.(T)
	if !ok && v != nil && m.err == nil {
		m.err = fmt.Errorf("%s is of another type than it should be", strings.Join(names, "."))
	}
	return out
}
