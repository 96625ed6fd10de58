package verify

import (
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Rule 34: which checks a saved report must have, by what it is about.
func TestWhichChecksApplyToASavedReport(t *testing.T) {
	file := report.Result{Kind: "file", Subject: "f", Release: "v1.27.2"}
	image := report.Result{Kind: report.KindImage, Subject: "registry.k8s.io/kube-proxy:v1.27.2", Release: "v1.27.2"}
	none := report.Result{Kind: report.KindImage, Subject: "registry.k8s.io/pause:3.9"}
	for _, tt := range []struct {
		name                 string
		subjects             []string
		results              []report.Result
		inventory, reference bool
	}{
		{"a release", []string{"v1.27.2"}, []report.Result{file, image}, true, true},
		{"a release's files", []string{"v1.27.2"}, []report.Result{file}, false, false},
		{"one of its images", []string{image.Subject}, []report.Result{image}, false, true},
		{"another release", []string{"v1.27.1"}, []report.Result{image}, false, true},
		{"an image of none", []string{none.Subject, ""}, []report.Result{none}, false, true},
		{"nothing", []string{"v1.27.2"}, nil, false, false},
	} {
		r := report.Report{Scope: report.Scope{Subjects: tt.subjects}, Results: tt.results}
		if got := applies(report.Inventory, r); got != tt.inventory {
			t.Errorf("%s: inventory %v", tt.name, got)
		}
		if got := applies(report.Reference, r); got != tt.reference {
			t.Errorf("%s: reference %v", tt.name, got)
		}
		if !applies(report.Digest, r) || !applies(report.Signature, r) {
			t.Errorf("%s: needs neither digest nor signature", tt.name)
		}
	}
}

// Rule 34: a saved report over the images of a release has every image and platform of the built-in
// inventory, within what it says that was asked for.
func TestWhatASavedReportHoldsAtLeast(t *testing.T) {
	policy := trust.EmbeddedPolicy()
	all := func(version string) (out []*report.Result) {
		images, arches, _ := policy.MinimumImages(versionNamed(t, version).Minor)
		for _, name := range images {
			for _, platform := range append([]string{""}, arches...) {
				if platform != "" {
					platform = "linux/" + platform
				}
				out = append(out, &report.Result{Kind: report.KindImage, Subject: "registry.k8s.io/" + name + ":" + version, Platform: platform})
			}
		}
		return out
	}
	without := func(subject, platform string) func(list []*report.Result) []*report.Result {
		return func(list []*report.Result) []*report.Result {
			return slices.DeleteFunc(list, func(r *report.Result) bool {
				return strings.Contains(r.Subject, "/"+subject+":") && (platform == "any" || r.Platform == platform)
			})
		}
	}
	as := func(platform string) func(list []*report.Result) []*report.Result {
		return func(list []*report.Result) []*report.Result {
			for _, r := range list {
				if r.Platform == "linux/arm64" {
					r.Platform = platform
				}
			}
			return list
		}
	}
	const noArm, noProxy = "it says nothing of kube-proxy for linux/arm64", "it says nothing of kube-proxy, which"
	at := "registry.k8s.io/kube-proxy:v1.27.2 linux/arm64"
	for _, tt := range []struct {
		name, version string
		of            func(list []*report.Result) []*report.Result
		scope         func(s *report.Scope)
		says          string
	}{
		{"all", "v1.27.2", nil, nil, ""},
		{"none", "v1.27.2", func([]*report.Result) []*report.Result { return nil }, nil, ""},
		{"without an image", "v1.27.2", without("kube-proxy", "any"), nil, noProxy},
		{"without an index", "v1.27.2", without("kube-proxy", ""), nil, noProxy},
		{"without a platform", "v1.27.2", without("kube-proxy", "linux/arm64"), nil, noArm},
		{"without a platform of the last", "v1.27.2", without("kube-scheduler", "linux/s390x"), nil, "kube-scheduler for linux/s390x"},
		{"with a variant", "v1.27.2", as("linux/arm64/v8"), nil, ""},
		{"with another platform of that beginning", "v1.27.2", as("linux/arm64x"), nil, "for linux/arm64"},
		{"of another system", "v1.27.2", as("windows/arm64"), nil, "for linux/arm64"},
		{"an architecture that the minor has not", "v1.27.2", without("kube-proxy", "linux/arm"), nil, ""},
		{"one that an older minor has", "v1.26.2", without("kube-proxy", "linux/arm"), nil, "it says nothing of kube-proxy for linux/arm, which v1.26.2 has"},
		{"a minor that is not known", "v1.2.0", func([]*report.Result) []*report.Result { return []*report.Result{{Subject: "x"}} }, nil, ""},
		{"without an image, and no inventory", "v1.27.2", without("kube-proxy", "any"), func(s *report.Scope) { s.Checks = []string{report.Digest} }, ""},
		{"without a platform, of others", "v1.27.2", without("kube-proxy", "linux/arm64"), func(s *report.Scope) { s.Platforms = []string{"amd64", "linux/s390x"} }, ""},
		{"without a platform, of two", "v1.27.2", without("kube-proxy", "linux/arm64"), func(s *report.Scope) { s.Platforms = []string{"amd64", "arm64"} }, noArm},
		{"without a platform, by its whole name", "v1.27.2", without("kube-proxy", "linux/arm64"), func(s *report.Scope) { s.Platforms = []string{"linux/arm64"} }, noArm},
		{"without one, of platforms that end so", "v1.27.2", without("kube-proxy", "linux/arm64"), func(s *report.Scope) { s.Platforms = []string{"xarm64"} }, ""},
		{"without one that is absent", "v1.27.2", without("kube-proxy", "linux/arm64"), func(s *report.Scope) { s.Absent = []string{at} }, ""},
		{"without it, and another is absent", "v1.27.2", without("kube-proxy", "linux/arm64"), func(s *report.Scope) { s.Absent = []string{strings.Replace(at, "arm64", "amd64", 1)} }, noArm},
		{"without one that is absent, and one of the next image", "v1.27.2", func(list []*report.Result) []*report.Result {
			return without("kube-scheduler", "linux/s390x")(without("kube-proxy", "linux/arm64")(list))
		}, func(s *report.Scope) { s.Absent = []string{at} }, "kube-scheduler for linux/s390x"},
	} {
		of, r := all(tt.version), report.Report{Scope: report.Scope{Checks: []string{report.Inventory}}}
		if tt.of != nil {
			of = tt.of(of)
		}
		if tt.scope != nil {
			tt.scope(&r.Scope)
		}
		err := holdsLeast(r, of, policy, versionNamed(t, tt.version))
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}
