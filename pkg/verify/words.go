package verify

import (
	"strings"
)

// short is a digest as a person reads it.
func short(digest string) string {
	if i := strings.IndexByte(digest, ':'); i >= 0 && len(digest) > i+13 {
		return digest[:i+13]
	}
	return digest
}

func brief(sum string) string {
	if len(sum) > 12 {
		return sum[:12] + "..."
	}
	return sum
}
