package verify

import (
	"context"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// readPromotions reads the promotion manifests of images that are not of the
// release itself, each once.
func (b *imageSet) readPromotions(ctx context.Context) {
	if !b.run.needs(report.Binding) {
		return
	}
	b.promotions = map[string]*release.Source[*release.Promotion]{}
	for _, im := range b.images {
		if im.core && b.docs != nil {
			continue
		}
		if url := release.PromotionURL(im.name); b.promotions[url] == nil {
			src := b.run.session.Shared.LoadPromotion(ctx, b.run.session.Fetch, im.name)
			b.promotions[url] = &src
		}
	}
}

// promotion returns the promotion manifest that lists the image, or nil.
func (b *imageSet) promotion(im *image) *release.Source[*release.Promotion] {
	if im.core {
		if b.docs == nil || b.docs.Release == nil {
			return nil
		}
		return &b.docs.Release.Promotion
	}
	return b.promotions[release.PromotionURL(im.name)]
}
