package mirror

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// RoundTrip answers req from the directory. What the mirror does not hold is a
// 404 whose body says so. What it does not hand out is a [*RefusedError] and
// no response, as a connection that breaks; a host of which it holds nothing
// is a [*HostError]. Bodies of /v2/ follow the OCI distribution specification,
// errors included.
func (d *Mirror) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	fetch.FromMirror(req.Context(), d.path)
	a, err := d.Answer(req)
	if err != nil {
		return nil, err
	}
	if a.Err != nil {
		return nil, a.Err
	}
	if a.Status == http.StatusNotFound && !strings.HasPrefix(req.URL.Path, "/v2/") {
		fetch.Holding(req.Context(), d.heldReleases())
	}
	return a.response(req), nil
}

// heldReleases names the releases that the mirror holds, newest first; nil where a list
// is refused, so that it may hold more.
func (d *Mirror) heldReleases() []string {
	d.held.once.Do(func() {
		c := d.Contents()
		if len(c.Damage) > 0 {
			return
		}
		d.held.names = []string{}
		for _, v := range c.Versions {
			d.held.names = append(d.held.names, v.String())
		}
	})
	return d.held.names
}

// Answer says what the outside world would answer to req, whose URL names a host
// of it. The error is a [*HostError].
func (d *Mirror) Answer(req *http.Request) (*Answer, error) {
	host := strings.TrimSuffix(strings.ToLower(req.URL.Host), ":443")
	switch host {
	case layout.HostRekor:
		return d.answerLog(req), nil
	case layout.HostCDN, layout.HostSBOM:
		if to := layout.Canonical(host, req.URL.Path); to != "" && slices.Contains(d.hosts, layout.HostFiles) {
			return allow(req, redirect(to)), nil
		}
	}
	// With a list of images that cannot be read no host is known to have none.
	_, unread := d.broken["oci"]
	if strings.HasPrefix(req.URL.Path, "/v2/") && (unread || slices.Contains(d.hosts, host)) {
		return allow(req, d.answerOCI(req, host)), nil
	}
	if !slices.Contains(d.hosts, host) {
		return nil, &HostError{Dir: d.path, Host: host, Unlisted: !d.Complete()}
	}
	if to := layout.Canonical(host, req.URL.Path); to != "" {
		return allow(req, redirect(to)), nil
	}
	return allow(req, d.answerFile(req, host)), nil
}

// allow refuses what is neither GET nor HEAD.
func allow(req *http.Request, a *Answer) *Answer {
	if req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == "" {
		return a
	}
	a.Close()
	return NotAllowed(req)
}

// NotAllowed answers to what is neither GET nor HEAD.
func NotAllowed(req *http.Request) *Answer {
	a := Fail(req, http.StatusMethodNotAllowed, layout.CodeMethod, "a mirror is read only: GET and HEAD")
	a.Header["Allow"] = "GET, HEAD"
	return a
}
