package fetch

import "net/http"

// UserAgent says who asks, unless the request does already.
type UserAgent struct {
	Next http.RoundTripper
	Name string // such as "kverify/v0.1.0"
}

// RoundTrip sends the request with its name on it.
func (u *UserAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" && u.Name != "" {
		req = req.Clone(req.Context())
		if req.Header == nil {
			req.Header = http.Header{}
		}
		req.Header.Set("User-Agent", u.Name)
	}
	return u.Next.RoundTrip(req)
}
