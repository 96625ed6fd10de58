package trust_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/trust"
)

// A rule that names the repository of one architecture would be passed over wherever
// the image is known by its version: it is refused, so that nobody counts on it.
func TestRulesNameImages(t *testing.T) {
	parse := func(rule string) error {
		_, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "rules: []", "rules:\n  - "+rule, 1)))
		return err
	}
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		err := parse(`{images: [kube-scheduler, kube-proxy-` + arch + `], require: [vsa]}`)
		if err == nil || !strings.Contains(err.Error(), `"kube-proxy-`+arch+`" is one architecture of kube-proxy`) {
			t.Errorf("%s: %v", arch, err)
		}
	}
	for _, name := range []string{"kube-proxy", "pause-amd64", "kube-proxy-windows", "coredns/coredns"} {
		if err := parse(`{images: [` + name + `], require: [vsa]}`); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
