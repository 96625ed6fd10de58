package release

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// web answers for URLs out of a map; anything else is 404. It counts.
type web struct {
	pages map[string]string
	mu    sync.Mutex
	asked []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.asked = append(w.asked, r.URL.String())
	w.mu.Unlock()
	body, ok := w.pages[r.URL.String()]
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
	if !ok {
		resp.StatusCode = 404
	}
	if strings.HasPrefix(body, "<html") {
		resp.Header.Set("Content-Type", "text/html")
	}
	return resp, nil
}

func (w *web) client() *fetch.Client { return &fetch.Client{Transport: w} }

func TestResolve(t *testing.T) {
	const dl = "https://dl.k8s.io/release/"
	w := &web{pages: map[string]string{
		dl + "stable.txt":      "v1.36.2",
		dl + "latest.txt":      "v1.37.0-alpha.1",
		dl + "stable-1.txt":    "v1.36.2",
		dl + "stable-1.27.txt": "v1.27.16\n",
		dl + "latest-1.27.txt": "v1.27.1-rc.0",
		dl + "stable-1.50.txt": "v1.50.3",
	}}
	for spec, want := range map[string]string{
		"stable": "v1.36.2", "latest": "v1.37.0-alpha.1", "1.27": "v1.27.16", "v1.27": "v1.27.16", "stable-1.27": "v1.27.16",
		"latest-1.27": "v1.27.1-rc.0", "1.50": "v1.50.3",
	} {
		got, err := Resolve(t.Context(), w.client(), spec)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v", spec, got, err)
		}
	}
	w.asked = nil
	for _, spec := range []string{"v1.27.2", "1.27.2", "v1.28.0-rc.1", "v1.99.99"} {
		if got, err := Resolve(t.Context(), w.client(), spec); err != nil || got.String() != "v"+strings.TrimPrefix(spec, "v") {
			t.Errorf("%s: %v, %v", spec, got, err)
		}
	}
	if len(w.asked) != 0 {
		t.Errorf("an exact version asked for %v", w.asked)
	}
	for _, spec := range []string{"", "1", "v1", "1.27.", "1.27.x", "1.27.2.3", "stable-", "stable-1.27.2", "stable1.27", "newest", "latest-v1.27", "1.027", "stable-1.27/../x", "stable\n", "STABLE", "0.21", "stable-0.1"} {
		var e *VersionError
		if got, err := Resolve(t.Context(), w.client(), spec); !errors.As(err, &e) {
			t.Errorf("%q: %v, %v", spec, got, err)
		}
	}
	if len(w.asked) != 0 {
		t.Errorf("a malformed version asked for %v", w.asked)
	}
}

func TestResolveRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spec, url, body string
		target          any
		say             string
	}{
		"rolled back":         {"1.27", "stable-1.27", "v1.27.15", new(*RollbackError), "v1.27.16 was out on"},
		"stable rolled back":  {"stable", "stable", "v1.35.6", new(*RollbackError), "v1.36.2 was out on"},
		"latest rolled back":  {"latest", "latest", "v1.35.0-alpha.3", new(*RollbackError), "was rolled back"},
		"another minor":       {"1.27", "stable-1.27", "v1.26.15", new(*MarkerError), "not a version of 1.27"},
		"a pre-release":       {"1.40", "stable-1.40", "v1.40.0-rc.1", new(*MarkerError), "pre-release"},
		"junk":                {"stable", "stable", "hello", new(*MarkerError), "not a version"},
		"without its v":       {"stable", "stable", "1.36.2", new(*MarkerError), "not a version"},
		"two lines":           {"stable", "stable", "v1.36.2\nv1.36.3", new(*MarkerError), "not a version"},
		"a colour":            {"stable", "stable", "\x1b[31mv1.36.2", new(*MarkerError), "not a version"},
		"empty":               {"stable", "stable", "", new(*MarkerError), "not a version"},
		"a web page":          {"stable", "stable", "<html></html>", new(*fetch.Error), "cannot tell which version"},
		"too long":            {"stable", "stable", "v1.36.2" + strings.Repeat(" ", 100), new(*fetch.Error), "cannot tell which version"},
		"a minor that is not": {"1.77", "stable-1.78", "v1.78.0", new(*fetch.Error), "cannot tell which version"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &web{pages: map[string]string{"https://dl.k8s.io/release/" + c.url + ".txt": c.body}}
			v, err := Resolve(t.Context(), w.client(), c.spec)
			if err == nil || !v.IsZero() || !errors.As(err, c.target) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v, %T: %v", v, err, err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("control characters in %q", err)
			}
		})
	}
}

func TestSnapshot(t *testing.T) {
	newest, asOf := Snapshot()
	if len(newest) < 30 || len(asOf) != len("2026-06-09") {
		t.Fatalf("%v, %s", newest, asOf)
	}
	for i, v := range newest {
		if v.Pre != "" || i > 0 && v.Compare(newest[i-1]) >= 0 {
			t.Errorf("%s is out of order", v)
		}
		if got, ok := Newest(v); !ok || got != v {
			t.Errorf("%s: %v", v, got)
		}
	}
}

// release1272 serves every document of our v1.27.2.
func release1272(t testing.TB) (*web, Version) {
	v := version(t, "v1.27.2")
	sum := strings.Repeat("a", 64)
	doc := ourSBOM(t)
	kubectl, kubectl512, err := SBOMFile(doc, v, "bin/linux/amd64/kubectl")
	if err != nil {
		t.Fatal(err)
	}
	return &web{pages: map[string]string{
		v.SBOMURL():             string(testdata(t, "sbom-v1.27.2.spdx")),
		v.SBOMURL() + ".sig":    "c2ln",
		v.SBOMURL() + ".cert":   "Y2VydA==",
		v.ChangelogURL():        string(testdata(t, "changelog-1.27.md")),
		PromotionURL("pause"):   "- name: kube-proxy\n  dmap:\n    \"sha256:" + sum + "\": [\"v1.27.2\"]\n    \"sha256:" + strings.Repeat("b", 64) + "\": [\"v1.27.1\"]\n",
		v.FileURL("SHA256SUMS"): kubectl + "  bin/linux/amd64/kubectl\n",
		v.FileURL("SHA512SUMS"): kubectl512 + "  bin/linux/amd64/kubectl\n",
		v.FileURL("provenance.json"): `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.1",
			"subject":[{"name":"gs://b/stage/x/v1.27.2/gcs-stage/v1.27.2/bin/linux/amd64/kubectl","digest":{"sha256":"` + sum + `"}}]}`,
	}}, v
}

func TestLoad(t *testing.T) {
	w, v := release1272(t)
	r := Load(t.Context(), w.client(), v, Options{})
	for name, err := range map[string]error{"sbom": r.SBOM.Err, "changelog": r.Changelog.Err, "promotion": r.Promotion.Err,
		"SHA256SUMS": r.SHA256SUMS.Err, "SHA512SUMS": r.SHA512SUMS.Err, "provenance": r.Provenance.Err} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.asked) != 6 || !strings.HasPrefix(string(r.SBOM.Digest), "sha256:") || r.SBOM.Origin != fetch.Carried || len(r.SBOM.Body) == 0 {
		t.Errorf("%v, %s, %v", w.asked, r.SBOM.Digest, r.SBOM.Origin)
	}
	if err := r.NotReleased(); err != nil {
		t.Error(err)
	}

	byDocument := map[Document]int{}
	claims := r.Claims()
	for _, c := range claims {
		byDocument[c.Document]++
	}
	// The SBOM says two digests of three files, the CHANGELOG one of its six.
	for d, want := range map[Document]int{DocSBOM: 6, DocChangelog: 6, DocPromotion: 1, DocSHA256SUMS: 1, DocSHA512SUMS: 1, DocProvenance: 1} {
		if byDocument[d] != want {
			t.Errorf("%s: %d claims, want %d", d, byDocument[d], want)
		}
	}
	// The provenance is at odds with two others about kubectl; the excerpt's
	// CHANGELOG hashes the same names as the SBOM does.
	conflicts := Conflicts(claims)
	if len(conflicts) != 1 || conflicts[0].Subject != "bin/linux/amd64/kubectl" || len(conflicts[0].Claims) != 3 {
		t.Errorf("%+v", conflicts)
	}

	w.asked = nil
	r = Load(t.Context(), w.client(), v, Options{Want: []Document{DocChangelog}})
	if len(w.asked) != 1 || r.Changelog.Value == nil || r.SBOM.Asked() {
		t.Errorf("%v", w.asked)
	}
	sig, cert, err := FetchSigned(t.Context(), w.client(), v.SBOMURL())
	if err != nil || string(sig) != "c2ln" || string(cert) != "Y2VydA==" {
		t.Errorf("%s, %s, %v", sig, cert, err)
	}
	if _, _, err := FetchSigned(t.Context(), w.client(), v.FileURL("kubectl")); !fetch.Is(err, fetch.NotFound) {
		t.Errorf("%v", err)
	}
}

// Each document fails for itself.
func TestLoadFailures(t *testing.T) {
	w, v := release1272(t)
	w.pages[v.SBOMURL()] = strings.ReplaceAll(w.pages[v.SBOMURL()], "v1.27.2", "v1.27.1")
	w.pages[v.FileURL("SHA256SUMS")], w.pages[v.FileURL("SHA512SUMS")] = w.pages[v.FileURL("SHA512SUMS")], w.pages[v.FileURL("SHA256SUMS")]
	w.pages[v.FileURL("provenance.json")] = "<html></html>"
	delete(w.pages, PromotionURL("pause"))
	r := Load(t.Context(), w.client(), v, Options{})
	var wrong *WrongVersionError
	if !errors.As(r.SBOM.Err, &wrong) || r.SBOM.Value != nil || r.SBOM.Body == nil {
		t.Errorf("another version's SBOM: %v", r.SBOM.Err)
	}
	var format *FormatError
	if !errors.As(r.SHA256SUMS.Err, &format) || !errors.As(r.SHA512SUMS.Err, &format) || r.SHA256SUMS.Value != nil {
		t.Errorf("exchanged sums: %v, %v", r.SHA256SUMS.Err, r.SHA512SUMS.Err)
	}
	if !fetch.Is(r.Provenance.Err, fetch.NotDocument) || !fetch.Is(r.Promotion.Err, fetch.NotFound) {
		t.Errorf("%v, %v", r.Provenance.Err, r.Promotion.Err)
	}
	if r.Changelog.Value == nil {
		t.Errorf("%v", r.Changelog.Err)
	}
	for _, c := range r.Claims() {
		if c.Document != DocChangelog {
			t.Errorf("a claim of %s", c.Document)
		}
	}
}

func TestNotReleased(t *testing.T) {
	w, _ := release1272(t)
	var absent *NotReleasedError
	for _, s := range []string{"v1.27.99", "v1.99.0"} {
		r := Load(t.Context(), w.client(), version(t, s), Options{Want: []Document{DocSBOM, DocChangelog}})
		if err := r.NotReleased(); !errors.As(err, &absent) || absent.Version.String() != s || !strings.Contains(err.Error(), "never released") {
			t.Errorf("%s: %v", s, err)
		}
	}
	// A CHANGELOG that is late says nothing while there is an SBOM.
	v := version(t, "v1.27.4")
	w.pages[v.SBOMURL()] = strings.ReplaceAll(string(testdata(t, "sbom-v1.27.2.spdx")), "v1.27.2", "v1.27.4")
	if err := Load(t.Context(), w.client(), v, Options{}).NotReleased(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := Load(ctx, w.client(), version(t, "v1.27.99"), Options{})
	if err := r.NotReleased(); err != nil || r.Changelog.Err == nil {
		t.Errorf("interrupted: %v, %v", err, r.Changelog.Err)
	}
}

// A parser's panic is its document's error.
func TestGuard(t *testing.T) {
	_, err := guard("https://example.org/x", nil, func([]byte) (int, error) { panic("boom") })
	var format *FormatError
	if !errors.As(err, &format) {
		t.Errorf("%v", err)
	}
}
