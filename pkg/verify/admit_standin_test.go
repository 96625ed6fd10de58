package verify_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Rules 20 and 26: a mirror is made of every name, so that neither a stand-in that lacks some nor the
// list of a mirror that it is read from excuses one; and what a mirror was not made for is
// absent, each platform.
func TestAdmissionsExcuseNothing(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	c := verify.AdmitRequest{Version: request(t, modern).Versions[0], Images: true, Names: []string{"kube-proxy"}}
	v := atStandIn(t, built.Clone(), world.StandIn{Has: world.OnlyIndexes, Lacking: http.StatusNotFound})
	got, err := v.Admit(t.Context(), c)
	if err != nil || got.Images[0].Verdict != report.Unknown || len(got.Images[0].Admissions) > 0 || got.Report.Verdict() != report.Unknown {
		t.Errorf("a stand-in without the names of architectures: %v, %+v", err, got.Images)
	}
	v = verifier(t, built.Clone())
	v.Sparse = []verify.MirrorScope{{Release: modern, Images: true, Arches: []string{"arm64"}}}
	if got, err = v.Admit(t.Context(), c); err != nil || len(admittedNames(got.Images[0])) != 5 || len(got.Report.Scope.Absent) > 0 {
		t.Errorf("a mirror's own list: %v, %q, absent %q", err, admittedNames(got.Images[0]), got.Report.Scope.Absent)
	}
	c.Arches, c.FromMirror = []string{"arm64"}, true
	got, err = verifier(t, built.Clone()).Admit(t.Context(), c)
	if err != nil || !slices.Contains(got.Report.Scope.Absent, "registry.k8s.io/kube-proxy:"+modern+" linux/amd64") || slices.ContainsFunc(got.Report.Scope.Absent, func(s string) bool { return strings.HasSuffix(s, "kube-proxy:"+modern+" linux/arm64") }) {
		t.Errorf("what a mirror was not made for: %v, %q", err, got.Report.Scope.Absent)
	}
	bad := verifier(t, built.Clone())
	bad.Checks = []string{"colour"}
	if got, err := bad.Admit(t.Context(), c); err == nil || got != nil {
		t.Errorf("no such check: %v", got)
	}
	if _, err := bad.Compose(t.Context(), nil, nil, nil); err == nil {
		t.Error("no such check is composed")
	}
	c.Names, c.Arches = []string{"kube-nothing"}, nil
	if got, err := verifier(t, built.Clone()).Admit(t.Context(), c); err == nil || got != nil {
		t.Errorf("no such image: %v", got)
	}
}
