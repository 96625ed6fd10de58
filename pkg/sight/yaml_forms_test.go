package sight_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/pkg/sight"
)

// A stream of YAML is cut at its marks and nowhere else, and each entry has its line in the whole of it.
func TestFormsOfYAML(t *testing.T) {
	const service, pod = "kind: Service\napiVersion: v1\n", "kind: Pod\napiVersion: v1\nspec:\n  containers:\n  - name: c\n    image: a.b/c:1\n"
	image := func(value string) string { return strings.Replace(pod, "a.b/c:1", value, 1) }
	const imageless = "# 1 container names no image"
	fault := func(is string) string {
		return "L:6: pod container c| FAULT image is " + is + ", not a text, so that nothing says which image is meant; correct it"
	}
	for _, tt := range []struct{ text, want string }{
		{service + "---\n" + service, "# 2 documents hold no pod template (2 Service)"}, {service + "...\n# x\n", "# 1 document holds no pod template (Service)"},
		{"---\nnull\n---\n~\n---\n" + service + "---\n# nothing\n---\n", "# 1 document holds no pod template (Service)"},
		{"%YAML 1.1\n---\n" + service, "# 1 document holds no pod template (Service)"}, {"# x\n\n---\n# y\n---\n" + pod, "L:11: pod container c| a.b/c:1"},
		{"\xef\xbb\xbf" + pod, "L:6: pod container c| a.b/c:1"}, {"--- # x\n" + pod, "L:7: pod container c| a.b/c:1"}, {service + "--- " + "{kind: Service, apiVersion: v1}\n", "# 2 documents hold no pod template (2 Service)"},
		{"kind: Pod\napiVersion: v1\nx: " + strings.Repeat("x", 64<<10-3) + "--- y\n" + strings.TrimPrefix(pod, "kind: Pod\napiVersion: v1\n"), "L:7: pod container c| a.b/c:1"}, // a line in two parts
		{"kind: Pod\napiVersion: v1\nx: " + strings.Repeat("x", 200<<10) + "\n---\n" + pod, "L:10: pod container c| a.b/c:1\n# 1 document holds no pod template (Pod)"},
		{"kind: Pod\napiVersion: v1\ndata: |\n  x\n  ---x\n  --- x\n---\n" + pod, "L:13: pod container c| a.b/c:1\n# 1 document holds no pod template (Pod)"},
		{"# x\n%YAML 1.1\n---\n" + service, "# 1 document holds no pod template (Service)"}, {"---\n# " + strings.Repeat("x", 200<<10) + "\n---\n" + pod, "L:9: pod container c| a.b/c:1"},
		{"kind: Pod\napiVersion: v1\nmetadata: [name, x]\nspec: {containers: [{name: c, image: a.b/c:1}]}\n", "L:4: pod container c| a.b/c:1"},
		{"kind: Node\napiVersion: v1\nstatus: {images: [{names: {a.b/c: a.b/d}}]}\n", "L:3: node| reported FAULT names is an object, not a list, so that nothing says which image is meant; correct it"},
		{image("7"), fault("a number")}, {image("1.5"), fault("a number")}, {image("true"), fault("true")}, {image("False"), fault("false")}, {image("[a.b/c:1]"), fault("a list")}, {image("~"), imageless}, {image(""), imageless}, {image("''"), imageless},
		{image("{{ .Values.image }}"), "L:6: pod container c| FAULT image is an object, not a text, as a template without quotes is; render it first: helm template ... | kverify verify -f -"}, {image("'{{ x }}'"), `L:6: pod container c| FAULT image "{{ x }}": "library/{{ x }}" is not a repository; a repository is lower-case words, separated by / . _ or -`},
		{image("2026-01-01"), "L:6: pod container c| 2026-01-01"}, {image("'7'"), "L:6: pod container c| 7"},
		{"kind: Pod\napiVersion: v1\nspec: {'<<': 1, \"containers\": [{image: a.b/c:1}]}\n", "L:3: pod container| a.b/c:1"},
		{"kind: Pod\napiVersion: v1\nmetadata: 7\nspec: x\nstatus: [1]\n", "# 1 document holds no pod template (Pod)"}, {"kind: Pod\napiVersion: v1\nstatus: {containerStatuses: x, images: x, nodeInfo: x}\n", "# 1 document holds no pod template (Pod)"},
	} {
		check(t, tt.text, tt.want)
	}
	out, _, err := readAll(t, strings.NewReader(image(strings.Repeat("x", 5000))))
	if err != nil || len(out) != 1 || !strings.Contains(out[0], "FAULT") {
		t.Errorf("%q, %v", out, err)
	}
	for text, says := range map[string]string{
		service + "---\n" + service + "x: [\n": "L:3: a YAML document cannot be read", service + "...\n" + service: "L:1: a YAML document cannot be read: line 3: did not find expected <document start>", service + "x: \"\x00\"\n" + strings.Repeat("# x\n", 2000): "NUL", service + strings.Repeat("# x\n", 2000) + "---\nx: \"\x00\"\n": "NUL bytes",
		service + "x:\n  - <<: {a: 1}\n": `L:4: a YAML document cannot be read: there is a merge key`, service + "x:\n  y: &a 1\n": "L:4: a YAML document cannot be read: there are anchors", service + "? [a]\n: 1\n": "L:3: a YAML document cannot be read: a key is no text",
		"kind: Pod\nx: &a 1\n---\n" + service: "L:2: a YAML document cannot be read: there are anchors", service + "x: !!merge {a: 1}\n": "there is a merge key",
		service + "---\nservices: {}\n": "it is a compose file", service + "---\nspec: {containers: [{image: a}, {image: b, Image: c}]}\n": `L:4: a YAML document cannot be read: the key "Image" stands twice`,
	} {
		var list *sight.ListError
		if _, _, err := readAll(t, strings.NewReader(text)); !errors.As(err, &list) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v; want %q", text, err, says)
		}
	}
}

// A run that is over reads no more, whatever it reads, and a source that gives nothing is no empty list.
func TestEndsOfLists(t *testing.T) {
	broken := errors.New("broken")
	for name, text := range shapes() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var err error
		for _, err = range sight.NewList("L", strings.NewReader(text)).All(ctx) {
			if err != nil {
				break
			}
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := readAll(t, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	for text, says := range map[string]string{"\xef\xbb\xbf": "it is empty", "\xef\xbb\xbf# x\n": "it holds nothing that a list has", "\xef\xbb\xbf{}": "it holds nothing that a list has", "---\nnull\n": "it holds nothing", "{}": "it holds nothing", "[]": "it holds nothing"} {
		var list *sight.ListError
		if _, _, err := readAll(t, strings.NewReader(text)); !errors.As(err, &list) || !list.NotAList || !strings.Contains(list.Why, says) {
			t.Errorf("%q: %v; want %s", text, err, says)
		}
	}
	check(t, "\xef\xbb\xbf"+`{"images":["a.b/c:1"]}`, "L: image 1| a.b/c:1")
	// An alien in the middle of a list is no list; what came before it was one.
	for text, notAList := range map[string]bool{`{"images":["a.b/c:1"]}{"services":{}}`: false, `{"services":{}}`: true} {
		var list *sight.ListError
		if _, _, err := readAll(t, strings.NewReader(text)); !errors.As(err, &list) || list.NotAList != notAList || !strings.Contains(list.Why, "a compose file") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for source, says := range map[string]string{"-": "the list on the standard input: ", "x.json": "the list x.json: "} {
		for _, err := range sight.NewList(source, strings.NewReader("")).All(t.Context()) {
			if err == nil || !strings.HasPrefix(err.Error(), says) {
				t.Errorf("%v", err)
			}
		}
	}
	if e := (&sight.ListError{Source: "x", Line: 3, Why: "w", Err: broken}); e.Error() != "the list x:3: w" || !errors.Is(e, broken) {
		t.Error(e)
	}
}

// A list is told apart by what comes after a licence, however long that is, and by a line
// that is whole.
func TestShapeAfterComments(t *testing.T) {
	const pod = "kind: Pod\nspec: {containers: [{name: c, image: a.b/c:1}]}\n"
	for _, size := range []int{62, 63, 64, 65, 70} { // of a line: 64 of them end where the first 4 KiB do
		for _, n := range []int{1, 58, 63, 64, 65, 200, 255, 256, 900} {
			for _, mark := range []string{"", "\xef\xbb\xbf"} {
				above := mark + strings.Repeat("#"+strings.Repeat("x", size-2)+"\n", n)
				check(t, above+pod, fmt.Sprintf("L:%d: pod container c| a.b/c:1", n+2))
				check(t, above+"a.b/c:1\n", fmt.Sprintf("L:%d| a.b/c:1", n+1))
			}
		}
	}
	const many = 2000 // beyond what is looked at
	check(t, strings.Repeat("#"+strings.Repeat("x", 62)+"\n", many)+"a.b/c:1\n", fmt.Sprintf("L:%d| a.b/c:1", many+1))
	for _, text := range []string{`{"images":["a.b/c:1"]}`, `{"images": [a.b/c:1]}`} { // JSON has no comments, and YAML has them
		check(t, "# x\n"+text, "L:2: image 1| a.b/c:1")
	}
	check(t, `{"images":["a.b/c:1"],"x":"`+strings.Repeat("x", 5000)+`"}`, "L: image 1| a.b/c:1") // no line of it is whole
}
