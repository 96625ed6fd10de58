package mirror_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// outside is a verifier that has a world for the internet.
func outside(t testing.TB, w *world.World) *verify.Verifier {
	t.Helper()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	client := &fetch.Client{Transport: w}
	return &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root, Policy: trust.EmbeddedPolicy()}
}

// inside verifies a whole mirror, by its bytes alone.
func inside(t testing.TB, w *world.World, path string, vouched *vouch.Word) report.Report {
	t.Helper()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := mirror.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	client := &fetch.Client{Transport: dir}
	v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root, Vouched: vouched}
	r, err := dir.Verify(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// small is a wish for little: two images and a program, for one platform.
func small(version string) create.Request {
	v, err := release.ParseVersion(version)
	if err != nil {
		panic(err)
	}
	return create.Request{Version: v, Images: true, Names: []string{"kube-proxy", "kube-scheduler"}, Arches: []string{"amd64"}, OSes: []string{"linux"},
		Files: func(p string) bool {
			return p == "bin/linux/amd64/kubectl" || p == "kubernetes-client-linux-amd64.tar.gz"
		}}
}

// makes runs one maker over wishes, and returns the last report.
func makes(t testing.TB, w *world.World, dir string, change func(*create.Options), wishes ...create.Request) (report.Report, create.Committed) {
	t.Helper()
	o := create.Options{Dir: dir, Verifier: outside(t, w), Attempts: 2, Tool: report.Tool{Name: "test"}}
	if change != nil {
		change(&o)
	}
	r, made, err := make1(t.Context(), o, wishes...)
	if err != nil {
		t.Fatal(err)
	}
	return r, made
}

func make1(ctx context.Context, o create.Options, wishes ...create.Request) (r report.Report, made create.Committed, err error) {
	m, err := create.New(o)
	if err != nil {
		return r, made, err
	}
	defer m.Close()
	for _, w := range wishes {
		plan, err := m.Plan(ctx, w)
		if err != nil {
			return r, made, err
		}
		nothing := func(int, string) {}
		plan.Run(ctx, 8, nothing, nothing)
		if r, made, err = plan.Commit(ctx); err != nil {
			return r, made, err
		}
	}
	m.Sweep()
	return r, made, nil
}

func bad(r report.Report) string {
	var b strings.Builder
	for _, res := range r.Results {
		for _, c := range res.Checks {
			if c.Verdict != report.Verified {
				fmt.Fprintf(&b, "\n%s %s: %s %s: %s", res.Subject, res.Platform, c.Name, c.Verdict, c.Detail)
			}
		}
	}
	return b.String()
}

func wantVerdict(t testing.TB, what string, r report.Report, want report.Verdict) {
	t.Helper()
	if got := r.Verdict(); got != want {
		t.Fatalf("%s is %s, want %s:%s", what, got, want, bad(r))
	}
}

// contents are all files of a directory.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMake makes a mirror of two releases and runs again: what is there is not
// asked for, and a second release shares what it has in common with the first.
func TestMake(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	full := func(v string) create.Request {
		version, _ := release.ParseVersion(v)
		return create.Request{Version: version, Images: true, Files: func(p string) bool { return strings.HasPrefix(p, "bin/linux/arm64/") }}
	}
	r, made := makes(t, w, dir, nil, full("v1.27.1"))
	wantVerdict(t, "the first", r, report.Verified)
	if !made.Listed || !made.Changed {
		t.Fatalf("%+v", made)
	}
	wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Verified)
	first := contents(t, dir)

	w = w.Clone() // nothing counted
	r, _ = makes(t, w, dir, nil, full("v1.27.2"))
	wantVerdict(t, "the second", r, report.Verified)
	wantVerdict(t, "both", inside(t, w, dir, nil), report.Verified)
	second := contents(t, dir)
	for name, body := range first {
		if strings.HasPrefix(name, "oci/blobs/") && second[name] != body {
			t.Fatalf("%s is gone or changed", name)
		}
	}
	for _, req := range w.Requests() {
		_, digest, ok := strings.Cut(req.URL, "/blobs/")
		if ok && first["oci/blobs/sha256/"+strings.TrimPrefix(digest, "sha256:")] != "" {
			t.Errorf("a blob that was there was fetched: %s", req.URL)
		}
	}

	w = w.Clone()
	r, made = makes(t, w, dir, nil, full("v1.27.1"), full("v1.27.2"))
	wantVerdict(t, "the third", r, report.Verified)
	if made.Changed {
		t.Error("the lists were changed by a run that found nothing new")
	}
	asked := map[string]int{}
	for _, req := range w.Requests() {
		asked[req.URL]++
		_, ref, isManifest := strings.Cut(req.URL, "registry.k8s.io/v2/")
		switch {
		case strings.Contains(req.URL, "/blobs/"), strings.Contains(req.URL, "sha256"), strings.Contains(req.URL, "referrers"):
			t.Errorf("asked for %s", req.URL)
		case strings.Contains(req.URL, "/release/v1.27"), strings.Contains(req.URL, "sbom.k8s.io"), strings.Contains(req.URL, "rekor"):
			t.Errorf("asked for %s, which never changes", req.URL)
		case isManifest && asked[req.URL] > 1:
			t.Errorf("asked %d times for %s", asked[req.URL], ref)
		}
	}
	t.Logf("the run that found nothing new made %d requests", len(w.Requests()))
	third := contents(t, dir)
	for name := range third {
		if third[name] != second[name] {
			t.Errorf("%s was changed", name)
		}
	}
	if strings.Contains(third["MANIFEST.json"], `"origin": "published"`) == false {
		t.Error("no document is recorded as published")
	}
}

// TestMakeSparse: an index keeps its bytes where only one of its platforms is
// wanted, and says which are absent.
func TestMakeSparse(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	r, made := makes(t, w, dir, nil, small("v1.27.2"))
	wantVerdict(t, "the run", r, report.Verified)
	if !slices.Equal(made.Absent, []string{"linux/arm64", "linux/ppc64le", "linux/s390x"}) {
		t.Errorf("absent: %v", made.Absent)
	}
	digest := strings.TrimPrefix(w.Digest("registry.k8s.io/kube-proxy:v1.27.2"), "sha256:")
	m, _ := w.Manifest("registry.k8s.io/kube-proxy:v1.27.2")
	if contents(t, dir)["oci/blobs/sha256/"+digest] != string(m.Body) {
		t.Error("the index is not the one that was served")
	}
	in := inside(t, w, dir, nil)
	wantVerdict(t, "the mirror", in, report.Verified)
	if !strings.Contains(strings.Join(in.Results[0].Notes, "\n"), "linux/arm64") {
		t.Errorf("notes: %v", in.Results[0].Notes)
	}
	// Another architecture joins it.
	more := small("v1.27.2")
	more.Arches = []string{"arm64"}
	r, _ = makes(t, w, dir, nil, more)
	wantVerdict(t, "the second run", r, report.Verified)
	wantVerdict(t, "the mirror of both", inside(t, w, dir, nil), report.Verified)
}

// TestMakeUnknown: a signature that could not be fetched fails the run, and nothing is
// listed; the next run goes on. With AllowUnknown it is kept where nobody is
// given it.
func TestMakeUnknown(t *testing.T) {
	for what, harm := range map[string]func(w *world.World){
		"unreachable": func(w *world.World) {
			w.Status(world.SignatureURL("kube-proxy", w.Digest("registry.k8s.io/kube-proxy:v1.27.2")), 503)
		},
		"absent": func(w *world.World) {
			w.DropSignature("registry.k8s.io/kube-proxy:v1.27.2")
			w.DropSignature("registry.k8s.io/kube-proxy-amd64:v1.27.2")
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := world.New(world.Options{})
			harm(w)
			dir := t.TempDir()
			r, made := makes(t, w, dir, nil, small("v1.27.2"))
			wantVerdict(t, "the run", r, report.Unknown)
			if _, err := os.Stat(filepath.Join(dir, "oci/index.json")); made.Listed || err == nil {
				t.Error("something was listed")
			}
			allow := func(o *create.Options) { o.AllowUnknown = true }
			r, made = makes(t, w, dir, allow, small("v1.27.2"))
			wantVerdict(t, "the run that allows it", r, report.Unknown)
			files := contents(t, dir)
			if !made.Listed || strings.Contains(files["oci/index.json"], "kube-proxy") || !strings.Contains(files["oci/index.json"], "kube-scheduler") {
				t.Errorf("listed %v:\n%s", made.Listed, files["oci/index.json"])
			}
			d, err := mirror.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if u := d.Manifest().Unknown; len(u) != 1 || u[0].Digest != oci.Digest(w.Digest("registry.k8s.io/kube-proxy:v1.27.2")) {
				t.Fatalf("%+v", u)
			} else if files["oci/blobs/"+strings.Replace(string(u[0].Digest), ":", "/", 1)] == "" {
				t.Error("its bytes are not there")
			}
			client := &registry.Client{Fetch: &fetch.Client{Transport: d}}
			if _, err := client.Manifest(t.Context(), registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(w.Digest("registry.k8s.io/kube-proxy:v1.27.2"))}); err == nil {
				t.Error("what could not be proved is served")
			}
			in := inside(t, w, dir, nil)
			wantVerdict(t, "the mirror", in, report.Unknown)

			// Once it is mended outside, the same mirror becomes whole.
			w = world.New(world.Options{})
			r, _ = makes(t, w, dir, nil, small("v1.27.2"))
			wantVerdict(t, "the run after it was mended", r, report.Verified)
			wantVerdict(t, "the mended mirror", inside(t, w, dir, nil), report.Verified)
		})
	}
}

// flipLayers changes a bit of every layer of kube-proxy for amd64.
func flipLayers(w *world.World) {
	m, _ := w.Manifest("registry.k8s.io/kube-proxy-amd64:v1.27.2")
	_, img, err := registry.ParseManifest(m.MediaType, m.Body)
	if err != nil {
		panic(err)
	}
	for _, l := range img.Layers {
		w.FlipBit(world.BlobURL("kube-proxy-amd64", string(l.Digest)))
	}
}

// TestMakeUnknownFile: a file that is not signed lies outside of files/.
func TestMakeUnknownFile(t *testing.T) {
	w := world.New(world.Options{})
	w.Status(world.FileURL("v1.27.2", "bin/linux/amd64/kubectl")+".sig", 503)
	dir := t.TempDir()
	r, made := makes(t, w, dir, nil, small("v1.27.2"))
	wantVerdict(t, "the run", r, report.Unknown)
	if made.Listed {
		t.Error("it was listed")
	}
	_, made = makes(t, w, dir, func(o *create.Options) { o.AllowUnknown = true }, small("v1.27.2"))
	files := contents(t, dir)
	const p = "dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"
	if !made.Listed || files["files/"+p] != "" || files["unknown/"+p] == "" {
		t.Errorf("%+v: %d bytes served, %d outside", made, len(files["files/"+p]), len(files["unknown/"+p]))
	}
	wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Unknown)
}

// TestMakeRefuted: what is refuted is stored under no name.
func TestMakeRefuted(t *testing.T) {
	for what, harm := range map[string]func(w *world.World){
		"replayed":      func(w *world.World) { w.ServeAs("v1.27.1", "v1.27.2") },
		"swapped":       func(w *world.World) { w.SwapImage("v1.27.2", "kube-scheduler", "kube-proxy") },
		"another file":  func(w *world.World) { w.FlipBit(world.FileURL("v1.27.2", "bin/linux/amd64/kubectl")) },
		"another layer": func(w *world.World) { flipLayers(w) },
	} {
		t.Run(what, func(t *testing.T) {
			for _, allow := range []bool{false, true} {
				w := world.New(world.Options{})
				harm(w)
				dir := t.TempDir()
				r, made := makes(t, w, dir, func(o *create.Options) { o.AllowUnknown = allow }, small("v1.27.2"))
				if v := r.Verdict(); v == report.Verified || what != "another layer" && v != report.Refuted {
					t.Errorf("%s:%s", v, bad(r))
				}
				if made.Listed && !allow || made.Listed && r.Verdict() == report.Refuted {
					t.Error("something was listed")
				}
				if body, ok := contents(t, dir)["files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"]; ok && body != string(w.File(world.FileURL("v1.27.2", "bin/linux/amd64/kubectl"))) {
					t.Error("refuted bytes under a final name")
				}
			}
		})
	}
}

// TestMakeAtOnce: runs on one directory lose nothing of each other.
func TestMakeAtOnce(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", "v1.27.2", "v1.28.1"}})
	dir := t.TempDir()
	wishes := []create.Request{small("v1.27.1"), small("v1.27.2"), small("v1.28.1"), small("v1.27.2")}
	errs := make([]error, len(wishes))
	verdicts, whys := make([]report.Verdict, len(wishes)), make([]string, len(wishes))
	var wg sync.WaitGroup
	for i, wish := range wishes {
		o := create.Options{Dir: dir, Verifier: outside(t, w), Tool: report.Tool{Name: "test"}}
		wg.Go(func() {
			var r report.Report
			r, _, errs[i] = make1(t.Context(), o, wish)
			verdicts[i], whys[i] = r.Verdict(), bad(r)
		})
	}
	wg.Wait()
	for i := range errs {
		if errs[i] != nil || verdicts[i] != report.Verified {
			t.Errorf("run %d: %v %v%s", i, verdicts[i], errs[i], whys[i])
		}
	}
	in := inside(t, w, dir, nil)
	wantVerdict(t, "the mirror", in, report.Verified)
	if !slices.Equal(in.Releases, []string{"v1.27.1", "v1.27.2", "v1.28.1"}) {
		t.Errorf("it has %v", in.Releases)
	}
}

// TestMakeReferrers: attestations go along, and one that nobody of the policy
// signed stays outside.
func TestMakeReferrers(t *testing.T) {
	w := world.New(world.Options{})
	w.HaveReferrers(true)
	const ref = "registry.k8s.io/kube-proxy:v1.27.2"
	w.AttestImage(ref, world.PredicatePromotion, map[string]any{"dstRef": "registry.k8s.io/kube-proxy:v1.27.2"}, world.Signing{Identity: "krel-trust@k8s-releng-prod.iam.gserviceaccount.com"})
	w.PutReferrer(ref, "https://example.com/junk", []byte("no bundle"))
	dir := t.TempDir()
	r, _ := makes(t, w, dir, nil, small("v1.27.2"))
	wantVerdict(t, "the run", r, report.Verified)
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	client := &registry.Client{Fetch: &fetch.Client{Transport: d}}
	list, err := client.Referrers(t.Context(), registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(w.Digest(ref))})
	if err != nil || len(list) != 1 {
		t.Errorf("%d referrers, %v", len(list), err)
	}
	wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Verified)
}

// TestMakeKeepsWhatCannotBeJudged: a summary that might say that the image failed goes
// along beside one that passed, and is as open inside as outside.
func TestMakeKeepsWhatCannotBeJudged(t *testing.T) {
	built := world.New(world.Options{})
	const name = "registry.k8s.io/kube-proxy:v1.27.2"
	foreign := world.NewSigstore("foreign")
	for what, tt := range map[string]struct {
		result any
		by     world.Signing
	}{
		"another result":                      {"WARNED", world.Signing{}},
		"a list as its result":                {[]string{"FAILED"}, world.Signing{}},
		"FAILED, by an authority not known":   {"FAILED", world.Signing{CA: foreign, CT: foreign}},
		"FAILED, in a log that is not known":  {"FAILED", world.Signing{Log: foreign}},
		"FAILED, by who signs such summaries": {"FAILED", world.Signing{}},
	} {
		t.Run(what, func(t *testing.T) {
			w := built.Clone()
			w.HaveReferrers(true)
			passed := world.Summary(world.SummaryVerifier, "PASSED", "", "SLSA_BUILD_LEVEL_3")
			w.AttestImage(name, world.PredicateSummary, passed, world.Signing{Identity: world.Summaries})
			other := maps.Clone(passed.(map[string]any))
			other["verificationResult"] = tt.result
			tt.by.Identity = world.Summaries
			w.AttestImage(name, world.PredicateSummary, other, tt.by)
			wish := small("v1.27.2")
			wish.Names, wish.Files = []string{"kube-proxy"}, func(string) bool { return false }
			dir := t.TempDir()
			r, _ := makes(t, w, dir, nil, wish)
			wantVerdict(t, "the run", r, report.Verified) // which asks for no summary
			d, err := mirror.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			ref, err := registry.ParseRef(name)
			if err != nil {
				t.Fatal(err)
			}
			verdict := func(v *verify.Verifier) report.Verdict {
				t.Helper()
				v.Require = []string{report.VSA}
				r, err := v.References(t.Context(), []registry.Ref{ref})
				if err != nil {
					t.Fatal(err)
				}
				c, _ := r.Results[len(r.Results)-1].Check(report.VSA)
				for _, res := range r.Results {
					if res.Platform == "" && res.Kind == "image" {
						c, _ = res.Check(report.VSA)
					}
				}
				return c.Verdict
			}
			v := outside(t, w)
			there := verdict(v)
			client := &fetch.Client{Transport: d}
			here := verdict(&verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: v.Root})
			if there == report.Verified || here != there {
				t.Errorf("outside %s, inside %s", there, here)
			}
			wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Verified)
		})
	}
}

func TestMakerRefusesOtherDirectories(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := create.New(create.Options{Dir: dir, Verifier: outside(t, w)}); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("%v", err)
	}
}
