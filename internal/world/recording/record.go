package recording

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Recorder passes requests on and keeps what comes back. It may be used by
// several goroutines.
type Recorder struct {
	next http.RoundTripper
	dir  string

	mu   sync.Mutex
	list *os.File
	all  int64 // bytes kept
	err  error // the first that writing met
}

// Record makes a recording in a directory, which is made if need be and must have
// no recording yet, of what next answers.
func Record(next http.RoundTripper, dir string) (*Recorder, error) {
	if err := os.MkdirAll(filepath.Join(dir, "bodies"), 0o755); err != nil {
		return nil, err
	}
	list, err := os.OpenFile(filepath.Join(dir, List), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("record into %s: %w; name a directory without a recording", dir, err)
	}
	return &Recorder{next: next, dir: dir, list: list}, nil
}

// Close ends the recording and returns the first error that writing it met.
// Exchanges under way are not in it.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errors.Join(r.err, r.list.Close())
	r.list = nil
	return err
}

// RoundTrip implements [http.RoundTripper].
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := Exchange{Method: req.Method, URL: Redact(req.URL), Range: req.Header.Get("Range"), Length: -1}
	if req.Body != nil {
		question, err := io.ReadAll(io.LimitReader(req.Body, maxQuestion))
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		e.Question, req.Body = string(question), io.NopCloser(bytes.NewReader(question))
	}
	plain := req.Clone(req.Context())
	plain.Header.Del("Accept-Encoding") // what is packed cannot be redacted
	resp, err := r.next.RoundTrip(plain)
	if err != nil {
		if req.Context().Err() == nil { // else it was the client who ended it
			e.Failure = failure(err)
			r.write(e)
		}
		return nil, err
	}
	e.Status, e.Length, e.Header = resp.StatusCode, resp.ContentLength, headers(resp.Header, req.URL)
	if !isPage(resp, req.URL) {
		resp.Body = r.tee(e, resp.Body)
		return resp, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if err == nil && len(body) <= maxPage && resp.Header.Get("Content-Encoding") == "" {
		shown := page(body)
		e.Length, e.Body = int64(len(shown)), r.keep(shown)
	} else {
		e.Cut = true
	}
	r.write(e)
	resp.Body = replaced{io.MultiReader(bytes.NewReader(body), after{resp.Body, err}), resp.Body}
	return resp, nil
}

// replaced is a body of which the beginning was read already.
type replaced struct {
	io.Reader
	io.Closer
}

// after continues a body where it was left, or with the error that it ended with.
type after struct {
	rest io.Reader
	err  error
}

func (a after) Read(p []byte) (int, error) {
	if a.err != nil {
		return 0, a.err
	}
	return a.rest.Read(p)
}

// failure says why there was no answer, in a word that names no machine.
func failure(err error) string {
	var (
		name  *net.DNSError
		cert  *tls.CertificateVerificationError
		timed interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &name):
		return "no such host"
	case errors.As(err, &cert):
		return "certificate"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.As(err, &timed) && timed.Timeout():
		return "timeout"
	}
	return "failed"
}

func (r *Recorder) write(e Exchange) {
	line, err := json.Marshal(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.list != nil {
		_, err = r.list.Write(append(line, '\n'))
	}
	if r.err == nil {
		r.err = err
	}
}

// keep stores a body and returns its name.
func (r *Recorder) keep(body []byte) string {
	sum := sha256.Sum256(body)
	name := hex.EncodeToString(sum[:])
	err := os.WriteFile(filepath.Join(r.dir, "bodies", name), body, 0o644)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all += int64(len(body))
	if r.err == nil {
		r.err = err
	}
	return name
}

// tee is a body that is kept while a client reads it.
func (r *Recorder) tee(e Exchange, body io.ReadCloser) io.ReadCloser {
	f, err := os.CreateTemp(filepath.Join(r.dir, "bodies"), ".part-*")
	if err != nil {
		r.mu.Lock()
		r.err = errors.Join(r.err, err)
		r.mu.Unlock()
	}
	return &teeBody{r: r, e: e, body: body, file: f, sum: sha256.New()}
}

type teeBody struct {
	r    *Recorder
	e    Exchange
	body io.ReadCloser
	file *os.File // nil if it could not be made
	sum  hash.Hash
	size int64
	full bool // no more of it is kept
	once sync.Once
}

func (t *teeBody) Read(p []byte) (int, error) {
	n, err := t.body.Read(p)
	t.take(p[:n])
	if err != nil {
		t.end(!errors.Is(err, io.EOF))
	}
	return n, err
}

func (t *teeBody) take(b []byte) {
	if t.full || t.file == nil || len(b) == 0 {
		return
	}
	t.r.mu.Lock()
	t.full = t.size+int64(len(b)) > maxBody || t.r.all+int64(len(b)) > maxAll
	if !t.full {
		t.r.all += int64(len(b))
	}
	t.r.mu.Unlock()
	if t.full {
		return
	}
	if _, err := t.file.Write(b); err != nil {
		t.full = true
		return
	}
	t.size += int64(len(b))
	t.sum.Write(b)
}

func (t *teeBody) Close() error {
	// Who has read what was announced need not read the end of it.
	t.end(t.e.Length < 0 || t.size < t.e.Length)
	return t.body.Close()
}

// end gives the body its name and writes the exchange, once.
func (t *teeBody) end(cut bool) {
	t.once.Do(func() {
		t.e.Cut = cut || t.full
		if t.file != nil {
			t.e.Body = hex.EncodeToString(t.sum.Sum(nil))
			err := errors.Join(t.file.Close(), os.Rename(t.file.Name(), filepath.Join(t.r.dir, "bodies", t.e.Body)))
			if err != nil {
				t.e.Body, t.e.Cut = "", true
			}
		}
		if t.e.Method == http.MethodHead {
			t.e.Cut = false
		}
		t.r.write(t.e)
	})
}
