package verify

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Rule 11: a record binds with the manifest that it names, read at its commit, for a tag that it
// gives, and to a place that it names.
func TestWhatAPromotionRecordBinds(t *testing.T) {
	src := promoted(t, [3]string{"kube-proxy", "1", `"v1.27.2"`}, [3]string{"kube-proxy", "4", `"v1.25.0"`}, [3]string{"kube-proxy", "5", `"v1.25.0"`}, [3]string{"coredns", "6", `"v1.10.1"`})
	of := func(change func(r *record)) *record {
		r := &record{tags: []string{"v1.27.2", "v1.25.0", "v1.10.1", "v1.9.9"}, destination: "registry.k8s.io/kube-proxy", source: src}
		if change != nil {
			change(r)
		}
		return r
	}
	for _, tt := range []struct {
		name, image, tag, digit string
		r                       *record
		want                    stance
	}{
		{"its digest", "kube-proxy", "v1.27.2", "1", of(nil), affirms},
		{"another digest", "kube-proxy", "v1.27.2", "9", of(nil), contradicts},
		{"a name in a project", "coredns/coredns", "v1.10.1", "6", of(nil), affirms},
		{"a tag of two digests, and one of them", "kube-proxy", "v1.25.0", "4", of(nil), silent},
		{"a tag of two digests, and neither", "kube-proxy", "v1.25.0", "9", of(nil), contradicts},
		{"a tag that the manifest has not", "kube-proxy", "v1.9.9", "1", of(nil), silent},
		{"a digest alone", "kube-proxy", "", "1", of(nil), silent},
		{"a digest alone, and a record of an empty tag", "kube-proxy", "", "1", of(func(r *record) { r.tags = []string{""} }), silent},
		{"a tag that the record has not", "kube-proxy", "v1.27.2", "1", of(func(r *record) { r.tags = []string{"v1.27.1"} }), silent},
		{"no destination", "kube-proxy", "v1.27.2", "1", of(func(r *record) { r.destination = "" }), silent},
		{"a manifest that could not be read", "kube-proxy", "v1.27.2", "1", of(func(r *record) { r.source.Err = errors.New("x") }), silent},
		{"no manifest", "kube-proxy", "v1.27.2", "1", of(func(r *record) { r.source = release.Source[*release.Promotion]{} }), silent},
		{"no record", "kube-proxy", "v1.27.2", "1", nil, silent},
	} {
		got := tt.r.witness(&image{name: tt.image, tag: tt.tag, digest: hashOf(tt.digit)})
		if got.stance != tt.want || tt.want != silent && (got.strength != report.Published || got.source != "the manifest" || !strings.Contains(got.detail, release.PromotionName(tt.image)+":"+tt.tag)) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	carried, no := of(nil), of(func(r *record) {
		r.source = promoted(t, [3]string{"kube-proxy", "9", `"v1.27.2"`})
	})
	carried.source.Origin = fetch.Carried
	nothing := of(func(r *record) { r.destination = "" })
	for _, tt := range []struct {
		records  []*record
		want     stance
		strength report.Strength
	}{
		{nil, silent, 0},
		{[]*record{nothing}, silent, 0},
		{[]*record{of(nil), nothing}, affirms, report.Published},
		{[]*record{nothing, of(nil)}, affirms, report.Published},
		{[]*record{carried}, affirms, report.Carried},
		{[]*record{carried, of(nil)}, affirms, report.Published},
		{[]*record{carried, nothing}, affirms, report.Carried},
		{[]*record{of(nil), carried}, affirms, report.Published},
		{[]*record{of(nil), no}, contradicts, report.Published},
		{[]*record{no, of(nil)}, contradicts, report.Published},
	} {
		got := recordWitness(&image{name: "kube-proxy", tag: "v1.27.2", digest: hashOf("1"), records: tt.records})
		if got.stance != tt.want || got.strength != tt.strength && tt.want != silent {
			t.Errorf("%d records: %+v, want %v %v", len(tt.records), got, tt.want, tt.strength)
		}
	}
}

// The promotion manifests that are read beside a release's own: of each project one, and none of an
// image of a release whose documents were read. Which of them lists an image.
func TestWhichPromotionManifestsAreRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		checks []string
		docs   *claims.Documents
		want   []string
	}{
		{"with documents", nil, &claims.Documents{Release: &release.Release{}}, []string{"coredns/coredns"}},
		{"without documents", nil, nil, []string{"coredns/coredns", "kube-proxy"}},
		{"where nothing is bound", []string{report.Digest, report.Signature}, nil, nil},
	} {
		asked := map[string]int{}
		b := &imageSet{run: runOf(t, tt.checks...), docs: tt.docs}
		b.run.session.Fetch = &fetch.Client{Transport: counting(asked)}
		b.images = []*image{{name: "kube-proxy", core: true}, {name: "coredns/coredns"}, {name: "coredns/coredns"}}
		b.readPromotions(t.Context())
		for _, name := range tt.want {
			if n := asked[release.PromotionURL(name)]; n != 1 {
				t.Errorf("%s: that of %s was read %d times", tt.name, name, n)
			}
		}
		if len(asked) != len(tt.want) {
			t.Errorf("%s: %v", tt.name, asked)
		}
		core, other := b.promotion(b.images[0]), b.promotion(b.images[1])
		if tt.docs != nil && core != &tt.docs.Release.Promotion || tt.docs == nil && core != nil || (other != nil) != (tt.want != nil) {
			t.Errorf("%s: %v %v", tt.name, core, other)
		}
	}
	b := &imageSet{docs: &claims.Documents{}}
	if b.promotion(&image{name: "kube-proxy", core: true}) != nil {
		t.Error("of a release that was not read")
	}
}

// counting answers that nothing is there, and counts what was asked for.
type counting map[string]int

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c[r.URL.String()]++
	return served{}.RoundTrip(r)
}

// Rule 11: the manifests that promotion records name are read where the record names the project's
// own, at a commit, each once and not more than are read.
func TestWhichManifestsOfRecordsAreRead(t *testing.T) {
	const repository, commit = "git+https://github.com/kubernetes/k8s.io", "0123456789abcdef0123456789abcdef01234567"
	path := release.PromotionPath("kube-proxy")
	at := func(repository, manifest, commit string) *record {
		return &record{repository: repository, manifest: manifest, commit: commit}
	}
	for _, tt := range []struct {
		name string
		r    *record
		want bool
	}{
		{"its own", at(repository, path, commit), true},
		{"its own, with .git", at(repository+".git", path, commit), true},
		{"of a fork", at("git+https://github.com/mallory/k8s.io", path, commit), false},
		{"of another project", at(repository, release.PromotionPath("coredns/coredns"), commit), false},
		{"at a branch", at(repository, path, "main"), false},
		{"at a shorter commit", at(repository, path, commit[1:]), false},
		{"at a longer commit", at(repository, path, commit+"0"), false},
		{"at a commit in capitals", at(repository, path, strings.ToUpper(commit)), false},
		{"at two lines", at(repository, path, commit+"\n"), false},
	} {
		for _, bound := range []bool{false, true} {
			asked := map[string]int{}
			var checks []string
			if !bound {
				checks = []string{report.Digest, report.Signature}
			}
			b := &imageSet{run: runOf(t, checks...)}
			b.run.session.Fetch = &fetch.Client{Transport: counting(asked)}
			behind := at(repository, path, strings.Repeat("1", 40))
			b.images = []*image{{name: "kube-proxy", records: []*record{tt.r, behind}}, {name: "kube-proxy", records: []*record{tt.r}}}
			b.readRecords(t.Context())
			if n := asked[release.PromotionAt("kube-proxy", tt.r.commit)]; n != 1 && tt.want && bound || n != 0 && !(tt.want && bound) || (tt.r.source.URL != "") != (tt.want && bound) {
				t.Errorf("%s, bound %v: read %d times, %+v", tt.name, bound, n, tt.r.source)
			}
			if (behind.source.URL != "") != bound {
				t.Errorf("%s, bound %v: the one behind it: %+v", tt.name, bound, behind.source)
			}
		}
	}
	asked := map[string]int{}
	b := &imageSet{run: runOf(t), images: []*image{{name: "kube-proxy"}}}
	b.run.session.Fetch = &fetch.Client{Transport: counting(asked)}
	for i := range maxCommits + 1 {
		b.images[0].records = append(b.images[0].records, at(repository, path, fmt.Sprintf("%040x", i)))
	}
	b.images[0].records = append(b.images[0].records, b.images[0].records[0])
	b.readRecords(t.Context())
	if last := b.images[0].records[maxCommits]; len(asked) != maxCommits || last.source.URL != "" || b.images[0].records[0].source.URL == "" {
		t.Errorf("%d were read", len(asked))
	}
}
