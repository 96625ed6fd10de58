package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// SaveBlob streams a blob of in's repository into a part of a file, which the caller commits. The
// part has the digest and the size that were asked for; other bytes are a
// [*DigestError], and the part is then removed. What an earlier run left of
// the blob is continued, and if the whole is then wrong, or came in ranges, fetched once more
// from zero before that is said.
//
// The request's URL and header are set here.
func (c *Client) SaveBlob(ctx context.Context, in Ref, d Descriptor, req fetch.SaveRequest) (*fetch.Part, error) {
	at, err := c.locate(in.Host, in.Repository)
	if err != nil {
		return nil, err
	}
	name := in.At(d.Digest).String()
	if !d.Digest.IsSHA256() {
		return nil, &RefError{Input: name, Why: "its digest is invalid", Hint: "a digest is sha256: and 64 lower-case hex digits"}
	}
	req.URL, req.Limit = at.base+"blobs/"+string(d.Digest), d.Size+1 // one more, so that too much is noticed as such
	for {
		part, err := c.saveBlob(ctx, at, req)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, c.denied(at, err))
		}
		got := oci.FromHex(part.SHA256)
		if got == d.Digest && part.Size == d.Size {
			return part, nil
		}
		again := (part.Resumed > 0 || part.Joined) && !req.Fresh
		if err := part.Discard(); err != nil {
			return nil, err
		}
		if !again {
			if got == d.Digest {
				return nil, &FormatError{Subject: name, Why: fmt.Sprintf("it has %d bytes, but its descriptor says %d", part.Size, d.Size)}
			}
			return nil, &DigestError{Subject: name, Want: string(d.Digest), Got: string(got), Claim: "the manifest that names it"}
		}
		req.Fresh = true
	}
}

// saveBlob sends the request, and once more if the registry wants a token.
func (c *Client) saveBlob(ctx context.Context, at location, req fetch.SaveRequest) (*fetch.Part, error) {
	req.Header = http.Header{}
	used, err := c.auth.known(ctx, c, at, pullScope(at.repo))
	if err != nil {
		return nil, err
	}
	if used != "" {
		req.Header.Set("Authorization", used)
	}
	part, err := c.Fetch.Save(ctx, req)
	var e *fetch.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || !sameHost(e.FinalURL, req.URL) {
		return part, err
	}
	header, authErr := c.auth.answer(ctx, c, at, pullScope(at.repo), e, used)
	if authErr != nil {
		return nil, authErr
	}
	if header == "" || header == used {
		return nil, err
	}
	req.Header.Set("Authorization", header)
	return c.Fetch.Save(ctx, req)
}
