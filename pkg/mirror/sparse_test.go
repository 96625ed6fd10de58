package mirror_test

import (
	"slices"
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
)

// at is a verifier that reads a mirror alone, as the commands make it.
func at(t testing.TB, w *world.World, path string) *verify.Verifier {
	t.Helper()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := mirror.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	client := &fetch.Client{Transport: dir}
	return &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root, Sparse: dir.Sparse()}
}

func sparseVersion(t testing.TB) release.Version {
	t.Helper()
	v, err := release.ParseVersion("v1.27.2")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Rules 2 and 26: one mirror, one judgement. Its list narrows architectures, and
// the scope names those that are absent.
func TestSparseMirrorIsJudgedTheSameByEveryCommand(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	version := sparseVersion(t)
	r, _ := makes(t, w, dir, nil, create.Request{Version: version, Images: true, Arches: []string{"amd64"}, OSes: []string{"linux"},
		Also: []registry.Ref{{Host: "registry.k8s.io", Repository: "pause", Tag: "3.9"}}})
	wantVerdict(t, "outside", r, report.Verified)
	const arm64 = "registry.k8s.io/kube-proxy:v1.27.2 linux/arm64"

	whole := inside(t, w, dir, nil) // pause is bound by nothing that was carried in
	for _, res := range whole.Results {
		if res.Kind == "image" && res.Release == version.String() && res.Verdict() != report.Verified {
			t.Errorf("verify ./DIR: %s %s is %s", res.Subject, res.Platform, res.Verdict())
		}
	}
	many, err := at(t, w, dir).Images(t.Context(), verify.Request{Versions: []release.Version{version}})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "images V", many, report.Verified)
	all, err := at(t, w, dir).Release(t.Context(), verify.Request{Versions: []release.Version{version}})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "verify V", all, report.Verified)
	one, err := at(t, w, dir).References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"}})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "verify NAME:TAG", one, report.Verified)
	for what, r := range map[string]report.Report{"verify ./DIR": whole, "images V": many, "verify V": all, "verify NAME:TAG": one} {
		if !slices.Contains(r.Scope.Absent, arm64) || slices.Contains(r.Scope.Absent, "registry.k8s.io/kube-proxy:v1.27.2 linux/amd64") {
			t.Errorf("%s: absent %v", what, r.Scope.Absent)
		}
	}

	// Who asks for it is not told that it need not be there.
	for name, arches := range map[string][]string{"one that is absent": {"arm64"}, "all": {"amd64", "arm64", "ppc64le", "s390x"}} {
		many, err := at(t, w, dir).Images(t.Context(), verify.Request{Versions: []release.Version{version}, Arches: arches})
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, name, many, report.Unknown)
	}
	named, err := at(t, w, dir).References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy-arm64", Tag: "v1.27.2"}})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "an absent architecture by its name", named, report.Unknown)
	pinned, err := at(t, w, dir).References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2", Digest: oci.Digest(w.Digest("kube-proxy-arm64:v1.27.2"))}})
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "an absent architecture by its digest", pinned, report.Unknown)
}

// A mirror's list is its carrier's word: it leaves out no image, and no
// architecture of which it leaves nothing.
func TestSparseMirrorListDoesNotShrinkARelease(t *testing.T) {
	w := world.New(world.Options{})
	version := sparseVersion(t)
	for name, tt := range map[string]struct {
		wish   create.Request
		change func(*mirror.Manifest)
	}{
		"made of one image": {create.Request{Version: version, Images: true, Names: []string{"kube-proxy"}}, nil},
		"its list drops an image": {create.Request{Version: version, Images: true, Names: []string{"kube-proxy"}, Arches: []string{"amd64"}}, func(m *mirror.Manifest) {
			m.Scope[0].Names = nil
		}},
		"its list narrows to an architecture that is not there": {create.Request{Version: version, Images: true, Names: []string{"kube-proxy"}}, func(m *mirror.Manifest) {
			m.Scope[0].Names, m.Scope[0].Arches = nil, []string{"vax"}
		}},
		"its list speaks of another release": {create.Request{Version: version, Images: true, Arches: []string{"amd64"}}, func(m *mirror.Manifest) {
			m.Scope[0].Release = "v1.27.1"
		}},
		"its list says that it has all": {create.Request{Version: version, Images: true, Arches: []string{"amd64"}}, func(m *mirror.Manifest) {
			m.Scope = append(m.Scope, mirror.Scope{Release: "v1.27.2", Images: true})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			makes(t, w, dir, nil, tt.wish)
			if tt.change != nil {
				relist(t, dir, tt.change)
			}
			many, err := at(t, w, dir).Images(t.Context(), verify.Request{Versions: []release.Version{version}})
			if err != nil {
				t.Fatal(err)
			}
			wantVerdict(t, "images V", many, report.Unknown)
			all, err := at(t, w, dir).Release(t.Context(), verify.Request{Versions: []release.Version{version}})
			if err != nil {
				t.Fatal(err)
			}
			wantVerdict(t, "verify V", all, report.Unknown)
		})
	}
	t.Run("what it was not made for is named", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		makes(t, w, dir, nil, create.Request{Version: version, Images: true, Names: []string{"kube-proxy"}})
		if r := inside(t, w, dir, nil); !slices.Contains(r.Scope.Absent, "registry.k8s.io/kube-scheduler:v1.27.2") || slices.Contains(r.Scope.Absent, "registry.k8s.io/kube-proxy:v1.27.2") {
			t.Errorf("absent %v", r.Scope.Absent)
		}
	})
}

// A mirror that holds a platform of an image of the release by its digest too, as
// pinned manifests name it, is verified inside as it was outside.
func TestMirrorOfAPinnedChild(t *testing.T) {
	w := world.New(world.Options{})
	child := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2", Digest: oci.Digest(w.Digest("kube-proxy-arm64:v1.27.2"))}
	for name, wish := range map[string]create.Request{
		"of files":          {Version: sparseVersion(t), Also: []registry.Ref{child}, Files: func(p string) bool { return p == "bin/linux/amd64/kubectl" }},
		"beside its image":  {Version: sparseVersion(t), Images: true, Names: []string{"kube-proxy"}, Also: []registry.Ref{child}},
		"beside all images": {Version: sparseVersion(t), Images: true, Also: []registry.Ref{child}},
		"of one platform":   {Version: sparseVersion(t), Images: true, Arches: []string{"arm64"}, OSes: []string{"linux"}, Also: []registry.Ref{child}},
		"by its tag":        {Version: sparseVersion(t), Also: []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, _ := makes(t, w, dir, nil, wish)
			wantVerdict(t, "outside", r, report.Verified)
			wantVerdict(t, "verify ./DIR", inside(t, w, dir, nil), report.Verified)
		})
	}
}
