package render

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// An item is what a person calls one thing: an image with its platforms, a program on
// all of its systems, a document. Its results are in the order of the report.
type item struct {
	name    string // not escaped
	results []report.Result
	claimed bool // files that documents name, and whose bytes were not read
}

// naming calls the results of one report by names that are as short as they may be
// without meaning something else.
type naming struct {
	release string // the one that all results are of; empty if there are several
}

func namingOf(r report.Report) naming {
	var n naming
	for _, res := range r.Results {
		switch {
		case res.Release == "", res.Release == n.release:
		case n.release == "":
			n.release = res.Release
		default:
			return naming{}
		}
	}
	return n
}

// items sorts results by what they are of, in the order of the first of each.
func (n naming) items(results []report.Result) (list []item) {
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
func (n naming) name(res report.Result) (name string, claimed bool) {
	of := ""
	if n.release == "" && res.Release != "" {
		of = " of " + res.Release
	}
	switch res.Kind {
	case report.KindImage:
		title, _ := place(res)
		title = strings.TrimPrefix(title, "registry.k8s.io/")
		if n.release != "" {
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
			return fileName(p) + of, false
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

// releasePath is the path below its release of a published file.
func releasePath(res report.Result) (string, bool) {
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
func label(res report.Result) string {
	switch res.Kind {
	case report.KindImage:
		_, l := place(res)
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
		words = append(words, plural(len(list), "platform"))
	}
	if others > 1 {
		words = append(words, fmt.Sprintf("%d of them", others))
	}
	return strings.Join(words, " and ")
}

// about is what stands beside a verified item: its parts, or what was found.
func (it item) about() string {
	if p := it.parts(); p != "" || len(it.results) != 1 {
		return p
	}
	res := it.results[0]
	switch c, _ := res.Check(report.Inventory); {
	case res.Kind == report.KindRelease && c.Verdict == report.Verified:
		return c.Detail
	case res.Kind == report.KindDocument:
		if c, ok := res.Check(report.Signature); ok && c.Verdict == report.Verified {
			return "signed"
		}
	}
	return ""
}

// who names items with their parts where they are few, and counts them where they are
// many. It is not escaped.
func (n naming) who(results []report.Result) string {
	const few = 3
	list := n.items(results)
	if len(list) > few {
		return kindsOf(list)
	}
	names, parts := make([]string, 0, few), make([]string, 0, few)
	for _, it := range list {
		names = append(names, it.name)
		if p := it.parts(); !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	if len(parts) == 1 { // the same of each
		return both(strings.Join(names, ", "), parts[0])
	}
	for i, it := range list {
		names[i] = both(it.name, it.parts())
	}
	return strings.Join(names, ", ")
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
	}{{report.KindRelease, "release"}, {report.KindDocument, "document"}, {report.KindImage, "image"}, {report.KindFile, "file"}, {report.KindBlob, "blob"}}
	var words []string
	rest := 0
	for _, it := range list {
		if !slices.ContainsFunc(nouns, func(n struct {
			kind report.Kind
			noun string
		}) bool {
			return n.kind == it.results[0].Kind
		}) {
			rest++
		}
	}
	for _, n := range nouns {
		var of []item
		for _, it := range list {
			if it.results[0].Kind == n.kind {
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
			words = append(words, plural(count, n.noun))
		}
	}
	if rest > 0 {
		words = append(words, plural(rest, "other"))
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return strings.Join(words, "")
}

// fold makes at most n items of a list: first of files, then of the images of one
// release, then of everything.
func (n naming) fold(list []item, most int) []item {
	for _, kind := range []report.Kind{report.KindFile, report.KindImage} {
		if len(list) > most {
			list = merge(list, kind)
		}
	}
	if len(list) > most && most > 0 {
		all := item{name: kindsOf(list)}
		for _, it := range list {
			all.results = append(all.results, it.results...)
		}
		all.name, list = fmt.Sprintf("%s: %s", plural(len(all.results), "subject"), all.name), []item{all}
	}
	return list
}

// merge puts the items of one kind and release together, at the place of the first.
func merge(list []item, kind report.Kind) (out []item) {
	at := map[string]int{}
	for _, it := range list {
		res := it.results[0]
		if res.Kind != kind {
			out = append(out, it)
			continue
		}
		i, ok := at[res.Release]
		if !ok {
			at[res.Release] = len(out)
			out = append(out, it)
			continue
		}
		out[i].results = append(slices.Clip(out[i].results), it.results...)
		out[i].claimed = out[i].claimed && it.claimed
		out[i].name = plural(len(out[i].results), string(kind))
		if res.Release != "" {
			out[i].name += " of " + res.Release
		}
	}
	return out
}
