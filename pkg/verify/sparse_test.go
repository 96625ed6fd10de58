package verify_test

import (
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// Rule 2: a mirror's list narrows what is examined. It does not hide what is there
// all the same, under the name of an architecture that it leaves out.
func TestSparseListHidesNothingThatIsThere(t *testing.T) {
	built := world.New(world.Options{})
	for _, tt := range []struct {
		name string
		do   func(w *world.World)
		want report.Verdict
	}{
		{"absent", func(w *world.World) { w.Status("kube-proxy-arm64:"+version, 404) }, report.Verified},
		{"there, and genuine", func(*world.World) {}, report.Verified},
		{"another image there", func(w *world.World) {
			m, _ := w.Manifest("kube-scheduler-arm64:" + version)
			w.PutManifest("kube-proxy-arm64", m, version)
		}, refuted},
		{"something damaged there", func(w *world.World) { w.Status("kube-proxy-arm64:"+version, 500) }, unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			v := verifier(t, w)
			v.Sparse = []verify.MirrorScope{{Release: version, Images: true, Arches: []string{"amd64"}}}
			for what, run := range map[string]func() (report.Report, error){
				"images": func() (report.Report, error) { return v.Images(t.Context(), request(t, version)) },
				"one": func() (report.Report, error) {
					return v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: version}})
				},
			} {
				if rep, err := run(); err != nil || rep.Verdict() != tt.want {
					t.Errorf("%s: %v %s, want %s\n%s", what, err, rep.Verdict(), tt.want, failures(rep))
				}
			}
		})
	}
}
