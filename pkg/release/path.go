package release

import (
	"fmt"
	"strings"
)

// A FormatError says that a document cannot be read as what it should be.
type FormatError struct {
	Document string // what was read, such as "CHANGELOG" or "SHA256SUMS"
	Line     int    // 1-based; 0 where there is none
	Why      string
}

func (e *FormatError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s, line %d: %s", e.Document, e.Line, e.Why)
	}
	return e.Document + ": " + e.Why
}

// A LimitError says that a document was refused because of its size.
type LimitError struct {
	Document string
	What     string // what there is too much of, such as "bytes"
	Max      int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: more than %d %s: refused", e.Document, e.Max, e.What)
}

// A WrongVersionError says that a document which must speak for one version
// names another.
type WrongVersionError struct {
	Document string // such as "SBOM"
	Where    string // the field or id that names the version
	Want     string // such as "v1.27.2"
	Got      string // what it names instead, as far as that can be told
}

func (e *WrongVersionError) Error() string {
	return fmt.Sprintf("%s: %s names %s, not %s: it does not speak for %s",
		e.Document, e.Where, quote(e.Got), e.Want, e.Want)
}

// An AmbiguousError says that one document says two things of one subject.
type AmbiguousError struct {
	Document string
	Subject  string
	Values   [2]string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s: %s has two different entries, %s and %s: neither is taken",
		e.Document, quote(e.Subject), quote(e.Values[0]), quote(e.Values[1]))
}

// quote shows foreign text in a message: shortened, control characters escaped.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

// maxPath is the longest path of a release's file that is accepted. The
// longest so far have some 70 bytes; file systems stop at 255 a name.
const maxPath = 255

// CheckPath reports whether path may name a file of a release: relative,
// slash-separated, of letters, digits and "._-+" alone, no element empty or
// beginning with a dot. So it can neither leave a directory nor
// reach a terminal with anything but plain text.
func CheckPath(path string) error {
	if path == "" || len(path) > maxPath {
		return fmt.Errorf("path %s: must have 1 to %d bytes", quote(path), maxPath)
	}
	for _, element := range strings.Split(path, "/") {
		if element == "" || element[0] == '.' || element[0] == '-' {
			return fmt.Errorf("path %s: an element is empty, or begins with a dot or a dash", quote(path))
		}
		for i := range len(element) {
			if !plain(element[i]) {
				return fmt.Errorf("path %s: only letters, digits and ._-+ are allowed", quote(path))
			}
		}
	}
	return nil
}

func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == '-' || c == '+'
}

// isHex reports whether s is n lower-case hexadecimal digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// digest lengths in hexadecimal digits
const (
	md5Hex    = 32
	sha1Hex   = 40
	sha256Hex = 64
	sha512Hex = 128
)

// Arches lists every architecture that an image or file of a release may
// have. The order is that of the alphabet.
var Arches = []string{"386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"}

// ImageName reports whether s may be the name of an image: lower-case
// components joined by single slashes, as registries allow them.
func imageName(s string) bool {
	if s == "" || len(s) > maxPath {
		return false
	}
	for _, c := range strings.Split(s, "/") {
		if c == "" || !alnum(c[0]) || !alnum(c[len(c)-1]) {
			return false
		}
		for i := range len(c) {
			if !alnum(c[i]) && c[i] != '-' && c[i] != '_' && c[i] != '.' {
				return false
			}
		}
	}
	return true
}

func alnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// imageTag reports whether s may be a tag.
func imageTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !plain(c) || c == '+' {
			return false
		}
	}
	return true
}
