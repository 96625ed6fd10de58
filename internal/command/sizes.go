package command

import (
	"context"
	"net/http"
	"strconv"

	"github.com/kverify/kverify/pkg/fetch"
)

// SizeOf asks a server how many bytes a file has; 0 if it does not say. It is carried, and
// nothing but progress is measured by it.
func SizeOf(ctx context.Context, c *fetch.Client, url string) int64 {
	resp, err := c.Do(ctx, fetch.Request{Method: http.MethodHead, URL: url, AllowHTML: true})
	if err != nil {
		return 0 // fetching it says why
	}
	size, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64)
	if err != nil || size < 0 || size > fetch.MaxFile {
		return 0
	}
	return size
}
