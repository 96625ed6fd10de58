package files

import (
	"context"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/report"
)

// anchored holds the release's SBOM against the images that it lists, once:
// the identity that signs files signs mock releases too, but not images (rule 9).
func (f *Verifier) anchored(ctx context.Context) report.Check {
	f.anchorOnce.Do(func() {
		f.Load(ctx)
		if err := session.Guard(func() { f.anchor = f.findAnchor(ctx, f.docs) }); err != nil {
			f.anchor = f.session.Failed(report.Anchor, err)
		}
	})
	return f.anchor
}

// askAnchor looks for it while the files travel, if it was asked for.
func (f *Verifier) askAnchor(ctx context.Context) {
	if f.session.Needs(report.Anchor) {
		f.anchored(ctx)
	}
}
