package sbom

import (
	"bytes"
	"slices"
	"testing"

	tv "github.com/spdx/tools-golang/tagvalue/reader"
)

// Where the library's own reader can read a text, ours must see the same tags, or
// refuse a carriage return within a line, which that takes for part of a value.
func FuzzTagValues(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(plainHead + oneFile + onePackage + oneSnippet + related + annotated + oneLicence))
	f.Add([]byte("A: <text>b\r\nc</text>d\n# x: y\n  B : <text></text>\nC:d"))
	f.Add([]byte("A: b\rC: d\n"))
	f.Add([]byte("A: <text>b</text>\r\n\r\n\u00a0B: c\r"))
	f.Fuzz(func(t *testing.T, data []byte) {
		want, err := tv.ReadTagValues(bytes.NewReader(data))
		got, ours := tagValues(string(data), keepAll, maxMemory)
		if err != nil {
			return // a long line is an error there, and none here
		}
		if ours != nil && bytes.Contains(bytes.ReplaceAll(data, []byte("\r\n"), nil), []byte("\r")) {
			return
		}
		if ours != nil {
			t.Fatalf("refused: %v", ours)
		}
		if !slices.Equal(got.pairs, want) {
			t.Fatalf("got %q\nwant %q", got.pairs, want)
		}
	})
}

// Whatever is read can be compared and arranged, and what can be written at
// all reads back as the same document.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(plainHead + oneFile + onePackage + oneSnippet + related + annotated + oneLicence))
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"n","creationInfo":{"creators":["Tool: t"]},
		"packages":[{"SPDXID":"SPDXRef-a","name":"a","originator":"","files":[{"SPDXID":"SPDXRef-f","fileName":"f"}]}],"relationships":[{"spdxElementId":"SPDXRef-a","relationshipType":"CONTAINS","relatedSpdxElement":"NONE"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse(data)
		if err != nil {
			return
		}
		if !Diff(doc, doc).Empty() {
			t.Error("it differs from itself")
		}
		root := doc.Tree()
		if root.Count(KindFile) != len(doc.Files) || root.Count(KindPackage) != len(doc.Packages) {
			t.Error("the tree lost something")
		}
		for _, to := range []Format{TagValue, JSON} {
			var out bytes.Buffer
			if Convert(&out, data, to) != nil {
				continue
			}
			if _, err := Parse(out.Bytes()); err != nil {
				t.Errorf("written as %s: %v", to, err)
			}
		}
	})
}
