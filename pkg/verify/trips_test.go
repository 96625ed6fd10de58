package verify_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

const trip = 50 * time.Millisecond

// farLine answers as w does, half a round trip away in each direction: a connection to a
// host costs two trips (TCP and TLS 1.3), each request one. Processor time costs none,
// under synctest's clock.
type farLine struct {
	next http.RoundTripper

	mu    sync.Mutex
	hosts map[string]chan struct{} // closed once connected
}

func (l *farLine) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := l.connect(r.Context(), r.URL.Host); err != nil {
		return nil, err
	}
	if r.Method == http.MethodHead && r.URL.Path == "/" { // of Preconnect, which gives it up here
		return nil, errors.New("given up")
	}
	select {
	case <-time.After(trip):
		return l.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func (l *farLine) connect(ctx context.Context, host string) error {
	l.mu.Lock()
	done, ok := l.hosts[host]
	if !ok {
		done = make(chan struct{})
		l.hosts[host] = done
		time.AfterFunc(2*trip, func() { close(done) })
	}
	l.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestTrips holds how many round trips a release takes, one after the other, behind the
// redirects of registry.k8s.io: with nothing known, with a lock, with a cache, and with
// what an earlier run's redirects led to.
func TestTrips(t *testing.T) {
	w := world.New(world.Options{})
	cold := verifier(t, w)
	rep, err := cold.Images(t.Context(), request(t, version))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := report.NewLock(rep)
	if err != nil {
		t.Fatal(err)
	}
	wrong := slices.Clone(lock.Entries)
	for i := range wrong {
		wrong[i].Digest = string(oci.DigestOf([]byte(wrong[i].Subject + wrong[i].Platform)))
	}
	const kept, routes = 1, 2
	three := []string{report.Digest, report.Signature, report.Reference}
	for _, tt := range []struct {
		name   string
		checks []string
		hints  []report.Locked
		has    int
		trips  int
	}{
		{"three checks", three, nil, 0, 8},
		{"three checks, a wrong lock", three, wrong, 0, 8},
		{"three checks, a lock", three, lock.Entries, 0, 6},
		{"three checks, routes", three, nil, routes, 6},
		{"three checks, a lock and routes", three, lock.Entries, routes, 4},
		{"three checks, kept", three, nil, kept, 6},
		{"three checks, kept and routes", three, nil, kept | routes, 4},
		{"every check", nil, nil, 0, 10},
		{"every check, routes", nil, nil, routes, 6},
		{"every check, kept and routes", nil, nil, kept | routes, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache := registry.NewCache(t.TempDir(), 0)
			one := func(routes map[string][]string, hints []report.Locked) (trips int) {
				synctest.Test(t, func(t *testing.T) {
					hosts := fetch.FollowingHosts()
					for from, to := range routes {
						hosts[from] = append(hosts[from], to...)
					}
					v := verifier(t, w)
					v.Fetch = &fetch.Client{Transport: fetch.NewLive(fetch.LiveOptions{Preconnect: hosts, Led: cache.KeepRoute, Network: &farLine{next: w, hosts: map[string]chan struct{}{}}})}
					v.Registry, v.Checks, v.Hints = &registry.Client{Fetch: v.Fetch}, tt.checks, hints
					if tt.has&kept != 0 {
						v.Registry.Cache = cache
					}
					from := time.Now()
					rep, err := v.Images(t.Context(), request(t, version))
					if err != nil || rep.Verdict() != report.Verified {
						t.Fatalf("%v\n%s", err, failures(rep))
					}
					trips = int(time.Since(from) / trip)
				})
				return trips
			}
			if tt.has != 0 {
				one(nil, nil)
			}
			known := cache.Routes()
			if tt.has&routes == 0 {
				known = nil
			}
			if n := one(known, tt.hints); n != tt.trips {
				t.Errorf("%d round trips, want %d", n, tt.trips)
			}
		})
	}
}
