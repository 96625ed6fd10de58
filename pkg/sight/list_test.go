package sight_test

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/pkg/sight"
)

// fill writes the 64 digits that "<a>" stands for, and cut takes them out again.
func fill(s string) string {
	return regexp.MustCompile(`<[0-9a-f]>`).ReplaceAllStringFunc(s, func(m string) string { return strings.Repeat(m[1:2], 64) })
}

func cut(s string) string {
	for _, c := range "0123456789abcdef" {
		s = strings.ReplaceAll(s, strings.Repeat(string(c), 64), "<"+string(c)+">")
	}
	return s
}

// shown is a sighting in a line: the place, what it is called, the digests, and what is said of it.
func shown(s sight.Sighting) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|", s.Place)
	if s.Name != "" {
		b.WriteString(" " + s.Name)
	}
	for _, o := range s.Others {
		b.WriteString(" =" + o)
	}
	if s.Digest != "" {
		b.WriteString(string(" " + s.Digest))
	}
	for _, a := range s.Also {
		b.WriteString(string(" +" + a))
	}
	if s.Version != "" {
		b.WriteString(" " + s.Version)
	}
	if s.Reported {
		b.WriteString(" reported")
	}
	if s.Bare {
		b.WriteString(" bare")
	}
	if s.Fault != "" {
		b.WriteString(" FAULT " + s.Fault)
	}
	return cut(b.String())
}

// readAll reads a list, and says all that it says, a line each.
func readAll(t testing.TB, r io.Reader) (out []string, notes []string, err error) {
	t.Helper()
	l := sight.NewList("L", r)
	for s, e := range l.All(t.Context()) {
		if e != nil {
			if s.Digest != "" || s.Name != "" {
				t.Errorf("a sighting beside an error: %+v", s)
			}
			err = e
			break
		}
		out = append(out, shown(s))
	}
	return out, l.Notes(), err
}

// check reads the list whole and a byte at a time, and wants these lines, then notes after "# ".
func check(t *testing.T, text, want string) {
	t.Helper()
	for _, r := range []io.Reader{strings.NewReader(fill(text)), iotest.OneByteReader(strings.NewReader(fill(text)))} {
		out, notes, err := readAll(t, r)
		for _, n := range notes {
			out = append(out, "# "+n)
		}
		if got, want := strings.Join(out, "\n"), strings.TrimSpace(want); got != want || err != nil {
			t.Errorf("got\n%s\n%v\nwant\n%s", got, err, want)
		}
	}
}

// Lines: kubeadm config images list, what a person writes, kverify's own -o refs.
func TestLines(t *testing.T) {
	check(t, "\xef\xbb\xbf# what we run\r\n\r\nregistry.k8s.io/kube-proxy:v1.30.1\r\n"+
		"  registry.k8s.io/coredns/coredns:v1.11.1 # as pulled\r\nregistry.k8s.io/pause:3.9@sha256:<a>\nsha256:<b>\nv1.30.1\n1.29.0\n"+
		"harbor.corp/k8s/etcd@sha256:<c>\nnginx:1.27\nregistry.k8s.io/kube-proxy@sha256:abc\nregistry.k8s.io/a b\n./images.tar\nC:\\images.tar\n<d>\nsha256:0123456789ab\n"+
		"docker-pullable://registry.k8s.io/kube-proxy@sha256:<e>\nimport-2026-11-26@sha256:<f>\nlast.corp/x:1\n1.30\nstable-1.30\nv1.31.4-eks-2d5f260\n0123456789ab", `
L:3| registry.k8s.io/kube-proxy:v1.30.1
L:4| registry.k8s.io/coredns/coredns:v1.11.1
L:5| registry.k8s.io/pause:3.9@sha256:<a> sha256:<a>
L:6| sha256:<b>
L:7| v1.30.1
L:8| v1.29.0
L:9| harbor.corp/k8s/etcd@sha256:<c> sha256:<c>
L:10| nginx:1.27
L:11| FAULT image "registry.k8s.io/kube-proxy@sha256:abc": "sha256:abc" is not a digest; a digest is sha256: and 64 lower-case hex digits
L:12| FAULT the line "registry.k8s.io/a b" has more than one word; write a reference a line
L:13| FAULT "./images.tar" is a path; a path is itself judged, so give it as an argument
L:14| FAULT "C:\\images.tar" is a path; a path is itself judged, so give it as an argument
L:15| FAULT "<d>" is 64 digits alone; a digest is written sha256:dddddddd...
L:16| FAULT the image id has 12 digits, which is no digest; give whole ones: --no-trunc, or -o json
L:17| registry.k8s.io/kube-proxy@sha256:<e> sha256:<e> reported
L:18| sha256:<f>
L:19| last.corp/x:1
L:20| FAULT "1.30" is not a Kubernetes version: it does not have the three numbers MAJOR.MINOR.PATCH; want one such as v1.27.2 or v1.28.0-rc.1
L:21| FAULT "stable-1.30" is not a Kubernetes version: it does not have the three numbers MAJOR.MINOR.PATCH; want one such as v1.27.2 or v1.28.0-rc.1
L:22| FAULT "v1.31.4-eks-2d5f260" is not a version that Kubernetes released: "-eks-2d5f260" was added by the builder or packager; the upstream version in it is v1.31.4
L:23| FAULT the image id has 12 digits, which is no digest; give whole ones: --no-trunc, or -o json
`)
}

// The JSON of crictl: containerd's, CRI-O's, an import with and without digests.
func TestCrictl(t *testing.T) {
	check(t, `{
  "images": [
    {"id": "sha256:<a>", "repoTags": ["registry.k8s.io/kube-proxy:v1.30.1"], "repoDigests": ["registry.k8s.io/kube-proxy@sha256:<b>"], "size": "29034457", "uid": null, "username": "", "spec": null, "pinned": false},
    {"id": "sha256:<c>", "repoTags": ["docker.io/library/nginx:1.27", "harbor.corp/web/nginx:prod"], "repoDigests": ["docker.io/library/nginx@sha256:<d>", "harbor.corp/web/nginx@sha256:<e>"], "size": "1"},
    {"id": "<1>", "repoTags": ["registry.k8s.io/pause:3.9"], "repoDigests": [], "size": "1", "pinned": true},
    {"id": "<2>", "repoTags": [], "repoDigests": ["registry.k8s.io/etcd@sha256:<3>", "registry.k8s.io/etcd@sha256:<4>", "registry.k8s.io/etcd@sha256:<4>"], "size": "1"},
    {"id": "sha256:<5>", "repoTags": ["registry.k8s.io/kube-apiserver:v1.30.1"], "repoDigests": ["docker.io/library/import-2026-11-26@sha256:<6>"]},
    {"id": "sha256:<7>", "repoTags": ["registry.k8s.io/kube-scheduler:v1.30.1"], "repoDigests": ["evil.example/miner@sha256:<8>"]},
    {"id": "sha256:<9>", "repoTags": null, "repoDigests": null}
  ]
}
`, `
L: image 1| registry.k8s.io/kube-proxy:v1.30.1 =registry.k8s.io/kube-proxy@sha256:<b> sha256:<b> +sha256:<a> reported
L: image 2| docker.io/library/nginx:1.27 =harbor.corp/web/nginx:prod =docker.io/library/nginx@sha256:<d> sha256:<d> +sha256:<c> reported
L: image 2| harbor.corp/web/nginx:prod =docker.io/library/nginx:1.27 =harbor.corp/web/nginx@sha256:<e> sha256:<e> +sha256:<c> reported
L: image 3| registry.k8s.io/pause:3.9 sha256:<1> reported bare
L: image 4| registry.k8s.io/etcd@sha256:<3> sha256:<3> reported
L: image 4| registry.k8s.io/etcd@sha256:<4> sha256:<4> reported
L: image 5| registry.k8s.io/kube-apiserver:v1.30.1 sha256:<6> +sha256:<5> reported
L: image 6| registry.k8s.io/kube-scheduler:v1.30.1 =evil.example/miner@sha256:<8> sha256:<8> +sha256:<7> reported
L: image 7| sha256:<9> reported
`)
	one := `{"status": {"id": "sha256:<a>", "repoTags": ["registry.k8s.io/pause:3.9"], "repoDigests": ["registry.k8s.io/pause@sha256:<b>"], "size": "1", "pinned": true}, "info": {"chainID": "sha256:<c>", "imageSpec": {"config": {"Image": "x"}}}}`
	line := "L| registry.k8s.io/pause:3.9 =registry.k8s.io/pause@sha256:<b> sha256:<b> +sha256:<a> reported\n"
	check(t, one, line)
	check(t, one+"\n"+one+one, line+line+line)
	check(t, "["+one+","+one+"]", line+line)
}

// docker and podman: one image a member of a list, or a line.
func TestDockerAndPodman(t *testing.T) {
	check(t, `[
  {"Id": "sha256:<a>", "RepoTags": ["registry.k8s.io/kube-proxy:v1.30.1", "harbor.corp/k8s/kube-proxy:v1.30.1"], "RepoDigests": ["registry.k8s.io/kube-proxy@sha256:<a>"], "Parent": "", "Comment": "", "Architecture": "amd64", "Os": "linux", "Config": {"Image": "sha256:<9>", "Labels": null}, "RootFS": {"Type": "layers", "Layers": ["sha256:<8>"]}, "Descriptor": {"digest": "sha256:<a>"}},
  {"Id": "sha256:<b>", "RepoTags": [], "RepoDigests": [], "Os": "linux"},
  {"Id": "sha256:<c>", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
]`, `
L| registry.k8s.io/kube-proxy:v1.30.1 =harbor.corp/k8s/kube-proxy:v1.30.1 =registry.k8s.io/kube-proxy@sha256:<a> sha256:<a> reported
L| sha256:<b> reported
L| sha256:<c> reported
`)
	check(t, `[{"Id":"<a>","Digest":"sha256:<b>","RepoTags":["registry.k8s.io/etcd:3.5.12-0"],"RepoDigests":["registry.k8s.io/etcd@sha256:<b>","registry.k8s.io/etcd@sha256:<c>"],"Parent":"","NamesHistory":["registry.k8s.io/etcd:3.5.12-0"]}]`, `
L| registry.k8s.io/etcd:3.5.12-0 =registry.k8s.io/etcd@sha256:<b> sha256:<b> reported
L| registry.k8s.io/etcd:3.5.12-0 =registry.k8s.io/etcd@sha256:<c> sha256:<c> reported
`)
	check(t, `[{"Id":"<a>","ParentId":"","RepoTags":null,"RepoDigests":["registry.k8s.io/pause@sha256:<b>"],"Size":1,"SharedSize":0,"Labels":null,"Containers":0,"Names":["registry.k8s.io/pause:3.9"],"Digest":"sha256:<b>","History":["registry.k8s.io/pause:3.8"],"CreatedAt":"2023-01-01T00:00:00Z"}]`,
		"L| registry.k8s.io/pause:3.9 =registry.k8s.io/pause@sha256:<b> sha256:<b> reported")
	check(t, `{"Containers":"N/A","CreatedAt":"2024-05-15","Digest":"sha256:<a>","ID":"sha256:<b>","Repository":"registry.k8s.io/kube-proxy","Tag":"v1.30.1","Size":"85MB"}
{"Digest":"<none>","ID":"sha256:<c>","Repository":"harbor.corp/k8s/kube-proxy","Tag":"v1.30.1"}
{"Digest":"<none>","ID":"sha256:<d>","Repository":"<none>","Tag":"<none>"}
{"Digest":"sha256:<e>","ID":"0123456789ab","Repository":"nginx","Tag":"<none>"}
{"Digest":"<none>","ID":"0123456789ab","Repository":"kube-proxy","Tag":"v1.30.1"}
`, `
L| registry.k8s.io/kube-proxy:v1.30.1 sha256:<a> +sha256:<b> reported
L| harbor.corp/k8s/kube-proxy:v1.30.1 sha256:<c> reported
L| sha256:<d> reported
L| nginx sha256:<e> reported
L| kube-proxy:v1.30.1 reported FAULT the image id has 12 digits, which is no digest; give whole ones: --no-trunc, or -o json
`)
}

// pods has a pod of each kind of list, and every form of imageID.
const pods = `{"apiVersion": "v1", "items": [
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-proxy-x7", "namespace": "kube-system", "labels": {"image": "not:me"}},
  "spec": {"containers": [{"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy:v1.30.1", "env": [{"name": "image", "value": "not:me"}]}],
           "initContainers": [{"name": "setup", "image": "harbor.corp/tools/setup:1"}],
           "ephemeralContainers": [{"name": "debug", "image": "busybox"}],
           "volumes": [{"name": "v", "image": {"reference": "registry.k8s.io/conformance:v1.30.1", "pullPolicy": "Always"}}, {"name": "rbd", "rbd": {"image": "foo", "pool": "p"}}, {"name": "w", "image": {}}]},
  "status": {"phase": "Running",
   "containerStatuses": [{"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy:v1.30.1", "imageID": "registry.k8s.io/kube-proxy@sha256:<a>", "containerID": "containerd://<f>", "state": {}}],
   "initContainerStatuses": [{"name": "setup", "image": "harbor.corp/tools/setup:2", "imageID": "docker-pullable://harbor.corp/tools/setup@sha256:<b>"}],
   "ephemeralContainerStatuses": [{"name": "debug", "image": "sha256:<d>", "imageID": "docker://sha256:<c>"}]}},
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "w", "namespace": "d"}, "spec": {"containers": [{"name": "a", "image": "x.corp/a:1"}, {"name": "b", "image": "x.corp/b:1@sha256:<1>"}, {"name": "c", "image": "x.corp/c:1"}, {"name": "d", "image": "x.corp/d:1"}, {"name": "e", "image": "x.corp/e:1"}, {"name": "f", "image": "x.corp/f:1"}]},
  "status": {"containerStatuses": [{"name": "a", "image": "x.corp/a:1", "imageID": ""}, {"name": "b", "image": "x.corp/b:1", "imageID": "<2>"}, {"name": "c", "image": "", "imageID": "0123456789ab"}, {"name": "d", "image": "x.corp/d:1", "imageID": "cri-o://sha256:<3>"}, {"name": "e", "imageID": "docker.io/library/import-2026-11-26@sha256:<4>"}, {"name": "gone", "image": "x.corp/gone:1", "imageID": "sha256:<5>"}]}},
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pending", "namespace": "d"}, "spec": {"containers": [{"name": "a", "image": "x.corp/a:1"}]}, "status": {"phase": "Pending"}}
], "kind": "List", "metadata": {"resourceVersion": ""}}`

func TestPods(t *testing.T) {
	check(t, pods, `
L: pod kube-system/kube-proxy-x7 container kube-proxy| registry.k8s.io/kube-proxy:v1.30.1 =registry.k8s.io/kube-proxy@sha256:<a> sha256:<a> reported
L: pod kube-system/kube-proxy-x7 init container setup| harbor.corp/tools/setup:1 =harbor.corp/tools/setup:2 =harbor.corp/tools/setup@sha256:<b> sha256:<b> reported
L: pod kube-system/kube-proxy-x7 ephemeral container debug| busybox sha256:<c> +sha256:<d> reported
L: pod kube-system/kube-proxy-x7 image volume v| registry.k8s.io/conformance:v1.30.1
L: pod d/w container a| x.corp/a:1 reported
L: pod d/w container b| x.corp/b:1@sha256:<1> =x.corp/b:1 sha256:<2> reported bare
L: pod d/w container c| x.corp/c:1 reported FAULT the image id has 12 digits, which is no digest; give whole ones: --no-trunc, or -o json
L: pod d/w container d| x.corp/d:1 reported FAULT the image id begins with "cri-o"://, which no runtime that kverify knows writes
L: pod d/w container e| x.corp/e:1 sha256:<4> reported
L: pod d/w container f| x.corp/f:1 reported
L: pod d/w container gone| x.corp/gone:1 sha256:<5> reported
L: pod d/pending container a| x.corp/a:1 reported
# 1 container names no image
# 3 containers wait: the kubelet reports no image for them yet
`)
	// The server's own list gives its kind first, and its entries none.
	check(t, `{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c","image":"x.corp/a:1"}]},"status":{"phase":"Pending"}}]}`,
		"L: pod n/p container c| x.corp/a:1 reported\n# 1 container waits: the kubelet reports no image for it yet")
	check(t, `{"kind":"List","apiVersion":"v1","items":[]}`, "")
}

func TestNodes(t *testing.T) {
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, `{"names":["x.corp/i%d:1"],"sizeBytes":1},`, i)
	}
	text := `{"apiVersion":"v1","items":[
 {"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"spec":{"podCIDR":"10.0.0.0/24"},"status":{"images":[
   {"names":["registry.k8s.io/etcd@sha256:<a>","registry.k8s.io/etcd:3.5.12-0"],"sizeBytes":57},
   {"names":["harbor.corp/k8s/kube-proxy@sha256:<b>","registry.k8s.io/kube-proxy@sha256:<c>","harbor.corp/k8s/kube-proxy:v1.30.1","registry.k8s.io/kube-proxy:v1.30.1"]},
   {"names":["registry.k8s.io/pause:3.9"]}, {"names":["<none>@<none>","<none>:<none>"]}, {"sizeBytes":1}],
  "nodeInfo":{"kubeletVersion":"v1.30.1","containerRuntimeVersion":"containerd://1.7.16"}}},
 {"apiVersion":"v1","kind":"Node","metadata":{"name":"n2"},"status":{"nodeInfo":{"kubeletVersion":"v1.30.1"}}},
 {"apiVersion":"v1","kind":"Node","metadata":{"name":"n3"},"status":{"nodeInfo":{"kubeletVersion":"v1.29.4\u001b[31m"}}}],"kind":"List"}`
	check(t, text, `
L: node n1| registry.k8s.io/etcd:3.5.12-0 =registry.k8s.io/etcd@sha256:<a> sha256:<a> reported
L: node n1| harbor.corp/k8s/kube-proxy:v1.30.1 =registry.k8s.io/kube-proxy:v1.30.1 =harbor.corp/k8s/kube-proxy@sha256:<b> sha256:<b> reported
L: node n1| registry.k8s.io/kube-proxy:v1.30.1 =harbor.corp/k8s/kube-proxy:v1.30.1 =registry.k8s.io/kube-proxy@sha256:<c> sha256:<c> reported
L: node n1| registry.k8s.io/pause:3.9 reported
# 2 images have neither a name nor a digest
# kubelets call themselves "v1.29.4\x1b[31m", 2 v1.30.1: what a node says of itself, which was not examined
`)
	out, notes, err := readAll(t, strings.NewReader(`{"kind":"Node","apiVersion":"v1","metadata":{"name":"full"},"status":{"images":[`+strings.TrimSuffix(many.String(), ",")+`]}}`))
	if err != nil || len(out) != 50 || len(notes) != 1 || notes[0] != "1 node lists 50 images, where a kubelet stops: it may have more" {
		t.Error(len(out), notes, err)
	}
}

// YAML: whatever has a pod template, in several documents, each in its line.
func TestManifests(t *testing.T) {
	check(t, `# Source: chart/templates/all.yaml
---
# nothing but a comment
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      initContainers:
      - name: wait
        image: busybox:1.36
      containers:
      - image: "harbor.corp/k8s/kubectl:v1.30.1"
        name: web
      - name: pinned
        image: registry.k8s.io/pause@sha256:<a>
      volumes:
      - name: m
        image:
          reference: registry.k8s.io/conformance:v1.30.1
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "x.corp/a:1"}]}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: text
data:
  pod.yaml: |
    kind: Pod
    spec:
      containers:
      - image: not.this/one:1
---
apiVersion: v1
kind: Service
metadata: {name: s}
---
apiVersion: v1
kind: Service
metadata: {name: t}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: r}
spec: {template: {spec: {containers: [{name: c, image: x.corp/b:1}, {name: noimage}]}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: x.example.com}
spec: {versions: [{schema: {openAPIV3Schema: {properties: {containers: {type: array, items: {properties: {image: {type: string}}}}}}}}]}
...
`, `
L:15: deployment shop/web init container wait| busybox:1.36
L:17: deployment shop/web container web| harbor.corp/k8s/kubectl:v1.30.1
L:20: deployment shop/web container pinned| registry.k8s.io/pause@sha256:<a> sha256:<a>
L:24: deployment shop/web image volume m| registry.k8s.io/conformance:v1.30.1
L:29: cronjob nightly container c| x.corp/a:1
L:53: rollout r container c| x.corp/b:1
# 4 documents hold no pod template (ConfigMap, CustomResourceDefinition, 2 Service)
# 1 container names no image
`)
	for _, kind := range []string{"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job", "ReplicationController"} {
		check(t, fmt.Sprintf(`{"apiVersion":"x/v1","kind":%q,"metadata":{"name":"n","namespace":"s"},"spec":{"template":{"metadata":{},"spec":{"containers":[{"name":"c","image":"x.corp/a:1"}]}}},"status":{"replicas":1}}`, kind),
			fmt.Sprintf("L: %s s/n container c| x.corp/a:1", strings.ToLower(kind)))
	}
	check(t, "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: p}\ntemplate: {spec: {containers: [{name: c, image: a.b/c:1}]}}", "L:4: podtemplate p container c| a.b/c:1")
	// kubectl's YAML of a list, with what the kubelet says.
	check(t, `apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: etcd-0
    namespace: kube-system
  spec:
    containers:
    - image: registry.k8s.io/etcd:3.5.12-0
      name: etcd
  status:
    containerStatuses:
    - image: registry.k8s.io/etcd:3.5.12-0
      imageID: registry.k8s.io/etcd@sha256:<a>
      name: etcd
kind: List
metadata:
  resourceVersion: ""
`, "L:10: pod kube-system/etcd-0 container etcd| registry.k8s.io/etcd:3.5.12-0 =registry.k8s.io/etcd@sha256:<a> sha256:<a> reported")
}

func TestKubeadm(t *testing.T) {
	check(t, `{"kind":"Images","apiVersion":"output.kubeadm.k8s.io/v1alpha3","images":["registry.k8s.io/kube-apiserver:v1.30.1","my.repo/coredns:v1.11.3"]}`,
		"L: image 1| registry.k8s.io/kube-apiserver:v1.30.1\nL: image 2| my.repo/coredns:v1.11.3")
	check(t, "apiVersion: output.kubeadm.k8s.io/v1alpha3\nimages:\n- registry.k8s.io/pause:3.9\nkind: Images\n", "L:3: image 1| registry.k8s.io/pause:3.9")
	check(t, `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {name: n}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.30.1
imageRepository: harbor.corp/k8s
dns:
  imageTag: v1.11.1
etcd:
  local:
    imageRepository: quay.corp/etcd-dev
    imageTag: 3.5.12-0
`, `
L:10: kubeadm ClusterConfiguration coredns| harbor.corp/k8s/coredns:v1.11.1 v1.30.1
L:12: kubeadm ClusterConfiguration etcd| quay.corp/etcd-dev/etcd:3.5.12-0 v1.30.1
# 1 document holds no pod template (InitConfiguration)
# a kubeadm configuration names v1.30.1, and few images; kubeadm config images list --config FILE names them all
`)
	check(t, "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nkubernetesVersion: '1.30.10'\ndns: {imageTag: v1.11.1}\n",
		"L:4: kubeadm ClusterConfiguration coredns| registry.k8s.io/coredns/coredns:v1.11.1 1.30.10\n# a kubeadm configuration names 1.30.10, and few images; kubeadm config images list --config FILE names them all")
}

// What a list says in passing never breaks out of a line.
func TestHostileNames(t *testing.T) {
	out, notes, err := readAll(t, strings.NewReader(`{"kind":"Pod\nVERIFIED","apiVersion":"v1","metadata":{"name":"a\nVERIFIED\u001b[2J","namespace":"`+strings.Repeat("n", 1000)+`"},
"spec":{"containers":[{"name":"c\r\n::error::","image":"registry.k8s.io/kube-proxy:v1\nVERIFIED"},{"name":"d","image":"`+strings.Repeat("x", 9000)+`"}]}}
{"kind":"\u001b]0;x\u0007","apiVersion":"v1"}`))
	if err != nil || len(out) != 2 || len(notes) != 1 {
		t.Fatal(out, notes, err)
	}
	for _, s := range append(out, notes...) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) || len(s) > 1500 {
			t.Errorf("%q", s)
		}
	}
	if !strings.Contains(out[0], `FAULT image "registry.k8s.io/kube-proxy:v1\nVERIFIED"`) {
		t.Error(out[0])
	}
}
