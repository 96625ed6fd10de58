package fetch

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Trace writes one line for each request that passes it: method, URL with its
// secrets hidden, what came, and how long that took. It shows no header and no
// body.
type Trace struct {
	Next http.RoundTripper
	W    io.Writer
	mu   sync.Mutex
}

// RoundTrip sends the request and writes its line.
func (t *Trace) RoundTrip(req *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := t.Next.RoundTrip(req)
	took := time.Since(start).Round(100 * time.Microsecond)
	var what string
	if err != nil {
		what = printable(causeText(err))
	} else {
		what = fmt.Sprintf("%d %s", resp.StatusCode, printable(resp.Proto))
		if resp.ContentLength >= 0 {
			what += fmt.Sprintf(" %d bytes", resp.ContentLength)
		}
		if loc := resp.Header.Get("Location"); loc != "" {
			what += " -> " + Redact(loc)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.W, "%s %s: %s (%s)\n", req.Method, Redact(req.URL.String()), what, took)
	return resp, err
}
