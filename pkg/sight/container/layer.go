package container

import (
	"context"
	"io"
	"sync"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

// Layer is a layer that lies somewhere else, such as in a registry, judged as those of
// a container are. open is called once, and its error is Read's.
func Layer(d registry.Descriptor, open func(context.Context) (io.ReadCloser, error)) sight.Blob {
	var mu sync.Mutex
	var known *sight.Content
	read := func(ctx context.Context) (sight.Content, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return *known, nil
		}
		r, err := open(ctx)
		if err != nil {
			return sight.Content{}, err
		}
		defer func() { _ = r.Close() }()
		c, err := hashAll(ctx, r, d.Size, newAllowance())
		if err != nil {
			return sight.Content{}, err
		}
		if d.MediaType != "" {
			holdMediaType(&c, d.MediaType)
		}
		c.SecondTable = c.SecondTable || hasSecondTable(d.Annotations)
		known = &c
		return c, nil
	}
	return sight.Blob{Digest: d.Digest, Size: d.Size, MediaType: d.MediaType, Annotations: d.Annotations, Read: read}
}
