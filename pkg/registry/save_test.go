package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world/longline"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// content serves bytes as storage servers do, with ranges.
func content(body *[]byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(*body))
	}
}

// save saves a blob into dir and reads the part back.
func save(t *testing.T, ctx context.Context, c *Client, dir string, d Descriptor) (string, error) { //nolint:revive // the test's own first
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	part, err := c.SaveBlob(ctx, Ref{Host: "registry.k8s.io", Repository: "a"}, d, fetch.SaveRequest{Root: root, Name: "blob", Attempts: 1})
	if err != nil {
		return "", err
	}
	must(t, part.Commit(0o600))
	return string(read(t, dir+"/blob")), nil
}

// TestSaveBlob holds that a part has the digest and the size that were asked for, or is removed.
func TestSaveBlob(t *testing.T) {
	body := []byte("the right blob")
	digest := oci.DigestOf(body)
	for name, tt := range map[string]struct {
		served string
		size   int64
		says   string // empty: it is saved
		kind   any
	}{
		"right":                {string(body), 14, "", nil},
		"other bytes":          {"the wrong blob", 14, "the manifest that names it says", new(*DigestError)},
		"fewer bytes":          {"the right", 14, "the manifest that names it says", new(*DigestError)},
		"a size too large":     {string(body), 15, "it has 14 bytes, but its descriptor says 15", new(*FormatError)},
		"a size too small":     {string(body), 13, "it has 14 bytes, but its descriptor says 13", new(*FormatError)},
		"a size far too small": {string(body), 12, "", new(*fetch.Error)},
	} {
		dir := t.TempDir()
		served := []byte(tt.served)
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": content(&served)}}
		got, err := save(t, t.Context(), client(h), dir, Descriptor{Digest: digest, Size: tt.size})
		if tt.kind == nil {
			if err != nil || got != string(body) {
				t.Errorf("%s: %q %v", name, got, err)
			}
			continue
		}
		if err == nil || !errors.As(err, tt.kind) || !strings.Contains(err.Error(), tt.says) || len(h.asked) != 1 {
			t.Errorf("%s: %v, asked %q", name, err, h.asked)
		}
		if _, refuted := tt.kind.(**DigestError); !refuted && errors.As(err, new(*DigestError)) {
			t.Errorf("%s: the right bytes contradict: %v", name, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
			t.Errorf("%s: left %v %v", name, list, err)
		}
	}
}

// TestSaveBlobAfterAnother holds that what an earlier run left, which may have been of another
// file, refutes nothing before the blob was fetched from zero: not even if the run ends meanwhile.
func TestSaveBlobAfterAnother(t *testing.T) {
	right, wrong := []byte("the right blob"), []byte("the wrong blob")
	d := Descriptor{Digest: oci.DigestOf(right), Size: int64(len(right))}
	for _, tt := range []struct {
		name         string
		left, served []byte // the first bytes of the one, then the rest of the other
		ends         bool
		asked        int
		want         func(got string, err error) bool
	}{
		{"continued", right, right, false, 1, func(got string, err error) bool { return err == nil && got == string(right) }},
		{"of another file", wrong, right, false, 2, func(got string, err error) bool { return err == nil && got == string(right) }},
		{"wrong all the same", wrong, wrong, false, 2, func(_ string, err error) bool { return errors.As(err, new(*DigestError)) }},
		{"interrupted", wrong, right, true, 1, func(_ string, err error) bool {
			return fetch.Is(err, fetch.Cancelled) && !errors.As(err, new(*DigestError))
		}},
	} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cut := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(tt.left)))
			_, _ = w.Write(tt.left[:8])
		})}}
		if _, err := save(t, ctx, client(cut), dir, d); !fetch.Is(err, fetch.Truncated) {
			t.Fatalf("%s: %v", tt.name, err)
		}
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": content(&tt.served)}}
		c := client(h)
		if tt.ends {
			c.Fetch.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := h.RoundTrip(r)
				if err == nil {
					resp.Body = &atEnd{resp.Body, cancel}
				}
				return resp, err
			})
		}
		if got, err := save(t, ctx, c, dir, d); !tt.want(got, err) || len(h.asked) != tt.asked {
			t.Errorf("%s: %q %v, asked %q", tt.name, got, err, h.asked)
		}
		cancel()
	}
}

// atEnd calls a function once a body was read.
type atEnd struct {
	io.ReadCloser
	call func()
}

func (a *atEnd) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.call()
	}
	return n, err
}

// TestEveryReaderAsksForCredentialsAlike holds for manifests, blobs to read and blobs to save:
// what is shown, how often it is asked, and that another host's challenge is not met.
func TestEveryReaderAsksForCredentialsAlike(t *testing.T) {
	body := []byte("blob")
	d := Descriptor{Digest: oci.DigestOf(body), Size: 4}
	readers := map[string]func(c *Client, repo string) error{
		"manifest": func(c *Client, repo string) error {
			_, err := c.Manifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: repo, Tag: fmt.Sprint(time.Now().UnixNano())})
			return err
		},
		"open": func(c *Client, repo string) error {
			r, err := c.OpenBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: repo}, d)
			if err != nil {
				return err
			}
			got, err := io.ReadAll(r)
			if string(got) != "blob" {
				t.Errorf("%q", got)
			}
			return errors.Join(err, r.Close())
		},
		"save": func(c *Client, repo string) error {
			root, err := os.OpenRoot(t.TempDir())
			must(t, err)
			defer root.Close()
			part, err := c.SaveBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: repo}, d, fetch.SaveRequest{Root: root, Name: "blob", Attempts: 1})
			if err != nil {
				return err
			}
			return part.Discard()
		},
	}
	const bearer = `Bearer realm="https://auth.example/t"`
	for _, tt := range []struct {
		name      string
		status    int
		challenge string
		takes     string // the header that is good; empty for none
		tokens    int    // how many the token server gives, before it is down
		redirect  bool   // to another host, which asks
		once      bool   // it says what it wants the first time alone
		repos     string
		want      string // headers that the registry was shown, requests to the token server, and how each ended
	}{
		{"a token", 401, bearer, "Bearer t1", 9, false, false, "a a", "[ Bearer t1 Bearer t1] 1 ok ok"},
		{"the next repository", 401, bearer, "Bearer t", 9, false, false, "a b", "[ Bearer t1 Bearer t2] 2 ok ok"},
		{"a token that ran out", 401, bearer, "Bearer t2", 9, false, false, "a a", "[ Bearer t1 Bearer t1 Bearer t2] 2 denied ok"},
		{"never good", 401, bearer, "", 9, false, false, "a", "[ Bearer t1] 1 denied"},
		{"the same again", 401, `Basic realm="x"`, "", 9, false, false, "a a", "[ Basic Basic] 0 denied denied"},
		{"no challenge", 401, "", "", 9, false, false, "a", "[] 0 denied"},
		{"another status", 403, bearer, "Bearer t1", 9, false, false, "a", "[] 0 denied"},
		{"no token", 401, bearer, "Bearer t1", 0, false, false, "a", "[] 1 auth"},
		{"no token for the next", 401, bearer, "Bearer t", 1, false, false, "a b", "[ Bearer t1] 2 ok auth"},
		{"asked, and then refused without a word", 401, bearer, "-", 9, false, true, "a a", "[ Bearer t1 Bearer t1] 1 denied denied"},
		{"another host asks", 401, bearer, "Bearer t1", 9, true, false, "a", "[] 0 denied"},
	} {
		for name, reader := range readers {
			var shown []string
			tokens := 0
			serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				auth := r.Header.Get("Authorization")
				if strings.HasPrefix(auth, "Basic ") {
					auth = "Basic"
				}
				shown = append(shown, auth)
				switch {
				case tt.takes == "" || auth == "" || !strings.HasPrefix(auth, tt.takes):
					if tt.challenge != "" && (!tt.once || len(shown) == 1) {
						w.Header().Set("WWW-Authenticate", tt.challenge)
					}
					w.WriteHeader(tt.status)
				case strings.Contains(r.URL.Path, "/blobs/"):
					_, _ = w.Write(body)
				default:
					anyRepo().ServeHTTP(w, r)
				}
			})
			h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": serve, "https://storage.example": serve,
				"https://auth.example": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if tokens++; tokens > tt.tokens {
						w.WriteHeader(503)
						return
					}
					fmt.Fprintf(w, `{"token":"t%d"}`, tokens)
				})}}
			if tt.redirect {
				h.handlers["https://registry.k8s.io"] = http.RedirectHandler("https://storage.example/x", 307)
			}
			c := client(h)
			c.Keychain = keychain{"registry.k8s.io": {Username: "u", Password: "p"}}
			ends := ""
			for _, repo := range strings.Fields(tt.repos) {
				err := reader(c, repo)
				end := "ok"
				var fe *fetch.Error
				switch {
				case errors.As(err, new(*AuthError)):
					end = "auth"
				case errors.As(err, &fe) && fe.Status == tt.status:
					end = "denied"
				case err != nil:
					end = err.Error()
				}
				ends += " " + end
			}
			if got := fmt.Sprint(shown, tokens) + ends; got != tt.want {
				t.Errorf("%s, %s: %s, want %s", tt.name, name, got, tt.want)
			}
		}
	}
}

// TestOpenBlob holds how a blob that is read as it comes may end.
func TestOpenBlob(t *testing.T) {
	body := "the right blob"
	digest := oci.DigestOf([]byte(body))
	long := "<html>" + strings.Repeat("x", 3*maxHead)
	for name, tt := range map[string]struct {
		served string
		d      Descriptor
		length int // announced, if not 0
		kind   any // nil: io.EOF
	}{
		"right":                  {body, Descriptor{Digest: digest, Size: 14}, 0, nil},
		"empty":                  {"", Descriptor{Digest: oci.DigestOf(nil)}, 0, nil},
		"other bytes":            {"the wrong blob", Descriptor{Digest: digest, Size: 14}, 0, new(*DigestError)},
		"other bytes, fewer":     {"the", Descriptor{Digest: digest, Size: 14}, 0, new(*DigestError)},
		"a size too large":       {body, Descriptor{Digest: digest, Size: 15}, 0, new(*FormatError)},
		"a size too small":       {body, Descriptor{Digest: digest, Size: 13}, 0, new(*FormatError)},
		"other bytes, and more":  {"the wrong blobs", Descriptor{Digest: digest, Size: 14}, 0, new(*FormatError)},
		"a page, and a long one": {long, Descriptor{Digest: digest, Size: 4 * maxHead}, 0, new(*FormatError)},
		"cut":                    {"the right", Descriptor{Digest: digest, Size: 14}, 14, new(*fetch.Error)},
	} {
		h := serves("", tt.served)
		if tt.length != 0 {
			h = serves("", tt.served, "Content-Length", fmt.Sprint(tt.length))
		}
		closed := 0
		c := &Client{Fetch: &fetch.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := h.RoundTrip(r)
			if err == nil {
				resp.Body = &closes{resp.Body, &closed}
			}
			return resp, err
		})}}
		r, err := c.OpenBlob(t.Context(), proxy, tt.d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r)
		if err := r.Close(); err != nil || closed == 0 {
			t.Errorf("%s: closed %d times, %v", name, closed, err)
		}
		if tt.kind == nil {
			if err != nil || string(got) != tt.served {
				t.Errorf("%s: %q %v", name, got, err)
			}
			continue
		}
		if err == nil || !errors.As(err, tt.kind) || !strings.Contains(err.Error(), proxy.At(tt.d.Digest).String()) {
			t.Errorf("%s: %v", name, err)
		}
		if _, refuted := tt.kind.(**DigestError); errors.As(err, new(*DigestError)) != refuted {
			t.Errorf("%s: %v", name, err)
		}
	}
	failed := errors.New("failed")
	c := &Client{Fetch: &fetch.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: lateError{failed}, Request: r}, nil
	})}}
	if r, err := c.OpenBlob(t.Context(), proxy, Descriptor{Digest: digest, Size: 14}); err != nil {
		t.Error(err)
	} else if err := r.Close(); !errors.Is(err, failed) {
		t.Errorf("how it was closed is not told: %v", err)
	}
	for _, d := range []Descriptor{{Digest: digest, Size: -1}, {Digest: "sha256:x", Size: 1}, {}} {
		if _, err := client(serves("", "")).OpenBlob(t.Context(), proxy, d); !errors.As(err, new(*RefError)) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

type closes struct {
	io.ReadCloser
	n *int
}

func (c *closes) Close() error { *c.n++; return c.ReadCloser.Close() }

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
