package support_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/support"
)

func minor(t testing.TB, s string) support.Minor {
	t.Helper()
	m, err := support.ParseMinor(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// instances reads "kube-apiserver 1.27 1.26, kubelet 1.25".
func instances(t testing.TB, s string) (list []support.Instance) {
	t.Helper()
	for _, part := range strings.Split(s, ", ") {
		words := strings.Fields(part)
		for _, v := range words[1:] {
			list = append(list, support.Instance{Component: support.Component(words[0]), Minor: minor(t, v)})
		}
	}
	return list
}

func names(list []support.Minor) string {
	var words []string
	for _, m := range list {
		words = append(words, m.String())
	}
	return strings.Join(words, " ")
}

// TestPolicy holds every example of the published policy for 1.27, and what
// changed with 1.28: which versions of a component are supported beside others.
func TestPolicy(t *testing.T) {
	const controllers = "kube-controller-manager kube-scheduler cloud-controller-manager"
	for _, tt := range []struct {
		name, components, beside, want string
	}{
		// The published policy for 1.27, section by section.
		{"kube-apiserver, HA, newest is 1.27", "kube-apiserver", "kube-apiserver 1.27", "1.26 1.27 1.28"}, // 1.28 would be the newest then
		{"kube-apiserver, HA, 1.27 and 1.26 serve", "kube-apiserver", "kube-apiserver 1.27 1.26", "1.26 1.27"},
		{"kubelet", "kubelet", "kube-apiserver 1.27", "1.25 1.26 1.27"},
		{"kubelet, HA", "kubelet", "kube-apiserver 1.27 1.26", "1.25 1.26"},
		{"kube-proxy", "kube-proxy", "kube-apiserver 1.27", "1.25 1.26 1.27"},
		{"kube-proxy, HA", "kube-proxy", "kube-apiserver 1.27 1.26", "1.25 1.26"},
		{"controllers", controllers, "kube-apiserver 1.27", "1.26 1.27"},
		{"controllers, HA behind a load balancer", controllers, "kube-apiserver 1.27 1.26", "1.26"},
		{"kubectl", "kubectl", "kube-apiserver 1.27", "1.26 1.27 1.28"},
		{"kubectl, HA", "kubectl", "kube-apiserver 1.27 1.26", "1.26 1.27"},

		// Since 1.28 a node may be three minors older, if its components are of 1.25 or newer.
		{"kubelet beside 1.28", "kubelet", "kube-apiserver 1.28", "1.25 1.26 1.27 1.28"},
		{"kubelet beside 1.28, HA", "kubelet", "kube-apiserver 1.28 1.27", "1.25 1.26 1.27"},
		{"kube-proxy beside 1.28", "kube-proxy", "kube-apiserver 1.28", "1.25 1.26 1.27 1.28"},
		{"kube-proxy beside 1.28, HA", "kube-proxy", "kube-apiserver 1.28 1.27", "1.25 1.26 1.27"},
		{"kubelet beside 1.29", "kubelet", "kube-apiserver 1.29", "1.26 1.27 1.28 1.29"},
		{"kubelet beside 1.36, HA", "kubelet", "kube-apiserver 1.36 1.35", "1.33 1.34 1.35"},
		{"kubelet beside 1.26", "kubelet", "kube-apiserver 1.26", "1.24 1.25 1.26"},
		{"kubelet beside 1.20", "kubelet", "kube-apiserver 1.20", "1.18 1.19 1.20"},
		{"the others are as before", controllers, "kube-apiserver 1.28 1.27", "1.27"},
		{"kubectl beside 1.28", "kubectl", "kube-apiserver 1.28", "1.27 1.28 1.29"},

		// kube-proxy and the kubelet beside it, where no API server narrows them first.
		{"kube-proxy beside a kubelet of 1.28", "kube-proxy", "kubelet 1.28", "1.25 1.26 1.27 1.28 1.29 1.30 1.31"},
		{"kube-proxy beside a kubelet of 1.24", "kube-proxy", "kubelet 1.24", "1.22 1.23 1.24 1.25 1.26 1.27"},
		{"kubelet beside a kube-proxy of 1.24", "kubelet", "kube-proxy 1.24", "1.22 1.23 1.24 1.25 1.26"},

		// What an API server may be beside nodes that are there already.
		{"kube-apiserver beside a kubelet of 1.24", "kube-apiserver", "kubelet 1.24", "1.24 1.25 1.26"},
		{"kube-apiserver beside a kubelet of 1.25", "kube-apiserver", "kubelet 1.25", "1.25 1.26 1.27 1.28"},
		{"nothing fits", "kubectl", "kube-apiserver 1.27 1.20", ""},
	} {
		for _, c := range strings.Fields(tt.components) {
			t.Run(tt.name+"/"+c, func(t *testing.T) {
				component, others := support.Component(c), instances(t, tt.beside)
				if got := names(support.Allowed(component, others)); got != tt.want {
					t.Fatalf("%s beside %s: %s, want %s", c, tt.beside, got, tt.want)
				}
				// Check must say the same of every version.
				for n := 15; n <= 40; n++ {
					i := support.Instance{Component: component, Minor: support.Minor{Major: 1, Minor: n}}
					if slices.Contains(others, i) || component == support.APIServer && !strings.HasPrefix(tt.beside, c) {
						continue // then it is the other that breaks the rule
					}
					if component == support.Kubelet && strings.HasPrefix(tt.beside, "kube-proxy") {
						continue
					}
					s, err := support.Check(append([]support.Instance{i}, others...))
					if err != nil {
						t.Fatal(err)
					}
					at := slices.IndexFunc(s.Findings, func(f support.Finding) bool { return f.Instance == i })
					f := s.Findings[at]
					if want := slices.Contains(strings.Fields(tt.want), i.Minor.String()); f.Supported != want {
						t.Errorf("%s beside %s: supported is %v, want %v (%+v)", i, tt.beside, f.Supported, want, f.Violations)
					}
					if slices.Contains(f.Allowed, i.Minor) != f.Supported {
						t.Errorf("%s beside %s: allowed are %v, and supported is %v", i, tt.beside, f.Allowed, f.Supported)
					}
					if f.Supported != (len(f.Violations) == 0) {
						t.Errorf("%s: supported is %v with %d violations", i, f.Supported, len(f.Violations))
					}
				}
			})
		}
	}
}

func TestCheckSaysWhy(t *testing.T) {
	for _, tt := range []struct{ cluster, who, why, rule string }{
		{"kube-apiserver 1.27 1.26, kubelet 1.27", "kubelet 1.27", "kubelet 1.27 is newer than kube-apiserver 1.26", "not newer than any kube-apiserver"},
		{"kube-apiserver 1.28, kubelet 1.24", "kubelet 1.24", "kubelet 1.24 is four minor versions older than kube-apiserver 1.28", "kubelet before 1.25"},
		{"kube-apiserver 1.27, kubelet 1.24", "kubelet 1.24", "kubelet 1.24 is three minor versions older than kube-apiserver 1.27", "at most two"},
		{"kube-apiserver 1.29, kubelet 1.25", "kubelet 1.25", "four minor versions older", "at most three"},
		{"kube-apiserver 1.27, kubectl 1.29", "kubectl 1.29", "kubectl 1.29 is two minor versions newer than kube-apiserver 1.27", "within one minor version"},
		{"kube-apiserver 1.27, kube-scheduler 1.25", "kube-scheduler 1.25", "two minor versions older", "at most one minor version older"},
		{"kube-apiserver 1.27, kube-scheduler 1.28", "kube-scheduler 1.28", "is newer than kube-apiserver 1.27", "not newer"},
		{"kube-apiserver 1.27 1.25", "kube-apiserver 1.25", "two minor versions older than kube-apiserver 1.27", "within one minor version"},
		{"kube-apiserver 2.0, kubelet 1.36", "kubelet 1.36", "different major versions", "kubelet"},
		{"kubelet 1.20, kube-proxy 1.27", "kube-proxy 1.27", "7 minor versions newer than kubelet 1.20", "the kubelet beside it"},
	} {
		s, err := support.Check(instances(t, tt.cluster))
		if err != nil {
			t.Errorf("%s: %v", tt.cluster, err)
			continue
		}
		if s.Supported() {
			t.Errorf("%s: supported", tt.cluster)
		}
		for _, f := range s.Findings {
			if f.String() != tt.who {
				continue
			}
			if len(f.Violations) != 1 || !strings.Contains(f.Violations[0].Why, tt.why) || !strings.Contains(f.Violations[0].Rule.Sentence, tt.rule) {
				t.Errorf("%s: %+v, want %q by %q", tt.cluster, f.Violations, tt.why, tt.rule)
			}
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for cluster, want := range map[string]string{
		"kubelet 1.27":                  "add the kube-apiserver",
		"kube-apiserver 1.27":           "add what stands beside it",
		"kubectl 1.27, kubelet 1.27":    "add the kube-apiserver",
		"etcd 1.27, kube-apiserver 1.2": "knows no component",
	} {
		_, err := support.Check(instances(t, cluster))
		var skew *support.SkewError
		if !errors.As(err, &skew) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", cluster, err, want)
		}
	}
	if (support.Skew{}).Supported() {
		t.Error("the zero value is supported")
	}
}

// TestRules holds that of every component of every minor at most one rule
// speaks for each peer, and that the rules say in words what they say in numbers.
func TestRules(t *testing.T) {
	words := []string{"", "one", "two", "three"}
	for _, r := range support.Rules {
		most := max(r.Newer, r.Older)
		if !strings.Contains(r.Sentence, words[most]) || !strings.Contains(r.Sentence, string(r.Component)) || !strings.Contains(r.Sentence, string(r.Peer)) {
			t.Errorf("%+v: the sentence says something else", r)
		}
		if (r.Newer == 0) != strings.Contains(r.Sentence, "not newer") {
			t.Errorf("%+v: the sentence says something else of newer ones", r)
		}
		for _, q := range support.Rules {
			if q != r && q.Component == r.Component && q.Peer == r.Peer && q.Before != r.From && r.Before != q.From {
				t.Errorf("%q and %q speak of the same", q.Sentence, r.Sentence)
			}
		}
	}
}

// TestUpgradeOrder holds the published order for 1.26 to 1.27, and that every
// state on the way is one that Check supports.
func TestUpgradeOrder(t *testing.T) {
	steps, err := support.UpgradeOrder(minor(t, "1.26"), minor(t, "1.27"))
	if err != nil || len(steps) != 4 {
		t.Fatalf("%d steps, %v", len(steps), err)
	}
	var order []string
	for _, s := range steps {
		order = append(order, fmt.Sprint(s.Components, s.Optional, names(s.MayStay)))
	}
	want := []string{
		"[kube-apiserver]false",
		"[kube-controller-manager kube-scheduler cloud-controller-manager]false",
		"[kubelet]true1.25 1.26",
		"[kube-proxy]true1.25 1.26",
	}
	for i := range want {
		if got := strings.ReplaceAll(order[i], " true ", "true"); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want[i], " ", "") {
			t.Errorf("step %d: %s, want %s", i, order[i], want[i])
		}
	}
	before := strings.Join(steps[0].Before, "\n")
	for _, want := range []string{"every kube-apiserver is at 1.26, or at 1.27 already", "cloud-controller-manager are at 1.26\n", "every kubelet is at 1.25 or 1.26\n", "webhooks"} {
		if !strings.Contains(before, want) {
			t.Errorf("before the API servers: %q misses %q", before, want)
		}
	}
	if steps, _ := support.UpgradeOrder(minor(t, "1.27"), minor(t, "1.28")); names(steps[2].MayStay) != "1.25 1.26 1.27" {
		t.Errorf("a kubelet may stay at %v beside 1.28", steps[2].MayStay)
	}

	cluster := map[support.Component][]support.Minor{}
	for _, c := range support.Components {
		cluster[c] = []support.Minor{minor(t, "1.23")}
	}
	delete(cluster, support.Kubectl)
	steps, err = support.UpgradeOrder(minor(t, "1.23"), minor(t, "1.30"))
	if err != nil || len(steps) != 7*4 {
		t.Fatalf("%d steps, %v", len(steps), err)
	}
	check := func(s support.Step) {
		var all []support.Instance
		for c, list := range cluster {
			for _, m := range list {
				all = append(all, support.Instance{Component: c, Minor: m})
			}
		}
		if skew, err := support.Check(all); err != nil || !skew.Supported() {
			t.Errorf("at %v to %s: %+v, %v", s.Components, s.To, skew, err)
		}
	}
	for _, s := range steps {
		for _, c := range s.Components { // one after the other: old and new side by side, then new alone
			cluster[c] = append(cluster[c], s.To)
			check(s)
			cluster[c] = []support.Minor{s.To}
			check(s)
		}
	}

	if steps, err := support.UpgradeOrder(minor(t, "1.27"), minor(t, "1.27")); err != nil || steps != nil {
		t.Errorf("to itself: %v, %v", steps, err)
	}
	for _, bad := range [][2]string{{"1.27", "1.26"}, {"1.27", "2.0"}, {"1.2", "1.900"}} {
		_, err := support.UpgradeOrder(minor(t, bad[0]), minor(t, bad[1]))
		var skew *support.SkewError
		if !errors.As(err, &skew) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// kubeadm has rules of its own, and since 1.29 others for the kubelet.
func TestCheckKubeadm(t *testing.T) {
	for cluster, want := range map[string]bool{
		"kube-apiserver 1.31, kubeadm 1.31":               true,
		"kube-apiserver 1.30, kubeadm 1.31":               true,
		"kube-apiserver 1.29, kubeadm 1.31":               false,
		"kube-apiserver 1.32, kubeadm 1.31":               false,
		"kube-apiserver 1.31, kubelet 1.28, kubeadm 1.31": true,
		"kube-apiserver 1.30, kubelet 1.27, kubeadm 1.31": false,
		"kubelet 1.26, kubeadm 1.29":                      true,
		"kubelet 1.25, kubeadm 1.29":                      false,
		"kubelet 1.27, kubeadm 1.28":                      true,
		"kubelet 1.26, kubeadm 1.28":                      false,
		"kubelet 1.32, kubeadm 1.31":                      false,
	} {
		s, err := support.Check(instances(t, cluster))
		if err != nil || s.Supported() != want {
			t.Errorf("%s: %v, %+v", cluster, err, s)
		}
	}
	if _, err := support.Check(instances(t, "kubeadm 1.31, kubectl 1.31")); err == nil {
		t.Error("kubeadm with nothing to compare it with was compared")
	}
}
