package push_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/push"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// target is a registry to push to, which remembers what it was asked.
type target struct {
	*httptest.Server
	inner http.Handler
	mu    sync.Mutex
	asked []string // METHOD PATH?QUERY
	bytes int64    // of blobs received
	deny  func(r *http.Request) bool
}

func newTarget(t *testing.T, o ...memory.Option) *target {
	t.Helper()
	reg := &target{inner: memory.New(append(o, memory.Logger(log.New(io.Discard, "", 0)))...)}
	reg.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reg.mu.Lock()
		reg.asked = append(reg.asked, r.Method+" "+r.URL.RequestURI())
		if strings.Contains(r.URL.Path, "/blobs/uploads/") {
			reg.bytes += max(0, r.ContentLength)
		}
		deny := reg.deny
		reg.mu.Unlock()
		if deny != nil && deny(r) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		reg.inner.ServeHTTP(w, r)
	}))
	reg.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(reg.Close)
	return reg
}

// refuse sets what is answered with 403.
func (r *target) refuse(deny func(*http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deny = deny
}

// forget begins to count anew, and returns what was asked before.
func (r *target) forget() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := r.asked
	r.asked, r.bytes = nil, 0
	return asked
}

func (r *target) push(t *testing.T, dir string, change func(*push.Options)) *push.Result {
	t.Helper()
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p := push.Options{To: r.client(), Admit: func(registry.Ref) bool { return true }, Attempts: 2}
	if change != nil {
		change(&p)
	}
	got, err := push.Run(t.Context(), d, p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (r *target) client() *registry.Client {
	return &registry.Client{
		Fetch:     &fetch.Client{Transport: fetch.NewTransport(fetch.Options{})},
		Endpoints: map[string]string{"registry.k8s.io": r.URL + "/k8s"},
	}
}

// states says what became of each name, by its tag or digest.
func states(r *push.Result) map[string]push.State {
	m := map[string]push.State{}
	for _, c := range r.Names {
		m[c.Ref.String()] = c.State
	}
	return m
}

func errorOf(r *push.Result, name string) error {
	for _, c := range r.Names {
		if strings.HasPrefix(c.Ref.String(), "registry.k8s.io/"+name) && c.Err != nil {
			return c.Err
		}
	}
	return nil
}

const proxyTag = "registry.k8s.io/kube-proxy:v1.27.2"

func proxyMirror(t *testing.T, w *world.World, o world.MirrorOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mirror")
	if o.Names == nil {
		o.Names = []string{"kube-proxy"}
	}
	if err := w.WriteMirror(dir, []string{"v1.27.2"}, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPush(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	reg := newTarget(t)
	first := reg.push(t, dir, nil)
	for name, s := range states(first) {
		if s != push.Pushed {
			t.Errorf("%s: state %d", name, s)
		}
	}
	if len(first.Names) != 10 || first.Sent == 0 || first.Bytes == 0 {
		t.Errorf("%+v", first)
	}
	// Whatever a tag leads to was there before it.
	asked := reg.forget()
	last := func(part string) int {
		for i := len(asked) - 1; i >= 0; i-- {
			if strings.Contains(asked[i], part) {
				return i
			}
		}
		t.Fatalf("nothing like %s was asked", part)
		return -1
	}
	tag, child, sig, blob := last("PUT /v2/k8s/kube-proxy/manifests/v1.27.2"), last("PUT /v2/k8s/kube-proxy/manifests/sha256:"), last("PUT /v2/k8s/kube-proxy/manifests/sha256-"), last("/blobs/")
	if tag < sig || sig < child || child < blob {
		t.Errorf("tag at %d, signature at %d, child at %d, last blob at %d", tag, sig, child, blob)
	}
	if i := last("GET /v2/k8s/kube-proxy/manifests/v1.27.2"); i < tag {
		t.Error("the tag was not read back")
	}
	// The second push asks once for every name and sends nothing.
	second := reg.push(t, dir, nil)
	for name, s := range states(second) {
		if s != push.AlreadyThere {
			t.Errorf("again %s: state %d", name, s)
		}
	}
	if asked := reg.forget(); len(asked) != len(second.Names) || second.Bytes != 0 {
		t.Errorf("%d requests for %d names, %d bytes: %q", len(asked), len(second.Names), second.Bytes, asked)
	}
	// Inside, the copies are judged with the mirror's papers.
	papers, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	v := &verify.Verifier{Fetch: &fetch.Client{Transport: papers}, Registry: reg.client(), Root: root}
	r, err := v.References(t.Context(), papers.Images())
	if err != nil || r.Verdict() != report.Verified {
		t.Errorf("%v %v", r.Verdict(), err)
	}
}

// relayout rewrites oci/index.json of a mirror that has no MANIFEST.json.
func relayout(t *testing.T, dir string, change func(list []map[string]any) []map[string]any) {
	t.Helper()
	path := filepath.Join(dir, "oci", "index.json")
	var doc struct {
		SchemaVersion int              `json:"schemaVersion"`
		Manifests     []map[string]any `json:"manifests"`
	}
	body, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err == nil {
		doc.Manifests = change(doc.Manifests)
		body, err = json.Marshal(doc)
	}
	if err == nil {
		err = os.WriteFile(path, body, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeBlob(t *testing.T, dir string, m world.Manifest) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "oci/blobs/sha256", strings.TrimPrefix(m.Digest(), "sha256:")), m.Body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A tag that names something else is left alone, and said to.
func TestPushConflict(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	reg := newTarget(t)
	other := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	ref := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"}
	if _, err := reg.client().PutManifest(t.Context(), ref, registry.OCIIndex, other); err != nil {
		t.Fatal(err)
	}
	got := reg.push(t, dir, nil)
	var conflict *push.ConflictError
	if err := errorOf(got, "kube-proxy:v1.27.2"); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("%v", err)
	}
	if m, err := reg.client().Manifest(t.Context(), ref); err != nil || !bytes.Equal(m.Body, other) {
		t.Errorf("the tag was changed: %v", err)
	}
	if s := states(got)["registry.k8s.io/kube-proxy-amd64:v1.27.2"]; s != push.Pushed {
		t.Errorf("another name: state %d", s)
	}
	if r := got.Report(report.Report{}, "127.0.0.1/k8s"); r.Verdict() != report.Refuted {
		t.Error(r.Verdict())
	}
	got = reg.push(t, dir, func(p *push.Options) { p.Overwrite = true })
	if s := states(got)[proxyTag]; s != push.Pushed {
		t.Errorf("with Overwrite: state %d", s)
	}
}

// Signatures that somebody added stay, and signatures that came later are added.
func TestPushSignatures(t *testing.T) {
	w := world.New(world.Options{})
	reg := newTarget(t)
	one := proxyMirror(t, w, world.MirrorOptions{})
	reg.push(t, one, nil)
	digest := w.Digest(proxyTag)
	tag := "registry.k8s.io/kube-proxy:" + strings.Replace(digest, ":", "-", 1) + ".sig"
	before := w.Digest(tag)
	layers := w.SignAs(proxyTag, world.Signing{Identity: world.KrelTrust}, world.Signing{Identity: "somebody@example.com"})
	w.PutSignature("kube-proxy", digest, layers...)
	if w.Digest(tag) == before {
		t.Fatal("the test changed nothing")
	}
	two := proxyMirror(t, w, world.MirrorOptions{})
	got := reg.push(t, two, nil)
	var conflict *push.ConflictError
	if err := errorOf(got, "kube-proxy:sha256-"); !errors.As(err, &conflict) { // krel-trust's is another one
		t.Fatalf("%v, %v", err, states(got)[tag])
	}
	got = reg.push(t, two, func(p *push.Options) { p.Overwrite = true })
	if states(got)[tag] != push.Pushed {
		t.Fatal(errorOf(got, "kube-proxy:sha256-"))
	}
	w.PutSignature("kube-proxy", digest, layers[0])
	fewer := proxyMirror(t, w, world.MirrorOptions{})
	got = reg.push(t, fewer, nil)
	if states(got)[tag] != push.AlreadyThere {
		t.Errorf("a registry with more signatures: %v", errorOf(got, "kube-proxy:sha256-"))
	}
	reg = newTarget(t)
	reg.push(t, fewer, nil)
	if got = reg.push(t, two, nil); states(got)[tag] != push.Pushed {
		t.Errorf("a registry with fewer signatures: %v", errorOf(got, "kube-proxy:sha256-"))
	}
}

// What is damaged on the disk never becomes a blob, and no tag leads to it.
func TestPushDamaged(t *testing.T) {
	w := world.New(world.Options{})
	dir := proxyMirror(t, w, world.MirrorOptions{})
	layer := ""
	for _, b := range blobsOf(t, dir, w.Digest("registry.k8s.io/kube-proxy-amd64:v1.27.2")) {
		if !slices.Contains(blobsOf(t, dir, w.Digest("registry.k8s.io/kube-proxy-arm64:v1.27.2")), b) {
			layer = b // that no other architecture has
		}
	}
	path := filepath.Join(dir, "oci/blobs/sha256", strings.TrimPrefix(layer, "sha256:"))
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	reg := newTarget(t)
	got := reg.push(t, dir, nil)
	for name, want := range map[string]push.State{
		proxyTag: push.Failed, "registry.k8s.io/kube-proxy-amd64:v1.27.2": push.Failed, "registry.k8s.io/kube-proxy-arm64:v1.27.2": push.Pushed,
	} {
		if s := states(got)[name]; s != want {
			t.Errorf("%s: state %d, want %d", name, s, want)
		}
	}
	if r := got.Report(report.Report{}, "127.0.0.1/k8s"); r.Verdict() != report.Refuted {
		t.Error(r.Verdict())
	}
	c := reg.client()
	for _, repo := range []string{"kube-proxy", "kube-proxy-amd64"} {
		if _, err := c.Manifest(t.Context(), registry.Ref{Host: "registry.k8s.io", Repository: repo, Tag: "v1.27.2"}); !fetch.Is(err, fetch.NotFound) {
			t.Errorf("%s: %v", repo, err)
		}
		if err := c.CheckBlob(t.Context(), registry.Ref{Host: "registry.k8s.io", Repository: repo}, registry.Descriptor{Digest: oci.Digest(layer), Size: int64(len(body))}, 1); !fetch.Is(err, fetch.NotFound) {
			t.Errorf("%s: %v", repo, err)
		}
	}
	body[len(body)/2] ^= 1 // mended, the next push finishes
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	if s := states(reg.push(t, dir, nil))[proxyTag]; s != push.Pushed {
		t.Errorf("mended: state %d", s)
	}
}

func blobsOf(t *testing.T, dir, digest string) (list []string) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(dir, "oci/blobs/sha256", strings.TrimPrefix(digest, "sha256:")))
	var m struct{ Layers []struct{ Digest string } }
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers {
		list = append(list, l.Digest)
	}
	return list
}

// Only what is admitted goes out, with the signatures of that and of nothing else.
func TestPushAdmits(t *testing.T) {
	dir := proxyMirror(t, world.New(world.Options{}), world.MirrorOptions{Names: []string{"kube-proxy", "kube-scheduler"}})
	reg := newTarget(t)
	got := reg.push(t, dir, func(p *push.Options) {
		p.Admit = func(ref registry.Ref) bool { return ref.Repository == "kube-proxy-arm64" }
	})
	if len(got.Names) != 2 || got.Names[0].Of == "" || got.Names[1].Ref.Repository != "kube-proxy-arm64" {
		t.Errorf("%+v", got.Names)
	}
	for _, a := range reg.forget() {
		if !strings.Contains(a, "/kube-proxy-arm64/") {
			t.Error(a)
		}
	}
	if got := reg.push(t, dir, func(p *push.Options) { p.Admit = nil }); len(got.Names) != 0 || len(reg.forget()) != 0 {
		t.Errorf("%+v", got)
	}
}

// An index with absent platforms is for the registry to take or to refuse.
func TestPushSparse(t *testing.T) {
	dir := proxyMirror(t, world.New(world.Options{}), world.MirrorOptions{Arches: []string{"amd64"}})
	got := newTarget(t).push(t, dir, nil)
	var sparse *push.SparseError
	if err := errorOf(got, "kube-proxy:v1.27.2"); !errors.As(err, &sparse) || len(sparse.Absent) != 3 {
		t.Fatalf("%v", err)
	}
	if s := states(got)["registry.k8s.io/kube-proxy-amd64:v1.27.2"]; s != push.Pushed {
		t.Errorf("the repository of the architecture: state %d", s)
	}
	if r := got.Report(report.Report{}, "x"); r.Verdict() != report.Unknown {
		t.Error(r.Verdict())
	}
	if list := got.MissingRepositories("x"); len(list) > 0 { // it took manifests there
		t.Errorf("repositories to make: %q", list)
	}
}

// Referrers go with what they refer to, into the registry's own list or, where
// it keeps none, under the tag that stands in for it; and a push that died
// between the two is mended by the next.
func TestPushReferrers(t *testing.T) {
	for _, api := range []bool{true, false} {
		w := world.New(world.Options{})
		var digests []string
		for i := range 3 {
			digests = append(digests, w.PutReferrer(proxyTag, fmt.Sprintf("https://example.com/%d", i), fmt.Appendf(nil, `{"n":%d}`, i)))
		}
		dir := proxyMirror(t, w, world.MirrorOptions{NoManifest: true})
		relayout(t, dir, func(list []map[string]any) []map[string]any {
			for i, d := range digests {
				name := "registry.k8s.io/kube-proxy@" + d
				m, ok := w.Manifest(name)
				if !ok {
					t.Fatal(name)
				}
				writeBlob(t, dir, m)
				writeBlob(t, dir, world.Manifest{Body: fmt.Appendf(nil, `{"n":%d}`, i)})
				writeBlob(t, dir, world.Manifest{Body: []byte("{}")})
				list = append(list, map[string]any{"mediaType": m.MediaType, "digest": d, "size": len(m.Body), "annotations": map[string]any{"org.opencontainers.image.ref.name": name}})
			}
			return list
		})
		reg := newTarget(t, memory.WithReferrersSupport(api))
		if !api { // dies before the list is written
			reg.refuse(func(r *http.Request) bool {
				return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, strings.Replace(w.Digest(proxyTag), ":", "-", 1))
			})
			if got := reg.push(t, dir, nil); errorOf(got, "kube-proxy@") == nil {
				t.Error("the list could not be written, and nobody says so")
			}
			reg.refuse(nil)
		}
		for again := range 2 {
			reg.forget()
			got := reg.push(t, dir, nil)
			for _, c := range got.Names {
				if c.Err != nil || again == 1 && c.State != push.AlreadyThere {
					t.Errorf("api %v, run %d: %s: state %d, %v", api, again, c.Ref, c.State, c.Err)
				}
			}
			if asked := reg.forget(); again == 1 && len(asked) > len(got.Names)+1 {
				t.Errorf("api %v: %d requests for %d names: %q", api, len(asked), len(got.Names), asked)
			}
		}
		list, err := reg.client().Referrers(t.Context(), registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(w.Digest(proxyTag))})
		var have []string
		for _, d := range list {
			have = append(have, string(d.Digest))
		}
		slices.Sort(have)
		slices.Sort(digests)
		if err != nil || !slices.Equal(have, digests) {
			t.Errorf("api %v: %v, want %v; %v", api, have, digests, err)
		}
	}
}

// A push that ends before its time sets no tag that does not lead somewhere.
func TestPushStopped(t *testing.T) {
	dir := proxyMirror(t, world.New(world.Options{}), world.MirrorOptions{})
	for _, after := range []int{1, 15, 40, 90} {
		reg := newTarget(t)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		reg.refuse(func(*http.Request) bool {
			reg.mu.Lock()
			defer reg.mu.Unlock()
			if n++; n == after {
				cancel()
			}
			return false
		})
		d, err := mirror.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := push.Run(ctx, d, push.Options{To: reg.client(), Admit: func(registry.Ref) bool { return true }})
		if err != nil {
			t.Fatal(err)
		}
		if r := got.Report(report.Report{}, "x"); r.Verdict() != report.Unknown {
			t.Errorf("after %d requests: %v", after, r.Verdict())
		}
		cancel()
		reg.refuse(nil)
		for name, s := range states(reg.push(t, dir, nil)) {
			if s != push.Pushed && s != push.AlreadyThere {
				t.Errorf("stopped after %d requests: then %s: state %d", after, name, s)
			}
		}
	}
}

func TestDryRun(t *testing.T) {
	dir := proxyMirror(t, world.New(world.Options{}), world.MirrorOptions{})
	reg := newTarget(t)
	got := reg.push(t, dir, func(p *push.Options) { p.DryRun = true })
	for _, a := range reg.forget() {
		if !strings.HasPrefix(a, "GET ") {
			t.Error(a)
		}
	}
	if got.Bytes == 0 || states(got)[proxyTag] != push.WouldPush {
		t.Errorf("%+v", got)
	}
}

// What a report does not prove is not admitted: another digest, a platform in
// doubt, a name that it does not speak of.
func TestVerified(t *testing.T) {
	w := world.New(world.Options{})
	d, err := mirror.Open(proxyMirror(t, w, world.MirrorOptions{Arches: []string{"amd64", "arm64"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ok := []report.Check{{Name: report.Digest, Required: true, Verdict: report.Verified}}
	bad := []report.Check{{Name: report.Digest, Required: true}}
	index, amd, s390x := w.Digest(proxyTag), w.Digest("registry.k8s.io/kube-proxy-amd64:v1.27.2"), w.Digest("registry.k8s.io/kube-proxy-s390x:v1.27.2")
	amdName := "registry.k8s.io/kube-proxy-amd64:v1.27.2"
	res := func(subject, platform, digest string, checks []report.Check, as ...string) report.Result {
		return report.Result{Kind: "image", Subject: subject, Platform: platform, Digest: digest, Checks: checks, SeenAs: as}
	}
	for i, tt := range []struct {
		results  []report.Result
		tag, amd bool
	}{
		{nil, false, false},
		{[]report.Result{res(proxyTag, "", index, ok), res(proxyTag, "linux/amd64", amd, ok, amdName)}, true, true},
		{[]report.Result{res(proxyTag, "", index, bad), res(proxyTag, "linux/amd64", amd, ok, amdName)}, false, true},
		{[]report.Result{res(proxyTag, "", index, ok), res(proxyTag, "linux/amd64", amd, bad, amdName)}, false, false},
		{[]report.Result{res(proxyTag, "", index, ok), res(proxyTag, "linux/s390x", s390x, bad)}, true, false}, // not in this mirror
		{[]report.Result{res(proxyTag, "", amd, ok)}, false, false},
		{[]report.Result{res(proxyTag, "linux/amd64", amd, ok, "registry.k8s.io/kube-proxy-arm64:v1.27.2")}, false, false},
		{[]report.Result{res(amdName, "linux/amd64", amd, ok)}, false, true},
	} {
		admits := d.Verified(report.Report{Results: tt.results})
		tag := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"}
		arch := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy-amd64", Tag: "v1.27.2"}
		if admits(tag) != tt.tag || admits(arch) != tt.amd {
			t.Errorf("%d: %v %v, want %v %v", i, admits(tag), admits(arch), tt.tag, tt.amd)
		}
	}
}
