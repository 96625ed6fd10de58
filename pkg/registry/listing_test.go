package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/oci"
)

var subject = Ref{Host: "registry.k8s.io", Repository: "pause", Digest: someDigest}

// referrer is a manifest about subject.
func referrer(extra string) []byte {
	return []byte(`{"schemaVersion":2,"config":` + desc("") + `,"layers":[],"subject":` + desc("") + extra + `}`)
}

// tagged is a registry without the list of referrers that keeps one tag.
type tagged struct {
	api     int    // status of the referrers API
	apiBody string // of that answer
	body    string // of the tag; empty for none
	typ     string
	status  int                            // of the tag, if not 0
	stored  func(sent string) (got string) // what becomes of what is written
	put     int                            // status of a write, if not 0
	sent    []string
}

func (g *tagged) client() (*Client, *hosts) {
	h := &hosts{handlers: map[string]http.Handler{writable: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/referrers/"):
			w.Header().Set("Content-Type", OCIIndex)
			w.WriteHeader(g.api)
			_, _ = io.WriteString(w, g.apiBody)
		case r.Method == http.MethodPut && g.put != 0:
			w.WriteHeader(g.put)
		case r.Method == http.MethodPut:
			b, _ := io.ReadAll(r.Body)
			g.sent = append(g.sent, string(b))
			g.body, g.typ, g.status = string(b), r.Header.Get("Content-Type"), 0
			if g.stored != nil {
				g.body = g.stored(g.body)
			}
			w.WriteHeader(201)
		case g.status != 0:
			w.WriteHeader(g.status)
		case g.body == "":
			w.WriteHeader(404)
		default:
			w.Header().Set("Content-Type", g.typ)
			_, _ = io.WriteString(w, g.body)
		}
	})}}
	return client(h), h
}

// TestReferrersOrNone holds what means that nothing refers to a digest yet, and what does not.
func TestReferrersOrNone(t *testing.T) {
	list := `{"schemaVersion":2,"manifests":[` + desc("") + `]}`
	const unknown = `{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}`
	for name, tt := range map[string]struct {
		g     tagged
		want  string // how many, or the error
		asked int    // in two calls
	}{
		"by the API":                         {tagged{api: 200, apiBody: list}, "1 ok", 2},
		"none by the API":                    {tagged{api: 200, apiBody: `{"schemaVersion":2,"manifests":[]}`}, "0 ok", 2},
		"down":                               {tagged{api: 503}, "0 server error", 2},
		"forbidden":                          {tagged{api: 403, typ: OCIIndex, body: list}, "0 forbidden", 2},
		"a page":                             {tagged{api: 200, apiBody: "<html>"}, "0 format", 2},
		"no API, by tag":                     {tagged{api: 404, typ: OCIIndex, body: list}, "1 ok", 2},
		"no API, no tag":                     {tagged{api: 404}, "0 ok", 3},
		"no API, and a tag forbidden":        {tagged{api: 404, status: 403}, "0 forbidden", 3},
		"no API, and a tag that is an image": {tagged{api: 405, typ: OCIManifest, body: string(referrer(""))}, "0 format", 2},
		"no repository":                      {tagged{api: 404, apiBody: unknown, typ: OCIIndex, body: list}, "0 ok", 2},
		"another reason":                     {tagged{api: 404, apiBody: strings.Replace(unknown, "NAME", "MANIFEST", 1), typ: OCIIndex, body: list}, "1 ok", 2},
	} {
		c, h := tt.g.client()
		for range 2 {
			got, err := c.ReferrersOrNone(t.Context(), subject)
			if s := fmt.Sprint(len(got), " ", ends(err)); s != tt.want {
				t.Errorf("%s: %s, want %s: %v", name, s, tt.want, err)
			}
		}
		if len(h.asked) != tt.asked {
			t.Errorf("%s: asked %q", name, h.asked)
		}
	}
	if _, err := new(Client).ReferrersOrNone(t.Context(), Ref{Host: "registry.k8s.io", Repository: "../x", Digest: someDigest}); !errors.As(err, new(*RefError)) {
		t.Error(err)
	}
}

// TestAddReferrerTag holds that what others have put there stays, that only a manifest about the
// subject is added, and that what did not arrive as it was sent is an error.
func TestAddReferrerTag(t *testing.T) {
	body := referrer(`,"annotations":{"a":"b"}`)
	entry := fmt.Sprintf(`{"mediaType":"%s","digest":"%s","size":%d,"annotations":{"a":"b"},"artifactType":"x/y"}`, OCIManifest, oci.DigestOf(body), len(body))
	named := referrer(`,"artifactType":"t/u"`)
	namedEntry := fmt.Sprintf(`{"mediaType":"%s","digest":"%s","size":%d,"artifactType":"t/u"}`, OCIManifest, oci.DigestOf(named), len(named))
	index := func(list string) string {
		return `{"schemaVersion":2,"mediaType":"` + OCIIndex + `","manifests":[` + list + `]}`
	}
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat(desc("")+",", n), ",") }
	theirs := `{"mediaType":"x/y","digest":"` + someDigest + `","size":5,"x-theirs":[1,{"b":2}]}`
	for name, tt := range map[string]struct {
		g    tagged
		typ  string
		body []byte
		want string // what was sent, or the error
	}{
		"the first":                     {tagged{}, OCIManifest, body, index(entry)},
		"by its own type":               {tagged{}, OCIManifest, named, index(namedEntry)},
		"beside others":                 {tagged{typ: OCIIndex, body: index(theirs)}, OCIManifest, body, index(theirs + "," + entry)},
		"to a list of Docker's":         {tagged{typ: DockerIndex, body: strings.Replace(index(theirs), OCIIndex, DockerIndex, 1)}, OCIManifest, body, index(theirs + "," + entry)},
		"there already":                 {tagged{typ: OCIIndex, body: index(theirs + "," + entry)}, OCIManifest, body, ""},
		"to what is an image":           {tagged{typ: OCIManifest, body: string(named)}, OCIManifest, body, "format"},
		"to what cannot be read":        {tagged{status: 503}, OCIManifest, body, "server error"},
		"forbidden":                     {tagged{status: 403}, OCIManifest, body, "forbidden"},
		"no manifest":                   {tagged{}, OCIManifest, []byte("{}"), "format"},
		"an index":                      {tagged{}, OCIIndex, []byte(index("")), "a manifest without a subject refers to nothing"},
		"without a subject":             {tagged{}, OCIManifest, []byte(`{"schemaVersion":2,"config":` + desc("") + `,"layers":[]}`), "a manifest without a subject refers to nothing"},
		"as many as may be":             {tagged{typ: OCIIndex, body: index(many(maxReferrers - 1))}, OCIManifest, body, index(many(maxReferrers-1) + "," + entry)},
		"one too many":                  {tagged{typ: OCIIndex, body: index(many(maxReferrers))}, OCIManifest, body, "format"},
		"more than a manifest may have": {tagged{typ: OCIIndex, body: index(desc(`,"annotations":{"a":"` + strings.Repeat("x", ManifestLimit-400) + `"}`))}, OCIManifest, body, "format"},
		"a write that is refused":       {tagged{put: 403}, OCIManifest, body, "forbidden"},
		"another comes back":            {tagged{stored: func(string) string { return index("") }}, OCIManifest, body, "digest"},
		"what comes back is no list":    {tagged{stored: func(string) string { return "{" }}, OCIManifest, body, "format"},
	} {
		c, _ := tt.g.client()
		err := c.AddReferrerTag(t.Context(), subject, tt.typ, tt.body)
		if strings.HasPrefix(tt.want, "{") || tt.want == "" {
			if got := strings.Join(tt.g.sent, "\n"); err != nil || got != tt.want {
				t.Errorf("%s: %v, sent %.300s, want %.300s", name, err, got, tt.want)
			}
			continue
		}
		if ends(err) != tt.want || len(tt.g.sent) > 0 && tt.g.stored == nil {
			t.Errorf("%s: %v, sent %.200q", name, err, tt.g.sent)
		}
	}
}

// TestPutManifestStepByStep holds what is sent under which name, and what of the answer counts.
func TestPutManifestStepByStep(t *testing.T) {
	body := oneIndex
	at := "/v2/a/manifests/"
	for _, tt := range []struct {
		name    string
		ref     Ref
		steps   []step
		indexed bool
		want    string
	}{
		{"by tag", Ref{Tag: "v1"}, []step{{"PUT", at + "v1", 201, "", body}}, false, "ok"},
		{"by digest", Ref{Digest: oneDigest}, []step{{"PUT", at + string(oneDigest), 201, "", body}}, false, "ok"},
		{"by what it is", Ref{}, []step{{"PUT", at + string(oneDigest), 201, "", body}}, false, "ok"},
		{"by both", Ref{Tag: "v1", Digest: oneDigest}, []step{{"PUT", at + "v1", 201, "", body}}, false, "ok"},
		{"indexed", Ref{}, []step{{"PUT", at, 201, "OCI-Subject: " + someDigest, body}}, true, "ok"},
		{"as another", Ref{}, []step{{"PUT", at, 201, "Docker-Content-Digest: " + someDigest, body}}, false, "digest"},
		{"refused", Ref{}, []step{{"PUT", at, 403, "OCI-Subject: " + someDigest, body}}, false, "forbidden"},
		{"another digest", Ref{Digest: someDigest}, nil, false, "digest"},
		{"no tag", Ref{Tag: "../x"}, nil, false, "ref"},
	} {
		c, played := script(t, tt.name, tt.steps)
		tt.ref.Host, tt.ref.Repository = "registry.k8s.io", "a"
		indexed, err := c.PutManifest(t.Context(), tt.ref, DockerIndex, []byte(body))
		if indexed != tt.indexed || ends(err) != tt.want || played() != len(tt.steps) {
			t.Errorf("%s: %v %v after %d steps", tt.name, indexed, err, played())
		}
	}
	c, _ := script(t, "a name", nil)
	if indexed, err := c.PutManifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: "../a"}, DockerIndex, []byte(body)); indexed || ends(err) != "ref" {
		t.Error(indexed, err)
	}
	// What was read before a write is asked for again after it, by either name.
	h := serves(DockerIndex, oneIndex)
	c = client(h)
	for _, ref := range []Ref{{Tag: "v1"}, {Digest: oneDigest}} {
		ref.Host, ref.Repository = "registry.k8s.io", "a"
		before := len(h.asked)
		for range 2 {
			if _, err := c.Manifest(t.Context(), ref); err != nil {
				t.Fatal(err)
			}
			if _, err := c.PutManifest(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a", Tag: "v1"}, DockerIndex, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(h.asked) - before; got != 4 {
			t.Errorf("%s: asked %d times", ref, got)
		}
	}
}

// TestCheckBlob holds when a blob was read back as it should be, and how often it is tried.
func TestCheckBlob(t *testing.T) {
	get := func(status int) step { return step{"GET", "/v2/a/blobs/sha256:", status, "", ""} }
	for _, tt := range []struct {
		name     string
		attempts int
		steps    []step
		want     string
	}{
		{"other bytes", 3, []step{get(200)}, "digest"},
		{"not there", 3, []step{get(404)}, "not found"},
		{"down", 1, []step{get(503)}, "server error"},
		{"down twice", 2, []step{get(503), get(503)}, "server error"},
		{"down once", 2, []step{get(503), get(200)}, "digest"},
	} {
		c, played := script(t, tt.name, tt.steps)
		began := time.Now()
		err := c.CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a"}, Descriptor{Digest: someDigest, Size: 0}, tt.attempts)
		if took := time.Since(began); len(tt.steps) > 1 && took < 200*time.Millisecond {
			t.Errorf("%s: asked again after %s", tt.name, took)
		}
		if ends(err) != tt.want || played() != len(tt.steps) {
			t.Errorf("%s: %v after %d steps", tt.name, err, played())
		}
	}
	c := client(serves("text/html", "<html>"))
	d := Descriptor{Digest: oci.DigestOf([]byte("<html>")), Size: 6}
	if err := c.CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "a"}, d, 1); err != nil {
		t.Errorf("a blob may be a page: %v", err)
	}
	if err := c.CheckBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "../a"}, d, 1); ends(err) != "ref" {
		t.Error(err)
	}
	if err := client(serves("", "")).CheckBlob(t.Context(), proxy, Descriptor{Digest: oci.DigestOf(nil)}, 1); err != nil {
		t.Error(err)
	}
}
