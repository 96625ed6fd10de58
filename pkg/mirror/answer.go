package mirror

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// An answer is a response before it meets its request.
type answer struct {
	status int
	header map[string]string
	size   int64
	sum    string // sha256 that the whole body must have, in hex; empty if nothing says
	body   io.ReadCloser
	err    error // why the mirror refuses, if it does: then status is 500 and body says err
}

func (a *answer) close() { _ = a.body.Close() }

func (a *answer) response(req *http.Request) *http.Response {
	header := http.Header{}
	for k, v := range a.header {
		header.Set(k, v)
	}
	header.Set("Content-Length", strconv.FormatInt(a.size, 10))
	body := a.body
	if req.Method == http.MethodHead {
		a.close()
		body = http.NoBody
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: body, ContentLength: a.size,
		Request: req, // and no TLS, ever: these bytes were carried
	}
}

func fromBytes(status int, contentType string, body []byte) *answer {
	return &answer{
		status: status,
		header: map[string]string{"Content-Type": contentType},
		size:   int64(len(body)),
		body:   layout.InMemory{Reader: bytes.NewReader(body)},
	}
}

func fromJSON(status int, v any) *answer {
	body, err := json.Marshal(v)
	if err != nil { // the values are ours: strings, numbers, maps of them
		return plain(http.StatusInternalServerError, err.Error())
	}
	return fromBytes(status, "application/json", body)
}

// plain answers with one line of text.
func plain(status int, message string) *answer {
	return fromBytes(status, "text/plain; charset=utf-8", []byte(message+"\n"))
}

// redirect answers with a 302, the status that dl.k8s.io itself gives.
func redirect(location string) *answer {
	a := plain(http.StatusFound, "see "+location)
	a.header["Location"] = location
	return a
}

// The error codes of the OCI distribution specification that a mirror gives.
const (
	codeManifest = "MANIFEST_UNKNOWN"
	codeBlob     = "BLOB_UNKNOWN"
	codeName     = "NAME_UNKNOWN"
	codeDigest   = "DIGEST_INVALID"
	codeMethod   = "UNSUPPORTED"
	codeDenied   = "DENIED"
	codeRefused  = "UNKNOWN"
)

// refuse answers for what is damaged or contradicts the mirror's own lists.
func (d *Dir) refuse(err error) *answer {
	refused := &RefusedError{Dir: d.path, Err: err}
	a := plain(http.StatusInternalServerError, refused.Error())
	a.err = refused
	return a
}

// ociRefuse is refuse for /v2/.
func (d *Dir) ociRefuse(err error) *answer {
	refused := &RefusedError{Dir: d.path, Err: err}
	a := ociError(http.StatusInternalServerError, codeRefused, refused.Error())
	a.err = refused
	return a
}

// ociError answers with the error document of the OCI distribution specification.
func ociError(status int, code, message string) *answer {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return fromJSON(status, map[string][]entry{"errors": {{code, message}}})
}
