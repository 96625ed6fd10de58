package packages

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
)

// what a path of a package is.
type entryKind uint8

const (
	noEntry entryKind = iota
	directory
	regularFile
	anotherKind // a link, a device and the like
)

// contents gathers a package's entries, and refuses those by which an installer
// could put other bytes in a program's place than those that were hashed.
type contents struct {
	Request
	kinds  map[string]entryKind
	text   int // bytes of the paths
	files  []File
	others int
}

func newContents(q Request) *contents {
	return &contents{Request: q, kinds: map[string]entryKind{}}
}

// cleanPath is an entry's path without "./" in front; "" is the root.
func cleanPath(name string) (string, error) {
	switch {
	case len(name) > maxPath:
		return "", &bounds.Error{What: "bytes of a path", Max: maxPath}
	case name == "":
		return "", errors.New("an entry has no name")
	case strings.HasPrefix(name, "/"):
		return "", about(name, "its path is absolute")
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "", about(name, "its path leads out of the package")
	case strings.ContainsRune(name, 0):
		return "", about(name, "its path has a zero byte")
	}
	if clean := path.Clean(name); clean != "." {
		return clean, nil
	}
	return "", nil
}

// add notes an entry. Only a directory may stand twice.
func (c *contents) add(p string, kind entryKind) error {
	have := c.kinds[p]
	switch {
	case p == "" && kind != directory:
		return errors.New("its root is no directory")
	case have != noEntry && (have != directory || kind != directory):
		return about(p, "two entries have this path")
	}
	c.kinds[p] = kind
	if c.text += len(p); len(c.kinds) > maxPackageEntries {
		return &bounds.Error{What: "entries", Max: maxPackageEntries}
	}
	if c.text > maxPathText {
		return &bounds.Error{What: "bytes of paths", Max: maxPathText}
	}
	return nil
}

// regular notes a regular file, and hashes it if it may be a program.
func (c *contents) regular(p string, mode, size int64, body io.Reader) error {
	if err := c.add(p, regularFile); err != nil {
		return err
	}
	if !c.isProgram(p) {
		c.others++
		return nil
	}
	first := make([]byte, 4)
	n, err := io.ReadFull(body, first)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || int64(n) < min(size, 4) {
		return &entryError{p, cutOff(err)}
	}
	first = first[:n]
	if mode&0o111 == 0 && !bytes.Equal(first, []byte("\x7fELF")) && !strings.HasSuffix(path.Dir(p), "bin") {
		c.others++
		return nil
	}
	short, long := sha256.New(), sha512.New()
	to := []io.Writer{short, long}
	if c.Also != nil {
		if w := c.Also(p); w != nil {
			to = append(to, w)
		}
	}
	read, err := io.Copy(io.MultiWriter(to...), io.MultiReader(bytes.NewReader(first), body))
	if err == nil && read != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return &entryError{p, cutOff(err)}
	}
	c.files = append(c.files, File{Path: p, SHA256: hex.EncodeToString(short.Sum(nil)), SHA512: hex.EncodeToString(long.Sum(nil)), Size: size})
	return nil
}

// cutOff is what an end in the middle of something is.
func cutOff(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// link notes a link, by its path and by what it leads to.
func (c *contents) link(p, target string) error {
	if err := c.add(p, anotherKind); err != nil {
		return err
	}
	if c.isProgram(p) || c.isProgram(path.Clean(target)) {
		return about(p, "it is a link to a program's name, or has one")
	}
	c.others++
	return nil
}

// special notes a device, a pipe and the like.
func (c *contents) special(p string) error {
	if err := c.add(p, anotherKind); err != nil {
		return err
	}
	if c.isProgram(p) {
		return about(p, "it has a program's name, and is no regular file")
	}
	c.others++
	return nil
}

// isProgram says whether the last element of a path is a program's name.
func (c *contents) isProgram(p string) bool { return slices.Contains(c.Programs, path.Base(p)) }

// finish holds that what lies above a program is a directory.
func (c *contents) finish() error {
	for _, f := range c.files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if k := c.kinds[dir]; k != noEntry && k != directory {
				return about(f.Path, "it lies below %.200q, which is no directory", dir)
			}
		}
	}
	return nil
}
