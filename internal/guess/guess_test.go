package guess_test

import (
	"testing"

	"github.com/kverify/kverify/internal/guess"
)

func TestNearest(t *testing.T) {
	known := []string{"conformance", "kube-apiserver", "kube-proxy", "kubectl", "kubectl-convert", "mounter", "arm64", "amd64", "all"}
	for typed, want := range map[string]string{
		"kube-proxi":  "kube-proxy",
		"KUBCTL":      "kubectl",
		"kube-prox":   "kube-proxy",
		"conf":        "conformance", // its beginning
		"amd46":       "amd64",
		"kubctl-conv": "",
		"etcd":        "",
		"":            "",
		"x":           "", // half of a letter may be wrong
		"al":          "all",
		"kubectl":     "", // as it is
		"Kubectl":     "kubectl",
	} {
		if got := guess.Nearest(typed, known); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	if got := guess.DidYouMean("kubctl", known); got != `; did you mean "kubectl"?` {
		t.Error(got)
	}
	for _, typed := range []string{"etcd", "kubectl"} {
		if got := guess.DidYouMean(typed, known); got != "" {
			t.Errorf("%s: %s", typed, got)
		}
	}
}
