// Package sbom reads and writes software bills of materials in SPDX 2.2 and
// 2.3, as tag-value text or as JSON.
//
// [Parse] takes a document in either form and returns a [Document]: names,
// ids, checksums and relationships, which is what a verdict rests on. Licences,
// copyright texts and the like are skipped on the way in. [Convert] carries
// everything that the format's library knows from one form to the other, and
// reads its own output back before it lets go of it.
//
// A Document says what the bytes say and no more: whether they were signed,
// and whether they speak for the release in hand, is decided elsewhere. Ids
// may appear twice, checksums may be malformed; who looks up an element must
// insist on exactly one.
//
// The format is https://spdx.github.io/spdx-spec/v2.3/. The reading itself is
// done by github.com/spdx/tools-golang, of which this package is the only user;
// see tagvalue.go for the one thing it does in that library's place.
package sbom

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

// MaxBytes is the size of the largest document that is read. The release's
// own SBOM has a few megabytes, the largest source SBOMs some tens.
const MaxBytes = 64 << 20

// Document is what kverify reads of an SPDX document.
type Document struct {
	SPDXVersion string   `json:"spdxVersion"` // "SPDX-2.2" or "SPDX-2.3"
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	Created     string   `json:"created,omitempty"`  // as written, usually RFC 3339
	Creators    []string `json:"creators,omitempty"` // such as "Tool: sigs.k8s.io/bom/pkg/spdx"

	External      []External     `json:"external,omitempty"`
	Files         []File         `json:"files,omitempty"`         // those outside packages first, then package by package
	Packages      []Package      `json:"packages,omitempty"`      // in the document's order
	Relationships []Relationship `json:"relationships,omitempty"` // in the document's order
}

// Checksums are the hashes of one element in lower-case hexadecimal, as far as
// the document gives them; otherwise empty. Nothing checks their form here.
type Checksums struct {
	SHA1   string `json:"sha1,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	SHA512 string `json:"sha512,omitempty"`
}

// File is one file of a document.
type File struct {
	Name string `json:"name"`
	ID   string `json:"id"` // with its "SPDXRef-"
	Checksums
}

// Package is one package of a document; images and their layers are packages.
type Package struct {
	Name     string `json:"name"`
	ID       string `json:"id"` // with its "SPDXRef-"
	Version  string `json:"version,omitempty"`
	FileName string `json:"fileName,omitempty"`
	Checksums
}

// Relationship joins two elements by their ids. To may also be "NONE",
// "NOASSERTION", or an element of another document: "DocumentRef-x:SPDXRef-y".
type Relationship struct {
	From string `json:"from"`
	Type string `json:"type"` // such as "CONTAINS", "DESCRIBES"
	To   string `json:"to"`
}

// External names another SPDX document by URI and hash.
type External struct {
	ID       string `json:"id"` // with its "DocumentRef-"
	URI      string `json:"uri"`
	Checksum string `json:"checksum"` // "SHA1:<hex>"
}

// DocumentID is the id of the document itself in relationships.
const DocumentID = "SPDXRef-DOCUMENT"

// A FormatError says that bytes are not an SPDX document that can be read.
type FormatError struct {
	Line int    // 1-based; 0 where it is not known
	ID   string // of the element at fault, such as "SPDXRef-File-kubectl"; empty where it is not known
	Why  string
	Err  error // what the format's library said, or nil
}

func (e *FormatError) Error() string {
	s := "SPDX document"
	if e.Line > 0 {
		s += fmt.Sprintf(", line %d", e.Line)
	}
	if e.ID != "" {
		s += fmt.Sprintf(", in %q", clip(e.ID))
	}
	if e.Why != "" {
		s += ": " + e.Why
	}
	if e.Err != nil {
		// The library quotes the line at fault, whatever its length.
		s += ": " + strings.Trim(fmt.Sprintf("%q", clip(e.Err.Error())), `"`)
	}
	return s
}

func (e *FormatError) Unwrap() error { return e.Err }

// A LimitError says that a document was refused because of its size.
type LimitError struct {
	What string // what there is too much of
	Max  int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("SPDX document: more than %d %s: refused", e.Max, e.What)
}

// clip bounds foreign text in an error.
func clip(s string) string {
	const enough = 200
	if len(s) > enough {
		return s[:enough] + "..."
	}
	return s
}

// Format is a form in which an SPDX document is written.
type Format uint8

const (
	TagValue Format = iota // lines of "Tag: value"
	JSON
)

// String returns "tag-value" or "json".
func (f Format) String() string {
	if f == JSON {
		return "json"
	}
	return "tag-value"
}

// Detect tells the form of a document by its first character: JSON begins
// with a brace, and no tag does.
func Detect(data []byte) Format {
	data = bytes.TrimPrefix(data, bom)
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return JSON
	}
	return TagValue
}

// maxJSON caps a document in JSON, whose texts are copied while it is read. The SBOM of a
// release is in the other form, and has some 10 MB.
const maxJSON = 40 << 20

// Parse reads a document of SPDX 2.2 or 2.3 in either form. It keeps the
// order of the document. The error is a [*FormatError] or a [*LimitError].
//
// An element that gives two different values for one kind of checksum is a
// FormatError; two elements of one id, or of one name, are not.
func Parse(data []byte) (*Document, error) {
	if len(data) > maxJSON && Detect(data) == JSON {
		return nil, &LimitError{What: "bytes of JSON", Max: maxJSON}
	}
	doc, err := parseDocument(data, skipFreeText, maxMemory-2*len(data))
	if err != nil {
		return nil, err
	}
	return fromSPDX(doc)
}

// fromSPDX copies what we claim to read out of the library's model.
func fromSPDX(doc *spdx.Document) (*Document, error) {
	d := &Document{
		SPDXVersion: doc.SPDXVersion,
		Name:        doc.DocumentName,
		Namespace:   doc.DocumentNamespace,
	}
	if ci := doc.CreationInfo; ci != nil {
		d.Created = ci.Created
		for _, c := range ci.Creators {
			d.Creators = append(d.Creators, c.CreatorType+": "+c.Creator)
		}
	}
	for _, e := range doc.ExternalDocumentReferences {
		d.External = append(d.External, External{
			ID:       "DocumentRef-" + string(e.DocumentRefID),
			URI:      e.URI,
			Checksum: string(e.Checksum.Algorithm) + ":" + e.Checksum.Value,
		})
	}
	if err := d.addFiles(doc.Files); err != nil {
		return nil, err
	}
	d.Packages = make([]Package, 0, len(doc.Packages))
	for _, p := range doc.Packages {
		if p == nil {
			return nil, &FormatError{Why: "a package is null"}
		}
		sums, err := checksums(string(p.PackageSPDXIdentifier), p.PackageChecksums)
		if err != nil {
			return nil, err
		}
		d.Packages = append(d.Packages, Package{
			Name:      p.PackageName,
			ID:        elementID(p.PackageSPDXIdentifier),
			Version:   p.PackageVersion,
			FileName:  p.PackageFileName,
			Checksums: sums,
		})
		if err := d.addFiles(p.Files); err != nil {
			return nil, err
		}
	}
	d.Relationships = make([]Relationship, 0, len(doc.Relationships))
	for _, r := range doc.Relationships {
		if r == nil {
			return nil, &FormatError{Why: "a relationship is null"}
		}
		d.Relationships = append(d.Relationships, Relationship{
			From: refID(r.RefA), Type: r.Relationship, To: refID(r.RefB),
		})
	}
	return d, nil
}

func (d *Document) addFiles(files []*spdx.File) error {
	for _, f := range files {
		if f == nil {
			return &FormatError{Why: "a file is null"}
		}
		sums, err := checksums(f.FileName, f.Checksums)
		if err != nil {
			return err
		}
		d.Files = append(d.Files, File{Name: f.FileName, ID: elementID(f.FileSPDXIdentifier), Checksums: sums})
	}
	return nil
}

// checksums picks the three algorithms that Kubernetes writes.
func checksums(subject string, list []common.Checksum) (Checksums, error) {
	var sums Checksums
	for _, c := range list {
		var to *string
		switch c.Algorithm {
		case common.SHA1:
			to = &sums.SHA1
		case common.SHA256:
			to = &sums.SHA256
		case common.SHA512:
			to = &sums.SHA512
		default:
			continue
		}
		value := strings.ToLower(c.Value)
		if *to != "" && *to != value {
			return Checksums{}, &FormatError{Why: fmt.Sprintf("%q has two different %s checksums", clip(subject), c.Algorithm)}
		}
		*to = value
	}
	return sums, nil
}

func elementID(id common.ElementID) string { return "SPDXRef-" + string(id) }

func refID(id common.DocElementID) string {
	switch {
	case id.SpecialID != "":
		return id.SpecialID
	case id.DocumentRefID != "":
		return "DocumentRef-" + string(id.DocumentRefID) + ":" + elementID(id.ElementRefID)
	}
	return elementID(id.ElementRefID)
}
