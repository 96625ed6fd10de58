package fetch

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
)

// Preconnect connects to hosts before the first request, while the answers that will
// send the run there are still on their way: a connection costs two round
// trips, and more through a proxy. Nothing is asked of a host that speaks
// HTTP/2 until a request comes for it. That a connection could not be made is
// for that request to find out.
//
// It stands right above [NewTransport], below what counts and repeats requests.
type Preconnect struct {
	Next http.RoundTripper
	// Hosts has for a host, or a domain above it, those that will be asked soon
	// after it; see [FollowingHosts].
	Hosts map[string][]string
	// Led, if not nil, is told once that a host sent a request on to another, which
	// answered it over HTTP/2: what Hosts may have the next time.
	Led func(from, to string)

	mu   sync.Mutex
	seen map[string]bool
	led  map[string]string // where a host was led to from
}

// FollowingHosts are where the publishers' redirects are known to lead, and
// what is asked about a document once it is there. They are hints: one that is
// out of date costs a connection that no request uses. A manifest that comes out of
// Artifact Registry is followed by its signatures, all of which
// registry.k8s.io takes from one region.
func FollowingHosts() map[string][]string {
	return map[string][]string{
		"sbom.k8s.io": {"dl.k8s.io", "cdn.dl.k8s.io", "rekor.sigstore.dev"},
		"dl.k8s.io":   {"cdn.dl.k8s.io"},
		"pkg.dev":     {"us-central1-docker.pkg.dev"},
	}
}

// Connect connects to a host that is sure to be asked, and returns at once.
func (a *Preconnect) Connect(ctx context.Context, host string) {
	a.mu.Lock()
	again := a.seen["-> "+host]
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	a.seen["-> "+host] = true
	a.mu.Unlock()
	if !again {
		go a.connect(ctx, host)
	}
}

// RoundTrip sends the request, and connects where the next ones will go.
func (a *Preconnect) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "https" {
		for _, host := range a.following(strings.ToLower(req.URL.Host)) {
			go a.connect(req.Context(), host)
		}
	}
	resp, err := a.Next.RoundTrip(req)
	if err == nil && a.Led != nil && req.URL.Scheme == "https" {
		a.note(req.URL, resp)
	}
	return resp, err
}

// maxLed caps the hosts that are remembered of a run: a release's redirects lead to six.
const maxLed = 32

// note remembers where a redirect leads, and tells of it once it has led there.
func (a *Preconnect) note(asked *url.URL, resp *http.Response) {
	host := strings.ToLower(asked.Host)
	if to, err := resp.Location(); err == nil {
		if next := strings.ToLower(to.Host); to.Scheme == "https" && next != host && resp.StatusCode/100 == 3 {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.led == nil {
				a.led = map[string]string{}
			}
			if _, ok := a.led[next]; !ok && len(a.led) < maxLed {
				a.led[next] = host
			}
		}
		return
	}
	a.mu.Lock()
	from := a.led[host]
	if from != "" && resp.ProtoMajor == 2 {
		a.led[host] = "" // told
	}
	a.mu.Unlock()
	if from != "" && resp.ProtoMajor == 2 {
		a.Led(from, host)
	}
}

// following lists what is to be connected to, the first time that name is asked.
func (a *Preconnect) following(name string) (hosts []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seen[name] {
		return nil
	}
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	a.seen[name] = true
	for domain, next := range a.Hosts {
		if name != domain && !strings.HasSuffix(name, "."+domain) {
			continue
		}
		for _, host := range next {
			if !a.seen["-> "+host] && !a.seen[host] {
				a.seen["-> "+host] = true
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// connect begins a request, and gives it up once it has a connection. net/http
// keeps that for the next one, and under HTTP/2 looks whether a request was
// given up before it sends anything of it. One to an HTTP/1 host, whose
// connection would be lost with it, is made.
func (a *Preconnect) connect(ctx context.Context, host string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if c, ok := info.Conn.(tlsConn); ok && c.ConnectionState().NegotiatedProtocol == "h2" {
			cancel()
		}
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+host+"/", nil)
	if err != nil {
		return
	}
	if resp, err := a.Next.RoundTrip(req); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drainLimit))
		_ = resp.Body.Close()
	}
}
