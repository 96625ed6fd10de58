package verify

import (
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
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

// guard runs f and returns its panic, if any, as an error: a hostile input must
// cost its own subject, not the run.
func guard(f func()) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *par.Panic:
			err = v
		default:
			err = &par.Panic{Value: v}
		}
	}()
	f()
	return nil
}

func strength(o fetch.Origin) report.Strength {
	if o == fetch.Published {
		return report.Published
	}
	return report.Carried
}

// read words how a document was read.
func read(s report.Strength) string {
	if s == report.Vouched {
		return "vouched for by the operator's key"
	}
	return "read from its publisher"
}
