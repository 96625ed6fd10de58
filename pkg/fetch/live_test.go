package fetch_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// dials counts who is dialled, and connects nobody.
type dials struct {
	mu    sync.Mutex
	hosts []string
}

func (d *dials) dial(_ context.Context, _, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts = append(d.hosts, addr)
	return nil, errors.New("no network here")
}

// TestLiveAsksStandIns holds that a live transport repeats as often as it is told to,
// asks a stand-in in place of its host, and never dials a host that was mapped away.
func TestLiveAsksStandIns(t *testing.T) {
	var d dials
	noProxy := func(*http.Request) (*url.URL, error) { return nil, nil }
	live := fetch.NewLive(fetch.LiveOptions{
		Attempts:    1,
		Endpoints:   map[string]*url.URL{"dl.k8s.io": {Scheme: "http", Host: "standin.example"}},
		Preconnect:  map[string][]string{"sbom.k8s.io": {"dl.k8s.io"}},
		Connections: fetch.Options{Dial: d.dial, Proxy: noProxy},
	})
	c := &fetch.Client{Transport: live}
	for _, u := range []string{"https://dl.k8s.io/a", "https://sbom.k8s.io/b"} {
		if _, err := c.Get(t.Context(), u, 0); !fetch.Is(err, fetch.Unreachable) {
			t.Errorf("%s: %v", u, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.hosts, []string{"standin.example:80", "sbom.k8s.io:443"}) {
		t.Errorf("dialled %q", d.hosts)
	}
}

// stub answers in the place of a network.
type stub struct{ asked []string }

func (s *stub) RoundTrip(req *http.Request) (*http.Response, error) {
	s.asked = append(s.asked, req.URL.String())
	return nil, errors.New("no network here")
}

// TestLiveOverAnotherNetwork holds that a live transport with a network of its caller's
// keeps its manners over that one, and connects nowhere itself.
func TestLiveOverAnotherNetwork(t *testing.T) {
	var d dials
	var s stub
	c := &fetch.Client{Transport: fetch.NewLive(fetch.LiveOptions{
		Attempts: 1, Network: &s, Preconnect: map[string][]string{}, Connections: fetch.Options{Dial: d.dial},
	})}
	if _, err := c.Get(t.Context(), "https://dl.k8s.io/a", 0); !fetch.Is(err, fetch.Unreachable) {
		t.Errorf("%v", err)
	}
	if !slices.Equal(s.asked, []string{"https://dl.k8s.io/a"}) || len(d.hosts) > 0 {
		t.Errorf("asked %q, dialled %q", s.asked, d.hosts)
	}
}

// Runs behind one address divide what it may ask: 2,400 requests in 30 seconds are 24 for each
// of a hundred.
func TestSharing(t *testing.T) {
	for by, held := range map[int]bool{0: false, 1: false, 100: true} {
		synctest.Test(t, func(t *testing.T) {
			live := fetch.NewLive(fetch.LiveOptions{Sharing: by, Network: roundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})})
			from := time.Now()
			for range 25 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.k8s.io/v2/pause/manifests/3.9", nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := live.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
			}
			if took := time.Since(from); held != (took >= 25*time.Second) {
				t.Errorf("%d runs: 25 requests took %s", by, took)
			}
		})
	}
}
