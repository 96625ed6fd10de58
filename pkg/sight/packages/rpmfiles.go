package packages

import (
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// The bits of a file's mode that say what it is (POSIX sys/stat.h), and the flag of
// a file that a package owns and does not hold (rpm's rpmfiles.h).
const (
	modeKind    = 0o170000
	modeDir     = 0o040000
	modeRegular = 0o100000
	modeLink    = 0o120000
	flagGhost   = 1 << 6
	algoSHA256  = 8 // of OpenPGP (RFC 9580, section 9.5)
)

// rpmFile is a file as the header has it.
type rpmFile struct {
	mode, size, inode int64
	target, digest    string
	ghost             bool
}

func (f rpmFile) kind() int64 { return f.mode & modeKind }

// rpmList is the header's list of files, by their cleaned paths.
type rpmList struct {
	files  map[string]rpmFile
	inodes map[int64]int // how many regular files have it
	sha256 bool          // what the digests are
}

// rpmColumns are the tags of which each has one value a file.
type rpmColumns struct {
	base, targets, digests            []string
	dirs, modes, sizes, flags, inodes []int64
}

func (h *rpmHeader) columns() (rpmColumns, error) {
	var c rpmColumns
	var failed error
	texts := func(tag uint32) []string { v, err := h.texts(tag); failed = errors.Join(failed, err); return v }
	numbers := func(tag, kind uint32) []int64 {
		v, err := h.numbers(tag, kind)
		failed = errors.Join(failed, err)
		return v
	}
	c.base, c.targets, c.digests = texts(tagBaseNames), texts(tagFileLinkTos), texts(tagFileDigests)
	c.dirs, c.modes, c.flags = numbers(tagDirIndexes, typeInt32), numbers(tagFileModes, typeInt16), numbers(tagFileFlags, typeInt32)
	c.inodes, c.sizes = numbers(tagFileInodes, typeInt32), numbers(tagFileSizes, typeInt32)
	if h.has(tagLongFileSizes) {
		c.sizes = numbers(tagLongFileSizes, typeInt64)
	}
	if failed != nil {
		return c, failed
	}
	if h.has(tagOldFileNames) {
		return c, errors.New("its list of files has the form of rpm 3")
	}
	n := len(c.base)
	for _, got := range []int{len(c.dirs), len(c.modes), len(c.flags), len(c.inodes), len(c.sizes), len(c.targets), len(c.digests)} {
		if got != n {
			return c, errors.New("its lists of files are not equally long")
		}
	}
	return c, nil
}

// files reads the header's list of files.
func (h *rpmHeader) files() (*rpmList, error) {
	c, err := h.columns()
	if err != nil {
		return nil, err
	}
	dirs, err := h.texts(tagDirNames)
	if err != nil {
		return nil, err
	}
	algo, err := h.numbers(tagFileDigestAlgo, typeInt32)
	if err != nil {
		return nil, err
	}
	list := &rpmList{files: map[string]rpmFile{}, inodes: map[int64]int{}, sha256: slices.Equal(algo, []int64{algoSHA256})}
	text := 0
	for i, base := range c.base {
		if c.dirs[i] >= int64(len(dirs)) {
			return nil, errors.New("a file of it lies in no directory")
		}
		name := dirs[c.dirs[i]] + base
		if text += len(name); text > maxPathText {
			return nil, tagError(tagBaseNames)
		}
		p, err := rpmPath(name)
		if err != nil {
			return nil, err
		}
		if _, twice := list.files[p]; twice || strings.Contains(base, "/") {
			return nil, about(p, "two entries of the header have this path, or its name is invalid")
		}
		f := rpmFile{mode: c.modes[i], size: c.sizes[i], inode: c.inodes[i], target: c.targets[i], digest: c.digests[i], ghost: c.flags[i]&flagGhost != 0}
		list.files[p] = f
		if f.kind() == modeRegular && !f.ghost {
			list.inodes[f.inode]++
		}
	}
	return list, nil
}

// rpmPath is a path of an rpm, which begins with "/" in the header and with "./" or "/" in the payload.
func rpmPath(name string) (string, error) {
	return cleanPath("./" + strings.TrimPrefix(name, "/"))
}

// readPayload reads the archive, and holds each entry to what the header says of it.
func readPayload(packed io.Reader, packing string, list *rpmList, c *contents) error {
	u, err := unpackPart(packed, packing, maxPackageUnpacked)
	if err != nil {
		return err
	}
	archive := &newc{r: u}
	missing := maps.Clone(list.files)
	for {
		e, err := archive.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		p, err := rpmPath(e.name)
		if err != nil {
			return err
		}
		f, ok := missing[p]
		delete(missing, p)
		if !ok || f.ghost || e.mode != f.mode {
			return about(p, "the header does not have it, or not so, or it stands twice")
		}
		if err := list.addFile(p, f, e, c); err != nil {
			return inside(p, err)
		}
	}
	for p, f := range missing {
		if !f.ghost {
			return about(p, "the header has it, and the payload does not")
		}
	}
	return u.close()
}

// addFile notes an entry as what both lists say that it is.
func (l *rpmList) addFile(p string, f rpmFile, e *newcEntry, c *contents) error {
	switch f.kind() {
	case modeDir:
		return c.add(p, directory)
	case modeRegular:
		if c.isProgram(p) && (e.links > 1 || l.inodes[f.inode] > 1) {
			return errors.New("other names share the program's bytes")
		}
		if e.links < 2 && e.size != f.size {
			return errors.New("the header has another size of it")
		}
		known := len(c.files)
		if err := c.regular(p, f.mode, e.size, e.body); err != nil {
			return err
		}
		if len(c.files) > known && l.sha256 && c.files[known].SHA256 != f.digest {
			return errors.New("the header has another sha256 of it")
		}
		return nil
	case modeLink:
		target, err := io.ReadAll(io.LimitReader(e.body, maxPath+1))
		if err == nil && string(target) != f.target {
			err = errors.New("the header has it lead elsewhere")
		}
		if err != nil {
			return err
		}
		return c.link(p, f.target)
	default:
		return c.special(p)
	}
}
