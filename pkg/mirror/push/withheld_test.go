package push_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror/push"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// A tag is not set while its signature cannot be put, nor that of one of its platforms.
func TestPushTagNeedsItsSignature(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	for _, status := range []int{http.StatusForbidden, http.StatusInternalServerError} {
		reg := newTarget(t)
		inner := reg.inner
		reg.inner = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256-") {
				rw.WriteHeader(status)
				return
			}
			inner.ServeHTTP(rw, r)
		})
		got := reg.push(t, dir, nil)
		for _, name := range []string{"kube-proxy", "kube-proxy-amd64"} {
			ref := registry.Ref{Host: "registry.k8s.io", Repository: name, Tag: "v1.27.2"}
			if _, err := reg.client().Manifest(t.Context(), ref); err == nil {
				t.Errorf("%d: %s is set, and its signature is not there", status, ref)
			}
			var papers *push.AttachedError
			if err := errorOf(got, name+":v1.27.2"); !errors.As(err, &papers) || !strings.Contains(err.Error(), ".sig") {
				t.Errorf("%d: %s: %v", status, name, err)
			}
		}
		if v := got.Report(report.Report{}, "there").Verdict(); v != report.Unknown {
			t.Errorf("%d: %s", status, v)
		}
		reg.inner = inner
		got = reg.push(t, dir, nil)
		if states(got)[proxyTag] != push.Pushed {
			t.Errorf("%d: the push after it: %v", status, errorOf(got, "kube-proxy"))
		}
	}
}

// guarded hands out only images that have a signature, as a project of Harbor
// with deployment security does, and what an index names that has one.
type guarded struct {
	inner  http.Handler
	status int
	never  bool // there is more that it demands

	mu       sync.Mutex
	signed   map[string]bool
	children map[string][]string
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, ref, manifest := strings.Cut(r.URL.Path, "/manifests/")
	if !manifest {
		g.inner.ServeHTTP(w, r)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if hex, ok := strings.CutSuffix(strings.TrimPrefix(ref, "sha256-"), ".sig"); ok {
			digest := "sha256:" + hex
			if g.children[digest] == nil { // not pushed: nothing that the signature could belong to
				break
			}
			g.signed[digest] = true
			for _, child := range g.children[digest] {
				g.signed[child] = true
			}
			break
		}
		var doc struct{ Manifests []struct{ Digest string } }
		_ = json.Unmarshal(body, &doc)
		list := []string{""}
		for _, m := range doc.Manifests {
			list = append(list, m.Digest)
		}
		g.children[digestText(body)] = list
	case http.MethodGet, http.MethodHead:
		digest := ref
		if !strings.HasPrefix(ref, "sha256") {
			rec := &captured{header: http.Header{}}
			g.inner.ServeHTTP(rec, r.Clone(r.Context()))
			digest = rec.header.Get("Docker-Content-Digest")
		}
		if !strings.HasSuffix(ref, ".sig") && g.children[digest] != nil && (g.never || !g.signed[digest]) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(g.status)
			_, _ = io.WriteString(w, `{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"The image is not signed by cosign."}]}`)
			return
		}
	}
	g.inner.ServeHTTP(w, r)
}

type captured struct{ header http.Header }

func (c *captured) Header() http.Header         { return c.header }
func (c *captured) Write(b []byte) (int, error) { return len(b), nil }
func (c *captured) WriteHeader(int)             {}

func digestText(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// A project that hands out only what is signed is filled: signatures go first,
// and what was withheld is read back before a tag is set.
func TestPushIntoGuardedProject(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	for _, status := range []int{http.StatusPreconditionFailed, http.StatusForbidden} {
		reg := newTarget(t)
		g := &guarded{inner: reg.inner, status: status, signed: map[string]bool{}, children: map[string][]string{}}
		reg.inner = g
		got := reg.push(t, dir, nil)
		for _, c := range got.Names {
			if c.Err != nil {
				t.Errorf("%d: %s: %v", status, c.Ref, c.Err)
			}
		}
		g.never = true
		got = reg.push(t, dir, nil) // it withholds what is there
		if states(got)[proxyTag] == push.Pushed {
			t.Errorf("%d: it says that it read what is withheld", status)
		}
		reg = newTarget(t)
		reg.inner = &guarded{inner: reg.inner, status: status, never: true, signed: map[string]bool{}, children: map[string][]string{}}
		got = reg.push(t, dir, nil)
		var withheld *push.WithheldError
		if err := errorOf(got, "kube-proxy:v1.27.2"); !errors.As(err, &withheld) || !strings.Contains(err.Error(), "PROJECTPOLICYVIOLATION") && !strings.Contains(err.Error(), "Harbor") {
			t.Errorf("%d: %v", status, err)
		}
		for _, asked := range reg.forget() {
			if strings.HasPrefix(asked, "PUT ") && strings.HasSuffix(asked, "/kube-proxy/manifests/v1.27.2") {
				t.Errorf("%d: the tag was set: %s", status, asked)
			}
		}
	}
}

// A signature without its certificate and log entry is not the mirror's.
func TestPushComparesAnnotations(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	reg := newTarget(t)
	reg.push(t, dir, nil)
	ref := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: strings.Replace(w.Digest(proxyTag), ":", "-", 1) + ".sig"}
	for _, strip := range []string{"dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle", "dev.sigstore.cosign/chain"} {
		m, err := reg.client().Manifest(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(m.Body, &doc); err != nil {
			t.Fatal(err)
		}
		notes := doc["layers"].([]any)[0].(map[string]any)["annotations"].(map[string]any)
		if notes[strip] == nil {
			continue
		}
		delete(notes, strip)
		less, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reg.client().PutManifest(t.Context(), ref, m.MediaType, less); err != nil {
			t.Fatal(err)
		}
		got := reg.push(t, dir, nil)
		if s := states(got)[ref.String()]; s != push.Pushed {
			t.Errorf("without %s it is taken for the mirror's: state %d", strip, s)
		}
	}
}

// One cause is told once, a type that cannot be converted is named, and so are
// the repositories that a registry wants to be made.
func TestPushSaysACauseOnce(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	reg := newTarget(t)
	inner := reg.inner
	reg.inner = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(rw, `{"errors":[{"code":"NAME_UNKNOWN","message":"The repository does not exist"}]}`)
			return
		}
		inner.ServeHTTP(rw, r)
	})
	got := reg.push(t, dir, nil)
	causes := got.Causes()
	if len(causes) == 0 || len(causes) > 2 || causes[0].Count < 2 {
		t.Errorf("%d causes of %d names", len(causes), len(got.Names))
	}
	if list := got.MissingRepositories("there/k8s"); len(list) < 2 || list[0] != "there/k8s/kube-proxy" {
		t.Errorf("repositories to make: %q", list)
	}
	reg.inner = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.HasPrefix(r.Header.Get("Content-Type"), "application/vnd.docker.") {
			rw.WriteHeader(http.StatusUnsupportedMediaType)
			return
		}
		inner.ServeHTTP(rw, r)
	})
	var wrong *push.TypeError
	if err := errorOf(reg.push(t, dir, nil), "kube-proxy-amd64:v1.27.2"); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "cannot be converted") {
		t.Errorf("%v", err)
	}
}
