package fetch

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxHead is how much of a body is looked at to tell what it is. A storage
// server's whole error is shorter, more often than not.
const maxHead = 512

// LooksLikeHTML reports whether a body begins as a web page does. A comment
// alone is not enough: CHANGELOG files begin with one.
func LooksLikeHTML(body []byte) bool {
	head := afterComments(trimHead(body))
	for _, start := range []string{"<!doctype html", "<html", "<head", "<body", "<meta", "<title", "<script", "<style"} {
		if hasPrefixFold(head, start) {
			return true
		}
	}
	return false
}

// Instead says what came with a status of success where a document, a file or a
// blob was asked for: "a web page", or what a storage server says in XML of an
// object that it does not give, such as "an error of a storage server in XML
// (NoSuchKey)" (Amazon S3 API Reference, "Error responses"; Google Cloud Storage
// XML API, "HTTP status and error codes"; Azure Blob Storage has the same form),
// or what an API says in JSON of an error, and of nothing else (Google Cloud
// Storage JSON API, "error"; OCI Distribution Specification and Artifactory,
// "errors"). It is empty for anything else. No document of a release is XML, and
// none in JSON begins so.
func Instead(body []byte) string {
	head := trimHead(body)
	declared := hasPrefixFold(head, "<?xml") && len(head) > 5 && strings.IndexByte(" \t\r\n", head[5]) >= 0
	if declared {
		_, after, _ := bytes.Cut(head, []byte("?>"))
		head = afterComments(after)
	}
	switch {
	case LooksLikeHTML(head):
		return "a web page"
	case element(head, "Error"):
		if code := errorCode(head); code != "" {
			return "an error of a storage server in XML (" + code + ")"
		}
		return "an error of a storage server in XML"
	case jsonError(head):
		return "an error in JSON"
	case declared, element(head, "ListBucketResult"), element(head, "EnumerationResults"):
		return "an XML document"
	}
	return ""
}

func trimHead(body []byte) []byte {
	head := bytes.TrimPrefix(body[:min(len(body), 2*maxHead)], []byte("\xef\xbb\xbf"))
	head = bytes.TrimLeft(head, " \t\r\n\f\v")
	return head[:min(len(head), maxHead)]
}

func afterComments(head []byte) []byte {
	for {
		head = bytes.TrimLeft(head, " \t\r\n\f\v")
		rest, ok := bytes.CutPrefix(head, []byte("<!--"))
		if !ok {
			return head
		}
		_, head, _ = bytes.Cut(rest, []byte("-->"))
	}
}

// jsonError says whether head begins with a JSON object whose first key is error
// or errors.
func jsonError(head []byte) bool {
	const space = " \t\r\n"
	object, ok := bytes.CutPrefix(head, []byte("{"))
	if !ok {
		return false
	}
	key, rest, _ := bytes.Cut(bytes.TrimLeft(object, space), []byte(":"))
	key = bytes.TrimRight(key, space)
	return len(rest) > 0 && (string(key) == `"error"` || string(key) == `"errors"`)
}

// element says whether head begins with an element of that name, by whatever prefix.
func element(head []byte, name string) bool {
	rest, ok := bytes.CutPrefix(head, []byte("<"))
	if i := bytes.IndexAny(rest, ": \t\r\n/>"); i > 0 && rest[i] == ':' {
		rest = rest[i+1:]
	}
	return ok && hasPrefixFold(rest, name) && len(rest) > len(name) && strings.IndexByte(" \t\r\n/>", rest[len(name)]) >= 0
}

// errorCode reads the word in <Code>; nothing that could upset a terminal.
func errorCode(head []byte) string {
	_, after, _ := bytes.Cut(head, []byte("<Code>"))
	code, _, ok := bytes.Cut(after, []byte("</Code>"))
	if !ok || len(code) > 64 {
		return ""
	}
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' {
			return ""
		}
	}
	return string(code)
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

var errPage = errors.New("not what was asked for")

// pageError names what came instead.
type pageError struct{ what string }

func (e *pageError) Error() string        { return e.what }
func (e *pageError) Is(target error) bool { return target == errPage }

// pageReader refuses a body that is something else instead of a file, in
// however small pieces it comes.
type pageReader struct {
	io.Reader
	looked bool
	head   []byte // looked at, and not yet given on
	err    error  // with which reading the head ended
}

func (r *pageReader) Read(b []byte) (int, error) {
	if !r.looked {
		r.looked = true
		if what := r.look(); what != "" {
			return 0, &pageError{what}
		}
	}
	if len(r.head) > 0 {
		n := copy(b, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.Reader.Read(b)
}

func (r *pageReader) look() string {
	head := make([]byte, maxHead)
	n := 0
	for n < len(head) && r.err == nil {
		var m int
		m, r.err = r.Reader.Read(head[n:])
		n += m
	}
	r.head = head[:n]
	return Instead(r.head)
}
