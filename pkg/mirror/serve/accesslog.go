package serve

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxLogged caps each word of a request in the log.
const maxLogged = 512

// recorder remembers what became of a response, and gives up on a client that
// takes nothing of it.
type recorder struct {
	http.ResponseWriter
	control  *http.ResponseController
	conn     *conn     // which gives up by itself; nil where there is none, or others share it
	deadline time.Time // without a conn
	site     string    // the host that was meant
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
	if r.conn == nil {
		if now := time.Now(); extend(&r.deadline, now) {
			_ = r.control.SetWriteDeadline(r.deadline) // what cannot be limited is the listener's to limit
		}
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
	if body, ok := limited.R.(*bytes.Reader); ok && int64(body.Len()) == limited.N {
		n, err = body.WriteTo(r)
		limited.N -= n
		return n, err
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
type accessLog struct {
	mu   sync.Mutex
	line []byte // the room of each
}

// write writes the line of one request: words KEY=VALUE, everything that the
// client has chosen quoted, so that a line stays a line and a terminal obeys nothing.
func (l *accessLog) write(to io.Writer, req *http.Request, rec *recorder, ended time.Time, took time.Duration, panicked any) {
	if to == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.line[:0]
	b = ended.UTC().AppendFormat(append(b, "time="...), "2006-01-02T15:04:05.000Z")
	b = quote(b, " remote=", req.RemoteAddr)
	b = quote(b, " method=", req.Method)
	b = quote(b, " host=", req.Host)
	b = quote(b, " path=", req.URL.RequestURI())
	b = strconv.AppendInt(append(b, " status="...), int64(rec.status), 10)
	b = strconv.AppendInt(append(b, " bytes="...), rec.sent, 10)
	b = strconv.AppendFloat(append(b, " seconds="...), took.Seconds(), 'f', 6, 64)
	if r := req.Header.Get("Range"); r != "" {
		b = quote(b, " range=", r)
	}
	b = quote(b, " agent=", req.UserAgent())
	if panicked != nil {
		b = append(b, " aborted=true"...)
	}
	switch {
	case panicked != nil && panicked != http.ErrAbortHandler: //nolint:errorlint // a value that was raised, compared as net/http does
		b = quote(b, " error=", fmt.Sprint("a fault of kverify itself: ", panicked))
	case rec.why != nil:
		b = quote(b, " error=", rec.why.Error())
	}
	b = append(b, '\n')
	l.line = b
	_, _ = to.Write(b)
}

// quote appends a word of the line.
func quote(line []byte, key, s string) []byte {
	if len(s) > maxLogged {
		s = s[:maxLogged] + "..."
	}
	return strconv.AppendQuoteToASCII(append(line, key...), s)
}
