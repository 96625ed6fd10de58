package world

import (
	"fmt"
	"strings"
	"time"
)

// changelog renders CHANGELOG-1.N.md: a table of contents, then a section for
// each version, newest first, down to .0, which always has one. Two programs
// write these sections, and they differ in blank lines and backticks.
func changelog(releases []*release, dropped func(version, image, arch string) bool) []byte {
	var b strings.Builder
	b.WriteString("<!-- BEGIN MUNGE: GENERATED_TOC -->\n\n")
	for i, r := range releases {
		slug := strings.NewReplacer(".", "").Replace(r.version)
		nth := ""
		if i > 0 {
			nth = sprintf("-%d", i)
		}
		fmt.Fprintf(&b, "- [%[1]s](#%[2]s)\n  - [Downloads for %[1]s](#downloads-for-%[2]s)\n", r.version, slug)
		for _, h := range []string{"Source Code", "Client Binaries", "Server Binaries", "Node Binaries", "Container Images"} {
			fmt.Fprintf(&b, "    - [%s](#%s%s)\n", h, strings.ReplaceAll(strings.ToLower(h), " ", "-"), nth)
		}
		fmt.Fprintf(&b, "  - [Changelog since %s](#changelog-since-%s)\n", r.previous(), strings.ReplaceAll(r.previous(), ".", ""))
		fmt.Fprintf(&b, "  - [Changes by Kind](#changes-by-kind%[1]s)\n    - [Bug or Regression](#bug-or-regression%[1]s)\n", nth)
	}
	b.WriteString("\n<!-- END MUNGE: GENERATED_TOC -->\n\n")
	for _, r := range releases {
		r.changelogSection(&b, func(image, arch string) bool { return dropped(r.version, image, arch) })
	}
	return []byte(b.String())
}

func (r *release) previous() string {
	if r.v[2] == 0 {
		return sprintf("v%d.%d.0", r.v[0], r.v[1]-1)
	}
	return sprintf("v%d.%d.%d", r.v[0], r.v[1], r.v[2]-1)
}

func (r *release) changelogSection(b *strings.Builder, dropped func(image, arch string) bool) {
	minorWriter := r.v[2] == 0 && !isPreRelease(r.version)
	gap, tick := "\n\n", ""
	if minorWriter {
		gap, tick = "\n", "`"
		fmt.Fprintf(b, "# %s\n\n[Documentation](https://docs.k8s.io)\n\n## Downloads for %s\n\n", r.version, r.version)
	} else {
		fmt.Fprintf(b, "# %s\n\n\n## Downloads for %s\n\n\n\n", r.version, r.version)
	}
	for _, group := range r.tarballs() {
		fmt.Fprintf(b, "### %s\n\nfilename | sha512 hash\n-------- | -----------\n", group.heading)
		for _, path := range group.paths {
			fmt.Fprintf(b, "[%[1]s](https://dl.k8s.io/%[2]s/%[1]s) | %[3]s%[4]s%[3]s\n", path, r.version, tick, hexSHA512(r.file(path)))
		}
		b.WriteByte('\n')
	}
	b.WriteString("### Container Images\n\nAll container images are available as manifest lists and support the described\n" +
		"architectures. It is also possible to pull a specific architecture directly by\n" +
		"adding the \"-$ARCH\" suffix  to the container image name." + gap + "name | architectures\n---- | -------------\n")
	console := "https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/"
	for _, im := range r.images {
		if !im.core || dropped(im.name, "") {
			continue
		}
		var arches []string
		for _, arch := range r.arches {
			if !dropped(im.name, arch) {
				arches = append(arches, sprintf("[%s](%s%s-%s)", arch, console, im.name, arch))
			}
		}
		fmt.Fprintf(b, "[%s/%s:%s](%s%s) | %s\n", r.host, im.name, r.version, console, im.name, strings.Join(arches, ", "))
	}
	fmt.Fprintf(b, "\n## Changelog since %s\n\n## Changes by Kind\n\n### Bug or Regression\n\n", r.previous())
	fmt.Fprintf(b, "- Something in %s works again. ([#%d](https://github.com/kubernetes/kubernetes/pull/%[2]d), [@nobody](https://github.com/nobody)) [SIG CLI and Node]\n\n", r.version, 100000+100*r.v[1]+r.v[2])
	b.WriteString("## Dependencies\n\n### Added\n_Nothing has changed._\n\n### Changed\n_Nothing has changed._\n\n### Removed\n_Nothing has changed._\n\n")
}

// schedule and endOfLife are the website's data files as of the middle of
// 2023: the day of a release is upstream's, all else is invented.
func schedule(releases []*release) []byte {
	var b strings.Builder
	b.WriteString("---\nschedules:\n")
	for i, r := range releases {
		if i > 0 && releases[i-1].v[1] == r.v[1] {
			continue // one entry a minor, its newest patch first
		}
		next := r.time.AddDate(0, 1, 0)
		end := r.time.AddDate(1, 0, 0)
		fmt.Fprintf(&b, "- endOfLifeDate: %q\n  maintenanceModeStartDate: %q\n  next:\n    cherryPickDeadline: %q\n    release: %d.%d.%d\n    targetDate: %q\n",
			end.Format(time.DateOnly), end.AddDate(0, -2, 0).Format(time.DateOnly), next.AddDate(0, 0, -5).Format(time.DateOnly), r.v[0], r.v[1], r.v[2]+1, next.Format(time.DateOnly))
		var patches strings.Builder
		for _, p := range releases[i:] {
			if p.v[1] == r.v[1] && p.v[2] > 0 {
				fmt.Fprintf(&patches, "  - cherryPickDeadline: %q\n    release: %s\n    targetDate: %q\n", p.time.AddDate(0, 0, -5).Format(time.DateOnly), p.version[1:], p.time.Format(time.DateOnly))
			}
		}
		if patches.Len() > 0 {
			b.WriteString("  previousPatches:\n" + patches.String())
		}
		fmt.Fprintf(&b, "  release: \"%d.%d\"\n  releaseDate: %q\n", r.v[0], r.v[1], r.time.AddDate(0, -r.v[2], 0).Format(time.DateOnly))
	}
	return []byte(b.String())
}

func endOfLife() []byte {
	return []byte("---\nbranches:\n- endOfLifeDate: \"2023-02-28\"\n  finalPatchRelease: 1.23.17\n  release: \"1.23\"\n- endOfLifeDate: \"2022-10-28\"\n  finalPatchRelease: 1.22.17\n  release: \"1.22\"\n")
}
