package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// A length is what a HEAD announces, behind redirects too, and else not known.
func TestLength(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			t.Errorf("%s", r.Method)
		}
		w.Header().Set("Content-Length", "123456789")
	})
	mux.Handle("/moved", http.RedirectHandler("/file", http.StatusFound))
	mux.HandleFunc("/silent", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() })
	server := httptest.NewServer(mux)
	defer server.Close()
	c := &fetch.Client{Transport: server.Client().Transport}
	for path, want := range map[string]int64{"/file": 123456789, "/moved": 123456789, "/silent": -1} {
		if n, err := c.Length(t.Context(), server.URL+path); n != want || err != nil {
			t.Errorf("%s: %d, %v", path, n, err)
		}
	}
	if n, err := c.Length(t.Context(), server.URL+"/nothing"); n != -1 || !fetch.Is(err, fetch.NotFound) {
		t.Errorf("what is not there: %d, %v", n, err)
	}
}
