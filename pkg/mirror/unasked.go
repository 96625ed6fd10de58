package mirror

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
	"github.com/kverify/kverify/pkg/verify"
)

// asked collects what the scopes of a mirror account for. Whoever has a mirror in
// hand can write all of its lists, so that what stands in them is judged, or is
// said not to have been (rule 23).
type asked struct {
	names map[string]string // that were admitted, and their digests
	files map[string]bool   // canonical URLs that were judged as files of a release
}

func (k *asked) admit(c *verify.Admitted) {
	for _, im := range c.Images {
		for _, a := range im.Admissions {
			k.names[a.Ref().String()] = a.Digest()
		}
	}
}

// unasked finds names that no image of a scope brought in. What belongs to an
// image that is not verified has its verdict already.
func (a *audit) unasked(k *asked, results []report.Result) {
	failed := map[string]bool{} // subjects, then their other names and digests
	for _, r := range results {
		if r.Kind == "image" && r.Verdict() != report.Verified {
			failed[r.Subject] = true
		}
	}
	for _, r := range results {
		if r.Kind == "image" && failed[r.Subject] {
			for _, also := range append([]string{r.Digest}, r.SeenAs...) {
				failed[also] = true
			}
		}
	}
	for _, key := range sortedKeys(a.dir.repos) {
		r := a.dir.repos[key]
		for _, n := range r.names {
			if k.names[n.String()] == n.target.Digest || failed[n.String()] || failed[n.target.Digest] || failed[signed(n.tag)] {
				continue
			}
			if node := r.reach().nodes[n.target.Digest]; node != nil && node.refers != nil && failed[node.refers.subject] {
				continue
			}
			a.note(n.String(), report.Unknown, report.NoClaim, "it is listed, and no image that the mirror was made for accounts for it: nothing has proved it")
		}
	}
}

// urls are the canonical URLs of the files of a mirror: those that it lists, or
// without a list those that are there.
func (a *audit) urls() (list []string) {
	if a.dir.manifest != nil {
		return sortedKeys(a.dir.manifest.files)
	}
	for _, name := range sortedKeys(a.sizes) {
		if rest, ok := strings.CutPrefix(name, "files/"); ok {
			list = append(list, "https://"+rest)
		}
	}
	return list
}

// unjudged finds files that are none of a release that was judged, do not stand
// beside one, and are no document that a verdict may rest on.
func (a *audit) unjudged(k *asked, versions []release.Version) {
	known := map[string]bool{support.ScheduleURL: true, support.EndOfLifeURL: true}
	for _, image := range []string{"kube-apiserver", "etcd", "coredns"} { // one of each manifest
		known[release.PromotionURL(image)] = true
	}
	for _, s := range a.dir.scopes() {
		for _, also := range s.Also {
			if ref, err := registry.ParseRef(also); err == nil {
				known[release.PromotionURL(ref.Repository)] = true
			}
		}
	}
	with := map[string]bool{} // may have signatures and checksums beside them
	for _, v := range versions {
		known[v.ChangelogURL()] = true
		for _, channel := range []string{"stable", "latest"} {
			for _, of := range []string{"", "-1", "-" + v.MinorString()} {
				known[release.MarkerURL(channel+of)] = true
			}
		}
		for _, name := range []string{"kubernetes-release.spdx", "kubernetes-source.spdx", "SHA256SUMS", "SHA512SUMS", "provenance.json", "release-notes.json"} {
			with[v.FileURL(name)] = true
		}
	}
	for _, url := range a.urls() {
		if known[url] || slices.ContainsFunc(beside, func(suffix string) bool {
			of, ok := strings.CutSuffix(url, suffix)
			return ok && (k.files[of] || with[of])
		}) {
			continue
		}
		a.note(filePath(url), report.Unknown, report.NoClaim, "it is there, and belongs to no release that was judged: nothing has proved it")
	}
}

// unmade finds checks of images that the caller demands, and that were made of
// none since the mirror has none.
func (a *audit) unmade(v *verify.Verifier, results []report.Result) {
	of := v.OfFiles().Require
	for _, name := range v.Require {
		if !slices.Contains(of, name) && !slices.ContainsFunc(results, func(r report.Result) bool {
			_, made := r.Check(name)
			return made
		}) {
			a.note(".", report.Unknown, report.NoClaim, "the check %s is demanded, and there is no image to make it of", name)
		}
	}
}
