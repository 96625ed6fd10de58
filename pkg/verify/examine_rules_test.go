package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

func versionNamed(t testing.TB, s string) release.Version {
	t.Helper()
	v, err := release.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// changelogOf is what a release says of itself by its CHANGELOG alone: images "kube-new amd64,arm64".
func changelogOf(t testing.TB, r *run, images ...string) *claims.Documents {
	t.Helper()
	list := &release.Changelog{}
	for _, row := range images {
		name, arches, _ := strings.Cut(row, " ")
		im := release.Image{Registry: "registry.k8s.io", Name: name, Tag: "v1.27.2"}
		for a := range strings.SplitSeq(arches, ",") {
			im.Platforms = append(im.Platforms, "linux/"+a)
		}
		list.Images = append(list.Images, im)
	}
	d := (&claims.Documents{Version: versionNamed(t, "v1.27.2"), Release: &release.Release{}}).In(r.session)
	d.Release.Changelog.Value = list
	return d
}

// listsOf is a set of these architectures by image.
func listsOf(r *run, lists map[string][]string) *imageSet {
	b := &imageSet{run: r, version: release.Version{Major: 1, Minor: 27, Patch: 2}, known: true, lists: map[string][]string{}}
	for name, arches := range lists {
		b.expect(name, arches...)
	}
	return b
}

// Rule 2: what must be there begins with the least that the policy knows of the minor, of Kubernetes 1 alone.
func TestTheLeastThatIsExpected(t *testing.T) {
	for _, tt := range []struct {
		version string
		want    string
	}{
		{"v1.27.2", "amd64,arm64,ppc64le,s390x"}, {"v1.26.0", "amd64,arm,arm64,ppc64le,s390x"}, {"v1.2.0", ""}, {"v2.27.2", ""},
	} {
		v := release.Version{Major: 2, Minor: 27, Patch: 2}
		if tt.version[1] == '1' {
			v = versionNamed(t, tt.version)
		}
		b := newImageSet(runOf(t), v, nil, nil)
		if got := strings.Join(b.lists["kube-proxy"], ","); got != tt.want || b.known != (tt.want != "") || (len(b.lists) == 0) == b.known {
			t.Errorf("%s: kube-proxy of %s, known %v, %d images", tt.version, got, b.known, len(b.lists))
		}
	}
}

// Lists add to one another, in order, and take nothing away; what was asked for, and is of the shard,
// is examined.
func TestListsAddToOneAnother(t *testing.T) {
	b := listsOf(runOf(t), nil)
	b.expect("x", "s390x", "amd64")
	b.expect("x", "arm64", "amd64")
	b.expect("x")
	if got := strings.Join(b.lists["x"], ","); got != "amd64,arm64,s390x" {
		t.Errorf("%s", got)
	}
	for _, tt := range []struct {
		names            []string
		shard            func(string) bool
		wanted, examines bool
	}{
		{nil, nil, true, true},
		{[]string{"y", "x"}, nil, true, true},
		{[]string{"y"}, nil, false, false},
		{nil, func(n string) bool { return n == "x" }, true, true},
		{nil, func(n string) bool { return n != "x" }, true, false},
		{[]string{"y"}, func(n string) bool { return n == "x" }, false, false},
	} {
		b.names, b.inShard = tt.names, tt.shard
		if b.wanted("x") != tt.wanted || b.examines("x") != tt.examines {
			t.Errorf("%q: wanted %v, examined %v", tt.names, b.wanted("x"), b.examines("x"))
		}
	}
}

// Documents are read where they say what to examine, or what it is held against, and not twice.
func TestWhenDocumentsAreRead(t *testing.T) {
	few := []string{report.Digest, report.Signature}
	lists := map[string][]string{"x": {"amd64"}, "y": {"arm64"}}
	for _, tt := range []struct {
		name   string
		checks []string
		change func(b *imageSet)
		want   string // "", "few" or "all"
	}{
		{"all checks", nil, nil, "few"},
		{"digest and signature", few, nil, ""},
		{"everything", few, func(b *imageSet) { b.everything = true }, "all"},
		{"documents alone", few, func(b *imageSet) { b.noImages = true }, "few"},
		{"of no version", nil, func(b *imageSet) { b.version = release.Version{} }, ""},
		{"read already", nil, func(b *imageSet) { b.docs = &claims.Documents{} }, ""},
		{"names that are known", few, func(b *imageSet) { b.names = []string{"x", "y"} }, ""},
		{"a name that is not", few, func(b *imageSet) { b.names = []string{"x", "z"} }, "few"},
		{"architectures that are known", few, func(b *imageSet) { b.arches = []string{"arm64", "amd64"} }, ""},
		{"an architecture that is not", few, func(b *imageSet) { b.arches = []string{"arm64", "s390x"} }, "few"},
		{"a minor that is not known", few, func(b *imageSet) { b.known = false }, "few"},
		{"a name that is not, one by one", few, func(b *imageSet) { b.names, b.oneByOne = []string{"z"}, true }, ""},
	} {
		s, r := shelfOf(t, tt.checks...)
		b := listsOf(r, lists)
		if tt.change != nil {
			tt.change(b)
		}
		b.load(t.Context())
		got := ""
		switch text := strings.Join(s.asked, " "); {
		case strings.Contains(text, "SHA256SUMS"):
			got = "all"
		case text != "":
			got = "few"
		}
		if got != tt.want || (b.docs == nil) != (tt.want == "") && tt.name != "read already" {
			t.Errorf("%s: %q are read, want %s", tt.name, s.asked, tt.want)
		}
	}
}

// An image of a release must have what the lists say, as far as it was asked for; what a mirror's
// own list leaves out is absent.
func TestWhatAnImageMustHave(t *testing.T) {
	for _, tt := range []struct {
		name         string
		arches       []string
		held         bool
		sparse       []MirrorScope
		want, absent string
	}{
		{"all", nil, false, nil, "amd64,arm64", ""},
		{"one", []string{"arm64"}, false, nil, "arm64", ""},
		{"one that is not listed", []string{"s390x"}, false, nil, "", ""},
		{"one that is held", []string{"arm64"}, true, nil, "arm64", "amd64"},
		{"one of a mirror", nil, false, []MirrorScope{{Release: "v1.27.2", Images: true, Arches: []string{"amd64"}}}, "amd64", "arm64"},
		{"one of a mirror of another release", nil, false, []MirrorScope{{Release: "v1.27.1", Images: true, Arches: []string{"amd64"}}}, "amd64,arm64", ""},
	} {
		r := runOf(t)
		r.held, r.sparse = tt.held, tt.sparse
		b := listsOf(r, map[string][]string{"x": {"arm64", "amd64"}})
		b.arches = tt.arches
		im := b.image("x")
		absent := r.session.Report(t.Context(), report.Scope{}, nil, nil).Scope.Absent
		if strings.Join(im.expect, ",") != tt.want || (tt.absent == "") != (len(absent) == 0) || tt.absent != "" && absent[0] != "registry.k8s.io/x:v1.27.2 linux/"+tt.absent {
			t.Errorf("%s: expects %q, absent %q", tt.name, im.expect, absent)
		}
		if !im.core || im.version != b.version || im.tag != "v1.27.2" {
			t.Errorf("%s: %s", tt.name, placedAs(im))
		}
	}
}

// What documents list beyond the minimum is examined too, and a name or an architecture that
// nothing lists is a mistake, or not known while a document is unread.
func TestWhatDocumentsAdd(t *testing.T) {
	outage := &fetch.Error{Kind: fetch.Unreachable, URL: "there"}
	for _, tt := range []struct {
		name          string
		names, arches []string
		listed        []string
		change        func(b *imageSet)
		want          string // images that are added, or what the error says
		unread        bool
	}{
		{"nothing", nil, nil, nil, nil, "", false},
		{"two images", nil, nil, []string{"z amd64", "c amd64"}, nil, "c z", false},
		{"one that is there", nil, nil, []string{"a amd64"}, nil, "", false},
		{"one of those that are asked for", []string{"z"}, nil, []string{"z amd64", "c amd64"}, nil, "z", false},
		{"one of the shard", nil, nil, []string{"z amd64", "c amd64"}, func(b *imageSet) { b.inShard = func(n string) bool { return n == "c" } }, "c", false},
		{"a name that nothing lists", []string{"y"}, nil, []string{"z amd64"}, nil, `v1.27.2 has no image "y"; it has a, b, z`, false},
		{"an architecture that nothing lists", nil, []string{"riscv64"}, []string{"z s390x"}, nil, `v1.27.2 has no architecture "riscv64"; it has amd64, arm64, s390x`, false},
		{"one that a document lists", nil, []string{"s390x"}, []string{"z s390x"}, nil, "z", false},
		{"a name, and a document unread", []string{"y"}, nil, nil, func(b *imageSet) { b.docs.Release.Changelog.Err = outage }, `v1.27.2 has no image "y"; it has a, b`, true},
		{"an architecture, and a document unread", nil, []string{"riscv64"}, nil, func(b *imageSet) { b.docs.Release.Changelog.Err = outage }, `v1.27.2 has no architecture "riscv64"`, true},
		{"a name, where nothing is known", []string{"y"}, []string{"riscv64"}, nil, func(b *imageSet) { b.lists = map[string][]string{} }, "", false},
		{"no documents", nil, nil, nil, func(b *imageSet) { b.docs = nil }, "", false},
	} {
		r := runOf(t)
		b := listsOf(r, map[string][]string{"a": {"arm64", "amd64"}, "b": {"amd64"}})
		b.names, b.arches, b.docs = tt.names, tt.arches, changelogOf(t, r, tt.listed...)
		b.images = []*image{{name: "a"}, {name: "b"}}
		if tt.change != nil {
			tt.change(b)
		}
		more, err := b.remaining()
		var got []string
		for _, im := range more {
			got = append(got, im.name)
		}
		var usage *UsageError
		var unread *UnreadError
		if text := strings.Join(got, " "); err == nil && text != tt.want || err != nil && (!strings.Contains(err.Error(), tt.want) || tt.want == "" || more != nil) || tt.want != "" && text == "" && err == nil {
			t.Errorf("%s: %s, %v; want %s", tt.name, text, err, tt.want)
		}
		if err != nil && (errors.As(err, &unread) != tt.unread || !tt.unread && !errors.As(err, &usage)) {
			t.Errorf("%s: %T", tt.name, err)
		}
	}
}

// A platform that a document lists and the index does not name is missing; of what was not
// read, or is one manifest, nothing is said.
func TestPlatformsThatDocumentsAdd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		has    string
		change func(im *image)
		want   string
	}{
		{"all", "linux/amd64=1 linux/arm64=2", nil, ""},
		{"one", "linux/amd64=1", nil, "linux/arm64"},
		{"the other", "linux/arm64=2", nil, "linux/amd64"},
		{"none", "", nil, "linux/amd64 linux/arm64"},
		{"of another system", "windows/amd64=1 linux/arm64=2", nil, "linux/amd64"},
		{"not read", "", func(im *image) { im.digest = "" }, ""},
		{"one manifest", "", func(im *image) { im.single = true }, ""},
	} {
		b := listsOf(runOf(t), map[string][]string{"x": {"amd64", "arm64"}})
		im := &image{name: "x", digest: hashOf("1")}
		for _, d := range descriptors(tt.has) {
			im.platforms = append(im.platforms, &platform{arch: d.Platform.Architecture, name: d.Platform.String(), desc: d})
		}
		if tt.change != nil {
			tt.change(im)
		}
		n := len(im.platforms)
		b.addMissingPlatforms(im)
		var got []string
		for _, p := range im.platforms[n:] {
			got = append(got, p.name)
			if said(p.digestCheck) != "unknown incomplete: the index does not name "+p.name+", which the release's own lists do" || p.signed.signature.Name == "" || p.desc.Digest != "" || p.arch != p.name[6:] {
				t.Errorf("%s: %s: %s", tt.name, p.name, said(p.digestCheck))
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q are added, want %s", tt.name, got, tt.want)
		}
	}
}

// Images stand by their names, and those that an interrupt left unexamined are unknown.
func TestExaminedImages(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		_, r := shelfOf(t, report.Digest, report.Signature)
		r.progress = &Progress{}
		ctx, cancel := context.WithCancel(t.Context())
		if interrupted {
			cancel()
		}
		b := &imageSet{run: r, images: []*image{{name: "m"}}}
		b.examine(ctx, []*image{{name: "z", tag: "x"}, {name: "a", tag: "x"}})
		cancel()
		var names []string
		for _, im := range b.images {
			names = append(names, im.name)
			if want := "unknown absent: "; im.name != "m" && !interrupted && !strings.HasPrefix(said(im.digestCheck), want) {
				t.Errorf("%s: %s", im.name, said(im.digestCheck))
			}
			if want := "unknown interrupted: the run was interrupted before this was examined"; im.name != "m" && interrupted && (said(im.digestCheck) != want || im.signed.signature.Name == "" || im.digestCheck.Name != report.Digest) {
				t.Errorf("%s: %s", im.name, said(im.digestCheck))
			}
		}
		if done, total := r.progress.Counts(); !slices.Equal(names, []string{"a", "m", "z"}) || total != 2 || (done == 2) == interrupted {
			t.Errorf("%q, %d of %d", names, done, total)
		}
	}
}

// The steps of a set: documents alone, a mistake before anything is asked, and the minimum.
func TestStepsOfASet(t *testing.T) {
	s, r := shelfOf(t)
	b := listsOf(r, map[string][]string{"x": {"amd64"}})
	b.noImages = true
	if err := b.examineAll(t.Context()); err != nil || b.docs == nil || len(b.images) > 0 || slices.ContainsFunc(s.asked, func(p string) bool { return strings.Contains(p, "/manifests/v") }) {
		t.Errorf("documents alone: %v, %d images, %q", err, len(b.images), s.asked)
	}
	s, r = shelfOf(t)
	b = listsOf(r, map[string][]string{"x": {"amd64"}})
	b.names = []string{"x", "x"}
	var usage *UsageError
	if err := b.examineAll(t.Context()); !errors.As(err, &usage) || len(s.asked) > 0 {
		t.Errorf("named twice: %v, %q", err, s.asked)
	}
	_, r = shelfOf(t)
	b = listsOf(r, map[string][]string{"x": {"amd64"}})
	b.names, b.docs = []string{"y"}, changelogOf(t, r)
	if err := b.examineAll(t.Context()); !errors.As(err, &usage) {
		t.Errorf("a name that nothing lists: %v", err)
	}
	_, r = shelfOf(t)
	b = listsOf(r, map[string][]string{"x": {"amd64"}, "y": {"amd64"}})
	b.docs = changelogOf(t, r, "z amd64")
	if err := b.examineAll(t.Context()); err != nil || len(b.images) != 3 || len(b.minimum) != 2 {
		t.Errorf("all: %v, %d images", err, len(b.images))
	}
	for _, im := range b.images {
		if im.binding.Name != report.Binding {
			t.Errorf("%s is not bound", im.name)
		}
	}
	_, r = shelfOf(t, report.Digest, report.Signature, report.Contents)
	coredns := &image{name: "coredns/coredns", tag: "v1.10.1"}
	b = &imageSet{run: r, oneByOne: true, minimum: []*image{coredns}}
	if err := b.examineAll(t.Context()); err != nil || coredns.contents.Name != report.Contents {
		t.Errorf("what is in it: %v, %s", err, said(coredns.contents))
	}
	_, r = shelfOf(t)
	b = listsOf(r, map[string][]string{"x": {"amd64", "arm64"}})
	b.docs, b.images = changelogOf(t, r), []*image{{name: "x", digest: hashOf("1")}}
	if _, err := b.remaining(); err != nil || len(b.images[0].platforms) != 2 {
		t.Errorf("platforms that are missing: %v, %d", err, len(b.images[0].platforms))
	}
	_, r = shelfOf(t)
	b = &imageSet{run: r, oneByOne: true, minimum: []*image{{name: "x", tag: "v1.27.2"}}, docs: changelogOf(t, r, "z amd64")}
	if err := b.examineAll(t.Context()); err != nil || len(b.images) != 1 {
		t.Errorf("one by one: %v, %d images", err, len(b.images))
	}
}

// Once interrupted, a release that was not looked at is unknown, and that is demanded; what cannot
// be asked for is refused.
func TestReleasesThatWereNotLookedAt(t *testing.T) {
	s := &shelf{has: map[string]shelved{}}
	client := &fetch.Client{Transport: s}
	v := &Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	two := []release.Version{versionNamed(t, "v1.27.2"), versionNamed(t, "v1.27.1")}
	rep, err := v.Images(ctx, Request{Versions: two})
	if err != nil || len(rep.Results) != 2 || len(s.asked) > 0 || !rep.Interrupted || rep.Verdict() != report.Unknown {
		t.Fatalf("%v: %+v, %q", err, rep.Results, s.asked)
	}
	for i, res := range rep.Results {
		c := res.Checks[0]
		if res.Subject != two[i].String() || res.Release != two[i].String() || res.Kind != report.KindRelease || !c.Required || c.Name != report.Inventory || !strings.HasPrefix(said(c), "unknown interrupted: ") {
			t.Errorf("%+v", res)
		}
	}
	if !slices.Equal(rep.Scope.Subjects, []string{"v1.27.2", "v1.27.1"}) || !slices.Equal(rep.Releases, rep.Scope.Subjects) {
		t.Errorf("%+v", rep.Scope)
	}
	few := *v
	few.Checks = []string{report.Digest, report.Signature}
	if rep, err := few.Images(ctx, Request{Versions: two}); err != nil || len(rep.Results) != 2 || !rep.Results[0].Checks[0].Required {
		t.Errorf("without the inventory: %v, %+v", err, rep.Results)
	}
	var usage *UsageError
	bad := *v
	bad.Checks = []string{report.Digest}
	if _, err := bad.Images(t.Context(), Request{Versions: two}); !errors.As(err, &usage) {
		t.Errorf("no signature: %v", err)
	}
	for name, req := range map[string]Request{
		"none": {}, "twice": {Versions: []release.Version{two[0], two[0]}}, "no shard": {Versions: two, Shard: &report.Shard{Index: 3, Count: 2}},
		"no shard of one": {Versions: two[:1], Shard: &report.Shard{Index: 3, Count: 2}}, "no image": {Versions: two[:1], Names: []string{"x", "x"}},
	} {
		for _, of := range []func(context.Context, Request) (report.Report, error){v.Images, v.Release} {
			if rep, err := of(t.Context(), req); !errors.As(err, &usage) || len(rep.Results) > 0 {
				t.Errorf("%s: %v, %d results", name, err, len(rep.Results))
			}
		}
	}
}
