package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// bom is the mark of UTF-8, which some editors and PowerShell write first.
var bom = []byte("\xef\xbb\xbf")

// plainBytes returns data as the readers want it: without a mark of UTF-8, and
// with line feeds where carriage returns alone end its lines, as they did on old
// Macs. Beside a line feed a carriage return is part of a value.
func plainBytes(data []byte) []byte {
	data = bytes.TrimPrefix(data, bom)
	if bytes.IndexByte(data, '\r') >= 0 && bytes.IndexByte(data, '\n') < 0 {
		return bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	return data
}

// reads says in a refusal what can be read.
const reads = "; kverify reads SPDX 2.2 and 2.3, as tag-value text or JSON in UTF-8"

// foreign names data that is a document of another kind, or of another
// encoding: nil if it may be SPDX of a version that is read.
func foreign(data []byte) error {
	is := func(what string) error { return &FormatError{Why: "it is " + what + reads} }
	start := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 4<<10)], bom), " \t\r\n")
	lower := bytes.ToLower(start)
	has := func(prefix string) bool { return bytes.HasPrefix(lower, []byte(prefix)) }
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff")):
		return is("UTF-32")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), everySecondIsZero(data):
		return is("UTF-16")
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return is("gzip; unpack it first")
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return is("a zip archive; unpack it first")
	case bytes.HasPrefix(data, []byte("\xfd7zXZ\x00")), bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")), bytes.HasPrefix(data, []byte("BZh")):
		return is("compressed; unpack it first")
	case has("<!doctype html"), has("<html"):
		return is("a web page")
	case has("<") && bytes.Contains(lower, []byte("cyclonedx")):
		return is("CycloneDX, as XML")
	case has("<") && bytes.Contains(lower, []byte("rdf")):
		return is("SPDX as RDF")
	case has("<?xml"), has("<rdf"), has("<bom"):
		return is("XML")
	case has("<"):
		return is("XML or a web page")
	case has("["):
		return is("a JSON list")
	}
	for line := range bytes.Lines(start) {
		if has("{") {
			break
		}
		switch tag, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":"); strings.Trim(tag, `"' `) {
		case "spdxVersion":
			return is("SPDX as YAML")
		case "bomFormat":
			return is(clean(value) + ", as YAML")
		}
	}
	return nil
}

func clean(s string) string { return fmt.Sprintf("%.40s", strings.Trim(s, `"', `)) }

// everySecondIsZero tells UTF-16 that bears no mark: text of the SPDX format is
// mostly ASCII, of which every second byte is then zero, and always the same.
func everySecondIsZero(data []byte) bool {
	const look = 256
	data = data[:min(len(data), look)]
	var zeros [2]int
	for i, c := range data {
		if c == 0 {
			zeros[i%2]++
		}
	}
	most := max(zeros[0], zeros[1])
	return len(data) >= 16 && min(zeros[0], zeros[1]) == 0 && most >= len(data)/4
}

// opening is what tells a JSON document's kind.
type opening struct {
	SPDXVersion   json.RawMessage `json:"spdxVersion"`
	BOMFormat     json.RawMessage `json:"bomFormat"`
	SpecVersion   json.RawMessage `json:"specVersion"`
	Context       json.RawMessage `json:"@context"`
	Graph         json.RawMessage `json:"@graph"`
	PredicateType json.RawMessage `json:"predicateType"`
	PayloadType   json.RawMessage `json:"payloadType"`
	MediaType     json.RawMessage `json:"mediaType"`
}

// check names what is not an SPDX 2 document.
func (h opening) check() error {
	is := func(format string, args ...any) error {
		return &FormatError{Why: "it is " + fmt.Sprintf(format, args...) + reads}
	}
	version := text(h.SPDXVersion)
	switch {
	case h.SPDXVersion != nil && version == "" && string(h.SPDXVersion) != `""`:
		return &FormatError{Why: "its spdxVersion is not text" + reads}
	case version != "":
		return checkVersion(version)
	case h.BOMFormat != nil:
		return is("%s %s", quoted(h.BOMFormat, "CycloneDX"), quoted(h.SpecVersion, ""))
	case h.Graph != nil, bytes.Contains(h.Context, []byte("spdx.org")):
		return is("SPDX 3, which this version does not read")
	case h.PredicateType != nil, h.PayloadType != nil:
		return is("an attestation, which may hold an SBOM but is not one itself")
	case h.MediaType != nil:
		return is("%s", quoted(h.MediaType, ""))
	}
	return checkVersion("")
}

func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

// quoted is a foreign word in a message: as it is, if it is a plain one.
func quoted(raw json.RawMessage, otherwise string) string {
	s := text(raw)
	if s == "" || len(s) > 100 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return otherwise
	}
	return s
}
