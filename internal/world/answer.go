package world

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// answer is a response before it travels.
type answer struct {
	status int
	header http.Header
	body   []byte
	// What an attack makes of it, see [Fault].
	length  int64 // announced Content-Length; -1: none
	cut     int   // bytes sent before err; -1: all
	err     error // how the body ends; nil: well
	endless bool  // the body is repeated for ever, or up to length
}

func reply(status int, contentType string, body []byte) *answer {
	return &answer{
		status: status, body: body, cut: -1, length: int64(len(body)),
		header: http.Header{"Content-Type": {contentType}, "Server": {"kverify-test-world"}},
	}
}

// What nginx says with a redirect: 138 bytes for a 302.
const nginxFound = "<html>\r\n<head><title>302 Found</title></head>\r\n<body>\r\n<center><h1>302 Found</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

func redirectTo(status int, location string) *answer {
	body := nginxFound
	if status == http.StatusTemporaryRedirect {
		body = fmt.Sprintf("<a href=%q>Temporary Redirect</a>.\n\n", location)
	}
	a := reply(status, "text/html; charset=utf-8", []byte(body))
	a.header.Set("Location", location)
	return a
}

func ociError(status int, code, message string) *answer {
	return reply(status, "application/json", compactJSON(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}}))
}

// ranged answers "bytes=N-", what a resumed download asks for (RFC 9110, 14).
func (a *answer) ranged(header string) {
	var from int
	if n, err := fmt.Sscanf(header, "bytes=%d-", &from); n != 1 || err != nil || fmt.Sprintf("bytes=%d-", from) != header {
		return
	}
	if from < 0 || from >= len(a.body) {
		a.status, a.body, a.length = http.StatusRequestedRangeNotSatisfiable, nil, 0
		return
	}
	a.status = http.StatusPartialContent
	a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(a.body)-1, len(a.body)))
	a.body = a.body[from:]
	a.length = int64(len(a.body))
}

// bodyReader is a body with an attacker on the line.
type bodyReader struct {
	ctx  context.Context
	a    *answer
	sent int64
}

func (b *bodyReader) Close() error { return nil }

func (b *bodyReader) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	rest, end := b.a.rest(b.sent)
	if len(rest) == 0 {
		return 0, end
	}
	n := copy(p, rest)
	b.sent += int64(n)
	return n, nil
}

// rest is what follows the first n bytes of a body, and how it ends.
func (a *answer) rest(n int64) ([]byte, error) {
	if a.endless {
		if a.length >= 0 && n >= a.length {
			return nil, io.EOF
		}
		chunk := filler[n%int64(len(filler)):]
		if a.length >= 0 {
			chunk = chunk[:min(int64(len(chunk)), a.length-n)]
		}
		return chunk, nil
	}
	body := a.body
	if a.cut >= 0 && a.cut < len(body) {
		body = body[:a.cut]
	}
	if n < int64(len(body)) {
		return body[n:], nil
	}
	if a.err != nil {
		return nil, a.err
	}
	return nil, io.EOF
}

var filler = bytes.Repeat([]byte("FileName: bin/linux/amd64/kubectl\n"), 2000)
