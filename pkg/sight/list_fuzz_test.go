package sight_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/pkg/sight"
)

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// sound holds what is true of every sighting, whatever the list was.
func sound(t *testing.T, s sight.Sighting) {
	t.Helper()
	for _, d := range append(slices.Clone(s.Also), s.Digest) {
		if d != "" && !digestForm.MatchString(string(d)) {
			t.Fatalf("%q is no digest", d)
		}
	}
	for _, n := range append(slices.Clone(s.Others), s.Name) {
		if _, err := sight.ReadName(n); n != "" && err != nil {
			t.Fatal(err)
		}
	}
	if s.Place.Source != "L" || s.Name == "" && len(s.Others) > 0 || s.Bare && s.Digest == "" {
		t.Fatalf("%+v", s)
	}
	if s.Name == "" && s.Digest == "" && s.Version == "" && s.Fault == "" && !s.Reported {
		t.Fatalf("it says nothing: %+v", s)
	}
	inOneLine(t, s.Place.Entry, s.Fault, s.Version)
}

func inOneLine(t *testing.T, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if len(s) > 3000 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Fatalf("%q", s)
		}
	}
}

// sightings reads a list twice, whole and in pieces, and holds that it says the same.
func sightings(t *testing.T, text string) (list []sight.Sighting, err error) {
	t.Helper()
	l := sight.NewList("L", strings.NewReader(text))
	for s, e := range l.All(t.Context()) {
		if err = e; e != nil {
			break
		}
		sound(t, s)
		list = append(list, s)
	}
	inOneLine(t, l.Notes()...)
	if err != nil {
		var listed *sight.ListError
		if !errors.As(err, &listed) || listed.NotAList && len(list) > 0 {
			t.Fatalf("%v after %d", err, len(list))
		}
		inOneLine(t, err.Error())
	} else if len(list) == 0 && len(l.Notes()) == 0 && !strings.ContainsAny(text, "[{") && !strings.Contains(text, ":") {
		t.Fatal("it says nothing at all")
	}
	again := sight.NewList("L", iotest.OneByteReader(strings.NewReader(text)))
	n := 0
	for s, e := range again.All(t.Context()) {
		if e != nil {
			if err == nil || e.Error() != err.Error() {
				t.Fatalf("%v, and in pieces %v", err, e)
			}
			break
		}
		if n >= len(list) || shown(s) != shown(list[n]) {
			t.Fatalf("in pieces, %s", shown(s))
		}
		n++
	}
	if n != len(list) {
		t.Fatalf("%d, and in pieces %d", len(list), n)
	}
	return list, err
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"registry.k8s.io/a:1\r\n# x\nsha256:<a>\nv1.30.1\n", "\xef\xbb\xbfnginx # x: y\n./a.tar\n", "<html>", "a\nb c\n", "docker-pullable://x.y/z@sha256:<b>\nimport-2026-11-26@sha256:<c>"} {
		f.Add(fill(s))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if list, _ := sightings(t, text); len(list) > strings.Count(text, "\n")+1 && !strings.ContainsAny(text, "[{:") {
			t.Fatalf("%d of %d lines", len(list), strings.Count(text, "\n")+1)
		}
	})
}

// FuzzJSON: what is read as JSON and as YAML says the same in both.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		pods, `{"images":["a.b/c:1",{"id":"<a>","repoTags":null}]}`, `[{"Id":"sha256:<a>","RepoTags":["<none>:<none>"],"RepoDigests":["x.y/z@sha256:<b>"],"Digest":"sha256:<c>"}]`,
		`{"status":{"id":"sha256:<a>","repoDigests":["x.y/z@sha256:<b>"]}}`, `{"kind":"Node","apiVersion":"v1","status":{"images":[{"names":["a.b/c:1"]}],"nodeInfo":{"kubeletVersion":"v1"}}}`,
		`{"ID":"0123456789ab","Repository":"a","Tag":"1"}{"results":[],"trustedRoot":{}}`, `{"a":{"Image":1,"image":2},"im\u0061ge":3}`,
		`{"kind":"ClusterConfiguration","apiVersion":"kubeadm.k8s.io/v1beta4","kubernetesVersion":"v1.30.1","etcd":{"local":{"imageTag":"1"}}}`,
	} {
		f.Add(fill(s))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
			return
		}
		list, err := sightings(t, text)
		asYAML, yerr := sightings(t, "---\n"+text)
		if err != nil || yerr != nil {
			return
		}
		if len(list) != len(asYAML) {
			t.Fatalf("%d in JSON, %d in YAML", len(list), len(asYAML))
		}
		for i := range list {
			asYAML[i].Place.Line = 0
			if shown(list[i]) != shown(asYAML[i]) {
				t.Fatalf("JSON %s, YAML %s", shown(list[i]), shown(asYAML[i]))
			}
		}
	})
}

func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - {name: c, image: a.b/c:1}\n---\nkind: X\napiVersion: v1\n...\nkind: Y\n",
		"%YAML 1.2\n---\nimages:\n- id: sha256:<a>\n  repoTags: [a.b/c:1]\n", "--- {kind: Pod, spec: {containers: [{image: x}]}}\n---\n--- |\n x\n", "a: &a [1]\nb: *a\n", "<<: {a: b}\n", "kind: !x y\n? [1]\n: 2\n",
	} {
		f.Add(fill(s))
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := sightings(t, "kind: List\n"+text)
		for _, s := range list {
			if s.Place.Line < 1 || s.Place.Line > strings.Count(text, "\n")+2 {
				t.Fatalf("line %d", s.Place.Line)
			}
		}
	})
}
