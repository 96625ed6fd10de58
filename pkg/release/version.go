package release

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is one released version of Kubernetes. The zero value is not a version.
type Version struct {
	Major, Minor, Patch int
	// Pre is "alpha.N", "beta.N" or "rc.N"; empty for a final release.
	Pre string
}

// maxNumber bounds every number of a version: the largest minor and patch so
// far have two digits, and what cannot overflow needs no second look.
const maxNumber = 9999

// A VersionError says that a text is not a version.
type VersionError struct {
	Text string
	Why  string
	// Upstream is the version that the text begins with, where a vendor
	// added the rest (see [Upstream]); otherwise zero.
	Upstream Version
}

func (e *VersionError) Error() string {
	if !e.Upstream.IsZero() {
		return fmt.Sprintf("%q is not a version that Kubernetes released: %s; the upstream version in it is %s", clip(e.Text), e.Why, e.Upstream)
	}
	return fmt.Sprintf("%q is not a Kubernetes version: %s; want one such as v1.27.2 or v1.28.0-rc.1", clip(e.Text), e.Why)
}

// ParseVersion reads "v1.27.2" or "1.27.2", and the pre-releases
// "v1.28.0-alpha.1", "-beta.0" and "-rc.1". It accepts one spelling of each:
// no leading zero, sign, space, build metadata or shortened form. The error is
// a [*VersionError].
func ParseVersion(s string) (Version, error) {
	v, why := readVersion(s)
	if why != "" {
		return Version{}, versionError(s, why)
	}
	return v, nil
}

// readVersion reads a version, or says why it cannot.
func readVersion(s string) (v Version, why string) {
	core, pre, hasPre := strings.Cut(strings.TrimPrefix(s, "v"), "-")
	parts := strings.Split(core, ".")
	if len(parts) != 3 {
		return Version{}, "it does not have the three numbers MAJOR.MINOR.PATCH"
	}
	for i, to := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, ok := number(parts[i])
		if !ok {
			return Version{}, "its numbers must be plain decimals"
		}
		*to = n
	}
	if v.Major == 0 {
		return Version{}, "the first release was 1.0.0"
	}
	if hasPre {
		stage, n, _ := strings.Cut(pre, ".")
		if _, ok := number(n); !ok || stage != "alpha" && stage != "beta" && stage != "rc" {
			return Version{}, "a pre-release is alpha.N, beta.N or rc.N"
		}
		v.Pre = pre
	}
	return v, ""
}

// versionError says why s is not a version: what is plainly wrong with it, rather
// than where the reading stopped.
func versionError(s, why string) *VersionError {
	e := &VersionError{Text: s, Why: why}
	trimmed := strings.TrimSpace(s)
	switch up, rest, ok := Upstream(trimmed); {
	case trimmed != s:
		e.Why = "there is a space or a line break around it"
	case strings.HasPrefix(s, "V"):
		e.Why = "its V is a capital letter"
	case ok && rest != "":
		e.Why, e.Upstream = fmt.Sprintf("%q was added by the builder or packager", clip(rest)), up
	}
	return e
}

// maxForeign bounds what a vendor added to a version; clusters add some twenty
// bytes.
const maxForeign = 128

// Upstream finds the upstream version that s begins with, and what others added
// to it: distributors a suffix ("v1.31.4-eks-2d5f260", "v1.29.6-gke.1038001",
// "v1.30.4+k3s1", "v1.28.9+rke2r1"), packagers a revision or an epoch ("1.28.9-2.1", "0:1.27.2-0"), and
// those who build between releases a commit ("v1.28.0-alpha.1.45+0c0ffee"). rest
// is empty for a version that is upstream's own. ok is false for anything else.
//
// It tells what a text was made from and proves nothing: such a build is not
// upstream's, whatever it is named after.
func Upstream(s string) (v Version, rest string, ok bool) {
	if v, why := readVersion(s); why == "" {
		return v, "", true
	}
	// Packages may have an epoch, as in "0:1.27.2-0"; upstream has none.
	if epoch, packaged, found := strings.Cut(s, ":"); found && len(epoch) == 1 && epoch[0] >= '0' && epoch[0] <= '9' && !strings.Contains(packaged, ":") {
		v, rest, ok = Upstream(packaged)
		return v, epoch + ":" + rest, ok
	}
	core := s
	if i := strings.IndexAny(s, "-+~"); i >= 0 {
		core, rest = s[:i], s[i:]
	}
	v, why := readVersion(core)
	if why != "" || len(rest) < 2 || len(rest) > maxForeign || strings.ContainsFunc(rest, func(r rune) bool {
		return r > '~' || !plain(byte(r)) && r != '~' && r != ':'
	}) {
		return Version{}, "", false
	}
	// A pre-release that goes on: packages write "~rc.1" for "-rc.1".
	for _, stage := range []string{"alpha.", "beta.", "rc."} {
		n, found := strings.CutPrefix(rest[1:], stage)
		digits := n[:len(n)-len(strings.TrimLeft(n, "0123456789"))]
		if w, why := readVersion(core + "-" + stage + digits); found && rest[0] != '+' && why == "" {
			return w, n[len(digits):], true
		}
	}
	return v, rest, true
}

// number reads a decimal of at most four digits without sign or leading zero.
func number(s string) (int, bool) {
	if s == "" || len(s) > 4 || len(s) > 1 && s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= maxNumber
}

// String returns the version as tags and URLs write it, such as "v1.27.2".
func (v Version) String() string { return "v" + v.Bare() }

// Bare returns the version without its "v".
func (v Version) Bare() string {
	s := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Pre != "" {
		s += "-" + v.Pre
	}
	return s
}

// MinorString returns "1.27" for every 1.27 version.
func (v Version) MinorString() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// IsZero reports whether v is not a version.
func (v Version) IsZero() bool { return v == Version{} }

// Compare orders versions by age within a branch: -1 if v comes before w, 0 if
// they are the same, +1 otherwise. Pre-releases come before their release:
// alpha, beta, rc, each by number.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, w.Major),
		cmp.Compare(v.Minor, w.Minor),
		cmp.Compare(v.Patch, w.Patch),
		comparePre(v.Pre, w.Pre),
	)
}

func comparePre(a, b string) int {
	if a == "" || b == "" { // a final release is after all of its pre-releases
		return cmp.Compare(len(b), len(a))
	}
	// "alpha" < "beta" < "rc" as text, too.
	as, an, _ := strings.Cut(a, ".")
	bs, bn, _ := strings.Cut(b, ".")
	ai, _ := number(an)
	bi, _ := number(bn)
	return cmp.Or(strings.Compare(as, bs), cmp.Compare(ai, bi))
}

// MarshalText writes the version as its String.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what [ParseVersion] reads.
func (v *Version) UnmarshalText(text []byte) (err error) {
	*v, err = ParseVersion(string(text))
	return err
}

// clipLength bounds foreign text in an error: enough to recognize it by.
const clipLength = 80

// clip shortens foreign text for an error message, which quotes it.
func clip(s string) string {
	if len(s) > clipLength {
		return s[:clipLength] + "..."
	}
	return s
}
