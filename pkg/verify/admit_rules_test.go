package verify

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// resultOf is a result of these verdicts, by "V", "U", "R": all demanded, but those in brackets.
func resultOf(platform, verdicts string) report.Result {
	res := report.Result{Kind: report.KindImage, Platform: platform}
	required := true
	for _, c := range verdicts {
		switch c {
		case '(', ')':
			required = c == ')'
			continue
		}
		v := map[rune]report.Verdict{'V': report.Verified, 'U': report.Unknown, 'R': report.Refuted}[c]
		res.Checks = append(res.Checks, report.Check{Name: report.Digest, Verdict: v, Required: required, Detail: string(c)})
	}
	return res
}

// What is admitted into a mirror is what was verified, as a whole: an index of which one platform is not
// verified is admitted under no name, nor is what has no result, no digest, or is one
// manifest where a release has an index. What is refuted is told over what is unknown.
func TestWhatIsAdmitted(t *testing.T) {
	one := func(platforms ...string) []report.Result {
		var out []report.Result
		for i, v := range platforms {
			out = append(out, resultOf(map[bool]string{true: "", false: "linux/arm64"}[i == 0], v))
		}
		return out
	}
	for _, tt := range []struct {
		name    string
		results []report.Result
		change  func(im *image)
		want    report.Verdict
		says    string
	}{
		{"all verified", one("VV", "V"), nil, report.Verified, ""},
		{"what is not demanded", one("V(UR)", "V"), nil, report.Verified, ""},
		{"the index unknown", one("VU", "V"), nil, report.Unknown, "digest: U"},
		{"a platform unknown", one("VV", "V", "U"), nil, report.Unknown, "linux/arm64 digest: U"},
		{"the first of two platforms", one("VV", "U", "V"), nil, report.Unknown, "linux/arm64 digest: U"},
		{"a platform refuted", one("VV", "R"), nil, report.Refuted, "linux/arm64 digest: R"},
		{"refuted, then unknown", one("R", "U"), nil, report.Refuted, "digest: R"},
		{"unknown, then refuted", one("U", "R"), nil, report.Refuted, "linux/arm64 digest: R"},
		{"unknown, then refuted, then verified", one("U", "R", "V"), nil, report.Refuted, "linux/arm64 digest: R"},
		{"what is not demanded comes first", one("(U)VU"), nil, report.Unknown, "digest: U"},
		{"two unknown", one("V", "U", "UU"), nil, report.Unknown, "linux/arm64 digest: U"},
		{"all unknown", one("U", "U"), nil, report.Unknown, "digest: U"},
		{"refuted, and no digest", one("R"), func(im *image) { im.digest = "" }, report.Refuted, "digest: R"},
		{"two refuted", one("R", "R"), nil, report.Refuted, "digest: R"},
		{"no result", nil, nil, report.Unknown, ""},
		{"no digest", one("V"), func(im *image) { im.digest = "" }, report.Unknown, ""},
		{"one manifest of a release", one("V"), func(im *image) { im.single, im.core = true, true }, report.Unknown, ""},
		{"one manifest of none", one("V"), func(im *image) { im.single = true }, report.Verified, ""},
		{"an index of a release", one("V"), func(im *image) { im.core = true }, report.Verified, ""},
		{"not there any more", one("V"), func(im *image) { im.digest = hashOf("9") }, report.Unknown, "registry.k8s.io/kube-proxy@sha256:9"},
	} {
		s, r := shelfOf(t)
		im := &image{name: "kube-proxy", tag: "v1.27.2", version: versionNamed(t, "v1.27.2"), mediaType: registry.OCIIndex, pin: hashOf("5")}
		body := indexOf(nil, "linux/arm64")
		im.digest = s.put("kube-proxy", "manifests/", registry.OCIIndex, body)
		im.signed = signedAs("VV", "it")
		im.signed.at, im.signed.manifest, im.signed.mediaType, im.signed.size = r.signatureRef("kube-proxy", im.digest), hashOf("3"), registry.OCIManifest, 3
		p := &platform{desc: registry.Descriptor{Digest: hashOf("2"), MediaType: registry.OCIManifest, Size: 2}, seenAs: []string{"registry.k8s.io/kube-proxy-arm64:v1.27.2", "NO NAME"}, signed: signedAs("VR", "it")}
		p.signed.manifest = hashOf("4")
		im.platforms = []*platform{p, {seenAs: []string{"registry.k8s.io/kube-proxy-amd64:v1.27.2"}, signed: signedAs("UU", "it")}}
		if tt.change != nil {
			tt.change(im)
		}
		out, errs := r.admitImage(t.Context(), outcome{im, tt.results}, false)
		if out.Verdict != tt.want || len(errs) > 0 || !strings.HasPrefix(out.Detail, tt.says) || (tt.says == "") != (out.Detail == "") {
			t.Errorf("%s: %s %q, want %s %q", tt.name, out.Verdict, out.Detail, tt.want, tt.says)
		}
		if out.Digest != im.digest || out.MediaType != im.mediaType || out.Release != im.version || out.Referrers != "" {
			t.Errorf("%s: %+v", tt.name, out)
		}
		var got []string
		for _, a := range out.Admissions {
			got = append(got, a.Ref().String()+" "+string(a.Digest())[7:11]+" "+a.Why())
			if a.Size() == 0 || a.MediaType() == "" {
				t.Errorf("%s: %+v", tt.name, a)
			}
		}
		if tt.want != report.Verified {
			if len(got) > 0 {
				t.Errorf("%s: %q are admitted", tt.name, got)
			}
			continue
		}
		want := []string{"registry.k8s.io/kube-proxy:v1.27.2 " + string(im.digest)[7:11] + " verified", im.signed.at.String() + " 3333 the signature of an image that was verified",
			"registry.k8s.io/kube-proxy-arm64:v1.27.2 2222 verified"}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q are admitted, want %q", tt.name, got, want)
		}
	}
}

// The manifest of a signature is carried if it was read, verified, and is not of another name.
func TestWhichSignaturesAreAdmitted(t *testing.T) {
	for what, want := range map[string]bool{"VV": true, "VU": true, "VR": false, "UU": false, "RU": false, "UV": false} {
		s := signedAs(what, "it")
		out := &AdmittedImage{}
		if out.paper(s); len(out.Admissions) > 0 {
			t.Errorf("%s, of no manifest", what)
		}
		s.manifest = hashOf("1")
		if out.paper(s); (len(out.Admissions) == 1) != want {
			t.Errorf("%s: %v", what, out.Admissions)
		}
	}
}

// One image's crash or an interrupt admits nothing of it, and what refers to an image and could not be
// read is a result that is demanded.
func TestAdmissionsThatFailed(t *testing.T) {
	s, _ := shelfOf(t)
	digest := s.put("kube-proxy", "manifests/", registry.OCIIndex, indexOf(nil, "linux/arm64"))
	im := func() *image {
		return &image{name: "kube-proxy", tag: "v1.27.2", digest: digest, mediaType: registry.OCIIndex}
	}
	good := []report.Result{resultOf("", "V")}
	list := "kube-proxy/referrers/" + string(digest)
	for _, tt := range []struct {
		name      string
		c         AdmitRequest
		do        func(r *run)
		cancelled bool
		verdict   report.Verdict
		detail    string
		referrers string
		unread    int
	}{
		{"nobody asks for what refers to it", AdmitRequest{}, nil, false, report.Verified, "", "", 0},
		{"a registry without that interface", AdmitRequest{Referrers: true}, nil, false, report.Verified, "", "not answered", 0},
		{"known already", AdmitRequest{Referrers: true, Known: []oci.Digest{hashOf("1"), digest}}, nil, false, report.Verified, "", "", 0},
		{"another is known already", AdmitRequest{Referrers: true, Known: []oci.Digest{hashOf("1")}}, nil, false, report.Verified, "", "not answered", 0},
		{"a list that is none", AdmitRequest{Referrers: true}, func(*run) { s.has[list] = shelved{registry.OCIIndex, []byte("{")} }, false, report.Verified, "", "none", 1},
		{"an empty list", AdmitRequest{Referrers: true}, func(*run) {
			s.has[list] = shelved{registry.OCIIndex, []byte(`{"schemaVersion":2,"mediaType":"` + registry.OCIIndex + `","manifests":[]}`)}
		}, false, report.Verified, "", "none", 0},
		{"a crash", AdmitRequest{}, func(r *run) { r.registry = nil }, false, report.Unknown, "panic", "", 0},
		{"an interrupt", AdmitRequest{}, nil, true, report.Unknown, "interrupted", "", 0},
	} {
		delete(s.has, list)
		client := &fetch.Client{Transport: s}
		r, err := (&Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}}).newRun()
		if err != nil {
			t.Fatal(err)
		}
		if tt.do != nil {
			tt.do(r)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if tt.cancelled {
			cancel()
		}
		images, unread := r.admitAll(ctx, []outcome{{im(), good}}, tt.c)
		cancel()
		if got := images[0]; got.Verdict != tt.verdict || !strings.HasPrefix(got.Detail, tt.detail) || (got.Detail == "") != (tt.detail == "") || got.Referrers != tt.referrers || len(unread) != tt.unread || got.Ref.String() != "registry.k8s.io/kube-proxy:v1.27.2" {
			t.Errorf("%s: %+v, %d unread", tt.name, got, len(unread))
		}
		for _, res := range unread {
			if c := res.Checks[0]; !c.Required || c.Verdict != report.Unknown || c.Name != report.Digest || res.Kind != report.KindImage || res.Digest != string(digest) || res.Subject != "registry.k8s.io/kube-proxy:v1.27.2" {
				t.Errorf("%s: %+v", tt.name, res)
			}
		}
	}
}

// Images beside a release are judged with those of their own release, for the architectures that are
// asked for; the name that an architecture has for itself is carried alone.
func TestWhatIsCarriedBeside(t *testing.T) {
	r := runOf(t)
	ref := func(name, tag string) registry.Ref {
		return registry.Ref{Host: "registry.k8s.io", Repository: name, Tag: tag}
	}
	also := []registry.Ref{ref("pause", "3.9"), ref("kube-proxy", "v1.27.2"), ref("etcd", "3.5.7-0"), ref("kube-scheduler", "v1.27.2"), ref("kube-proxy", "v1.27.1"), ref("kube-proxy-arm64", "v1.27.2")}
	for _, tt := range []struct {
		c    AdmitRequest
		want string
	}{
		{AdmitRequest{Also: also}, "pause:3.9[] etcd:3.5.7-0[] kube-proxy-arm64:v1.27.2[]; kube-proxy:v1.27.2[amd64,arm64,ppc64le,s390x] kube-scheduler:v1.27.2[amd64,arm64,ppc64le,s390x]; kube-proxy:v1.27.1[amd64,arm64,ppc64le,s390x]"},
		{AdmitRequest{Also: also[:2], Arches: []string{"arm64", "arm"}, OSes: []string{"linux"}}, "pause:3.9[]; kube-proxy:v1.27.2[arm64]"},
		{AdmitRequest{}, ""},
	} {
		var got []string
		for _, set := range r.alsoOf(tt.c) {
			var images []string
			for _, im := range set.minimum {
				images = append(images, im.name+":"+im.tag+"["+strings.Join(im.expect, ",")+"]")
				if !slices.Equal(im.arches, tt.c.Arches) || !slices.Equal(im.oses, tt.c.OSes) || im.own || im.version != set.version {
					t.Errorf("%s: %+v", images, im)
				}
			}
			got = append(got, strings.Join(images, " "))
			if !set.oneByOne || set.run != r {
				t.Errorf("%s: %+v", images, set)
			}
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%q, want %s", got, tt.want)
		}
	}
}

// Of a release that never was no result of an image stands, whatever the registry has under its
// names; those of other releases stand as they are.
func TestResultsThatAreJoined(t *testing.T) {
	for _, never := range []bool{false, true} {
		r := runOf(t)
		core := listsOf(r, nil)
		core.docs = changelogOf(t, r, "x amd64")
		if never {
			core.docs.Release.Changelog = release.Source[*release.Changelog]{Err: &fetch.Error{Kind: fetch.NotFound, URL: "there", Status: 404}}
			core.docs.Release.SBOM.Err = &fetch.Error{Kind: fetch.NotFound, URL: "there", Status: 404}
		}
		core.images = []*image{{name: "x", tag: "v1.27.2", digestCheck: report.Check{Reason: report.Absent}}}
		same := &imageSet{run: r, version: core.version, oneByOne: true, docs: core.docs, images: []*image{{name: "y", tag: "v1.27.2"}}}
		other := &imageSet{run: r, oneByOne: true, version: versionNamed(t, "v1.27.1"), docs: changelogOf(t, r), images: []*image{{name: "z", tag: "v1.27.1"}}}
		results, outcomes := joinResults(core, []*imageSet{same, other})
		var subjects []string
		documents := 0
		for _, res := range results {
			if res.Kind == report.KindImage {
				subjects = append(subjects, res.Subject[len("registry.k8s.io/"):])
			}
			if res.Kind == report.KindDocument {
				documents++
			}
		}
		want := []string{"x:v1.27.2", "y:v1.27.2", "z:v1.27.1"}
		wantDocuments := 2 // of each of two releases, once
		if never {
			want, wantDocuments = want[2:], 1
		}
		if !slices.Equal(subjects, want) || documents != wantDocuments {
			t.Errorf("never %v: %q, %d documents", never, subjects, documents)
		}
		if len(outcomes) != 3 || (outcomes[0].results == nil) != never || (outcomes[1].results == nil) != never || outcomes[2].results == nil {
			t.Errorf("never %v: %+v", never, outcomes)
		}
	}
}

// The documents that are carried are those that were read and are not contradicted, each once, in order.
func TestWhichDocumentsAreCarried(t *testing.T) {
	broken := errors.New("not read")
	src := func(url string) release.Source[*release.Promotion] {
		return release.Source[*release.Promotion]{URL: url, Body: []byte(url), Origin: fetch.Published}
	}
	for _, tt := range []struct {
		name   string
		change func(b *imageSet)
		want   string
	}{
		{"all", nil, "changelog other promotion provenance sbom* sums256 sums512"},
		{"an SBOM that nobody signed", func(b *imageSet) { b.docs.SBOM.Signed = false }, "changelog other promotion provenance sbom sums256 sums512"},
		{"an SBOM of another version", func(b *imageSet) { b.docs.SBOM.Binding.Verdict = report.Unknown }, "changelog other promotion provenance sums256 sums512"},
		{"a forged SBOM", func(b *imageSet) { b.docs.SBOM.Signature.Verdict = report.Refuted }, "changelog other promotion provenance sums256 sums512"},
		{"no SBOM", func(b *imageSet) { b.docs.Release.SBOM.Body = nil }, "changelog other promotion provenance sums256 sums512"},
		{"what could not be read", func(b *imageSet) {
			rel := b.docs.Release
			rel.Changelog.Err, rel.Promotion.Err, rel.SHA256SUMS.Err, rel.SHA512SUMS.Err, rel.Provenance.Err = broken, broken, broken, broken, broken
		}, "other sbom*"},
		{"what was not asked for", func(b *imageSet) {
			rel := b.docs.Release
			rel.Changelog.Body, rel.Promotion.Body, rel.SHA256SUMS.Body, rel.SHA512SUMS.Body, rel.Provenance.Body = nil, nil, nil, nil, nil
		}, "other sbom*"},
		{"no documents", func(b *imageSet) { b.docs = nil }, ""},
		{"a crash over them", func(b *imageSet) { b.docs.Release = nil }, ""},
	} {
		_, r := shelfOf(t)
		b := listsOf(r, nil)
		b.docs = changelogOf(t, r)
		rel := b.docs.Release
		rel.SBOM.Body, rel.Changelog.URL, rel.Changelog.Body = []byte("sbom"), "changelog", []byte("changelog")
		rel.SHA256SUMS.URL, rel.SHA256SUMS.Body, rel.SHA512SUMS.URL, rel.SHA512SUMS.Body = "sums256", []byte("x"), "sums512", []byte("x")
		rel.Provenance.URL, rel.Provenance.Body, rel.Promotion = "provenance", []byte("x"), src("promotion")
		b.docs.SBOM.Signed, b.docs.SBOM.Binding.Verdict, b.docs.SBOM.Signature.Verdict = true, report.Verified, report.Verified
		b.docs.SBOM.Detached.Sig, b.docs.SBOM.Detached.Cert, b.docs.SBOM.Bundle = []byte("sig"), []byte("cert"), []byte("bundle")
		if tt.change != nil {
			tt.change(b)
		}
		other, again, unread := src("other"), src("promotion"), src("unread")
		unread.Err = broken
		empty := release.Source[*release.Promotion]{URL: "empty"}
		also := []*imageSet{{promotions: map[string]*release.Source[*release.Promotion]{"a": &other, "b": &again, "c": &unread, "d": &empty}}, {promotions: map[string]*release.Source[*release.Promotion]{"a": &other}}}
		if strings.HasPrefix(tt.want, "other") {
			also[0].promotions = map[string]*release.Source[*release.Promotion]{"a": &other}
		}
		docs, beside := b.admitDocuments(t.Context(), also)
		var got []string
		for _, d := range docs {
			name := d.URL
			if d.URL == b.version.FileURL("kubernetes-release.spdx") {
				name = "sbom"
				signed := d.Verdict == report.Verified
				if signed {
					name += "*"
				}
				if (string(d.Sidecars[".sig"]) == "sig") != signed || (string(d.Sidecars[".cert"]) == "cert") != signed || bytes.Equal(d.Sidecars[".sigstore.json"], []byte("bundle\n")) != signed {
					t.Errorf("%s: beside the SBOM: %q", tt.name, d.Sidecars)
				}
			} else if d.Verdict != report.Unknown {
				t.Errorf("%s: %s is %s", tt.name, d.URL, d.Verdict)
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.IsSortedFunc(docs, func(x, y AdmittedDocument) int { return strings.Compare(x.URL, y.URL) }) {
			t.Errorf("%s: %q are in no order", tt.name, got)
		}
		if strings.Join(got, " ") != tt.want || (beside.Name != "") != strings.Contains(tt.want, "sbom") {
			t.Errorf("%s: %q, want %s; beside it %s", tt.name, got, tt.want, said(beside))
		}
	}
}
