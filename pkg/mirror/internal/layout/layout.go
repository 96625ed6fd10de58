// Package layout is how a mirror lies on disk: the names of its files, its lists
// and their readers, the record of a change of them that was not completed, what
// names of images reach, and how a layer is hashed.
//
// It reads a file system, with limits and digests, and knows no HTTP and no
// verdict. The page of pkg/mirror has the layout itself.
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
)

// The files of a mirror that are not content.
const (
	ManifestFile  = "MANIFEST.json"
	SignatureFile = "MANIFEST.json.sigstore.json"
	SumsFile      = "MANIFEST.sha256"
	LayoutFile    = "oci/oci-layout"
	IndexFile     = "oci/index.json"
	UnknownFolder = "unknown"

	// BaseComment begins the comment (POSIX pax, a global header) of an archive that leaves
	// out what another mirror has; the digest of that one's MANIFEST.json follows.
	BaseComment = "kverify: to be unpacked over the mirror with MANIFEST.json "

	LayoutText = `{"imageLayoutVersion":"1.0.0"}` + "\n"
)

const (
	BundleSuffix = ".sigstore.json"
	// maxBundle: a bundle with a certificate and a log entry has about 10 KiB.
	MaxBundle = 1 << 20
)

// summed are those that MANIFEST.sha256 has the checksums of, in its order.
var Summed = []string{ManifestFile, SignatureFile, LayoutFile, IndexFile}

// The hosts that the mirror answers for whether or not they have a directory.
const (
	HostFiles = "dl.k8s.io"
	HostCDN   = "cdn.dl.k8s.io"
	HostSBOM  = "sbom.k8s.io"
	HostRekor = "rekor.sigstore.dev"
)

func IsKind(fsys fs.FS, name string, is func(fs.FileMode) bool) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && is(info.Mode())
}

const (
	// HostImages is the registry that /v2/ means if nothing else is said.
	HostImages = "registry.k8s.io"
	// HostFormer is what it was called, until v1.25 in every document of a release.
	HostFormer = "k8s.gcr.io"
)

// MaxParts is how many parts an archive may be cut into; each is a file that is open while
// it is read.
const MaxParts = 256

// PartSuffix is how the n-th part of an archive is called behind the name of the whole: ".001".
func PartSuffix(n int) string { return fmt.Sprintf(".%03d", n) }

// Canonical gives the canonical URL of an address that is another one, and ""
// of every other.
//
//	dl.k8s.io/vX/<path>, cdn.dl.k8s.io/release/vX/<path>  ->  dl.k8s.io/release/vX/<path>
//	sbom.k8s.io/vX/{release,source}[.sig|...]             ->  dl.k8s.io/release/vX/kubernetes-{release,source}.spdx[.sig|...]
func Canonical(host, path string) string {
	const files = "https://" + HostFiles + "/release/"
	switch host {
	case HostFiles:
		if rest, ok := strings.CutPrefix(path, "/"); ok && StartsWithVersion(rest) {
			return files + rest
		}
	case HostCDN:
		if rest, ok := strings.CutPrefix(path, "/release/"); ok {
			return files + rest
		}
	case HostSBOM:
		version, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		kind, suffix, dot := strings.Cut(name, ".")
		if StartsWithVersion(version+"/") && (kind == "release" || kind == "source") {
			if dot {
				suffix = "." + suffix
			}
			return files + version + "/kubernetes-" + kind + ".spdx" + suffix
		}
	}
	return ""
}

// StartsWithVersion reports whether the first element of path looks like v1.2.3.
func StartsWithVersion(path string) bool {
	first, _, ok := strings.Cut(path, "/")
	return ok && len(first) > 1 && first[0] == 'v' && first[1] >= '0' && first[1] <= '9'
}

// BlobPath is where the layout keeps a digest; of one that is invalid it is no file.
func BlobPath(digest oci.Digest) string {
	return "oci/blobs/sha256/" + digest.Hex()
}

// FilePath is where a mirror keeps the canonical URL.
func FilePath(url string) string { return "files/" + strings.TrimPrefix(url, "https://") }

// IsClean reports whether a URL's path, decoded, is a plain file path: no
// empty, "." or ".." element, and nothing that a terminal or another file
// system takes for more than a name.
func IsClean(p string) bool {
	if len(p) < 2 || p[0] != '/' || path.Clean(p) != p || !fs.ValidPath(p[1:]) {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == ':' })
}

// beside are the endings of a file and of what lies beside it.
var Sidecars = []string{"", ".sha256", ".sha512", ".sig", ".cert", BundleSuffix}

// SubjectOfTag gives the digest that a tag of signatures or of referrers is about:
// "sha256-<hex>.sig" and its like, or "sha256-<hex>" alone.
func SubjectOfTag(tag string) oci.Digest {
	hex, ok := strings.CutPrefix(tag, "sha256-")
	if !ok || len(hex) < 64 || len(hex) > 64 && hex[64] != '.' {
		return ""
	}
	if d := oci.FromHex(hex[:64]); d.IsSHA256() {
		return d
	}
	return ""
}

// IsHex reports whether s is the 64 lower-case hexadecimal digits of a SHA-256.
func IsHex(s string) bool { return oci.FromHex(s).IsSHA256() }

// WithoutPath takes off the operation and the path, which the caller names better.
func WithoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func HashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func Exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}

// The annotations under which tools write an image's name. Where both are
// there they must say the same.
const (
	annotationRef        = "org.opencontainers.image.ref.name"
	annotationContainerd = "io.containerd.image.name"
)

// The error codes of the OCI distribution specification (https://github.com/opencontainers/distribution-spec).
const (
	CodeManifest = "MANIFEST_UNKNOWN"
	CodeBlob     = "BLOB_UNKNOWN"
	CodeName     = "NAME_UNKNOWN"
	CodeDigest   = "DIGEST_INVALID"
	CodeMethod   = "UNSUPPORTED"
	CodeDenied   = "DENIED"
	CodeRefused  = "UNKNOWN"
)

// MissesContent says whether a code of a registry tells of bytes that it has not, and not of a
// repository.
func MissesContent(code string) bool {
	return code == CodeManifest || code == CodeBlob || code == "MANIFEST_BLOB_UNKNOWN"
}
