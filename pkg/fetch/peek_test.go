package fetch

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// readSoFar counts what was read of it.
type readSoFar struct {
	io.Reader
	n int
}

func (c *readSoFar) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// onWrite is told of the first bytes.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) { f(); return len(p), nil }

// TestPeek holds how much is held of an answer before it is handed over: a document whole,
// so that a cut in it is mended, and of what goes into a writer only the beginning, since
// dozens of such may be under way at once.
func TestPeek(t *testing.T) {
	const size = 4 << 20
	for name, announced := range map[string]int64{"announced": size, "not announced": -1} {
		body := &readSoFar{Reader: strings.NewReader(strings.Repeat("x", size))}
		c := &Client{Transport: &Retry{Next: tripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: announced, Body: io.NopCloser(body)}, nil
		})}}
		first := 0
		into := onWrite(func() {
			if first == 0 {
				first = body.n
			}
		})
		if _, err := c.Do(t.Context(), Request{URL: "https://a.example/", Limit: size, Into: into, AllowHTML: true}); err != nil {
			t.Fatal(err)
		}
		if first == 0 || first > 2*peekOfStream || body.n != size {
			t.Errorf("%s: %d bytes were read before the first was handed over, %d in all", name, first, body.n)
		}
	}
}
