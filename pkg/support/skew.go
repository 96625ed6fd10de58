package support

import (
	"fmt"
	"slices"
)

// Instance is one component of a cluster, of some minor version; patches make no
// difference to the policy, and a pre-release counts as its minor.
type Instance struct {
	Component Component `json:"component"`
	Minor     Minor     `json:"minor"`
}

func (i Instance) String() string { return string(i.Component) + " " + i.Minor.String() }

// Violation is a rule that an instance breaks with a peer.
type Violation struct {
	Peer Instance `json:"peer"`
	Why  string   `json:"why"` // such as "kubelet 1.28 is newer than kube-apiserver 1.27"
	Rule Rule     `json:"rule"`
}

// Finding is what the policy says of one instance beside all the others.
type Finding struct {
	Instance
	// Supported is true if the instance was compared and breaks no rule. A kubelet
	// that is too new breaks one; the API server it is too new for does not.
	Supported bool `json:"supported"`
	// Allowed are the minors that the component's own rules let it have beside
	// the others, oldest first: none, if no minor fits all of them. What rules of
	// others say of it is said of the others.
	Allowed    []Minor     `json:"allowed,omitempty"`
	Rules      []Rule      `json:"rules,omitempty"` // of the component that were applied
	Violations []Violation `json:"violations,omitempty"`
}

// Skew is what the policy says of a cluster. The zero value is not supported.
type Skew struct {
	Findings []Finding `json:"findings"` // one for each instance, in the order of Components
}

// Supported reports whether every instance is supported, and there is one.
func (s Skew) Supported() bool {
	return len(s.Findings) > 0 && !slices.ContainsFunc(s.Findings, func(f Finding) bool { return !f.Supported })
}

// A SkewError says that instances cannot be held against the policy.
type SkewError struct{ Why string }

func (e *SkewError) Error() string { return e.Why }

// Check holds the components of one cluster against the policy. Every instance
// is compared with every other of which a rule speaks, as if each could talk to
// each: several API servers of different minors narrow what may stand beside
// them, as they do behind a load balancer. The error is a [*SkewError]: an
// unknown component, or one that no other given makes a rule for.
func Check(instances []Instance) (Skew, error) {
	for _, i := range instances {
		if !slices.Contains(known, i.Component) {
			return Skew{}, &SkewError{fmt.Sprintf("the policy knows no component %s; it speaks of %s", quote(string(i.Component)), joined(known))}
		}
	}
	list := inOrder(instances)
	var s Skew
	for _, i := range list {
		f := Finding{Instance: i, Allowed: allowed(i.Component, without(list, i), false)}
		for _, peer := range list {
			rule, ok := ruleFor(i.Component, i.Minor, peer.Component)
			if !ok || peer == i {
				continue
			}
			if !slices.Contains(f.Rules, rule) {
				f.Rules = append(f.Rules, rule)
			}
			if !rule.allows(i.Minor, peer.Minor) {
				f.Violations = append(f.Violations, Violation{peer, why(i, peer, rule), rule})
			}
		}
		if f.Rules == nil && i.Component == APIServer && len(list) == 1 {
			return Skew{}, &SkewError{fmt.Sprintf("%s alone breaks no rule; add what stands beside it, such as a kubelet", i)}
		}
		if f.Rules == nil && !isPeer(i, list) {
			return Skew{}, &SkewError{fmt.Sprintf("%s has nothing beside it that the policy compares it with; add the kube-apiserver it talks to", i)}
		}
		f.Supported = len(f.Violations) == 0
		s.Findings = append(s.Findings, f)
	}
	return s, nil
}

// isPeer reports whether a rule compares another instance with i: a kubelet
// given with a kube-proxy alone is there to be compared with.
func isPeer(i Instance, list []Instance) bool {
	return slices.ContainsFunc(list, func(other Instance) bool {
		_, ok := ruleFor(other.Component, other.Minor, i.Component)
		return ok && other != i
	})
}

// inOrder sorts instances as Components are, and Tools behind them, each once.
func inOrder(instances []Instance) (list []Instance) {
	for _, c := range known {
		for _, i := range instances {
			if i.Component == c && !slices.Contains(list, i) {
				list = append(list, i)
			}
		}
	}
	return list
}

func without(list []Instance, i Instance) []Instance {
	return slices.DeleteFunc(slices.Clone(list), func(other Instance) bool { return other == i })
}

// why words how far two instances are apart.
func why(i, peer Instance, r Rule) string {
	apart := i.Minor.Minor - peer.Minor.Minor
	switch {
	case i.Minor.Major != peer.Minor.Major:
		return fmt.Sprintf("%s and %s are of different major versions, and the policy says nothing of those", i, peer)
	case apart > 0 && r.Newer == 0:
		return fmt.Sprintf("%s is newer than %s", i, peer)
	case apart > 0:
		return fmt.Sprintf("%s is %s newer than %s", i, minors(apart), peer)
	}
	return fmt.Sprintf("%s is %s older than %s", i, minors(-apart), peer)
}

func minors(n int) string {
	if n == 1 {
		return "one minor version"
	}
	words := []string{2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
	if n < len(words) {
		return words[n] + " minor versions"
	}
	return fmt.Sprintf("%d minor versions", n)
}

// reach is how far from a peer any rule lets a component be.
const reach = 3

// Allowed returns the minors that a component may have beside all the others,
// by its own rules and by theirs, oldest first. Nothing is allowed where no
// rule speaks.
func Allowed(c Component, others []Instance) []Minor { return allowed(c, others, true) }

func allowed(c Component, others []Instance, theirs bool) (list []Minor) {
	var base Minor
	for _, o := range others {
		if hasRule(c, o.Component) || theirs && hasRule(o.Component, c) {
			base = o.Minor
		}
	}
	for n := max(0, base.Minor-reach); base.Major > 0 && n <= base.Minor+reach; n++ {
		m := Minor{base.Major, n}
		breaks := slices.ContainsFunc(others, func(o Instance) bool {
			own, ok := ruleFor(c, m, o.Component)
			if ok && !own.allows(m, o.Minor) {
				return true
			}
			their, ok := ruleFor(o.Component, o.Minor, c)
			return theirs && ok && !their.allows(o.Minor, m)
		})
		if !breaks {
			list = append(list, m)
		}
	}
	return list
}

func hasRule(c, peer Component) bool {
	return slices.ContainsFunc(Rules, func(r Rule) bool {
		return r.Component == c && r.Peer == peer
	})
}
