package trust_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/trust"
)

func TestIncidents(t *testing.T) {
	p := trust.EmbeddedPolicy()
	got := p.IncidentsOf("sha256:a2e984a18a0c063279d692533031c1eff93a262afcc0afdc517375432d060989")
	if len(got) != 1 || got[0].ID != "kubectl-1.35.0" || !strings.HasPrefix(got[0].Link, "https://") {
		t.Errorf("%+v", got)
	}
	for _, other := range []string{"", "v1.35.0", "sha256:" + strings.Repeat("0", 64)} {
		if got := p.IncidentsOf(oci.Digest(other)); len(got) > 0 {
			t.Errorf("%q: %+v", other, got)
		}
	}
}

// Each change would make an incident explain more than it may, or nothing.
func TestRulesAndIncidentsRefused(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	for name, change := range map[string][2]string{
		"an incident that excuses the binding":        {"checks: [signature]", "checks: [signature, binding]"},
		"an incident that excuses nothing":            {"checks: [signature]", "checks: []"},
		"an incident of a version":                    {"- sha256:a2e984a18a0c063279d692533031c1eff93a262afcc0afdc517375432d060989", "- v1.35.0"},
		"an incident without digests":                 {"    unmatched: the digests of v1.28.2 are not on record here\n", ""},
		"an incident without a link":                  {"link: https://github.com/kubernetes/kubernetes/issues/135858", `link: ""`},
		"an incident twice":                           {"id: late-1.32.0", "id: kubectl-1.35.0"},
		"a rule without checks":                       {"rules: []", "rules: [{images: [kube-proxy]}]"},
		"a rule with a check of all":                  {"rules: []", "rules: [{require: [signature]}]"},
		"a rule with an unknown check":                {"rules: []", "rules: [{require: [vsaa]}]"},
		"a rule with a check twice":                   {"rules: []", "rules: [{require: [vsa], report: [vsa]}]"},
		"a rule that runs backwards":                  {"rules: []", `rules: [{from: "1.30", to: "1.29", require: [vsa]}]`},
		"a rule with a pattern":                       {"rules: []", `rules: [{images: ["kube-*"], require: [vsa]}]`},
		"a rule with a version that is none":          {"rules: []", `rules: [{from: "1", require: [vsa]}]`},
		"a rule with a field that is not known":       {"rules: []", `rules: [{optional: true, require: [vsa]}]`},
		"contents with a relative path":               {"{/usr/local/bin/kube-proxy: kube-proxy}", "{usr/local/bin/kube-proxy: kube-proxy}"},
		"contents that climb":                         {"{/usr/local/bin/kube-proxy: kube-proxy}", "{/usr/../bin/kube-proxy: kube-proxy}"},
		"contents of nothing":                         {"{/usr/local/bin/kube-proxy: kube-proxy}", "{}"},
		"the former identity for the one that counts": {"{identity: k8s-infra-gcr-promoter", "{identity: krel-trust"},
		"the former identity for ever":                {`to: "2022-11-30"`, `to: ""`},
		"the former identity backwards":               {`to: "2022-11-30"`, `to: "2022-01-30"`},
		"a minor of kubeadm twice":                    {`- {minor: "1.25"`, `- {minor: "1.24"`},
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		if changed == text {
			t.Fatalf("%s: the policy has no %q", name, change[0])
		}
		if _, err := trust.ParsePolicy([]byte(changed)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

func TestRuleApplies(t *testing.T) {
	v := func(minor int) release.Version { return release.Version{Major: 1, Minor: minor} }
	patch := func(minor, patch int) release.Version {
		return release.Version{Major: 1, Minor: minor, Patch: patch}
	}
	patches := trust.Rule{From: "v1.30.2", To: "v1.31.5"}
	named, ranged := trust.Rule{Images: []string{"kube-proxy"}, From: "1.30", To: "1.31"}, trust.Rule{From: "1.30"}
	for _, c := range []struct {
		rule  trust.Rule
		image string
		v     release.Version
		want  bool
	}{
		{named, "kube-proxy", v(29), false},
		{named, "kube-proxy", v(30), true},
		{named, "kube-proxy", v(31), true},
		{named, "kube-proxy", v(32), false},
		{named, "kube-apiserver", v(30), false},
		{named, "kube-proxy", release.Version{}, true}, // by digest alone
		{ranged, "kube-proxy", v(30), true},
		{ranged, "pause", release.Version{}, false}, // of no release
		{trust.Rule{}, "pause", release.Version{}, true},
		{patches, "kube-proxy", patch(29, 9), false},
		{patches, "kube-proxy", patch(30, 1), false},
		{patches, "kube-proxy", patch(30, 2), true},
		{patches, "kube-proxy", patch(31, 0), true},
		{patches, "kube-proxy", patch(31, 5), true},
		{patches, "kube-proxy", patch(31, 6), false},
		{patches, "kube-proxy", patch(32, 0), false},
	} {
		if got := c.rule.Applies(c.image, c.v); got != c.want {
			t.Errorf("%+v of %s %s: %v", c.rule, c.image, c.v, got)
		}
	}
}
