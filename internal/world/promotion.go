package world

import (
	"fmt"
	"slices"
	"strings"
)

// promoted is a row of a promotion manifest.
type promoted struct{ image, digest, tag string }

// promotions are the rows that promote a release, by staging project.
func (r *release) promotions() map[string][]promoted {
	rows := map[string][]promoted{}
	for _, im := range r.images {
		switch im.name {
		case "etcd", "coredns/coredns":
			name := im.name[strings.LastIndexByte(im.name, '/')+1:]
			project := "k8s-staging-" + name
			rows[project] = append(rows[project], promoted{name, im.list.Digest(), im.tag})
			continue
		}
		rows[core] = append(rows[core], promoted{im.name, im.list.Digest(), im.tag})
		for _, p := range im.platforms {
			if im.core {
				rows[core] = append(rows[core], promoted{im.name + "-" + p.Architecture, p.manifest.Digest(), im.tag})
			}
		}
	}
	return rows
}

// core is the staging project of the core images.
const core = "k8s-staging-kubernetes"

var otherTags = map[string]string{"pause": "3.2", "etcd": "3.4.13-0", "coredns": "v1.8.0"}

// promotionYAML renders a promotion manifest: by image, and within it by tag,
// compared as text. Every image has a row of another version too.
func promotionYAML(rows []promoted) []byte {
	rows = slices.Clone(rows)
	for _, r := range slices.Clone(rows) {
		tag := "v1.27.16" // as text before v1.27.2
		if other, ok := otherTags[r.image]; ok {
			tag = other
		}
		if !slices.ContainsFunc(rows, func(p promoted) bool { return p.image == r.image && p.tag == tag }) {
			rows = append(rows, promoted{r.image, digestOf([]byte("other " + r.image)), tag})
		}
	}
	slices.SortFunc(rows, func(a, b promoted) int {
		return strings.Compare(a.image+"\x00"+a.tag+a.digest, b.image+"\x00"+b.tag+b.digest)
	})
	rows = slices.Compact(rows)
	var b strings.Builder
	last := ""
	for _, r := range rows {
		if r.image != last {
			fmt.Fprintf(&b, "- name: %s\n  dmap:\n", r.image)
			last = r.image
		}
		fmt.Fprintf(&b, "    %q: [%q]\n", r.digest, r.tag)
	}
	return []byte(b.String())
}
