// Package recording keeps what the internet answered, so that a failure that was
// seen once can be looked at again without it.
//
// A recording is a directory: [List] has a line of JSON for each [Exchange], in the
// order in which they ended, and bodies/ has what was answered, each under the
// SHA-256 of its bytes. [Record] writes one, beside whatever answers; [Open] reads
// it back as an [http.RoundTripper], and [Handler] puts either behind a listener.
//
// Of a request its method, address, range and body are kept: no header that could
// tell who asked. Of an answer the headers in [kept] are. Values in queries, tokens in
// paths and answers, and network addresses in pages that report an error are
// replaced ([Redact]), the same in a recording and in what asks it.
package recording

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// List is the name of the file with the exchanges.
const List = "exchanges.jsonl"

// Limits of a recording. Most that is asked in a day are a few programs of some 80 MB.
const (
	maxBody     = 256 << 20 // bytes kept of one answer; what is longer is kept up to here, as if it had been cut off
	maxAll      = 2 << 30   // bytes kept of all answers
	maxQuestion = 1 << 20   // bytes of a request's body
	maxLine     = 4 << 20   // bytes of an exchange
	maxPage     = 1 << 20   // bytes of an answer that is redacted; of a longer one nothing is kept
)

// Exchange is one question and its answer.
type Exchange struct {
	Method   string      `json:"method"`
	URL      string      `json:"url"`                // as [Redact] writes it
	Range    string      `json:"range,omitempty"`    // of the request
	Question string      `json:"question,omitempty"` // the request's body
	Failure  string      `json:"failure,omitempty"`  // why there was no answer, a word of [failure]
	Status   int         `json:"status,omitempty"`
	Header   http.Header `json:"header,omitempty"`
	Length   int64       `json:"length"`         // announced, in bytes; -1: none
	Body     string      `json:"body,omitempty"` // SHA-256 in hex of what was kept; empty: nothing
	Cut      bool        `json:"cut,omitempty"`  // the answer ended early, or was too long to keep
}

// key is what makes two questions the same.
func (e Exchange) key() string {
	return e.Method + " " + e.URL + " " + e.Range + " " + e.Question
}

// kept are the headers of an answer that a client of releases may look at. None
// says who asked.
var kept = []string{
	"Accept-Ranges", "Content-Encoding", "Content-Range", "Content-Type", "Docker-Content-Digest", "Docker-Distribution-Api-Version",
	"Etag", "Last-Modified", "Link", "Location", "Oci-Filters-Applied", "Retry-After", "Www-Authenticate",
}

// public are the keys of queries whose values are kept.
var public = []string{"artifactType", "digest", "last", "logIndex", "n", "scope", "service"}

// longSegment is longer than any part of a path that names something, a digest with
// its algorithm and ".sig" being 75 characters.
const longSegment = 100

// Redact gives an address without user and password, without the values of its
// query but those that name something public, and without tokens in its path.
func Redact(u *url.URL) string {
	c := *u
	c.User, c.Fragment, c.RawFragment = nil, "", ""
	segments := strings.Split(c.EscapedPath(), "/")
	for i, s := range segments {
		if len(s) > longSegment {
			sum := sha256.Sum256([]byte(s))
			segments[i] = "xxxxx-" + hex.EncodeToString(sum[:8])
		}
	}
	c.RawPath = strings.Join(segments, "/")
	c.Path, _ = url.PathUnescape(c.RawPath)
	if c.RawQuery != "" {
		parts := strings.Split(c.RawQuery, "&")
		for i, part := range parts {
			if key, _, ok := strings.Cut(part, "="); !slices.Contains(public, key) {
				parts[i] = key + "=xxxxx"
				if !ok {
					parts[i] = "xxxxx"
				}
			}
		}
		c.RawQuery = strings.Join(parts, "&")
	}
	return c.String()
}

// headers are those of an answer that are kept.
func headers(h http.Header, at *url.URL) http.Header {
	out := http.Header{}
	for _, name := range kept {
		for _, value := range h.Values(name) {
			if name == "Location" {
				to, err := at.Parse(value)
				if err != nil {
					continue
				}
				value = Redact(to)
			}
			out.Add(name, value)
		}
	}
	return out
}

// isPage says whether an answer is one that may speak of who asked: a refusal, a
// web page, or a token.
func isPage(resp *http.Response, at *url.URL) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return resp.StatusCode >= 300 || kind == "text/html" || strings.HasSuffix(at.Path, "/token")
}

var (
	address4 = regexp.MustCompile(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b`)
	address6 = regexp.MustCompile(`\b(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,7}\b|\b(?:[0-9A-Fa-f]{1,4}:){1,7}:(?:[0-9A-Fa-f]{1,4})?`)
	inQuery  = regexp.MustCompile(`([?&][A-Za-z0-9_.-]+=)[^&"'<>\s]+`)
)

// page redacts the body of a page: network addresses become those that are kept
// for documentation (RFC 5737, RFC 3849), values of queries and tokens are hidden.
func page(body []byte) []byte {
	var token map[string]json.RawMessage
	if json.Unmarshal(body, &token) == nil {
		for _, name := range []string{"token", "access_token", "refresh_token"} {
			if _, ok := token[name]; ok {
				token[name] = json.RawMessage(`"xxxxx"`)
			}
		}
		if out, err := json.Marshal(token); err == nil && bytes.Contains(out, []byte(`"xxxxx"`)) {
			body = out
		}
	}
	body = address4.ReplaceAll(body, []byte("192.0.2.1"))
	body = address6.ReplaceAll(body, []byte("2001:db8::1"))
	return inQuery.ReplaceAll(body, []byte("${1}xxxxx"))
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// readExchange reads a line of [List].
func readExchange(line []byte) (Exchange, error) {
	var e Exchange
	if err := json.Unmarshal(line, &e); err != nil {
		return Exchange{}, err
	}
	u, err := url.Parse(e.URL)
	switch {
	case err != nil:
		return Exchange{}, err
	case u.Scheme != "https" || u.Host == "":
		return Exchange{}, fmt.Errorf("address %q: want one of https", e.URL)
	case e.Body != "" && !hexDigest.MatchString(e.Body):
		return Exchange{}, fmt.Errorf("body %q: want 64 hex digits", e.Body)
	case e.Failure == "" && (e.Status < 200 || e.Status > 599):
		return Exchange{}, fmt.Errorf("status %d: want 200 to 599", e.Status)
	}
	return e, nil
}
