package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

// transports are what skopeo, podman and crane write before a name (containers-transports(5)).
var transports = []struct {
	prefix, means string
	write         func(rest string) string
}{
	{"docker-archive:", "for a file that docker save wrote", archived},
	{"oci-archive:", "for an archive of an OCI layout", archived},
	{"oci:", "for an OCI layout", archived},
	{"dir:", "for a directory", archived},
	{"docker://", "for a registry", func(rest string) string { return rest }},
	{"containers-storage:", "for what podman holds", func(string) string { return "-f LIST, with what podman images --digests printed" }},
	{"docker-daemon:", "for what docker holds", func(string) string { return "./FILE, which docker save wrote" }},
}

// archived is the path before ":TAG", as verify takes it.
func archived(rest string) string {
	slash := strings.LastIndexByte(rest, '/') + 1
	name, _, _ := strings.Cut(rest[slash:], ":")
	return command.LocalPath(rest[:slash] + name)
}

// noReference words why a WHAT is no reference, where more can be said than err does.
func noReference(what string, err error, accepted string) error {
	if what == "-" {
		return command.Usagef("%q is no image; write -f - for a list on stdin, or %s", what, accepted)
	}
	if what == "" || strings.HasPrefix(what, command.ImageHost) || strings.Contains(what, "://") || strings.ContainsAny(what, " \t") {
		return err
	}
	if fault := sight.LineFault(what); fault != "" {
		return command.Usagef("%s", fault)
	}
	if ref, notName := sight.ReadName(what); notName == nil && ref.Host == "docker.io" && !strings.HasPrefix(what, ref.Host) {
		repository := strings.TrimPrefix(ref.Repository, "library/")
		if !command.IsPublishedName(repository) && command.MeantImage(registry.Ref{Host: command.ImageHost, Repository: repository}) == "" {
			return command.Elsewhere(what, "", ref, accepted)
		}
	}
	return err
}

// reference reads one WHAT of verify that is not a release.
func reference(a *command.App, what string) (registry.Ref, error) {
	const accepted = "write a version, registry.k8s.io/NAME:TAG or registry.k8s.io/NAME@sha256:DIGEST"
	_, err := os.Lstat(what)
	isFile := err == nil
	ref, err := registry.ParseRef(what)
	for _, t := range transports {
		if path, cut := strings.CutPrefix(what, t.prefix); cut && !isFile {
			return ref, command.Usagef("%q: other tools write %s %s; write kverify verify %s", what, t.prefix, t.means, t.write(path))
		}
	}
	switch {
	case isFile && err == nil:
		return ref, command.Usagef("%q is both an image and a file here; run this from another directory", what)
	case isFile:
		return ref, command.Usagef("%q is a file here; write ./%s for it, or %s", what, what, accepted)
	case command.ForeignVersion(what) != nil:
		return ref, command.ForeignVersion(what)
	case err != nil:
		for _, scheme := range []string{"https://", "http://"} {
			rest, cut := strings.CutPrefix(what, scheme)
			if ref, parseErr := registry.ParseRef(rest); cut && parseErr == nil && ref.Host != command.ImageHost {
				return ref, command.Elsewhere(what, scheme, ref, accepted)
			}
		}
		return ref, noReference(what, err, accepted)
	case ref.Host == command.ImageHost:
		return ref, nil
	}
	if image, ok := command.Published(ref); ok {
		a.SayLater(fmt.Sprintf("%s is %s, and is read and judged as that", ref, image))
		return image, nil
	}
	return ref, command.Elsewhere(what, "", ref, accepted)
}
