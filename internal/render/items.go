package render

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// An item is what a person calls one thing: an image with its platforms, a program on
// all of its systems, a document. Its results are in the order of the report.
type item struct {
	name    string // not escaped
	results []*report.Result
	claimed bool   // files that documents name, and whose bytes were not read
	summary string // of several that were put together, in the place of the parts
}

// naming calls the results of one report by names that are as short as they may be
// without meaning something else.
type naming struct {
	release      string          // the one that all results are of; empty if there are several
	releaseShown bool            // it stands on the screen anyway
	host         string          // "HOST/" or "HOST/PREFIX/" that is left out
	images       map[string]bool // names of images, which a file may have too
}

func namingOf(r report.Report) naming {
	n := naming{host: "registry.k8s.io/", images: map[string]bool{}}
	if to := pushedTo(r); to != "" {
		n.host = to
	}
	n.release = oneRelease(r)
	n.releaseShown = slices.Contains(r.Scope.Subjects, n.release) || slices.ContainsFunc(r.Results, func(res report.Result) bool {
		return res.Kind == report.KindRelease && res.Subject == n.release
	})
	for _, res := range each(r.Results) {
		if res.Kind == report.KindImage {
			name, _ := n.name(res)
			n.images[name] = true
		}
	}
	return n
}

// pushedTo is "HOST/" or "HOST/PREFIX/" of the registry that a report of a push is about; empty
// of another report.
func pushedTo(r report.Report) string {
	if len(r.Scope.Subjects) != 1 || strings.HasPrefix(r.Scope.Subjects[0], "registry.k8s.io/") {
		return ""
	}
	to := r.Scope.Subjects[0] + "/"
	if !slices.ContainsFunc(r.Results, func(res report.Result) bool {
		return res.Kind == report.KindImage && strings.HasPrefix(res.Subject, to)
	}) {
		return ""
	}
	return to
}

// oneRelease is the release that all results are of; empty if there are several.
func oneRelease(r report.Report) (one string) {
	for _, res := range each(r.Results) {
		switch {
		case res.Release == "", res.Release == one:
		case one == "":
			one = res.Release
		default:
			return ""
		}
	}
	return one
}

// items sorts results by what they are of, in the order of the first of each.
func (n naming) items(results []*report.Result) (list []item) {
	at := map[string]int{}
	for _, res := range results {
		name, claimed := n.name(res)
		key := fmt.Sprint(res.Kind, claimed, name)
		i, ok := at[key]
		if !ok {
			i = len(list)
			at[key] = i
			list = append(list, item{name: name, claimed: claimed})
		}
		list[i].results = append(list[i].results, res)
	}
	return list
}

// name calls a result. claimed says that it is a file of which only what the documents
// say was looked at.
func (n naming) name(res *report.Result) (name string, claimed bool) {
	of := ""
	if n.release == "" && res.Release != "" {
		of = " of " + res.Release
	}
	switch res.Kind {
	case report.KindImage:
		if signatureTag().MatchString(res.Subject) {
			return signatures, false
		}
		title, _ := groupAndLabel(res)
		title = strings.TrimPrefix(title, n.host)
		if n.release != "" && n.releaseShown {
			title = strings.TrimSuffix(title, ":"+n.release)
		}
		return title, false
	case report.KindFile:
		_, bytes := res.Check(report.Digest)
		p, published := releasePath(res)
		switch {
		case published && !bytes:
			return "files" + of, true
		case published:
			name = fileName(p)
			if n.images[name] {
				name += " (program)"
			}
			return name + of, false
		}
	case report.KindDocument:
		if strings.HasPrefix(res.Subject, "https://sbom.k8s.io/") {
			return "the SBOM" + of, false
		}
		return strings.TrimPrefix(res.Subject, "https://"), false
	case report.KindBlob:
		return "blobs" + of, false
	}
	return res.Subject, false
}

// signatures is the item of all signatures.
const signatures = "signatures"

// signatureTag is how cosign tags what belongs to a digest.
var signatureTag = lazyregexp.New(`:sha256-[0-9a-f]{64}\.(sig|att|sbom)$`)

// releasePath is the path below its release of a published file.
func releasePath(res *report.Result) (string, bool) {
	return strings.CutPrefix(res.Subject, "https://dl.k8s.io/release/"+res.Release+"/")
}

// fileName is what a file is called on every system: "kubectl", "kubernetes-client".
func fileName(p string) string {
	info := release.DescribeFile(p)
	switch {
	case info.Component != "" && info.Kind == "binary":
		return info.Component
	case info.OS != "" && info.Component == "":
		return "kubernetes-" + info.Kind
	}
	return path.Base(p)
}

// label says which part of an item a result is: "index", a platform, or nothing.
func label(res *report.Result) string {
	switch res.Kind {
	case report.KindImage:
		if signatureTag().MatchString(res.Subject) {
			return ""
		}
		_, l := groupAndLabel(res)
		if l == unread {
			return ""
		}
		l, _, _ = strings.Cut(l, " in ")
		return l
	case report.KindFile:
		p, _ := releasePath(res)
		if info := release.DescribeFile(p); info.OS != "" {
			return info.OS + "/" + info.Arch
		}
	}
	return ""
}

// parts words which parts of an item there are: "index and 4 platforms". It is not escaped.
func (it item) parts() string {
	if it.summary != "" {
		return it.summary
	}
	if it.claimed {
		return fmt.Sprintf("%d, by what the documents say; their bytes were not read", len(it.results))
	}
	var list []string
	index, others := false, 0
	for _, res := range it.results {
		switch l := label(res); {
		case l == "index":
			index = true
		case l == "":
			others++
		case !slices.Contains(list, l):
			list = append(list, l)
		}
	}
	var words []string
	if index {
		words = append(words, "index")
	}
	switch {
	case len(list) == 1:
		words = append(words, list[0])
	case len(list) > 1:
		words = append(words, terminal.Plural(len(list), "platform"))
	}
	if others > 1 {
		words = append(words, fmt.Sprintf("%d of them", others))
	}
	return strings.Join(words, " and ")
}

var oneOf = lazyregexp.New(`\b1 (image|platform)s\b`)

// about is what stands beside a verified item: its parts, or what was found.
func (it item) about() string {
	if p := it.parts(); p != "" || len(it.results) != 1 {
		return p
	}
	res := it.results[0]
	switch c, _ := res.Check(report.Inventory); {
	case c.Verdict == report.Verified:
		return oneOf().ReplaceAllString(c.Detail, "1 $1")
	case res.Kind == report.KindDocument:
		if c, ok := res.Check(report.Signature); ok && c.Verdict == report.Verified {
			return "signed"
		}
	}
	return ""
}

// askedBy is the name by which --explain finds an item.
func (it item) askedBy() string {
	res := it.results[0]
	switch {
	case res.Kind != report.KindImage && res.Kind != report.KindFile, it.claimed, len(it.results) == 1 && label(res) == "":
		return res.Subject
	}
	name, _, _ := strings.Cut(it.name, " ")
	return name
}

// who names items with their parts where they are few, and counts them where they are
// many. It is not escaped.
func (n naming) who(results []*report.Result) string {
	const few = 3
	list := n.items(results)
	if len(list) > few {
		return kindsOf(list)
	}
	names, parts := make([]string, 0, few), make([]string, 0, few)
	for _, it := range list {
		names = append(names, it.name)
		switch {
		case it.claimed:
			names[len(names)-1] = terminal.Plural(len(it.results), "file")
			continue
		case it.name == signatures:
			names[len(names)-1] = terminal.Plural(len(it.results), "signature")
			continue
		}
		if p := it.parts(); !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return enumerate(names)
	}
	if len(parts) == 1 && !slices.ContainsFunc(list, item.counted) { // the same of each
		if len(names) > 1 && parts[0] != "" {
			parts[0] += " each"
		}
		return both(enumerate(names), parts[0])
	}
	for i, it := range list {
		if !it.counted() {
			names[i] = both(it.name, it.parts())
		}
	}
	return enumerate(names)
}

// counted says whether who tells only how many results an item has.
func (it item) counted() bool { return it.claimed || it.name == signatures }

// enumerate reads "a, b and c".
func enumerate(words []string) string {
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return strings.Join(words, "")
}

func both(name, parts string) string {
	if parts == "" {
		return name
	}
	return name + " (" + parts + ")"
}

// kindsOf counts items by their kind: "v1.27.2, the SBOM and 5 images".
func kindsOf(list []item) string {
	nouns := []struct {
		kind report.Kind
		noun string
	}{{report.KindRelease, "release"}, {report.KindDocument, "document"}, {report.KindImage, "image"}, {report.KindFile, "file"}, {report.KindBlob, "blob"}, {report.KindMirror, "mirror"}, {report.KindArtifact, "artifact"}}
	var words []string
	for _, n := range nouns {
		var of []item
		signed := 0
		for _, it := range list {
			switch {
			case it.results[0].Kind != n.kind:
			case it.name == signatures:
				signed = len(it.results)
			default:
				of = append(of, it)
			}
		}
		switch {
		case len(of) == 1 && !of[0].claimed:
			words = append(words, of[0].name)
		case len(of) > 0:
			count := len(of)
			if n.kind == report.KindFile || n.kind == report.KindBlob {
				count = 0
				for _, it := range of {
					count += len(it.results)
				}
			}
			words = append(words, terminal.Plural(count, n.noun))
		}
		if signed > 0 {
			words = append(words, terminal.Plural(signed, "signature"))
		}
	}
	return enumerate(words)
}

// fold makes at most so many items of a list, one or more: the files become one, then the images of
// one release, then what is left.
func (n naming) fold(list []item, most int) []item {
	for _, kind := range []report.Kind{report.KindFile, report.KindImage} {
		if len(list) > most {
			list = merge(list, kind)
		}
	}
	if len(list) <= most {
		return list
	}
	rest := item{name: kindsOf(list[most-1:])}
	for _, it := range list[most-1:] {
		rest.results = append(rest.results, it.results...)
	}
	rest.summary = fmt.Sprintf("%d in all", len(rest.results))
	return append(slices.Clip(list[:most-1]), rest)
}

// merge puts the items of one kind and release together, at the place of the first.
func merge(list []item, kind report.Kind) (out []item) {
	type sum struct {
		n     int
		parts []string
	}
	at, sums := map[string]int{}, map[string]*sum{}
	for _, it := range list {
		res := it.results[0]
		if res.Kind != kind {
			out = append(out, it)
			continue
		}
		s := sums[res.Release]
		if s == nil {
			s = new(sum)
			sums[res.Release], at[res.Release] = s, len(out)
			out = append(out, item{})
		}
		to := &out[at[res.Release]]
		to.results = append(to.results, it.results...)
		s.n++
		if p := it.parts(); !slices.Contains(s.parts, p) {
			s.parts = append(s.parts, p)
		}
		if kind == report.KindFile {
			to.name = terminal.Plural(len(to.results), "file")
			if to.claimed = it.claimed && s.n == 1; to.claimed {
				to.name = it.name
			}
			continue
		}
		if to.name = terminal.Plural(s.n, string(kind)); s.n == 1 {
			to.name = it.name
		}
		to.summary = strings.Join(s.parts, ", ")
		if len(s.parts) == 1 && s.n > 1 {
			to.summary += " each"
		} else if s.n > 1 {
			to.summary = ""
		}
	}
	for release, i := range at {
		if sums[release].n > 1 && len(at) > 1 && release != "" {
			out[i].name += " of " + release
		}
	}
	return out
}
