package mirror

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// A bundle gives all of its entries, whatever of them was there before; of a million bundles
// nobody reads more than a hundred releases have.
func TestBundlesOfALog(t *testing.T) {
	entry := func(n int) string {
		return fmt.Sprintf(`{"logIndex":%d,"canonicalizedBody":%q}`, n, base64.StdEncoding.EncodeToString(fmt.Append(nil, n)))
	}
	fsys := fstest.MapFS{}
	for name, entries := range map[string]string{"a": entry(1), "b": entry(1) + "," + entry(2)} {
		fsys["files/dl.k8s.io/"+name+layout.BundleSuffix] = &fstest.MapFile{Data: []byte(`{"verificationMaterial":{"tlogEntries":[` + entries + `]}}`)}
	}
	if kept, err := readLog(fsys, nil); err != nil || kept.damage != nil || len(kept.entries) != 2 || len(kept.byIndex) != 2 {
		t.Errorf("%v, %+v", err, kept)
	}
	for n, ok := range map[int]bool{maxBundles: true, maxBundles + 1: false} {
		many := crowded(n)
		many.folders["."], many.folders["files"] = []string{"files"}, slices.Repeat([]string{"x" + layout.BundleSuffix}, n)
		many.files = map[string]tarEntry{"files/x" + layout.BundleSuffix: {0, 1}}
		if _, err := readLog(many, new(layout.Listing)); (err == nil) != ok {
			t.Errorf("%d: %v", n, err)
		}
	}
}

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
	other := []byte(`{"spec":{"data":{"hash":{"algorithm":"sha512","value":"` + sum("x") + `"}}}}`)
	shards := map[string][]byte{}
	for i := range maxShards + 1 {
		shards[fmt.Sprint(i)] = text(body, i, "l")
	}
	for name, tt := range map[string]struct {
		files    map[string][]byte
		unlisted bool
		entries  int // of the body
		hashes   int // uuids of its hash
		damage   bool
	}{
		"nothing":                    {nil, false, 0, 0, false},
		"one":                        {map[string][]byte{"a": text(body, 1, "l")}, false, 1, 1, false},
		"the same twice":             {map[string][]byte{"a": text(body, 1, "l"), "b": text(body, 1, "l")}, false, 1, 1, false},
		"another index":              {map[string][]byte{"a": text(body, 1, "l"), "b": text(body, 2, "l")}, false, 2, 1, false},
		"another log":                {map[string][]byte{"a": text(body, 1, "l"), "b": text(body, 1, "m")}, false, 2, 1, false},
		"of another algorithm":       {map[string][]byte{"a": text(other, 1, "l")}, false, 0, 0, false},
		"as many shards as are kept": {shards, false, maxShards, 1, false},
		"one that has no index":      {map[string][]byte{"a": []byte(`{"verificationMaterial":{"tlogEntries":[{"logIndex":"x"}]}}`)}, false, 0, 0, true},
		"two that are no bundles":    {map[string][]byte{"a": []byte("{"), "b": []byte("["), "c": text(body, 1, "l")}, false, 1, 1, true},
		"one that is no bundle":      {map[string][]byte{"a": []byte("{"), "b": text(body, 1, "l")}, false, 1, 1, true},
		"one that nobody listed":     {map[string][]byte{"a": text(body, 1, "l")}, true, 0, 0, true},
	} {
		fsys, list := fstest.MapFS{}, &layout.Listing{Files: map[string]layout.Want{"https://dl.k8s.io/x": {Sha256: sum("x"), Size: 1}}}
		fsys["files/dl.k8s.io/x"] = &fstest.MapFile{Data: []byte("x")} // which is no bundle, as what follows is no file
		fsys["files/dl.k8s.io/folder"+layout.BundleSuffix+"/x"] = &fstest.MapFile{Data: []byte("x")}
		for base, b := range tt.files {
			path := "dl.k8s.io/" + base + layout.BundleSuffix
			fsys["files/"+path] = &fstest.MapFile{Data: b}
			if !tt.unlisted {
				list.Files["https://"+path] = layout.Want{Sha256: sum(string(b)), Size: int64(len(b))}
			}
		}
		kept, err := readLog(fsys, list)
		if err != nil || (kept.damage != nil) != tt.damage || len(kept.entries[leafHash(body)]) != tt.entries || len(kept.byHash[sum("x")]) != tt.hashes || len(kept.byHash[""]) != 0 {
			t.Errorf("%s: %v, %+v", name, err, kept)
		}
		if tt.damage && !strings.HasPrefix(kept.damage.Error(), "files/dl.k8s.io/a") {
			t.Errorf("%s: it is not the first that is told of: %v", name, kept.damage)
		}
	}
	altered := text(body, 1, "l")
	fsys := fstest.MapFS{"files/dl.k8s.io/a" + layout.BundleSuffix: {Data: altered}}
	list := &layout.Listing{Files: map[string]layout.Want{"https://dl.k8s.io/a" + layout.BundleSuffix: {Sha256: sum("another"), Size: int64(len(altered))}}}
	if kept, err := readLog(fsys, list); err != nil || kept.damage == nil || len(kept.entries) != 0 {
		t.Errorf("one that is not the listed: %v, %+v", err, kept)
	}
}
