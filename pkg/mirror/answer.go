package mirror

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// An answer is what a mirror has to say to a request, as a value: who serves it
// over HTTP can still withhold it, cut ranges out of it, or tell less of it.
type Answer struct {
	Status int
	Header map[string]string
	Size   int64         // of the body, in bytes
	SHA256 string        // sha256 that the whole body must have, in hex; empty if nothing says
	Body   io.ReadCloser // read and checked already, or checked while it is read; who has the answer closes it
	Err    error         // why the mirror refuses, if it does: then status is 500 and body says err
}

// Close releases the body.
func (a *Answer) Close() { _ = a.Body.Close() }

func (a *Answer) response(req *http.Request) *http.Response {
	header := http.Header{}
	for k, v := range a.Header {
		header.Set(k, v)
	}
	header.Set("Content-Length", strconv.FormatInt(a.Size, 10))
	body := a.Body
	if req.Method == http.MethodHead {
		a.Close()
		body = http.NoBody
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)),
		StatusCode: a.Status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: a.Size,
		Request: req, // and no TLS, ever: these bytes were carried
	}
}

// NewAnswer answers with a body that is in memory.
func NewAnswer(status int, contentType string, body []byte) *Answer {
	return &Answer{
		Status: status,
		Header: map[string]string{"Content-Type": contentType},
		Size:   int64(len(body)),
		Body:   layout.InMemory{Reader: bytes.NewReader(body)},
	}
}

func fromJSON(status int, v any) *Answer {
	body, err := json.Marshal(v)
	if err != nil { // the values are ours: strings, numbers, maps of them
		return plain(http.StatusInternalServerError, err.Error())
	}
	return NewAnswer(status, "application/json", body)
}

// plain answers with one line of text.
func plain(status int, message string) *Answer {
	return NewAnswer(status, "text/plain; charset=utf-8", []byte(message+"\n"))
}

// redirect answers with a 302, the status that dl.k8s.io itself gives.
func redirect(location string) *Answer {
	a := plain(http.StatusFound, "see "+location)
	a.Header["Location"] = location
	return a
}

// Fail answers with why there is no other answer: below /v2/ in the form of the
// OCI distribution specification with one of its error codes, else as a line of text.
func Fail(req *http.Request, status int, code, message string) *Answer {
	if strings.HasPrefix(req.URL.Path, "/v2/") {
		return ociError(status, code, message)
	}
	return plain(status, message)
}

// Refuse answers for what is damaged or contradicts the mirror's own lists.
func (d *Mirror) Refuse(req *http.Request, err error) *Answer {
	refused := &RefusedError{Dir: d.path, Err: err}
	a := Fail(req, http.StatusInternalServerError, layout.CodeRefused, refused.Error())
	a.Err = refused
	return a
}

// refuse answers for what is damaged or contradicts the mirror's own lists.
func (d *Mirror) refuse(err error) *Answer {
	refused := &RefusedError{Dir: d.path, Err: err}
	a := plain(http.StatusInternalServerError, refused.Error())
	a.Err = refused
	return a
}

// ociRefuse is refuse for /v2/.
func (d *Mirror) ociRefuse(err error) *Answer {
	refused := &RefusedError{Dir: d.path, Err: err}
	a := ociError(http.StatusInternalServerError, layout.CodeRefused, refused.Error())
	a.Err = refused
	return a
}

// ociError answers with the error document of the OCI distribution specification.
func ociError(status int, code, message string) *Answer {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return fromJSON(status, map[string][]entry{"errors": {{code, message}}})
}
