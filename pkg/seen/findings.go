package seen

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

func refuted(format string, args ...any) finding {
	return finding{verdict: report.Refuted, reason: report.Mismatch, detail: fmt.Sprintf(format, args...)}
}

// contradicted is refuted by who gives the digest to another image.
func contradicted(by another, format string, args ...any) finding {
	f := refuted(format, args...)
	f.by = &by
	return f
}

func unknown(reason report.Reason, format string, args ...any) finding {
	return finding{reason: reason, detail: fmt.Sprintf(format, args...)}
}

func list(words []string) string {
	switch n := len(words); {
	case n == 0:
		return "nothing that runs"
	case n > 6:
		return strings.Join(words[:6], ", ") + fmt.Sprintf(" and %d more", n-6)
	default:
		return strings.Join(words, ", ")
	}
}

// unread is the finding of what could not be read.
func unread(what string, err error) finding {
	verdict, reason := session.Classify(err)
	return finding{verdict: verdict, reason: reason, detail: fmt.Sprintf("%s: %v", what, err)}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// joinDigests makes one word of a list; a digest has no comma in it.
func joinDigests(list []oci.Digest) string {
	words := make([]string, len(list))
	for i, d := range list {
		words[i] = string(d)
	}
	return strings.Join(words, ",")
}

func first[T any](list []T, n int) []T { return list[:min(len(list), n)] }

// identifier hashes in a stable form what a result is of, so that the same outcome in many places is one.
func identifier(words ...string) [sha256.Size]byte {
	var room [512]byte // as much as most need, so that nothing is allocated
	text := room[:0]
	for _, w := range words {
		text = strconv.AppendInt(text, int64(len(w)), 10) // a name in JSON may hold any character
		text = append(append(text, ':'), w...)
	}
	return sha256.Sum256(text)
}
