package verify_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// Rule 11: a promotion record binds with the manifest at the commit that it
// names, and with nothing less. Neither the SBOM nor the manifest of today is
// there, so that nothing else binds.
func TestPromotionRecordBinds(t *testing.T) {
	built := world.New(world.Options{Versions: []string{"v1.37.1", modern}})
	atCommit := world.PromotionAtCommit(kubernetesProject)
	again := func(change func(w *world.World, r map[string]any)) func(w *world.World) {
		return func(w *world.World) {
			r := maps.Clone(world.PromotionRecord("registry.k8s.io/"+modernProxy, w.Digest(modernProxy)).(map[string]any))
			change(w, r)
			w.DropReferrers(modernProxy)
			w.AttestImage(modernProxy, world.PredicatePromotion, r, world.Signing{})
		}
	}
	manifest := func(change func(m map[string]any)) func(w *world.World) {
		return again(func(_ *world.World, r map[string]any) {
			m := maps.Clone(r["manifest"].(map[string]any))
			change(m)
			r["manifest"] = m
		})
	}
	for name, tt := range map[string]struct {
		do      func(w *world.World)
		carried bool
		want    report.Verdict
		says    string
	}{
		"with its manifest":         {func(*world.World) {}, false, report.Verified, "promotion record"},
		"the repository with .git":  {manifest(func(m map[string]any) { m["uri"] = "git+https://github.com/kubernetes/k8s.io.git" }), false, report.Verified, ""},
		"carried":                   {func(*world.World) {}, true, unknown, "carried here"},
		"no manifest in the record": {again(func(_ *world.World, r map[string]any) { delete(r, "manifest") }), false, unknown, "nothing strong"},
		"a record by sigcheck behind it": {func(w *world.World) {
			w.AttestImage(modernProxy, world.PredicatePromotion, world.SigcheckRecord("registry.k8s.io/"+modernProxy, w.Digest(modernProxy)), world.Signing{})
		}, false, report.Verified, "promotion record"},
		"a record by sigcheck alone": {func(w *world.World) {
			w.DropReferrers(modernProxy)
			w.AttestImage(modernProxy, world.PredicatePromotion, world.SigcheckRecord("registry.k8s.io/"+modernProxy, w.Digest(modernProxy)), world.Signing{})
		}, false, unknown, "nothing strong"},
		"no destination in the record": {again(func(_ *world.World, r map[string]any) { delete(r, "dstRef") }), false, unknown, "nothing strong"},
		"no tags in the record":        {again(func(_ *world.World, r map[string]any) { delete(r, "tags") }), false, unknown, "nothing strong"},
		"the tag of another release":   {again(func(_ *world.World, r map[string]any) { r["tags"] = []string{"v1.37.1"} }), false, unknown, "nothing strong"},
		"a manifest of a fork":         {manifest(func(m map[string]any) { m["uri"] = "git+https://github.com/mallory/k8s.io" }), false, unknown, "nothing strong"},
		"a manifest of another image":  {manifest(func(m map[string]any) { m["name"] = world.PromotionPath("k8s-staging-etcd") }), false, unknown, "nothing strong"},
		"a path that climbs": {manifest(func(m map[string]any) {
			m["name"] = "x/../" + world.PromotionPath(kubernetesProject)
		}), false, unknown, "nothing strong"},
		"a branch for a commit":         {manifest(func(m map[string]any) { m["digest"] = map[string]any{"gitCommit": "main"} }), false, unknown, "nothing strong"},
		"a commit that is not there":    {manifest(func(m map[string]any) { m["digest"] = map[string]any{"gitCommit": strings.Repeat("0", 40)} }), false, unknown, "nothing strong"},
		"a manifest that cannot be had": {func(w *world.World) { w.Status(atCommit, 500) }, false, unknown, "nothing strong"},
		"a manifest with another digest": {func(w *world.World) {
			w.PutFile(atCommit, bytes.ReplaceAll(w.File(atCommit), []byte(w.Digest(modernProxy)), []byte("sha256:"+strings.Repeat("0", 64))))
		}, false, refuted, "its promotion record names"},
		"promoted elsewhere": {again(func(_ *world.World, r map[string]any) {
			r["destination"] = map[string]any{"name": "registry.example.com/kube-proxy"}
		}), false, unknown, "nothing strong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			w.Status(world.PromotionURL(kubernetesProject), 404)
			w.Status(world.SBOMURL(modern)+"*", 404)
			v := verifier(t, w)
			v.Require = []string{report.Promotion}
			if tt.carried {
				v.Fetch.Transport = carried(w)
			}
			rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern}})
			if err != nil {
				t.Fatal(err)
			}
			if c := checkOf(t, rep, modernProxy, report.Binding); c.Verdict != tt.want || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s: %s", c.Verdict, c.Detail)
			}
			if c := checkOf(t, rep, modernProxy+" linux/arm64", report.Binding); (c.Verdict == report.Verified) != (tt.want == report.Verified) {
				t.Errorf("arm64: %s: %s", c.Verdict, c.Detail)
			}
		})
	}
	t.Run("a signed SBOM that disagrees", func(t *testing.T) {
		w := built.Clone()
		w.Status(world.PromotionURL(kubernetesProject), 404)
		for _, arch := range []string{"amd64", "arm64", "ppc64le", "s390x"} { // every layer of kube-proxy, as the SBOM has it
			changed := replaceIn(w.File(world.SBOMURL(modern)), "kube-proxy-"+arch+"-"+modern+"-sha256-", "PackageChecksum: SHA256: ",
				"PackageChecksum: SHA256: "+strings.Repeat("0", 64)+"\nPackageComment: ")
			w.PutDocument(world.FileURL(modern, "kubernetes-release.spdx"), changed)
		}
		w.SignFile(world.SBOMURL(modern), world.Signing{})
		v := verifier(t, w)
		v.Require = []string{report.Promotion}
		rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern}})
		if err != nil {
			t.Fatal(err)
		}
		if c := checkOf(t, rep, modernProxy, report.Binding); c.Verdict == report.Verified {
			t.Errorf("%s: %s", c.Verdict, c.Detail)
		}
	})
}

// Rules of a policy add checks for some images, and --checks stands instead of them.
func TestPolicyRules(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	w.DropReferrers("kube-scheduler:" + modern)
	policy := withPolicy(t, "rules: []", `rules:
  - images: [kube-proxy, kube-scheduler]
    from: "1.37"
    require: [vsa]
  - images: [kube-scheduler]
    to: v1.37.1
    require: [promotion]
  - report: [provenance]`)
	v := verifier(t, w)
	v.Policy = policy
	rep, err := v.Images(t.Context(), request(t, modern))
	if err != nil || rep.Verdict() != unknown {
		t.Fatalf("%v %s", err, rep.Verdict())
	}
	if c := checkOf(t, rep, modernProxy, report.VSA); c.Verdict != report.Verified || !c.Required {
		t.Errorf("kube-proxy: %+v", c)
	}
	if c := checkOf(t, rep, "kube-scheduler:"+modern, report.VSA); c.Verdict != unknown || !c.Required {
		t.Errorf("kube-scheduler: %+v", c)
	}
	if c := checkOf(t, rep, "kube-scheduler:"+modern, report.Provenance); c.Verdict != unknown || c.Required {
		t.Errorf("reported only: %+v", c)
	}
	for _, res := range rep.Results {
		_, vsa := res.Check(report.VSA)
		_, promotion := res.Check(report.Promotion)
		if promotion || vsa && !strings.Contains(res.Subject, "kube-proxy") && !strings.Contains(res.Subject, "kube-scheduler") {
			t.Errorf("%s %s has a check that no rule asks of it", res.Subject, res.Platform)
		}
	}
	v = verifier(t, w)
	v.Policy, v.Checks = policy, policy.Required
	rep, err = v.Images(t.Context(), request(t, modern))
	if err != nil || rep.Verdict() != report.Verified || !rep.Scope.Partial || !strings.Contains(strings.Join(rep.Scope.Omitted, " "), report.VSA) {
		t.Errorf("with --checks: %v %s partial=%v omitted %v", err, rep.Verdict(), rep.Scope.Partial, rep.Scope.Omitted)
	}
}
