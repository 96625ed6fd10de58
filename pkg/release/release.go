// Package release knows what a release of Kubernetes is: which documents speak
// of it, where they are published, and what they say.
//
// [Resolve] turns what a person types ("stable", "1.27", "v1.27.2") into a
// [Version]. [Load] reads the version's documents side by side into a
// [Release]: the SPDX SBOM, the CHANGELOG, the promotion manifest, SHA256SUMS
// and SHA512SUMS, and the provenance. Each is a [Source] of its own, with its
// URL, its digest, whose word it is, and the reason if it could not be fetched.
// [Release.Claims] lists what they say of each file's and image's digest, and
// [Conflicts] where they disagree; [ParseNotes] reads the release notes.
//
// Nothing here is proof. A Release says what documents claim; which of those
// claims count, and for what, is decided by package verify.
//
// Every parser takes bytes, is bounded in size, never panics on what it is
// given, and would rather fail than choose: a document that says two things of
// one subject, or names another version, is an error with a type of its own
// ([AmbiguousError], [WrongVersionError]). Names and links in documents are
// untrusted: paths must pass [CheckPath], and URLs are built here from checked
// parts, never taken from a document.
package release
