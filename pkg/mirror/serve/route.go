package serve

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// locate says which address of the outside world a request to a server means:
//
//	Host: registry.k8s.io, dl.k8s.io, sbom.k8s.io, ...  that host
//	/v2/REPOSITORY/...             registry.k8s.io, or the host in ?ns=, as containerd asks a mirror
//	/v2/registry.k8s.io/...        that registry: its name as a prefix of the repository
//	/dl.k8s.io/..., /sbom.k8s.io/...     that host
//	/release/..., /vX.Y.Z/...      dl.k8s.io, and sbom.k8s.io for /vX.Y.Z/{release,source}
//	/api/v1/...                    the transparency log, for the entries that were kept
//
// ok is false where it means none of them.
func locate(d *mirror.Mirror, req *http.Request) (host, path string, ok bool) {
	path = req.URL.Path
	// An encoded slash would be one name to us and two to a proxy that looks at
	// the log, or stands before us.
	if raw := strings.ToLower(req.URL.RawPath); strings.Contains(raw, "%2f") || strings.Contains(raw, "%5c") {
		return "", "", false
	}
	if host = hostOnly(req.Host); answersFor(d, host) {
		if path == "/v2" {
			path = "/v2/"
		}
		return host, path, true
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case first == "v2":
		return locateImage(d, req, rest)
	case answersFor(d, first):
		return first, "/" + rest, true
	case first == "release":
		return layout.HostFiles, path, true
	case layout.StartsWithVersion(first + "/"):
		if name, _, _ := strings.Cut(rest, "."); name == "release" || name == "source" {
			return layout.HostSBOM, path, true
		}
		return layout.HostFiles, path, true
	case strings.HasPrefix(path, "/api/v1/"):
		return layout.HostRekor, path, true
	}
	return "", "", false
}

func locateImage(d *mirror.Mirror, req *http.Request, rest string) (host, path string, ok bool) {
	if first, more, found := strings.Cut(rest, "/"); found && strings.Contains(first, ".") && answersFor(d, present(d, first)) {
		return present(d, first), "/v2/" + more, true
	}
	host = layout.HostImages
	if ns := req.URL.Query().Get("ns"); ns != "" {
		host = present(d, strings.TrimSuffix(strings.ToLower(ns), ":443"))
	}
	// With an imageRepository of one's own kubeadm asks for coredns, where
	// registry.k8s.io has coredns/coredns.
	const short, long = "coredns/", "coredns/coredns/"
	if d.Repositories()[host+"/coredns"] == nil && strings.HasPrefix(rest, short) && !strings.HasPrefix(rest, long) {
		rest = long + strings.TrimPrefix(rest, short)
	}
	return host, "/v2/" + rest, true
}

// present leads the registry's former name to the one that it has today, unless the mirror
// holds images by the former one: the old registry is frozen since April 2023, and sends
// its readers on likewise (kubernetes.io/blog/2023/03/10/image-registry-redirect).
func present(d *mirror.Mirror, host string) string {
	if host == layout.HostFormer && !slices.Contains(d.Hosts(), host) {
		return layout.HostImages
	}
	return host
}

// answersFor reports whether a request for that host has another answer than
// that there is no such host.
func answersFor(d *mirror.Mirror, host string) bool {
	switch host {
	case layout.HostFiles, layout.HostCDN, layout.HostSBOM, layout.HostRekor, layout.HostImages:
		return true
	}
	return host != "" && slices.Contains(d.Hosts(), host)
}

// hostOnly takes the port off a Host header. Text that is not a host matches no
// host that is held, and needs no error.
func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		host = host[:i]
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// outside answers a request to a server as the host that it means would. What
// that host answers with a redirect is answered at once: its target is a name
// that may lead somewhere else for the client.
func outside(d *mirror.Mirror, req *http.Request) (site string, in *http.Request, a *mirror.Answer) {
	host, path, ok := locate(d, req)
	if !ok {
		if strings.HasPrefix(req.URL.Path, "/v2/") {
			return "", req, mirror.Fail(req, http.StatusNotFound, layout.CodeName, "no such address")
		}
		return "", req, mirror.Fail(req, http.StatusNotFound, layout.CodeName, "this mirror has no such address; it answers for registry.k8s.io at /v2/, and for other hosts at /HOST/PATH")
	}
	in = req.WithContext(req.Context()) // another URL over the same headers, which nobody changes
	in.URL = &url.URL{Scheme: "https", Host: host, Path: path, RawQuery: req.URL.RawQuery}
	for range 3 {
		a, err := d.Answer(in)
		if err != nil { // a host of which there is nothing
			return host, in, mirror.Fail(in, http.StatusNotFound, layout.CodeName, err.Error())
		}
		to, err := url.Parse(a.Header["Location"])
		if a.Header["Location"] == "" || err != nil {
			return host, in, a
		}
		a.Close()
		in.URL = to
	}
	return host, in, mirror.Fail(in, http.StatusNotFound, layout.CodeName, "redirected too often")
}
