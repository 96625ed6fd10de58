package mirror

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Of two results of one subject the worse stands, in whatever order they come.
func TestTheWorseResultStands(t *testing.T) {
	of := func(subject, platform string, kind report.Kind, v report.Verdict) report.Result {
		reason := report.Reason("")
		if v != report.Verified {
			reason = report.Mismatch
		}
		return report.Result{Kind: kind, Subject: subject, Platform: platform, Checks: []report.Check{{Name: report.Digest, Required: true, Verdict: v, Reason: reason}}}
	}
	rank := map[report.Verdict]int{report.Verified: 0, report.Unknown: 1, report.Refuted: 2}
	for a := range rank {
		for b := range rank {
			got := add([]report.Result{of("x", "", report.KindImage, a)}, []report.Result{of("x", "", report.KindImage, b)})
			if worse := max(rank[a], rank[b]); len(got) != 1 || rank[got[0].Verdict()] != worse {
				t.Errorf("%s and %s: %v", a, b, got)
			}
			if a == b && a != report.Refuted {
				first := of("x", "", report.KindImage, a)
				first.Digest = "the first"
				if got := add([]report.Result{first}, []report.Result{of("x", "", report.KindImage, b)}); got[0].Digest != "the first" {
					t.Errorf("%s twice: the second stands", a)
				}
			}
			for _, other := range []report.Result{of("y", "", report.KindImage, b), of("x", "linux/amd64", report.KindImage, b), of("x", "", report.KindFile, b)} {
				if got := add([]report.Result{of("x", "", report.KindImage, a)}, []report.Result{other}); len(got) != 2 || got[0].Verdict() != a || got[1].Verdict() != b {
					t.Errorf("%s and %s of another: %v", a, b, got)
				}
			}
		}
	}
}

// What another run brought in is absent no longer.
func TestStillAbsent(t *testing.T) {
	results := []report.Result{
		{Kind: report.KindImage, Subject: "a", Platform: "linux/amd64", Digest: "sha256:x"},
		{Kind: report.KindImage, Subject: "b", Digest: "sha256:x"},
		{Kind: report.KindImage, Subject: "c"},
		{Kind: report.KindFile, Subject: "d", Digest: "sha256:x"},
	}
	got := stillAbsent([]string{"a linux/amd64", "a linux/arm64", "b", "c", "d"}, results)
	if want := []string{"a linux/arm64", "c", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Runs for the same images on other platforms are one; runs for other images, or without
// the rest of what was asked for, are not.
func TestScopesOfSeveralRuns(t *testing.T) {
	base := func(change func(s *layout.Scope)) layout.Scope {
		s := layout.Scope{Release: "v1.27.2", Images: true, Names: []string{"kube-proxy"}, Arches: []string{"amd64"}, OSes: []string{"linux"}, Also: []string{"x"}}
		change(&s)
		return s
	}
	own := base(func(*layout.Scope) {})
	for name, tt := range map[string]struct {
		second layout.Scope
		arches []string // of the one that both are; nil and apart where they are two
		apart  bool
	}{
		"the same":             {own, []string{"amd64"}, false},
		"another architecture": {base(func(s *layout.Scope) { s.Arches = []string{"arm64"} }), []string{"amd64", "arm64"}, false},
		"all architectures":    {base(func(s *layout.Scope) { s.Arches = nil }), nil, false},
		"another release":      {base(func(s *layout.Scope) { s.Release = "v1.27.3" }), nil, true},
		"no images":            {base(func(s *layout.Scope) { s.Images = false }), nil, true},
		"other names":          {base(func(s *layout.Scope) { s.Names = []string{"etcd"} }), nil, true},
		"all names":            {base(func(s *layout.Scope) { s.Names = nil }), nil, true},
		"other systems":        {base(func(s *layout.Scope) { s.OSes = []string{"windows"} }), nil, true},
		"other images besides": {base(func(s *layout.Scope) { s.Also = nil }), nil, true},
	} {
		for _, list := range [][]layout.Scope{{own, tt.second}, {tt.second, own}} {
			got := joined(slices.Clone(list))
			if tt.apart && !reflect.DeepEqual(got, list) || !tt.apart && (len(got) != 1 || !slices.Equal(got[0].Arches, tt.arches)) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	// What says nothing of what it was made for holds the releases that it names; what is
	// of no release goes with the first, signatures apart.
	a, _ := audited(t, func(f tree, m *layout.Manifest, p made) {
		for _, tag := range []string{"pause:3.9", "coredns/coredns:v1.10.1", "sig-storage/csi-attacher:v4.3.0", "kube-proxy:1.27.2", "kube-proxy:sha256-" + p.index.Hex() + ".sig"} {
			m.Images = append(m.Images, layout.ImageEntry{Name: "registry.k8s.io/" + tag, Digest: p.image, MediaType: imageType, Size: int64(len(f[layout.BlobPath(p.image)]))})
		}
		m.Images = append(m.Images, layout.ImageEntry{Name: "registry.k8s.io/kube-proxy-arm64:v1.27.2", Digest: p.image, MediaType: imageType, Size: int64(len(f[layout.BlobPath(p.image)]))})
	})
	want := []layout.Scope{{Release: "v1.27.2", Images: true, Names: []string{"kube-proxy"}, Arches: []string{"arm64"},
		Also: []string{"registry.k8s.io/coredns/coredns:v1.10.1", "registry.k8s.io/kube-proxy:1.27.2", "registry.k8s.io/pause:3.9", "registry.k8s.io/sig-storage/csi-attacher:v4.3.0"}}}
	if got := a.dir.scopes(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// Without a list of what it was made for a mirror holds the releases of its images, and those
// that it names; what is of no release goes with none.
func TestScopesOfAMirrorThatDoesNotSay(t *testing.T) {
	for name, tt := range map[string]struct {
		names    []string // of images
		releases []string // that its list names
		want     []layout.Scope
	}{
		"nothing":                {nil, nil, nil},
		"a release of files":     {nil, []string{"v1.26.0"}, []layout.Scope{{Release: "v1.26.0"}}},
		"an image of no release": {[]string{"pause:3.9"}, nil, nil},
		"one with its files":     {[]string{"pause:3.9"}, []string{"v1.26.0"}, []layout.Scope{{Release: "v1.26.0", Also: []string{"registry.k8s.io/pause:3.9"}}}},
		"several of each": {[]string{"kube-scheduler-s390x:v1.27.2", "kube-scheduler-arm64:v1.27.2", "kube-proxy-arm64:v1.27.2", "kube-proxy:v1.27.2", "kube-apiserver:v1.28.1", "etcd:3.5.7-0", "kube-proxy:vnext", "pause:3.9"}, []string{"v1.27.2", "v1.26.0"},
			[]layout.Scope{{Release: "v1.26.0", Also: []string{"registry.k8s.io/etcd:3.5.7-0", "registry.k8s.io/kube-proxy:vnext", "registry.k8s.io/pause:3.9"}},
				{Release: "v1.27.2", Images: true, Names: []string{"kube-proxy", "kube-scheduler"}, Arches: []string{"arm64", "s390x"}}, {Release: "v1.28.1", Images: true, Names: []string{"kube-apiserver"}}}},
	} {
		a, _ := audited(t, func(_ tree, m *layout.Manifest, p made) {
			of := m.Images[0]
			m.Images, m.Releases = nil, tt.releases
			for _, name := range tt.names {
				of.Name = "registry.k8s.io/" + name
				m.Images = append(m.Images, of)
			}
		})
		for range 64 { // repositories are met in any order
			if got := a.dir.scopes(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s: %+v\nwant %+v", name, got, tt.want)
				break
			}
		}
	}
}

// What is kept outside is told of, by its kind, and never verified.
func TestWhatIsKeptOutside(t *testing.T) {
	a, _ := audited(t, func(_ tree, m *layout.Manifest, p made) {
		m.Unknown = []layout.UnknownEntry{{Name: beside, Release: "v1.27.2", Digest: p.index, Detail: "why"}, {Name: proxy, Digest: p.image, Detail: "why"}}
	})
	got := a.dir.keptOutside()
	if len(got) != 2 || got[0].Kind != report.KindFile || got[1].Kind != report.KindImage {
		t.Fatalf("%v", got)
	}
	for _, r := range got {
		if r.Verdict() != report.Unknown || !strings.HasSuffix(r.Checks[0].Detail, "why") || r.Digest == "" || !r.Checks[0].Required {
			t.Errorf("%v", r)
		}
	}
	a.dir.manifest = nil
	if got := a.dir.keptOutside(); got != nil {
		t.Errorf("without a list: %v", got)
	}
	if got := a.remarks(); len(got) != 1 || !strings.Contains(got[0], "no MANIFEST.json") {
		t.Errorf("%q", got)
	}
	a, _ = audited(t, func(_ tree, m *layout.Manifest, _ made) { m.Sums = "" })
	if got := a.remarks(); !strings.Contains(strings.Join(got, "\n"), "no checksums of their own") {
		t.Errorf("%q", got)
	}
}

// What a mirror was asked for is told as it says, of each run apart.
func TestRemarksOfAMirror(t *testing.T) {
	a, _ := audited(t, func(_ tree, m *layout.Manifest, _ made) {
		m.Tool = report.Tool{Name: "test", Version: "v1"}
		m.Scope = []layout.Scope{{Release: "v1.27.1"}, {Release: "v1.27.2", Images: true}, {Release: "v1.27.3", Images: true, Names: []string{"a", "b"}, Arches: []string{"amd64", "arm64"}},
			{Release: "v1.27.4", Arches: []string{"amd64"}, Names: []string{"a"}, Also: []string{"x", "y"}}}
	})
	want := []string{"asked for of v1.27.1: no images", "asked for of v1.27.2: all images", "asked for of v1.27.3: the images a, b, for amd64, arm64", "asked for of v1.27.4: no images; and x, y", "made 2023-05-17T15:00:00Z by test v1"}
	if got := a.remarks(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	a.absent = map[string][]string{"x": {"linux/arm64"}, "y": {"linux/arm64", "linux/s390x"}}
	want = slices.Insert(want, 4, "it is sparse: indexes name platforms that it has not: linux/arm64, linux/s390x")
	if got := a.remarks(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// The files of a release are judged by their paths in it, and what is no such path is not; who
// is interrupted knows nothing of the rest, and says of what.
func TestFilesThatAreJudged(t *testing.T) {
	version := release.Version{Major: 1, Minor: 27, Patch: 2}
	a, _ := audited(t, func(_ tree, m *layout.Manifest, _ made) {
		m.Files = nil
		for _, url := range []string{version.FileURL("../x"), version.FileURL("bin//x"), version.FileURL("bin/linux/amd64/-kubectl"), version.FileURL("bin/linux/amd64/.kubectl"), version.FileURL("bin/linux/amd64/kubectl x"), "https://dl.k8s.io/x", binary + layout.BundleSuffix} {
			m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum("x"), Size: 1})
		}
	})
	judged := map[string]bool{}
	if got, err := a.judgeFiles(t.Context(), &verify.Verifier{}, version, judged); err != nil || len(got) != 0 || len(judged) != 0 {
		t.Errorf("%v, %v, %v", err, got, judged)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	a, _ = audited(t, nil)
	got, err := a.judgeFiles(ended, &verify.Verifier{}, version, judged)
	if err != nil || len(got) != 2 || !reflect.DeepEqual(judged, map[string]bool{binary: true, beside: true}) {
		t.Fatalf("%v, %v, %v", err, got, judged)
	}
	for i, path := range []string{"amd64", "arm64"} {
		if got[i].Verdict() != report.Unknown || !strings.Contains(got[i].Subject, path) || len(got[i].Checks) == 0 {
			t.Errorf("%v", got[i])
		}
	}
}

// A file whose bytes are not those of the list is judged by that alone.
func TestFilesAreTheListed(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(f tree)
		verdict report.Verdict
		reason  report.Reason
	}{
		"another file":     {func(f tree) { f[layout.FilePath(binary)] = "six" }, report.Refuted, report.Mismatch},
		"a missing file":   {func(f tree) { delete(f, layout.FilePath(binary)) }, report.Unknown, report.Incomplete},
		"one of more size": {func(f tree) { f[layout.FilePath(binary)] = "ones" }, report.Refuted, report.Mismatch},
	} {
		f := listedMirror(t, nil, nil)
		tt.change(f)
		d := f.open(t)
		v := &verify.Verifier{}
		version := release.Version{Major: 1, Minor: 27, Patch: 2}
		files, err := v.WithFileChecks().Files(version)
		if err != nil {
			t.Fatal(err)
		}
		got := d.judgeFile(t.Context(), files, "bin/linux/amd64/kubectl")
		if c := got.Checks[0]; got.Verdict() != tt.verdict || c.Reason != tt.reason {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The lists of a registry are in order, cut where the client asks, and filtered as it asks.
func TestListsOfARegistry(t *testing.T) {
	var first, second string
	a, p := audited(t, func(f tree, m *layout.Manifest, p made) {
		for i, kind := range []string{"application/x", "application/y"} {
			digest, size := f.blob(manifestOf(kind, string(p.index), i))
			m.Images = append(m.Images, layout.ImageEntry{Name: fmt.Sprintf("registry.k8s.io/kube-proxy:r%d", i), Digest: oci.Digest(digest), MediaType: ociType, Size: int64(size)})
			if first == "" {
				first = digest
			} else {
				second = digest
			}
		}
		m.Images = append(m.Images, layout.ImageEntry{Name: "registry.k8s.io/pause:3.9", Digest: p.image, MediaType: imageType, Size: int64(len(f[layout.BlobPath(p.image)]))})
	})
	sorted := []string{first, second}
	slices.Sort(sorted)
	const host = "https://registry.k8s.io/v2/"
	for _, tt := range []struct {
		url    string
		status int
		want   []string // of its list
		link   string
	}{
		{"kube-proxy/referrers/" + string(p.index), 200, sorted, ""},
		{"kube-proxy/referrers/" + string(p.index) + "?artifactType=application/x", 200, []string{first}, ""},
		{"kube-proxy/referrers/" + string(p.index) + "?artifactType=application/y", 200, []string{second}, ""},
		{"kube-proxy/referrers/" + string(p.index) + "?artifactType=application/z", 200, nil, ""},
		{"kube-proxy/referrers/" + string(p.image), 200, nil, ""},
		{"kube-proxy/referrers/v1.27.2", 400, nil, ""},
		{"kube-proxy/tags/list", 200, []string{"r0", "r1", "v1.27.2"}, ""},
		{"kube-proxy/tags/list?n=2", 200, []string{"r0", "r1"}, `</v2/kube-proxy/tags/list?last=r1&n=2>; rel="next"`},
		{"kube-proxy/tags/list?n=2&last=r0", 200, []string{"r1", "v1.27.2"}, ""},
		{"kube-proxy/tags/list?n=3", 200, []string{"r0", "r1", "v1.27.2"}, ""},
		{"kube-proxy/tags/list?last=r0a", 200, []string{"r1", "v1.27.2"}, ""},
		{"kube-proxy/tags/list?n=0", 200, nil, ""},
		{"kube-proxy/tags/list?n=-1", 400, nil, ""},
		{"kube-proxy/tags/list?n=x", 400, nil, ""},
		{"_catalog", 200, []string{"kube-proxy", "pause"}, ""},
		{"_catalog?n=x", 400, nil, ""},
		{"_catalog?n=1", 200, []string{"kube-proxy"}, `</v2/_catalog?last=kube-proxy&n=1>; rel="next"`},
	} {
		resp, body, err := do(t, a.dir, http.MethodGet, host+tt.url, "")
		if err != nil || resp.StatusCode != tt.status {
			t.Errorf("%s: %d, %v", tt.url, resp.StatusCode, err)
			continue
		}
		for range 8 { // whatever the order in which they are met
			if _, again, err := do(t, a.dir, http.MethodGet, host+tt.url, ""); err != nil || again != body {
				t.Errorf("%s: another time %s, %v", tt.url, again, err)
			}
		}
		var doc struct {
			Manifests          []struct{ Digest string }
			Tags, Repositories []string
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		got := slices.Concat(doc.Tags, doc.Repositories)
		for _, m := range doc.Manifests {
			got = append(got, m.Digest)
		}
		if !slices.Equal(got, tt.want) || resp.Header.Get("Link") != tt.link {
			t.Errorf("%s: %q, %q", tt.url, got, resp.Header.Get("Link"))
		}
		if filtered := resp.Header.Get("OCI-Filters-Applied"); (filtered == "artifactType") != strings.Contains(tt.url, "artifactType=") || filtered != "" && filtered != "artifactType" {
			t.Errorf("%s: filtered by %q", tt.url, filtered)
		}
	}
}
