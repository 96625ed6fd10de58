package web

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// An item is one line of the page: an image under its tag, a file, or a
// document.
type item struct {
	ID        string // the entry's name in the page's address: "kube-proxy-v1.27.2", "kubectl-v1.27.2-linux-amd64"
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
	Missing bool // the verification speaks of it, and the server does not have it
	Verdict report.Verdict
	Results []report.Result
}

// Trouble says whether it is judged and not verified.
func (i item) Trouble() bool { return i.Judged && i.Verdict != report.Verified }

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

// program is the name of a file without its platform.
func (i item) program() string {
	if i.Kind == "binary" && i.Component != "" {
		return i.Component
	}
	name, _, _ := strings.Cut(i.Name, ".tar")
	return strings.TrimSuffix(name, "-"+i.OS[0]+"-"+i.Arch[0])
}

// where is the platform of a file whose name does not say it.
func (i item) where() string {
	if i.Kind == "binary" || i.Kind == "archive" {
		return i.Platform()
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
	list = append(list, missing(list, r)...)
	slices.SortStableFunc(list, compare)
	name(list)
	return list
}

// missing are the images and files that a verification has not verified and that the
// mirror does not serve.
func missing(held []item, r *report.Report) (list []item) {
	if r == nil {
		return nil
	}
	at := map[string]int{} // by subject, in list; -1 for what is held
	for _, i := range held {
		for _, res := range i.Results {
			at[res.Subject] = -1
		}
	}
	for _, res := range r.Results {
		n, known := at[res.Subject]
		switch {
		case known && n >= 0:
			list[n].Results = append(list[n].Results, res)
			continue
		case known, res.Verdict() == report.Verified, res.Kind == report.KindMirror, res.Kind == report.KindRelease:
			continue
		}
		at[res.Subject] = len(list)
		list = append(list, missingItem(res))
	}
	for n := range list {
		list[n].Verdict = report.Report{Results: list[n].Results}.Verdict()
	}
	return list
}

func missingItem(res report.Result) item {
	it := item{Kind: "document", Section: "documents", Version: res.Release, Name: path.Base(res.Subject), Subject: res.Subject,
		Digest: res.Digest, Size: -1, Judged: true, Missing: true, Results: []report.Result{res}}
	switch res.Kind {
	case report.KindImage:
		host, rest, _ := strings.Cut(res.Subject, "/")
		info := release.DescribeImage(res.Subject)
		it.Kind, it.Section, it.Component, it.Host, it.Reference = "image", "images", info.Component, host, rest
		it.Name, _, _ = strings.Cut(strings.SplitN(rest, "@", 2)[0], ":")
	case report.KindFile:
		it.Section = "files"
		_, it.Subject, _ = strings.Cut(res.Subject, "/"+res.Release+"/")
		info := release.DescribeFile(it.Subject)
		it.Kind, it.Component = info.Kind, cmp.Or(info.Component, info.Kind)
		if info.OS != "" {
			it.OS, it.Arch = []string{info.OS}, []string{info.Arch}
		}
	}
	return it
}

// maxID caps an ID, in bytes; no genuine one is as long.
const maxID = 200

// pageIDs are taken by the page itself.
var pageIDs = []string{"filter", "status", "releases", "matrix", "findings", "results", "total", "said", "use", "words",
	"m-verified", "m-refuted", "m-unknown", "m-open", "", "attention", "images", "files", "documents", "q", "version", "component", "os", "arch", "verdict", "more"}

// name gives every item its ID. Those that would have the same are counted.
func name(list []item) {
	taken := map[string]int{}
	for _, id := range pageIDs {
		taken[id] = 1
	}
	for n := range list {
		i := &list[n]
		parts := []string{strings.TrimSuffix(i.Name, ".exe")}
		if i.Version != "" {
			parts = append(parts, i.Version)
		}
		if i.Section == "files" && i.where() != "" {
			parts = append(parts, i.OS[0], i.Arch[0])
		}
		id := strings.Map(func(r rune) rune {
			if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r) {
				return r
			}
			return '-'
		}, strings.Join(parts, "-"))
		if len(id) > maxID {
			id = id[:maxID]
		}
		for {
			taken[id]++
			if taken[id] == 1 {
				break
			}
			id += "-" + strconv.Itoa(taken[id])
		}
		i.ID = id
	}
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
	if kind, ok := strings.CutPrefix(f.Path, "kubernetes-"); ok && strings.HasSuffix(kind, ".spdx") { // judged under the address at which it is published
		it.Results = append(slices.Clone(it.Results), bySubject["https://sbom.k8s.io/"+it.Version+"/"+strings.TrimSuffix(kind, ".spdx")]...)
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
	// firstPrograms are what most people come for.
	firstPrograms = []string{"kubectl", "kubeadm", "kubelet"}
	osOrder       = []string{"linux", "darwin", "windows"}
	archOrder     = []string{"amd64", "arm64"}
)

func rank(order []string, s string) int {
	if i := slices.Index(order, s); i >= 0 {
		return i
	}
	return len(order)
}

// by orders names as a list does, and those that are not in it behind.
func by(order []string) func(a, b string) int {
	return func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(order, a), rank(order, b)), strings.Compare(a, b))
	}
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
		by(firstPrograms)(a.Component, b.Component),
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
