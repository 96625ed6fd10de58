package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// OpenBlob gives a blob of in's repository to read as it comes, such as a layer, which is
// too large to hold in memory. Nothing of it is kept. Its last Read gives io.EOF only
// if the bytes were as many as d says and hash to its digest; otherwise it gives
// a [*DigestError] or a [*FormatError]. Until then nothing of it is proved.
func (c *Client) OpenBlob(ctx context.Context, in Ref, d Descriptor) (io.ReadCloser, error) {
	at, err := c.locate(in.Host, in.Repository)
	if err != nil {
		return nil, err
	}
	name := in.At(d.Digest).String()
	if !d.Digest.IsSHA256() || d.Size < 0 {
		return nil, &RefError{Input: name, Why: "its digest is invalid", Hint: "a digest is sha256: and 64 lower-case hex digits"}
	}
	if c.Fetch == nil {
		return nil, errors.New("registry: this client was given no Fetch")
	}
	// One byte more than it should have, so that too much is noticed as such.
	req := fetch.Request{URL: at.base + "blobs/" + string(d.Digest), Limit: d.Size + 1, Header: http.Header{}}
	used, err := c.auth.known(ctx, c, at, pullScope(at.repo))
	if err != nil {
		return nil, err
	}
	if used != "" {
		req.Header.Set("Authorization", used)
	}
	s, err := c.Fetch.Open(ctx, req)
	var e *fetch.Error
	if errors.As(err, &e) && e.Status == http.StatusUnauthorized && sameHost(e.FinalURL, req.URL) {
		header, authErr := c.auth.answer(ctx, c, at, pullScope(at.repo), e, used)
		if authErr != nil {
			return nil, authErr
		}
		if header != "" && header != used {
			req.Header.Set("Authorization", header)
			s, err = c.Fetch.Open(ctx, req)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, c.denied(at, err))
	}
	return &hashed{s: s, d: d, name: name, sum: sha256.New()}, nil
}

// hashed is a blob that says at its end whether it was the right one.
type hashed struct {
	s    *fetch.Stream
	d    Descriptor
	name string
	sum  hash.Hash
	n    int64
	head []byte // its beginning, to tell what came instead of it
}

// maxHead is more than it takes to tell.
const maxHead = 1 << 10

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.s.Read(p)
	h.sum.Write(p[:n])
	h.n += int64(n)
	h.head = append(h.head, p[:min(n, maxHead-len(h.head))]...)
	switch {
	case h.n > h.d.Size:
		return n, &FormatError{Subject: h.name, Why: fmt.Sprintf("it has more than the %d bytes that its descriptor says", h.d.Size)}
	case !errors.Is(err, io.EOF):
		if err != nil {
			err = fmt.Errorf("%s: %w", h.name, err)
		}
		return n, err
	}
	if got := oci.FromHash(h.sum); got != h.d.Digest {
		if fetch.Instead(h.head) != "" {
			return n, h.instead()
		}
		return n, &DigestError{Subject: h.name, Want: string(h.d.Digest), Got: string(got), Claim: "the manifest that names it"}
	}
	if h.n != h.d.Size {
		return n, &FormatError{Subject: h.name, Why: fmt.Sprintf("it has %d bytes, but its descriptor says %d", h.n, h.d.Size)}
	}
	return n, io.EOF
}

func (h *hashed) instead() error {
	return &FormatError{Subject: h.name, Why: fetch.Instead(h.head) + " where a blob was expected"}
}

func (h *hashed) Close() error { return h.s.Close() }
