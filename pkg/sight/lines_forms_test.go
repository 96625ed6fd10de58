package sight

import (
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/bounds"
)

// A text that can be no line of a list is told from one that can.
func TestLineFault(t *testing.T) {
	for text, says := range map[string]string{
		"registry.k8s.io/kube-proxy:v1.27.2": "", "nginx": "", "v1.27.2": "", "sha256:" + strings.Repeat("a", 64): "",
		"sha256:abc": "is no digest", "0123456789ab": "12 digits", "V1.27.2": "a capital letter", "A:b": "is not a repository", strings.Repeat("a", 64): "64 digits alone",
	} {
		if got := LineFault(text); (got == "") != (says == "") || !strings.Contains(got, says) {
			t.Errorf("%s: %q, want %q", text, got, says)
		}
	}
}

// The shape of a list is told by the first line that says something.
func TestShapeOf(t *testing.T) {
	for head, want := range map[string]string{
		"": "", "\n \n": "", "# x: y\n": "", "a.b/c:1": "lines", "a.b/c:1 # x: y": "lines", "-----BEGIN X-----": "lines", "-a": "lines", "sha256:a": "lines", "a#b:c": "lines",
		"{": "json", "\n  {\"a: b\"": "json", "\n# x\n  {\"a: b\"": "yaml", "# x\n[": "yaml", "SPDXVersion: SPDX-2.3": "spdx", "# x\nSPDXVersion: y": "spdx", "[": "json", "[[{{": "json", "{{- x }}": "template", "  {{": "template",
		"---": "yaml", "--- # x": "yaml", "----": "yaml", "%YAML 1.2": "yaml", "- a": "yaml", "a:": "yaml", "a: # b": "yaml", "a: b": "yaml", "# x\n\na:\n": "yaml", "a.b/c:1\nd: e": "lines",
	} {
		if got := shapeOf([]byte(head)); got != want {
			t.Errorf("%q is %q, want %q", head, got, want)
		}
	}
	for head, want := range map[string]bool{
		"x\n```": true, "* x": true, "**x**": true, "[x](y)": true, "- [x](y)": true, "![x](y)": true, "\n<p>\n* x\n": false, "": false, "](": false, "# x\n": false, " * x": false,
		`[{"x":"[a](b)"`: false, `{"x":"[a](b)"`: false, "a: [x](y)": false, "- x](y)": false,
	} {
		if got := isMarkdown([]byte(head)); got != want {
			t.Errorf("%q is Markdown: %v", head, got)
		}
	}
	for line, want := range map[string]bool{"---": true, "--- x": true, "---\t": true, "---\n": true, "---\r\n": true, "---x": false, "--": false, " ---": false, "----": false} {
		if got := marks([]byte(line), "---"); got != want {
			t.Errorf("%q marks: %v", line, got)
		}
	}
	for line, want := range map[string]string{"# x": "", "a # x": "a", "a\t# x": "a", "a#x": "a#x", " a ": "a", "a #": "a", "a##": "a##", "a # b # c": "a", "": ""} {
		if got := uncommented(line); got != want {
			t.Errorf("%q is %q", line, got)
		}
	}
	for text, want := range map[string]bool{
		"1": true, "1.30": true, "v1": true, "V9x": true, "0": true, "stable": true, "stable-1.30": true, "latest-1": true, "v": false, "": false, "vx": false, "nginx": false,
		"1.30/x": false, "1.30:x": false, "1@x": false, "1 x": false, "1\tx": false, "/1": false, ":": false, strings.Repeat("1", 64): false, strings.Repeat("1", 63): true, strings.Repeat("a", 64): false,
	} {
		if got := isNearlyVersion(text); got != want {
			t.Errorf("%q is nearly a version: %v", text, got)
		}
	}
}

// A line is one thing; what is none says why, and ends a list alone that has nothing before it.
func TestFormsOfLines(t *testing.T) {
	a := strings.Repeat("a", 64)
	one := func(text string) (Sighting, error) {
		for s, err := range NewList("L", strings.NewReader(text)).All(t.Context()) {
			if err != nil || s.Place.Line > 1 {
				return s, err
			}
		}
		return Sighting{}, nil
	}
	for text, want := range map[string]Sighting{
		"v1.30.1": {Version: "v1.30.1"}, "a.b/c:1": {Name: "a.b/c:1"}, "sha256:" + a: {Digest: readID("sha256:" + a).digest},
		"docker://sha256:" + a: {Digest: readID("sha256:" + a).digest, Reported: true}, "docker-pullable://a.b/c@sha256:" + a: {Name: "a.b/c@sha256:" + a, Digest: readID("sha256:" + a).digest, Reported: true},
		"docker://x": {Reported: true, Fault: "the image id"}, "sha256:x": {Fault: "the image id"}, "0123456789ab": {Fault: "12 digits"}, "1.30": {Fault: "is not a Kubernetes version"}, "a b": {Fault: "more than one word"}, "a\tb": {Fault: "more than one word"},
		"./x": {Fault: "is a path"}, "../x": {Fault: "is a path"}, "/x": {Fault: "is a path"}, `.\x`: {Fault: "is a path"}, `C:\x`: {Fault: "is a path"}, a: {Fault: "64 digits alone"}, "a.b/C:1": {Fault: "is not a repository"},
	} {
		s, err := one("x.y/z:1\n" + text + "\n")
		if err != nil || s.Name != want.Name || s.Digest != want.Digest || s.Version != want.Version || s.Reported != want.Reported || (s.Fault == "") != (want.Fault == "") || !strings.Contains(s.Fault, want.Fault) {
			t.Errorf("%s: %+v, %v", text, s, err)
		}
		var list *ListError
		if _, err := one(text + "\n"); (err == nil) != (want.Fault == "") || err != nil && (!errors.As(err, &list) || !list.NotAList || list.Line != 1) {
			t.Errorf("%s alone: %v", text, err)
		}
	}
	for text, want := range map[string]struct {
		limit, isList, fine bool
	}{
		"a.b/c:1 #" + strings.Repeat("x", maxLine-10) + "\n": {fine: true}, "a.b/c:1 #" + strings.Repeat("x", maxLine-9): {fine: true}, "a.b/c:1 #" + strings.Repeat("x", maxLine-9) + "\n": {limit: true},
		"x.y/z:1\n#" + strings.Repeat("x", maxLine) + "\n": {limit: true, isList: true}, "x.y/z:1\n#" + strings.Repeat("x", 70<<10): {limit: true, isList: true},
		// A carriage return ends a line with a line feed, or the list.
		"a.b/c:1\r\n": {fine: true}, "a.b/c:1\r": {fine: true}, "a.b/c:1\r\r\n": {fine: true}, "# x\r\na.b/c:1 # x\r\n\r\n": {fine: true},
		"# x\ra.b/c:1\r\n": {}, "x.y/z:1\n# x\ra.b/c:1": {isList: true}, "x.y/z:1\ra.b/c:1\n": {}, "\ra.b/c:1\n": {},
		strings.Repeat("#\n", 3000) + "\x00": {}, "x.y/z:1\n" + strings.Repeat("#\n", 3000) + "\x00": {isList: true},
	} {
		var list *ListError
		var limit *bounds.Error
		var err error
		for _, e := range NewList("L", strings.NewReader(text)).All(t.Context()) {
			err = errors.Join(err, e)
		}
		if (err == nil) != want.fine || err != nil && (!errors.As(err, &list) || list.NotAList == want.isList || errors.As(err, &limit) != want.limit || list.Hint == "") {
			t.Errorf("%.20q of %d bytes: %v", text, len(text), err)
		}
	}
}
