// Package files gives the verdict on bytes of a release's files: downloaded, found on
// a disk, or held by a mirror. It holds what they hash to against everything that the
// release's documents claim (package claims), verifies the signature beside the file,
// and gives a download its name only once it is proved.
package files
