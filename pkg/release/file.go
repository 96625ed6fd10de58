package release

import (
	"slices"
	"strings"
)

// FileInfo is what the path of a release's file says about it.
type FileInfo struct {
	// Kind is "source", "client", "server", "node" or "test" for a tarball of
	// that kind, "binary" for one program, "archive" for the docker archive of an
	// image and the tag beside it, "image" for an image in the registry, "document" for SBOMs, checksums, provenance and notes;
	// otherwise "other".
	Kind      string `json:"kind"`
	Component string `json:"component,omitempty"` // of a binary or an image, such as "kubectl"
	OS        string `json:"os,omitempty"`        // such as "linux"
	Arch      string `json:"arch,omitempty"`      // such as "arm64"
}

// documents are the files that speak about a release.
var documents = []string{"SHA256SUMS", "SHA512SUMS", "kubernetes-release.spdx", "kubernetes-source.spdx", "provenance.json", "release-notes.json"}

// signedSidecars lie beside every file that is signed.
var signedSidecars = []string{".sig", ".cert", ".sha256", ".sha512"}

// BundleSuffix is what a Sigstore bundle that was kept beside a file has behind the
// file's name. Releases publish none.
const BundleSuffix = ".sigstore.json"

// IsSidecar says whether a path is that of something published beside a file: its
// signature, certificate or checksums, or the tag beside an image archive.
func IsSidecar(path string) bool {
	return strings.HasSuffix(path, ".docker_tag") ||
		slices.ContainsFunc(signedSidecars, func(suffix string) bool { return strings.HasSuffix(path, suffix) })
}

// DescribeFile tells what the file of that path is, by its path alone: "bin/OS/
// ARCH/COMPONENT[.exe]", "kubernetes-KIND-OS-ARCH.tar.gz", or one of the few
// others. Signatures and checksums beside a file are described as the file is.
func DescribeFile(path string) FileInfo {
	for _, suffix := range signedSidecars {
		path = strings.TrimSuffix(path, suffix)
	}
	if slices.Contains(documents, path) {
		return FileInfo{Kind: "document"}
	}
	switch path {
	case "kubernetes.tar.gz", "kubernetes-src.tar.gz":
		return FileInfo{Kind: "source"}
	}
	if parts := strings.Split(path, "/"); len(parts) == 4 && parts[0] == "bin" {
		return describeBinary(parts[1], parts[2], parts[3])
	}
	name, ok := strings.CutSuffix(path, ".tar.gz")
	parts := strings.Split(name, "-")
	if !ok || parts[0] != "kubernetes" || len(parts) < 2 {
		return FileInfo{Kind: "other"}
	}
	info := FileInfo{Kind: parts[1]}
	switch info.Kind {
	case "client", "server", "node", "test":
		if len(parts) == 4 {
			info.OS, info.Arch = parts[2], parts[3]
		}
		return info
	}
	return FileInfo{Kind: "other"}
}

func describeBinary(os, arch, name string) FileInfo {
	info := FileInfo{Kind: "binary", Component: strings.TrimSuffix(name, ".exe"), OS: os, Arch: arch}
	for _, suffix := range []string{".tar", ".docker_tag"} {
		if c, ok := strings.CutSuffix(name, suffix); ok {
			info.Kind, info.Component = "archive", c
		}
	}
	return info
}

// DescribeImage tells what the image of that reference is, by its name alone:
// "registry.k8s.io/kube-proxy-arm64:v1.27.2" is the component kube-proxy for
// one architecture. An index, which is for several, has neither OS nor Arch.
func DescribeImage(ref string) FileInfo {
	_, name, _ := strings.Cut(ref, "/")
	if end := strings.IndexAny(name, ":@"); end >= 0 {
		name = name[:end]
	}
	info := FileInfo{Kind: "image", Component: name}
	for _, arch := range Arches {
		if c, ok := strings.CutSuffix(name, "-"+arch); ok && c != "" {
			return FileInfo{Kind: "image", Component: c, OS: "linux", Arch: arch}
		}
	}
	return info
}
