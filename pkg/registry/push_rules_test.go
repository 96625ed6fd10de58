package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// step is one answer of a registry that is written to, in order.
type step struct {
	method string
	path   string // a part of the URL
	status int
	header string // NAME: VALUE
	body   string // what must have been sent; "?" for anything
}

// script plays steps, and fails the test for what is asked out of their order.
func script(t *testing.T, name string, steps []step) (*Client, func() int) {
	t.Helper()
	n := 0
	h := &hosts{}
	h.handlers = map[string]http.Handler{}
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if n >= len(steps) || r.Method != steps[n].method || !strings.Contains(r.URL.String(), steps[n].path) || steps[n].body != "?" && string(body) != steps[n].body {
			t.Errorf("%s: request %d is %s %s %.40q", name, n, r.Method, r.URL, body)
			w.WriteHeader(500)
			return
		}
		if key, val, ok := strings.Cut(steps[n].header, ": "); ok {
			w.Header().Set(key, val)
		}
		w.Header().Set("Content-Type", "text/html") // as some have it
		w.WriteHeader(steps[n].status)
		n++
	})
	for _, host := range []string{writable, "https://storage.example", "http://127.0.0.1:5000"} {
		h.handlers[host] = serve
	}
	return client(h), func() int { return n }
}

// TestPutBlobStepByStep holds each way in which a blob comes to be there, and each in which it
// does not: what was not sent whole is never called sent.
func TestPutBlobStepByStep(t *testing.T) {
	layer := strings.Repeat("a layer", askedAbove/7+1) // whose presence is asked for first
	length := func(n int) string { return fmt.Sprint("Content-Length: ", n) }
	digest := string(oci.DigestOf([]byte(layer)))
	announce, other := "Docker-Content-Digest: "+digest, "Docker-Content-Digest: "+string(oci.DigestOf([]byte("x")))
	head := func(status int, header string) step { return step{"HEAD", "/blobs/sha256:", status, header, ""} }
	post := func(status int, header string) step { return step{"POST", "/blobs/uploads/", status, header, ""} }
	put := func(status int, header string) step {
		return step{"PUT", "/up?digest=sha256%3A", status, header, layer}
	}
	mount := func(status int, header string) step {
		return step{"POST", "/blobs/uploads/?mount=sha256%3A" + digest[7:] + "&from=k8s%2Fother", status, header, ""}
	}
	const up = "Location: /up"
	for _, tt := range []struct {
		name     string
		from     string
		attempts int
		steps    []step
		want     string // of outcome and error
	}{
		{"there", "", 1, []step{head(200, length(len(layer)))}, "present ok"},
		{"there, of an unknown size", "", 1, []step{head(200, "")}, "present ok"},
		{"there, of another size", "", 1, []step{head(200, length(len(layer)-1)), post(202, up), put(201, "")}, "sent ok"},
		{"there, with its digest", "", 1, []step{head(200, announce), post(202, up), put(201, "")}[:1], "present ok"},
		{"there, by another digest", "", 1, []step{head(200, other), post(202, up), put(201, "")}, "sent ok"},
		{"sent", "", 1, []step{head(404, ""), post(202, up), put(201, announce)}, "sent ok"},
		{"sent, 204", "", 1, []step{head(404, ""), post(202, up), put(204, "")}, "sent ok"},
		{"not asked for what there is", "", 1, []step{head(403, ""), post(202, up), put(201, "")}, "sent ok"},
		{"taken as another", "", 1, []step{head(404, ""), post(202, up), put(201, other)}, "sent digest"},
		{"taken as what is no digest", "", 1, []step{head(404, ""), post(202, up), put(201, "Docker-Content-Digest: md5:x")}, "sent digest"},
		{"another end", "", 2, []step{head(404, ""), post(202, up), put(200, "")}, "present format"},
		{"refused at its end", "", 2, []step{head(404, ""), post(202, up), put(403, "")}, "present forbidden"},
		{"refused", "", 2, []step{head(404, ""), post(403, "")}, "present forbidden"},
		{"no place", "", 2, []step{head(404, ""), post(202, "")}, "present format"},
		{"a place, but not accepted", "", 2, []step{head(404, ""), post(200, up)}, "present format"},
		{"again", "", 2, []step{head(404, ""), post(202, up), put(503, ""), head(404, ""), post(202, up), put(201, "")}, "sent ok"},
		{"again, and it was there", "", 2, []step{head(404, ""), post(202, up), put(404, ""), head(200, "")}, "present ok"},
		{"once is not twice", "", 1, []step{head(404, ""), post(202, up), put(503, "")}, "present server error"},
		{"mounted", "k8s/other", 1, []step{mount(201, announce)}, "mounted ok"},
		{"mounted as another", "k8s/other", 1, []step{mount(201, other)}, "mounted digest"},
		{"not mounted, but begun", "k8s/other", 1, []step{mount(202, up), put(201, "")}, "sent ok"},
		{"mounts are refused", "k8s/other", 1, []step{mount(403, ""), post(202, up), put(201, "")}, "sent ok"},
		{"mounts are refused, and all", "k8s/other", 1, []step{mount(403, ""), post(403, "")}, "present forbidden"},
		{"a mount that failed", "k8s/other", 1, []step{mount(503, "")}, "present server error"},
		{"a mount again, and it was there", "k8s/other", 2, []step{mount(503, ""), head(200, "")}, "present ok"},
		{"from itself", "k8s/a", 1, []step{head(200, "")}, "present ok"},
	} {
		c, played := script(t, tt.name, tt.steps)
		b := blobOf(layer)
		began := time.Now()
		way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "k8s/a"}, b, tt.from, tt.attempts)
		if took := time.Since(began); strings.HasPrefix(tt.name, "again") && took < 200*time.Millisecond {
			t.Errorf("%s: after %s", tt.name, took)
		}
		if got := way.String() + " " + ends(err); got != tt.want || played() != len(tt.steps) {
			t.Errorf("%s: %s after %d of %d steps: %v; want %s", tt.name, got, played(), len(tt.steps), err, tt.want)
		}
		if strings.HasSuffix(tt.name, "no digest") && (!strings.Contains(err.Error(), "it took something else") || strings.Contains(err.Error(), "md5")) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "registry.k8s.io/k8s/a@"+digest) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for way, want := range map[PutOutcome]string{Present: "present", Mounted: "mounted", Sent: "sent"} {
		if way.String() != want {
			t.Errorf("%d is %s", way, way)
		}
	}
}

// ends names an error by its type.
func ends(err error) string {
	var fe *fetch.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, new(*DigestError)):
		return "digest"
	case errors.As(err, new(*FormatError)):
		return "format"
	case errors.As(err, new(*RefError)):
		return "ref"
	case errors.As(err, &fe):
		return fe.Kind.String()
	}
	return err.Error()
}

// TestPutBlobRefusesBeforeItAsks holds which blobs and names nobody is asked about.
func TestPutBlobRefusesBeforeItAsks(t *testing.T) {
	good := blobOf("a layer")
	in := Ref{Host: "registry.k8s.io", Repository: "a"}
	for name, tt := range map[string]struct {
		in   Ref
		blob Blob
		from string
		want string
	}{
		"a name":           {Ref{Host: "registry.k8s.io", Repository: "../a"}, good, "", "ref"},
		"another name":     {in, good, "../a", "ref"},
		"no digest":        {in, Blob{Digest: "sha256:x", Size: 7, Open: good.Open}, "", "ref"},
		"a size below 0":   {in, Blob{Digest: good.Digest, Size: -1, Open: good.Open}, "", "ref"},
		"nothing, by name": {in, Blob{Digest: good.Digest, Size: 0, Open: good.Open}, "", "digest"},
	} {
		c, _ := script(t, name, nil)
		if way, err := c.PutBlob(t.Context(), tt.in, tt.blob, tt.from, 3); way != Present || ends(err) != tt.want {
			t.Errorf("%s: %s %v", name, way, err)
		}
	}
}

// TestPutBlobThatCannotBeRead holds that the file's own failure is told, and that the upload is
// not begun a second time for it.
func TestPutBlobThatCannotBeRead(t *testing.T) {
	cause := errors.New("input/output error")
	for name, open := range map[string]func() (io.ReadCloser, error){
		"cannot be opened": func() (io.ReadCloser, error) { return nil, cause },
		"cannot be read":   func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(cause)), nil },
		"breaks off": func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("a l"), iotest.ErrReader(cause))), nil
		},
	} {
		h := &hosts{handlers: map[string]http.Handler{writable: emptyRegistry()}}
		b := blobOf("a layer")
		b.Open = open
		way, err := client(h).PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a"}, b, "", 3)
		if way != Present || !errors.Is(err, cause) || h.count("POST") != 1 {
			t.Errorf("%s: %s %v, asked %q", name, way, err, h.asked)
		}
	}
}

// TestSendingHoldsBackTheLastBytes holds that no upload is complete whose bytes are others.
func TestSendingHoldsBackTheLastBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		content, out string // what is in the file, and what goes out of it
		fails        bool
	}{
		"right": {"a layer", "a layer", false}, "longer": {"a layer, and more", "a layer", false}, // what is behind its size is not read
		"changed": {"a lAyer", "a laye", true}, "short": {"a lay", "a lay", true}, "empty": {"", "", true},
	} {
		for _, piece := range []int{1, 7, 100} {
			closed := 0
			b := blobOf("a layer")
			var failed atomic.Pointer[error]
			s := &sending{file: &closes{io.NopCloser(strings.NewReader(tt.content)), &closed}, hash: sha256.New(), blob: b, failed: &failed}
			var out []byte
			var err error
			for err == nil {
				var n int
				p := make([]byte, piece)
				n, err = s.Read(p)
				out = append(out, p[:n]...)
				if n == 0 && err == nil {
					t.Errorf("%s by %d: nothing, and no error", name, piece)
				}
			}
			wrong := errors.As(err, new(*DigestError))
			if wrong != tt.fails || (failed.Load() != nil) != tt.fails || !tt.fails && (!errors.Is(err, io.EOF) || string(out) != tt.out || b.Sent.Load() != 7) || tt.fails && len(out) >= 7 {
				t.Errorf("%s by %d: %q %v", name, piece, out, err)
			}
			if tt.fails {
				if n, again := s.Read(make([]byte, 9)); n != 0 || again == nil || errors.Is(again, io.EOF) {
					t.Errorf("%s by %d: after it failed: %d %v", name, piece, n, again)
				}
			}
			if err := s.Close(); err != nil || closed != 1 {
				t.Errorf("closed %d times", closed)
			}
		}
	}
	failed := errors.New("failed")
	late := &sending{file: lateError{failed}, hash: sha256.New(), blob: blobOf("a layer"), failed: new(atomic.Pointer[error])}
	if n, err := late.Read(make([]byte, 100)); n != 7 || err != nil {
		t.Errorf("an error beside the last bytes: %d %v", n, err)
	}
	if err := late.Close(); !errors.Is(err, failed) {
		t.Error(err)
	}
	b := blobOf("a layer")
	b.Sent = nil // nobody counts
	h := &hosts{handlers: map[string]http.Handler{writable: emptyRegistry()}}
	if way, err := client(h).PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a"}, b, "", 1); err != nil || way != Sent {
		t.Error(way, err)
	}
}

// lateError gives a whole layer with an error.
type lateError struct{ err error }

func (l lateError) Read(p []byte) (int, error) { return copy(p, "a layer"), l.err }
func (l lateError) Close() error               { return l.err }

// TestWritesThatMayBeRepeated holds what the transport may send a second time: what begins an
// upload and a manifest, under its own name.
func TestWritesThatMayBeRepeated(t *testing.T) {
	c, played := script(t, "repeated", []step{
		{"POST", "/uploads/", 503, "", ""}, {"POST", "/uploads/", 202, "Location: /up", ""}, {"PUT", "/up", 201, "", "a layer"},
		{"PUT", "/manifests/", 503, "", oneIndex}, {"PUT", "/manifests/", 201, "", oneIndex},
	})
	c.Fetch.Transport = &fetch.Retry{Next: c.Fetch.Transport, Wait: time.Millisecond}
	in := Ref{Host: "registry.k8s.io", Repository: "a"}
	if way, err := c.PutBlob(t.Context(), in, blobOf("a layer"), "", 1); way != Sent || err != nil {
		t.Error(way, err)
	}
	if _, err := c.PutManifest(t.Context(), in, DockerIndex, []byte(oneIndex)); err != nil || played() != 5 {
		t.Error(err, played())
	}
}

// TestUploadURL holds where an upload may go, and under which name of its host.
func TestUploadURL(t *testing.T) {
	for _, tt := range []struct {
		host     string
		plain    bool
		location string
		want     string // empty: refused
	}{
		{"h.example", false, "/up?a=b#c", "https://h.example/up?a=b"}, {"h.example", false, "https://h.example:443/up", "https://h.example/up"},
		{"h.example:443", false, "https://h.example:443/up", "https://h.example:443/up"}, {"h.example", false, "https://h.example:80/up", "https://h.example:80/up"},
		{"h.example", true, "http://h.example:80/up", "http://h.example/up"}, {"h.example:80", true, "http://h.example:80/up", "http://h.example:80/up"},
		{"h.example", true, "https://other.example/up", "https://other.example/up"}, {"h.example", false, "http://h.example/up", ""},
		{"h.example", false, "ftp://h.example/up", ""}, {"h.example", true, "ftp://h.example/up", ""}, {"h.example", false, "https:///up", ""}, {"h.example", false, "https://:443/up", ""},
		{"h.example", false, "https:up", ""}, {"h.example", false, "https://u@h.example/up", ""}, {"h.example", false, "", ""}, {"h.example", false, "https://%zz/", ""},
	} {
		scheme := map[bool]string{true: "http", false: "https"}[tt.plain]
		resp := &fetch.Response{Status: 202, FinalURL: scheme + "://" + tt.host + "/v2/a/blobs/uploads/", Header: http.Header{"Location": {tt.location}}}
		got, err := uploadURL(location{host: tt.host, plain: tt.plain}, resp)
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.As(err, new(*FormatError)) {
			t.Errorf("%s, %s: %q %v, want %q", tt.host, tt.location, got, err, tt.want)
		}
	}
	if got, err := uploadURL(location{host: "h"}, &fetch.Response{Status: 202, FinalURL: ":", Header: http.Header{"Location": {"/up"}}}); err == nil {
		t.Error(got)
	}
}

// TestPassing holds which failures may be another one next time.
func TestPassing(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&fetch.Error{Kind: fetch.Unreachable}, true}, {&fetch.Error{Kind: fetch.Throttled}, true}, {&fetch.Error{Kind: fetch.ServerError}, true}, {&fetch.Error{Kind: fetch.Truncated}, true},
		{&fetch.Error{Kind: fetch.NotFound, Status: 404, Method: "GET"}, false}, {&fetch.Error{Kind: fetch.Forbidden, Status: 401, Method: "POST"}, false},
		{&fetch.Error{Kind: fetch.NotFound, Status: 404, Method: "PUT"}, true}, {&fetch.Error{Kind: fetch.Forbidden, Status: 401, Method: "PUT"}, true}, {&fetch.Error{Kind: fetch.BadStatus, Status: 416, Method: "PUT"}, true},
		{&fetch.Error{Kind: fetch.Forbidden, Status: 403, Method: "PUT"}, false}, {&fetch.Error{Kind: fetch.BadStatus, Status: 416, Method: "GET"}, false}, {&fetch.Error{Kind: fetch.TooLarge}, false},
		{&fetch.Error{Kind: fetch.NotDocument}, false}, {&fetch.Error{Kind: fetch.Cancelled}, false}, {errors.New("x"), false}, {&DigestError{}, false},
	} {
		if got := passing(fmt.Errorf("x: %w", tt.err)); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	wait(ended, 9)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("waited %s for nobody", took)
	}
	c := client(serves("", ""))
	if way, err := c.PutBlob(ended, Ref{Host: "registry.k8s.io", Repository: "a"}, blobOf("x"), "", 3); way != Present || !fetch.Is(err, fetch.Cancelled) {
		t.Error(way, err)
	}
}

// An upload is not sent a second time for credentials: the next attempt has them.
func TestUploadsAreNotSentAgain(t *testing.T) {
	c, played := script(t, "401", []step{{"POST", "", 202, "Location: /up", ""}, {"PUT", "", 401, `WWW-Authenticate: Basic realm="x"`, "a layer"}})
	c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "p"}}
	if way, err := c.PutBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a"}, blobOf("a layer"), "", 1); way != Present || ends(err) != "forbidden" || played() != 2 {
		t.Error(way, err, played())
	}
}
