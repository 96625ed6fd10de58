package support

import (
	"fmt"
	"strings"
)

// Step is one step of an upgrade: components that go to a minor version
// together, in any order among themselves.
type Step struct {
	To         Minor       `json:"to"`
	Components []Component `json:"components"`
	// Optional steps may be left out, as long as the components are of one of
	// the minors in MayStay.
	Optional bool     `json:"optional"`
	MayStay  []Minor  `json:"mayStay,omitempty"`
	Before   []string `json:"before"`          // what must hold before
	Notes    []string `json:"notes,omitempty"` // what to heed
}

// maxUpgrade bounds an upgrade; there were fewer than forty minors in ten years.
const maxUpgrade = 50

// UpgradeOrder returns the steps that take a cluster from one minor to a newer
// one, as the policy orders them. API servers may not skip a minor version, so
// a longer way is one upgrade after another. No steps lead from a minor to
// itself: the policy orders no patch upgrades. The error is a [*SkewError].
func UpgradeOrder(from, to Minor) ([]Step, error) {
	switch {
	case from.Major != to.Major:
		return nil, &SkewError{fmt.Sprintf("the policy orders no upgrade from %s to %s, across a major version", from, to)}
	case to.Minor < from.Minor:
		return nil, &SkewError{fmt.Sprintf("%s is older than %s, and a cluster cannot be taken back: the policy knows upgrades only; exchange --from and --to", to, from)}
	case to.Minor-from.Minor > maxUpgrade:
		return nil, &SkewError{fmt.Sprintf("from %s to %s are more than %d minor versions; check them", from, to, maxUpgrade)}
	}
	var steps []Step
	for n := from.Minor + 1; n <= to.Minor; n++ {
		steps = append(steps, upgradeTo(Minor{from.Major, n})...)
	}
	return steps, nil
}

// upgradeTo returns the steps to a minor from the one before it.
func upgradeTo(to Minor) []Step {
	from := Minor{to.Major, to.Minor - 1}
	// While API servers are being exchanged, both minors serve.
	during := []Instance{{APIServer, from}, {APIServer, to}}
	after := during[1:]
	stay := func(c Component) []Minor {
		var older []Minor
		for _, m := range Allowed(c, after) {
			if m.Compare(to) < 0 {
				older = append(older, m)
			}
		}
		return older
	}
	all := fmt.Sprintf("every kube-apiserver that they can reach is at %s", to)
	control := []Component{ControllerManager, Scheduler, CloudControllerManager}
	return []Step{
		{
			To: to, Components: []Component{APIServer},
			Before: []string{
				fmt.Sprintf("every kube-apiserver is at %s, or at %s already", from, to),
				fmt.Sprintf("%s are at %s", joined(control), span(Allowed(ControllerManager, during))),
				fmt.Sprintf("every kubelet is at %s", span(Allowed(Kubelet, during))),
				fmt.Sprintf("every kube-proxy is at %s", span(Allowed(KubeProxy, during))),
				fmt.Sprintf("admission webhooks can take what %s will send them: new versions of resources, and new fields", to),
			},
			Notes: []string{
				fmt.Sprintf("kubectl may be at %s while both serve", span(Allowed(Kubectl, during))),
				"no minor version is skipped, with a single kube-apiserver neither",
			},
		},
		{
			To: to, Components: control, Before: []string{all},
			Notes: []string{"in any order, or all at once"},
		},
		{
			To: to, Components: []Component{Kubelet}, Optional: true, MayStay: stay(Kubelet), Before: []string{all},
			Notes: []string{"drain the node first: a kubelet cannot change its minor version under running pods"},
		},
		{
			To: to, Components: []Component{KubeProxy}, Optional: true, MayStay: stay(KubeProxy), Before: []string{all},
		},
	}
}

// span writes minors that follow one another: "1.25, 1.26 or 1.27".
func span(list []Minor) string {
	var words []string
	for _, m := range list {
		words = append(words, m.String())
	}
	return orList(words)
}

func orList(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return strings.Join(words, "")
}

func joined(list []Component) string {
	var words []string
	for _, c := range list {
		words = append(words, string(c))
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
