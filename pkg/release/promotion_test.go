package release

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
)

// samePromotion wants the YAML reader to say of data what p says.
func samePromotion(t *testing.T, p *Promotion, data []byte) {
	t.Helper()
	q, err := promotionYAML(data)
	if err != nil {
		t.Fatalf("the YAML reader: %v", err)
	}
	if !reflect.DeepEqual(p.images, q.images) {
		t.Errorf("line by line %v\nas YAML %v", p.images, q.images)
	}
}

// manifest writes a promotion manifest of that many images and digests each.
func manifest(images, digests int) []byte {
	var b strings.Builder
	for i := range images {
		fmt.Fprintf(&b, "- name: image-%d\n  dmap:\n", i)
		for j := range digests {
			fmt.Fprintf(&b, "    \"sha256:%x\": [\"v1.%d.%d\"]\n", sha256.Sum256(fmt.Append(nil, i, j)), j%40, j/40)
		}
	}
	return []byte(b.String())
}

func TestPromotion(t *testing.T) {
	d := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	data := "# a comment\n- name: pause\n  dmap:\n    \"" + d("a") + "\": [\"3.9\", \"latest\"]\n    \"" + d("b") + "\": [\"3.9\"]\n    \"" + d("c") + "\": []\n" +
		"- name: etcd\n  dmap:\n- name: pause\n  dmap:\n    \"" + d("d") + "\": [\"3.10\"]\n"
	p, err := ParsePromotion([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		fmt.Sprint(p.Images()):                          "[etcd pause]",
		fmt.Sprint(p.Has("etcd"), p.Has("x")):           "true false",
		fmt.Sprint(p.Tags("pause", oci.Digest(d("a")))): "[3.9 latest]",
		fmt.Sprint(p.Tags("pause", oci.Digest(d("c")))): "[]",
		fmt.Sprint(p.Tags("pause", oci.Digest(d("e")))): "[]",
		fmt.Sprint(p.Digests("pause", "3.9")):           fmt.Sprint([]string{d("a"), d("b")}),
		fmt.Sprint(p.Digests("pause", "3.1")):           "[]",
		fmt.Sprint(p.Digests("x", "3.1")):               "[]",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	// Any other YAML says the same: here, as a library would write it.
	yaml := "- dmap:\n    " + d("a") + ":\n    - \"3.9\"\n    - latest\n    " + d("b") + ": [\"3.9\"]\n    " + d("c") + ": []\n    " + d("d") + ": ['3.10']\n  name: pause\n- name: etcd\n"
	if _, ok, _ := promotionLines(yaml); ok {
		t.Error("that was not meant to be read line by line")
	}
	q, err := ParsePromotion([]byte(yaml))
	if err != nil || fmt.Sprint(p.images) != fmt.Sprint(q.images) {
		t.Errorf("%v\n%v\n%v", err, p, q)
	}
}

func TestPromotionRefuses(t *testing.T) {
	d := "sha256:" + strings.Repeat("a", 64)
	for name, data := range map[string]string{
		"a digest twice":             "- name: pause\n  dmap:\n    \"" + d + "\": [\"1\"]\n    \"" + d + "\": [\"2\"]\n",
		"a digest twice, otherwise":  "- name: pause\n  dmap: {\"" + d + "\": [\"1\"], \"" + d + "\": [\"2\"]}\n",
		"a digest twice, in two":     "- name: pause\n  dmap:\n    \"" + d + "\": [\"1\"]\n- name: pause\n  dmap:\n    \"" + d + "\": [\"2\"]\n",
		"an unknown field":           "- name: pause\n  image: other\n",
		"a short digest":             "- name: pause\n  dmap:\n    \"" + d[:70] + "\": [\"1\"]\n",
		"a digest of another kind":   "- name: pause\n  dmap:\n    \"sha512:" + strings.Repeat("a", 64) + "\": [\"1\"]\n",
		"a tag that is none":         "- name: pause\n  dmap:\n    \"" + d + "\": [\"-v1\"]\n",
		"a name that climbs":         "- name: ../pause\n",
		"a name with capitals":       "- name: Pause\n",
		"no name":                    "- dmap:\n    \"" + d + "\": [\"1\"]\n",
		"another document":           "branches:\n- release: \"1.27\"\n",
		"a web page":                 "<!DOCTYPE html><html></html>",
		"nothing":                    "",
		"an empty list":              "[]\n",
		"a list of aliases to bloat": "- &a {name: pause}\n- *a\n- <<: *a\n  extra: 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			var format *FormatError
			p, err := ParsePromotion([]byte(data))
			if !errors.As(err, &format) || p != nil {
				t.Errorf("%v, %v", p, err)
			}
		})
	}
	var limit *LimitError
	if _, err := ParsePromotion(make([]byte, maxPromotion+1)); !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
}

// The size of the real one: 1.4 MB.
func BenchmarkPromotion(b *testing.B) {
	data := manifest(30, 480)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePromotion(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPromotionYAML(b *testing.B) {
	data := manifest(30, 480)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := promotionYAML(data); err != nil {
			b.Fatal(err)
		}
	}
}

// What YAML does not take for a comment is none to the line reader either: it
// must not pass over what another reader sees.
func TestPromotionCommentsAreThoseOfYAML(t *testing.T) {
	for _, text := range []string{"# c\r- name: a\n- name: b\n", "# c\u2028- name: a\n- name: b\n", "# c\u2029- name: a\n", "# c\u0085- name: a\n", "#\xff\n- name: b\n", "#\x00\n- name: b\n"} {
		if _, ok, _ := promotionLines(text); ok {
			t.Errorf("%q is read line by line", text)
		}
	}
	if p, ok, err := promotionLines("# c\td\n- name: b\n  dmap:\n"); !ok || err != nil || len(p.Images()) != 1 {
		t.Errorf("%v %v %v", p, ok, err)
	}
}
