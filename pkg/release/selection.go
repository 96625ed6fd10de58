package release

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// FileKinds are the kinds of files that a name of a [Selection] may be; see [FileInfo].
var FileKinds = []string{"source", "client", "server", "node", "test", "binary", "archive"}

// AllImages and AllFiles are the names of a [Selection] that mean every image and
// every file.
const (
	AllImages = "images"
	AllFiles  = "files"
)

// Selection says which files and images of a release are meant, in every command
// and for every program alike. The zero value means all of them.
//
// A name is one of:
//   - a file's path below the release, "bin/linux/arm64/kubectl", or an image's
//     reference, "registry.k8s.io/kube-proxy:v1.27.2"
//   - the last element of such a path, "kube-proxy.tar" or "kubectl.exe"
//   - a component, "kube-proxy": its programs, and its images
//   - an image's repository, "kube-proxy-arm64" or "coredns/coredns"
//   - one of [FileKinds], "client"
//   - [AllImages] or [AllFiles]
//
// What a name itself says of its system is not narrowed once more: a path or a
// reference is what it names whatever OSes and Arches are, and NAME.exe, which there
// is for Windows alone, whatever OSes are.
type Selection struct {
	Names  []string // none means every name
	Kinds  []string // of [FileInfo]; none means every kind
	OSes   []string // such as "linux"; none means every system
	Arches []string // such as "arm64"; none means every architecture

	// Archives lets a component mean its image archives, bin/OS/ARCH/NAME.tar, too.
	// In a listing they are wanted; who fetches a component wants its program.
	Archives bool
}

// Item is a file or an image of a release, as a [Selection] sees it.
type Item struct {
	Subject   string // path below the release, or image reference
	Info      FileInfo
	Platforms []string // of an image for several, such as "linux/arm64"; nil where they are not known
}

// FileItem is the file of that path.
func FileItem(path string) Item { return Item{Subject: path, Info: DescribeFile(path)} }

// Has says whether a file or image is meant.
func (s Selection) Has(it Item) bool {
	if len(s.Kinds) > 0 && !slices.Contains(s.Kinds, it.Info.Kind) {
		return false
	}
	if len(s.Names) == 0 {
		return s.hasOS(it) && s.hasArch(it)
	}
	return slices.ContainsFunc(s.Names, func(name string) bool { return s.meansBy(name, it) })
}

// meansBy says whether an item is meant by one name.
func (s Selection) meansBy(name string, it Item) bool {
	last := it.Subject[strings.LastIndexByte(it.Subject, '/')+1:]
	switch {
	case name == it.Subject:
		return true
	case name == last && it.Info.OS == "windows" && strings.HasSuffix(name, ".exe"):
		return s.hasArch(it)
	case name != last && !s.meansKind(name, it):
		return false
	}
	return s.hasOS(it) && s.hasArch(it)
}

// meansKind says whether an item is of the component, repository or kind of that name.
func (s Selection) meansKind(name string, it Item) bool {
	image := it.Info.Kind == "image"
	switch {
	case name == AllImages:
		return image
	case name == AllFiles:
		return !image
	case image:
		return name == it.Info.Component || name == repositoryOf(it.Subject)
	case slices.Contains(FileKinds, name):
		return name == it.Info.Kind
	}
	return name == it.Info.Component && (it.Info.Kind == "binary" || s.Archives)
}

// repositoryOf is "coredns/coredns" of "registry.k8s.io/coredns/coredns:v1.10.1".
func repositoryOf(ref string) string {
	_, name, _ := strings.Cut(ref, "/")
	if end := strings.IndexAny(name, ":@"); end >= 0 {
		name = name[:end]
	}
	return name
}

// hasOS says whether an item is for a system that is meant. What is for no system is for all.
func (s Selection) hasOS(it Item) bool { return meansPart(s.OSes, it.Info.OS, it.Platforms, 0) }

func (s Selection) hasArch(it Item) bool { return meansPart(s.Arches, it.Info.Arch, it.Platforms, 1) }

func meansPart(meant []string, own string, platforms []string, part int) bool {
	if len(meant) == 0 || own == "" && len(platforms) == 0 {
		return true
	}
	if own != "" {
		return slices.Contains(meant, own)
	}
	return slices.ContainsFunc(platforms, func(p string) bool {
		parts := strings.Split(p, "/")
		return part < len(parts) && slices.Contains(meant, parts[part])
	})
}

// Paths chooses among paths of a release, in their order. missing are the names that
// mean none of them.
func (s Selection) Paths(paths []string) (chosen, missing []string) {
	met := map[string]bool{}
	for _, p := range paths {
		it := FileItem(p)
		if s.Has(it) {
			chosen = append(chosen, p)
		}
		for _, name := range s.Names {
			met[name] = met[name] || s.meansBy(name, it)
		}
	}
	for _, name := range s.Names {
		if !met[name] {
			missing = append(missing, name)
		}
	}
	return chosen, missing
}

// Systems are the systems that are meant, such as "linux/arm64"; "linux" or "arm64"
// where only the one is said, and nil where neither is.
func (s Selection) Systems() (list []string) {
	switch {
	case len(s.OSes) == 0:
		return slices.Clone(s.Arches)
	case len(s.Arches) == 0:
		return slices.Clone(s.OSes)
	}
	for _, o := range s.OSes {
		for _, arch := range s.Arches {
			list = append(list, o+"/"+arch)
		}
	}
	return list
}

// Here is the selection for the system that the program runs on, as far as OSes and
// Arches say nothing.
func (s Selection) Here() Selection {
	if len(s.OSes) == 0 {
		s.OSes = []string{runtime.GOOS}
	}
	if len(s.Arches) == 0 {
		s.Arches = []string{runtime.GOARCH}
	}
	return s
}

// ProgramPath is where a release has a program for a system: "bin/linux/amd64/kubectl"
// of "kubectl", "linux" and "amd64". Whether the release has it, its documents say.
// The error says which of the three cannot be part of such a path.
func ProgramPath(name, os, arch string) (string, error) {
	if os == "windows" {
		name = strings.TrimSuffix(name, ".exe") + ".exe"
	}
	p := "bin/" + os + "/" + arch + "/" + name
	if err := CheckPath(p); err != nil {
		return "", err
	}
	if DescribeFile(p).Kind != "binary" {
		return "", fmt.Errorf("%s on %s/%s is not a program; name one such as kubectl, a system such as linux, and an architecture such as amd64", quote(name), quote(os), quote(arch))
	}
	return p, nil
}

// ProgramPaths is where a release has a program for the systems that are meant,
// whether or not a document lists it; nil for a name that no program has.
func (s Selection) ProgramPaths(name string) (paths []string) {
	if len(s.OSes) == 1 && s.OSes[0] == "windows" {
		name = strings.TrimSuffix(name, ".exe")
	}
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" || slices.Contains(FileKinds, name) || name == AllImages || name == AllFiles {
		return nil
	}
	for _, o := range s.OSes {
		for _, arch := range s.Arches {
			if p, err := ProgramPath(name, o, arch); err == nil {
				paths = append(paths, p)
			}
		}
	}
	return paths
}
