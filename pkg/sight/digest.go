package sight

import (
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
)

// imageID is what a runtime calls an image by.
type imageID struct {
	digest oci.Digest // a SHA-256, or empty
	bare   bool       // see Sighting.Bare
	short  bool       // it was cut off after 12 digits
	name   string     // the whole REPOSITORY@DIGEST, where there is one
	fault  string     // why it cannot be read
}

// noTrunc is the hint for ids of 12 digits, which are no digests.
const noTrunc = "give whole ones: --no-trunc, or -o json"

// readID reads every form in which runtimes give an image's id and kubelets an
// imageID: "docker-pullable://REPOSITORY@sha256:…", "docker://sha256:…"
// (cri-dockerd), "REPOSITORY@sha256:…", "sha256:…" (containerd), 64 hex digits
// (CRI-O), and nothing, as long as a container waits.
func readID(s string) imageID {
	for _, scheme := range []string{"docker-pullable://", "docker://"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			s = rest
			break
		}
	}
	name, digest, named := strings.Cut(s, "@")
	if !named {
		name, digest = "", s
	}
	hex, ok := strings.CutPrefix(digest, "sha256:")
	switch {
	case s == "":
		return imageID{}
	case strings.Contains(s, "://"):
		scheme, _, _ := strings.Cut(s, "://")
		return imageID{fault: fmt.Sprintf("the image id begins with %s://, which no runtime that kverify knows writes", quoted(scheme))}
	case isHex(hex, 12):
		return imageID{short: true, fault: "the image id has 12 digits, which is no digest; " + noTrunc}
	case !isHex(hex, 64):
		return imageID{fault: fmt.Sprintf("the image id %s is no digest; a digest is sha256: and 64 lower-case hex digits", quoted(s))}
	case !named:
		return imageID{digest: oci.FromHex(hex), bare: !ok}
	case isImport(name):
		return imageID{digest: oci.FromHex(hex)}
	}
	if w := readWritten(s); w.fault != "" {
		return imageID{fault: w.fault}
	}
	return imageID{digest: oci.FromHex(hex), name: name + "@" + digest}
}

// isHex says whether s is n lower-case hex digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isImport says whether a repository is what containerd calls an image that it
// imported with --digests: "import-2026-11-26", which no publisher gave.
func isImport(repository string) bool {
	last := repository[strings.LastIndexByte(repository, '/')+1:]
	date, ok := strings.CutPrefix(last, "import-")
	if !ok || len(date) != len("2026-11-26") {
		return false
	}
	for i := range len(date) {
		if c := date[i]; (i == 4 || i == 7) != (c == '-') || c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// written is a reference as it stands in the input, with the digest in it.
type written struct {
	name   string
	digest oci.Digest
	fault  string
}

// readWritten reads the reference of a line, a spec or an image store. What is
// no reference is a fault that quotes it, and no name.
func readWritten(s string) written {
	ref, err := ReadName(s)
	switch {
	case err != nil:
		return written{fault: err.Error()}
	case isImport(ref.Repository) && ref.Digest != "":
		return written{digest: ref.Digest}
	}
	return written{name: s, digest: ref.Digest}
}
