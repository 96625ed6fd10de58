package support

import (
	"slices"
	"time"

	"github.com/kverify/kverify/pkg/release"
)

// SupportedReleases are all patches that are known without a request of the
// minors that the embedded schedule says are supported at a time, oldest first.
func SupportedReleases(now time.Time) (versions []release.Version, err error) {
	for _, c := range slices.Backward(Embedded().Supported(now)) {
		patches, err := release.Range(c.Minor.String() + ".." + c.Minor.String())
		if err != nil {
			return nil, err
		}
		versions = append(versions, patches...)
	}
	return versions, nil
}
