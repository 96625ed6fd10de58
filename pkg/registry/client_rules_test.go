package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// serves answers everything alike.
func serves(contentType, body string, header ...string) *hosts {
	return &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.WriteString(w, body)
	})}}
}

// By digest the bytes decide: a header that lies beside the right bytes contradicts nothing.
func TestHeadersBesideTheRightBytes(t *testing.T) {
	byDigest := Ref{Host: proxy.Host, Repository: proxy.Repository, Digest: oneDigest}
	both := Ref{Host: proxy.Host, Repository: proxy.Repository, Tag: "v1", Digest: oneDigest}
	for _, said := range []string{"", string(someDigest), "md5:1", string(oneDigest)} {
		for _, ref := range []Ref{byDigest, both} {
			if m, err := client(serves(DockerIndex+"; charset=utf-8", oneIndex, "Docker-Content-Digest", said)).Manifest(t.Context(), ref); err != nil || m.Digest != oneDigest || m.MediaType != DockerIndex {
				t.Errorf("%s, %q: %+v %v", ref, said, m, err)
			}
		}
	}
	if m, err := client(serves(DockerIndex, oneIndex, "Docker-Content-Digest", string(oneDigest))).Manifest(t.Context(), proxy); err != nil || m.Digest != oneDigest {
		t.Errorf("%+v %v", m, err)
	}
}

// TestBlobRequests holds which header a blob is asked for with, how often, and within which limit.
func TestBlobRequests(t *testing.T) {
	accept := "none"
	blob := func(n int) (string, Ref) {
		s := strings.Repeat("x", n)
		return s, proxy.At(oci.DigestOf([]byte(s)))
	}
	for _, tt := range []struct {
		size      int
		limit     int64
		requests  string // of two reads, together
		remembers bool
		ok        bool
	}{
		{10, 0, "1", true, true}, {10, -1, "1", true, true}, {10, 10, "1", true, true}, {10, 9, "2", false, false},
		{ordinary, ordinary, "1", true, true}, {ordinary + 1, ordinary, "2", false, false}, {ordinary + 1, 2 << 20, "2", true, true},
		{keepBlob, 2 << 20, "2", true, true}, {keepBlob + 1, 2 << 20, "4", false, true}, {keepBlob + 1, keepBlob, "4", false, false},
	} {
		body, ref := blob(tt.size)
		h := serves("", body)
		inner := h.handlers["https://registry.k8s.io"]
		h.handlers["https://registry.k8s.io"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if list, there := r.Header["Accept"]; there {
				accept = fmt.Sprint(list)
			}
			inner.ServeHTTP(w, r)
		})
		c := client(h)
		for range 2 {
			got, err := c.Blob(t.Context(), ref, tt.limit)
			if (err == nil) != tt.ok || tt.ok && string(got) != body || !tt.ok && !fetch.Is(err, fetch.TooLarge) {
				t.Errorf("%d bytes, limit %d: %d bytes, %v", tt.size, tt.limit, len(got), err)
			}
		}
		if got := strconv.Itoa(len(h.asked)); got != tt.requests {
			t.Errorf("%d bytes, limit %d: %s requests, want %s", tt.size, tt.limit, got, tt.requests)
		}
		if _, kept := c.memo.get("blob " + string(ref.Digest)); kept != tt.remembers {
			t.Errorf("%d bytes: remembered: %v", tt.size, kept)
		}
	}
	// A page in a blob's place was not the blob, and contradicts nothing.
	for _, page := range []string{"<html>", "<Error><Code>NoSuchKey</Code></Error>"} {
		_, ref := blob(9)
		if got, err := client(serves("", page)).Blob(t.Context(), ref, 100); got != nil || !errors.As(err, new(*FormatError)) || errors.As(err, new(*DigestError)) {
			t.Errorf("%s: %q %v", page, got, err)
		}
		if got, err := client(serves("", "other")).Blob(t.Context(), ref, 100); got != nil || !errors.As(err, new(*DigestError)) {
			t.Errorf("%q %v", got, err)
		}
	}
	if accept != "none" {
		t.Errorf("a blob was asked for with Accept %s", accept)
	}
	if _, err := new(Client).Manifest(t.Context(), proxy); err == nil || !strings.Contains(err.Error(), "no Fetch") {
		t.Error(err)
	}
	if _, err := new(Client).OpenBlob(t.Context(), proxy, Descriptor{Digest: someDigest}); err == nil || !strings.Contains(err.Error(), "no Fetch") {
		t.Error(err)
	}
}

// large is a manifest of more bytes than are read beside any number of others.
func large() (string, Ref) {
	body := `{"schemaVersion":2,"mediaType":"` + OCIIndex + `","manifests":[],"annotations":{"a":"` + strings.Repeat("x", ordinary) + `"}}`
	return body, proxy.At(oci.DigestOf([]byte(body)))
}

// TestTheLaneIsLeft holds that who reads a larger answer leaves the lane, however it ends, and
// that who waits for it waits no longer than its context lasts.
func TestTheLaneIsLeft(t *testing.T) {
	body, ref := large()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	fails := serves(OCIIndex, strings.Repeat(" ", ManifestLimit+1))
	c := client(fails)
	for i := range 2 * lanes {
		if _, err := c.Manifest(ctx, Ref{Host: proxy.Host, Repository: "a", Tag: fmt.Sprint(i)}); !fetch.Is(err, fetch.TooLarge) {
			t.Fatal(err)
		}
	}
	fails.handlers = serves(OCIIndex, body).handlers
	for i := range 2 * lanes {
		if m, err := c.Manifest(ctx, Ref{Host: proxy.Host, Repository: "b", Tag: fmt.Sprint(i)}); err != nil || m.Digest != ref.Digest {
			t.Fatal(err)
		}
		if list, err := c.Referrers(ctx, Ref{Host: proxy.Host, Repository: fmt.Sprint("c", i), Digest: someDigest}); err != nil || len(list) != 0 {
			t.Fatal(err)
		}
	}
	if b, err := c.Blob(ctx, ref, ManifestLimit); err != nil || string(b) != body {
		t.Error(err)
	}
	for range lanes {
		if _, err := c.lane.enter(ctx); err != nil {
			t.Fatal("the lane is not free")
		}
	}
	before := len(fails.asked)
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if _, err := c.Manifest(short, Ref{Host: proxy.Host, Repository: "d", Tag: "1"}); !fetch.Is(err, fetch.Cancelled) || len(fails.asked) != before+1 {
		t.Errorf("%v, asked %d times", err, len(fails.asked)-before)
	}
	full := 0
	c = &Client{Fetch: &fetch.Client{Transport: fails, Full: func() bool { full++; return true }}}
	if _, err := c.Manifest(ctx, proxy); !errors.Is(err, fetch.ErrFull) || full != 1 {
		t.Errorf("%v, tried %d times", err, full)
	}
}

// TestRefresh holds what is asked for again: what came out of the cache, and nothing else.
func TestRefresh(t *testing.T) {
	h := serves(DockerIndex, oneIndex)
	c := client(h)
	for range 2 {
		if m, err := c.Refresh(t.Context(), proxy); err != nil || m.Digest != oneDigest {
			t.Error(m, err)
		}
	}
	if _, err := c.Manifest(t.Context(), proxy); err != nil || len(h.asked) != 1 {
		t.Errorf("asked %q", h.asked)
	}
	if c.StandsIn("registry.k8s.io") {
		t.Error("nothing stands in")
	}
	c.Endpoints = map[string]string{"registry.k8s.io": "https://copy.example"}
	if !c.StandsIn("registry.k8s.io") || c.StandsIn("docker.io") {
		t.Error("who stands in for whom")
	}
}

// TestPagesOfReferrers holds that a list is whole or an error: never cut at a cap without a word.
func TestPagesOfReferrers(t *testing.T) {
	ref := Ref{Host: proxy.Host, Repository: proxy.Repository, Digest: someDigest}
	list := func(n int) string {
		return `{"schemaVersion":2,"manifests":[` + strings.TrimSuffix(strings.Repeat(desc("")+",", n), ",") + `]}`
	}
	for name, tt := range map[string]struct {
		pages []int // descriptors of each
		want  int   // -1 for an error
		asked int
	}{
		"one page":                {[]int{3}, 3, 1},
		"as many as may be":       {[]int{maxReferrers}, maxReferrers, 1},
		"one too many":            {[]int{maxReferrers + 1}, -1, 1},
		"none on the second page": {[]int{maxReferrers, 0}, maxReferrers, 2},
		"one on the second page":  {[]int{maxReferrers, 1}, -1, 2},
		"no page beyond too many": {[]int{maxReferrers + 1, 1, 1}, -1, 1},
		"eight pages":             {[]int{1, 1, 1, 1, 1, 1, 1, 1}, 8, 8},
		"nine pages":              {[]int{1, 1, 1, 1, 1, 1, 1, 1, 1}, -1, 8},
	} {
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page, _ := strconv.Atoi(r.URL.Query().Get("p"))
			w.Header().Set("Content-Type", OCIIndex)
			if page+1 < len(tt.pages) {
				w.Header().Set("Link", fmt.Sprintf(`</x?p=%d>; rel="next"`, page+1))
			}
			_, _ = io.WriteString(w, list(tt.pages[page]))
		})}}
		got, err := client(h).Referrers(t.Context(), ref)
		var fe *FormatError
		if len(h.asked) != tt.asked || tt.want < 0 && !errors.As(err, &fe) || tt.want >= 0 && (err != nil || len(got) != tt.want) {
			t.Errorf("%s: %d descriptors, %d requests, %v", name, len(got), len(h.asked), err)
		}
	}
	// Neither is a page, nor one with a descriptor that cannot be believed.
	for body, says := range map[string]string{"<html>": "a web page where a list of referrers was expected", list(1)[:20]: "ends too early",
		`{"schemaVersion":2,"manifests":[` + desc(`,"urls":[]`) + `]}`: "with urls", `{"schemaVersion":2,"manifests":[{}]}`: "no mediaType"} {
		var fe *FormatError
		if got, err := client(serves(OCIIndex, body)).Referrers(t.Context(), ref); !errors.As(err, &fe) || got != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v %v", body, got, err)
		}
	}
	for in, want := range map[string]string{
		`</v2/x?last=a&n=1>; rel="next"`: "last=a&n=1", `<x?b=2>;rel=next`: "b=2", ` <?a=1>; title="x"; rel="next" `: "a=1",
		`</x?a=1>; rel="prev"`: "", `</x?a=1>`: "", `</x?a=1; rel="next"`: "", `<%zz?a=1>; rel=next`: "", `</x>; rel=next`: "", ``: "",
	} {
		if got := nextPage(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	// What is served as an image, or is an image by tag, is no list.
	for _, typ := range []string{DockerManifest, OCIManifest} {
		body := strings.Replace(oneImage, DockerManifest, typ, 1)
		var fe *FormatError
		if got, err := client(serves(typ, body)).Referrers(t.Context(), ref); !errors.As(err, &fe) || got != nil || !strings.Contains(err.Error(), "an image where a list") {
			t.Errorf("%+v %v", got, err)
		}
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/referrers/") {
				w.WriteHeader(404)
				return
			}
			w.Header().Set("Content-Type", typ)
			_, _ = io.WriteString(w, body)
		})}}
		if got, err := client(h).Referrers(t.Context(), ref); !errors.As(err, &fe) || got != nil {
			t.Errorf("by tag: %+v %v", got, err)
		}
	}
}

// TestLacksAPI holds which answers mean that a registry knows no such request.
func TestLacksAPI(t *testing.T) {
	for status, want := range map[int]bool{404: true, 405: true, 501: true, 400: true, 401: false, 403: false, 410: false, 429: false, 500: false, 503: false, 0: false} {
		if got := lacksAPI(fmt.Errorf("x: %w", &fetch.Error{Status: status})); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	if lacksAPI(nil) || lacksAPI(errors.New("x")) {
		t.Error("what is no answer says nothing")
	}
}

// TestCredentialsAreAskedForOnce holds that only a 401 with a challenge is met, and that a header
// that was refused is not sent a second time.
func TestCredentialsAreAskedForOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		status    int
		challenge string
		asked     string // of two manifests: requests to the registry, and to the token server
	}{
		"no challenge":        {401, "", "2 0"},
		"a refusal":           {403, `Bearer realm="https://auth.example/t"`, "2 0"},
		"the same once more":  {401, `Bearer realm="https://auth.example/t"`, "3 2"},
		"what cannot be met":  {401, `Negotiate`, "2 0"},
		"another status code": {407, `Basic realm="x"`, "2 0"},
	} {
		h := &hosts{handlers: map[string]http.Handler{
			"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.challenge != "" {
					w.Header().Set("WWW-Authenticate", tt.challenge)
				}
				w.WriteHeader(tt.status)
			}),
			"https://auth.example": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"token":"t"}`) }),
		}}
		c := client(h)
		for _, tag := range []string{"1", "2"} {
			var fe *fetch.Error
			if _, err := c.Manifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a", Tag: tag}); !errors.As(err, &fe) || fe.Status != tt.status {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := fmt.Sprint(h.count("registry.k8s.io"), h.count("auth.example")); got != tt.asked {
			t.Errorf("%s: asked %s, want %s: %q", name, got, tt.asked, h.asked)
		}
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"https://a/x", "https://A/y?z", true}, {"https://a/", "http://a/", false}, {"https://a/", "https://b/", false}, {"https://a/", "https://a:8443/", false},
		{":", "https://a/", false}, {"https://a/", ":", false},
	} {
		if sameHost(tt.a, tt.b) != tt.want {
			t.Errorf("%s and %s", tt.a, tt.b)
		}
	}
}

// TestCutShort holds that an end of one's own looks like one, and that nothing else does.
func TestCutShort(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other, own := errors.New("other"), &fetch.Error{Kind: fetch.NotFound}
	if err := cutShort(t.Context(), "x", "y", other); err != other { //nolint:errorlint // the very same
		t.Error(err)
	}
	if err := cutShort(ended, "x", "y", own); err != error(own) { //nolint:errorlint // the very same
		t.Error(err)
	}
	if err := cutShort(ended, "x", "y", other); !fetch.Is(err, fetch.Cancelled) || !errors.Is(err, other) {
		t.Error(err)
	}
}
