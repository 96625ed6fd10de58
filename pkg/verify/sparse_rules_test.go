package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

const (
	sparseOf    = "v1.27.2"
	sparseOther = "registry.k8s.io/pause:3.9"
)

// absences are what the report of a run has as not there.
func absences(t testing.TB, r *run) []string {
	return r.session.Report(t.Context(), report.Scope{}, nil, nil).Scope.Absent
}

// Rule 26: what a mirror's lists narrow an image of a release to: only lists of that release, with
// images, and of that name; one that names no architecture has them all. They never narrow what was
// asked for, or to nothing that the release has.
func TestWhatAMirrorsListNarrows(t *testing.T) {
	of := func(arches ...string) MirrorScope {
		return MirrorScope{Release: sparseOf, Images: true, Arches: arches}
	}
	with := func(s MirrorScope, change func(s *MirrorScope)) MirrorScope { change(&s); return s }
	named := func(names ...string) func(*MirrorScope) { return func(s *MirrorScope) { s.Names = names } }
	for _, tt := range []struct {
		name   string
		lists  []MirrorScope
		change func(im *image)
		want   string // architectures, "" if it is not narrowed
	}{
		{"no list", nil, nil, ""},
		{"one architecture", []MirrorScope{of("amd64")}, nil, "amd64"},
		{"two lists", []MirrorScope{of("amd64"), of("arm64")}, nil, "amd64 arm64"},
		{"all architectures", []MirrorScope{of()}, nil, ""},
		{"one, and then all", []MirrorScope{of("amd64"), of()}, nil, ""},
		{"all, and then one", []MirrorScope{of(), of("amd64")}, nil, ""},
		{"of another release", []MirrorScope{with(of("amd64"), func(s *MirrorScope) { s.Release = "v1.27.1" })}, nil, ""},
		{"of another release, and then one of this", []MirrorScope{with(of("amd64"), func(s *MirrorScope) { s.Release = "v1.27.1" }), of("arm64")}, nil, "arm64"},
		{"of files alone", []MirrorScope{with(of("amd64"), func(s *MirrorScope) { s.Images = false })}, nil, ""},
		{"of this name", []MirrorScope{with(of("amd64"), named("x", "kube-proxy"))}, nil, "amd64"},
		{"of another name", []MirrorScope{with(of("amd64"), named("kube-scheduler"))}, nil, ""},
		{"of no architecture of the release", []MirrorScope{of("mips")}, nil, ""},
		{"of one that it has and one that it has not", []MirrorScope{of("mips", "arm64")}, nil, "mips arm64"},
		{"where some were asked for", []MirrorScope{of("amd64")}, func(im *image) { im.arches = []string{"s390x"} }, ""},
		{"in an architecture's own repository", []MirrorScope{of("amd64")}, func(im *image) { im.own = true }, ""},
		{"of no release", []MirrorScope{with(of("amd64"), func(s *MirrorScope) { s.Release = "" })}, func(im *image) { im.version = release.Version{} }, ""},
	} {
		r := runOf(t)
		r.sparse = tt.lists
		im := &image{name: "kube-proxy", tag: sparseOf, version: versionNamed(t, sparseOf), core: true}
		if tt.change != nil {
			tt.change(im)
		}
		before := slices.Clone(im.arches)
		r.narrow(im, []string{"amd64", "arm64", "s390x"})
		if tt.want == "" && (im.narrowed || !slices.Equal(im.arches, before)) || tt.want != "" && (!im.narrowed || strings.Join(im.arches, " ") != tt.want) {
			t.Errorf("%s: narrowed %v to %v, want %q", tt.name, im.narrowed, im.arches, tt.want)
		}
	}
}

// What is named by itself is narrowed too: one of a release to what the mirror has of it, and
// what it leaves out is told; another by the lists that name it, and to their systems.
func TestWhatAMirrorsListNarrowsOfANamedImage(t *testing.T) {
	also := func(arches, oses []string, names ...string) MirrorScope {
		return MirrorScope{Also: names, Arches: arches, OSes: oses}
	}
	one := func(s string) []string { return []string{s} }
	released := MirrorScope{Release: sparseOf, Images: true, Arches: []string{"amd64", "s390x"}}
	for _, tt := range []struct {
		name, ref string
		lists     []MirrorScope
		want      string
		absent    int
	}{
		{"of a release", "kube-proxy:" + sparseOf, []MirrorScope{released}, "amd64,s390x; ; true expect amd64,s390x", 2},
		{"of a release that no list has", "kube-proxy:v1.27.1", []MirrorScope{released}, "; ; false expect amd64,arm64,ppc64le,s390x", 0},
		{"a release's, in the list of others", "kube-proxy:" + sparseOf, []MirrorScope{also(one("amd64"), nil, "registry.k8s.io/kube-proxy:"+sparseOf)}, "; ; false expect amd64,arm64,ppc64le,s390x", 0},
		{"another", "pause:3.9", []MirrorScope{also(one("amd64"), nil, sparseOther)}, "amd64; ; true expect ", 0},
		{"another that no list names", "pause:3.8", []MirrorScope{also(one("amd64"), one("linux"), sparseOther)}, "; ; false expect ", 0},
		{"another, of one system", "pause:3.9", []MirrorScope{also(nil, one("linux"), sparseOther)}, "; linux; true expect ", 0},
		{"another, of both", "pause:3.9", []MirrorScope{also(one("amd64"), one("linux"), sparseOther)}, "amd64; linux; true expect ", 0},
		{"another, whole", "pause:3.9", []MirrorScope{also(nil, nil, sparseOther)}, "; ; false expect ", 0},
		{"another, in two lists", "pause:3.9", []MirrorScope{also(one("amd64"), one("linux"), sparseOther), also(one("arm64"), one("windows"), "x", sparseOther)}, "amd64,arm64; linux,windows; true expect ", 0},
		{"another, of all systems by the second", "pause:3.9", []MirrorScope{also(one("amd64"), one("linux"), sparseOther), also(one("arm64"), nil, sparseOther), also(one("amd64"), one("linux"), sparseOther)}, "amd64,arm64,amd64; ; true expect ", 0},
		{"another, a list of others first", "pause:3.9", []MirrorScope{also(one("s390x"), one("windows"), "x"), also(one("amd64"), one("linux"), sparseOther)}, "amd64; linux; true expect ", 0},
	} {
		r := runOf(t)
		r.sparse = tt.lists
		ref, err := registry.ParseRef("registry.k8s.io/" + tt.ref)
		if err != nil {
			t.Fatal(err)
		}
		im := r.imageNamed(ref)
		r.narrowReference(im)
		got := fmt.Sprintf("%s; %s; %v expect %s", strings.Join(im.arches, ","), strings.Join(im.oses, ","), im.narrowed, strings.Join(im.expect, ","))
		if absent := absences(t, r); got != tt.want || len(absent) != tt.absent || tt.absent == 2 && absent[0] != "registry.k8s.io/kube-proxy:"+sparseOf+" linux/arm64" {
			t.Errorf("%s: %s, want %s; absent %v", tt.name, got, tt.want, absent)
		}
	}
}

// Rule 26: what a mirror's list leaves out is looked for under its own name, and another image there
// is told, whatever comes after it.
func TestWhatAMirrorsListHides(t *testing.T) {
	good, other := imageManifest(hashOf("c")), imageManifest(hashOf("d"))
	const nothing = "unknown: "
	for _, tt := range []struct {
		name   string
		lies   map[string][]byte // by architecture; empty is an outage
		change func(im *image)
		want   string
	}{
		{"nothing", nil, nil, nothing},
		{"the same", map[string][]byte{"arm64": good}, nil, nothing},
		{"another", map[string][]byte{"arm64": other}, nil, "refuted mismatch: the mirror's list leaves out registry.k8s.io/kube-proxy-arm64:v1.27.2"},
		{"another, behind one that is not there", map[string][]byte{"s390x": other}, nil, "refuted mismatch: the mirror's list leaves out registry.k8s.io/kube-proxy-s390x:v1.27.2"},
		{"what cannot be read", map[string][]byte{"arm64": nil}, nil, "unknown unreachable: the mirror's list leaves it out, and something is there: "},
		{"another, and then what cannot be read", map[string][]byte{"arm64": other, "s390x": nil}, nil, "refuted mismatch: "},
		{"what cannot be read, and then another", map[string][]byte{"arm64": nil, "s390x": other}, nil, "refuted mismatch: "},
		{"another, left out by who asked", map[string][]byte{"arm64": other}, func(im *image) { im.narrowed = false }, nothing},
		{"another, of no release", map[string][]byte{"arm64": other}, func(im *image) { im.core = false }, nothing},
		{"another, by digest", map[string][]byte{"arm64": other}, func(im *image) { im.tag = "" }, nothing},
		{"another, of another system", map[string][]byte{"arm64": other}, func(im *image) { im.left[0].desc.Platform = &registry.Platform{OS: "windows"} }, nothing},
		{"another, behind one of another system", map[string][]byte{"s390x": other}, func(im *image) { im.left[0].desc.Platform = &registry.Platform{OS: "windows"} }, "refuted mismatch: "},
	} {
		s := newShelf()
		for arch, body := range tt.lies {
			s.put("kube-proxy-"+arch, "manifests/v1.27.2", registry.OCIManifest, body)
		}
		s.has["kube-proxy-arm64/manifests/"] = shelved{registry.OCIManifest, other} // under no tag at all
		left := func(arch string) *platform {
			return &platform{arch: arch, name: "linux/" + arch, desc: registry.Descriptor{Digest: oci.DigestOf(good)}}
		}
		im := &image{name: "kube-proxy", tag: sparseOf, version: versionNamed(t, sparseOf), core: true, narrowed: true, left: []*platform{left("arm64"), left("s390x")}}
		if tt.change != nil {
			tt.change(im)
		}
		r := s.reads(t)
		r.reallyAbsent(t.Context(), im)
		if got := said(im.other); !strings.HasPrefix(got, tt.want) || tt.want == nothing && im.other.Name != "" {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A list that leaves nothing of an index narrows nothing, and which of its platforms one asks for.
func TestWhatIsAskedForOfAnIndex(t *testing.T) {
	of := func(os, arch string) registry.Descriptor {
		return registry.Descriptor{Platform: &registry.Platform{OS: os, Architecture: arch}}
	}
	idx := &registry.Index{Manifests: []registry.Descriptor{{}, of("unknown", "unknown"), of("linux", "amd64"), of("windows", "amd64"), of("linux", "arm64")}}
	for _, tt := range []struct {
		arches, oses   string
		narrowed       bool
		asks           string
		afterwardsSame bool
	}{
		{"", "", false, "linux/amd64 windows/amd64 linux/arm64", true},
		{"amd64", "", true, "linux/amd64 windows/amd64", true},
		{"amd64", "linux", true, "linux/amd64", true},
		{"", "windows", true, "windows/amd64", true},
		{"arm64", "windows", true, "", false},
		{"arm64", "windows", false, "", true},
		{"unknown", "", true, "", false},
		{"mips arm64", "", true, "linux/arm64", true},
	} {
		im := &image{arches: strings.Fields(tt.arches), oses: strings.Fields(tt.oses), narrowed: tt.narrowed}
		var asks []string
		for _, d := range idx.Manifests[2:] {
			if im.asksFor(d) {
				asks = append(asks, d.Platform.String())
			}
		}
		im.widen(idx)
		same := im.narrowed == tt.narrowed && strings.Join(im.arches, " ") == tt.arches && strings.Join(im.oses, " ") == tt.oses
		if got := strings.Join(asks, " "); got != tt.asks || same != tt.afterwardsSame || !same && (im.narrowed || im.arches != nil || im.oses != nil) {
			t.Errorf("%+v: asks for %s; then %+v", tt, got, im)
		}
	}
}

// The images that a mirror was not made for are told, and those that it was made for are not.
func TestWhichImagesAMirrorLeavesOut(t *testing.T) {
	for _, tt := range []struct {
		images bool
		names  []string
		want   int
	}{{true, nil, 0}, {true, []string{"kube-proxy"}, 4}, {false, nil, 5}, {false, []string{"kube-proxy"}, 5}} {
		b := newImageSet(runOf(t), versionNamed(t, sparseOf), tt.names, nil)
		b.leftOut(tt.images)
		got := absences(t, b.run)
		if len(got) != tt.want || slices.Contains(got, "registry.k8s.io/kube-proxy:v1.27.2") != !tt.images {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
