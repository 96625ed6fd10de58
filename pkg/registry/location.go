package registry

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
)

// location is where a repository is really read.
type location struct {
	root   string     // "https://registry.k8s.io/v2/"
	base   string     // "https://registry.k8s.io/v2/kube-proxy/"
	host   string     // of the registry that is spoken to, for its credentials
	below  string     // what stands before /v2/ where the API lies below a path, without slashes around it
	repo   string     // there
	plain  bool       // HTTP without TLS
	mapped bool       // by Endpoints
	remote netip.Addr // who answered, where that is known
}

func (p location) origin(resp *fetch.Response) fetch.Origin {
	if p.mapped {
		return fetch.Carried
	}
	return resp.Origin
}

// locate maps a name to its place, and refuses a name that could lead the URL
// anywhere else.
func (c *Client) locate(host, repo string) (location, error) {
	if !hostRE().MatchString(host) || !repositoryRE().MatchString(repo) {
		return location{}, &RefError{Input: host + "/" + repo, Why: "no registry and repository", Hint: "write HOST/REPOSITORY"}
	}
	at := location{host: host, repo: repo, plain: PlainHTTP(host)}
	if host == "docker.io" {
		at.host = "index.docker.io" // the name that the API and credentials go by
	}
	if base, ok := c.Endpoints[host]; ok {
		u, err := fetch.ParseEndpoint(base)
		if err != nil {
			return location{}, fmt.Errorf("endpoint of %s: %w", host, err)
		}
		at.host, at.plain, at.mapped = strings.ToLower(u.Host), u.Scheme == "http", true
		var prefix string
		if at.below, prefix, err = apiRoot(u.Path); err != nil {
			return location{}, fmt.Errorf("endpoint of %s: %w", host, err)
		}
		if prefix != "" {
			at.repo = prefix + "/" + repo
		}
		if !repositoryRE().MatchString(at.repo) {
			return location{}, &RefError{Input: at.host + "/" + at.repo, Why: "the endpoint's path makes no repository name", Hint: "give the path of a project, in lower case and without /v2"}
		}
	}
	scheme := "https"
	if at.plain {
		scheme = "http"
	}
	at.root = scheme + "://" + at.host + strings.TrimSuffix("/"+at.below, "/") + "/v2/"
	at.base = at.root + at.repo + "/"
	return at, nil
}

// apiRoot reads the path of a stand-in: the prefix of its repositories, or, if
// it ends in /v2, where the API itself lies, as registries have it that share
// a host with others ("/artifactory/api/docker/REPO/v2").
func apiRoot(path string) (below, prefix string, err error) {
	path = strings.Trim(path, "/")
	if path == "v2" {
		return "", "", nil
	}
	if below, ok := strings.CutSuffix(path, "/v2"); ok {
		return below, "", nil
	}
	if rest, ok := strings.CutPrefix(path, "v2/"); ok {
		return "", "", fmt.Errorf("its path begins with /v2, which the API adds by itself; write /%s", rest)
	}
	if api, _, ok := strings.Cut(path, "/v2/"); ok {
		return "", "", fmt.Errorf("its path has /v2 in the middle; write /%s/v2/ if the API is there, and have the images at its root", api)
	}
	return "", path, nil
}

// CheckBase says whether a base URL can stand in for a registry, as
// [Client.Endpoints] takes it.
func CheckBase(u *url.URL) error {
	_, prefix, err := apiRoot(u.Path)
	switch {
	case err != nil:
		return err
	case prefix != "" && !repositoryRE().MatchString(prefix):
		return fmt.Errorf("/%s is not a prefix of repositories; give one in lower case, or the path of its API, which ends in /v2/", prefix)
	}
	return nil
}
