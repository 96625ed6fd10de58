package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	tv "github.com/spdx/tools-golang/tagvalue/reader"
)

const head = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: test\nDocumentNamespace: https://example.org/test\nCreator: Tool: test\nCreated: 2023-05-17T14:00:00Z\n\n"

// small has one of everything that a Document holds.
const small = head + `FileName: bin/tool
SPDXID: SPDXRef-File-tool
FileChecksum: SHA1: da39a3ee5e6b4b0d3255bfef95601890afd80709
FileChecksum: SHA256: E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
FileCopyrightText: NOASSERTION

##### Package: image.tar

PackageName: image.tar
SPDXID: SPDXRef-Package-image
PackageVersion: v1
PackageFileName: /build/image.tar
PackageChecksum: SHA512: abc
PackageChecksum: MD5: 0123
PackageDownloadLocation: NONE
PackageLicenseComments: <text>two
lines: of text</text>

FileName: within
SPDXID: SPDXRef-File-within

PackageName: layer
SPDXID: SPDXRef-Package-layer

Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-Package-image
Relationship: SPDXRef-Package-image CONTAINS SPDXRef-Package-layer
Relationship: SPDXRef-Package-image GENERATED_FROM DocumentRef-source:SPDXRef-Package-source
Relationship: SPDXRef-Package-layer CONTAINS NONE
`

func parse(t testing.TB, text string) *Document {
	t.Helper()
	doc, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestParse(t *testing.T) {
	doc := parse(t, strings.Replace(small, "Creator:", "ExternalDocumentRef:DocumentRef-source https://example.org/source SHA1: abcd\nCreator:", 1))
	want := Document{
		SPDXVersion: "SPDX-2.3", Name: "test", Namespace: "https://example.org/test", Created: "2023-05-17T14:00:00Z", Creators: []string{"Tool: test"},
		External: []External{{"DocumentRef-source", "https://example.org/source", "SHA1:abcd"}},
		Files: []File{
			{"bin/tool", "SPDXRef-File-tool", Checksums{SHA1: "da39a3ee5e6b4b0d3255bfef95601890afd80709", SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}},
			{"within", "SPDXRef-File-within", Checksums{}},
		},
		Packages: []Package{
			{"image.tar", "SPDXRef-Package-image", "v1", "/build/image.tar", Checksums{SHA512: "abc"}},
			{"layer", "SPDXRef-Package-layer", "", "", Checksums{}},
		},
		Relationships: []Relationship{
			{"SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Package-image"},
			{"SPDXRef-Package-image", "CONTAINS", "SPDXRef-Package-layer"},
			{"SPDXRef-Package-image", "GENERATED_FROM", "DocumentRef-source:SPDXRef-Package-source"},
			{"SPDXRef-Package-layer", "CONTAINS", "NONE"},
		},
	}
	if fmt.Sprint(*doc) != fmt.Sprint(want) {
		t.Errorf("got\n%v\nwant\n%v", *doc, want)
	}
	roundTrip(t, []byte(small), JSON)
	roundTrip(t, []byte(strings.Replace(small, "SPDX-2.3", "SPDX-2.2", 1)), JSON)
	roundTrip(t, []byte(strings.ReplaceAll(small, "\n", "\r\n")), TagValue)
}

func TestParseRefuses(t *testing.T) {
	var format *FormatError
	var limit *LimitError
	long := strings.Repeat("x", maxValue+1)
	for name, c := range map[string]struct {
		data   string
		target any
	}{
		"nothing":              {"", &format},
		"a comment":            {"# SPDX\n", &format},
		"a web page":           {"<html>\n", &format},
		"no version":           {strings.Replace(small, "SPDXVersion: SPDX-2.3\n", "", 1), &format},
		"an old version":       {strings.Replace(small, "SPDX-2.3", "SPDX-2.1", 1), &format},
		"a new version":        {strings.Replace(small, "SPDX-2.3", "SPDX-3.0", 1), &format},
		"an unknown tag":       {small + "Frobnicate: yes\n", &format},
		"no tag":               {small + "\x1b[31mhello\n", &format},
		"an open text":         {small + "PackageComment: <text>and so on\n", &format},
		"two checksums":        {strings.Replace(small, "FileCopyrightText", "FileChecksum: SHA1: 0a39a3ee5e6b4b0d3255bfef95601890afd80709\nFileCopyrightText", 1), &format},
		"a package without id": {head + "PackageName: a\nPackageName: b\nSPDXID: SPDXRef-b\n", &format},
		"a file without id":    {head + "FileName: a\nFileName: b\nSPDXID: SPDXRef-b\n", &format},
		"half a relationship":  {head + "Relationship: SPDXRef-a CONTAINS\n", &format},
		"a long value":         {head + "PackageName: " + long + "\n", &limit},
		"a long relationship":  {head + "Relationship: " + long + "\n", &limit},
		"a long unknown tag":   {head + long + ": a\n", &format},
		"too many tags":        {head + strings.Repeat("Creator: Tool: a\n", maxPairs), &limit},
		"too large":            {strings.Repeat(" ", MaxBytes+1), &limit},
		"half of JSON":         {`{"spdxVersion":"SPDX-2.3","packages":[`, &format},
		"null packages":        {`{"spdxVersion":"SPDX-2.3","packages":[null]}`, &format},
		"null files":           {`{"spdxVersion":"SPDX-2.3","files":[null]}`, &format},
		"a JSON list":          {`[]`, &format},
		"JSON without version": {`{"spdxVersion":""}`, &format},
		"a bare id":            {`{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"a","name":"a"}]}`, &format},
		"deep JSON":            {`{"spdxVersion":"SPDX-2.3","packages":` + strings.Repeat("[", 1<<20), &format},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := Parse([]byte(c.data))
			if err == nil || doc != nil || !errors.As(err, c.target) {
				t.Fatalf("%T: %v", err, err)
			}
			if strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 500 {
				t.Errorf("not fit for a terminal: %.600q", err)
			}
		})
	}
}

// What is null in a list is named, wherever it stands, and never dropped: the
// library reads through some and forgets others.
func TestNullElementsAreNamed(t *testing.T) {
	const list = `{"spdxVersion":"SPDX-2.3","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: a"]},` + "\n" + `"name":"null, [null] and \"[null","comment":null,%}`
	for text, say := range map[string]string{
		`"packages":[null]`:        "packages[0] is null",
		`"files":[null]`:           "files[0] is null",
		`"relationships":[ null ]`: "relationships[0] is null",
		`"annotations":[null]`:     "annotations[0] is null",
		`"snippets":[null]`:        "snippets[0] is null",
		`"hasExtractedLicensingInfos":[{"licenseId":"LicenseRef-1"},null]`: "hasExtractedLicensingInfos[1] is null",
		`"externalDocumentRefs":[null]`:                                    "externalDocumentRefs[0] is null",
		`"documentDescribes":[null]`:                                       "documentDescribes[0] is null",
		`"packages":[{"SPDXID":"SPDXRef-a","checksums":[null]}]`:           "a list in packages holds null",
		`"packages":[{"SPDXID":"SPDXRef-a","externalRefs":[null]}]`:        "a list in packages holds null",
		`"packages":[{"SPDXID":"SPDXRef-a","annotations":[null]}]`:         "a list in packages holds null",
	} {
		data := []byte(strings.Replace(list, "%", text, 1))
		_, err := Parse(data)
		if !errors.As(err, new(*FormatError)) || !strings.Contains(err.Error(), "line 2: "+say) {
			t.Errorf("%s: %v", text, err)
		}
		if err := Convert(io.Discard, data, TagValue); !errors.As(err, new(*FormatError)) {
			t.Errorf("%s, converted: %v", text, err)
		}
	}
	if _, err := Parse([]byte(strings.Replace(list, "%", `"packages":null,"relationships":[]`, 1))); err != nil {
		t.Error(err)
	}
}

// The library's own reader stops at a line of 64 KiB. Ours has no such line,
// in a text that is read and in one that is skipped.
func TestLongLines(t *testing.T) {
	long := strings.Repeat("licence ", 100_000)
	for name, text := range map[string]string{
		"one line":    "PackageComment: " + long + "\n",
		"in a text":   "PackageComment: <text>" + long + "\n" + long + "</text>\n",
		"a comment":   "# " + long + "\n",
		"all in one":  "PackageComment: <text>" + strings.Repeat("short\n", 10_000) + "</text>\n",
		"with breaks": "PackageComment: <text>" + long + "\r\n" + long + "</text> dropped\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			data := small + "\nPackageName: last\nSPDXID: SPDXRef-last\n" + text + "PackageFileName: end\n"
			if _, err := tv.ReadTagValues(strings.NewReader(data)); err == nil && name != "all in one" {
				t.Error("the library reads it by now: this package need not")
			}
			doc := parse(t, data)
			if p := doc.Packages[len(doc.Packages)-1]; p.Name != "last" || p.FileName != "end" {
				t.Errorf("%+v", p)
			}
			roundTrip(t, []byte(data), JSON)
		})
	}
}

// What the other form cannot carry is refused, not changed.
func TestConvertRefuses(t *testing.T) {
	for name, value := range map[string]string{
		"a line break":      `a\nPackageName: evil\nSPDXID: SPDXRef-evil`,
		"a carriage return": `a\rb`,
		"a space before":    ` a`,
		"a text":            `a <text>b</text>`,
	} {
		t.Run(name, func(t *testing.T) {
			doc := `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","dataLicense":"CC0-1.0","name":"n","documentNamespace":"u",
				"creationInfo":{"created":"2023-05-17T14:00:00Z","creators":["Tool: t"]},"packages":[{"SPDXID":"SPDXRef-a","name":"` + value + `","downloadLocation":"NONE"}]}`
			var out bytes.Buffer
			if err := Convert(&out, []byte(doc), TagValue); err == nil && !strings.Contains(value, `\r`) || out.Len() > 0 && err != nil {
				t.Errorf("%v, wrote %q", err, out.String())
			}
		})
	}
	if err := Convert(&bytes.Buffer{}, []byte(`{"spdxVersion":"SPDX-2.3"}`), TagValue); err == nil {
		t.Error("a document without creation information was written")
	}
}

// Real tools write originators that the library refuses a document for.
func TestOriginators(t *testing.T) {
	const doc = `{"spdxVersion":"SPDX-2.3","packages":[
		{"SPDXID":"SPDXRef-a","name":"a","originator":"","supplier" : "Somebody"},
		{"SPDXID":"SPDXRef-b","name":"the \"originator\": \"\"","supplier":"Organization: b"},
		{"SPDXID":"SPDXRef-c","name":"originator","originator":"Name \"x\" <c@example.org>","versionInfo":"supplier"}]}`
	got := parse(t, doc)
	if len(got.Packages) != 3 || got.Packages[1].Name != `the "originator": ""` || got.Packages[2].Name != "originator" || got.Packages[2].Version != "supplier" {
		t.Errorf("%+v", got.Packages)
	}
}

func TestTree(t *testing.T) {
	doc := parse(t, small+"Relationship: SPDXRef-Package-image CONTAINS SPDXRef-File-within\n"+
		// A circle, oneself, an unknown element and a second parent change nothing.
		"Relationship: SPDXRef-Package-layer CONTAINS SPDXRef-Package-image\nRelationship: SPDXRef-File-tool CONTAINS SPDXRef-File-tool\n"+
		"Relationship: SPDXRef-x CONTAINS SPDXRef-File-tool\nRelationship: SPDXRef-File-tool CONTAINS SPDXRef-Package-layer\n")
	root := doc.Tree()
	if root.Count(KindPackage) != 2 || root.Count(KindFile) != 2 || root.Kind.String() != "document" {
		t.Errorf("%d packages, %d files", root.Count(KindPackage), root.Count(KindFile))
	}
	// A chain longer than the tree may be deep.
	var b strings.Builder
	b.WriteString(head)
	for i := range 1000 {
		fmt.Fprintf(&b, "PackageName: p\nSPDXID: SPDXRef-%d\n", i)
	}
	for i := 998; i >= 0; i-- {
		fmt.Fprintf(&b, "Relationship: SPDXRef-%d CONTAINS SPDXRef-%d\n", i, i+1)
	}
	root = parse(t, b.String()).Tree()
	if n, d := root.Count(KindPackage), depth(root); n != 1000 || d > maxTreeDepth+1 {
		t.Errorf("%d packages, %d deep", n, d)
	}
}

func depth(n *Node) int {
	d := 0
	for _, c := range n.Children {
		d = max(d, depth(c))
	}
	return d + 1
}

func TestDiff(t *testing.T) {
	a := parse(t, small)
	b := parse(t, strings.NewReplacer("bin/tool", "bin/tools", "SHA512: abc", "SHA512: abd", "Tool: test", "Tool: other", "CONTAINS NONE", "CONTAINS NOASSERTION").Replace(small))
	if d := Diff(a, a); !d.Empty() {
		t.Errorf("%+v", d)
	}
	d := Diff(a, b)
	if len(d.Files) != 2 || d.Files[0].New != "" || d.Files[1].Old != "" || len(d.Packages) != 1 || d.Packages[0].Old == d.Packages[0].New ||
		len(d.Document) != 1 || len(d.Relationships) != 2 {
		t.Errorf("%+v", d)
	}
	if d := Diff(a.Replace("bin/tool", "bin/tools"), a); len(d.Files) != 2 {
		t.Errorf("%+v", d)
	}
}

// releaseShaped writes a document in the shape of a release's SBOM, of at
// least that many bytes.
func releaseShaped(size int) []byte {
	var b bytes.Buffer
	b.Grow(size + 4096)
	b.WriteString(head)
	hex := strings.Repeat("0123456789abcdef", 8)
	for i := 0; b.Len() < size/2; i++ {
		fmt.Fprintf(&b, "FileName: src/k8s.io/kubernetes/vendor/some/path/to/file-%d.go\nSPDXID: SPDXRef-File-workspace-src-k8s.io-kubernetes-file-%d\nFileChecksum: SHA1: %.40s\nFileChecksum: SHA256: %.64s\nFileChecksum: SHA512: %s\n"+
			"FileType: SOURCE\nLicenseConcluded: Apache-2.0\nLicenseInfoInFile: NOASSERTION\nFileCopyrightText: NOASSERTION\n\nRelationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-File-workspace-src-k8s.io-kubernetes-file-%d\n\n", i, i, hex, hex, hex, i)
	}
	for i := 0; b.Len() < size; i++ {
		id := fmt.Sprintf("SPDXRef-Package-registry.k8s.io-image-%d-amd64-v1.27.2", i)
		fmt.Fprintf(&b, "##### Package: image.tar\n\nPackageName: image.tar\nSPDXID: %s\nPackageChecksum: SHA1: %.40s\nPackageChecksum: SHA256: %.64s\nPackageChecksum: SHA512: %s\nPackageDownloadLocation: NONE\nFilesAnalyzed: false\n"+
			"PackageLicenseConcluded: NOASSERTION\nPackageFileName: /workspace/release-images/amd64/image.tar\nPackageLicenseDeclared: NOASSERTION\nPackageCopyrightText: NOASSERTION\n\nRelationship: %s CONTAINS %s-sha256-%.64s\n\n", id, hex, hex, hex, id, id, hex)
	}
	return b.Bytes()
}

// A document of 50 MB is read in bounded memory.
func TestLargeDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 50 MB")
	}
	data := releaseShaped(50 << 20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	doc, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	t.Logf("%d files, %d packages, %d relationships; allocated %d MB for %d MB", len(doc.Files), len(doc.Packages), len(doc.Relationships),
		(after.TotalAlloc-before.TotalAlloc)>>20, len(data)>>20)
	// All that was ever allocated, which the peak cannot exceed.
	if got := after.TotalAlloc - before.TotalAlloc; got > 300<<20 {
		t.Errorf("allocated %d MB", got>>20)
	}
	runtime.KeepAlive(doc)
}

func BenchmarkParse50MB(b *testing.B) {
	data := releaseShaped(50 << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

// The bound of what could be: a scan that keeps names and hashes as pieces of the text.
func BenchmarkLineScan50MB(b *testing.B) {
	data := releaseShaped(50 << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var kept []string
		for line := range strings.Lines(string(data)) {
			tag, value, _ := strings.Cut(line, ": ")
			switch tag {
			case "FileName", "PackageName", "SPDXID", "FileChecksum", "PackageChecksum", "Relationship":
				kept = append(kept, value)
			}
		}
		if len(kept) == 0 {
			b.Fatal("nothing")
		}
	}
}

func BenchmarkParseJSON(b *testing.B) {
	var out bytes.Buffer
	if err := Convert(&out, releaseShaped(8<<20), JSON); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(out.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(out.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
