package mirror

import (
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/support"
	"github.com/kverify/kverify/pkg/verify"
)

// accounted collects what the scopes of a mirror account for. An attacker who has a mirror in
// hand can write all of its lists, so that what stands in them is judged, or is
// said not to have been (rule 23).
type accounted struct {
	names map[string]oci.Digest // that were admitted, and their digests
	files map[string]bool       // canonical URLs that were judged as files of a release
}

func (k *accounted) admit(c *verify.Admitted) {
	for _, im := range c.Images {
		for _, a := range im.Admissions {
			k.names[a.Ref().String()] = a.Digest()
		}
	}
}

// unaccountedNames finds names that no image of a scope brought in. What belongs to an
// image that is not verified has its verdict already.
func (a *audit) unaccountedNames(k *accounted, results []report.Result) {
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
	delete(failed, "") // the digest of what could not be fetched, and the subject of what has none
	for _, key := range slices.Sorted(maps.Keys(a.dir.repos)) {
		r := a.dir.repos[key]
		for _, n := range r.Names {
			if k.names[n.String()] == n.Target.Digest || failed[n.String()] || failed[string(n.Target.Digest)] || failed[string(layout.SubjectOfTag(n.Tag))] {
				continue
			}
			if node := r.Reach().Nodes[n.Target.Digest]; node != nil && node.Refers != nil && failed[string(node.Refers.Subject)] {
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
		return slices.Sorted(maps.Keys(a.dir.manifest.Files))
	}
	for _, name := range slices.Sorted(maps.Keys(a.sizes)) {
		if rest, ok := strings.CutPrefix(name, "files/"); ok {
			list = append(list, "https://"+rest)
		}
	}
	return list
}

// unaccountedFiles finds files that are none of a release that was judged, do not stand
// beside one, and are not documents that a verdict may rest on.
func (a *audit) unaccountedFiles(k *accounted, versions []release.Version) {
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
		if known[url] || slices.ContainsFunc(layout.Sidecars, func(suffix string) bool {
			of, ok := strings.CutSuffix(url, suffix)
			return ok && (k.files[of] || with[of])
		}) {
			continue
		}
		a.note(layout.FilePath(url), report.Unknown, report.NoClaim, "it is there, and belongs to no release that was judged: nothing has proved it")
	}
}

// checksNotRun finds checks of images that the caller demands, and that no image
// of the mirror was put to, since it has none.
func (a *audit) checksNotRun(v *verify.Verifier, results []report.Result) {
	of := v.WithFileChecks().Require
	for _, name := range v.Require {
		if !slices.Contains(of, name) && !slices.ContainsFunc(results, func(r report.Result) bool {
			_, made := r.Check(name)
			return made
		}) {
			a.note(".", report.Unknown, report.NoClaim, "the check %s is demanded, and there is no image to make it of", name)
		}
	}
}
