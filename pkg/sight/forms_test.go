package sight

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/bounds"
)

// Of bytes that are no text the first ones say what they are.
func TestNotText(t *testing.T) {
	tar := strings.Repeat("a", 257) + "ustar"
	for head, want := range map[string]string{
		"a\x00b\x00": "text in UTF-16", "\x00a\x00b": "text in UTF-16", "\xff\xfea": "text in UTF-16", "\xfe\xffa": "text in UTF-16",
		"\x00\x00\x00\x00": "no text", "a\x00": "no text", "a\x00b": "no text", "\x00ab": "no text", "a\x00bc": "no text", "\x00abc": "no text", "a\x00\x00\x00": "no text", "\x00\x00a\x00": "no text",
		"\x00a\x00\x00": "no text", "ab\x00c": "no text", "abc\x00": "no text", "abcd\x00": "no text", "\x00": "no text", "abcdefgh\x00b\x00": "no text",
		"": "", "a": "", "abcd": "", strings.Repeat("a", 257): "", tar[:260]: "", tar: "a tar archive", "ustar": "",
		"\x1f\x8b": "a gzip archive", "\x1f": "", "x\x1f\x8b": "", "\xfd7zXZ\x00": "an xz archive", "PK\x03\x04": "a zip archive", "MZ\x90\x00": "a program", "\xcf\xfa\xed\xfe": "a program",
	} {
		what, hint := notText([]byte(head))
		if !strings.HasPrefix(what, want) || (what == "") != (want == "") || (hint == "") != (want == "") || (want == "text in UTF-16") != strings.Contains(hint, "PowerShell") {
			t.Errorf("%.20q: %q, %q; want %q", head, what, hint, want)
		}
	}
}

// An id is digits of one form, and the name that containerd invents is a date.
func TestFormsOfDigits(t *testing.T) {
	a := strings.Repeat("a", 63)
	for s, want := range map[string]bool{"0": true, "9": true, "a": true, "f": true, "/": false, ":": false, "`": false, "g": false, "A": false, "F": false, "-": false, "": false, "aa": false} {
		if got := isHex(a+s, 64); got != want {
			t.Errorf("%q is a hex digit: %v", s, got)
		}
	}
	for s, want := range map[string]bool{
		"import-2026-11-26": true, "docker.io/library/import-2019-09-20": true, "import-2026-11-2": false, "import-2026-11-266": false, "import-": false, "2026-11-26": false, "a/2026-11-26": false,
		"import-2026x11-26": false, "import-2026-11x26": false, "import-2-26-11-26": false, "import-20260-1-26": false, "import-2026-11-2-": false, "import--026-11-26": false,
		"import-2026-11-2.": false, "import-2026-11-2/": false, "import-2026-11-2:": false, "import-2026-11-2a": false, "import-2026-11-26/x": false, "ximport-2026-11-26": false,
	} {
		if got := isImport(s); got != want {
			t.Errorf("%s is invented: %v", s, got)
		}
	}
	d := "sha256:" + a + "a"
	for in, want := range map[string]written{
		"import-2026-11-26@" + d: {}, "import-2026-11-26:1": {name: "import-2026-11-26:1"}, "a.b/c:1@" + d: {name: "a.b/c:1@" + d},
	} {
		if strings.Contains(in, "@") {
			want.digest = readID(d).digest
		}
		if got := readWritten(in); got != want {
			t.Errorf("%s: %+v", in, got)
		}
	}
	for in, say := range map[string]string{"docker-pullable://docker://" + d: `begins with "docker"://`, "docker://docker-pullable://" + d: `begins with "docker-pullable"://`} {
		if got := readID(in); got.digest != "" || !strings.Contains(got.fault, say) {
			t.Errorf("%s: %+v", in, got)
		}
	}
}

// Each name stands once, in the order of the list, and the first is the image's.
func TestAddName(t *testing.T) {
	var s Sighting
	for _, n := range []string{"", "a", "b", "a", "c", "b", "", "c"} {
		s.addName(n)
	}
	if s.Name != "a" || !slices.Equal(s.Others, []string{"b", "c"}) {
		t.Errorf("%q %q", s.Name, s.Others)
	}
}

// Notes name fifty kinds, and count all; a list of four million images is read, and not one more.
func TestCounts(t *testing.T) {
	var f found
	for i := range maxKinds + 3 {
		countOne(&f.without, fmt.Sprintf("Kind%02d", i))
		countOne(&f.without, "Kind00")
	}
	note := f.notes()[0]
	if len(f.without) != maxKinds+1 || f.without["others"] != 3 || f.without["Kind00"] != maxKinds+4 || !strings.HasPrefix(note, "106 documents") || !strings.Contains(note, "3 others") || strings.Contains(note, "Kind50") {
		t.Errorf("%v: %s", f.without, note)
	}
	for n, want := range map[int]string{1: "1 container names no image", 2: "2 containers name no image"} {
		if got := (&found{imageless: n}).notes(); len(got) != 1 || got[0] != want {
			t.Errorf("%q", got)
		}
	}
	f = found{count: maxSightings - 1, yield: func(Sighting, error) bool { return true }}
	var limit *bounds.Error
	if err := f.add(Sighting{}); err != nil || !f.understood {
		t.Error(err)
	}
	if err := f.add(Sighting{}); !errors.As(err, &limit) || limit.Max != maxSightings {
		t.Error(err)
	}
}

// A name of Kubernetes stands in a line as it is; any other is quoted, and cut.
func TestPlain(t *testing.T) {
	for _, s := range []string{"", "azAZ09-._:/@+", strings.Repeat("a", 253)} {
		if got := plain(s); got != s {
			t.Errorf("%q", got)
		}
	}
	for _, s := range []string{"a b", "[", "{", "`", "\\", "^", "!", "*", ",", ";", "?", "~", "\x1b", "é", "\n"} {
		if got := plain("x" + s); got != fmt.Sprintf("%+q", "x"+s) {
			t.Errorf("%q: %s", s, got)
		}
	}
	if got := plain(strings.Repeat("a", 254)); got != `"`+strings.Repeat("a", 253)+`"` {
		t.Errorf("%q", got)
	}
}
