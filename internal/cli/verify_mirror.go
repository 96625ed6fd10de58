package cli

import (
	"errors"
	"os"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
)

// isMirror says whether WHAT is a mirror, which stands alone. A directory that
// may be one as well as a directory of downloads is a usage error.
func isMirror(args []string) (bool, error) {
	for _, what := range args {
		info, err := os.Stat(what)
		if err != nil {
			continue
		}
		dir, err := mirror.Open(what)
		if err != nil {
			if !errors.Is(err, mirror.ErrNotMirror) {
				return false, err
			}
			continue // a file, or a directory of files
		}
		sure := dir.Complete()
		_ = dir.Close()
		_, _, notVersion := release.Channel(what)
		_, notRef := registry.ParseRef(what)
		switch {
		case !command.IsLocal(what) && (notVersion == nil || notRef == nil):
			return false, command.Usagef("%q is a mirror here, and may be meant as a release or an image; write ./%s for the mirror", what, what)
		case !sure && info.IsDir():
			return false, command.Usagef("%s has files/ as a mirror has, and neither a MANIFEST.json nor oci/; name the files in it, or the mirror that it was taken from; if kverify mirror create did not finish there, run that again", what)
		case len(args) > 1:
			return false, command.Usagef("%s is a mirror, which is verified alone; name the rest in another run", what)
		}
		return true, nil
	}
	return false, nil
}
