package watch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// receiver is a webhook that is up or down.
type receiver struct {
	mu     sync.Mutex
	status int // 0 is no answer
	got    []Event
	tries  []time.Time
	header http.Header
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries, r.header = append(r.tries, time.Now()), req.Header
	body, err := io.ReadAll(req.Body)
	if err != nil || r.status == 0 {
		return nil, errors.New("connection refused")
	}
	if r.status <= 299 {
		var e Event
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, err
		}
		r.got = append(r.got, e)
	}
	header := http.Header{"Content-Type": {"text/html"}}
	if r.status == http.StatusFound {
		header.Set("Location", "https://evil.example/")
	}
	page := "<!DOCTYPE html><p>" + strings.Repeat("ok ", 1<<20)
	return &http.Response{StatusCode: r.status, Header: header, Body: io.NopCloser(strings.NewReader(page)), ContentLength: int64(len(page)), Request: req}, nil
}

func (r *receiver) is(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) took() (kinds string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.got {
		kinds += string(e.Kind) + " "
	}
	return strings.TrimSpace(kinds)
}

func (r *receiver) hook(t *testing.T) *Webhook {
	t.Helper()
	u, err := url.Parse("https://alerts.example.com/secret-path")
	if err != nil {
		t.Fatal(err)
	}
	return &Webhook{URL: u, Fetch: &fetch.Client{Transport: r}, Authorization: func(context.Context) (string, error) { return "Bearer s3cret", nil }}
}

func swap(w *world.World) { w.SwapImage(newer, "kube-proxy", "kube-scheduler") }

// TestWebhook is down when something is refuted, over a restart, and gets it when it is up:
// each event once, in order, and nothing of its address or its secret is said or kept.
func TestWebhook(t *testing.T) {
	live(t, func(t *testing.T) {
		dir, r := t.TempDir(), &receiver{}
		run := func() (*life, func()) {
			l := begin(t, newer)
			store, err := OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			l.Store, l.Send = store, r.hook(t).Send
			end := l.start()
			return l, func() { end(); store.Close() }
		}
		l, end := run()
		l.change(swap)
		l.hours(3)
		end()
		if waiting := l.queued(); waiting != 3 || r.took() != "" {
			t.Errorf("%d wait, %q were taken", waiting, r.took())
		}
		if len(r.tries) < 10 || r.tries[len(r.tries)-1].Sub(r.tries[len(r.tries)-2]) > 8*time.Minute {
			t.Errorf("tried %d times", len(r.tries))
		}
		said := strings.Join(l.said, "\n")
		if strings.Contains(said, "secret") || strings.Contains(said, "s3cret") || !strings.Contains(said, "alerts.example.com could not be reached") {
			t.Errorf("said %q", said)
		}
		r.is(http.StatusUnauthorized)
		l, end = run()
		time.Sleep(time.Minute)
		if l.queued() != 5 { // and that it was well again, which this world is
			t.Errorf("%d wait, after %q", l.queued(), l.said)
		}
		r.is(http.StatusNoContent)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := r.took(); !strings.HasPrefix(got, "tag refuted verdict tag verdict") || l.queued() != 0 {
			t.Errorf("took %q, %d wait", got, l.queued())
		}
		if r.header.Get("Authorization") != "Bearer s3cret" || r.header.Get("Content-Type") != "application/json" || r.header.Get("Cookie") != "" {
			t.Errorf("sent %v", r.header)
		}
		end()
		before := r.took()
		_, end = run()
		time.Sleep(time.Minute)
		end()
		if r.took() != before {
			t.Errorf("delivered again: %q", r.took())
		}
	})
}

// TestWebhookAnswers has what a webhook may answer.
func TestWebhookAnswers(t *testing.T) {
	live(t, func(t *testing.T) {
		for status, want := range map[int]string{200: "", 204: "", 302: "answered 302", 400: "does not take", 413: "does not take", 401: "answered 401", 404: "answered 404", 429: "answered 429", 500: "answered 500", 0: "could not be reached"} {
			r := &receiver{status: status}
			err := r.hook(t).Send(t.Context(), []byte("{}"))
			if want == "" != (err == nil) || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%d: %v", status, err)
			}
			if len(r.tries) != 1 {
				t.Errorf("%d: asked %d times", status, len(r.tries))
			}
		}
	})
}

// TestRejected drops what a webhook will never take, and goes on.
func TestRejected(t *testing.T) {
	live(t, func(t *testing.T) {
		r := &receiver{status: http.StatusBadRequest}
		l := begin(t, newer)
		l.Send = r.hook(t).Send
		end := l.start()
		l.change(swap)
		l.hours(1)
		end()
		if l.queued() != 0 || l.Metrics.deliveries["rejected"] != 3 {
			t.Errorf("%d wait; %v", l.queued(), l.Metrics.deliveries)
		}
	})
}

// TestOnceDelivers tries for some time, and leaves the rest to the next run.
func TestOnceDelivers(t *testing.T) {
	live(t, func(t *testing.T) {
		r := &receiver{}
		l := begin(t, newer)
		l.change(swap)
		l.Send = r.hook(t).Send
		began := time.Now()
		l.once(report.Refuted)
		if took := time.Since(began); took > 2*onceDelivery || len(r.tries) < 3 || l.queued() != 1 {
			t.Errorf("%s, %d tries, %d wait", took, len(r.tries), l.queued())
		}
		if !strings.Contains(strings.Join(l.said, " "), "lost, since no --state was given") {
			t.Errorf("said %q", l.said)
		}
		r.is(200)
		l = begin(t, newer)
		l.change(swap)
		l.Send = r.hook(t).Send
		l.once(report.Refuted)
		if r.took() != "refuted" {
			t.Errorf("took %q", r.took())
		}
	})
}

// TestQueue drops the oldest that is no alarm.
func TestQueue(t *testing.T) {
	s := newState()
	s.enqueue(Event{ID: "alarm", Kind: Refuted})
	for n := range maxQueue + 10 {
		s.enqueue(Event{ID: strconv.Itoa(n), Kind: Verdict})
	}
	if len(s.Queue) != maxQueue || s.Dropped != 11 || s.Queue[0].ID != "alarm" || s.Queue[1].ID != "11" {
		t.Errorf("%d wait, %d dropped, first %s %s", len(s.Queue), s.Dropped, s.Queue[0].ID, s.Queue[1].ID)
	}
	for range maxQueue + 1 {
		s.enqueue(Event{ID: "new", Kind: Refuted})
	}
	if len(s.Queue) != maxQueue || s.Queue[0].ID != "new" {
		t.Errorf("%d wait, the first is %s", len(s.Queue), s.Queue[0].ID)
	}
}

// TestWebhookOverHTTP posts to a real server.
func TestWebhookOverHTTP(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Method + " " + r.URL.Path + " " + string(body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	u, err := url.Parse(server.URL + "/hook")
	if err != nil {
		t.Fatal(err)
	}
	h := &Webhook{URL: u, Fetch: &fetch.Client{Transport: fetch.NewLive(fetch.LiveOptions{Attempts: 1})}}
	if err := h.Send(t.Context(), []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g != `POST /hook {"a":1}` {
		t.Errorf("it got %q", g)
	}
}
