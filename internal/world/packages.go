package world

import (
	"fmt"
	"slices"
	"strings"
)

// KubeletDeb is a package of a kubelet as debbuild writes it: an ar archive of
// three members. Its revision is such as "1.1".
func KubeletDeb(version, revision, arch string, kubelet []byte) []byte {
	control := sprintf("Package: kubelet\nVersion: %s-%s\nArchitecture: %s\nMaintainer: nobody <nobody@example.com>\nDescription: Node agent for clusters\n .\n not Kubernetes\n", version[1:], revision, arch)
	var b strings.Builder
	b.WriteString("!<arch>\n")
	member := func(name string, body []byte) {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", name, 0, 0, 0, "100644", len(body), body)
		if len(body)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	member("control.tar.gz", gzipped(newTar([]tarFile{{name: "./control", body: []byte(control)}})))
	member("data.tar.gz", gzipped(newTar([]tarFile{
		{name: "./usr/bin/kubelet", body: kubelet},
		{name: "./usr/lib/systemd/system/kubelet.service", body: []byte("[Service]\nExecStart=/usr/bin/kubelet\n")},
	})))
	return []byte(b.String())
}

// PutPackages publishes the kubelets of releases as Debian packages, in a
// repository a minor. Its list has the forms that mislead: all architectures in
// one, packages of other projects between, versions sorted as text (1.28.10 before
// 1.28.2), and each release twice, the first time with another program inside.
func (w *World) PutPackages(versions ...string) {
	lists := map[string][]string{}
	add := func(version, revision, arch string, kubelet []byte) {
		deb := KubeletDeb(version, revision, arch, kubelet)
		path := sprintf("%s/kubelet_%s-%s_%s.deb", arch, version[1:], revision, arch)
		w.PutFile(PackageURL(version, path), deb)
		list := PackageURL(version, "Packages")
		lists[list] = append(lists[list], sprintf("Package: kubelet\nVersion: %s-%s\nArchitecture: %s\nDescription: Node agent for clusters\n .\n Version: 9.9.9-1.1\nFilename: %s\nSize: %d\nSHA256: %s\n",
			version[1:], revision, arch, path, len(deb), hexSHA256(deb)))
	}
	for _, version := range versions {
		r := w.release(version)
		for _, arch := range r.arches {
			kubelet := r.file("bin/linux/" + arch + "/kubelet")
			add(version, "1.1", arch, append([]byte("withdrawn\n"), kubelet...))
			add(version, "2.1", arch, kubelet)
		}
	}
	for list, stanzas := range lists {
		slices.Sort(stanzas)
		other := sprintf("Package: cri-tools\nVersion: 99.0.0-1.1\nArchitecture: amd64\nFilename: amd64/cri-tools_99.0.0-1.1_amd64.deb\nSize: 1\nSHA256: %064d\n", 0)
		w.PutFile(list, []byte(other+"\n"+strings.Join(stanzas, "\n")))
	}
}
