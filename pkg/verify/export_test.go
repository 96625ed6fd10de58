package verify

import (
	"context"

	"github.com/kverify/kverify/pkg/report"
)

// SignatureOf judges the signature of one digest alone, for tests that try
// thousands of changes to it.
func SignatureOf(ctx context.Context, v *Verifier, repository, digest string) (signature, reference report.Check) {
	r, err := v.start()
	if err != nil {
		panic(err)
	}
	s := r.imageSignature(ctx, repository, digest, repository, "")
	return s.signature, s.reference
}
