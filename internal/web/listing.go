package web

import (
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

// A listing is what the mirror holds in one directory of a host.
type listing struct {
	Path    string // "/dl.k8s.io/release/v1.27.2/"
	Above   bool   // there is a directory above it that can be listed
	Entries []listed
	More    bool // there are more than are listed
	Judged  bool
	Assets  map[string]string
}

// A listed is a directory or a file of a listing.
type listed struct {
	Name    string // of a directory with a slash at its end
	Dir     bool
	Size    int64
	Judged  bool
	Verdict report.Verdict
}

// Withheld says whether the server hands it out no more.
func (l listed) Withheld() bool { return l.Judged && l.Verdict == report.Refuted }

// maxListed is how many entries one listing has.
const maxListed = 5000

// below are the files below a directory; files is in the order of URLs.
func below(files []mirror.HeldFile, dir string) []mirror.HeldFile {
	prefix := "https:/" + dir
	from, _ := slices.BinarySearchFunc(files, prefix, func(f mirror.HeldFile, p string) int { return strings.Compare(f.URL, p) })
	to := from
	for to < len(files) && strings.HasPrefix(files[to].URL, prefix) {
		to++
	}
	return files[from:to]
}

// newListing lists what lies in dir.
func newListing(s *state, dir string) listing {
	_, urls := assets()
	l := listing{Path: dir, Above: strings.Count(dir, "/") > 2, Judged: s.report != nil, Assets: urls}
	verdicts := verdictsOfFiles(s.report)
	for _, f := range below(s.held.Files, dir) {
		name, _, deeper := strings.Cut(strings.TrimPrefix(f.URL, "https:/"+dir), "/")
		e := listed{Name: name, Size: f.Size}
		if deeper {
			e = listed{Name: name + "/", Dir: true, Size: -1}
		} else {
			e.Verdict, e.Judged = verdicts[f.URL]
		}
		if n := len(l.Entries); n > 0 && l.Entries[n-1].Name == e.Name {
			continue
		}
		if len(l.Entries) == maxListed {
			l.More = true
			break
		}
		l.Entries = append(l.Entries, e)
	}
	return l
}

// verdictsOfFiles are the verdicts that a report has of files and documents, by their
// canonical URLs.
func verdictsOfFiles(r *report.Report) map[string]report.Verdict {
	out := map[string]report.Verdict{}
	if r == nil {
		return out
	}
	for _, res := range r.Results {
		if res.Kind == report.KindImage || res.Kind == report.KindMirror || res.Kind == report.KindRelease {
			continue
		}
		for _, name := range append([]string{res.Subject}, res.SeenAs...) {
			if rest, ok := strings.CutPrefix(name, "https://sbom.k8s.io/"); ok {
				version, kind := path.Split(rest)
				name = "https://dl.k8s.io/release/" + version + "kubernetes-" + kind + ".spdx"
			}
			if was, ok := out[name]; !ok || worse(res.Verdict(), was) < 0 {
				out[name] = res.Verdict()
			}
		}
	}
	return out
}
