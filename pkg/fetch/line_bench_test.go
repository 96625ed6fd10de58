package fetch_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

type delayed struct {
	at   time.Time
	data []byte
}

// longLine relays a connection with half the round trip on each way, and holds
// as much in flight as is sent.
func longLine(to string, rtt time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	way := func(dst io.WriteCloser, src io.Reader) {
		queue := make(chan delayed, 1<<16)
		go func() {
			defer dst.Close()
			for d := range queue {
				time.Sleep(time.Until(d.at))
				if _, err := dst.Write(d.data); err != nil {
					break
				}
			}
			for range queue { // the sender must not wait
			}
		}()
		defer close(queue)
		for {
			buf := make([]byte, 64<<10)
			n, err := src.Read(buf)
			if n > 0 {
				queue <- delayed{time.Now().Add(rtt / 2), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		time.Sleep(rtt)
		far, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
		if err != nil {
			return nil, err
		}
		near, end := net.Pipe()
		go way(far, end)
		go way(end, far)
		return near, nil
	}
}

// BenchmarkLongLine receives one file over a line that is long and as fast as
// the machine: what may be on its way unread then decides how fast it comes.
func BenchmarkLongLine(b *testing.B) {
	const size = 64 << 20
	block := make([]byte, 1<<20)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for _, rtt := range []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
		b.Run("rtt="+rtt.String(), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				t := fetch.NewTransport(fetch.Options{TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, Dial: longLine(s.Listener.Addr().String(), rtt)})
				req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://example.com/", nil)
				if err != nil {
					b.Fatal(err)
				}
				resp, err := t.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(sha256.New(), resp.Body)
				if err != nil || n != size || resp.ProtoMajor != 2 {
					b.Fatalf("%d bytes over %s: %v", n, resp.Proto, err)
				}
				_ = resp.Body.Close()
			}
		})
	}
}
