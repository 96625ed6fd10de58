package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// TestAheadConnectsAndAsksNothing holds that the connections to the hosts that
// follow are there before anybody asks them, that nothing was asked of them,
// and that the requests that come use them.
func TestAheadConnectsAndAsksNothing(t *testing.T) {
	for range 20 { // a request that is given up must never be sent, not only seldom
		var mu sync.Mutex
		var asked []string
		n := newInternet(t, true, []string{"first.example", "second.example", "third.example"}, func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, r.Method+" "+r.Host)
		})
		ahead := &fetch.Preconnect{Next: fetch.NewTransport(n.options()), Hosts: map[string][]string{"first.example": {"second.example", "third.example"}}}
		client := &fetch.Client{Transport: ahead}
		get := func(host string) {
			t.Helper()
			if _, err := client.Get(t.Context(), "https://"+host+"/", 100); err != nil {
				t.Fatal(err)
			}
		}
		get("first.example")
		eventually(t, "three connections", func() bool { return n.conns.Load() == 3 })
		for _, host := range []string{"second.example", "third.example", "first.example", "second.example"} {
			get(host)
		}
		mu.Lock()
		want := []string{"GET first.example", "GET second.example", "GET third.example", "GET first.example", "GET second.example"}
		if !slices.Equal(asked, want) || n.conns.Load() != 3 {
			t.Fatalf("asked %q over %d connections", asked, n.conns.Load())
		}
		mu.Unlock()
	}
}

// TestAheadOfHTTP1 holds that a host that does not speak HTTP/2 is asked once,
// so that its connection is kept.
func TestAheadOfHTTP1(t *testing.T) {
	n := newInternet(t, false, []string{"first.example", "second.example"}, func(http.ResponseWriter, *http.Request) {})
	ahead := &fetch.Preconnect{Next: fetch.NewTransport(n.options()), Hosts: map[string][]string{"example": {"second.example"}}}
	client := &fetch.Client{Transport: ahead}
	for range 3 {
		if _, err := client.Get(t.Context(), "https://first.example/", 100); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "a request to the second host", func() bool { return n.asked.Load() == 4 })
	if _, err := client.Get(t.Context(), "https://second.example/", 100); err != nil {
		t.Fatal(err)
	}
	if n.asked.Load() != 5 || n.conns.Load() > 3 {
		t.Errorf("%d requests over %d connections", n.asked.Load(), n.conns.Load())
	}
}

// TestAheadHarmsNothing holds that a host that cannot be reached fails nobody
// else's request, that plain HTTP and other hosts lead nowhere, and that what
// was begun ends with the run.
func TestAheadHarmsNothing(t *testing.T) {
	ended := make(chan error, 1)
	ahead := &fetch.Preconnect{Hosts: map[string][]string{"first.example": {"dead.example"}}, Next: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "dead.example" {
			<-r.Context().Done()
			ended <- r.Context().Err()
			return nil, fmt.Errorf("dead: %w", r.Context().Err())
		}
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	})}
	ctx, cancel := context.WithCancel(t.Context())
	client := &fetch.Client{Transport: ahead}
	for _, url := range []string{"http://first.example/", "https://notfirst.example/", "https://example/"} {
		if _, err := client.Get(ctx, url, 100); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-ended:
		t.Fatal("a host was connected to that nothing leads to")
	default:
	}
	if _, err := client.Get(ctx, "https://first.example/", 100); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
