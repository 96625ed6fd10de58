package sight_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sight"
)

// hiccup gives a text, fails once within it, and then goes on as if nothing had been.
type hiccup struct {
	text   string
	at     int // bytes before the failure
	err    error
	failed bool
}

func (h *hiccup) Read(p []byte) (int, error) {
	if h.at == 0 && !h.failed {
		h.failed = true
		return 0, h.err
	}
	if !h.failed {
		p = p[:min(len(p), h.at)]
	}
	n := copy(p, h.text)
	h.text, h.at = h.text[n:], h.at-n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// shapes are lists of every shape that is read. Each is longer than what is looked at first.
func shapes() map[string]string {
	late := func(text string) string { return text[:1] + strings.Repeat(" ", 5000) + fill(text[1:]) }
	remark := "# " + strings.Repeat("x", 5000) + "\n"
	return map[string]string{
		"pods":   late(pods),
		"node":   late(`{"kind":"Node","apiVersion":"v1","metadata":{"name":"n"},"status":{"images":[{"names":["a.b/c@sha256:<a>","a.b/c:1"],"x":7},{"names":["a.b/d:1"]},{"names":7},7],"nodeInfo":{"kubeletVersion":"v1.30.1","x":{}},"phase":1}}`),
		"crictl": late(`{"images":[{"id":"sha256:<a>","repoTags":["a.b/c:1"],"repoDigests":["a.b/c@sha256:<b>","a.b/c@sha256:<c>"],"x":[1,{"y":null}]},"a.b/d:1","a.b/e:1",{"z":1}]}`),
		"docker": late(`[{"Id":"sha256:<a>","RepoTags":["a.b/c:1"],"RepoDigests":[],"Config":{"Image":"x","Labels":{"a":"b"}},"Digest":"sha256:<c>","Names":["a.b/c:1"]}]`),
		"table":  late(`{"Digest":"sha256:<a>","ID":"sha256:<b>","Repository":"a.b/c","Tag":"v1"} {"Digest":"<none>","ID":"sha256:<c>","Repository":"a.b/d","Tag":"v1"}`),
		"kubeadm": late(`{"apiVersion":"kubeadm.k8s.io/v1beta4","kind":"ClusterConfiguration","kubernetesVersion":"v1.30.1","imageRepository":"a.b/k",` +
			`"dns":{"imageTag":"v1","imageRepository":"a.b","x":1},"etcd":{"external":{},"local":{"x":1,"imageTag":"1"}},"networking":{"x":[1,2]}}`),
		"scalars": late(`{"kind":"List","items":[7,"x",null,[1],{"kind":"Service","apiVersion":"v1","metadata":7,"spec":[{"a":1},2],"status":"x"}]}`),
		"yaml":    "---\n" + remark + "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: a.b/c:1\n---\napiVersion: v1\nkind: Service\n",
		"lines":   "a.b/b:1\n" + remark + "a.b/c:1\n\n# x\na.b/d:1\nv1.30.1\n",
	}
}

// A source that fails in the middle is not taken for one that ended, even if it has more to give afterwards:
// what it left out nobody knows.
func TestSourceThatFailsOnce(t *testing.T) {
	broken := errors.New("the pipe hiccuped")
	for name, text := range shapes() {
		if _, _, err := readAll(t, strings.NewReader(text)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for at := 0; at <= len(text); at += 5 {
			if at == 15 {
				at = 5020 // past the blanks
			}
			if _, _, err := readAll(t, &hiccup{text: text, at: at, err: broken}); !errors.Is(err, broken) {
				t.Errorf("%s: before %.20q: %v", name, text[at:], err)
				break
			}
		}
	}
}

// A list that ends too early is said to, wherever it ends.
func TestListThatBreaksOff(t *testing.T) {
	for name, text := range shapes() {
		if name == "yaml" || name == "lines" || name == "table" {
			continue // each of their lines may be the last one
		}
		for at := 5020; at < len(text); at += 3 {
			_, _, err := readAll(t, strings.NewReader(text[:at]))
			var list *sight.ListError
			if !errors.As(err, &list) || !strings.Contains(list.Why, "it breaks off at byte") || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: before %.20q: %v", name, text[at:], err)
				break
			}
		}
	}
}

// Whoever has seen enough of a list is given no more, whatever its shape.
func TestStopsAnywhere(t *testing.T) {
	for name, text := range shapes() {
		out, _, err := readAll(t, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for enough := 1; enough <= len(out); enough++ {
			n := 0
			for _, err := range sight.NewList("L", strings.NewReader(text)).All(t.Context()) { // Go panics if it goes on
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if n++; n == enough {
					break
				}
			}
		}
	}
}
