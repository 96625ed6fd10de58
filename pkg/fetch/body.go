package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// readBody reads a body under limit. Longer is TooLarge; shorter or longer
// than announced is Truncated, and so is a connection that broke on the way.
// With into the bytes go there and are not kept.
func readBody(resp *http.Response, limit int64, into io.Writer) ([]byte, Kind, error) {
	want := resp.ContentLength
	if want > limit {
		return nil, TooLarge, fmt.Errorf("%d bytes announced, at most %d are read", want, limit)
	}
	var buf bytes.Buffer
	if want > 0 && into == nil {
		// The length is a claim: believe it up to a size that costs nothing.
		buf.Grow(int(min(want, 1<<20)) + bytes.MinRead)
	}
	to := io.Writer(&buf)
	if into != nil {
		to = into
	}
	n, err := io.Copy(to, io.LimitReader(resp.Body, limit+1))
	var timeout net.Error
	switch {
	case errors.Is(err, ErrStalled) || errors.As(err, &timeout) && timeout.Timeout():
		return nil, Unreachable, err
	case err != nil:
		return nil, Truncated, fmt.Errorf("cut after %d bytes: %w", n, err)
	case n > limit:
		return nil, TooLarge, fmt.Errorf("more than %d bytes", limit)
	case want >= 0 && n != want:
		return nil, Truncated, fmt.Errorf("%d bytes, but %d were announced", n, want)
	}
	return buf.Bytes(), 0, nil
}

func htmlType(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t = strings.ToLower(strings.TrimSpace(contentType))
	}
	return t == "text/html" || t == "application/xhtml+xml"
}
