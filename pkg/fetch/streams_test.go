package fetch_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// lowLimit is Go's own server with a limit of HTTP/2 streams, and how many
// connections were made to it.
func lowLimit(t *testing.T, limit int) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	conns := new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Millisecond)
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d", r.URL.Path, n)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: limit}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, conns
}

// TestServersWithFewStreams holds that a burst gets through whatever number of
// HTTP/2 streams a server allows, and needs one connection where that is enough.
func TestServersWithFewStreams(t *testing.T) {
	for _, limit := range []int{1, 2, 4, 8, 63, 100} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			s, conns := lowLimit(t, limit)
			pool := x509.NewCertPool()
			pool.AddCert(s.Certificate())
			live := fetch.NewTransport(fetch.Options{TLS: &tls.Config{RootCAs: pool}, Proxy: noProxy,
				Dial: longLine(s.Listener.Addr().String(), 20*time.Millisecond)})
			c := &fetch.Client{Transport: &fetch.Retry{Next: &fetch.Limiter{Next: live}}}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			began := time.Now()
			par.Map(ctx, 150, 150, func(ctx context.Context, i int) {
				path := fmt.Sprintf("/%d", i)
				resp, err := c.Get(ctx, "https://example.com"+path, 0)
				if err != nil || string(resp.Body) != path+" 0" {
					t.Errorf("%s: %v", path, err)
				}
			}, nil)
			n := conns.Load()
			t.Logf("%d connections, %v", n, time.Since(began))
			if limit >= fetch.DefaultInFlight && n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestUploadsToServersWithFewStreams holds that what is sent waits for its
// stream, and goes anew where the server refused it one.
func TestUploadsToServersWithFewStreams(t *testing.T) {
	s, _ := lowLimit(t, 2)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c := &fetch.Client{Transport: fetch.NewTransport(fetch.Options{TLS: &tls.Config{RootCAs: pool}, Proxy: noProxy,
		Dial: longLine(s.Listener.Addr().String(), 5*time.Millisecond)})}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Get(ctx, "https://example.com/settings", 0); err != nil { // the limit is known
		t.Fatal(err)
	}
	par.Map(ctx, 40, 40, func(ctx context.Context, i int) {
		path := fmt.Sprintf("/%d", i)
		body := strings.Repeat("x", 1000+i)
		resp, err := c.Do(ctx, fetch.Request{Method: http.MethodPut, URL: "https://example.com" + path, Size: int64(len(body)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }})
		if err != nil || string(resp.Body) != fmt.Sprintf("%s %d", path, len(body)) {
			t.Errorf("%s: %v", path, err)
		}
	}, nil)
}
