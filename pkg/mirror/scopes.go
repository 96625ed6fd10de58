package mirror

import (
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/verify"
)

// Sparse is what the mirror says that it was made for: what [verify.Verifier]
// takes for it. Its list may narrow the architectures of an image, and nothing
// else (rule 2).
func (d *Mirror) Sparse() (out []verify.MirrorScope) {
	for _, s := range d.scopes() {
		out = append(out, verify.MirrorScope{Release: s.Release, Images: s.Images, Names: s.Names, Arches: s.Arches, OSes: s.OSes, Also: s.Also})
	}
	return out
}

// scopes are what the mirror must hold. A mirror that does not say, because it
// was made by hand, must hold the platforms and images that it names.
func (d *Mirror) scopes() []layout.Scope {
	if d.manifest != nil && len(d.manifest.Manifest.Scope) > 0 {
		return joined(d.manifest.Manifest.Scope)
	}
	found := map[string]*layout.Scope{}
	tags := func(work func(repo, tag string)) {
		for key, r := range d.repos {
			_, repo, _ := strings.Cut(key, "/")
			for tag := range r.Tags {
				work(repo, tag)
			}
		}
	}
	tags(func(repo, tag string) {
		v, ok := releaseOf(repo, tag)
		if !ok {
			return
		}
		s := found[tag]
		if s == nil {
			s = &layout.Scope{Release: v.String(), Images: true}
			found[tag] = s
		}
		info := release.DescribeImage("registry.k8s.io/" + repo + ":" + tag)
		if !slices.Contains(s.Names, info.Component) {
			s.Names = append(s.Names, info.Component)
		}
		if info.Arch != "" && !slices.Contains(s.Arches, info.Arch) {
			s.Arches = append(s.Arches, info.Arch)
		}
	})
	if d.manifest != nil {
		for _, name := range d.manifest.Manifest.Releases {
			if found[name] == nil {
				found[name] = &layout.Scope{Release: name}
			}
		}
	}
	var out []layout.Scope
	for _, tag := range slices.Sorted(maps.Keys(found)) {
		s := found[tag]
		slices.Sort(s.Names)
		slices.Sort(s.Arches)
		out = append(out, *s)
	}
	// Images of no release go with the first.
	tags(func(repo, tag string) {
		if _, ok := releaseOf(repo, tag); !ok && len(out) > 0 && !strings.HasSuffix(tag, ".sig") {
			out[0].Also = append(out[0].Also, "registry.k8s.io/"+repo+":"+tag)
		}
	})
	for i := range out {
		slices.Sort(out[i].Also)
	}
	return out
}

// releaseOf is the release that a tag is an image of; false for one of an image with versions of
// its own, such as etcd, CoreDNS or a driver. The images of a release lie at the top of the
// registry, under its version.
func releaseOf(repo, tag string) (release.Version, bool) {
	if strings.Contains(repo, "/") || !strings.HasPrefix(tag, "v") {
		return release.Version{}, false
	}
	v, err := release.ParseVersion(tag)
	return v, err == nil
}

// joined puts runs together that were asked for the same images of a release on
// different platforms.
func joined(list []layout.Scope) (out []layout.Scope) {
	for _, s := range list {
		same := func(o layout.Scope) bool {
			return o.Release == s.Release && o.Images == s.Images && slices.Equal(o.Names, s.Names) && slices.Equal(o.OSes, s.OSes) && slices.Equal(o.Also, s.Also)
		}
		i := slices.IndexFunc(out, same)
		switch {
		case i < 0:
			out = append(out, s)
		case len(out[i].Arches) == 0 || len(s.Arches) == 0:
			out[i].Arches = nil
		default:
			out[i].Arches = layout.Union(out[i].Arches, s.Arches)
		}
	}
	return out
}
