package command

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/verify"
)

type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Where nobody looks, a run says once a minute how far it is, and once whom it waits for;
// a quick one, and a quiet one, say nothing.
func TestLogWithoutATerminal(t *testing.T) {
	throttled := answers(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("X-Asked") != "" {
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		}
		r.Header.Set("X-Asked", "1") // a request is sent again with its header
		return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}}, Body: http.NoBody, Request: r}, nil
	})
	for _, tt := range []struct {
		name  string
		quiet bool
		takes time.Duration
		want  []string
	}{
		{"two minutes and a half", false, 150 * time.Second, []string{
			"registry.k8s.io asks to wait (429), trying again in 19 s",
			"v1.27.2: 1 of 3 subjects examined after 1m0s", "v1.27.2: 1 of 3 subjects examined after 2m0s",
		}},
		{"quick", false, 500 * time.Millisecond, nil},
		{"quiet", true, 150 * time.Second, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				a := &App{Getenv: func(string) string { return "" }, Stderr: &said}
				set := &Settings{Shared: Shared{Quiet: tt.quiet}}
				p := new(verify.Progress)
				p.Begin(3)
				p.End(1)
				a.Watch(set, p, "v1.27.2", func() {
					go func() {
						req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.k8s.io/v2/", nil)
						if resp, err := (&fetch.Retry{Next: throttled, Attempts: 2, Waits: &set.waits}).RoundTrip(req); err == nil {
							_ = resp.Body.Close()
						}
					}()
					time.Sleep(tt.takes)
				})
				for _, w := range tt.want {
					if n := strings.Count(said.String(), w); n != 1 {
						t.Errorf("%q is said %d times:\n%s", w, n, said.String())
					}
				}
				if len(tt.want) == 0 && said.Len() > 0 {
					t.Errorf("it says\n%s", said.String())
				}
			})
		})
	}
}
