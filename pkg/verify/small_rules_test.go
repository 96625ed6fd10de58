package verify

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Shards of a list are its parts: each entry is in exactly one, and what makes none is refused.
func TestShardsAreParts(t *testing.T) {
	list := []int{0, 1, 2, 3, 4}
	for _, tt := range []struct {
		shard *report.Shard
		want  string
	}{
		{nil, "[0 1 2 3 4]"},
		{&report.Shard{Index: 0, Count: 1}, "[0 1 2 3 4]"},
		{&report.Shard{Index: 0, Count: 2}, "[0 2 4]"},
		{&report.Shard{Index: 1, Count: 2}, "[1 3]"},
		{&report.Shard{Index: 4, Count: 5}, "[4]"},
		{&report.Shard{Index: 0, Count: 5}, "[0]"},
		{&report.Shard{Index: 0, Count: 6}, "5 things cannot be split into 6 shards"},
		{&report.Shard{Index: 2, Count: 2}, "there is no shard 2/2"},
		{&report.Shard{Index: -1, Count: 2}, "there is no shard -1/2"},
		{&report.Shard{Index: 0, Count: 0}, "there is no shard 0/0"},
		{&report.Shard{Index: -1, Count: 0}, "there is no shard -1/0"},
	} {
		got, err := share(list, tt.shard, "things")
		said := fmt.Sprint(got)
		if err != nil {
			said = err.Error()
		}
		var usage *UsageError
		if !strings.Contains(said, tt.want) || err != nil && (got != nil || !errors.As(err, &usage)) {
			t.Errorf("%v: %s, want %s", tt.shard, said, tt.want)
		}
	}
}

// The images of a release that the policy names are split among the shards, and what only a document
// names is in the first: nothing falls between two.
func TestWhichImagesAreOfAShard(t *testing.T) {
	v := versionNamed(t, "v1.27.2")
	have := map[string]int{}
	for i := range 2 {
		b := newImageSet(runOf(t), v, nil, nil)
		if err := b.chooseShard(&report.Shard{Index: i, Count: 2}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, name := range []string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"} {
			if b.examines(name) {
				have[name], n = have[name]+1, n+1
			}
		}
		if n != 3-i || b.examines("new") != (i == 0) {
			t.Errorf("shard %d: %d images, one that a document adds: %v", i, n, b.examines("new"))
		}
	}
	if len(have) != 5 || slices.Max([]int{have["kube-proxy"], have["conformance"], have["kube-scheduler"]}) != 1 {
		t.Errorf("%v", have)
	}
	b := newImageSet(runOf(t), v, []string{"kube-proxy", "kube-scheduler"}, nil)
	if err := b.chooseShard(&report.Shard{Index: 0, Count: 2}); err != nil || !b.examines("kube-proxy") || b.examines("kube-scheduler") || b.examines("conformance") {
		t.Errorf("of two that were named: %v", err)
	}
	b = newImageSet(runOf(t), v, []string{"kube-proxy"}, nil)
	if err := b.chooseShard(&report.Shard{Index: 0, Count: 2}); err == nil || !strings.Contains(err.Error(), "1 images that the policy names") {
		t.Errorf("more shards than images: %v", err)
	}
}

// Rule 18: the former signer counts for digests of the catalogue alone, as the index or the platform
// that a row names, and for the children of a catalogued index.
func TestWhatTheFormerSignerCountsFor(t *testing.T) {
	r := runOf(t)
	rows := rowsOf(t, "kube-proxy v1.25.4 "+trust.IndexRow+" 1", "kube-proxy v1.25.4 linux/arm64 2", "pause 3.9 linux/arm64 1")
	l, err := newLegacySigner(r.session.Policy, r.session.Root, rows)
	if err != nil || l == nil || l.cosign == nil {
		t.Fatalf("%v %v", l, err)
	}
	l.inherit("kube-proxy", hashOf("1"), []oci.Digest{hashOf("3"), hashOf("4")})
	l.inherit("kube-proxy", hashOf("9"), []oci.Digest{hashOf("5")})
	l.inherit("pause", hashOf("1"), []oci.Digest{hashOf("6")}) // a platform's row is no index's
	former := r.session.Policy.Identities["k8s-infra-gcr-promoter"]
	other := r.session.Policy.Identities["krel-trust"]
	for _, tt := range []struct {
		id                trust.Identity
		name, arch, digit string
		want              bool
	}{
		{former, "kube-proxy", "", "1", true},
		{other, "kube-proxy", "", "1", false},
		{trust.Identity{Issuer: former.Issuer, Subject: other.Subject}, "kube-proxy", "", "1", false},
		{former, "kube-proxy", "", "2", false},
		{former, "kube-proxy", "", "3", false},
		{former, "kube-proxy", "", "9", false},
		{former, "kube-scheduler", "", "1", false},
		{former, "kube-proxy", "arm64", "2", true},
		{former, "kube-proxy", "amd64", "2", false},
		{former, "kube-proxy", "arm64", "1", false},
		{former, "kube-proxy", "arm64", "3", true},
		{former, "kube-proxy", "s390x", "4", true},
		{former, "kube-proxy", "arm64", "5", false},
		{former, "kube-scheduler", "arm64", "3", false},
		{former, "pause", "arm64", "6", false},
		{other, "kube-proxy", "arm64", "3", false},
	} {
		if got := l.counts(tt.id, tt.name, tt.arch, hashOf(tt.digit)); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	none := *r.session.Policy
	none.Images.Formerly = nil
	for name, l := range map[string]func() (*legacySigner, error){
		"no rule":      func() (*legacySigner, error) { return newLegacySigner(&none, r.session.Root, rows) },
		"no catalogue": func() (*legacySigner, error) { return newLegacySigner(r.session.Policy, r.session.Root, nil) },
	} {
		got, err := l()
		if err != nil || got != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
		if got.inherit("kube-proxy", hashOf("1"), []oci.Digest{hashOf("2")}); got.counts(former, "kube-proxy", "", hashOf("1")) {
			t.Errorf("%s: it counts", name)
		}
	}
}

// Which witness speaks: the first that contradicts, of whatever strength, and of those that affirm
// the first that counts.
func TestWhichWitnessSpeaks(t *testing.T) {
	w := func(s stance, strength report.Strength, source string, tags ...string) witness {
		return witness{stance: s, strength: strength, source: source, tags: tags}
	}
	all := []witness{w(silent, report.Signed, "a"), w(affirms, report.Carried, "b"), w(affirms, report.Published, "c"), w(affirms, report.Signed, "d"), w(contradicts, report.Carried, "e"), w(contradicts, report.Signed, "f")}
	for says, want := range map[stance]string{silent: "a", affirms: "c", contradicts: "e"} {
		if got, ok := pick(says, all...); !ok || got.source != want {
			t.Errorf("%v: %s %v", says, got.source, ok)
		}
	}
	if _, ok := pick(affirms, all[:2]...); ok {
		t.Error("what was carried in affirms")
	}
	if _, ok := pick(contradicts, all[:4]...); ok {
		t.Error("nothing contradicts")
	}
	got := boundVersions([]witness{w(affirms, report.Carried, "", "v1.20.0"), w(silent, report.Signed, "", "v1.21.0"), w(contradicts, report.Signed, "", "v1.22.0"),
		w(affirms, report.Published, "", "latest", "v1.27.2", "v1.27.3"), w(affirms, report.Signed, "", "v1.28.0")})
	if fmt.Sprint(got) != "[v1.27.2 v1.27.3 v1.28.0]" {
		t.Errorf("bound to %v", got)
	}
}

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

// What names had before is a hint where it is a digest.
func TestWhatIsAHint(t *testing.T) {
	h := newHints([]report.Locked{{Subject: "a", Digest: string(hashOf("1"))}, {Subject: "a", Platform: "linux/arm64", Digest: string(hashOf("2"))}, {Subject: "b", Digest: "sha256:1"}, {Subject: "c"}})
	if len(h) != 2 || h[[2]string{"a", ""}] != hashOf("1") || h[[2]string{"a", "linux/arm64"}] != hashOf("2") {
		t.Errorf("%v", h)
	}
}

// A digest alone is a name without a tag, and a name without either is none.
func TestWhatIsNamedByDigest(t *testing.T) {
	for ref, want := range map[registry.Ref]bool{{}: false, {Tag: "x"}: false, {Tag: "x", Digest: hashOf("1")}: false, {Digest: hashOf("1")}: true} {
		if byDigest(ref) != want {
			t.Errorf("%s: %v", ref, !want)
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
