package verify_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// A rule for some versions holds for a digest too: for the versions that it is bound
// to, and for any where none is known. So it does for the repository of an architecture.
func TestRulesForVersionsHoldForDigests(t *testing.T) {
	const older = "v1.36.1"
	w := world.New(world.Options{Versions: []string{older, modern}})
	w.DropReferrers(modernProxy) // no summary
	w.DropReferrers("kube-proxy:" + older)
	w.DropReferrers("kube-proxy@" + w.Digest("kube-proxy-amd64:"+modern))
	policy := func(rule string) *trust.Policy {
		p, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "rules: []", "rules:\n  - "+rule, 1)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const all, named, below, unbounded = `{from: "1.37", require: [vsa]}`, `{images: [kube-proxy], from: "1.37", require: [vsa]}`,
		`{to: "1.36", require: [vsa]}`, `{images: [kube-proxy], require: [vsa]}`
	unpublished := func(w *world.World) { w.Status(world.PromotionURL("k8s-staging-kubernetes"), 404) }
	none := func(*world.World) {}
	of := func(repository, ref string) registry.Ref {
		return registry.Ref{Host: "registry.k8s.io", Repository: repository, Digest: oci.Digest(w.Digest(ref))}
	}
	tagged := func(repository, tag string) registry.Ref {
		return registry.Ref{Host: "registry.k8s.io", Repository: repository, Tag: tag}
	}
	for _, tt := range []struct {
		name string
		rule string
		do   func(*world.World)
		ref  registry.Ref
		asks bool
	}{
		{"by tag", all, none, tagged("kube-proxy", modern), true},
		{"by tag, of an older version", all, none, tagged("kube-proxy", older), false},
		{"by tag and digest", all, none, registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern, Digest: oci.Digest(w.Digest(modernProxy))}, true},
		{"by digest", all, none, of("kube-proxy", modernProxy), true},
		{"by digest, the image named", named, none, of("kube-proxy", modernProxy), true},
		{"by digest, of an older version", all, none, of("kube-proxy", "kube-proxy:"+older), false},
		{"by digest, up to an older version", below, none, of("kube-proxy", modernProxy), false},
		{"by digest, of an older version that is meant", below, none, of("kube-proxy", "kube-proxy:"+older), true},
		{"by digest, bound to nothing", all, unpublished, of("kube-proxy", modernProxy), true},
		{"by digest, bound to nothing, of an older version", all, unpublished, of("kube-proxy", "kube-proxy:"+older), true},
		{"by the digest of a child", all, none, of("kube-proxy-amd64", "kube-proxy-amd64:"+modern), true},
		{"by the digest of a child, the image named", named, none, of("kube-proxy-amd64", "kube-proxy-amd64:"+modern), true},
		{"by the digest of a child, for every version", unbounded, none, of("kube-proxy-amd64", "kube-proxy-amd64:"+modern), true},
		{"by the digest of a child under the image's name", all, none, of("kube-proxy", "kube-proxy-amd64:"+modern), true},
		{"another image", named, none, of("kube-scheduler", "kube-scheduler:"+modern), false},
		{"an image of no release", all, none, tagged("pause", "3.9"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := w.Clone()
			tt.do(w)
			v := verifier(t, w)
			v.Policy = policy(tt.rule)
			rep, err := v.References(t.Context(), []registry.Ref{tt.ref})
			if err != nil {
				t.Fatal(err)
			}
			res := rep.Results[len(rep.Results)-1]
			c, made := res.Check(report.VSA)
			if made != tt.asks || made && !c.Required {
				t.Errorf("made %v, required %v", made, c.Required)
			}
			if tt.asks && rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}
