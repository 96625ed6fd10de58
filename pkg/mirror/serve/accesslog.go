package serve

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// stalled is for how long a client may take nothing of what is sent to it.
	stalled = 60 * time.Second
	// maxLogged caps each word of a request in the log.
	maxLogged = 512
)

// recorder remembers what became of a response, and gives up on a client that
// takes nothing of it.
type recorder struct {
	http.ResponseWriter
	control  *http.ResponseController
	deadline time.Time
	site     string // the host that was meant
	status   int
	sent     int64
	why      error // the mirror's own reason for not answering, or for not ending
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	// Moved on in steps, not for every write.
	if now := time.Now(); now.Add(stalled * 3 / 4).After(r.deadline) {
		r.deadline = now.Add(stalled)
		_ = r.control.SetWriteDeadline(r.deadline) // what cannot be limited is the listener's to limit
	}
	n, err := r.ResponseWriter.Write(p)
	r.sent += int64(n)
	return n, err
}

// ReadFrom sends what was checked from where it was hashed: a copy on the way would cost
// 32 KiB a client.
func (r *recorder) ReadFrom(src io.Reader) (n int64, err error) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{r}, src)
	}
	checked, ok := limited.R.(*blockReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{r}, src)
	}
	for limited.N > 0 {
		part, err := checked.next(limited.N)
		if err == io.EOF { //nolint:errorlint // the reader's own
			break
		}
		if err != nil {
			return n, err
		}
		sent, err := r.Write(part)
		n, limited.N = n+int64(sent), limited.N-int64(sent)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Unwrap lets net/http find what it needs.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// accessLog writes a line at a time.
type accessLog struct{ mu sync.Mutex }

// write writes the line of one request: words KEY=VALUE, everything that the
// client has chosen quoted, so that a line stays a line and a terminal obeys nothing.
func (l *accessLog) write(to io.Writer, req *http.Request, rec *recorder, took time.Duration, panicked any) {
	if to == nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "time=%s remote=%s method=%s host=%s path=%s status=%d bytes=%d seconds=%.6f",
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), quoted(req.RemoteAddr), quoted(req.Method), quoted(req.Host),
		quoted(req.URL.RequestURI()), rec.status, rec.sent, took.Seconds())
	if r := req.Header.Get("Range"); r != "" {
		fmt.Fprintf(&b, " range=%s", quoted(r))
	}
	fmt.Fprintf(&b, " agent=%s", quoted(req.UserAgent()))
	switch {
	case panicked != nil && panicked != http.ErrAbortHandler: //nolint:errorlint // a value that was raised, compared as net/http does
		fmt.Fprintf(&b, " aborted=true error=%s", quoted(fmt.Sprint("a fault of kverify itself: ", panicked)))
	case panicked != nil && rec.why != nil:
		fmt.Fprintf(&b, " aborted=true error=%s", quoted(rec.why.Error()))
	case panicked != nil:
		b.WriteString(" aborted=true")
	case rec.why != nil:
		fmt.Fprintf(&b, " error=%s", quoted(rec.why.Error()))
	}
	b.WriteByte('\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = to.Write([]byte(b.String()))
}

func quoted(s string) string {
	if len(s) > maxLogged {
		s = s[:maxLogged] + "..."
	}
	return strconv.QuoteToASCII(s)
}
