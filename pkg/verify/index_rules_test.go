package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

const (
	artifact = "application/vnd.k8s.release.file.v1+json"
)

// indexOf is an index of so many platforms, each named by a digest that is nowhere.
func indexOf(change func(index doc), platforms ...string) doc {
	var list []any
	for i, name := range platforms {
		d := doc{"mediaType": registry.OCIManifest, "digest": string(oci.DigestOf([]byte(fmt.Sprint(name, i)))), "size": 7}
		if os, arch, ok := strings.Cut(name, "/"); ok {
			d["platform"] = doc{"os": os, "architecture": arch}
		}
		list = append(list, d)
	}
	out := doc{"schemaVersion": 2, "mediaType": registry.OCIIndex, "manifests": list}
	if change != nil {
		change(out)
	}
	return out
}

// manifestOf is a manifest of one layer, with its config.
func manifestOf(change func(m doc)) doc {
	out := doc{"schemaVersion": 2, "mediaType": registry.OCIManifest, "config": shelfDescriptor("application/vnd.oci.image.config.v1+json", []byte("{}")),
		"layers": []any{doc{"mediaType": fileLayer, "digest": string(hashOf("c")), "size": 7}}}
	if change != nil {
		change(out)
	}
	return out
}

// Rule 20: what a name gives is an index, and one manifest only where no release has an index; an index of
// files is no image; and of more platforms than a run can afford none is looked at.
func TestWhatANameGives(t *testing.T) {
	many := func(n int, carried ...string) []string {
		for i := range n {
			carried = append(carried, fmt.Sprintf("linux/a%d", i))
		}
		return carried
	}
	file := func(d doc) { d["artifactType"] = artifact }
	isFile := func(d doc) {
		d["artifactType"], d["config"] = artifact, doc{"mediaType": emptyConfig, "digest": string(hashOf("1")), "size": 2}
	}
	ofRelease := image{name: "kube-proxy", tag: "v1.27.2", core: true}
	for _, tt := range []struct {
		name     string
		im       image
		document any
		served   string
		want     string
		signed   string // reason
		n        int    // platforms
	}{
		{"an index", ofRelease, indexOf(nil, "linux/amd64"), registry.OCIIndex, "verified: ", "absent", 1},
		{"an index of no platform", ofRelease, indexOf(func(d doc) { d["manifests"] = []any{} }), registry.OCIIndex, "verified: ", "absent", 0},
		{"an index of as many as are looked at", ofRelease, indexOf(nil, many(64, "unknown/unknown", "none")...), registry.OCIIndex, "verified: ", "absent", 64},
		{"an index of more than are looked at", ofRelease, indexOf(nil, many(65)...), registry.OCIIndex, "unknown limit: the index names 65 platforms, more than the 64 that are looked at", "noClaim", 0},
		{"one platform twice", ofRelease, indexOf(nil, "linux/amd64", "linux/amd64"), registry.OCIIndex, "refuted mismatch: the index names linux/amd64 twice", "absent", 2},
		{"an index of files", ofRelease, indexOf(file, "linux/amd64"), registry.OCIIndex, "refuted mismatch: it is an index of files", "absent", 1},
		{"an index of files, under a name of its own", image{name: "somebodys-file", tag: "x"}, indexOf(file, "linux/amd64"), registry.OCIIndex, "verified: ", "absent", 1},
		{"a manifest", ofRelease, manifestOf(nil), registry.OCIManifest, "refuted mismatch: registry.k8s.io/kube-proxy:v1.27.2 is one manifest (application/vnd.oci", "absent", 0},
		{"a manifest, by its digest", image{name: "kube-proxy", core: true, pin: "this"}, manifestOf(nil), registry.OCIManifest, "verified: ", "absent", 0},
		{"a manifest of no release", image{name: "pause", tag: "3.9"}, manifestOf(nil), registry.OCIManifest, "verified: ", "absent", 0},
		{"a file for an image", image{name: "pause", tag: "3.9"}, manifestOf(isFile), registry.OCIManifest, "refuted mismatch: it is a file", "absent", 0},
		{"a file", image{name: "somebodys-file", tag: "x"}, manifestOf(isFile), registry.OCIManifest, "unknown malformed: it says that it is a file", "absent", 0},
		{"nothing of either", ofRelease, []byte("{}"), registry.OCIManifest, "unknown malformed: ", "noClaim", 0},
		{"no JSON", ofRelease, []byte("<html>"), "text/html", "unknown malformed: ", "noClaim", 0},
		{"nothing", image{name: "pause", tag: "none"}, nil, "", "unknown absent: ", "noClaim", 0},
	} {
		s, r := shelfOf(t)
		im := tt.im
		under := "manifests/" + im.tag
		if im.tag == "" {
			under = "manifests/"
		}
		var digest oci.Digest
		if tt.document != nil {
			digest = s.put(im.name, under, tt.served, tt.document)
		}
		if im.pin != "" {
			im.pin = digest
		}
		r.examineIndex(t.Context(), &im)
		if !strings.HasPrefix(said(im.digestCheck), tt.want) || im.digestCheck.Name != report.Digest {
			t.Errorf("%s: %s, want %s", tt.name, said(im.digestCheck), tt.want)
		}
		if got := string(im.signed.signature.Reason); got != tt.signed || im.signed.absent != (tt.signed == "absent") || im.signed.signature.Verdict != report.Unknown || im.signed.reference.Verdict != report.Unknown {
			t.Errorf("%s: the signature is %s, want %s", tt.name, said(im.signed.signature), tt.signed)
		}
		if len(im.platforms) != tt.n || im.single != (tt.served == registry.OCIManifest && tt.signed == "absent") {
			t.Errorf("%s: %d platforms, want %d; single %v", tt.name, len(im.platforms), tt.n, im.single)
		}
		if tt.signed == "absent" && (im.digest != digest || im.mediaType != tt.served) {
			t.Errorf("%s: %s of %s", tt.name, im.digest, im.mediaType)
		}
		if e := im.digestCheck.Evidence.All(); im.digestCheck.Verdict == report.Verified && (len(e) != 1 || e[0].What != "manifest" || e[0].Digest != string(digest) || e[0].Source != r.subject(&im)) {
			t.Errorf("%s: evidence %+v", tt.name, e)
		}
	}
}

// The platforms that are read are those that the index names: each in its own repository where
// a release has one, with the signature that lies there, and else beside the index.
func TestWhereAPlatformIsRead(t *testing.T) {
	for _, tt := range []struct {
		name     string
		im       image
		platform string
		want     string // what is asked for
		own      bool   // the signature of its own is looked for
	}{
		{"of a release", image{name: "kube-proxy", tag: "v1.27.2", core: true}, "linux/arm64", "kube-proxy-arm64/manifests/v1.27.2", true},
		{"of another system", image{name: "kube-proxy", tag: "v1.27.2", core: true}, "windows/arm64", "kube-proxy/manifests/DIGEST", false},
		{"of no release", image{name: "pause", tag: "3.9"}, "linux/arm64", "pause/manifests/DIGEST", false},
		{"by digest", image{name: "kube-proxy", core: true}, "linux/arm64", "kube-proxy/manifests/DIGEST", false},
	} {
		s, r := shelfOf(t)
		os, arch, _ := strings.Cut(tt.platform, "/")
		digest := hashOf("3")
		p := &platform{arch: arch, name: tt.platform, desc: registry.Descriptor{Digest: digest, Platform: &registry.Platform{OS: os, Architecture: arch}}}
		r.examinePlatform(t.Context(), &tt.im, p)
		want := []string{strings.ReplaceAll(tt.want, "DIGEST", string(digest))}
		if tt.own {
			want = append(want, "kube-proxy-arm64/manifests/"+digest.SignatureTag())
		}
		slices.Sort(s.asked)
		slices.Sort(want)
		if !slices.Equal(s.asked, want) || !p.signed.absent || p.seenAs != nil || p.digestCheck.Reason != report.Absent {
			t.Errorf("%s: asked for %q, want %q; seen as %q, %s", tt.name, s.asked, want, p.seenAs, said(p.digestCheck))
		}
		if tt.own != (p.signed.signature.Name != "") {
			t.Errorf("%s: %s", tt.name, said(p.signed.signature))
		}
	}
}

// What is asked for beforehand is what will be needed: the manifests of the architectures that must be
// there, and the signatures of digests that are thought to be those of the names.
func TestWhatIsAskedForBeforehand(t *testing.T) {
	const early = "kube-proxy-amd64/manifests/v1.27.2 kube-proxy-arm64/manifests/v1.27.2"
	sig := func(repository, digit string) string {
		return repository + "/manifests/" + hashOf(digit).SignatureTag()
	}
	entry := func(platform, digit string) report.Locked {
		return report.Locked{Subject: "registry.k8s.io/kube-proxy:v1.27.2", Platform: platform, Digest: string(hashOf(digit))}
	}
	ofRelease := image{name: "kube-proxy", tag: "v1.27.2", core: true, expect: []string{"amd64", "arm64"}}
	with := func(change func(im *image)) image { im := ofRelease; change(&im); return im }
	for _, tt := range []struct {
		name  string
		im    image
		hints []report.Locked
		copy  bool
		want  string
	}{
		{"no hints", ofRelease, nil, false, early},
		{"of no release", image{name: "pause", tag: "3.9", expect: []string{"amd64"}}, nil, false, ""},
		{"without a tag", with(func(im *image) { im.tag = "" }), []report.Locked{entry("", "1")}, false, ""},
		{"a digest alone", image{name: "pause", pin: hashOf("4")}, nil, false, ""},
		{"a hint of the index", ofRelease, []report.Locked{entry("", "1")}, false, early + " " + sig("kube-proxy", "1")},
		{"a hint of a platform", ofRelease, []report.Locked{entry("linux/arm64", "1")}, false, early + " " + sig("kube-proxy-arm64", "1")},
		{"hints of all", ofRelease, []report.Locked{entry("", "1"), entry("linux/arm64", "2"), entry("linux/amd64", "3")}, false,
			early + " " + sig("kube-proxy", "1") + " " + sig("kube-proxy-arm64", "2") + " " + sig("kube-proxy-amd64", "3")},
		{"hints of another", with(func(im *image) { im.tag = "v1.27.1" }), []report.Locked{entry("", "1")}, false, strings.ReplaceAll(early, "v1.27.2", "v1.27.1")},
		{"hints, of no release", image{name: "kube-proxy", tag: "v1.27.2", expect: []string{"amd64"}}, []report.Locked{entry("", "1"), entry("linux/amd64", "2")}, false, sig("kube-proxy", "1")},
		{"a digest beside the tag", image{name: "pause", tag: "3.9", pin: hashOf("4")}, nil, false, sig("pause", "4")},
		{"a digest beside the tag, over a hint", with(func(im *image) { im.pin = hashOf("4") }), []report.Locked{entry("", "1")}, false, early + " " + sig("kube-proxy", "4")},
		{"at a copy", ofRelease, []report.Locked{entry("", "1"), entry("linux/arm64", "2")}, true, early + " " + sig("kube-proxy", "1")},
		{"at a copy, by the name of an architecture", with(func(im *image) { im.own = true }), []report.Locked{entry("linux/arm64", "2")}, true, early + " " + sig("kube-proxy-arm64", "2")},
	} {
		s, r := shelfOf(t)
		r.hints = newHints(tt.hints)
		if tt.copy {
			r.registry.Endpoints = map[string]string{"registry.k8s.io": "https://registry.k8s.io/"}
		}
		for _, task := range append(r.askEarly(t.Context(), &tt.im), r.askHinted(t.Context(), &tt.im)...) {
			task()
		}
		want := strings.Fields(tt.want)
		slices.Sort(s.asked)
		slices.Sort(want)
		if !slices.Equal(s.asked, want) {
			t.Errorf("%s: asked for %q, want %q", tt.name, s.asked, want)
		}
		if (len(tt.im.early) == 2) != strings.Contains(tt.want, "kube-proxy-amd64/manifests/v1.27") || tt.im.tag == "" && tt.im.early != nil {
			t.Errorf("%s: %d are kept", tt.name, len(tt.im.early))
		}
	}
}

// Rule 20: a platform without a signature of its own has that of the index which names it. One of
// its own that does not hold is not covered up by that.
func TestWhatAPlatformInherits(t *testing.T) {
	const v, u, f = report.Verified, report.Unknown, report.Refuted
	of := func(signature, reference report.Verdict, absent bool, who string) signed {
		return signed{signature: report.Check{Verdict: signature, Detail: who}, reference: report.Check{Verdict: reference, Detail: who}, absent: absent}
	}
	for _, tt := range []struct {
		name       string
		index, own signed
		want       string
	}{
		{"none of its own", of(v, v, false, "index"), of(u, u, true, "own"), "verified: named by the signed index: index / verified: index"},
		{"its own", of(v, v, false, "index"), of(v, v, false, "own"), "verified: own / verified: own"},
		{"its own is refuted", of(v, v, false, "index"), of(f, u, false, "own"), "refuted: own / unknown: own"},
		{"its own is of another", of(v, v, false, "index"), of(v, f, false, "own"), "verified: own / refuted: own"},
		{"its own is not known", of(v, v, false, "index"), of(u, u, false, "own"), "unknown: own / unknown: own"},
		{"neither", of(u, u, true, "index"), of(u, u, true, "own"), "unknown: index / unknown: index"},
		{"the index is refuted", of(f, u, false, "index"), of(u, u, true, "own"), "refuted: index / unknown: index"},
		{"the index is of another", of(v, f, false, "index"), of(u, u, true, "own"), "verified: named by the signed index: index / refuted: index"},
	} {
		p := &platform{signed: tt.own}
		runOf(t).inherit(&image{signed: tt.index}, p)
		if got := said(p.signed.signature) + " / " + said(p.signed.reference); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A crash over what a registry served is the verdict of its own subject, and never a good one.
func TestACrashOverAnImage(t *testing.T) {
	s, r := shelfOf(t, report.Digest, report.Signature)
	r.registry = nil // whoever is asked crashes
	im := &image{name: "kube-proxy", tag: "v1.27.2", core: true, platforms: []*platform{{}}}
	watched := &Progress{}
	r.progress = watched
	r.examine(t.Context(), im)
	if im.digestCheck.Verdict != report.Unknown || im.digestCheck.Reason != report.Internal || im.signed.signature.Verdict != report.Unknown || im.signed.signature.Name == "" || im.platforms != nil {
		t.Errorf("%s; %s; %d platforms", said(im.digestCheck), said(im.signed.signature), len(im.platforms))
	}
	if done, _ := watched.Counts(); done != 1 {
		t.Errorf("%d are done", done)
	}
	// One platform's crash leaves the others.
	p := &platform{arch: "arm64", name: "linux/arm64", desc: registry.Descriptor{Digest: hashOf("1"), Platform: &registry.Platform{OS: "linux", Architecture: "arm64"}}}
	p.signed.signature.Verdict = report.Verified
	im = &image{name: "pause", tag: "3.9"}
	r.examinePlatform(t.Context(), im, p)
	if p.digestCheck.Verdict != report.Unknown || p.digestCheck.Reason != report.Internal || p.signed.signature.Verdict != report.Unknown || p.signed.signature.Name == "" {
		t.Errorf("%s; %s", said(p.digestCheck), said(p.signed.signature))
	}
	if len(s.asked) != 0 {
		t.Errorf("asked for %q", s.asked)
	}
}
