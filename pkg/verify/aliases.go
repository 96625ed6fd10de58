package verify

import (
	"os"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/files"
	"github.com/kverify/kverify/pkg/report"
)

// What a [Verifier] takes and gives, and other packages make.
type (
	// UsageError reports a request that makes no sense. Nothing was judged.
	UsageError = report.UsageError
	// UnreadError says that it is not known whether what was asked for exists.
	UnreadError = claims.UnreadError

	// Listing is what a release holds, by its own documents.
	Listing = claims.Listing
	// Entry is one file or image of it.
	Entry = claims.Entry
	// StrongClaim is a document's word on a digest, and how much it counts.
	StrongClaim = claims.Claim

	// Files judges the files of one release.
	Files = files.Verifier
	// Target is a file of the release, and where it goes.
	Target = files.Target
	// LocalFile is a file on disk that may be one of a release.
	LocalFile = files.LocalFile
)

// BundleSuffix is what a kept bundle has behind the name of its file.
const BundleSuffix = files.BundleSuffix

// IsSubject says whether a path of a release can be judged as a file.
func IsSubject(path string) bool { return claims.IsSubject(path) }

// LocalPaths lists what a directory holds, as files to be judged: see [files.LocalPaths].
func LocalPaths(root *os.Root, dir string, limit int) ([]LocalFile, error) {
	return files.LocalPaths(root, dir, limit)
}
