package recording

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// ofConnection are the headers that belong to a connection and not to an answer
// (RFC 9110, 7.6.1).
var ofConnection = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func passOn(to, from http.Header) {
	for name, values := range from {
		if !slices.Contains(ofConnection, name) {
			to[name] = slices.Clone(values)
		}
	}
}

// Handler lets next answer for the host that a request names, over https. Where
// next has no answer, or half of one, the connection ends.
func Handler(next http.RoundTripper) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		u := &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		out := &http.Request{Method: r.Method, URL: u, Host: r.Host, Header: http.Header{"User-Agent": nil}, ContentLength: r.ContentLength, Body: r.Body}
		if r.ContentLength == 0 {
			out.Body = nil
		}
		passOn(out.Header, r.Header)
		resp, err := next.RoundTrip(out.WithContext(r.Context()))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		passOn(rw.Header(), resp.Header)
		if resp.ContentLength >= 0 {
			rw.Header()["Content-Length"] = []string{strconv.FormatInt(resp.ContentLength, 10)}
		}
		rw.WriteHeader(resp.StatusCode)
		if r.Method == http.MethodHead {
			return
		}
		if _, err := io.Copy(rw, resp.Body); err != nil {
			_ = http.NewResponseController(rw).Flush()
			panic(http.ErrAbortHandler)
		}
	})
}
