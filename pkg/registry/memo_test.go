package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
)

// Many who ask for the same thing at once share one request; one who gives up
// takes nobody along.
func TestShared(t *testing.T) {
	var asked atomic.Int32
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		time.Sleep(100 * time.Millisecond)
		w.Header().Set("Content-Type", DockerIndex)
		io.WriteString(w, oneIndex)
	})
	s := httptest.NewServer(slow)
	defer s.Close()
	c := &Client{Fetch: &fetch.Client{Transport: fetch.NewTransport(fetch.Options{})}, Endpoints: map[string]string{"registry.k8s.io": s.URL}}
	first, giveUp := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, giveUp)
	par.Map(t.Context(), 32, 32, func(ctx context.Context, i int) {
		if i == 0 {
			if _, err := c.Manifest(first, proxy); !fetch.Is(err, fetch.Cancelled) || !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
		if i == 1 {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			if _, err := c.Manifest(ctx, proxy); !fetch.Is(err, fetch.Cancelled) || !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return
		}
		if m, err := c.Manifest(ctx, proxy); err != nil || m.Digest != oneDigest {
			t.Error(err)
		}
	}, nil)
	if n := asked.Load(); n != 2 {
		t.Errorf("%d requests, want the abandoned one and one more", n)
	}
}

func TestMemoIsBounded(t *testing.T) {
	var m memo
	for i := range 10000 {
		m.put(fmt.Sprint(i), make([]byte, 0), 64<<10)
	}
	if m.bytes > memoBytes || len(m.kept) != m.recent.Len() || len(m.kept) > memoBytes/(64<<10) {
		t.Errorf("%d bytes in %d entries", m.bytes, len(m.kept))
	}
	if _, ok := m.get("9999"); !ok {
		t.Error("the most recent was forgotten")
	}
	if _, ok := m.get("0"); ok {
		t.Error("the oldest was kept")
	}
	m.put("huge", nil, memoBytes)
	if _, ok := m.get("huge"); ok {
		t.Error("one entry pushed out all others")
	}
	func() {
		defer func() { recover() }()
		m.do(t.Context(), "panics", func() (any, error) { panic("x") })
	}()
	if v, err := m.do(t.Context(), "panics", func() (any, error) { return 1, nil }); err != nil || v != 1 {
		t.Errorf("after a panic: %v %v", v, err)
	}
}
