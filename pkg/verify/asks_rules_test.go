package verify

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// ruledBy is a run under the embedded policy with these rules besides.
func ruledBy(t testing.TB, checks, require []string, rules ...string) *run {
	t.Helper()
	text := "rules:\n"
	for _, r := range rules {
		text += "  - " + r + "\n"
	}
	p, err := trust.ParsePolicy([]byte(strings.Replace(string(trust.EmbeddedPolicyYAML()), "rules: []", text, 1)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&Verifier{Policy: p, Checks: checks, Require: require}).newRun()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Which images a rule of the policy is for. Who names a digest, or the repository of one
// architecture, does not escape it; what is of no release is meant by its name alone.
func TestWhatARuleIsFor(t *testing.T) {
	version := func(s string) release.Version {
		v, ok := versionOf(s)
		if !ok {
			t.Fatal(s)
		}
		return v
	}
	of := func(name, tag string) *image { return &image{name: name, tag: tag} }
	ofRelease := func(name, tag string) *image { return &image{name: name, tag: tag, version: version(tag)} }
	bound := func(name string, tags ...string) *image {
		im := of(name, "")
		for _, tag := range tags {
			im.boundTo = append(im.boundTo, version(tag))
		}
		return im
	}
	const all, since, named, namedSince, until = `{require: [vsa]}`, `{from: "1.37", require: [vsa]}`, `{images: [kube-proxy], require: [vsa]}`,
		`{images: [kube-proxy, pause], from: "1.37", require: [vsa]}`, `{to: "1.36", require: [vsa]}`
	for _, tt := range []struct {
		rule string
		im   *image
		want bool
	}{
		{all, ofRelease("kube-proxy", "v1.37.0"), true},
		{all, of("pause", "3.9"), true},
		{all, of("somebodys", ""), true},
		{since, ofRelease("kube-proxy", "v1.37.0"), true},
		{since, ofRelease("kube-proxy", "v1.36.9"), false},
		{since, of("kube-proxy", "v1.99.0"), true}, // by its tag, where the version was not taken over
		{since, of("kube-proxy", "v1.2.0"), false},
		{since, of("kube-proxy", "latest"), false},
		{since, of("pause", "3.9"), false},
		{since, of("somebodys", "v1.99.0"), false}, // not of a release, whatever its tag
		{since, of("kube-proxy", ""), true},        // any version, while none is known
		{since, of("somebodys", ""), false},
		{since, bound("kube-proxy", "v1.36.0"), false},
		{since, bound("kube-proxy", "v1.37.0"), true},
		{since, bound("kube-proxy", "v1.36.0", "v1.37.0"), true},
		{since, of("kube-proxy-arm64", ""), true},
		{until, ofRelease("kube-proxy", "v1.37.0"), false},
		{until, ofRelease("kube-proxy", "v1.36.0"), true},
		{until, of("pause", "3.9"), false},
		{until, of("kube-proxy", "v1.99.0"), false},
		{named, ofRelease("kube-proxy", "v1.37.0"), true},
		{named, of("kube-proxy-arm64", ""), true},
		{named, of("kube-proxy-riscv64", ""), false}, // no architecture of any release
		{named, ofRelease("kube-scheduler", "v1.37.0"), false},
		{named, of("kube-scheduler", ""), false},
		{namedSince, of("pause", "3.9"), true},
		{namedSince, of("pause", ""), true},
		{namedSince, of("etcd", ""), false},
		{namedSince, ofRelease("kube-proxy", "v1.36.0"), false},
		{namedSince, ofRelease("kube-proxy", "v1.37.0"), true},
		{namedSince, of("kube-proxy", "v1.2.0"), false},
		{namedSince, of("kube-proxy", "latest"), true},
		{namedSince, of("kube-proxy", "1.36.0"), true}, // not a version as releases write it
	} {
		required, made := ruledBy(t, nil, nil, tt.rule).asks(tt.im, report.VSA)
		if required != tt.want || made != tt.want {
			t.Errorf("%s of %s:%s, bound to %v: required %v, made %v", tt.rule, tt.im.name, tt.im.tag, tt.im.boundTo, required, made)
		}
	}
}

// A check is required by whoever requires it, and made where a rule only reports it; what
// was chosen by name stands instead of all rules.
func TestWhatRulesAskFor(t *testing.T) {
	const require, show, other, elsewhere = `{require: [vsa]}`, `{report: [vsa]}`, `{require: [promotion]}`, `{images: [pause], require: [vsa], report: [promotion]}`
	for _, tt := range []struct {
		checks, require []string
		rules           []string
		check           string
		want            string // required, made
	}{
		{nil, nil, nil, report.VSA, "false false"},
		{nil, nil, []string{require}, report.VSA, "true true"},
		{nil, nil, []string{show}, report.VSA, "false true"},
		{nil, nil, []string{show, require}, report.VSA, "true true"},
		{nil, nil, []string{require, show}, report.VSA, "true true"},
		{nil, nil, []string{require, other}, report.VSA, "true true"},
		{nil, nil, []string{show, other}, report.VSA, "false true"},
		{nil, nil, []string{other}, report.VSA, "false false"},
		{nil, nil, []string{elsewhere}, report.VSA, "false false"},
		{nil, []string{report.VSA}, nil, report.VSA, "true true"},
		{nil, []string{report.VSA}, []string{other}, report.VSA, "true true"},
		{nil, nil, nil, report.Signature, "true true"},
		{[]string{report.Digest, report.Signature}, nil, []string{require}, report.VSA, "false false"},
		{[]string{report.Digest, report.Signature, report.VSA}, nil, []string{other}, report.VSA, "true true"},
		{[]string{report.Digest, report.Signature}, nil, nil, report.Binding, "false false"},
	} {
		rules := tt.rules
		if rules == nil {
			rules = []string{`{images: [nothing], require: [vsa]}`}
		}
		required, made := ruledBy(t, tt.checks, tt.require, rules...).asks(&image{name: "kube-proxy", tag: "v1.27.2"}, tt.check)
		if got := fmt.Sprint(required, made); got != tt.want {
			t.Errorf("checks %v, require %v, rules %v: %s is required, made: %s, want %s", tt.checks, tt.require, tt.rules, tt.check, got, tt.want)
		}
	}
}
