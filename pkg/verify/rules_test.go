package verify_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Rules only add: what one of them asks for, no other takes away, whatever their order.
func TestRulesAdd(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	const (
		report1 = `{report: [vsa]}`
		report2 = `{report: [promotion]}`
		require = `{images: [kube-proxy], require: [vsa]}`
		ranged  = `{images: [kube-proxy], from: "1.37", require: [vsa]}`
		later   = `{images: [kube-proxy], from: "1.38", require: [vsa]}`
	)
	for _, tt := range []struct {
		name           string
		rules          []string
		image          string
		made, required bool
	}{
		{"reported", []string{report1}, "kube-proxy", true, false},
		{"reported by the first of two", []string{report1, report2}, "kube-proxy", true, false},
		{"reported by the second of two", []string{report2, report1}, "kube-proxy", true, false},
		{"required, then reported", []string{require, report1}, "kube-proxy", true, true},
		{"reported, then required", []string{report1, require}, "kube-proxy", true, true},
		{"required of another image, reported of all", []string{require, report1}, "kube-scheduler", true, false},
		{"of another check alone", []string{report2}, "kube-proxy", false, false},
		{"the repository of one architecture", []string{ranged}, "kube-proxy-amd64", true, true},
		{"the repository of one architecture, of another image", []string{ranged}, "kube-scheduler-amd64", false, false},
		{"the repository of one architecture, in later versions", []string{later}, "kube-proxy-amd64", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			policy, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "rules: []", "rules:\n  - "+strings.Join(tt.rules, "\n  - "), 1)))
			if err != nil {
				t.Fatal(err)
			}
			v := verifier(t, w)
			v.Policy = policy
			rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: tt.image, Tag: modern}})
			if err != nil {
				t.Fatal(err)
			}
			made, required := false, false
			for _, res := range rep.Results { // of the index, or of the one platform that was asked for
				c, ok := res.Check(report.VSA)
				made, required = made || ok, required || c.Required
			}
			if made != tt.made || required != tt.required {
				t.Errorf("made %v, required %v, want %v and %v", made, required, tt.made, tt.required)
			}
		})
	}
}
