package seen

import "testing"

// A name in a JSON list may hold any character: whatever words are made of, no two lists
// of them are one, so that no name hides behind another.
func TestIdentifierKeepsWordsApart(t *testing.T) {
	lists := [][]string{
		{"a", "b"}, {"a\x00b"}, {"a\x00b", ""}, {"", "a\x00b"}, {"ab", ""}, {"", "ab"}, {"a", "b", ""},
		{"1:b"}, {"a1:b"}, {"a", "1:b"},
	}
	of := map[[32]byte][]string{}
	for _, words := range lists {
		id := identifier(words...)
		if other, ok := of[id]; ok {
			t.Errorf("%q is the same as %q", words, other)
		}
		of[id] = words
		if identifier(words...) != id {
			t.Errorf("%q is not the same twice", words)
		}
	}
}
