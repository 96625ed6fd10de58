package interop

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// meter stands before a registry, counts, and lets uploads through no faster
// than it is told.
type meter struct {
	addr     string
	rate     atomic.Int64 // bytes of request bodies a second, all of them together; 0 is free
	requests atomic.Int64
	up, down atomic.Int64 // bytes of bodies, towards the registry and back
	blobs    atomic.Int64 // of up, those of blobs
	sending  atomic.Int64 // uploads of which a part has come

	mu   sync.Mutex
	next time.Time // when the line is free again
}

func newMeter(t testing.TB, r registry) *meter {
	t.Helper()
	target, err := url.Parse(r.url())
	if err != nil {
		t.Fatal(err)
	}
	m := &meter{}
	proxy := &httputil.ReverseProxy{
		// The Host stays: the registry then says where uploads go by this address.
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
		ModifyResponse: func(resp *http.Response) error {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{counting{resp.Body, &m.down}, resp.Body}
			return nil
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		m.requests.Add(1)
		body := &metered{ReadCloser: req.Body, m: m, blob: strings.Contains(req.URL.Path, "/blobs/uploads/")}
		req.Body = body
		defer body.over()
		proxy.ServeHTTP(w, req)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	m.addr = strings.TrimPrefix(server.URL, "http://")
	return m
}

// figures are what a meter has counted.
type figures struct{ requests, up, down int64 }

// read returns the figures since the last read.
func (m *meter) read() figures {
	return figures{m.requests.Swap(0), m.up.Swap(0), m.down.Swap(0)}
}

type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// metered is the body of one request.
type metered struct {
	io.ReadCloser
	m     *meter
	blob  bool
	begun bool
	once  sync.Once
}

func (b *metered) Read(p []byte) (int, error) {
	rate := b.m.rate.Load()
	if rate > 0 {
		p = p[:min(len(p), 16<<10)]
	}
	n, err := b.ReadCloser.Read(p)
	b.m.up.Add(int64(n))
	if b.blob && n > 0 {
		b.m.blobs.Add(int64(n))
		if !b.begun {
			b.begun = true
			b.m.sending.Add(1)
		}
	}
	if rate > 0 && n > 0 {
		b.m.mu.Lock()
		now := time.Now()
		if b.m.next.Before(now) {
			b.m.next = now
		}
		b.m.next = b.m.next.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
		wait := b.m.next.Sub(now)
		b.m.mu.Unlock()
		time.Sleep(wait)
	}
	return n, err
}

func (b *metered) over() {
	b.once.Do(func() {
		if b.begun {
			b.m.sending.Add(-1)
		}
	})
}
