package support

import "slices"

// Component is a part of a cluster that the version skew policy speaks of.
type Component string

const (
	APIServer              Component = "kube-apiserver"
	ControllerManager      Component = "kube-controller-manager"
	Scheduler              Component = "kube-scheduler"
	CloudControllerManager Component = "cloud-controller-manager"
	Kubelet                Component = "kubelet"
	KubeProxy              Component = "kube-proxy"
	Kubectl                Component = "kubectl"
	Kubeadm                Component = "kubeadm"
)

// Components are all of them, in the order in which a report lists them.
var Components = []Component{APIServer, ControllerManager, Scheduler, CloudControllerManager, Kubelet, KubeProxy, Kubectl}

// Tools are held against the policy beside Components, and are not part of a
// running cluster: no upgrade orders them.
var Tools = []Component{Kubeadm}

var known = slices.Concat(Components, Tools)

// Rule says how far the minor version of a component may lie from that of a
// peer. It holds for components of the minors From up to, and without, Before.
type Rule struct {
	Component Component `json:"component"`
	Peer      Component `json:"peer"`
	From      Minor     `json:"from,omitzero"`   // the zero Minor: from the beginning
	Before    Minor     `json:"before,omitzero"` // the zero Minor: to this day
	Newer     int       `json:"newer"`           // how many minors the component may be newer than the peer
	Older     int       `json:"older"`           // how many it may be older
	Sentence  string    `json:"sentence"`
}

// PolicyURL is where the version skew policy is published.
const PolicyURL = "https://kubernetes.io/releases/version-skew-policy/"

// KubeadmPolicyURL is where kubeadm's own part of it is published.
const KubeadmPolicyURL = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/create-cluster-kubeadm/#version-skew-policy"

// kubeadmOf3 is the first minor of kubeadm that takes kubelets three minors
// older; before it was one (kubernetes/kubernetes#120825).
var kubeadmOf3 = Minor{1, 29}

// nodesOf3 is the first minor of a node's components that may be three minors
// older than the control plane. The published policy draws the line at the
// node's component; an API server of 1.28 is the first to which it makes a
// difference, which is why the change is known as that of 1.28.
var nodesOf3 = Minor{1, 25}

// Rules is the policy, as published for 1.36 with what it says of older
// versions, in our words. What it said before May 2023 of kube-proxy (that it
// must be of the kubelet's minor) it no longer says of any version, and so it is not here.
// What is said of kubeadm is its own policy's, see KubeadmPolicyURL.
var Rules = []Rule{
	{Component: APIServer, Peer: APIServer, Newer: 1, Older: 1,
		Sentence: "all kube-apiserver of a cluster are within one minor version"},

	{Component: Kubelet, Peer: APIServer, From: nodesOf3, Older: 3,
		Sentence: "kubelet is not newer than any kube-apiserver, and at most three minor versions older"},
	{Component: Kubelet, Peer: APIServer, Before: nodesOf3, Older: 2,
		Sentence: "kubelet before 1.25 is not newer than any kube-apiserver, and at most two minor versions older"},

	{Component: KubeProxy, Peer: APIServer, From: nodesOf3, Older: 3,
		Sentence: "kube-proxy is not newer than any kube-apiserver, and at most three minor versions older"},
	{Component: KubeProxy, Peer: APIServer, Before: nodesOf3, Older: 2,
		Sentence: "kube-proxy before 1.25 is not newer than any kube-apiserver, and at most two minor versions older"},
	{Component: KubeProxy, Peer: Kubelet, From: nodesOf3, Newer: 3, Older: 3,
		Sentence: "kube-proxy is within three minor versions of the kubelet beside it"},
	{Component: KubeProxy, Peer: Kubelet, Before: nodesOf3, Newer: 2, Older: 2,
		Sentence: "kube-proxy before 1.25 is within two minor versions of the kubelet beside it"},

	{Component: ControllerManager, Peer: APIServer, Older: 1,
		Sentence: "kube-controller-manager is not newer than any kube-apiserver that it talks to, and at most one minor version older"},
	{Component: Scheduler, Peer: APIServer, Older: 1,
		Sentence: "kube-scheduler is not newer than any kube-apiserver that it talks to, and at most one minor version older"},
	{Component: CloudControllerManager, Peer: APIServer, Older: 1,
		Sentence: "cloud-controller-manager is not newer than any kube-apiserver that it talks to, and at most one minor version older"},

	{Component: Kubectl, Peer: APIServer, Newer: 1, Older: 1,
		Sentence: "kubectl is within one minor version of every kube-apiserver"},

	{Component: Kubeadm, Peer: APIServer, Newer: 1,
		Sentence: "kubeadm is of the minor version of every kube-apiserver that it makes or upgrades, or one newer"},
	{Component: Kubeadm, Peer: Kubelet, From: kubeadmOf3, Newer: 3,
		Sentence: "kubeadm is of the minor version of the kubelet beside it, or up to three newer"},
	{Component: Kubeadm, Peer: Kubelet, Before: kubeadmOf3, Newer: 1,
		Sentence: "kubeadm before 1.29 is of the minor version of the kubelet beside it, or one newer"},
}

// ruleFor returns the rule for a component of that minor beside a peer.
func ruleFor(c Component, m Minor, peer Component) (Rule, bool) {
	for _, r := range Rules {
		if r.Component == c && r.Peer == peer && m.Compare(r.From) >= 0 && (r.Before == Minor{} || m.Compare(r.Before) < 0) {
			return r, true
		}
	}
	return Rule{}, false
}

// allows reports whether the rule lets a component of minor m stand beside a
// peer of minor n. Minors of another major version are beyond every rule.
func (r Rule) allows(m, n Minor) bool {
	return m.Major == n.Major && m.Minor <= n.Minor+r.Newer && m.Minor >= n.Minor-r.Older
}
