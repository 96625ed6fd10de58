package world

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// release is what a version consists of. It is made once and never changed:
// attacks work on what is rendered from it.
type release struct {
	version string
	v       [3]int
	time    time.Time
	host    string // of the images in CHANGELOG and SBOM
	arches  []string
	images  []*image
	files   []file
	seed    string
	pad     int // bytes added to program layers
}

// file is a file below https://dl.k8s.io/release/VERSION/.
type file struct {
	path   string
	body   []byte
	signed bool   // has .sig and .cert
	built  string // path in the build directory; empty: not in the SBOM
	also   string // a second one, under which it is listed again
}

// Days of the releases that have been asked for; others get a likely one.
var releaseDays = map[string]string{
	"v1.24.0": "2022-05-03", "v1.25.0": "2022-08-23", "v1.26.0": "2022-12-09",
	"v1.27.0": "2023-04-11", "v1.27.1": "2023-04-14", "v1.27.2": "2023-05-17", "v1.27.3": "2023-06-14",
	"v1.28.0": "2023-08-15", "v1.28.1": "2023-08-24", "v1.28.2": "2023-09-13",
}

// Tags of pause, etcd and coredns: the constants of kubeadm in that minor
// (cmd/kubeadm/app/constants). Newer minors than the last take the last.
var kubeadmTags = map[int][3]string{
	24: {"3.7", "3.5.3-0", "v1.8.6"},
	25: {"3.8", "3.5.4-0", "v1.9.3"},
	26: {"3.9", "3.5.6-0", "v1.9.3"},
	27: {"3.9", "3.5.7-0", "v1.10.1"},
	28: {"3.9", "3.5.9-0", "v1.10.1"},
	29: {"3.9", "3.5.10-0", "v1.11.1"},
}

// Core images before kubectl joined them in 1.28.
var coreImages = []string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"}

var (
	serverBinaries = []string{
		"apiextensions-apiserver", "kube-aggregator", "kube-apiserver", "kube-controller-manager", "kube-proxy",
		"kube-scheduler", "kubeadm", "kubelet", "mounter", "kubectl", "kubectl-convert",
	}
	clientPlatforms = []string{
		"darwin/amd64", "darwin/arm64", "linux/386", "linux/amd64", "linux/arm", "linux/arm64", "linux/ppc64le",
		"linux/s390x", "windows/386", "windows/amd64", "windows/arm64",
	}
	windowsNode = []string{"kubeadm", "kubelet", "kube-proxy"}
)

func newRelease(version, seed string, layerBytes int) *release {
	r := &release{version: version, v: parseVersion(version), host: HostRegistry, seed: seed, pad: layerBytes}
	r.arches = []string{"amd64", "arm64", "ppc64le", "s390x"}
	if r.before(1, 27, 0) {
		r.arches = []string{"amd64", "arm", "arm64", "ppc64le", "s390x"}
	}
	day, ok := releaseDays[version]
	// A patch a month; a world of very many must not outlive its authorities.
	r.time = time.Date(2023, time.Month(4+4*(r.v[1]-27)), 11+30*min(r.v[2], 60)+max(0, r.v[2]-60), 14, 0, 0, 0, time.UTC)
	if ok {
		t, err := time.Parse(time.DateOnly, day)
		must(err)
		r.time = t.Add(14 * time.Hour)
	}
	if isPreRelease(version) {
		r.time = r.time.AddDate(0, 0, -14)
	}
	if r.time.Before(time.Date(2022, 11, 10, 0, 0, 0, 0, time.UTC)) { // about v1.26.0-beta.0
		r.host = "k8s.gcr.io"
	}
	r.buildImages()
	return r
}

func (r *release) before(major, minor, patch int) bool {
	return slices.Compare(r.v[:], []int{major, minor, patch}) < 0
}

// core are the names of the images that are built with the release.
func (r *release) core() []string {
	if r.before(1, 28, 0) {
		return coreImages
	}
	return append(slices.Clone(coreImages), "kubectl")
}

func (r *release) image(name string) *image {
	i := slices.IndexFunc(r.images, func(im *image) bool { return im.name == name })
	if i < 0 {
		panic(fmt.Sprintf("world: %s has no image %s", r.version, name))
	}
	return r.images[i]
}

// binary is the content of a program: a few words that no other program has.
func (r *release) binary(name, os, arch string) []byte {
	return fmt.Appendf(nil, "#!/bin/sh\n# Made by kverify's tests; not Kubernetes.%s\necho %s %s %s/%s\n", r.seed, name, r.version, os, arch)
}

// padding is n bytes that do not compress.
func padding(seed string, n int) []byte {
	body := make([]byte, n)
	_, err := rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(body)
	must(err)
	return body
}

func (r *release) buildImages() {
	var linux []platform
	for _, arch := range r.arches {
		p := platform{Architecture: arch, OS: "linux"}
		if arch == "arm" {
			p.Variant = "v7"
		}
		linux = append(linux, p)
	}
	for _, name := range r.core() {
		im := &image{name: name, tag: r.version, core: true}
		im.build(r.time, linux, func(p platform) []*layer {
			system := tarFile{name: "etc/os-release", body: []byte("ID=test-base-" + p.Architecture + "\n")}
			base := newLayer([]tarFile{system})
			contents := []tarFile{{name: binaryPath(name, p), body: r.binary(name, p.OS, p.Architecture)}}
			if r.pad > 0 {
				contents = append(contents, tarFile{name: "usr/share/padding", body: padding(r.version+name+p.Architecture+r.seed, r.pad)})
			}
			program := newLayer(contents)
			switch name {
			case "kubectl": // on a base whose /bin is a link
				return []*layer{newLayer([]tarFile{system, {name: "bin", link: "usr/bin"}}), program}
			case "conformance": // the empty layer twice
				if !r.before(1, 28, 0) { // the real ones always held a kubectl; these since then, so that the sample stays as it is
					program = newLayer([]tarFile{{name: "usr/local/bin/kubectl", body: r.binary("kubectl", p.OS, p.Architecture)},
						{name: binaryPath(name, p), body: r.binary(name, p.OS, p.Architecture)}})
				}
				scripts := newLayer([]tarFile{{name: "run_e2e.sh", body: []byte("#!/bin/sh\nexit 0\n")}})
				return []*layer{base, emptyLayer(), scripts, emptyLayer(), program}
			case "kube-proxy": // the same, and its SBOM says so in another way
				return []*layer{base, emptyLayer(), program, emptyLayer()}
			}
			runner := newLayer([]tarFile{{name: "go-runner", body: []byte("go-runner " + p.Architecture + "\n")}})
			return []*layer{base, runner, program}
		})
		r.images = append(r.images, im)
	}

	tags := kubeadmTags[max(24, min(r.v[1], 29))]
	all := []platform{
		{Architecture: "amd64", OS: "linux"}, {Architecture: "arm", OS: "linux", Variant: "v7"}, {Architecture: "arm64", OS: "linux"},
		{Architecture: "ppc64le", OS: "linux"}, {Architecture: "s390x", OS: "linux"},
		{Architecture: "amd64", OS: "windows", OSVersion: "10.0.17763.2928"}, {Architecture: "amd64", OS: "windows", OSVersion: "10.0.20348.707"},
	}
	for i, name := range []string{"pause", "etcd", "coredns/coredns"} {
		platforms := all
		if name == "coredns/coredns" {
			platforms = all[:5]
		}
		im := &image{name: name, tag: tags[i]}
		im.build(r.timeOf(im), platforms, func(p platform) []*layer {
			base := name[strings.LastIndexByte(name, '/')+1:]
			what := fmt.Sprintf("%s %s %s/%s %s%s\n", base, im.tag, p.OS, p.Architecture, p.OSVersion, r.seed)
			return []*layer{newLayer([]tarFile{{name: binaryPath(base, p), body: []byte(what)}})}
		})
		r.images = append(r.images, im)
	}
}

// timeOf is when an image was promoted. pause, etcd and coredns are older than
// the releases that use them.
func (r *release) timeOf(im *image) time.Time {
	if im.core {
		return r.time.Add(time.Hour)
	}
	return time.Date(2022, 12, 5, 10, 0, 0, 0, time.UTC)
}

func (r *release) buildFiles() {
	add := func(path string, body []byte, built string) {
		r.files = append(r.files, file{path: path, body: body, signed: !r.before(1, 26, 0), built: built})
	}
	program := func(os, arch, name, kind string) {
		if os == "windows" {
			name += ".exe"
		}
		add(sprintf("bin/%s/%s/%s", os, arch, name), r.binary(name, os, arch),
			sprintf("release-stage/%s/%s-%s/kubernetes/%s/bin/%s", kind, os, arch, kind, name))
	}
	for _, arch := range r.arches {
		for _, name := range serverBinaries {
			program("linux", arch, name, "server")
		}
	}
	for _, name := range windowsNode {
		program("windows", "amd64", name, "node")
	}
	for _, p := range clientPlatforms {
		os, arch, _ := strings.Cut(p, "/")
		if os == "linux" && slices.Contains(r.arches, arch) {
			continue
		}
		for _, name := range []string{"kubectl", "kubectl-convert"} {
			program(os, arch, name, "client")
			if p == "windows/amd64" { // krel finds these in the node's directory too
				f := &r.files[len(r.files)-1]
				f.also = strings.NewReplacer("/client-", "/node-", "/client/", "/node/").Replace(f.built)
			}
		}
	}
	for _, name := range r.core()[1:] { // not conformance
		for _, p := range r.image(name).platforms {
			dir := sprintf("bin/linux/%s/%s", p.Architecture, name)
			archive, _ := dockerArchive(r.archiveRef(name, p.Architecture), p)
			add(dir+".tar", archive, "")
			r.files = append(r.files, file{path: dir + ".docker_tag", body: []byte(r.version)})
		}
	}
	for _, t := range r.tarballs() {
		for _, path := range t.paths {
			body := gzipped(newTar([]tarFile{{name: "kubernetes/version", body: []byte(r.version + " " + path + r.seed + "\n")}}))
			add(path, body, "release-tars/"+path)
		}
	}
	for _, path := range []string{"kubernetes-manifests.tar.gz", "kubernetes-test-portable.tar.gz", "kubernetes-test-linux-amd64.tar.gz"} {
		add(path, gzipped(newTar([]tarFile{{name: "kubernetes/version", body: []byte(r.version + " " + path + "\n")}})), "release-tars/"+path)
	}
	add("release-notes.json", []byte(sprintf("{\n  \"1\": {\"text\": \"A note of %s.\", \"kinds\": [\"bug\"], \"sigs\": [\"cli\"]}\n}\n", r.version)), "")
	slices.SortFunc(r.files, func(a, b file) int { return strings.Compare(a.path, b.path) })
}

func (r *release) archiveRef(name, arch string) string {
	return sprintf("%s/%s-%s:%s", r.host, name, arch, r.version)
}

// tarballGroup is a section of the CHANGELOG's downloads.
type tarballGroup struct {
	heading string
	paths   []string
}

func (r *release) tarballs() []tarballGroup {
	of := func(kind string, platforms []string) (paths []string) {
		for _, p := range platforms {
			paths = append(paths, sprintf("kubernetes-%s-%s.tar.gz", kind, strings.Replace(p, "/", "-", 1)))
		}
		return paths
	}
	var linux []string
	for _, arch := range r.arches {
		linux = append(linux, "linux/"+arch)
	}
	return []tarballGroup{
		{"Source Code", []string{"kubernetes.tar.gz", "kubernetes-src.tar.gz"}},
		{"Client Binaries", of("client", clientPlatforms)},
		{"Server Binaries", of("server", linux)},
		{"Node Binaries", of("node", append(slices.Clone(linux), "windows/amd64"))},
	}
}

func (r *release) file(path string) []byte {
	for _, f := range r.files {
		if f.path == path {
			return f.body
		}
	}
	return nil
}

// sums are SHA256SUMS or SHA512SUMS. Until v1.27.5 and v1.28.1 their paths are
// those of the build machine.
func (r *release) sums(hash func([]byte) string) []byte {
	prefix := ""
	if r.before(1, 27, 6) || r.v == [3]int{1, 28, 0} || r.v == [3]int{1, 28, 1} {
		prefix = sprintf("/workspace/src/k8s.io/kubernetes/_output-%s/gcs-stage/%s/", r.version, r.version)
	}
	var lines []string
	for _, f := range r.files {
		lines = append(lines, hash(f.body)+"  "+prefix+f.path)
	}
	return []byte(strings.Join(lines, "\n"))
}

func hexSHA512(b []byte) string {
	sum := sha512.Sum512(b)
	return hex.EncodeToString(sum[:])
}

func hexSHA1(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}
