// Package packages reads debs and rpms, and hashes the programs in them that a
// release has too. It installs nothing, and has no network and no trust.
package packages

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Package is a package of deb or rpm, and the files in it that may be programs of
// a release. Its scripts, its units and its signature are not read.
type Package struct {
	Format  string // "deb" or "rpm"
	Name    string // "kubelet"
	Version string // as the package has it: "1.30.1-1.1"; of an rpm "[EPOCH:]VERSION-RELEASE"
	// Arch is in Go's words ("amd64", "arm64", "ppc64le"), "all" for a package of
	// every architecture, and as it stands where Go has no word for it.
	Arch  string
	Files []File // in the package's order
	// Others counts files and links that belong to no program; directories do not count.
	Others int
}

// Release is the release that the version names, as a hint: "v1.30.1" of both
// "1.30.1-1.1" and "0:1.30.1-2.1", "v1.31.0-rc.1" of "1.31.0~rc.1-1.1". The revision
// is the packager's and says nothing. It need not be a release's name.
func (p *Package) Release() string {
	version := p.Version
	if _, behind, ok := strings.Cut(version, ":"); ok {
		version = behind
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version = version[:i]
	}
	return "v" + strings.ReplaceAll(version, "~", "-")
}

// File is a regular file in a package.
type File struct {
	Path   string // "usr/bin/kubelet", cleaned
	SHA256 string // 64 hex digits
	SHA512 string // 128 hex digits
	Size   int64  // bytes
}

// Error says that a package cannot be read as exactly one thing: it is cut
// off, it has two contents, or an installer might take it otherwise than it is
// read here. It unwraps to a [*bounds.Error] where the package costs more than any
// genuine one does. It says nothing about what is in the package.
type Error struct {
	Format string // "deb", "rpm" or ""
	Entry  string // the part of it that is meant, such as "data.tar.xz" or "usr/bin/kubelet"; may be empty. Escape it.
	Err    error
}

func (e *Error) Error() string {
	what := "the package"
	if e.Format != "" {
		what = "the " + e.Format + " package"
	}
	if e.Entry != "" {
		what += fmt.Sprintf(", %.200q", e.Entry)
	}
	return fmt.Sprintf("%s: %v; nothing in it was judged: get it again from where it is published", what, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// The caps of a package. The largest of a release unpacks to some 130 MB.
const (
	maxPackageUnpacked = 1 << 30  // bytes, of one archive in it
	maxPackageRatio    = 100      // unpacked to packed; a program's is about 4
	smallUnpacked      = 16 << 20 // bytes that may be unpacked of however little
	maxControl         = 16 << 20 // bytes, of a deb's control archive
	maxPackageEntries  = 20_000   // genuine ones have under 50
	maxPathText        = 8 << 20  // bytes of all paths
	maxPath            = 4096 - 1 // bytes; Linux' PATH_MAX
	bufferSize         = 64 << 10 // bytes
)

// What the two formats begin with.
var (
	debMagic = []byte("!<arch>\n")
	rpmMagic = []byte{0xed, 0xab, 0xee, 0xdb}
)

// entryError names the entry that an error is about.
type entryError struct {
	entry string
	err   error
}

func (e *entryError) Error() string { return e.err.Error() }
func (e *entryError) Unwrap() error { return e.err }

func about(entry, format string, args ...any) error {
	return &entryError{entry, fmt.Errorf(format, args...)}
}

// inside names the member of an error that names no entry.
func inside(name string, err error) error {
	if errors.As(err, new(*entryError)) {
		return err
	}
	return &entryError{name, err}
}

// plainWord holds a name, version or architecture to the letters that deb and rpm allow.
func plainWord(entry, name, value string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~^:_"
	if value == "" || len(value) > 200 || strings.Trim(value, letters) != "" {
		return &entryError{entry, fmt.Errorf("its %s is missing or invalid", name)}
	}
	return nil
}

// Request says what of a package is looked at.
type Request struct {
	Programs []string // names of programs that a release has ("kubelet")
	// Also, if not nil, is given each program's path, and its bytes go to the writer that
	// it returns, if that is not nil.
	Also func(path string) io.Writer
}
