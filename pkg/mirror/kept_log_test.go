package mirror

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// Of several entries about one hash the identifiers are given in order, in whatever order
// their bundles lie.
func TestEntriesOfOneHashAreInOrder(t *testing.T) {
	files := tree{}
	var want []string
	for i := range 5 {
		body := fmt.Appendf(nil, `{"n":%d,"spec":{"data":{"hash":{"algorithm":"sha256","value":%q}}}}`, i, sum("x"))
		want = append(want, leafHash(body))
		files[fmt.Sprintf("files/dl.k8s.io/%s%s", want[i], layout.BundleSuffix)] = fmt.Sprintf(`{"verificationMaterial":{"tlogEntries":[{"logIndex":%d,"canonicalizedBody":%q}]}}`, i, base64.StdEncoding.EncodeToString(body))
	}
	slices.Sort(want)
	for i, uuid := range want { // the first lies last
		name := "files/dl.k8s.io/" + uuid + layout.BundleSuffix
		files[fmt.Sprintf("files/dl.k8s.io/%d%s", len(want)-i, layout.BundleSuffix)] = files[name]
		delete(files, name)
	}
	_, body, err := do(t, files.open(t), "POST", rekor+"/index/retrieve", `{"hash":"`+sum("x")+`"}`)
	var got []string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %q", err, got)
	}
}

// What the log of a mirror holds is each entry once, of every shard, and a bundle that
// cannot be read is damage and no answer.
func TestEntriesThatAreKept(t *testing.T) {
	body := fmt.Appendf(nil, `{"spec":{"data":{"hash":{"algorithm":"sha256","value":"%s"}}}}`, sum("x"))
	text := func(body []byte, index int, log string) []byte {
		b, err := json.Marshal(map[string]any{"verificationMaterial": map[string]any{"tlogEntries": []any{map[string]any{
			"logIndex": fmt.Sprint(index), "logId": map[string]any{"keyId": base64.StdEncoding.EncodeToString([]byte(log))}, "integratedTime": "1",
			"canonicalizedBody": base64.StdEncoding.EncodeToString(body)}}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	other := []byte(`{"spec":{"data":{"hash":{"algorithm":"sha512","value":"x"}}}}`)
	for name, tt := range map[string]struct {
		files    map[string][]byte
		unlisted bool
		entries  int // of the body
		hashes   int // uuids of its hash
		damage   bool
	}{
		"nothing":                {nil, false, 0, 0, false},
		"one":                    {map[string][]byte{"a": text(body, 1, "l")}, false, 1, 1, false},
		"the same twice":         {map[string][]byte{"a": text(body, 1, "l"), "b": text(body, 1, "l")}, false, 1, 1, false},
		"another index":          {map[string][]byte{"a": text(body, 1, "l"), "b": text(body, 2, "l")}, false, 2, 1, false},
		"another log":            {map[string][]byte{"a": text(body, 1, "l"), "b": text(body, 1, "m")}, false, 2, 1, false},
		"of another algorithm":   {map[string][]byte{"a": text(other, 1, "l")}, false, 0, 0, false},
		"one that is no bundle":  {map[string][]byte{"a": []byte("{"), "b": text(body, 1, "l")}, false, 1, 1, true},
		"one that nobody listed": {map[string][]byte{"a": text(body, 1, "l")}, true, 0, 0, true},
	} {
		fsys, list := fstest.MapFS{}, &layout.Listing{Files: map[string]layout.Want{}}
		for base, b := range tt.files {
			path := "dl.k8s.io/" + base + layout.BundleSuffix
			fsys["files/"+path] = &fstest.MapFile{Data: b}
			if !tt.unlisted {
				list.Files["https://"+path] = layout.Want{Sha256: sum(string(b)), Size: int64(len(b))}
			}
		}
		kept, err := readLog(fsys, list)
		if err != nil || (kept.damage != nil) != tt.damage || len(kept.entries[leafHash(body)]) != tt.entries || len(kept.byHash[sum("x")]) != tt.hashes {
			t.Errorf("%s: %v, %+v", name, err, kept)
		}
	}
	altered := text(body, 1, "l")
	fsys := fstest.MapFS{"files/dl.k8s.io/a" + layout.BundleSuffix: {Data: altered}}
	list := &layout.Listing{Files: map[string]layout.Want{"https://dl.k8s.io/a" + layout.BundleSuffix: {Sha256: sum("another"), Size: int64(len(altered))}}}
	if kept, err := readLog(fsys, list); err != nil || kept.damage == nil || len(kept.entries) != 0 {
		t.Errorf("one that is not the listed: %v, %+v", err, kept)
	}
}
