package fetch

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"
)

const (
	partSuffix  = ".kverify-part"
	stateSuffix = ".json"
	// maxState caps what is read of a part's state: a URL, two headers, a number.
	maxState = 8 << 10
)

// Part is a file on its way: its bytes are on disk under a private name, and
// hashed. It gets its final name by [Part.Commit], once the caller has judged
// the hashes, and never by itself.
//
// A part is a regular file of mode 0600 that was opened without following a
// link, ".NAME.kverify-part" beside the name that it may get, with what the
// server said of it in a file beside it, so that a later run can go on from it.
// What is on disk is hashed again then: nothing is believed about it.
type Part struct {
	SHA256, SHA512 string // of all bytes, in hexadecimal; empty until the whole is there
	Size           int64  // bytes on disk, and in both hashes
	Resumed        int64  // how many of them were there before this run
	Joined         bool   // some came in ranges, which a server may have joined wrongly: fetch it Fresh before it is refuted
	FinalURL       string // where the last bytes came from; print it by Redact
	Origin         Origin // of all bytes; Carried if any was there before

	root   *os.Root
	name   string // final, slash-separated
	part   string // private
	file   *os.File
	state  state
	h256   hash.Hash
	h512   hash.Hash
	origin bool // every answer so far was published
	whole  bool // it is fetched in one answer
}

// state is what a server said of the file that a part is of.
type state struct {
	URL          string `json:"url"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	Length       int64  `json:"length"` // of the whole; -1 if it was not announced
}

// FileError reports that the local side failed: what file, what was met there,
// and what to do.
type FileError struct {
	Name string
	Err  error
	Hint string
}

func (e *FileError) Error() string {
	s := fmt.Sprintf("%s: %v", printable(e.Name), e.Err)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

func (e *FileError) Unwrap() error { return e.Err }

var (
	// ErrBusy is wrapped where another process has a part open.
	ErrBusy = errors.New("another run is downloading it")
	// ErrNotRegular is wrapped where something stands that is not a regular file.
	ErrNotRegular = errors.New("not a regular file")
)

// CheckName reports why a slash-separated relative path cannot name a file on
// every system: it leaves the directory, is absolute, hides, or is a device of
// Windows.
func CheckName(name string) error {
	bad := func(why string) error {
		return &FileError{Name: name, Err: fmt.Errorf("no name for a file: %s", why), Hint: "nothing was saved"}
	}
	if !fs.ValidPath(name) { // "." fails below
		return bad("it is empty, absolute, or leads elsewhere")
	}
	for _, element := range strings.Split(name, "/") {
		if len(element) > 200 {
			return bad("it is too long")
		}
		if strings.ContainsAny(element, `\:*?"<>|`) || strings.ContainsFunc(element, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("it has a character that some systems give a meaning")
		}
		if element[0] == '.' || strings.HasSuffix(element, ".") || strings.HasSuffix(element, " ") {
			return bad("an element begins or ends with a dot, or ends with a space")
		}
		stem, _, _ := strings.Cut(strings.ToUpper(element), ".")
		switch stem = strings.TrimRight(stem, " "); {
		case stem == "CON", stem == "PRN", stem == "AUX", stem == "NUL", stem == "CONIN$", stem == "CONOUT$",
			len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9':
			return bad("it is a device on Windows")
		}
	}
	return nil
}

// openPart opens the part of a name, or makes it, and locks it.
func openPart(root *os.Root, name string) (*Part, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	dir, base := path.Split(name)
	p := &Part{root: root, name: name, part: dir + "." + base + partSuffix}
	if dir != "" {
		if err := root.MkdirAll(path.Clean(dir), 0o777); err != nil {
			return nil, &FileError{Name: dir, Err: bare(err), Hint: "make it, or choose another directory"}
		}
	}
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &FileError{Name: name, Err: fmt.Errorf("a %s stands there, %w", KindOf(info.Mode()), ErrNotRegular), Hint: "remove it, or choose another directory"}
	}
	f, err := openOwn(root, p.part)
	busy := &FileError{Name: name, Err: ErrBusy, Hint: "wait for it, or choose another directory"}
	if errors.Is(err, errReplaced) || errors.Is(err, fs.ErrExist) {
		return nil, busy // by the process that has it
	}
	if err != nil {
		hint := "remove it, or choose another directory"
		if _, there := root.Lstat(p.part); errors.Is(there, fs.ErrNotExist) {
			hint = "make the directory writable, or choose another one"
		}
		return nil, &FileError{Name: p.part, Err: bare(err), Hint: hint}
	}
	p.file = f
	if err := lockNamed(root, p.part, f); err != nil {
		_ = f.Close()
		return nil, busy
	}
	if err := f.Chmod(0o600); err != nil && runtime.GOOS != "windows" {
		_ = f.Close()
		return nil, &FileError{Name: p.part, Err: bare(err), Hint: "remove it"}
	}
	p.resetHashes()
	return p, nil
}

// openOwn opens a part that only this user can change. Any other regular file
// of its name is not touched: the name goes to a new one, made exclusively, so
// that neither a link nor anything else that comes in between is opened.
func openOwn(root *os.Root, part string) (*os.File, error) {
	f, err := openRegular(root, part, os.O_RDWR)
	if err == nil {
		info, e := f.Stat()
		if e == nil {
			e = alone(info)
		}
		if e == nil {
			return f, nil
		}
		_ = f.Close()
		err = e
	}
	if there, e := root.Lstat(part); e == nil && there.Mode().IsRegular() && alone(there) != nil {
		if e := root.Remove(part); e != nil {
			return nil, fmt.Errorf("%w, and it cannot be replaced: %w", alone(there), bare(e))
		}
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return root.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return nil, err
}

// bare takes off the operation and path, which the caller names better.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

// resetHashes begins the hashes anew.
func (p *Part) resetHashes() {
	p.h256, p.h512 = sha256.New(), sha512.New()
	p.Size, p.Resumed, p.origin = 0, 0, true
}

// restart empties the part.
func (p *Part) restart() error {
	p.resetHashes()
	p.state = state{}
	if err := p.file.Truncate(0); err != nil {
		return p.local(err)
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return p.local(err)
	}
	return nil
}

// resume hashes what an earlier run left of the same URL.
func (p *Part) resume(url string, t *Transfer) error {
	info, err := p.file.Stat()
	if err != nil {
		return p.local(err)
	}
	s, ok := p.readState()
	size := info.Size()
	if !ok || s.URL != url || size == 0 || s.Length >= 0 && size > s.Length {
		return p.restart()
	}
	p.state = s
	if size == s.Length {
		// The last byte is asked for again, so that the server has a say in
		// whether this is still its file.
		size--
	}
	t.start(s.Length)
	n, err := p.pump(io.NewSectionReader(p.file, 0, size), nil, t)
	if err != nil || n != size {
		return p.restart()
	}
	if err := p.file.Truncate(size); err != nil {
		return p.local(err)
	}
	if _, err := p.file.Seek(size, io.SeekStart); err != nil {
		return p.local(err)
	}
	p.Resumed, p.origin = size, size == 0
	return nil
}

func (p *Part) readState() (s state, ok bool) {
	f, err := openRegular(p.root, p.part+stateSuffix, os.O_RDONLY)
	if err != nil {
		return s, false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || alone(info) != nil {
		return s, false
	}
	text, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil || json.Unmarshal(text, &s) != nil {
		return state{}, false
	}
	// A validator that cannot be sent is invalid (RFC 9110, 5.5): no server gave it.
	if !sendable(s.ETag) {
		s.ETag = ""
	}
	if !sendable(s.LastModified) {
		s.LastModified = ""
	}
	return s, true
}

func sendable(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func (p *Part) writeState() error {
	text, err := json.Marshal(p.state)
	if err != nil {
		return err
	}
	if len(text) > maxState {
		text = nil // headers of that size say nothing; the file is then begun anew
	}
	_ = p.root.Remove(p.part + stateSuffix)
	f, err := p.root.OpenFile(p.part+stateSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return p.local(err)
	}
	_, err = f.Write(text)
	return p.local(errors.Join(err, f.Close()))
}

func (p *Part) local(err error) error {
	if err == nil {
		return nil
	}
	e := &FileError{Name: p.part, Err: bare(err), Hint: "check the directory, and run it again"}
	if errors.Is(err, syscall.ENOSPC) {
		e.Hint = "free some space and run it again, it continues from here; or choose another directory"
	}
	return e
}

// sum ends the hashes.
func (p *Part) sum() {
	p.SHA256, p.SHA512 = hex.EncodeToString(p.h256.Sum(nil)), hex.EncodeToString(p.h512.Sum(nil))
}

// CommitAs is Commit under another name of the same directory tree, for what
// must not get the name that it was fetched for.
func (p *Part) CommitAs(name string, mode fs.FileMode) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if dir := path.Dir(name); dir != "." {
		if err := p.root.MkdirAll(dir, 0o777); err != nil {
			return &FileError{Name: dir, Err: bare(err), Hint: "make it, or choose another directory"}
		}
	}
	p.name = name
	return p.Commit(mode)
}

// Commit gives the part its final name: all of it on disk first, then the
// name, then the directory, so that the name never stands for anything else.
// What is on disk is hashed once more before that. What had the name before is
// replaced.
func (p *Part) Commit(mode fs.FileMode) error {
	if p.SHA256 == "" {
		return p.local(errors.New("it is not complete"))
	}
	if err := p.file.Sync(); err != nil {
		return p.local(err)
	}
	if err := p.file.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return p.local(err)
	}
	// What is renamed must be what was hashed: the file behind the descriptor.
	mine, err := p.file.Stat()
	if err != nil {
		return p.local(err)
	}
	there, err := p.root.Lstat(p.part)
	if err != nil {
		return p.local(err)
	}
	if !os.SameFile(mine, there) || mine.Size() != p.Size || !p.onDisk() {
		return p.local(errors.New("another program replaced or changed it while it was being downloaded"))
	}
	if err := oneName(mine); err != nil {
		return p.local(err)
	}
	if runtime.GOOS == "windows" { // an open file keeps its name there
		_ = p.file.Close()
	}
	if err := p.root.Rename(p.part, p.name); err != nil {
		return p.local(err)
	}
	if named, err := p.root.Lstat(p.name); err != nil || !os.SameFile(mine, named) {
		return &FileError{Name: p.name, Err: errors.New("another program replaced it while it was being renamed"), Hint: "do not use it; choose a directory that only you can write to"}
	}
	_ = p.root.Remove(p.part + stateSuffix)
	err = syncDir(p.root, path.Dir(p.name))
	return errors.Join(err, p.Close())
}

// onDisk says whether what the descriptor reads is what was hashed while it came.
func (p *Part) onDisk() bool {
	h := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, p.Reader(), make([]byte, blockSize))
	return err == nil && n == p.Size && hex.EncodeToString(h.Sum(nil)) == p.SHA256
}

// Discard removes the part.
func (p *Part) Discard() error {
	_ = p.root.Remove(p.part + stateSuffix)
	err := p.root.Remove(p.part)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, p.Close())
}

// Close leaves the part for a later run.
func (p *Part) Close() error {
	err := p.file.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// syncDir makes a rename last. Not every system can.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if runtime.GOOS == "windows" || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// IsPart says whether a file's name, without its directory, is one that parts
// of files and their states have: what an interrupted run leaves.
func IsPart(base string) bool {
	return strings.HasPrefix(base, ".") && (strings.HasSuffix(base, partSuffix) || strings.HasSuffix(base, partSuffix+stateSuffix))
}

// Reader reads a part that is complete, from its beginning.
func (p *Part) Reader() io.Reader { return io.NewSectionReader(p.file, 0, p.Size) }
