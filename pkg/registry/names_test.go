package registry

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// TestReferencesAtTheirLimits holds the longest of each part, and one more.
func TestReferencesAtTheirLimits(t *testing.T) {
	repo := strings.Repeat("a", 255-len("h.example/"))
	tag, digest := strings.Repeat("v", maxTag), someDigest
	for in, want := range map[string]string{
		"h.example/" + repo + ":" + tag + "@" + digest:       "",
		"h.example/" + repo + "a:v":                          "is not a repository",
		"h.example/a:" + tag:                                 "",
		"h.example/a:" + tag + "v":                           "is not a tag",
		"h.example/" + repo + ":" + tag + "@" + digest + "0": "longer than",
		"h.example/:v":                                       `"" is not a repository`,
		"h.example/a:v@" + digest + "0":                      "is not a digest",
		"h.example":                                          "names no registry",
		"localhost":                                          "names no registry",
		"h:1/a:v":                                            "",
		"h/a:v":                                              "names no registry",
		"localhost/a@" + digest:                              "",
		"registry.k8s.io/a:b:c":                              "is not a repository",
		"registry.k8s.io:5000/a:b":                           "",
		"registry.k8s.io:500000/a:b":                         "is not a host",
		"[...]/a:v":                                          "RFC 3986", // what others would not take for a host
		"[...]/a@" + digest:                                  "RFC 3986",
		"[...]/a:v@" + digest:                                "RFC 3986",
	} {
		ref, err := ParseRef(in)
		if want == "" {
			if err != nil || ref.String() != in {
				t.Errorf("%s: %+v %v", in, ref, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || ref != (Ref{}) {
			t.Errorf("%.80s: %+v %v, want %q", in, ref, err, want)
		}
	}
	if got := (Ref{Tag: "t", Digest: "d"}).identifier() + (Ref{Tag: "t"}).identifier(); got != "dt" {
		t.Error(got)
	}
	for tag, want := range map[string]bool{"": false, "a": true, "-a": false, "a/b": false, strings.Repeat("a", maxTag): true, strings.Repeat("a", maxTag+1): false} {
		if isTag(tag) != want {
			t.Errorf("%q", tag)
		}
	}
}

// TestPlainHTTP holds which hosts are this machine, whatever they look like.
func TestPlainHTTP(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "a.localhost": true, "a.localhost:5000": true, "127.0.0.1": true, "127.255.0.1:80": true, "[::1]": true, "[::1]:5000": true,
		"localhost.example": false, "xlocalhost": false, "example": false, "10.0.0.1": false, "10.0.0.1:5000": false, "[fd00::1]": false, "[fe80::1]:1": false, "": false, "0.0.0.0": false,
	} {
		if got := PlainHTTP(host); got != want {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// TestLocations holds where a repository is read, with a stand-in and without, and by whose name
// its credentials go.
func TestLocations(t *testing.T) {
	c := &Client{Endpoints: map[string]string{
		"registry.k8s.io": "https://Mirror.example/k8s", "plain.example": "http://10.0.0.1:5000/", "below.example": "https://h.example/api/docker/v2",
		"bad.example": "https://h.example/v2/x", "upper.example": "https://h.example/X", "none.example": "mirror.example",
	}}
	for _, tt := range []struct{ host, repo, want string }{
		{"h.example", "a/b", "https://h.example/v2/a/b/ h.example a/b published"},
		{"docker.io", "library/x", "https://index.docker.io/v2/library/x/ index.docker.io library/x published"},
		{"localhost:5000", "a", "http://localhost:5000/v2/a/ localhost:5000 a published"},
		{"registry.k8s.io", "a", "https://mirror.example/v2/k8s/a/ mirror.example k8s/a carried"},
		{"plain.example", "a", "http://10.0.0.1:5000/v2/a/ 10.0.0.1:5000 a carried"},
		{"below.example", "a", "https://h.example/api/docker/v2/a/ h.example a carried"},
		{"bad.example", "a", ""}, {"upper.example", "a", ""}, {"none.example", "a", ""},
		{"h.example", "A", ""}, {"h.example", "", ""}, {"h.example", "a/../b", ""}, {"H.example", "a", ""}, {"", "a", ""}, {"h.example/x", "a", ""},
	} {
		at, err := c.locate(tt.host, tt.repo)
		if tt.want == "" {
			if err == nil || at != (location{}) {
				t.Errorf("%s/%s: %+v", tt.host, tt.repo, at)
			}
			if asked, mapped := c.Asked(tt.host, tt.repo); mapped || asked != tt.host+"/"+tt.repo {
				t.Errorf("%s/%s is asked at %s", tt.host, tt.repo, asked)
			}
			continue
		}
		origin := "published"
		if at.origin(&fetch.Response{Origin: fetch.Published}) == fetch.Carried {
			origin = "carried"
		}
		if got := at.base + " " + at.host + " " + at.repo + " " + origin; err != nil || got != tt.want || !strings.HasPrefix(at.base, at.root) {
			t.Errorf("%s/%s: %s %v, want %s", tt.host, tt.repo, got, err, tt.want)
		}
		if at.origin(&fetch.Response{}) != fetch.Carried {
			t.Errorf("%s: what was carried is called published", tt.host)
		}
	}
	for _, tt := range []struct{ host, repo, want string }{
		{"registry.k8s.io", "a", "https://mirror.example/k8s/a"}, {"below.example", "a", "https://h.example/api/docker/a"},
	} {
		if at, mapped := c.Asked(tt.host, tt.repo); !mapped || at != tt.want {
			t.Errorf("%s is asked at %s", tt.host, at)
		}
	}
	if at, mapped := c.Asked("h.example", "a"); mapped || at != "h.example/a" {
		t.Error(at, mapped)
	}
	for in, want := range map[string]string{"": "", "/": "", "/v2/": "", "/k8s": "", "/k8s/": "", "/a/v2": "", "/A/v2/": "", "/v2/a": "write /a", "/a/v2/b": "write /a/v2/ ", "/A": "not a prefix", "/v2x": "", "/xv2/a": "", "/a//b": "not a prefix"} {
		err := CheckBase(&url.URL{Path: in})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
	if _, err := c.Manifest(t.Context(), Ref{Host: "none.example", Repository: "a", Tag: "b"}); err == nil || errors.As(err, new(*fetch.Error)) {
		t.Error(err)
	}
}
