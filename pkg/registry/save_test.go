package registry

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world/longline"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// TestSaveBlobJoinedWrongly holds that a blob whose ranges bring other bytes is fetched once
// more in one answer: only what that brings refutes.
func TestSaveBlobJoinedWrongly(t *testing.T) {
	for _, genuine := range []bool{true, false} {
		t.Run(map[bool]string{true: "the whole is right", false: "the whole is wrong"}[genuine], func(t *testing.T) {
			t.Parallel()
			body := bytes.Repeat([]byte("blob"), 4<<20)
			other := bytes.Repeat([]byte("BLOB"), 4<<20)
			var ranges, wholes atomic.Int32
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				content := body
				if r.Header.Get("Range") != "" {
					ranges.Add(1)
					content = other
				} else if wholes.Add(1); !genuine {
					content = other
				}
				w.Header().Set("ETag", `"1"`)
				w.Header().Set("Content-Type", "application/octet-stream")
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
			}))
			defer s.Close()
			line := &longline.Line{RTT: 5 * time.Millisecond, Each: 8e6}
			c := &Client{Fetch: &fetch.Client{Transport: fetch.NewTransport(fetch.Options{
				TLS: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}, Dial: line.Dial(s.Listener.Addr().String()),
				Proxy: func(*http.Request) (*url.URL, error) { return nil, nil },
			})}}
			root, err := os.OpenRoot(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			part, err := c.SaveBlob(t.Context(), Ref{Host: "example.com", Repository: "x"}, Descriptor{Digest: oci.DigestOf(body), Size: int64(len(body))}, fetch.SaveRequest{Root: root, Name: "blob"})
			var refuted *DigestError
			switch {
			case genuine && (err != nil || part.Joined || oci.FromHex(part.SHA256) != oci.DigestOf(body)):
				t.Errorf("%+v %v", part, err)
			case !genuine && !errors.As(err, &refuted):
				t.Errorf("%v", err)
			}
			if part != nil {
				_ = part.Discard()
			}
			if ranges.Load() == 0 || wholes.Load() != 2 {
				t.Errorf("%d ranges, and the whole was asked for %d times", ranges.Load(), wholes.Load())
			}
		})
	}
}
