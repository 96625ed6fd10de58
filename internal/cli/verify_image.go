package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
)

// reference reads one WHAT of verify that is not a release.
func (a *app) reference(what string) (registry.Ref, error) {
	const accepted = "write a version, registry.k8s.io/NAME:TAG or registry.k8s.io/NAME@sha256:DIGEST"
	_, err := os.Lstat(what)
	isFile := err == nil
	ref, err := registry.ParseRef(what)
	switch {
	case isFile && err == nil:
		return ref, usagef("%q is both an image and a file here; run this from another directory", what)
	case isFile:
		return ref, usagef("%q is a file here; write ./%s for it, or %s", what, what, accepted)
	case foreignVersion(what) != nil:
		return ref, foreignVersion(what)
	case err != nil:
		for _, scheme := range []string{"https://", "http://"} {
			rest, cut := strings.CutPrefix(what, scheme)
			if ref, parseErr := registry.ParseRef(rest); cut && parseErr == nil && ref.Host != imageHost {
				return ref, elsewhere(what, scheme, ref, accepted)
			}
		}
		return ref, err
	case ref.Host == imageHost:
		return ref, nil
	}
	if image, ok := published(ref); ok {
		a.sayLater(fmt.Sprintf("%s is %s, and is read and judged as that", ref, image))
		return image, nil
	}
	return ref, elsewhere(what, "", ref, accepted)
}
