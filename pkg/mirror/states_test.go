package mirror

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// interrupted is a mirror whose lists were being exchanged when the run was killed: the new
// ones are there under private names, and the record says which they are.
func interrupted(t *testing.T) (f tree, next Contents) {
	t.Helper()
	f = listedMirror(t, nil, nil)
	g := listedMirror(t, func(_ tree, m *layout.Manifest, p made) {
		more := m.Images[0]
		more.Name = "registry.k8s.io/kube-proxy:v1.27.3"
		m.Images = append(m.Images, more)
	}, nil)
	var names []string
	for _, name := range []string{layout.ManifestFile, layout.IndexFile, layout.SumsFile} {
		f[layout.StagedName(name)] = g[name]
		names = append(names, `{"path":"`+name+`"}`)
	}
	f[layout.ChangeFile] = `{"schemaVersion":1,"files":[` + strings.Join(names, ",") + `]}`
	return f, g.open(t).Contents()
}

// Where a run was killed while it changed the lists, the new ones count; where nobody can tell
// which they are, none does.
func TestUnfinishedChange(t *testing.T) {
	f, next := interrupted(t)
	d := f.open(t)
	if got := d.Contents(); d.Unfinished() == nil || d.Readable() != nil || !reflect.DeepEqual(got, next) || len(got.Images) != 2 {
		t.Errorf("%+v, %v: %+v", d.Unfinished(), d.Readable(), got)
	}
	f[layout.ChangeFile] = "{"
	d = f.open(t)
	var refused *RefusedError
	if err := d.Readable(); !errors.As(err, &refused) || d.Unfinished() != nil {
		t.Errorf("%v", err)
	}
	if c := d.Contents(); len(c.Images)+len(c.Files) > 0 || c.HasManifest || len(c.Damage) != 2 {
		t.Errorf("%+v", c)
	}
	for _, url := range []string{"https://registry.k8s.io/v2/kube-proxy/manifests/v1.27.2", rekor + "/log/entries?logIndex=1"} {
		if resp, body, err := do(t, d, http.MethodGet, url, ""); err != nil || resp.StatusCode != http.StatusInternalServerError || !strings.Contains(body, layout.ChangeFile) {
			t.Errorf("%s: %v %v: %s", url, resp, err, body)
		}
	}
}

// Each half of a mirror that cannot be read is one that is not readable; what it holds of a
// host cannot be told where the list of images is one.
func TestReadableMirrors(t *testing.T) {
	for name, tt := range map[string]struct {
		change   func(f tree)
		readable bool
		holds    []string
	}{
		"whole":                 {func(tree) {}, true, []string{"dl.k8s.io", "registry.k8s.io"}},
		"no list":               {func(f tree) { delete(f, layout.ManifestFile) }, true, []string{"dl.k8s.io", "registry.k8s.io"}},
		"a list that is none":   {func(f tree) { f[layout.ManifestFile] = "{" }, false, []string{"dl.k8s.io", "registry.k8s.io"}},
		"a layout that is none": {func(f tree) { f[layout.LayoutFile] = `"imageLayoutVersion"}` }, false, []string{"dl.k8s.io", "example.com", "registry.k8s.io"}},
		"names that are none":   {func(f tree) { f[layout.IndexFile] = "{" }, false, []string{"dl.k8s.io", "example.com", "registry.k8s.io"}},
	} {
		f := listedMirror(t, nil, nil)
		tt.change(f)
		d := f.open(t)
		var refused *RefusedError
		if err := d.Readable(); (err == nil) != tt.readable || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		var holds []string
		for _, host := range []string{"dl.k8s.io", "example.com", "registry.k8s.io"} {
			if d.Holds(host) {
				holds = append(holds, host)
			}
		}
		if !slices.Equal(holds, tt.holds) {
			t.Errorf("%s: it holds %q, want %q", name, holds, tt.holds)
		}
	}
}

// A name that the list contradicts is refused, and its digest is not served by it; the names
// that stand behind it are. What is served says what it must hash to.
func TestNamesThatTheListContradicts(t *testing.T) {
	var p made
	f := listedMirror(t, func(f tree, m *layout.Manifest, of made) {
		p = of
		m.Images = append(m.Images, layout.ImageEntry{Name: "registry.k8s.io/kube-proxy:z", Digest: of.image, MediaType: imageType, Size: int64(len(f[layout.BlobPath(of.image)]))},
			layout.ImageEntry{Name: "registry.k8s.io/kube-proxy:zz", Digest: of.image, MediaType: "text/html", Size: int64(len(f[layout.BlobPath(of.image)]))})
		m.Images[0].Digest = of.other
	}, nil)
	f[layout.IndexFile] = strings.Replace(f[layout.IndexFile], string(p.other), string(p.index), 1)
	d := f.open(t)
	const repo = "https://registry.k8s.io/v2/kube-proxy/"
	for _, tt := range []struct {
		url    string
		status int
		sum    string
	}{
		{repo + "manifests/v1.27.2", http.StatusInternalServerError, ""},
		{repo + "manifests/" + string(p.index), http.StatusNotFound, ""},
		{repo + "manifests/z", http.StatusOK, p.image.Hex()},
		{repo + "manifests/zz", http.StatusInternalServerError, ""},
		{repo + "blobs/" + string(p.config), http.StatusOK, p.config.Hex()},
		{binary, http.StatusOK, sum("one")},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Answer(req)
		if err != nil {
			t.Fatal(err)
		}
		a.Close()
		if a.Status != tt.status || a.SHA256 != tt.sum {
			t.Errorf("%s: %d, %s", tt.url, a.Status, a.SHA256)
		}
	}
}

// A mirror is read: GET, which a request without a method is too, and HEAD; of another method
// no answer is left open.
func TestMethodsOfAMirror(t *testing.T) {
	for method, status := range map[string]int{"": 200, http.MethodGet: 200, http.MethodHead: 200, http.MethodPut: 405, http.MethodDelete: 405, "get": 405} {
		body := &closing{}
		req := &http.Request{Method: method, URL: &url.URL{Scheme: "https", Host: "dl.k8s.io", Path: "/x"}}
		a := allow(req, &Answer{Status: 200, Body: body})
		if a.Status != status || body.closed != (status == 405) || (a.Header["Allow"] == "GET, HEAD") != (status == 405) {
			t.Errorf("%q: %d, closed %v", method, a.Status, body.closed)
		}
		req.URL = &url.URL{Scheme: "https", Host: "rekor.sigstore.dev", Path: "/api/v1/log/entries", RawQuery: "logIndex=7"}
		log := tree{"files/dl.k8s.io/a.sigstore.json": `{"verificationMaterial":{"tlogEntries":[{"logIndex":"7","canonicalizedBody":"eyJhIjoxfQ=="}]}}`}.open(t)
		if a := log.answerLog(req); a.Status != status {
			t.Errorf("%q of the log: %d", method, a.Status)
		}
	}
}

// Who verifies a mirror by its own verifier knows what it was made for.
func TestVerifierOfASparseMirror(t *testing.T) {
	a, _ := audited(t, func(_ tree, m *layout.Manifest, _ made) {
		m.Scope = []layout.Scope{{Release: "v1.27.2", Images: true, Names: []string{"kube-proxy"}, Arches: []string{"amd64"}, OSes: []string{"linux"}, Also: []string{"registry.k8s.io/pause:3.9"}}}
	})
	want := []verify.MirrorScope{{Release: "v1.27.2", Images: true, Names: []string{"kube-proxy"}, Arches: []string{"amd64"}, OSes: []string{"linux"}, Also: []string{"registry.k8s.io/pause:3.9"}}}
	if got := a.dir.Verifier().Sparse; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

// Other addresses of the files lead to them where there are some, and where they are known.
func TestOtherAddresses(t *testing.T) {
	images := tree{"oci/oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "oci/index.json": `{"schemaVersion":2,"manifests":[]}`}
	whole := tree{"files/dl.k8s.io/x": ""}
	for _, tt := range []struct {
		files tree
		url   string
		to    string
	}{
		{whole, "https://cdn.dl.k8s.io/release/v1.27.2/x", "https://dl.k8s.io/release/v1.27.2/x"},
		{whole, "https://sbom.k8s.io/v1.27.2/release", "https://dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"},
		{whole, "https://sbom.k8s.io/v1.27.2/other", ""},
		{images, "https://cdn.dl.k8s.io/release/v1.27.2/x", ""},
		{images, "https://sbom.k8s.io/v1.27.2/release", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := tt.files.open(t).Answer(req)
		var host *HostError
		if tt.to == "" && !errors.As(err, &host) || tt.to != "" && (err != nil || a.Status != http.StatusFound || a.Header["Location"] != tt.to) {
			t.Errorf("%s: %+v, %v", tt.url, a, err)
		}
	}
}

// Of a repository of which a part is damaged the rest is served; what may lie below that part
// cannot be told, and neither can what refers to anything.
func TestRepositoryOfWhichAPartIsDamaged(t *testing.T) {
	var p made
	f := listedMirror(t, func(f tree, m *layout.Manifest, of made) {
		p = of
		m.Images = append(m.Images, layout.ImageEntry{Name: "registry.k8s.io/kube-proxy:z", Digest: of.image, MediaType: imageType, Size: int64(len(f[layout.BlobPath(of.image)]))})
	}, func(f tree, of made) { f[layout.BlobPath(of.index)] = "x" + f[layout.BlobPath(of.index)][1:] })
	for path, want := range map[string]string{
		"manifests/" + string(p.image): "200 ", "blobs/" + string(p.layer): "200 ", "manifests/" + string(p.other): "500 " + layout.CodeRefused, "manifests/v1.27.2": "500 " + layout.CodeRefused,
		"referrers/" + string(p.image): "500 " + layout.CodeRefused, "blobs/v1.27.2": "404 " + layout.CodeBlob, "manifests/v1.27.3": "404 " + layout.CodeManifest,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://registry.k8s.io/v2/kube-proxy/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.open(t).Answer(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		if status, code, _ := strings.Cut(want, " "); err != nil || fmt.Sprint(a.Status) != status || !strings.Contains(string(body), code) {
			t.Errorf("%s: %d %v, want %s: %.200s", path, a.Status, err, want, body)
		}
		a.Close()
	}
}

// A refusal gives its reason to who asks for it: damaged bytes are told apart from lists that
// contradict each other.
func TestRefusalGivesItsReason(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(f tree)
		corrupt bool
	}{
		"bytes that are not the listed": {func(f tree) { f[layout.FilePath(binary)] = "six" }, true},
		"a list that is none":           {func(f tree) { f[layout.ManifestFile] = "{" }, false},
	} {
		f := listedMirror(t, nil, nil)
		tt.change(f)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, binary, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.open(t).RoundTrip(req)
		var refused *RefusedError
		var corrupt *CorruptError
		if !errors.As(err, &refused) || errors.As(err, &corrupt) != tt.corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file is served under a name that means the same everywhere, and one that the list has,
// whatever stands there.
func TestFilesThatAreNotServed(t *testing.T) {
	f := tree{"files/dl.k8s.io/a:b": "x", `files/dl.k8s.io/a\b`: "x", "files/dl.k8s.io/a": "x"}
	dir := f.write(t)
	if err := os.Symlink(filepath.Join(t.TempDir(), "x"), filepath.Join(dir, "files", "dl.k8s.io", "link")); err != nil {
		t.Fatal(err)
	}
	ask := func(path string, status int) {
		t.Helper()
		d, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if resp, body, err := do(t, d, http.MethodGet, "https://dl.k8s.io/"+path, ""); err != nil || resp.StatusCode != status {
			t.Errorf("%s: %d %v: %s", path, resp.StatusCode, err, body)
		}
	}
	ask("a", http.StatusOK)
	ask("a:b", http.StatusNotFound)
	ask("a%5Cb", http.StatusNotFound)
	ask("link", http.StatusInternalServerError)
	if err := os.WriteFile(filepath.Join(dir, layout.ManifestFile), []byte(`{"schemaVersion":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("a", http.StatusInternalServerError)
	ask("link", http.StatusInternalServerError)
	ask("b", http.StatusNotFound)
}

// A check of images that is demanded was made of one, or is said not to have been; one of
// files is nothing that an image must have.
func TestChecksThatWereNotMade(t *testing.T) {
	made := []report.Result{{Kind: report.KindImage, Checks: []report.Check{{Name: report.VSA}}}, {Kind: report.KindImage}}
	for name, tt := range map[string]struct {
		demanded []string
		results  []report.Result
		want     int
	}{
		"nothing":                   {nil, nil, 0},
		"of no image":               {[]string{report.VSA}, nil, 1},
		"of an image, another":      {[]string{report.Provenance}, made, 1},
		"of an image":               {[]string{report.VSA}, made, 0},
		"of files":                  {[]string{report.Anchor, report.Signature}, nil, 0},
		"one made, and one that is": {[]string{report.VSA, report.Provenance, report.Anchor}, made, 1},
	} {
		a := &audit{}
		a.checksNotRun(&verify.Verifier{Require: tt.demanded}, tt.results)
		if len(a.findings) != tt.want {
			t.Errorf("%s: %v", name, a.findings)
		}
		for _, f := range a.findings {
			if f.verdict != report.Unknown || f.reason != report.NoClaim {
				t.Errorf("%s: %v", name, f)
			}
		}
	}
}

// What a repository of too many digests names is not followed, and so not accounted for.
func TestNamesThatAreNotReached(t *testing.T) {
	a, _ := audited(t, nil)
	a.dir.repos["registry.k8s.io/kube-proxy"].Reach = func() layout.Reached { return layout.Reached{Damage: layout.ErrTooLarge} }
	a.unaccountedNames(&accounted{names: map[string]oci.Digest{}}, nil)
	if len(a.findings) != 1 || a.findings[0].what != proxy {
		t.Errorf("%v", a.findings)
	}
}

// A mirror that remembers is the mirror as it is: what it gives is what it must be, and what
// has changed since is read anew.
func TestRememberingMirror(t *testing.T) {
	f := listedMirror(t, nil, nil)
	d := f.open(t)
	same := d.Remembering(new(layout.Memory))
	if !reflect.DeepEqual(same.Contents(), d.Contents()) || same.Path() != d.Path() {
		t.Errorf("%+v", same.Contents())
	}
	if reflect.DeepEqual(same.FS(), d.FS()) {
		t.Error("it reads without a memory")
	}
	if resp, body, err := do(t, same, http.MethodGet, binary, ""); err != nil || resp.StatusCode != http.StatusOK || body != "one" {
		t.Errorf("%v %v %s", resp, err, body)
	}
}
