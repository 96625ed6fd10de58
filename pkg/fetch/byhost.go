package fetch

import (
	"fmt"
	"net/http"
	"strings"
)

// ByHost sends each request to the transport of its host. A run with a mirror
// and named endpoints has the directory as Else, and then contacts only
// the endpoints.
type ByHost struct {
	Hosts map[string]http.RoundTripper // by URL host, in lower case, with a port where the URL has one
	Else  http.RoundTripper            // for all other hosts; nil refuses them
}

// RoundTrip hands the request over.
func (s *ByHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if t := s.Hosts[strings.ToLower(req.URL.Host)]; t != nil {
		return t.RoundTrip(req)
	}
	if s.Else == nil {
		return nil, fmt.Errorf("%w for %s", errNoTransport, quote(req.URL.Host))
	}
	return s.Else.RoundTrip(req)
}
