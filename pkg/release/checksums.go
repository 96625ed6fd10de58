package release

import (
	"fmt"
	"strings"
)

// maxChecksums is the size of the largest SHA*SUMS that is read. SHA512SUMS
// has some 40 KB with absolute paths, and grows by a line a file.
const maxChecksums = 1 << 20

// Checksums are what a SHA256SUMS or SHA512SUMS says: the hexadecimal hash of
// each path. Paths are relative to the release and have passed [CheckPath].
type Checksums struct {
	Algorithm string            `json:"algorithm"` // "sha256" or "sha512"
	Sums      map[string]string `json:"sums"`
}

// ParseChecksums reads the release's SHA256SUMS or SHA512SUMS: lines of
// "<hex>  <path>", the last one without a line feed. Until v1.27.5 and v1.28.1
// paths were those of the build machine,
//
//	/workspace/src/k8s.io/kubernetes/_output-v1.27.2/gcs-stage/v1.27.2/bin/...
//
// and are made relative; one that is another version's is a
// [*WrongVersionError]. The hash's length tells the algorithm, and one file
// must not mix them. A path with two different hashes is an [*AmbiguousError].
func ParseChecksums(data []byte, v Version) (*Checksums, error) {
	const name = "SHA*SUMS"
	if len(data) > maxChecksums {
		return nil, &LimitError{name, "bytes", maxChecksums}
	}
	c := &Checksums{Sums: map[string]string{}}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		bad := func(format string, a ...any) error {
			return &FormatError{name, n, fmt.Sprintf(format, a...)}
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		// Two spaces, or a space and the asterisk of binary mode.
		sum, path, ok := strings.Cut(line, " ")
		if !ok || len(path) < 2 || path[0] != ' ' && path[0] != '*' {
			return nil, bad("want HASH, two spaces and a path, got %s", quote(line))
		}
		algorithm := algorithms[len(sum)]
		if algorithm != "sha256" && algorithm != "sha512" || !isHex(sum, len(sum)) {
			return nil, bad("%s is neither a sha256 nor a sha512", quote(sum))
		}
		if c.Algorithm == "" {
			c.Algorithm = algorithm
		}
		if algorithm != c.Algorithm {
			return nil, bad("a %s among %s sums", algorithm, c.Algorithm)
		}
		path, err := releasePath(path[1:], v)
		if err != nil {
			return nil, err
		}
		if err := CheckPath(path); err != nil {
			return nil, bad("%v", err)
		}
		if old, ok := c.Sums[path]; ok && old != sum {
			return nil, &AmbiguousError{name, path, [2]string{old, sum}}
		}
		c.Sums[path] = sum
	}
	if len(c.Sums) == 0 {
		return nil, &FormatError{Document: name, Why: "it is empty"}
	}
	return c, nil
}

// algorithms names a hash by the number of its hexadecimal digits.
var algorithms = map[int]string{md5Hex: "md5", sha1Hex: "sha1", sha256Hex: "sha256", sha512Hex: "sha512"}

// releasePath strips the build machine's directories from path.
func releasePath(path string, v Version) (string, error) {
	const build = "/workspace/src/k8s.io/kubernetes/_output-"
	if !strings.HasPrefix(path, "/") {
		return path, nil
	}
	rest, ok := strings.CutPrefix(path, build)
	if !ok {
		return "", &FormatError{Document: "SHA*SUMS", Why: "absolute path " + quote(path) + " is not that of a release build"}
	}
	one, rest, ok1 := strings.Cut(rest, "/gcs-stage/")
	two, rest, ok2 := strings.Cut(rest, "/")
	if !ok1 || !ok2 {
		return "", &FormatError{Document: "SHA*SUMS", Why: "absolute path " + quote(path) + " is not that of a release build"}
	}
	for _, got := range []string{one, two} {
		if got != v.String() {
			return "", &WrongVersionError{"SHA*SUMS", "path " + quote(path), v.String(), got}
		}
	}
	return rest, nil
}
