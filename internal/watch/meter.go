package watch

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Meter counts the requests that pass to next. It changes nothing of an answer but the
// reader of its body.
func (m *Metrics) Meter(next http.RoundTripper) http.RoundTripper { return &meter{m, next} }

type meter struct {
	m    *Metrics
	next http.RoundTripper
}

// RoundTrip sends the request and counts it.
func (t *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := t.next.RoundTrip(req)
	code := "error"
	if err == nil {
		code = strconv.Itoa(resp.StatusCode)
	}
	t.m.mu.Lock()
	host := t.m.host(req.URL.Host)
	count(&t.m.answers, answer{host, code}, 1)
	t.m.requests.observe(requestBounds, time.Since(began))
	t.m.mu.Unlock()
	if err == nil {
		resp.Body = &meteredBody{resp.Body, t.m, host}
	}
	return resp, err
}

// host is a host, or "other" where too many were asked: redirects may lead to any number. The
// metrics are locked.
func (m *Metrics) host(host string) string {
	if _, known := m.bytes[host]; !known {
		if len(m.bytes) >= maxHosts {
			host = "other"
		}
		count(&m.bytes, host, 0)
	}
	return host
}

type meteredBody struct {
	io.ReadCloser
	m    *Metrics
	host string
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.mu.Lock()
	count(&b.m.bytes, b.host, int64(n))
	b.m.mu.Unlock()
	return n, err
}
