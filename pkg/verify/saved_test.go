package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// A saved report that says that it was judged by the built-in policy has what every run
// by it has: somebody who cut a row or a check out of it is told.
func TestSavedReportsAreWhole(t *testing.T) {
	genuine := images(t, world.New(world.Options{}), version)
	without := func(image, platform string) func(*report.Report) {
		return func(r *report.Report) {
			r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool {
				return strings.Contains(res.Subject, "/"+image+":") && (platform == "any" || res.Platform == platform)
			})
		}
	}
	both := func(do ...func(*report.Report)) func(*report.Report) {
		return func(r *report.Report) {
			for _, f := range do {
				f(r)
			}
		}
	}
	unchecked := func(name string) func(*report.Report) {
		return func(r *report.Report) {
			r.Scope.Checks = slices.DeleteFunc(r.Scope.Checks, func(n string) bool { return n == name })
		}
	}
	omitted := func(name string) func(*report.Report) {
		return func(r *report.Report) { r.Scope.Omitted = append(r.Scope.Omitted, name) }
	}
	platforms := func(list ...string) func(*report.Report) {
		return func(r *report.Report) { r.Scope.Platforms = list }
	}
	cut := without("kube-proxy", "linux/arm64")
	for _, tt := range []struct {
		name string
		do   func(*report.Report)
		says string // "" if it is taken
	}{
		{"as it is", both(), ""},
		{"by another policy", both(cut, func(r *report.Report) { r.Policy.Digest = "sha256:" + strings.Repeat("0", 64) }), ""},
		{"by the built-in policy, which it denies", func(r *report.Report) { r.Policy.Embedded = false }, "says otherwise"},
		{"without an image", without("kube-proxy", "any"), "nothing of kube-proxy, which v1.27.2 has"},
		{"without an index", without("kube-scheduler", ""), "nothing of kube-scheduler, which v1.27.2 has"},
		{"without a platform", cut, "nothing of kube-proxy for linux/arm64"},
		{"without the last image", without("kube-scheduler", "any"), "nothing of kube-scheduler"},
		{"without a platform that nobody asked for", both(cut, platforms("amd64")), ""},
		{"without one that was asked for", both(cut, platforms("amd64", "arm64")), "linux/arm64"},
		{"without one that was asked for in full", both(cut, platforms("linux/arm64")), "linux/arm64"},
		{"without one that only looks like it", both(cut, platforms("xarm64")), ""},
		{"without a platform that a mirror left out", both(cut, func(r *report.Report) {
			r.Scope.Absent = []string{"registry.k8s.io/kube-proxy:v1.27.2 linux/arm64"}
		}), ""},
		{"without another one too", both(cut, without("kube-proxy", "linux/s390x"), func(r *report.Report) {
			r.Scope.Absent = []string{"registry.k8s.io/kube-proxy:v1.27.2 linux/arm64"}
		}), "linux/s390x"},
		{"of a shard", both(cut, func(r *report.Report) { r.Scope.Shard = &report.Shard{} }), ""},
		{"of some images", both(cut, func(r *report.Report) { r.Scope.Names = []string{"kube-proxy"} }), ""},
		{"that is not verified", both(cut, func(r *report.Report) { r.Results[0].Checks[0].Verdict = refuted }), ""},
		{"without the inventory, partial", both(cut, unchecked(report.Inventory), omitted(report.Inventory)), ""},
		{"without the inventory, and silent", unchecked(report.Inventory), "the check inventory"},
		{"without the signature", unchecked(report.Signature), "the check signature"},
		{"without the signature, partial", both(unchecked(report.Signature), omitted(report.Signature)), ""},
		{"without the reference", unchecked(report.Reference), "the check reference"},
		{"of one image, without the inventory", both(unchecked(report.Inventory), func(r *report.Report) { r.Scope.Subjects = []string{"registry.k8s.io/kube-proxy:" + version} }), ""},
		{"of no image", func(r *report.Report) {
			r.Results = slices.DeleteFunc(r.Results, func(res report.Result) bool { return res.Kind == report.KindImage })
		}, ""},
		{"of another subject", both(cut, func(r *report.Report) { r.Scope.Subjects = []string{"x", "v1.27.1"} }), ""},
		{"of two releases, the second cut", both(cut, func(r *report.Report) { r.Scope.Subjects = []string{"v1.27.1", version} }), "linux/arm64"},
	} {
		rep := genuine
		rep.Results = slices.Clone(rep.Results)
		for i := range rep.Results {
			rep.Results[i].Checks = slices.Clone(rep.Results[i].Checks)
		}
		rep.Scope.Checks, rep.Scope.Omitted = slices.Clone(rep.Scope.Checks), slices.Clone(rep.Scope.Omitted)
		tt.do(&rep)
		err := verify.Saved(rep)
		if tt.says == "" && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

// What was named by a digest alone may have been built under any tag; what was named by
// a tag, under that tag alone.
func TestProvenanceOfATag(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	for _, tt := range []struct {
		tag, built string
		ok         bool
	}{{"", modern, true}, {"", "v1.37.1", true}, {modern, modern, true}, {modern, "v1.37.1", false}} {
		w := built.Clone()
		w.DropReferrers(modernProxy)
		w.AttestImageAs(world.StagingProject+"kube-proxy:"+tt.built, modernProxy, world.PredicateProvenance,
			world.KrelProvenance(world.KrelBuilder, world.KrelBuildType), world.Signing{Identity: world.KrelStage})
		v := verifier(t, w)
		v.Require = []string{report.Provenance}
		rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: tt.tag, Digest: oci.Digest(w.Digest(modernProxy))}})
		if err != nil {
			t.Fatal(err)
		}
		for _, res := range rep.Results {
			if c, ok := res.Check(report.Provenance); ok && res.Platform == "" && (c.Verdict == report.Verified) != tt.ok {
				t.Errorf("%q, built as %s: %s: %s", tt.tag, tt.built, c.Verdict, c.Detail)
			}
		}
	}
}

// An index that krel-trust signed and that names a platform twice is refuted by that.
func TestPlatformNamedTwice(t *testing.T) {
	w := world.New(world.Options{})
	plant(w, version, "kube-proxy", edited(func(_ object, manifests []any) []any { return append(manifests, manifests[0]) }))
	rep := images(t, w, version)
	if c := checkOf(t, rep, proxy, report.Digest); c.Verdict != refuted || !strings.Contains(c.Detail, "twice") {
		t.Errorf("%s: %s", c.Verdict, c.Detail)
	}
}
