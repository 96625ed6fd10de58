package sight_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/sight"
)

func utf16Of(s string, bom bool) string {
	var b bytes.Buffer
	if bom {
		b.WriteString("\xff\xfe")
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b.Write([]byte{byte(u), byte(u >> 8)})
	}
	return b.String()
}

func tarball(t *testing.T, packed bool) string {
	var b bytes.Buffer
	var w io.Writer = &b
	z := gzip.NewWriter(&b)
	if packed {
		w = z
	}
	a := tar.NewWriter(w)
	if err := errors.Join(a.WriteHeader(&tar.Header{Name: "oci-layout", Size: 2, Mode: 0o644}), func() error { _, err := a.Write([]byte("{}")); return err }(), a.Close()); err != nil {
		t.Fatal(err)
	}
	if packed {
		z.Close()
	}
	return b.String()
}

// Traps 9, 26, 49, 50: what is no list is called what it is, and what to do is said.
func TestWhatIsNoList(t *testing.T) {
	for name, c := range map[string]struct{ text, why, hint string }{
		"nothing":             {"", "it is empty", "may have failed"},
		"blanks":              {"\n \n# nothing\n", "it holds nothing", "a list is lines"},
		"only blanks":         {"\n \r\n", "it is empty", "a list is lines"},
		"an empty array":      {"[]", "it holds nothing", "a list is lines"},
		"a number":            {"[1]", "it holds nothing", "a list is lines"},
		"UTF-16":              {utf16Of("registry.k8s.io/pause:3.9\r\n", true), "it is text in UTF-16", "PowerShell"},
		"UTF-16 without BOM":  {utf16Of(`{"kind":"List"}`, false), "it is text in UTF-16", "PowerShell"},
		"UTF-16, big end":     {"\xfe\xff\x00a", "it is text in UTF-16", "PowerShell"},
		"tar":                 {tarball(t, false), "it is a tar archive", "as ./PATH without -f"},
		"gzip":                {tarball(t, true), "it is a gzip archive", "as ./PATH without -f"},
		"zstd":                {"\x28\xb5\x2f\xfd\x04\x00", "it is a zstd archive", "as ./PATH without -f"},
		"deb":                 {"!<arch>\ndebian-binary   ", "it is a deb package", "as ./PATH without -f"},
		"rpm":                 {"\xed\xab\xee\xdb\x03\x00", "it is an rpm package", "as ./PATH without -f"},
		"ELF":                 {"\x7fELF\x02\x01\x01\x00", "it is a program", "as ./PATH without -f"},
		"zeros":               {strings.Repeat("\x00", 5000), "a NUL byte", "as ./PATH without -f"},
		"own report":          {`{"schemaVersion":1,"tool":{"name":"kverify"},"policy":{},"trustedRoot":{},"results":[{"subject":"registry.k8s.io/x:1"}]}`, "a saved report of kverify", "kverify report"},
		"trivy":               {`{"SchemaVersion":2,"ArtifactName":"x","Results":[]}`, "a saved report of trivy", "kverify report"},
		"grype":               {`{"matches":[],"source":{},"descriptor":{"name":"grype"}}`, "a saved report of grype", "kverify report"},
		"SARIF":               {`{"$schema":"x","version":"2.1.0","runs":[]}`, "a saved report in SARIF", "kverify report"},
		"SPDX":                {`{"spdxVersion":"SPDX-2.3","packages":[]}`, "an SBOM in SPDX", "a list is lines"},
		"SPDX's tags":         {"# SBOM\nSPDXVersion: SPDX-2.3\nDocumentName: x\nCreator: Tool: sigs.k8s.io/bom\n", "an SBOM in SPDX", "a list is lines"},
		"OCI index":           {`{"schemaVersion":2,"manifests":[]}`, "an index of images", "as ./PATH"},
		"manifest.json":       {`[{"Config":"x.json","RepoTags":["registry.k8s.io/a:1"],"Layers":[]}]`, "the manifest.json of an archive", "as ./PATH"},
		"docker inspect":      {`[{"Id":"` + strings.Repeat("a", 64) + `","State":{},"Image":"sha256:x","Config":{"Image":"x"}}]`, "a container of docker", "docker image inspect"},
		"docker ps":           {`{"ID":"0123456789ab","Image":"nginx","Names":"x","Command":"y"}`, "a table of containers", "docker image inspect"},
		"crictl ps":           {`{"containers":[{"id":"x","image":{"image":"y"}}]}`, "a list of containers of crictl", "crictl images"},
		"compose":             {"services:\n  web:\n    image: nginx\n", "a compose file", "a list is lines"},
		"helm values":         {"image:\n  repository: x\n", "it holds nothing", "a list is lines"},
		"a template":          {"{{- if .Values.x }}\nkind: Pod\n", "it is a template", "helm template"},
		"a web page":          {"<!DOCTYPE html>\n<html>", "a web page", "a list is lines"},
		"Markdown, a badge":   {"# Title\n\n[![Build](x)](y)\n\nprose\n", "it is Markdown", "a list is lines"},
		"Markdown, a link":    {"[link](x)\n", "it is Markdown", "a list is lines"},
		"Markdown, items":     {"# Title\n\n- [item](x)\n- b\n\nprose\n", "it is Markdown", "a list is lines"},
		"Markdown, stars":     {"# Title\n\nThis: that\n\n* item\n", "it is Markdown", "a list is lines"},
		"Markdown, a fence":   {"# Title\n\n```\nx\n```\n", "it is Markdown", "a list is lines"},
		"Markdown, prose":     {"# Title\n\nprose [of] things\n", "more than one word", "a list is lines"},
		"a licence in a page": {"<script>\n/*\n* x\n*/\n", "a web page", "a list is lines"},
		"a key":               {"-----BEGIN PUBLIC KEY-----\n", "it is PEM", "a list is lines"},
		"docker's table":      {"REPOSITORY   TAG   IMAGE ID\n", "more than one word", "docker image ls --digests --no-trunc --format json"},
		"crictl's table":      {"IMAGE   TAG   IMAGE ID   SIZE\n", "more than one word", "crictl images -o json"},
		"kubectl's table":     {"NAME   READY   STATUS\n", "more than one word", "kubectl get ... -o json"},
		"a sentence":          {"No resources found in default namespace.\n", "more than one word", "a list is lines"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text))} {
				out, _, err := readAll(t, r)
				var e *sight.ListError
				if len(out) > 0 || !errors.As(err, &e) || !e.NotAList || !strings.Contains(e.Why, c.why) || !strings.Contains(e.Hint, c.hint) {
					t.Errorf("%q, %v", out, err)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "the list L:") {
					t.Error(err)
				}
			}
		})
	}
}

const podOf = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"registry.k8s.io/a:1"%s}]}%s}`

// What two readers could read in two ways, or would cost more than a list can, is
// refused, and what came before it still stands.
func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 120) + "1" + strings.Repeat("}", 120)
	for name, c := range map[string]struct {
		text  string
		say   string
		limit bool
	}{
		"a key twice":           {fmt.Sprintf(podOf, `,"image":"x.corp/b:1"`, ""), `the key "image" stands twice`, false},
		"a key that folds":      {fmt.Sprintf(podOf, `,"Image":"x.corp/b:1"`, ""), `the key "Image" stands twice`, false},
		"an escaped key":        {fmt.Sprintf(podOf, `,"im\u0061ge":"x.corp/b:1"`, ""), `the key "image" stands twice`, false},
		"two specs":             {fmt.Sprintf(podOf, "", `,"\u017fpec":{}`), `stands twice`, false},
		"two lists":             {fmt.Sprintf(podOf, "", `,"status":{"containerStatuses":[],"ContainerStatuses":[]}`), `stands twice`, false},
		"two ids":               {`[{"Id":"a","RepoTags":[],"ID":"b"}]`, `stands twice`, false},
		"Kelvin":                {`{"kind":"Pod","\u212aind":"Node"}`, `stands twice`, false},
		"depth":                 {fmt.Sprintf(podOf, "", `,"x":`+deep), "objects and lists in one another", true},
		"depth that is entered": {`{"apiVersion":"v1","kind":"X","spec":` + deep + `}`, "objects and lists in one another", true},
		"a giant text":          {fmt.Sprintf(podOf, "", `,"x":"`+strings.Repeat("x", 5<<20)+`"`), "bytes in one text", true},
		"a giant blank":         {fmt.Sprintf(podOf, "", strings.Repeat(" ", 5<<20)), "bytes in one text", true},
		"a giant name":          {fmt.Sprintf(podOf, "", `,"`+strings.Repeat("x", 5<<20)+`":1`), "bytes in one text", true},
		"too many containers":   {fmt.Sprintf(podOf, `}`+strings.Repeat(`,{"image":"a.b/c:1"}`, 10_001)+`,{"image":"a.b/c:1"`, ""), "containers in one object", true},
		"too many names":        {`{"images":[{"id":"x","repoTags":["a.b/c:1"` + strings.Repeat(`,"a.b/c:1"`, 300) + `]}]}`, "names of one image", true},
		"broken off":            {`{"items":[` + fmt.Sprintf(podOf, "", "") + `,{"kind":`, "it breaks off", false},
		"broken off at the end": {`{"items":[` + fmt.Sprintf(podOf, "", "") + `]`, "it breaks off", false},
		"JSON and then lines":   {fmt.Sprintf(podOf, "", "") + "\nregistry.k8s.io/pause:3.9\n", "it is no JSON at byte", false},
		"not UTF-8":             {"{\"kind\":\"\xff\"}", "it is no JSON", false},
		"NUL in JSON":           {"{\"kind\":\"\x00\"" + strings.Repeat(" ", 5000) + "}", "NUL", false},
		"NUL in JSON, later":    {"{" + strings.Repeat(" ", 5000) + "\"kind\":\"\x00\"}", "it is no JSON", false},
		"YAML: a key twice":     {"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a.b/c:1\n    image: a.b/d:1\n", `L:6: a YAML document cannot be read: the key "image" stands twice`, false},
		"YAML: a key that folds": {"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a.b/c:1\n    Image: a.b/d:1\n",
			`stands twice`, false},
		"YAML: anchors":     {"apiVersion: v1\nkind: &a Pod\nspec: {}\n", "L:2: a YAML document cannot be read: there are anchors and aliases", false},
		"YAML: aliases":     {"kind: Pod\na: [&x 1, *x]\n", "anchors and aliases", false},
		"YAML: a bomb":      {"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n", "anchors and aliases", false},
		"YAML: a merge key": {"kind: Pod\nspec:\n  <<: {containers: []}\n", "merge key", false},
		"YAML: depth":       {"kind: Pod\nspec: " + strings.Repeat("[", 150) + strings.Repeat("]", 150) + "\n", "objects and lists in one another", true},
		"YAML: many values": {"kind: Pod\nspec: [" + strings.Repeat("1,", 600_000) + "1]\n", "values", true},
		"YAML: many bytes":  {"kind: Pod\nspec: " + strings.Repeat("x", 17<<20) + "\n", "bytes in one YAML document", true},
		"YAML: a tag":       {"kind: !!binary UG9k\nspec: {}\n", "tag", false},
		"YAML: broken":      {"kind: Pod\nspec: [\n", "a YAML document cannot be read", false},
		"YAML: a list key":  {"kind: Pod\n? [a]\n: 1\n", "a key is no text", false},
		"a long line":       {"registry.k8s.io/a:1\n" + strings.Repeat("x", 10_000) + "\n", "longer than any reference", true},
		"NUL in a line":     {"registry.k8s.io/a:1\n" + strings.Repeat("#\n", 4000) + "a\x00\n", "NUL", false},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, _, err := readAll(t, strings.NewReader(c.text))
			var e *sight.ListError
			var limit *bounds.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.say) || errors.As(err, &limit) != c.limit || e.Hint == "" {
				t.Errorf("%.300v", err)
			}
			if said := fmt.Sprint(err); !utf8.ValidString(said) || strings.ContainsAny(said, "\x00\n") || len(fmt.Sprint(err)) > 700 {
				t.Errorf("%q", err)
			}
			if d := time.Since(began); d > 20*time.Second {
				t.Error(d)
			}
		})
	}
	// An object may be larger than any text, in a member that nobody looks at as in one.
	for _, form := range []string{`,"x":[%s]`, `,"status":{"containerStatuses":[{"x":[%s]}]}`} {
		text := fmt.Sprintf(podOf, "", fmt.Sprintf(form, strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("x", 1000)+`",`, 6000), ",")))
		if _, _, err := readAll(t, strings.NewReader(text)); err != nil {
			t.Error(err)
		}
	}
	// Of a list that breaks off, what was whole was read.
	out, _, err := readAll(t, strings.NewReader(`{"items":[`+fmt.Sprintf(podOf, "", "")+`,{"kind":`))
	if len(out) != 1 || err == nil {
		t.Error(out, err)
	}
	// What nobody looks at may stand twice: nothing can be shown by it.
	out, _, err = readAll(t, strings.NewReader(fmt.Sprintf(podOf, `,"env":[{"value":"a","value":"b"}]`, `,"x":1,"x":2`)))
	if len(out) != 1 || err != nil {
		t.Error(out, err)
	}
}

// A stream whose end never comes is not waited for once nobody listens, or the run is over.
func TestStops(t *testing.T) {
	n := 0
	for _, err := range sight.NewList("-", &cluster{pods: 1 << 40}).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n = 0
	var last error
	for _, err := range sight.NewList("-", &cluster{pods: 1 << 40}).All(ctx) {
		if last = err; n == 10 {
			cancel()
		}
		n++
	}
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
	broken := errors.New("the pipe broke")
	for _, text := range []string{"registry.k8s.io/a:1\n", `{"items":[`, "kind: Pod\n"} {
		_, _, err := readAll(t, io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// One bad entry of a list does not cancel the rest, and what was not understood is said.
func TestTheRestIsRead(t *testing.T) {
	check(t, `{"images":[{"name":"x","newTag":"1"},{"id":"sha256:<a>","repoTags":["X Y","registry.k8s.io/a:1"]},7]}`, `
L: image 2| registry.k8s.io/a:1 sha256:<a> reported FAULT image "X Y": "library/X Y" is not a repository; a repository is lower-case words, separated by / . _ or -
L: image 3| FAULT it is a number, not an object, so that nothing says which image is meant; correct it
# 1 value has no form that a list may have, and was skipped
`)
	check(t, fill(fmt.Sprintf(podOf, "", ""))+`{"unheard":"of"}`, "L: pod p container c| registry.k8s.io/a:1\n# 1 value has no form that a list may have, and was skipped")
}
