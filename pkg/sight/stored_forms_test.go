package sight_test

import (
	"strings"
	"testing"
)

// What a store says of an image is one of its names or digests, and what it has not is passed over, wherever it stands.
func TestFormsOfStoredImages(t *testing.T) {
	const twelve = "FAULT the image id has 12 digits, which is no digest; give whole ones: --no-trunc, or -o json"
	noDigest := func(s string) string {
		return `the image id "` + s + `" is no digest; a digest is sha256: and 64 lower-case hex digits`
	}
	for _, tt := range []struct{ text, want string }{
		{`[{"RepoDigests":["a.b/c@sha256:<a>"]}]`, "L| a.b/c@sha256:<a> sha256:<a> reported"},
		{`[{"RepoTags":["<none>:<none>","a.b/c:1"],"RepoDigests":["<none>@<none>","a.b/c@sha256:<a>"]}]`, "L| a.b/c:1 =a.b/c@sha256:<a> sha256:<a> reported"},
		{`[{"RepoDigests":["a.b/c@sha256:<a>","a.b/d@sha256:<a>","a.b/e@sha256:<b>"]}]`, "L| a.b/c@sha256:<a> sha256:<a> reported\nL| a.b/e@sha256:<b> sha256:<b> reported"},
		{`[{"RepoDigests":["<a>","a.b/e@sha256:<b>"]}]`, "L| a.b/e@sha256:<b> sha256:<b> reported FAULT a digest is written as 64 digits alone; a digest is sha256: and 64 lower-case hex digits"},
		{`[{"RepoDigests":["0123456789ab","a.b/e@sha256:<b>"]}]`, "L| a.b/e@sha256:<b> sha256:<b> reported " + twelve},
		// What is wrong with one digest is wrong with the image, wherever that one stands; so it is with the id.
		{`[{"RepoTags":["a.b/c:1"],"RepoDigests":["a.b/c@sha256:<a>","a.b/d@sha512:bb"]}]`, "L| a.b/c:1 =a.b/c@sha256:<a> sha256:<a> reported FAULT " + noDigest("a.b/d@sha512:bb")},
		{`[{"RepoTags":["a.b/c:1"],"RepoDigests":["a.b/d@sha512:bb","a.b/c@sha256:<a>"]}]`, "L| a.b/c:1 =a.b/c@sha256:<a> sha256:<a> reported FAULT " + noDigest("a.b/d@sha512:bb")},
		{`[{"RepoDigests":["a.b/c@sha256:<a>","a.b/e@sha256:<b>","x"]}]`, "L| a.b/c@sha256:<a> sha256:<a> reported FAULT " + noDigest("x") + "\nL| a.b/e@sha256:<b> sha256:<b> reported FAULT " + noDigest("x")},
		{`[{"RepoDigests":["a.b/c@sha256:<a>"],"Digest":"x"}]`, "L| a.b/c@sha256:<a> sha256:<a> reported FAULT " + noDigest("x")},
		{`[{"Id":"sha512:bb","RepoDigests":["a.b/c@sha256:<a>"]}]`, "L| a.b/c@sha256:<a> sha256:<a> reported FAULT " + noDigest("sha512:bb")},
		{`[{"Id":"0123456789ab","RepoDigests":["a.b/c@sha256:<a>"]}]`, "L| a.b/c@sha256:<a> sha256:<a> reported"},
		{`[{"RepoDigests":["0123456789ab"],"RepoTags":["a.b/c:1"]}]`, "L| a.b/c:1 reported " + twelve},
		{`[{"RepoDigests":["<a>"]}]`, "L| reported FAULT a digest is written as 64 digits alone; a digest is sha256: and 64 lower-case hex digits"},
		{`[{"Id":"sha256:<a>","RepoDigests":["a.b/c@sha256:<a>"]}]`, "L| a.b/c@sha256:<a> sha256:<a> reported"},
		{`[{"Id":"<a>","RepoDigests":["a.b/c@sha256:<b>"]}]`, "L| a.b/c@sha256:<b> sha256:<b> reported"},
		{`[{"RepoTags":[]}]`, "# 1 image has neither a name nor a digest"},
		{`{"ID":"0123456789ab","Repository":"<none>","Tag":"<none>"}`, "L| reported " + twelve},
		{`{"ID":"<none>","Repository":"a.b/c","Tag":"1"}`, "L| a.b/c:1 reported"},
		{`{"Digest":"sha256:<a>","Repository":"<none>","Tag":"v1"}`, "L| sha256:<a> reported"},
		{`{"Digest":"sha256:<a>","Repository":"","Tag":"v1"}`, "L| sha256:<a> reported"},
		{`{"Digest":"sha256:<a>","Tag":"v1","Repository":"a.b/c","State":"x"}`, ""}, // a container's
	} {
		if tt.want == "" {
			if out, _, err := readAll(t, strings.NewReader(fill(tt.text))); len(out) > 0 || err == nil {
				t.Errorf("%s: %q", tt.text, out)
			}
			continue
		}
		check(t, tt.text, tt.want)
	}
}

// Objects are what their kind and version say, or the list that they stand in; any other is counted, and named where it is known.
func TestFormsOfThings(t *testing.T) {
	const pod, odd = `{"kind":"Pod","apiVersion":"v1","spec":{"containers":[{"image":"a.b/c:1"}]}}`, "\n# 1 value has no form that a list may have, and was skipped"
	members := func(n int) string { return strings.Repeat(`"x":1,`, n) }
	for _, tt := range []struct{ text, want string }{
		{`{"kind":"DeploymentList","items":[{"metadata":{"name":"d"},"spec":{"containers":[{"image":"a.b/c:1"}]}}]}`, "L: deployment d container| a.b/c:1"},
		{`{"kind":"ServiceList","items":[{"metadata":{"name":"d"}}]}`, "# 1 document holds no pod template (Service)"},
		{`{"kind":"List","items":[7,"x",{"kind":"Service","apiVersion":"v1"}]}`, "# 1 document holds no pod template (Service)\n# 2 values have no form that a list may have, and were skipped"},
		{`[[` + pod + `],` + pod + `]`, "L: pod container| a.b/c:1" + odd},
		{`{"x":1}` + pod, "L: pod container| a.b/c:1" + odd}, {`{"kind":"x"}` + pod, "L: pod container| a.b/c:1" + odd}, {`{"apiVersion":"v1"}` + pod, "L: pod container| a.b/c:1" + odd},
		{`{"kind":"ClusterConfiguration","apiVersion":"x/v1","dns":{"imageTag":"1"}}`, "# 1 document holds no pod template (ClusterConfiguration)"},
		{"- x: 1\n- RepoTags: [a.b/c:1]\n", "L:2| a.b/c:1 reported" + odd},
		{"kind: Pod\napiVersion: v1\nstatus:\n  containerStatuses:\n  - name: c\n    imageID: sha256:<a>\n", "L:6: pod container c| sha256:<a> reported"},
		{"kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - name: c\n    x: 1\n", "# 1 container names no image"},
	} {
		check(t, tt.text, tt.want)
	}
	for n, says := range map[int]string{63: "it is an SBOM in SPDX", 64: "it holds nothing that a list has"} {
		if _, _, err := readAll(t, strings.NewReader(`{`+members(n)+`"spdxVersion":"x"}`)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("after %d others: %v", n, err)
		}
	}
}

// A configuration of kubeadm names the images that it does not leave to kubeadm, in JSON as in YAML.
func TestFormsOfKubeadm(t *testing.T) {
	config := func(rest string) string {
		return `{"apiVersion":"kubeadm.k8s.io/v1beta4","kind":"ClusterConfiguration"` + rest + `}`
	}
	const hint = "\n# a kubeadm configuration names v1.30.1, and few images; kubeadm config images list --config FILE names them all"
	for _, tt := range []struct{ text, want string }{
		{config(``), ""}, {config(`,"kubernetesVersion":"v1.30.1"`), hint},
		{config(`,"kubernetesVersion":"v1.30.1","x":1,"imageRepository":"a.b/k","dns":{"x":[1],"imageTag":"v1","imageRepository":"a.b/d","y":{}},"etcd":{"external":{"x":1},"local":{"x":1,"imageTag":"3"}},"z":1`),
			"L: kubeadm ClusterConfiguration coredns| a.b/d/coredns:v1 v1.30.1\nL: kubeadm ClusterConfiguration etcd| a.b/k/etcd:3 v1.30.1" + hint},
		{config(`,"etcd":{"local":{"imageTag":"3"}}`), "L: kubeadm ClusterConfiguration etcd| registry.k8s.io/etcd:3"},
		{config(`,"dns":{"imageTag":"v1"},"imageRepository":"registry.k8s.io"`), "L: kubeadm ClusterConfiguration coredns| registry.k8s.io/coredns/coredns:v1"},
		{config(`,"etcd":{"external":{"imageTag":"9"},"local":{}}`), ""}, {config(`,"dns":{"imageRepository":"a.b"},"etcd":7`), ""}, {config(`,"dns":7,"etcd":{"local":7}`), ""},
	} {
		check(t, tt.text, tt.want)
	}
	if _, notes, err := readAll(t, strings.NewReader(strings.Repeat(config(`,"kubernetesVersion":"v1"`), 51))); err != nil || len(notes) != 50 {
		t.Errorf("%d notes: %v", len(notes), err)
	}
}
