package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/registry"
)

// reference reads one WHAT of verify that is not a release.
func reference(a *command.App, what string) (registry.Ref, error) {
	const accepted = "write a version, registry.k8s.io/NAME:TAG or registry.k8s.io/NAME@sha256:DIGEST"
	_, err := os.Lstat(what)
	isFile := err == nil
	ref, err := registry.ParseRef(what)
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
		return ref, err
	case ref.Host == command.ImageHost:
		return ref, nil
	}
	if image, ok := command.Published(ref); ok {
		a.SayLater(fmt.Sprintf("%s is %s, and is read and judged as that", ref, image))
		return image, nil
	}
	return ref, command.Elsewhere(what, "", ref, accepted)
}
