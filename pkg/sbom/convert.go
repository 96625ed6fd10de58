package sbom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	tvwriter "github.com/spdx/tools-golang/spdx/v2/v2_3/tagvalue/writer"
)

// Convert reads a document in either form and writes it in the form to,
// everything in it that the format's library knows. Nothing is written before
// the output was read back and says the same: a value that the other form
// cannot carry, such as a name with a line break, is a [*FormatError]; so is one
// of which the document has two where it may have one, and of which the library
// forgets one.
//
// Tag-value output is sorted by id. In JSON the files of a package are listed
// with all others and joined to it by a CONTAINS relationship, which is added
// where the document has none.
//
// Neither form may have more than 24 MiB: both are held, and each is read twice.
func Convert(w io.Writer, data []byte, to Format) error {
	if len(data) > maxConvert {
		return &LimitError{What: "bytes to convert", Max: maxConvert}
	}
	doc, err := parseDocument(data, keepAll, (maxMemory-3*len(data))/2) // read, written, and read back
	if err != nil {
		return err
	}
	if err := carried(data); err != nil {
		return err
	}
	if doc.CreationInfo == nil {
		return &FormatError{Why: "it has no creation information, without which no document is complete"}
	}
	liftFiles(doc)
	if err := carry(doc, to); err != nil {
		return err
	}
	want, err := fromSPDX(doc)
	if err != nil {
		return err
	}
	notes := notesOf(doc)
	var out capped
	if err := write(&out, doc, to); out.over {
		return &LimitError{What: "bytes once it is " + to.String(), Max: maxConvert}
	} else if err != nil {
		return &FormatError{Why: "it cannot be written as " + to.String(), Err: err}
	}
	got, err := Parse(out.Bytes())
	if err != nil {
		return fmt.Errorf("written as %s it does not read back: %w", to, err)
	}
	again, err := parseDocument(out.Bytes(), keepAll, (maxMemory-3*out.Len())/2)
	if err != nil {
		return fmt.Errorf("written as %s it does not read back: %w", to, err)
	}
	if !Diff(want, got).Empty() || !sameNotes(notes, again) {
		return &FormatError{Why: fmt.Sprintf("written as %s it would read as another document", to)}
	}
	_, err = w.Write(out.Bytes())
	return err
}

// maxConvert is the size of the largest document that is converted, in either form.
const maxConvert = 24 << 20

// capped holds at most maxConvert bytes.
type capped struct {
	bytes.Buffer
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.over = c.over || c.Len()+len(p) > maxConvert; c.over {
		return 0, io.ErrShortWrite
	}
	return c.Buffer.Write(p)
}

// WriteString is what io.WriteString asks, and must be capped too.
func (c *capped) WriteString(s string) (int, error) {
	return c.Write([]byte(s)) //nolint:gocritic // Write is the one that is capped
}

func write(w io.Writer, doc *spdx.Document, to Format) (err error) {
	defer func() {
		if recover() != nil { // as in read
			err = errRuntime
		}
	}()
	if to == JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(doc)
	}
	return tvwriter.RenderDocument(doc, w)
}

// liftFiles moves every package's files to the document, as JSON has them, and
// says by a relationship what the nesting said.
func liftFiles(doc *spdx.Document) {
	contains := map[[2]common.ElementID]bool{}
	for _, r := range doc.Relationships {
		if r != nil && r.Relationship == common.TypeRelationshipContains && r.RefA.DocumentRefID == "" && r.RefB.DocumentRefID == "" {
			contains[[2]common.ElementID{r.RefA.ElementRefID, r.RefB.ElementRefID}] = true
		}
	}
	for _, p := range doc.Packages {
		if p == nil {
			continue
		}
		for _, f := range p.Files {
			if f == nil {
				continue
			}
			doc.Files = append(doc.Files, f)
			if pair := [2]common.ElementID{p.PackageSPDXIdentifier, f.FileSPDXIdentifier}; !contains[pair] {
				contains[pair] = true
				doc.Relationships = append(doc.Relationships, &spdx.Relationship{
					RefA:         common.DocElementID{ElementRefID: pair[0]},
					RefB:         common.DocElementID{ElementRefID: pair[1]},
					Relationship: common.TypeRelationshipContains,
				})
			}
		}
		p.Files = nil
	}
}
