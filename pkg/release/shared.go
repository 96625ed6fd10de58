package release

import (
	"context"
	"sync"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// Shared are documents that speak of many releases, read once by those who load
// several in one run: a minor's CHANGELOG, the promotion manifests. The zero
// value is ready to use. It is kept for one run only, so that what is in it
// stays as published as it was when it came.
type Shared struct {
	mu         sync.Mutex
	documents  map[string]func() (*fetch.Response, error)
	promotions map[string]func() Source[*Promotion]
}

// document gets a URL, or what an earlier caller got there.
func (s *Shared) document(ctx context.Context, c *fetch.Client, url string, limit int64) (*fetch.Response, error) {
	if s == nil {
		return c.Get(ctx, url, limit)
	}
	s.mu.Lock()
	f := s.documents[url]
	if f == nil {
		f = par.OnceValues(func() (*fetch.Response, error) { return c.Get(ctx, url, limit) })
		if s.documents == nil {
			s.documents = map[string]func() (*fetch.Response, error){}
		}
		s.documents[url] = f
	}
	s.mu.Unlock()
	return f()
}

// LoadPromotion is [LoadPromotion], once for each document.
func (s *Shared) LoadPromotion(ctx context.Context, c *fetch.Client, image string) Source[*Promotion] {
	if s == nil {
		return LoadPromotion(ctx, c, image)
	}
	s.mu.Lock()
	url := PromotionURL(image)
	f := s.promotions[url]
	if f == nil {
		f = par.OnceValue(func() Source[*Promotion] { return LoadPromotion(ctx, c, image) })
		if s.promotions == nil {
			s.promotions = map[string]func() Source[*Promotion]{}
		}
		s.promotions[url] = f
	}
	s.mu.Unlock()
	return f()
}
