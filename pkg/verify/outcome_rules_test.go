package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// listedChecks are the checks of a result: "digest+" where it is demanded.
func listedChecks(res report.Result) string {
	var out []string
	for _, c := range res.Checks {
		if name := c.Name; c.Required {
			out = append(out, name+"+")
		} else {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// Of what was found of an image, those checks stand in its result that were asked for, each as
// whoever asked demands it: by the policy, by a rule, or by name.
func TestWhichChecksAResultHas(t *testing.T) {
	few := []string{report.Digest, report.Signature}
	for _, tt := range []struct {
		name            string
		checks, require []string
		rule            string
		want            string
	}{
		{"as ever", nil, nil, "", "digest+ signature+ reference+ binding+"},
		{"few", few, nil, "", "digest+ signature+"},
		{"the reference too", append(few, report.Reference), nil, "", "digest+ signature+ reference+"},
		{"the binding too", append(few, report.Binding), nil, "", "digest+ signature+ binding+"},
		{"contents", nil, []string{report.Contents}, "", "digest+ signature+ reference+ binding+ contents+"},
		{"contents, shown by a rule", nil, nil, `{report: [contents]}`, "digest+ signature+ reference+ binding+ contents"},
		{"contents, demanded by a rule", nil, nil, `{require: [contents]}`, "digest+ signature+ reference+ binding+ contents+"},
		{"a statement", nil, []string{report.VSA}, "", "digest+ signature+ reference+ binding+ vsa+"},
		{"a statement, shown by a rule", nil, nil, `{report: [vsa]}`, "digest+ signature+ reference+ binding+ vsa"},
		{"a rule for others", nil, nil, `{images: [pause], require: [vsa, contents]}`, "digest+ signature+ reference+ binding+"},
		{"rules, and checks that were chosen", few, nil, `{require: [vsa, contents]}`, "digest+ signature+"},
	} {
		rule := tt.rule
		if rule == "" {
			rule = `{images: [nothing], require: [vsa]}`
		}
		r := ruledBy(t, tt.checks, tt.require, rule)
		f := found{digest: r.check(report.Digest, report.Verified, "", ""), signed: signed{signature: r.check(report.Signature, report.Verified, "", ""), reference: r.check(report.Reference, report.Verified, "", "")}}
		f.binding, f.contents = r.check(report.Binding, report.Verified, "", ""), r.check(report.Contents, report.Verified, "", "")
		f.attested = []report.Check{r.check(report.VSA, report.Verified, "", ""), r.check(report.Promotion, report.Verified, "", "")}
		res := r.imageResult(&image{name: "kube-proxy", tag: "v1.27.2", version: versionNamed(t, "v1.27.2")}, f)
		if got := listedChecks(res); got != tt.want || res.Kind != report.KindImage || res.Subject != "registry.k8s.io/kube-proxy:v1.27.2" || res.Release != "v1.27.2" {
			t.Errorf("%s: %s of %s in %s, want %s", tt.name, got, res.Subject, res.Release, tt.want)
		}
		if res := r.imageResult(&image{name: "pause", tag: "3.9"}, f); res.Release != "" {
			t.Errorf("of %s", res.Release)
		}
	}
}

// The results of an image are that of its index and those of its platforms, each with what was found
// of it; what refers to the index speaks for a platform that was not asked for itself.
func TestResultsOfAnImage(t *testing.T) {
	r := ruledBy(t, nil, []string{report.VSA}, `{images: [nothing], require: [vsa]}`)
	say := func(name, detail string) report.Check { return r.check(name, report.Unknown, "", "%s", detail) }
	of := func(who string) (report.Check, signed) {
		return say(report.Digest, who), signed{signature: say(report.Signature, who), reference: say(report.Reference, who)}
	}
	im := &image{name: "kube-proxy", tag: "v1.27.2", digest: hashOf("1"), attested: []report.Check{say(report.VSA, "index")}, binding: say(report.Binding, "index")}
	im.digestCheck, im.signed = of("index")
	for i, name := range []string{"linux/amd64", "linux/arm64"} {
		p := &platform{name: name, seenAs: []string{name}, desc: registry.Descriptor{Digest: hashOf(fmt.Sprint(2 + i))}, binding: say(report.Binding, name)}
		p.digestCheck, p.signed = of(name)
		im.platforms = append(im.platforms, p)
	}
	im.platforms[1].attested, im.platforms[1].absent = []report.Check{say(report.VSA, "linux/arm64")}, "registry.k8s.io/kube-proxy-arm64:v1.27.2"
	results := r.imageResults(im)
	if len(results) != 3 {
		t.Fatalf("%d results", len(results))
	}
	for i, want := range []string{"index", "linux/amd64", "linux/arm64"} {
		res := results[i]
		platform := want
		if i == 0 {
			platform = ""
		}
		if res.Platform != platform || res.Digest != string(hashOf(fmt.Sprint(1+i))) || (len(res.SeenAs) == 1) != (i > 0) || (len(res.Notes) == 1) != (i == 0) || listedChecks(res) != "digest+ signature+ reference+ binding+ vsa+" {
			t.Errorf("%+v", res)
		}
		for _, c := range res.Checks {
			if c.Detail != want && (c.Name != report.VSA || want != "linux/amd64" || c.Detail != "index") {
				t.Errorf("%s of %s is of %s", c.Name, want, c.Detail)
			}
		}
	}
	// What the index does not name is told of the index, once all is known.
	im.digestCheck.Verdict, im.stray, im.child = report.Verified, true, hashOf("9")
	if c := r.imageResults(im)[0].Checks[0]; !strings.Contains(c.Detail, "is none of the 2 platforms") {
		t.Errorf("a stray child: %s", said(c))
	}
}

// A release was never made if its documents say so and the registry has none of its images; who
// names images one by one is not told of the others.
func TestWhenThereIsNoSuchRelease(t *testing.T) {
	absent, unreachable := report.Check{Reason: report.Absent}, report.Check{Reason: report.Unreachable}
	notThere := &fetch.Error{Kind: fetch.NotFound, URL: "there", Status: 404}
	elsewhere := &fetch.Error{Kind: fetch.NotFound, URL: "there", Status: 404, Mirror: "dir", Holds: []string{"v1.27.2"}}
	mirrored := func(b *imageSet) { b.docs.Release.Changelog.Err, b.docs.Release.SBOM.Err = elsewhere, elsewhere }
	few := []string{report.Digest, report.Signature}
	for _, tt := range []struct {
		name     string
		checks   []string
		images   []report.Check
		released bool
		change   func(b *imageSet)
		want     string // subjects of the results, and whether there was never such a release
	}{
		{"all absent", nil, []report.Check{absent, absent}, false, nil, "v1.27.99 notReleased, never"},
		{"no images", nil, nil, false, nil, "v1.27.99 notReleased, never"},
		{"one there", nil, []report.Check{absent, {Verdict: report.Verified}}, false, nil, "v1.27.99 absent"},
		{"one not known", nil, []report.Check{unreachable, absent}, false, nil, "v1.27.99 absent"},
		{"a release of which no image is there", nil, []report.Check{absent}, true, nil, "v1.27.99 incomplete"},
		{"in no mirror", nil, []report.Check{absent, absent}, false, mirrored, "v1.27.99 absent, never"},
		{"in no mirror of files", nil, []report.Check{unreachable}, false, mirrored, "v1.27.99 absent, never"},
		{"an image in a mirror", nil, []report.Check{absent, {Verdict: report.Verified}}, false, mirrored, "v1.27.99 absent"},
		{"one by one", nil, []report.Check{absent}, false, func(b *imageSet) { b.oneByOne = true }, ""},
		{"documents alone", nil, nil, true, func(b *imageSet) { b.noImages = true }, ""},
		{"without the inventory", few, []report.Check{{Verdict: report.Verified}}, true, nil, ""},
		{"nothing read", nil, []report.Check{absent}, true, func(b *imageSet) { b.docs = nil }, ""},
	} {
		r := runOf(t, tt.checks...)
		b := listsOf(r, nil)
		b.version.Patch = 99
		b.docs = changelogOf(t, r, "x amd64")
		b.docs.SBOM.Signature.Reason = report.Absent
		b.docs.Release.Version = b.version
		if !tt.released {
			b.docs.Release.Changelog = release.Source[*release.Changelog]{Err: notThere}
		}
		for _, c := range tt.images {
			b.images = append(b.images, &image{name: "x", digestCheck: c})
		}
		if tt.change != nil {
			tt.change(b)
		}
		results, never := b.documentResults()
		got := ""
		for _, res := range results {
			if res.Kind == report.KindRelease {
				got += res.Subject + " " + string(res.Checks[0].Reason)
				if res.Checks[0].Verdict != report.Unknown || !res.Checks[0].Required || res.Release != "v1.27.99" {
					t.Errorf("%s: %+v", tt.name, res)
				}
			}
		}
		if never {
			got += ", never"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if all := b.results(); never && len(all) != 1 || !never && len(all) != len(results)+len(b.images) {
			t.Errorf("%s: %d results", tt.name, len(all))
		}
	}
}
