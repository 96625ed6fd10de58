package web

import (
	"cmp"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// An item is one line of the page: an image under its tag, a file, or a
// document.
type item struct {
	Kind      string // as in [release.FileInfo]
	Section   string // "images", "files" or "documents"
	Version   string // "v1.27.2", or the tag of an image that belongs to no release
	Name      string // such as "kubectl" or "kube-proxy"
	Subject   string // path in the release, or the image's whole name
	Component string
	OS        []string
	Arch      []string
	Digest    string // "sha256:<hex>"; empty if nothing says
	Size      int64  // -1 if it is not known
	Path      string // where this server has the file; empty for an image
	Reference string // of an image, without its host: "kube-proxy:v1.27.2"
	Host      string // of an image

	Judged  bool // a verification has looked at it
	Speaks  bool // a document about files, which is not a subject itself
	Verdict report.Verdict
	Results []report.Result
}

// Withheld says whether the server hands it out no more.
func (i item) Withheld() bool { return i.Judged && i.Verdict == report.Refuted }

// Hex is the digest without its algorithm.
func (i item) Hex() string { return strings.TrimPrefix(i.Digest, "sha256:") }

// File is the last element of the subject, under which curl -O saves it.
func (i item) File() string { return path.Base(i.Subject) }

// Platform is the platform in words.
func (i item) Platform() string {
	switch {
	case len(i.OS) == 1 && len(i.Arch) == 1:
		return i.OS[0] + "/" + i.Arch[0]
	case len(i.Arch) > 1:
		return strings.Join(i.Arch, ", ")
	}
	return ""
}

// items joins what a mirror holds with what its verification found. r is nil
// where there was none.
func items(held mirror.Contents, r *report.Report) []item {
	bySubject := map[string][]report.Result{}
	inOther := map[string]bool{} // seen as a platform of another image
	if r != nil {
		for _, res := range r.Results {
			bySubject[res.Subject] = append(bySubject[res.Subject], res)
			for _, name := range res.SeenAs {
				inOther[name] = true
			}
		}
	}
	var list []item
	for _, i := range held.Images {
		if i.IsAttached() || inOther[i.String()] && len(bySubject[i.String()]) == 0 {
			continue
		}
		list = append(list, imageItem(i, bySubject[i.String()]))
	}
	for _, f := range held.Files {
		if it, ok := fileItem(f, bySubject); ok {
			list = append(list, it)
		}
	}
	slices.SortStableFunc(list, compare)
	return list
}

func imageItem(i mirror.HeldImage, results []report.Result) item {
	info := release.DescribeImage(i.String())
	it := item{
		Kind: "image", Section: "images", Version: i.Tag, Name: i.Repository, Subject: i.String(), Component: info.Component,
		Digest: string(i.Digest), Size: -1, Reference: strings.TrimPrefix(i.String(), i.Host+"/"), Host: i.Host,
		Judged: len(results) > 0, Results: results,
	}
	if info.OS != "" {
		it.OS, it.Arch = []string{info.OS}, []string{info.Arch}
	}
	for _, res := range results {
		if res.Platform == "" {
			continue
		}
		name, _, _ := strings.Cut(res.Platform, ":")
		if parts := strings.Split(name, "/"); len(parts) > 1 {
			it.OS, it.Arch = with(it.OS, parts[0]), with(it.Arch, parts[1])
		}
	}
	if it.Judged {
		it.Verdict = report.Report{Results: results}.Verdict()
	}
	return it
}

func with(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// accompanying are the papers beside a file, which have no line of their own.
var accompanying = []string{".sig", ".cert", ".sha256", ".sha512", ".docker_tag", verify.BundleSuffix}

func fileItem(f mirror.HeldFile, bySubject map[string][]report.Result) (item, bool) {
	if slices.ContainsFunc(accompanying, func(s string) bool { return strings.HasSuffix(f.URL, s) }) {
		return item{}, false
	}
	it := item{Section: "files", Subject: f.Path, Size: f.Size, Path: "/" + strings.TrimPrefix(f.Name, "files/"), Results: bySubject[f.URL]}
	if f.SHA256 != "" {
		it.Digest = "sha256:" + f.SHA256
	}
	if f.Version.IsZero() {
		it.Subject = strings.TrimPrefix(f.Name, "files/")
	} else {
		it.Version = f.Version.String()
	}
	info := release.DescribeFile(f.Path)
	it.Kind, it.Component, it.Name = info.Kind, info.Component, path.Base(it.Subject)
	if info.OS != "" {
		it.OS, it.Arch = []string{info.OS}, []string{info.Arch}
	}
	switch {
	case f.Version.IsZero() || !verify.IsSubject(f.Path):
		it.Section, it.Kind, it.Speaks = "documents", "document", true
	case it.Component == "":
		it.Component = info.Kind
	}
	if f.Path == "kubernetes-release.spdx" { // judged under the address at which it is published
		it.Results = bySubject["https://sbom.k8s.io/"+it.Version+"/release"]
	}
	if len(it.Results) > 0 {
		it.Judged, it.Speaks = true, false
		it.Verdict = report.Report{Results: it.Results}.Verdict()
		if d := it.Results[0].Digest; d != "" {
			it.Digest = d
		}
	}
	return it, true
}

var (
	kindOrder = []string{"image", "binary", "client", "server", "node", "test", "source", "archive", "document"}
	osOrder   = []string{"linux", "darwin", "windows"}
	archOrder = []string{"amd64", "arm64"}
)

func rank(order []string, s string) int {
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// compare puts the newest version first, and then what most people look for.
func compare(a, b item) int {
	return cmp.Or(
		compareVersions(a.Version, b.Version),
		cmp.Compare(rank(kindOrder, a.Kind), rank(kindOrder, b.Kind)),
		strings.Compare(a.Component, b.Component),
		cmp.Compare(rank(osOrder, first(a.OS)), rank(osOrder, first(b.OS))),
		cmp.Compare(rank(archOrder, first(a.Arch)), rank(archOrder, first(b.Arch))),
		strings.Compare(a.Platform(), b.Platform()),
		strings.Compare(a.Subject, b.Subject),
	)
}

func compareVersions(a, b string) int {
	v, errA := release.ParseVersion(a)
	w, errB := release.ParseVersion(b)
	switch {
	case errA == nil && errB == nil:
		return w.Compare(v)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return 0
}

// filter is what the form asks for. An empty field asks for everything.
type filter struct {
	Version, Component, OS, Arch, Verdict, Text string
}

// everything is the value of a select that leaves nothing out. An absent
// version is the newest.
const everything = "all"

// maxField caps what is taken of a field of the form.
const maxField = 200

func readFilter(q url.Values, newest string) filter {
	get := func(name string) string {
		v := strings.TrimSpace(q.Get(name))
		if len(v) > maxField {
			v = v[:maxField]
		}
		return strings.ToValidUTF8(v, "")
	}
	f := filter{get("version"), get("component"), get("os"), get("arch"), get("verdict"), get("q")}
	if f.Version == "" {
		f.Version = newest
	}
	for _, s := range []*string{&f.Version, &f.Component, &f.OS, &f.Arch, &f.Verdict} {
		if *s == everything {
			*s = ""
		}
	}
	return f
}

func (f filter) matches(i item) bool {
	is := func(want string, have ...string) bool { return want == "" || slices.Contains(have, want) }
	ofVersion := is(f.Version, i.Version)
	if _, err := release.ParseVersion(i.Version); err != nil {
		ofVersion = true // what belongs to no release, such as pause, goes with all of them
	}
	return ofVersion && is(f.Component, i.Component) && is(f.OS, i.OS...) && is(f.Arch, i.Arch...) &&
		(f.Verdict == "" || i.Judged && f.Verdict == i.Verdict.String()) &&
		(f.Text == "" || f.found(i))
}

// found looks for every word of the text.
func (f filter) found(i item) bool {
	words := []string{i.Subject, i.Name, i.Version, i.Platform(), i.Digest, i.Kind, i.Component}
	for _, r := range i.Results {
		words = append(words, r.Digest, r.Platform)
	}
	in := strings.ToLower(strings.Join(words, " "))
	for _, w := range strings.Fields(strings.ToLower(f.Text)) {
		if !strings.Contains(in, w) {
			return false
		}
	}
	return true
}

// choices are the values that a select offers.
func choices(list []item, of func(item) []string, less func(a, b string) int) []string {
	seen := map[string]bool{}
	for _, i := range list {
		for _, v := range of(i) {
			if v != "" {
				seen[v] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), less)
}

func by(order []string) func(a, b string) int {
	return func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(order, a), rank(order, b)), strings.Compare(a, b))
	}
}
