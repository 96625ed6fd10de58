package sbom

import (
	"errors"
	"fmt"
	"strings"

	tv "github.com/spdx/tools-golang/tagvalue/reader"
)

// tags are the pairs of a tag-value text in its order, and the line of each.
type tags struct {
	pairs []tv.TagValuePair
	lines []int32
}

func (t *tags) add(tag, value string, line int) {
	t.pairs = append(t.pairs, tv.TagValuePair{Tag: tag, Value: value})
	t.lines = append(t.lines, int32(line)) // MaxBytes bounds lines
}

func (t *tags) addAll(other tags) {
	t.pairs = append(t.pairs, other.pairs...)
	t.lines = append(t.lines, other.lines...)
}

// starters are the tags that begin an element, in the order in which the
// library wants the elements; packages and files may change places.
var starters = map[string]int{"FileName": 1, "PackageName": 1, "SnippetSPDXID": 2, "LicenseID": 3, "Reviewer": 4}

// heads are the tags of a document that the library reads before all others.
var heads = map[string]bool{
	"SPDXVersion": true, "DataLicense": true, "SPDXID": true, "DocumentName": true,
	"DocumentNamespace": true, "ExternalDocumentRef": true, "DocumentComment": true,
}

// loose are the tags of relationships and annotations. They belong to the
// document wherever they stand.
var loose = map[string]bool{
	"Relationship": true, "RelationshipComment": true,
	"Annotator": true, "AnnotationDate": true, "AnnotationType": true, "SPDXREF": true, "AnnotationComment": true,
}

// ordered reports whether the library can read the tags as they stand: it wants
// a snippet right behind a file, licences and reviews at the end, and the
// document's own tags first.
func (t *tags) ordered() bool {
	last, began := 0, false
	for _, p := range t.pairs {
		switch rank := starters[p.Tag]; {
		case rank == 2, rank > 0 && rank < last:
			return false
		case rank > 0:
			last = rank
		case last == 0 && heads[p.Tag]:
			if began && p.Tag != "DocumentComment" {
				return false
			}
		case last > 0 && heads[p.Tag] && p.Tag != "SPDXID":
			return false
		default:
			began = true
		}
	}
	return true
}

// section is an element: the tag that begins it and those that belong to it.
type section struct {
	tags
	file string // of a snippet: the id of the file that it is from
	id   string
}

// arranged puts tags in an order that the library reads, and says the same: the
// format orders nothing but what belongs to an element. With snippets false they
// are left out. A snippet of a file that is not there is an error.
func (t *tags) arranged(snippets bool) (tags, error) {
	var head, creation, tail tags
	var body, licences, reviews []section
	snips := map[string][]section{}
	var current *section
	flush := func() {
		switch {
		case current == nil:
		case current.pairs[0].Tag == "SnippetSPDXID":
			snips[current.file] = append(snips[current.file], *current)
		case current.pairs[0].Tag == "LicenseID":
			licences = append(licences, *current)
		case current.pairs[0].Tag == "Reviewer":
			reviews = append(reviews, *current)
		default:
			body = append(body, *current)
		}
	}
	for i, p := range t.pairs {
		to := &creation
		switch {
		case starters[p.Tag] > 0:
			flush()
			current = &section{}
			to = &current.tags
		case loose[p.Tag]:
			to = &tail
		case heads[p.Tag] && (current == nil || p.Tag != "SPDXID"):
			to = &head
		case current != nil:
			to = &current.tags
			switch p.Tag {
			case "SnippetFromFileSPDXID":
				current.file = p.Value
			case "SPDXID":
				current.id = p.Value
			}
		}
		to.add(p.Tag, p.Value, int(t.lines[i]))
	}
	flush()
	out := tags{}
	out.addAll(head)
	out.addAll(creation)
	for _, s := range body {
		out.addAll(s.tags)
		if s.pairs[0].Tag != "FileName" {
			continue
		}
		for _, snip := range snips[s.id] {
			if snippets {
				out.addAll(snip.tags)
			}
		}
		delete(snips, s.id)
	}
	for _, list := range snips {
		if snippets {
			s := list[0]
			return tags{}, &FormatError{Line: int(s.lines[0]), ID: s.pairs[0].Value, Why: fmt.Sprintf("the snippet is from the file %q, which is not in it", clip(s.file))}
		}
	}
	for _, s := range append(licences, reviews...) {
		out.addAll(s.tags)
	}
	out.addAll(tail)
	return out, nil
}

// single are the tags that an element may have once, and which of two the
// library forgets.
var single = words(`SPDXVersion DataLicense SPDXID DocumentName DocumentNamespace DocumentComment
		LicenseListVersion Created CreatorComment
		PackageVersion PackageFileName PackageSupplier PackageOriginator PackageDownloadLocation FilesAnalyzed
		PackageVerificationCode PackageHomePage PackageSourceInfo PackageLicenseConcluded PackageLicenseDeclared
		PackageLicenseComments PackageCopyrightText PackageSummary PackageDescription PackageComment
		PrimaryPackagePurpose ReleaseDate BuiltDate ValidUntilDate ExternalRefComment
		LicenseConcluded LicenseComments FileCopyrightText FileComment FileNotice
		ArtifactOfProjectHomePage ArtifactOfProjectURI
		SnippetFromFileSPDXID SnippetLicenseConcluded SnippetLicenseComments SnippetCopyrightText SnippetComment
		SnippetName SnippetByteRange SnippetLineRange
		ExtractedText LicenseName LicenseComment ReviewDate ReviewComment
		RelationshipComment AnnotationDate AnnotationType SPDXREF AnnotationComment`)

func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}

// parts are the tags that begin a part of an element with tags of its own.
var parts = map[string][]string{
	"Relationship": {"RelationshipComment"},
	"Annotator":    {"AnnotationDate", "AnnotationType", "SPDXREF", "AnnotationComment"},
	"ExternalRef":  {"ExternalRefComment"}, "ArtifactOfProjectName": {"ArtifactOfProjectHomePage", "ArtifactOfProjectURI"},
}

// once refuses a tag that appears twice where it may stand once: the library
// keeps the last of them, and nothing says which counts. only bounds it to some
// tags; nil means all.
func (t *tags) once(only func(tag string) bool) error {
	seen := map[string]int32{}
	var name string
	for i, p := range t.pairs {
		switch {
		case starters[p.Tag] > 0:
			for tag := range seen { // a relationship or annotation may go on behind it
				if !loose[tag] {
					delete(seen, tag)
				}
			}
			name = p.Value
			continue
		case parts[p.Tag] != nil:
			for _, tag := range parts[p.Tag] {
				delete(seen, tag)
			}
			continue
		case !single[p.Tag] || only != nil && !only(p.Tag):
			continue
		}
		if line, twice := seen[p.Tag]; twice {
			return &FormatError{Line: int(t.lines[i]), ID: t.idAt(i), Why: fmt.Sprintf("%s appears twice in %q, in line %d too, where it may stand once: neither is taken", p.Tag, clip(name), line)}
		}
		seen[p.Tag] = t.lines[i]
	}
	return nil
}

// idAt returns the id of the element that the pair i belongs to.
func (t *tags) idAt(i int) string {
	start := min(i, len(t.pairs)-1)
	for start > 0 && starters[t.pairs[start].Tag] == 0 {
		start--
	}
	for n, p := range t.pairs[max(start, 0):] {
		switch {
		case n > 0 && starters[p.Tag] > 0:
			return ""
		case p.Tag == "SPDXID", p.Tag == "SnippetSPDXID", p.Tag == "LicenseID":
			return p.Value
		}
	}
	return ""
}

// maxLocated bounds the tags among which the one at fault is looked for, which
// means reading some of them again.
const maxLocated = 200_000

// locate says where an error of the library comes from: it tells what is wrong
// and not where. A prefix of the tags fails in the same way as all of them once
// it holds the one at fault.
func (t *tags) locate(err error, parse func([]tv.TagValuePair) error) *FormatError {
	out := &FormatError{Err: err}
	if strings.Contains(err.Error(), "struct created") { // words of a program
		out.Why, out.Err = "a tag of an annotation or a relationship stands before the one that begins it", nil
	}
	if len(t.pairs) > maxLocated {
		return out
	}
	low, high := 0, len(t.pairs) // the first high tags fail so, the first low do not
	for high-low > 1 {
		middle := (low + high) / 2
		if e := parse(t.pairs[:middle]); e != nil && e.Error() == err.Error() {
			high = middle
		} else {
			low = middle
		}
	}
	at := high - 1
	out.Line, out.ID = int(t.lines[at]), t.idAt(at)
	return out
}

// errRuntime stands for a panic of the library, whose words are those of a
// program and tell nothing about the document.
var errRuntime = errors.New("it is incomplete in a way that cannot be read")
