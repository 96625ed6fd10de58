package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

// carried refuses JSON of which the reading has lost something already: a key
// that appears twice in one object. An originator or supplier of a form that the
// library cannot read is the one thing that is left out, as real tools write some.
func carried(data []byte) error {
	data = plainBytes(data)
	if Detect(data) != JSON {
		return nil
	}
	return keysOnce(data)
}

// keysOnce refuses an object with two keys that the reader takes for one.
func keysOnce(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		keys   map[string]bool // nil in a list
		atKey  bool
		ofList bool
	}
	var stack []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return jsonError(data, err)
		}
		top := len(stack) - 1
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			stack = stack[:top]
			continue
		}
		if top >= 0 && stack[top].keys != nil {
			if key, ok := token.(string); ok && stack[top].atKey {
				if name := fold(key); stack[top].keys[name] {
					line := 1 + bytes.Count(data[:d.InputOffset()], []byte("\n"))
					return &FormatError{Line: line, Why: fmt.Sprintf("the key %q appears twice in one object: neither is taken", clip(key))}
				} else { //nolint:revive // the name is of use here alone
					stack[top].keys[name] = true
				}
				stack[top].atKey = false
				continue
			}
			stack[top].atKey = true // behind this value
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}, atKey: true})
		case json.Delim('['):
			stack = append(stack, level{ofList: true})
		}
	}
}

// fold maps a key to what encoding/json takes it for: case makes no difference.
func fold(key string) string {
	return strings.Map(func(r rune) rune {
		for next := unicode.SimpleFold(r); next < r; next = unicode.SimpleFold(r) {
			r = next
		}
		return r
	}, key)
}

// carry puts what the two forms keep in different places where the form to has
// it, or says what it has no place for: snippets stand in files there and in a
// list here, annotations in a list there and in elements here.
func carry(doc *spdx.Document, to Format) error {
	files := map[common.ElementID]*spdx.File{}
	for _, f := range doc.Files {
		if f != nil && files[f.FileSPDXIdentifier] == nil {
			files[f.FileSPDXIdentifier] = f
		}
	}
	snippets, annotations := collect(doc)
	if to == JSON {
		if len(doc.Reviews) > 0 {
			return &FormatError{Why: "it holds reviews, for which JSON has no place"}
		}
		for _, s := range snippets {
			if len(s.SnippetAttributionTexts) > 0 {
				return &FormatError{ID: elementID(s.SnippetSPDXIdentifier), Why: "it has attribution texts, for which the library has no place in JSON"}
			}
		}
		doc.Snippets = snippets
		return annotate(doc, files, annotations)
	}
	for i := range snippets {
		s := &snippets[i]
		f := files[s.SnippetFromFileSPDXIdentifier]
		if f == nil {
			return &FormatError{ID: elementID(s.SnippetSPDXIdentifier), Why: "the snippet is from a file that is not in it"}
		}
		if f.Snippets == nil {
			f.Snippets = map[common.ElementID]*spdx.Snippet{}
		}
		if f.Snippets[s.SnippetSPDXIdentifier] != nil {
			return &FormatError{ID: elementID(s.SnippetSPDXIdentifier), Why: "two snippets of one file have this id"}
		}
		f.Snippets[s.SnippetSPDXIdentifier] = s
	}
	doc.Annotations = annotations
	return nil
}

// collect takes all snippets and annotations out of the places that the form at
// hand has for them.
func collect(doc *spdx.Document) (snippets []spdx.Snippet, annotations []*spdx.Annotation) {
	snippets = doc.Snippets
	doc.Snippets = nil
	defer func() {
		for i := range snippets {
			snippets[i] = ranged(snippets[i])
		}
	}()
	of := func(id common.ElementID, list []spdx.Annotation) {
		for _, a := range list {
			a.AnnotationSPDXIdentifier = common.DocElementID{ElementRefID: id}
			annotations = append(annotations, &a)
		}
	}
	for _, a := range doc.Annotations {
		if a != nil {
			if (a.AnnotationSPDXIdentifier == common.DocElementID{}) {
				a.AnnotationSPDXIdentifier.ElementRefID = "DOCUMENT"
			}
			annotations = append(annotations, a)
		}
	}
	for _, p := range doc.Packages {
		if p != nil {
			of(p.PackageSPDXIdentifier, p.Annotations)
			p.Annotations = nil
		}
	}
	for _, f := range doc.Files {
		if f == nil {
			continue
		}
		of(f.FileSPDXIdentifier, f.Annotations)
		f.Annotations = nil
		var ids []common.ElementID
		for id := range f.Snippets {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			snippets = append(snippets, *f.Snippets[id])
		}
		f.Snippets = nil
	}
	doc.Annotations = nil
	return snippets, annotations
}

// ranged returns the snippet with its file named in every range, as JSON has it
// and tag-value text leaves it to be understood.
func ranged(s spdx.Snippet) spdx.Snippet {
	s.Ranges = slices.Clone(s.Ranges)
	for i := range s.Ranges {
		for _, p := range []*common.SnippetRangePointer{&s.Ranges[i].StartPointer, &s.Ranges[i].EndPointer} {
			if p.FileSPDXIdentifier == "" {
				p.FileSPDXIdentifier = s.SnippetFromFileSPDXIdentifier
			}
		}
	}
	return s
}

// annotate gives every annotation to the element that it is about.
func annotate(doc *spdx.Document, files map[common.ElementID]*spdx.File, annotations []*spdx.Annotation) error {
	packages := map[common.ElementID]*spdx.Package{}
	for _, p := range doc.Packages {
		if p != nil && packages[p.PackageSPDXIdentifier] == nil {
			packages[p.PackageSPDXIdentifier] = p
		}
	}
	for _, a := range annotations {
		id := a.AnnotationSPDXIdentifier
		switch p, f := packages[id.ElementRefID], files[id.ElementRefID]; {
		case id.DocumentRefID != "" || id.SpecialID != "":
			return &FormatError{ID: refID(id), Why: "an annotation is about an element of another document, for which JSON has no place"}
		case id.ElementRefID == doc.SPDXIdentifier || id.ElementRefID == "DOCUMENT":
			doc.Annotations = append(doc.Annotations, a)
		case p != nil:
			p.Annotations = append(p.Annotations, *a)
		case f != nil:
			f.Annotations = append(f.Annotations, *a)
		default:
			return &FormatError{ID: refID(id), Why: "an annotation is about an element that is neither a package nor a file of it, for which JSON has no place"}
		}
	}
	return nil
}

// notesOf lists a document's snippets and annotations, each on a line.
func notesOf(doc *spdx.Document) []string {
	var list []string
	snippet := func(s spdx.Snippet) {
		text, _ := json.Marshal(ranged(s))
		list = append(list, "snippet "+string(text)+strings.Join(s.SnippetAttributionTexts, "\n"))
	}
	annotation := func(id common.DocElementID, a spdx.Annotation) {
		if (id == common.DocElementID{}) {
			id.ElementRefID = "DOCUMENT"
		}
		text, _ := json.Marshal(a)
		list = append(list, "annotation "+refID(id)+" "+string(text))
	}
	for _, s := range doc.Snippets {
		snippet(s)
	}
	for _, a := range doc.Annotations {
		if a != nil {
			annotation(a.AnnotationSPDXIdentifier, *a)
		}
	}
	for _, p := range doc.Packages {
		for _, a := range p.Annotations {
			annotation(common.DocElementID{ElementRefID: p.PackageSPDXIdentifier}, a)
		}
		doc.Files = append(doc.Files, p.Files...)
		p.Files = nil
	}
	for _, f := range doc.Files {
		for _, a := range f.Annotations {
			annotation(common.DocElementID{ElementRefID: f.FileSPDXIdentifier}, a)
		}
		for _, s := range f.Snippets {
			snippet(*s)
		}
	}
	slices.Sort(list)
	return list
}

// sameNotes reports whether the snippets and annotations of a document that was
// read back are those that were written.
func sameNotes(want []string, got *spdx.Document) bool { return slices.Equal(want, notesOf(got)) }
