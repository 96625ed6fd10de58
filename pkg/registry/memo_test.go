package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	m.put("huge", nil, memoBytes/8+1)
	if _, ok := m.get("huge"); ok {
		t.Error("one entry pushed out others")
	}
	if _, ok := m.get("9999"); !ok {
		t.Error("the most recent was forgotten")
	}
	if _, ok := m.get("0"); ok {
		t.Error("the oldest was kept")
	}
	m = memo{}
	const overhead = 512
	for i := range 8 {
		m.put(fmt.Sprint(i), i, memoBytes/8-overhead)
		m.put(fmt.Sprint(i), "again", memoBytes/8-overhead) // the first stays, and counts once
	}
	if v, ok := m.get("0"); !ok || v != 0 || m.bytes != memoBytes {
		t.Errorf("%v %v, %d bytes", v, ok, m.bytes)
	}
	m.drop("7")
	m.drop("7")
	if _, ok := m.get("7"); ok || m.bytes != memoBytes*7/8 {
		t.Errorf("%v, %d bytes", ok, m.bytes)
	}
	m.put("largest", nil, memoBytes/8) // pushes out what was used least recently, which "0" was not
	_, first := m.get("0")
	_, second := m.get("1")
	if _, ok := m.get("largest"); !ok || !first || second {
		t.Errorf("%v: %v, %v", ok, first, second)
	}
}

// TestMemoShares holds what those get who wait for another's answer.
func TestMemoShares(t *testing.T) {
	failed := errors.New("failed")
	for _, tt := range []struct {
		name        string
		val         any
		err         error
		gaveUp      bool // the first caller's context ends before its answer comes
		panics      bool
		asked, want string
	}{
		{"an answer", 1, nil, false, false, "first", "1 <nil>"},
		{"an error", nil, failed, false, false, "first", "<nil> failed"},
		{"an answer that came all the same", 1, nil, true, false, "first", "1 <nil>"},
		{"an error of one who gave up", nil, failed, true, false, "first second", "2 <nil>"},
		{"a panic", nil, nil, false, true, "first", "<nil> " + errPanicked.Error()},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m memo
			asked := []string{}
			release := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				defer func() { _ = recover() }()
				_, _ = m.do(ctx, "key", func() (any, error) {
					asked = append(asked, "first")
					<-release
					if tt.panics {
						panic("x")
					}
					return tt.val, tt.err
				})
			}()
			synctest.Wait()
			if v, err := m.do(t.Context(), "other", func() (any, error) { return 3, nil }); v != 3 || err != nil {
				t.Errorf("%s: another key waited: %v %v", tt.name, v, err)
			}
			short, stop := context.WithTimeoutCause(t.Context(), time.Second, failed)
			defer stop()
			if v, err := m.do(short, "key", nil); v != nil || !errors.Is(err, failed) {
				t.Errorf("%s: who would wait no longer got %v %v", tt.name, v, err)
			}
			done := make(chan string)
			go func() {
				v, err := m.do(t.Context(), "key", func() (any, error) { asked = append(asked, "second"); return 2, nil })
				done <- fmt.Sprint(v, " ", err)
			}()
			synctest.Wait()
			if tt.gaveUp {
				cancel()
			}
			close(release)
			if got := <-done; got != tt.want || strings.Join(asked, " ") != tt.asked {
				t.Errorf("%s: %s, asked %q", tt.name, got, asked)
			}
			if v, err := m.do(t.Context(), "key", func() (any, error) { m.put("key", 4, 1); return 4, nil }); v != 4 || err != nil {
				t.Errorf("%s: afterwards: %v %v", tt.name, v, err)
			}
			if v, err := m.do(t.Context(), "key", nil); v != 4 || err != nil {
				t.Errorf("%s: what was kept: %v %v", tt.name, v, err)
			}
		})
	}
}
