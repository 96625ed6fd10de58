package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"strings"
)

// The files of a mirror that are not content.
const (
	manifestFile  = "MANIFEST.json"
	signatureFile = "MANIFEST.json.sigstore.json"
	sumsFile      = "MANIFEST.sha256"
	layoutFile    = "oci/oci-layout"
	indexFile     = "oci/index.json"
	unknownFolder = "unknown"

	layoutText = `{"imageLayoutVersion":"1.0.0"}` + "\n"
)

const (
	bundleSuffix = ".sigstore.json"
	// maxBundle: a bundle with a certificate and a log entry has about 10 KiB.
	maxBundle = 1 << 20
)

// summed are those that MANIFEST.sha256 has the checksums of, in its order.
var summed = []string{manifestFile, signatureFile, layoutFile, indexFile}

// The hosts that the mirror answers for whether or not they have a directory.
const (
	hostFiles = "dl.k8s.io"
	hostCDN   = "cdn.dl.k8s.io"
	hostSBOM  = "sbom.k8s.io"
	hostRekor = "rekor.sigstore.dev"
)

func isKind(fsys fs.FS, name string, is func(fs.FileMode) bool) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && is(info.Mode())
}

// hostImages is the registry that /v2/ means if nothing else is said.
const hostImages = "registry.k8s.io"

// canonical gives the canonical URL of an address that is another one, and ""
// of every other.
//
//	dl.k8s.io/vX/<path>, cdn.dl.k8s.io/release/vX/<path>  ->  dl.k8s.io/release/vX/<path>
//	sbom.k8s.io/vX/{release,source}[.sig|...]             ->  dl.k8s.io/release/vX/kubernetes-{release,source}.spdx[.sig|...]
func canonical(host, path string) string {
	const files = "https://" + hostFiles + "/release/"
	switch host {
	case hostFiles:
		if rest, ok := strings.CutPrefix(path, "/"); ok && startsWithVersion(rest) {
			return files + rest
		}
	case hostCDN:
		if rest, ok := strings.CutPrefix(path, "/release/"); ok {
			return files + rest
		}
	case hostSBOM:
		version, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		kind, suffix, dot := strings.Cut(name, ".")
		if startsWithVersion(version+"/") && (kind == "release" || kind == "source") {
			if dot {
				suffix = "." + suffix
			}
			return files + version + "/kubernetes-" + kind + ".spdx" + suffix
		}
	}
	return ""
}

// startsWithVersion reports whether the first element of path looks like v1.2.3.
func startsWithVersion(path string) bool {
	first, _, ok := strings.Cut(path, "/")
	return ok && len(first) > 1 && first[0] == 'v' && first[1] >= '0' && first[1] <= '9'
}

// blobPath is where the layout keeps a digest that passed isDigest.
func blobPath(digest string) string {
	return "oci/blobs/sha256/" + strings.TrimPrefix(digest, "sha256:")
}

// filePath is where a mirror keeps the canonical URL.
func filePath(url string) string { return "files/" + strings.TrimPrefix(url, "https://") }

// isClean reports whether a URL's path, decoded, is a plain file path: no
// empty, "." or ".." element, and nothing that a terminal or another file
// system takes for more than a name.
func isClean(p string) bool {
	if len(p) < 2 || p[0] != '/' || path.Clean(p) != p || !fs.ValidPath(p[1:]) {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' })
}

// beside are the endings of a file and of what lies beside it.
var beside = []string{"", ".sha256", ".sha512", ".sig", ".cert", bundleSuffix}

// signed gives the digest that a tag of signatures or of referrers is about:
// "sha256-<hex>.sig" and its like, or "sha256-<hex>" alone.
func signed(tag string) string {
	hex, ok := strings.CutPrefix(tag, "sha256-")
	if !ok || len(hex) < 64 || !isHex(hex[:64]) || len(hex) > 64 && hex[64] != '.' {
		return ""
	}
	return "sha256:" + hex[:64]
}

func isDigest(s string) bool {
	rest, ok := strings.CutPrefix(s, "sha256:")
	return ok && isHex(rest)
}

// isHex reports whether s is the 64 lower-case hexadecimal digits of a SHA-256.
func isHex(s string) bool {
	if len(s) != 64 || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

// bare takes off the operation and the path, which the caller names better.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func isThere(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}

// The annotations under which tools write an image's name. Where both are
// there they must say the same.
const (
	annotationRef        = "org.opencontainers.image.ref.name"
	annotationContainerd = "io.containerd.image.name"
)
