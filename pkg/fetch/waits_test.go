package fetch_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// A wait that a server asks for is said while it lasts, with who asked and why.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		busy := roundTrip(func(r *http.Request) (*http.Response, error) {
			if asked++; asked > 1 {
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("ok")), Request: r}, nil
			}
			return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"30"}}, Body: http.NoBody, Request: r}, nil
		})
		waits := new(fetch.Waits)
		done := make(chan error)
		go func() {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.k8s.io/v2/", nil)
			resp, err := (&fetch.Retry{Next: busy, Waits: waits}).RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			done <- err
		}()
		time.Sleep(10 * time.Second)
		if list := waits.Now(); len(list) != 1 || list[0].String() != "registry.k8s.io asks to wait (429)" || time.Until(list[0].Until) > 21*time.Second {
			t.Errorf("%v", list)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if list := waits.Now(); len(list) != 0 {
			t.Errorf("it is over: %v", list)
		}
	})
}
