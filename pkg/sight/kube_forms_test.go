package sight_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/sight"
)

// A member that is read may stand once, wherever it is: of two another reader might take the other one.
func TestTwiceAnywhere(t *testing.T) {
	const pod = `{"kind":"Pod","apiVersion":"v1",`
	for _, text := range []string{
		pod + `"metadata":{"name":"a","name":"b"}}`, pod + `"metadata":{"namespace":"a","Namespace":"b"}}`, pod + `"metadata":{},"metadata":{}}`,
		pod + `"spec":{"containers":[],"containers":[]}}`, pod + `"spec":{"initContainers":[],"initContainers":[]}}`, pod + `"spec":{"ephemeralContainers":[],"ephemeralContainers":[]}}`, pod + `"spec":{"volumes":[],"volumes":[]}}`,
		pod + `"spec":[[{"containers":[],"Containers":[]}]]}`, pod + `"spec":{"a":{"containers":[],"Containers":[]}}}`, pod + `"template":{"spec":{"containers":[],"containers":[]}}}`,
		pod + `"spec":{"containers":[{"name":"a","name":"b"}]}}`, pod + `"spec":{"containers":[{"image":"a","image":"b"}]}}`, pod + `"spec":{"initContainers":[{"image":"a","image":"b"}]}}`,
		pod + `"spec":{"volumes":[{"image":{"reference":"a","Reference":"b"}}]}}`, pod + `"spec":{"volumes":[{"image":{},"image":{}}]}}`, pod + `"spec":{"volumes":[{"name":"a","name":"b"}]}}`,
		pod + `"status":{"containerStatuses":[{"imageID":"a","imageID":"b"}]}}`, pod + `"status":{"initContainerStatuses":[{"image":"a","image":"b"}]}}`, pod + `"status":{"containerStatuses":[{"name":"a","name":"b"}]}}`,
		pod + `"status":{"images":[{"names":[],"names":[]}]}}`, pod + `"status":{"images":[],"images":[]}}`, pod + `"status":{"nodeInfo":{"kubeletVersion":"a","kubeletVersion":"b"}}}`, pod + `"status":{"nodeInfo":{},"nodeInfo":{}}}`,
		`{"status":{"id":"a","ID":"b","repoTags":[]}}`, `{"images":[{"id":"a","id":"b","repoTags":[]}]}`, `[{"Id":"a","RepoTags":[],"repoTags":[]}]`, `{"images":[],"images":[]}`,
		`{"kind":"List","items":[],"items":[]}`, `{"kind":"List","items":[{"kind":"Pod","kind":"Node"}]}`, `[{"kind":"Pod","kind":"Node"}]`, `{"items":[{"items":[{"kind":"a","kind":"b"}]}]}`,
		`{"dns":{"imageTag":"a","imageTag":"b"}}`, `{"dns":{"imageRepository":"a","imageRepository":"b"}}`, `{"etcd":{"local":{"imageTag":"a","imageTag":"b"}}}`, `{"etcd":{"local":{},"local":{}}}`, `{"kubernetesVersion":"a","kubernetesVersion":"b"}`,
		`{"imageRepository":"a","imageRepository":"b"}`, `{"Repository":"a","repository":"b"}`, `{"Tag":"a","tag":"b"}`, `{"Digest":"a","digest":"b"}`, `{"Names":[],"names":[]}`, `{"repoDigests":[],"RepoDigests":[]}`,
	} {
		_, _, err := readAll(t, strings.NewReader(text))
		var list *sight.ListError
		if !errors.As(err, &list) || !strings.Contains(list.Why, "stands twice in one object") {
			t.Errorf("%s: %v", text, err)
		}
	}
	// Where users choose the names, only those of lists of containers are held.
	check(t, `{"kind":"X","apiVersion":"v1","spec":{"labels":{"image":"a","Image":"b","name":"c","Name":"d"},"x":{"containers":[{"name":"c","image":"a.b/c:1"}]}}}`, "L: x container c| a.b/c:1")
}

// A text with a tag that is not read is none, wherever a text is read.
func TestTagsAnywhere(t *testing.T) {
	const pod = "kind: Pod\napiVersion: v1\n"
	for _, text := range []string{
		"kind: !!binary eA==\n", "apiVersion: !!binary eA==\n", pod + "metadata: {name: !!binary eA==}\n", pod + "metadata: {namespace: !!binary eA==}\n",
		pod + "spec: {containers: [{image: !!binary eA==}]}\n", pod + "spec: {containers: [{name: !!binary eA==}]}\n", pod + "spec: [[{containers: [{image: !!binary eA==}]}]]\n", pod + "spec: {volumes: [{image: {reference: !!binary eA==}}]}\n", pod + "spec: {volumes: [{name: !!binary eA==}]}\n",
		pod + "status: {containerStatuses: [{imageID: !!binary eA==}]}\n", pod + "status: {containerStatuses: [{image: !!binary eA==}]}\n", pod + "status: {containerStatuses: [{name: !!binary eA==}]}\n",
		pod + "status: {images: [{names: [!!binary eA==]}]}\n", pod + "status: {nodeInfo: {kubeletVersion: !!binary eA==}}\n", "status: {id: !!binary eA==}\n",
		"images: [!!binary eA==]\n", "images: [{id: !!binary eA==}]\n", "images: [{repoTags: [!!binary eA==]}]\n", "images: [{repoDigests: [!!binary eA==]}]\n", "- {Id: !!binary eA==}\n", "- {Names: [!!binary eA==]}\n",
		"Digest: !!binary eA==\n", "Repository: !!binary eA==\n", "Tag: !!binary eA==\n", "items: [{kind: !!binary eA==}]\n", "items: [{items: [{kind: !!binary eA==}]}]\n", "- kind: !!binary eA==\n",
		"kubernetesVersion: !!binary eA==\n", "imageRepository: !!binary eA==\n", "dns: {imageTag: !!binary eA==}\n", "dns: {imageRepository: !!binary eA==}\n", "etcd: {local: {imageTag: !!binary eA==}}\n", "etcd: {local: {imageRepository: !!binary eA==}}\n",
	} {
		_, _, err := readAll(t, strings.NewReader(text))
		var list *sight.ListError
		if !errors.As(err, &list) || !strings.Contains(list.Why, `a value has the tag "!!binary", which is not read`) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Containers are found wherever they stand, and nothing else is taken for one.
func TestFormsOfObjects(t *testing.T) {
	const none = "\n# 1 document holds no pod template (X)"
	x := func(rest string) string { return `{"kind":"X","apiVersion":"v1","metadata":{"name":"n"},` + rest + `}` }
	for _, tt := range []struct{ text, want string }{
		{x(`"spec":{"containers":{"containers":[{"image":"a.b/c:1"}]}}`), "L: x n container| a.b/c:1"},
		{x(`"spec":[[{"containers":[{"image":"a.b/c:1"}]}],7]`), "L: x n container| a.b/c:1"},
		{x(`"spec":{"containers":["a.b/c:1",7,null,[{"image":"a.b/c:1"}]]}`), none},
		{x(`"spec":{"containers":[{"image":null},{"image":""},{"name":"c"}]}`), "# 3 containers name no image"},
		{x(`"spec":{"volumes":[{"image":null},{"name":"v"}]}`), none},
		{x(`"spec":{"volumes":[{"image":{"reference":"a.b/c:1"}},{"image":{"reference":null}},{"image":{}}]}`), "L: x n image volume| a.b/c:1\n# 2 containers name no image"},
		{x(`"status":{"":[{"image":"a.b/c:1","imageID":""}]}`), none},
		{x(`"status":{"containerStatuses":["a.b/c:1",7,{}]}`), "L: x n container| reported\n# 1 container waits: the kubelet reports no image for it yet"},
		{x(`"status":{"images":["a.b/c:1",7,{"names":null}]}`), "# 1 image has neither a name nor a digest"},
		{x(`"spec":{"containers":[{"image":"a.b/c:1"}]},"status":{"phase":"x"}`), "L: x n container| a.b/c:1"}, // of no pod
		{`{"spec":{"containers":[{"image":"a.b/c:1"}]}}`, "L: object container| a.b/c:1"},
		{`{"spec":{"containers":[{"image":"a.b/c:1"}]},"status":{"phase":"x"}}`, "L: pod container| a.b/c:1 reported\n# 1 container waits: the kubelet reports no image for it yet"},
		{`{"status":{"images":[{"names":["a.b/c:1"]}]},"metadata":{"namespace":"s"}}`, "L: node s/| a.b/c:1 reported"},
		{x(`"status":{"nodeInfo":{"kubeletVersion":7,"x":"v1"}}`), none},
		{`{"kind":"X","apiVersion":"v1","metadata":"n","spec":"x","status":"x"}`, none},
		{`{"kind":"X","items":null}`, ""}, {`{"kind":"X","apiVersion":"v1","images":"a.b/c:1"}`, none}, {`{"kind":7,"items":[]}`, ""},
	} {
		check(t, tt.text, tt.want)
	}
	for n, want := range map[int]int{49: 0, 50: 1, 51: 0} {
		images := strings.TrimSuffix(strings.Repeat(`{"names":["a.b/c:1"]},`, n), ",")
		out, notes, err := readAll(t, strings.NewReader(x(`"status":{"images":[`+images+`]}`)))
		if len(out) != n || len(notes) != want || err != nil {
			t.Errorf("%d images: %d, %q, %v", n, len(out), notes, err)
		}
	}
}

// What names an image and is no text is never passed over: it is a fault of its own, wherever
// an image is named, and whatever stands beside it.
func TestNamesThatAreNoText(t *testing.T) {
	const wrong = ", so that nothing says which image is meant; correct it"
	x := func(rest string) string { return `{"kind":"X","apiVersion":"v1","metadata":{"name":"n"},` + rest + `}` }
	adm := func(rest string) string {
		return `{"apiVersion":"kubeadm.k8s.io/v1beta4","kind":"ClusterConfiguration",` + rest + `}`
	}
	for value, is := range map[string]string{
		`7`: " is a number, not a text" + wrong, `true`: " is true, not a text" + wrong, `false`: " is false, not a text" + wrong, `["a.b/c:1"]`: " is a list, not a text" + wrong,
		`{"image":"a.b/c:1"}`: " is an object, not a text, as a template without quotes is; render it first: helm template ... | kverify verify -f -",
	} {
		for _, tt := range []struct{ text, want string }{
			{x(`"spec":{"containers":[{"image":` + value + `},{"image":"a.b/c:1"}]}`), "L: x n container| FAULT image" + is + "\nL: x n container| a.b/c:1"},
			{x(`"spec":{"initContainers":[{"image":` + value + `}]}`), "L: x n init container| FAULT image" + is},
			{x(`"spec":{"ephemeralContainers":[{"image":` + value + `,"name":"e"}]}`), "L: x n ephemeral container e| FAULT image" + is},
			{x(`"spec":{"volumes":[{"image":{"reference":` + value + `}}]}`), "L: x n image volume| FAULT reference" + is},
			{x(`"spec":{"containers":[{"image":` + value + `}]},"status":{"containerStatuses":[{"image":"a.b/c:1","imageID":"sha256:<a>"}]}`), "L: x n container| a.b/c:1 sha256:<a> reported FAULT image" + is},
			{x(`"status":{"containerStatuses":[{"image":` + value + `,"imageID":"sha256:<a>"}]}`), "L: x n container| sha256:<a> reported FAULT image" + is},
			{x(`"status":{"initContainerStatuses":[{"image":"a.b/c:1","imageID":` + value + `}]}`), "L: x n init container| a.b/c:1 reported FAULT imageID" + is + "\n# 1 container waits: the kubelet reports no image for it yet"},
			{x(`"status":{"images":[{"names":["a.b/c:1",` + value + `]}]}`), "L: x n| a.b/c:1 reported FAULT an entry of names" + is},
			{`{"images":[{"id":"sha256:<a>","repoTags":[` + value + `]}]}`, "L: image 1| sha256:<a> reported FAULT an entry of repoTags" + is},
			{`{"images":[{"id":` + value + `,"repoTags":["a.b/c:1"]}]}`, "L: image 1| a.b/c:1 reported FAULT id" + is},
			{`{"status":{"id":"sha256:<a>","repoDigests":[` + value + `]}}`, "L| sha256:<a> reported FAULT an entry of repoDigests" + is},
			{`[{"RepoTags":["a.b/c:1"],"RepoDigests":[` + value + `]}]`, "L| a.b/c:1 reported FAULT an entry of RepoDigests" + is},
			{`[{"RepoTags":["a.b/c:1"],"Names":[` + value + `]}]`, "L| a.b/c:1 reported FAULT an entry of Names" + is},
			{`[{"RepoTags":["a.b/c:1"],"Digest":` + value + `}]`, "L| a.b/c:1 reported FAULT Digest" + is},
			{`{"Repository":` + value + `,"Tag":"1"}`, "L| reported FAULT Repository" + is},
			{`{"Repository":"a.b/c","Tag":` + value + `}`, "L| a.b/c reported FAULT Tag" + is},
			{adm(`"dns":{"imageTag":` + value + `}`), "L: kubeadm ClusterConfiguration coredns| FAULT imageTag" + is},
			{adm(`"etcd":{"local":{"imageTag":"3","imageRepository":` + value + `}}`), "L: kubeadm ClusterConfiguration etcd| FAULT imageRepository" + is},
			{adm(`"imageRepository":` + value + `,"etcd":{"local":{"imageTag":"3"}},"dns":{"imageTag":"v1","imageRepository":"a.b"}`), "L: kubeadm ClusterConfiguration coredns| a.b/coredns:v1\nL: kubeadm ClusterConfiguration etcd| FAULT imageRepository" + is},
		} {
			check(t, tt.text, tt.want)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{x(`"spec":{"volumes":[{"image":"a.b/c:1"},{"image":7}]}`), "L: x n image volume| FAULT image is a text, not an object" + wrong + "\nL: x n image volume| FAULT image is a number, not an object" + wrong},
		{x(`"status":{"images":[{"names":"a.b/c:1"}]}`), "L: x n| reported FAULT names is a text, not a list" + wrong},
		{`[{"RepoTags":{"a":"b"}}]`, "L| reported FAULT RepoTags is an object, not a list" + wrong},
		{`{"images":["a.b/c:1",7,true,[1]]}`, "L: image 1| a.b/c:1\nL: image 2| FAULT it is a number, not an object" + wrong + "\nL: image 3| FAULT it is true, not an object" + wrong + "\nL: image 4| FAULT it is a list, not an object" + wrong},
		{`[{"RepoTags":null,"RepoDigests":null,"Id":"sha256:<a>","Digest":null}]`, "L| sha256:<a> reported"},
		{"images: [7, a.b/c:1]\n", "L:1: image 1| FAULT it is a number, not an object" + wrong + "\nL:1: image 2| a.b/c:1"},
	} {
		check(t, tt.text, tt.want)
	}
}

// Each container takes the status of its name and kind; what a status says of the image is one of its names, or a digest beside it.
func TestContainersAndStatuses(t *testing.T) {
	pod := func(spec, status string) string {
		return `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{` + spec + `},"status":{` + status + `}}`
	}
	one := func(image, status string) string {
		return pod(`"containers":[{"name":"c","image":"`+image+`"}]`, `"containerStatuses":[{"name":"c",`+status+`}]`)
	}
	for _, tt := range []struct{ text, want string }{
		{pod(`"containers":[{"name":"c","image":"a.b/c:1"},{"name":"c","image":"a.b/d:1"}],"initContainers":[{"name":"c","image":"a.b/e:1"}]`,
			`"initContainerStatuses":[{"name":"c","imageID":"sha256:<e>"}],"containerStatuses":[{"name":"c","imageID":"sha256:<c>"},{"name":"c","imageID":"sha256:<d>"},{"name":"c","imageID":"sha256:<f>"}]`),
			"L: pod p container c| a.b/c:1 sha256:<c> reported\nL: pod p container c| a.b/d:1 sha256:<d> reported\nL: pod p init container c| a.b/e:1 sha256:<e> reported\nL: pod p container c| sha256:<f> reported"},
		{one("a.b/c:1", `"image":"sha256:<a>","imageID":"sha256:<a>"`), "L: pod p container c| a.b/c:1 sha256:<a> reported"},
		{one("a.b/c:1", `"image":"sha256:<b>","imageID":"sha256:<a>"`), "L: pod p container c| a.b/c:1 sha256:<a> +sha256:<b> reported"},
		{one("a.b/c:1", `"image":"a.b/c@sha256:<b>","imageID":"sha256:<a>"`), "L: pod p container c| a.b/c:1 =a.b/c@sha256:<b> sha256:<a> reported"},
		{one("a.b/c:1", `"image":"a.b/c:1","imageID":"a.b/c:1@sha256:<a>"`), "L: pod p container c| a.b/c:1 =a.b/c:1@sha256:<a> sha256:<a> reported"},
		{one("", `"image":"a.b/c:1","imageID":"sha256:<a>"`), "L: pod p container c| a.b/c:1 sha256:<a> reported"},
		{one("a.b/c:1@sha256:<a>", `"image":"a.b/c:1","imageID":""`), "L: pod p container c| a.b/c:1@sha256:<a> =a.b/c:1 reported\n# 1 container waits: the kubelet reports no image for it yet"},
		{one("X Y", `"image":"x y","imageID":"0123456789ab"`), `L: pod p container c| reported FAULT image "X Y": "library/X Y" is not a repository; a repository is lower-case words, separated by / . _ or -`},
		{one("a.b/c:1", `"image":"x y","imageID":"sha256:<a>"`), `L: pod p container c| a.b/c:1 sha256:<a> reported FAULT image "x y": "library/x y" is not a repository; a repository is lower-case words, separated by / . _ or -`},
		{one("a.b/c:1", `"image":"x y","imageID":"0123456789ab"`), "L: pod p container c| a.b/c:1 reported FAULT the image id has 12 digits, which is no digest; give whole ones: --no-trunc, or -o json"},
	} {
		check(t, tt.text, tt.want)
	}
	if out, _, err := readAll(t, strings.NewReader(fill(one("a.b/c:1", `"image":"<b>","imageID":"sha256:<a>"`)))); err != nil || len(out) != 1 || strings.Contains(out[0], "+sha256:") {
		t.Errorf("an id of digits alone is a digest beside another: %v %v", out, err)
	}
}

// What one object may hold is counted in each of its lists, to the last that may stand and not beyond.
func TestCapsOfOneObject(t *testing.T) {
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	for _, tt := range []struct {
		what, form, one string
		most            int
	}{
		{"containers in one object", `{"kind":"Pod","apiVersion":"v1","spec":{"containers":[%s]}}`, `{"image":"a.b/c:1"}`, 10_000},
		{"containers in one object", `{"kind":"Pod","apiVersion":"v1","status":{"containerStatuses":[%s]}}`, `{"imageID":""}`, 10_000},
		{"names of images of one node", `{"kind":"Node","apiVersion":"v1","status":{"images":[%s]}}`, `{"x":1}`, 10_000},
		{"names of images of one node", `{"kind":"Node","apiVersion":"v1","status":{"images":[%s]}}`, `{"names":["a.b/c:1"]}`, 5_000},
		{"names of one image", `{"kind":"Node","apiVersion":"v1","status":{"images":[{"names":[%s]}]}}`, `"a.b/c:1"`, 256},
		{"names of one image", `[{"RepoTags":[%s]}]`, `"a.b/c:1"`, 256},
		{"names of one image", `[{"RepoTags":["a.b/c:1"],"Names":[%s]}]`, `"a.b/c:1"`, 255},
		{"names of one image", `[{"RepoDigests":[%s]}]`, `"a.b/c:1"`, 256},
		{"objects and lists in one another", `{"kind":"X","apiVersion":"v1","x":%s}`, "[]", 99},
		{"objects and lists in one another", `{"kind":"X","apiVersion":"v1","spec":%s}`, "[]", 99},
		{"objects and lists in one another", `{"kind":"X","apiVersion":"v1","spec":%s}`, "{}", 99},
		{"objects and lists in one another", "kind: X\napiVersion: v1\nx: %s\n", "[]", 100},
	} {
		for n, want := range map[int]bool{tt.most: true, tt.most + 1: false} {
			inner := many(n, tt.one)
			switch tt.one {
			case "[]":
				inner = strings.Repeat("[", n) + strings.Repeat("]", n)
			case "{}":
				inner = strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1)
			}
			_, _, err := readAll(t, strings.NewReader(fmt.Sprintf(tt.form, inner)))
			var limit *bounds.Error
			if (err == nil) != want || !want && (!errors.As(err, &limit) || limit.What != tt.what) {
				t.Errorf("%d of %s: %v", n, tt.what, err)
			}
		}
	}
	nested := func(n int) string { return strings.Repeat(`{"items":[`, n) + strings.Repeat("]}", n) }
	for n, want := range map[int]bool{3: true, 4: false} {
		var limit *bounds.Error
		if _, _, err := readAll(t, strings.NewReader(nested(n))); (err == nil) != want || !want && (!errors.As(err, &limit) || limit.What != "lists in one another") {
			t.Errorf("%d lists in one another: %v", n, err)
		}
	}
}
