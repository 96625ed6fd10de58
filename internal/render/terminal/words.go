package terminal

import (
	"fmt"
	"strings"
)

// Plural counts: "1 image", "2 images".
func Plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// ShortDigest is how many hex digits of a digest a person compares.
const ShortDigest = 12

// Short is the beginning of a digest, behind its algorithm: "sha256:6da581ae75fd".
func Short(digest string) string {
	if algorithm, hex, ok := strings.Cut(digest, ":"); ok && len(hex) > ShortDigest {
		return algorithm + ":" + hex[:ShortDigest]
	}
	return digest
}
