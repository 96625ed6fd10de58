package fetch

import (
	"strings"
	"testing"
)

// TestCheckName holds which names may be a file's on every system, to the character.
func TestCheckName(t *testing.T) {
	good := []string{"a", "a/b.c", "a-b_c+d", strings.Repeat("a", 200), "COM", "COM0x", "COMA", "COM10", "LPTX", "con1", "xCON", "CONS", "NULL", "COM:"[:3] + "/x", "a b", "é", "PR N", "LPT/1", "LP1", "COM/"[:3], "AUX1"}
	for _, name := range good {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := []string{"", ".", "..", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".a", "a/.b", "a.", "a./b", "a ", "a /b", strings.Repeat("a", 201), strings.Repeat("a", 201) + "/b", "a\xff",
		`a\b`, "a:b", "a*", "a?", `a"b`, "a<b", "a>b", "a|b", "a\x00b", "a\x1fb", "a\nb", "a\x7fb",
		"CON", "con", "Prn", "aux", "nul", "CONIN$", "conout$", "COM0", "com9", "LPT0", "lpt9", "con.txt", "a/nul.tar.gz", "COM1.x", "CON .x", "a/lpt5"}
	for _, name := range bad {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}
