package sbom

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/spdx/tools-golang/spdx"
	tvdoc "github.com/spdx/tools-golang/spdx/v2/v2_3/tagvalue/reader"
	tv "github.com/spdx/tools-golang/tagvalue/reader"
)

// Tag-value text is read in two steps by tools-golang: text to pairs, pairs to
// a document. Its first step fails on a line of more than 64 KiB, such as a
// licence text, and copies every line. So that step is done here instead:
// pairs are pieces of the one text, and a line may have any length. The second
// step, and with it the model, stays the library's.
//
// Both versions go through its reader for 2.3, whose tags are those of 2.2 and
// a few more; so nothing is converted between versions and SPDXVersion stays
// what the document says.

const (
	// maxValue bounds the value of a tag that we read. The library cuts some of
	// them into pieces, each costing sixteen times a byte; the longest so far,
	// a relationship of two layer ids, has 300.
	maxValue = 64 << 10
	// maxPairs bounds what a text of nothing but short lines can cost.
	// A release-shaped document of 50 MB has 400,000 that are kept.
	maxPairs = 2 << 20
)

// What is read of a document is bounded by what it costs, which its bytes do not
// say: three of JSON, or thirteen of a tag, are a package of 500. The prices are
// those of the library's model and of ours in memory.
const (
	maxMemory = 184 << 20

	pricePair         = 48
	pricePackage      = 640
	priceFile         = 400
	priceRelationship = 300
	priceOther        = 200 // what else begins by a tag of its own
)

var prices = map[string]int{
	"PackageName": pricePackage, "FileName": priceFile, "Relationship": priceRelationship, "SnippetSPDXID": priceOther, "SnippetSPDXIdentifier": priceOther,
	"LicenseID": priceOther, "Annotator": priceOther, "Reviewer": priceOther, "ExternalRef": priceOther, "ExternalDocumentRef": priceOther,
}

// freeText lists the tags that Parse does not hand on: nothing reads them, and
// they are more than half of a document. Tags that begin an element, or tell
// where another one belongs, are never among them.
var freeText = map[string]bool{
	"DocumentComment": true, "CreatorComment": true, "LicenseListVersion": true,
	"PackageLicenseConcluded": true, "PackageLicenseInfoFromFiles": true,
	"PackageLicenseDeclared": true, "PackageLicenseComments": true,
	"PackageCopyrightText": true, "PackageSummary": true, "PackageDescription": true,
	"PackageComment": true, "PackageAttributionText": true, "PackageSourceInfo": true,
	"PackageHomePage": true, "PackageDownloadLocation": true, "PackageSupplier": true,
	"PackageOriginator": true, "PackageVerificationCode": true, "FilesAnalyzed": true,
	"ExternalRef": true, "ExternalRefComment": true, "PrimaryPackagePurpose": true,
	"FileType": true, "LicenseConcluded": true, "LicenseInfoInFile": true,
	"LicenseComments": true, "FileCopyrightText": true, "FileComment": true,
	"FileNotice": true, "FileContributor": true, "FileAttributionText": true,
	"RelationshipComment": true, "AnnotationComment": true,
}

// skipFreeText is the keep function of Parse: everything but freeText.
func skipFreeText(tag string) bool { return !freeText[tag] }

// keepAll is the keep function of Convert.
func keepAll(string) bool { return true }

// parseDocument turns bytes of either form into the library's model. keep chooses the
// tags of tag-value text; JSON is always read whole. Its elements may cost most
// bytes of memory.
func parseDocument(data []byte, keep func(tag string) bool, most int) (doc *spdx.Document, err error) {
	if len(data) > MaxBytes {
		return nil, &LimitError{What: "bytes", Max: MaxBytes}
	}
	if err := foreign(data); err != nil {
		return nil, err
	}
	data = plainBytes(data)
	// The library dereferences what a hostile document may leave out.
	defer func() {
		if recover() != nil {
			doc, err = nil, &FormatError{Err: errRuntime}
		}
	}()
	if Detect(data) == JSON {
		doc, err = readJSON(data, most)
	} else {
		doc, err = readTagValue(data, keep, most)
	}
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, &FormatError{Why: "it is empty"}
	}
	return doc, checkVersion(doc.SPDXVersion)
}

func checkVersion(version string) error {
	switch version {
	case "SPDX-2.2", "SPDX-2.3":
		return nil
	case "":
		return &FormatError{Why: "it names no SPDX version; 2.2 and 2.3 can be read"}
	}
	if strings.HasPrefix(version, "SPDX-3") {
		return &FormatError{Why: fmt.Sprintf("it is SPDX 3 (%q), which this version does not read; SPDX-2.2 and SPDX-2.3 can be read", clip(version))}
	}
	return &FormatError{Why: fmt.Sprintf("its version is %q; SPDX-2.2 and SPDX-2.3 can be read", clip(version))}
}

func readTagValue(data []byte, keep func(tag string) bool, most int) (*spdx.Document, error) {
	t, err := tagValues(string(data), keep, most)
	if err != nil {
		return nil, err
	}
	if len(t.pairs) == 0 {
		return nil, &FormatError{Why: "no tag was found in it"}
	}
	whole := keep("PackageComment") // nothing is to be lost
	if err := t.once(only(whole)); err != nil {
		return nil, err
	}
	if !t.ordered() {
		if t, err = t.arranged(whole); err != nil {
			return nil, err
		}
	}
	doc, err := tvdoc.ParseTagValues(t.pairs)
	if err != nil {
		return nil, t.locate(err, func(pairs []tv.TagValuePair) error {
			_, err := tvdoc.ParseTagValues(pairs)
			return err
		})
	}
	return doc, nil
}

// only are the tags that must not appear twice: of what a verdict rests on, or
// of all where everything is carried.
func only(whole bool) func(tag string) bool {
	if whole {
		return nil
	}
	return func(tag string) bool {
		switch tag {
		case "SPDXVersion", "SPDXID", "DocumentName", "DocumentNamespace", "PackageFileName":
			return true
		}
		return false
	}
}

// tagValues splits text into pairs exactly as the library's first step does:
// comments and empty lines are dropped, a value stands on its line or between
// <text> and </text>, and what follows </text> on its line is dropped. A value
// that may be several lines, as where only some end with a carriage return, is
// an error: read as one it would swallow the rest.
func tagValues(text string, keep func(tag string) bool, most int) (tags, error) {
	var t tags
	for n := 1; text != ""; n++ {
		start := n
		var line string
		line, text = cutLine(text)
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		tag, value, ok := strings.Cut(line, ":")
		if !ok {
			return tags{}, &FormatError{Line: n, Why: fmt.Sprintf("no tag in %q", clip(line))}
		}
		tag = strings.TrimSpace(tag)
		before, after, isText := strings.Cut(value, "<text>")
		behind := "" // what is dropped
		if value = strings.TrimSpace(value); isText {
			if value, behind, text, n, ok = textValue(after, text, n); !ok {
				return tags{}, &FormatError{Line: n, Why: "a <text> is never closed"}
			}
		} else {
			before = value
		}
		if strings.Contains(before, "\r") || strings.Contains(strings.TrimRightFunc(behind, unicode.IsSpace), "\r") {
			return tags{}, &FormatError{Line: start, Why: fmt.Sprintf("a carriage return stands within the value of %q, and line feeds end other lines: which of them ends this one cannot be told", clip(tag))}
		}
		if !keep(tag) {
			continue
		}
		if len(value) > maxValue && !freeText[tag] {
			return tags{}, &LimitError{What: "bytes in the value of " + fmt.Sprintf("%q", clip(tag)), Max: maxValue}
		}
		if len(t.pairs) == maxPairs {
			return tags{}, &LimitError{What: "tags", Max: maxPairs}
		}
		if most -= pricePair + prices[tag]; most < 0 {
			return tags{}, &LimitError{What: "bytes of memory for its elements", Max: maxMemory}
		}
		t.add(tag, value, start)
	}
	return t, nil
}

// textValue reads a value that began with <text>: after is the rest of its
// line, rest the text behind that line, whose number is n. ok is false if the
// value never ends; otherwise the value, what follows it on its last line, the
// text behind that line, and the line's number come back.
func textValue(after, rest string, n int) (value, behind, text string, line int, ok bool) {
	if value, behind, ok := strings.Cut(after, "</text>"); ok {
		return value, behind, rest, n, true
	}
	tail, rest, ok := strings.Cut(rest, "</text>")
	if !ok {
		return "", "", "", n, false
	}
	value = after + "\n" + strings.ReplaceAll(tail, "\r\n", "\n")
	behind, text = cutLine(rest)
	return value, behind, text, n + 1 + strings.Count(tail, "\n"), true
}

// cutLine splits off the first line, without its "\n" or "\r\n".
func cutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}
