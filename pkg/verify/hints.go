package verify

import (
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// hints are the digests that names are thought to have, by subject and platform.
type hints map[[2]string]oci.Digest

func newHints(entries []report.Locked) hints {
	h := hints{}
	for _, e := range entries {
		if d := oci.Digest(e.Digest); d.IsSHA256() {
			h[[2]string{e.Subject, e.Platform}] = d
		}
	}
	return h
}
