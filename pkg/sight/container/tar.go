package container

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync/atomic"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/layer"
)

const (
	// maxEntries caps the members of an archive; a release's images, saved by docker
	// of any age, are some thousands.
	maxEntries = 200_000
	// maxName caps a member's path (PATH_MAX of Linux), maxNames all of them together,
	// and maxDeep the parts of one.
	maxName, maxNames, maxDeep = 4096, 64 << 20, 64
	// maxPadding caps the zeros behind an archive's end; tools fill up some blocks.
	maxPadding = 16 << 20
	block      = 512 // bytes (POSIX.1-2017, pax, "ustar Interchange Format")
	// maxOctal is the least size that a header's own field cannot hold.
	maxOctal = 1 << 33
)

// members is the index of an archive: its files, and its links.
type members struct {
	path    string
	all     *allowance
	files   map[string]*entry
	links   map[string]string // to what; empty where it leads out
	folders map[string]bool
	names   int64 // bytes
	// bad is the first thing that is wrong with the archive, which counts once it
	// is clear that it is one of images.
	bad error
}

// source is the bytes of an archive, and says how many of them were read.
type source interface {
	io.Reader
	at() int64
}

// section is a source in which a reader of headers skips what lies between.
type section struct{ *io.SectionReader }

func (s section) at() int64 {
	at, _ := s.Seek(0, io.SeekCurrent) // it cannot fail
	return at
}

// tally is a source that is read once, from the first byte to the last.
type tally struct {
	r io.Reader
	n int64
}

func (t *tally) at() int64 { return t.n }
func (t *tally) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	return n, err
}

// indexTar reads the headers of an archive, and hashes the files of one that is
// packed on the way, since its bytes do not come again. The error is of what cannot
// be read further, or that it is no archive.
func indexTar(ctx context.Context, name string, f io.ReaderAt, size int64) (*members, error) {
	m := &members{path: name, all: newAllowance(), files: map[string]*entry{}, links: map[string]string{}, folders: map[string]bool{}}
	file := &steadyAt{ctx: ctx, r: f}
	whole := io.NewSectionReader(file, 0, size)
	first := make([]byte, 4)
	n, err := whole.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if packing := layer.Packing(first[:n]); packing != layer.Plain {
		err = m.unpack(ctx, whole, size, packing)
	} else {
		err = m.readMembers(section{whole}, m.lazily(f))
	}
	var limit *bounds.Error
	switch {
	case file.err != nil:
		return nil, fmt.Errorf("%s could not be read: %w", name, file.err)
	case err == nil:
		return m, nil
	case errors.As(err, &limit):
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(m.files)+len(m.links)+len(m.folders) == 0:
		return nil, fmt.Errorf("%s: %w", name, ErrNoContainer)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &Error{Path: name, Why: "the archive ends too early", Err: err}
	}
	m.wrong("", "it was read up to a header that is invalid: %v", err)
	return m, nil
}

// steadyAt is steady for what is read at offsets.
type steadyAt struct {
	ctx context.Context //nolint:containedctx // of this one reading
	r   io.ReaderAt
	err error
}

func (s *steadyAt) ReadAt(p []byte, off int64) (int, error) {
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}

// unpack reads a packed archive in one pass. One level is opened: an archive in it
// is a file.
func (m *members) unpack(ctx context.Context, whole io.Reader, size int64, packing string) error {
	s, err := layer.Unpack(whole, packing)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // only read
	stream := &stoppable{r: m.all.capped(s, size, maxUnpacked)}
	ahead(stream, func(r io.Reader) {
		defer stream.stopped.Store(true) // the rest, which no reader wants, is not unpacked
		err = m.readMembers(&tally{r: r}, m.eagerly(ctx, new(int64)))
	})
	if errors.Is(err, layer.ErrTrailing) || err == nil && s.Members != 1 {
		m.wrong("", "it is not one stream of %s: some readers see less of it than others", packing)
		return nil
	}
	return err
}

// stoppable ends once another side has stopped it.
type stoppable struct {
	r       io.Reader
	stopped atomic.Bool
}

func (s *stoppable) Read(p []byte) (int, error) {
	if s.stopped.Load() {
		return 0, io.ErrClosedPipe
	}
	return s.r.Read(p)
}

// entryFunc makes an entry of a file that begins at this offset.
type entryFunc func(e *entry, offset int64, content io.Reader) error

// lazily leaves the bytes where they lie.
func (m *members) lazily(f io.ReaderAt) entryFunc {
	return func(e *entry, offset int64, _ io.Reader) error {
		e.open = func() (io.ReadCloser, error) {
			return io.NopCloser(&exactly{io.NewSectionReader(f, offset, e.size), e.size}), nil
		}
		return nil
	}
}

// exactly is a reader that must not end before its size.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if e.left -= int64(n); errors.Is(err, io.EOF) && e.left > 0 {
		err = io.ErrUnexpectedEOF // it was cut off meanwhile
	}
	return n, err
}

// eagerly hashes the bytes at once, and holds what may be a document.
func (m *members) eagerly(ctx context.Context, held *int64) entryFunc {
	return func(e *entry, _ int64, content io.Reader) error {
		if e.size > maxJSON {
			c, err := hashAll(ctx, content, e.size, m.all)
			e.content = &c
			return err
		}
		text, err := io.ReadAll(io.LimitReader(content, maxJSON+1))
		if err != nil {
			return err
		}
		if err := e.holdDocument(ctx, text); err != nil {
			return err
		}
		if !looksLikeJSON(text) {
			e.text, e.kept = nil, false
			return nil
		}
		if *held += int64(len(text)); *held > maxText {
			return errTooMuchText
		}
		return nil
	}
}

func (m *members) readMembers(src source, take entryFunc) error {
	r := tar.NewReader(src)
	for n, end := 0, int64(0); ; n++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m.end(src, end)
		}
		if err != nil {
			return err
		}
		if n >= maxEntries {
			return &bounds.Error{What: "members", Max: maxEntries}
		}
		if m.names += int64(len(h.Name) + len(h.Linkname)); m.names > maxNames {
			return &bounds.Error{What: "bytes of members' names", Max: maxNames}
		}
		offset := src.at()
		if end = offset; isFile(h) {
			end += (h.Size + block - 1) / block * block
		}
		if err := m.member(h, offset, r, take); err != nil {
			return err
		}
	}
}

// end holds what follows the last member to two blocks of zeros, without which
// nothing says that it was the last, and then zeros alone: some tools read on there.
func (m *members) end(src source, end int64) error {
	if src.at() < end+2*block {
		return io.ErrUnexpectedEOF
	}
	buf := make([]byte, 64<<10)
	for total := 0; ; {
		n, err := src.Read(buf)
		if total += n; total > maxPadding {
			return &bounds.Error{What: "bytes behind its end", Max: maxPadding}
		}
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			m.wrong("", "something follows the end of the archive, which some tools unpack too")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// wrong keeps the first thing that is wrong.
func (m *members) wrong(name, format string, args ...any) {
	if m.bad == nil {
		m.bad = &Error{Path: m.path, Entry: name, Why: fmt.Sprintf(format, args...)}
	}
}

func isFile(h *tar.Header) bool { return h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeGNUSparse }

// member takes one member in. Only what all readers of archives take for the same
// is one; the error is one of reading.
func (m *members) member(h *tar.Header, offset int64, content io.Reader, take entryFunc) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		for key := range h.PAXRecords {
			if key != "comment" {
				m.wrong("", "a header for all its members sets %.60q, which some readers obey", key)
			}
		}
		return nil
	}
	name, ok := cleanName(h.Name)
	switch {
	case !ok:
		m.wrong(h.Name, "its name is no plain path within the archive")
		return nil
	case isSparse(h):
		m.wrong(name, "it is stored with holes")
		return nil
	case h.PAXRecords["size"] != "" && h.Size < maxOctal:
		m.wrong(name, "it has two sizes, of which some readers take the other")
		return nil
	case !isFile(h) && h.Size != 0:
		m.wrong(name, "it is no file and has a size, which some readers skip")
		return nil
	}
	switch h.Typeflag {
	case tar.TypeDir:
		m.folder(name)
	case tar.TypeSymlink, tar.TypeLink:
		if m.isNew(name) {
			m.links[name] = linkTarget(h, name)
		}
	case tar.TypeReg:
		if m.isNew(name) {
			e := &entry{path: m.path, name: name, size: h.Size, all: m.all}
			m.files[name] = e
			return take(e, offset, content)
		}
	default:
		m.wrong(name, "it is neither a file nor a directory nor a link")
	}
	return nil
}

// cleanName gives a path within the archive, without "./" before it. "." is the archive itself.
func cleanName(name string) (string, bool) {
	clean := path.Clean(name)
	if name == "" || len(name) > maxName || strings.Count(clean, "/") > maxDeep || path.IsAbs(name) ||
		strings.ContainsRune(name, 0) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", false // though it may lead back in: not every reader cleans a name
		}
	}
	return clean, true
}

// linkTarget is what a link leads to: a hard link's is a member's name, a symbolic
// one's begins where the link lies. It is empty where it leads out.
func linkTarget(h *tar.Header, name string) string {
	if h.Typeflag == tar.TypeLink {
		target, _ := cleanName(h.Linkname)
		return target
	}
	target := path.Join(path.Dir(name), h.Linkname) //nolint:gosec // it is a key of the archive's own names, and no path
	if path.IsAbs(h.Linkname) || len(h.Linkname) > maxName || target == ".." || strings.HasPrefix(target, "../") {
		return ""
	}
	return target
}

func isSparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// isNew says whether nothing has that name yet, and that all above it are directories.
func (m *members) isNew(name string) bool {
	if name == "." || m.isMember(name) || m.folders[name] {
		m.wrong(name, "it stands twice in the archive: some readers take the first, some the last")
		return false
	}
	m.folder(path.Dir(name))
	return true
}

func (m *members) isMember(name string) bool {
	_, link := m.links[name]
	return link || m.files[name] != nil
}

func (m *members) folder(name string) {
	for ; name != "." && !m.folders[name]; name = path.Dir(name) {
		if m.isMember(name) {
			m.wrong(name, "it is a directory and something else")
			return
		}
		m.folders[name] = true
	}
}

// find gives the file of that name, over one link at most; nil if there is none.
func (m *members) find(name string) (*entry, error) {
	clean, ok := cleanName(name)
	if !ok {
		return nil, &Error{Path: m.path, Entry: name, Why: "it is named, and its name is no plain path within the archive"}
	}
	target, isLink := m.links[clean]
	if !isLink {
		return m.files[clean], nil
	}
	e := m.files[target]
	switch _, again := m.links[target]; {
	case target == "":
		return nil, &Error{Path: m.path, Entry: clean, Why: "it is a link that leads out of the archive"}
	case again:
		return nil, &Error{Path: m.path, Entry: clean, Why: "it is a link to a link"}
	case e == nil:
		return nil, &Error{Path: m.path, Entry: clean, Why: "it is a link to something that is not a file of the archive"}
	}
	return e, nil
}
