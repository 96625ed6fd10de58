package sbom

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

func fieldCase(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "cases", name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no case at %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const plainHead = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: small\n" +
	"DocumentNamespace: https://example.test/small\nCreator: Tool: hand\nCreated: 2026-01-01T00:00:00Z\n"

const (
	onePackage = "PackageName: one\nSPDXID: SPDXRef-one\nPackageDownloadLocation: NONE\nFilesAnalyzed: false\n"
	oneFile    = "FileName: ./a.c\nSPDXID: SPDXRef-a\nFileChecksum: SHA1: 0000000000000000000000000000000000000000\n"
	oneSnippet = "SnippetSPDXID: SPDXRef-Snippet\nSnippetFromFileSPDXID: SPDXRef-a\nSnippetByteRange: 1:2\nSnippetComment: <text>a\nb</text>\n"
	oneLicence = "LicenseID: LicenseRef-1\nExtractedText: <text>do as you like</text>\n"
	related    = "Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-one\nRelationshipComment: c\n"
	annotated  = "Annotator: Person: Somebody\nAnnotationDate: 2026-01-01T00:00:00Z\nAnnotationType: OTHER\nSPDXREF: SPDXRef-one\nAnnotationComment: <text>n</text>\n"
)

// The format orders nothing but what belongs to an element.
func TestTagsInOtherOrders(t *testing.T) {
	untilCreator, _, _ := strings.Cut(plainHead, "Creator")
	for name, text := range map[string]string{
		"as the library has it":        plainHead + oneFile + oneSnippet + onePackage + oneLicence + related + annotated,
		"a snippet after a package":    plainHead + oneFile + onePackage + oneSnippet + oneLicence + related + annotated,
		"a snippet before its file":    plainHead + oneSnippet + oneFile + onePackage + oneLicence + related + annotated,
		"relationships in the snippet": plainHead + oneFile + onePackage + oneSnippet + related + annotated + oneLicence,
		"relationships first":          plainHead + related + annotated + oneFile + onePackage + oneSnippet + oneLicence,
		"a package after a licence":    plainHead + oneFile + oneLicence + onePackage + oneSnippet + related + annotated,
		"creation before the name":     "SPDXVersion: SPDX-2.3\nCreator: Tool: hand\nCreated: 2026-01-01T00:00:00Z\n" + strings.TrimPrefix(untilCreator, "SPDXVersion: SPDX-2.3\n") + oneFile + onePackage + oneSnippet + oneLicence + related + annotated,
		"a mark of UTF-8":              "\xef\xbb\xbf" + plainHead + oneFile + onePackage + oneSnippet + oneLicence + related + annotated,
		"CR LF":                        strings.ReplaceAll(plainHead+oneFile+onePackage+oneSnippet+oneLicence+related+annotated, "\n", "\r\n"),
		"CR":                           strings.ReplaceAll(plainHead+oneFile+onePackage+oneSnippet+oneLicence+related+annotated, "\n", "\r"),
		"CR and a mark":                "\xef\xbb\xbf" + strings.ReplaceAll(plainHead+oneFile+onePackage+oneSnippet+oneLicence+related+annotated, "\n", "\r"),
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if doc.Name != "small" || len(doc.Files) != 1 || len(doc.Packages) != 1 || doc.Packages[0].Name != "one" ||
				len(doc.Relationships) != 1 || doc.Relationships[0].To != "SPDXRef-one" || len(doc.Creators) != 1 {
				t.Errorf("%+v", doc)
			}
			// There and back again, with everything.
			var json, back bytes.Buffer
			if err := Convert(&json, []byte(text), JSON); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`"snippetFromFile": "SPDXRef-a"`, `"comment": "a\nb"`, `"annotator": "Person: Somebody"`, `LicenseRef-1`} {
				if !strings.Contains(json.String(), want) {
					t.Errorf("JSON lost %s:\n%s", want, &json)
				}
			}
			if err := Convert(&back, json.Bytes(), TagValue); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"SnippetFromFileSPDXID: SPDXRef-a", "SPDXREF: SPDXRef-one", "SnippetComment: <text>a\nb</text>"} {
				if !strings.Contains(back.String(), want) {
					t.Errorf("tag-value lost %s:\n%s", want, &back)
				}
			}
		})
	}
}

// What the library would forget is refused, and nothing is written.
func TestConvertRefusesWhatWouldBeLost(t *testing.T) {
	json := `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"small","documentNamespace":"https://example.test/small",` +
		`"creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: hand"]},"packages":[{"name":"one","SPDXID":"SPDXRef-one","downloadLocation":"NONE"%}]}`
	twice := func(tag string) string {
		return strings.Replace(plainHead+oneFile+oneSnippet+onePackage+oneLicence+related+annotated+"Reviewer: Person: R\nReviewDate: 2026-01-01T00:00:00Z\nReviewComment: c\n", tag, tag, 1)
	}
	for name, c := range map[string]struct{ text, say string }{
		"two suppliers":                     {plainHead + onePackage + "PackageSupplier: Person: A\nPackageSupplier: Organization: B\n", "PackageSupplier appears twice"},
		"the same supplier":                 {plainHead + onePackage + "PackageSupplier: Person: A\nPackageSupplier: Person: A\n", "PackageSupplier appears twice"},
		"two versions":                      {plainHead + onePackage + "PackageVersion: 1\nPackageVersion: 2\n", `in "SPDXRef-one": PackageVersion appears twice in "one", in line 12 too`},
		"two comments":                      {plainHead + onePackage + "PackageComment: <text>a</text>\n" + related + "PackageComment: b\n", "PackageComment appears twice"},
		"two licences of a file":            {plainHead + oneFile + "LicenseConcluded: MIT\nLicenseConcluded: Apache-2.0\n", "LicenseConcluded appears twice"},
		"two dates":                         {plainHead + "Created: 2026-01-02T00:00:00Z\n" + onePackage, "Created appears twice"},
		"two names":                         {strings.Replace(plainHead, "DocumentName: small\n", "DocumentName: small\nDocumentName: large\n", 1), "DocumentName appears twice"},
		"two ids":                           {plainHead + onePackage + "SPDXID: SPDXRef-two\n", "SPDXID appears twice"},
		"two annotation dates":              {plainHead + onePackage + annotated + "AnnotationDate: 2026-01-02T00:00:00Z\n", "AnnotationDate appears twice"},
		"a comment of a relationship twice": {plainHead + onePackage + related + "RelationshipComment: d\n", "RelationshipComment appears twice"},
		"two texts of a licence":            {plainHead + oneLicence + "ExtractedText: <text>x</text>\n", "ExtractedText appears twice"},
		"a review":                          {twice("Reviewer"), "reviews"},
		"a snippet of no file":              {plainHead + onePackage + oneSnippet, "which is not in it"},
		"an annotation of nothing":          {plainHead + onePackage + strings.Replace(annotated, "SPDXRef-one", "SPDXRef-two", 1), "neither a package nor a file"},
		"a key twice":                       {strings.Replace(json, "%", `,"versionInfo":"1","versionInfo":"2"`, 1), "appears twice in one object"},
		"a key twice, by case":              {strings.Replace(json, "%", `,"versionInfo":"1","VersionInfo":"2"`, 1), "appears twice in one object"},
	} {
		t.Run(name, func(t *testing.T) {
			to := JSON
			if strings.HasPrefix(c.text, "{") {
				to = TagValue
			}
			var out bytes.Buffer
			err := Convert(&out, []byte(c.text), to)
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v", err)
			}
			if out.Len() > 0 {
				t.Errorf("written all the same: %s", &out)
			}
		})
	}
	// What may appear twice does, and equal tags of different elements.
	for name, text := range map[string]string{
		"many of many": plainHead + "Creator: Person: B\n" + oneFile + "FileType: SOURCE\nFileType: TEXT\nFileChecksum: SHA256: " + strings.Repeat("0", 64) + "\n" +
			onePackage + "PackageVersion: 1\n" + strings.ReplaceAll(onePackage, "one", "two") + "PackageVersion: 1\n" + related + related + annotated + annotated,
		"an empty supplier": strings.Replace(json, "%", `,"supplier":""`, 1),
	} {
		var out bytes.Buffer
		if err := Convert(&out, []byte(text), JSON); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A verdict rests on names and ids: two of one element are refused by Parse too.
func TestParseRefusesTwoIDs(t *testing.T) {
	for _, text := range []string{
		plainHead + onePackage + "SPDXID: SPDXRef-two\n",
		plainHead + oneFile + "SPDXID: SPDXRef-two\n",
		strings.Replace(plainHead, "DocumentName: small\n", "DocumentName: small\nDocumentName: large\n", 1) + onePackage,
		strings.Replace(plainHead, "DocumentName: small\n", "", 1) + onePackage + "DocumentName: small\nDocumentName: large\n",
	} {
		if _, err := Parse([]byte(text)); !errors.As(err, new(*FormatError)) {
			t.Errorf("%v: %s", err, text)
		}
	}
}

// What is no SPDX 2 is named as what it is.
func TestForeignDocumentsAreNamed(t *testing.T) {
	wide := func(s string, big bool, mark bool) []byte {
		var out []byte
		units := utf16.Encode([]rune(s))
		if mark {
			units = append([]uint16{0xfeff}, units...)
		}
		for _, u := range units {
			if big {
				out = append(out, byte(u>>8), byte(u))
			} else {
				out = append(out, byte(u), byte(u>>8))
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		data []byte
		say  string
	}{
		"UTF-16, little":           {wide(plainHead, false, true), "it is UTF-16"},
		"UTF-16, big":              {wide(plainHead, true, true), "it is UTF-16"},
		"UTF-16 without a mark":    {wide(plainHead, false, false), "it is UTF-16"},
		"UTF-16, big, no mark":     {wide(`{"spdxVersion":"SPDX-2.3"}`, true, false), "it is UTF-16"},
		"UTF-16, after a comment":  {wide("# \u00fcber \u0416\u0416\u0416\n"+plainHead, false, false), "it is UTF-16"},
		"CycloneDX as XML, marked": {[]byte("\xef\xbb\xbf<?xml version=\"1.0\"?>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"/>"), "it is CycloneDX, as XML"},
		"a web page with a mark":   {[]byte("\xef\xbb\xbf<!DOCTYPE html><html>"), "it is a web page"},
		"YAML with a mark":         {[]byte("\xef\xbb\xbf---\nspdxVersion: SPDX-2.3\n"), "it is SPDX as YAML"},
		"some lines end with CR":   {[]byte(strings.Replace(strings.ReplaceAll(plainHead+onePackage, "\n", "\r"), "\r", "\n", 3)), "line 4: a carriage return stands within the value"},
		"CR before a text":         {[]byte(plainHead + "DocumentComment: a\rPackageName: b\rPackageComment: <text>c\nd</text>\n"), "line 8: a carriage return stands within the value"},
		"CR behind a text":         {[]byte(plainHead + "DocumentComment: <text>a\nb</text>\rPackageName: b\rSPDXID: SPDXRef-b\n"), "line 8: a carriage return stands within the value"},
		"CR behind a short text":   {[]byte(plainHead + "DocumentComment: <text>a</text>\rPackageName: b\r\n"), "line 8: a carriage return stands within the value"},
		"CR in a comment":          {[]byte(plainHead + "DocumentComment: a\rPackageName: b\rSPDXID: SPDXRef-b\n"), "line 8: a carriage return stands within the value"},
		"UTF-32":                   {[]byte("\xff\xfe\x00\x00S\x00\x00\x00"), "it is UTF-32"},
		"CycloneDX":                {[]byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}`), "it is CycloneDX 1.5"},
		"CycloneDX as XML":         {[]byte("<?xml version=\"1.0\"?>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"/>"), "it is CycloneDX, as XML"},
		"CycloneDX with a mark":    {[]byte("\xef\xbb\xbf{\"bomFormat\":\"CycloneDX\"}"), "it is CycloneDX"},
		"SPDX 3":                   {[]byte(`{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}`), "it is SPDX 3, which this version does not read"},
		"SPDX 3 as a list":         {[]byte(`{"@context":["https://spdx.org/rdf/3.0.1/spdx-context.jsonld"]}`), "it is SPDX 3"},
		"SPDX 3 by its version":    {[]byte(strings.Replace(plainHead, "SPDX-2.3", "SPDX-3.0", 1)), "it is SPDX 3"},
		"SPDX 3 by its version, 2": {[]byte(`{"spdxVersion":"SPDX-3.0.1"}`), "it is SPDX 3"},
		"SPDX 2.1":                 {[]byte(strings.Replace(plainHead, "SPDX-2.3", "SPDX-2.1", 1)), `its version is "SPDX-2.1"`},
		"RDF":                      {[]byte("<?xml version=\"1.0\"?>\n<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"/>"), "it is SPDX as RDF"},
		"YAML":                     {[]byte("---\nspdxVersion: SPDX-2.3\nname: a\n"), "it is SPDX as YAML"},
		"a web page":               {[]byte("\n<!DOCTYPE html><html>"), "it is a web page"},
		"gzip":                     {[]byte("\x1f\x8b\x08\x00"), "it is gzip"},
		"an attestation":           {[]byte(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document"}`), "it is an attestation"},
		"a manifest":               {[]byte(`{"mediaType":"application/vnd.oci.image.index.v1+json"}`), "it is application/vnd.oci.image.index.v1+json"},
		"a list":                   {[]byte(`[{}]`), "it is a JSON list"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.data)
			if !errors.As(err, new(*FormatError)) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Within a text a carriage return is part of it, and at the end of a line it is none.
func TestCarriageReturnsThatAreNoLineEnds(t *testing.T) {
	doc, err := Parse([]byte(plainHead + "DocumentComment: <text>a\rb\r\nc</text>\r\r\n" + onePackage + "PackageVersion: 1 \r\r\n"))
	if err != nil || len(doc.Packages) != 1 || doc.Packages[0].Version != "1" {
		t.Errorf("%+v %v", doc, err)
	}
}

// A document in JSON is what it is on lines as well, and behind a mark.
func TestMarkedJSON(t *testing.T) {
	lines := "{\n \"spdxVersion\": \"SPDX-2.3\",\n \"name\": \"small\",\n \"packages\": [{\"SPDXID\": \"SPDXRef-a\"}]\n}\n"
	for _, mark := range []string{"", "\xef\xbb\xbf", "\xef\xbb\xbf\r\n", "\n"} {
		for _, end := range []string{"\n", "\r\n", "\r", " "} {
			doc, err := Parse([]byte(mark + strings.ReplaceAll(lines, "\n", end)))
			if err != nil || doc.Name != "small" || len(doc.Packages) != 1 {
				t.Errorf("%q %q: %+v %v", mark, end, doc, err)
			}
		}
	}
}

// An error says where, and in words of a document.
func TestErrorsNameLineAndElement(t *testing.T) {
	json := `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"small","creationInfo":{"created":"","creators":[]},` + "\n"
	for name, c := range map[string]struct {
		text string
		say  []string
	}{
		"an id without its prefix": {plainHead + onePackage + "PackageName: two\nSPDXID: two\n", []string{"line 13", "SPDXRef"}},
		"a bad checksum":           {plainHead + oneFile + "FileChecksum: SHA256 0000\n" + onePackage, []string{"line 11", `in "SPDXRef-a"`, "no colon found"}},
		"an unknown tag":           {plainHead + onePackage + "PackageColour: red\n" + oneFile, []string{"line 12", `in "SPDXRef-one"`, "PackageColour"}},
		"a bad relationship":       {plainHead + onePackage + "Relationship: a\n", []string{"line 12", "relationship"}},
		"after a long text":        {plainHead + onePackage + "PackageComment: <text>a\nb\nc</text>\nPackageColour: red\n", []string{"line 15"}},
		"no id":                    {plainHead + "PackageName: one\n", []string{"line 8", "does not have SPDX identifier"}},
		"a null package":           {json + `"packages":[{"name":"a","SPDXID":"SPDXRef-a"},null]}`, []string{"packages[1] is null"}},
		"a null file":              {json + `"files":[null]}`, []string{"null"}},
		"a number for a name":      {json + `"packages":[{"name":1}]}`, []string{"name", "cannot be of the kind number"}},
		"no JSON":                  {json + `"packages":[}`, []string{"line 2", "not a JSON document"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, say := range append(c.say, "SPDX document") {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("no %q in %v", say, err)
				}
			}
			for _, word := range []string{"runtime error", "nil pointer", "Go struct", "Go value", "json:"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("words of a program: %v", err)
				}
			}
		})
	}
}

func TestFieldDocuments(t *testing.T) {
	for _, name := range []string{"bom.spdx", "snippet-after-package.spdx"} {
		doc, err := Parse(fieldCase(t, name))
		if err != nil || len(doc.Packages) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var out bytes.Buffer
		if err := Convert(&out, fieldCase(t, name), JSON); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, say := range map[string]string{"two-suppliers.spdx": "PackageSupplier appears twice", "null-package.spdx.json": "is null", "spdx3.json": "SPDX 3, which this version does not read"} {
		if err := Convert(&bytes.Buffer{}, fieldCase(t, name), JSON); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
