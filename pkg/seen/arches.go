package seen

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
)

// systems are those that images of a release are for.
var systems = []string{"linux", "windows"}

// alsoRuns is what a machine of an architecture takes from an index that names nothing
// nearer to it (containerd, platforms/compare.go, platformVector).
var alsoRuns = map[string]string{"amd64": "386", "arm64": "arm"}

// leaves says whether a platform, as an index calls it, is not judged: no runtime takes it on the
// architectures that were asked for. Runtimes read it more loosely than it is written: to
// containerd, x86_64 and AMD64 are amd64, a system without a name is the machine's, and Linux has no
// version. So only what is exactly another architecture of a release is left out, and
// whatever is odd is judged. The index that was released, whose bytes are signed, names
// every architecture itself, and calls "unknown" what is no image, such as an attestation.
func (s *run) leaves(platform string, isReleased bool) bool {
	if isReleased && strings.HasPrefix(platform, "unknown/") {
		return true
	}
	said, _, _ := strings.Cut(platform, ":")
	parts := strings.Split(said, "/")
	if len(s.judge.Arches) == 0 || len(parts) < 2 || len(parts) > 3 || !slices.Contains(systems, parts[0]) || !slices.Contains(release.Arches, parts[1]) {
		return false
	}
	if len(parts) == 3 && !strings.HasPrefix(parts[2], "v") {
		return false // no variant: one of the parts may have a slash in it
	}
	return !slices.ContainsFunc(s.judge.Arches, func(arch string) bool {
		return arch == parts[1] || !isReleased && alsoRuns[arch] == parts[1]
	})
}
