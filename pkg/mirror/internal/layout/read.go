package layout

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// maxChecked is how much is read and hashed before the first byte is handed
// out: every manifest (4 MiB is what registries accept), config, signature and
// checksum, and no layer that matters to memory.
const MaxChecked = 4 << 20

// ErrTooLarge is wrapped where a list or manifest is over its limit.
var ErrTooLarge error = tooLargeError{}

type tooLargeError struct{}

func (tooLargeError) Error() string { return "larger than the limit" }

// Classify says that nothing is known of what was not read.
func (tooLargeError) Classify() (report.Verdict, report.Reason) { return report.Unknown, report.Limit }

// A CorruptError says that bytes of the mirror are not what a digest or
// MANIFEST.json says they are. Reading a body can end with it.
type CorruptError struct {
	Path      string // inside the mirror
	Want, Got string // sha256 in hex, or a size in words
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is damaged: it is %s, not %s", e.Path, e.Got, e.Want)
}

// Want is what bytes must be. The zero value demands nothing.
type Want struct {
	Sha256 string // hex
	Size   int64  // meaningful only with sha256
}

// ReadFile reads a whole file of at most limit bytes and compares it with w. The
// bytes may be those of a [Memory] and are not to be changed.
func ReadFile(fsys fs.FS, name string, w Want, limit int64) ([]byte, error) {
	known, info := recall(fsys, name, w.Sha256, w.Size)
	if known != nil && int64(len(known)) <= limit {
		return known, nil
	}
	f, size, err := OpenFile(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	body, err := readOpened(f, name, size, w, limit)
	if err == nil {
		remember(fsys, name, w.Sha256, body, info)
	}
	return body, err
}

// readOpened reads a file of that size, and compares it with w.
func readOpened(f io.Reader, name string, size int64, w Want, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes, %w of %d", name, size, ErrTooLarge, limit)
	}
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit { // it grew meanwhile
		return nil, fmt.Errorf("%s: %w of %d", name, ErrTooLarge, limit)
	}
	sum := sha256.Sum256(body)
	return body, w.Compare(name, int64(len(body)), sum[:])
}

// ReadIfThere reads a whole file; nil if there is none.
func ReadIfThere(fsys fs.FS, name string, limit int64) ([]byte, error) {
	body, err := ReadFile(fsys, name, Want{}, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return body, err
}

func (w Want) Compare(name string, size int64, sum []byte) error {
	if w.Sha256 == "" {
		return nil
	}
	if size != w.Size {
		return &CorruptError{Path: name, Want: fmt.Sprintf("%d bytes", w.Size), Got: fmt.Sprintf("%d bytes", size)}
	}
	if got := hex.EncodeToString(sum); got != w.Sha256 {
		return &CorruptError{Path: name, Want: string(oci.FromHex(w.Sha256)), Got: string(oci.FromHex(got))}
	}
	return nil
}

// OpenChecked opens a file for an answer: small ones are checked here, larger ones
// while they are read.
func OpenChecked(ctx context.Context, fsys fs.FS, name string, w Want) (io.ReadCloser, int64, error) {
	inMemory := func(body []byte) (io.ReadCloser, int64, error) {
		return InMemory{Reader: bytes.NewReader(body)}, int64(len(body)), nil
	}
	known, info := recall(fsys, name, w.Sha256, w.Size)
	if known != nil {
		return inMemory(known)
	}
	f, size, err := OpenFile(fsys, name)
	if err != nil {
		return nil, 0, err
	}
	if w.Sha256 != "" && size != w.Size {
		_ = f.Close()
		return nil, 0, w.Compare(name, size, nil)
	}
	if size > MaxChecked {
		return &CheckedReader{ctx: ctx, File: f, hash: sha256.New(), Name: name, left: size, Size: size, Want: w}, size, nil
	}
	defer f.Close() //nolint:errcheck // only read
	body, err := readOpened(f, name, size, w, MaxChecked)
	if err != nil {
		return nil, 0, err
	}
	remember(fsys, name, w.Sha256, body, info)
	return inMemory(body)
}

// CheckedReader hands out a file and withholds its last bytes unless the whole
// is what it must be. A reader of damaged content therefore always gets an
// error and too few bytes, whether or not it waits for io.EOF.
type CheckedReader struct {
	ctx        context.Context
	File       fs.File
	hash       hash.Hash
	Name       string
	left, Size int64
	Want       Want
	err        error
}

func (r *CheckedReader) Read(p []byte) (int, error) {
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.File.Read(p)
	r.hash.Write(p[:n])
	r.left -= int64(n)
	switch {
	case r.left == 0:
		if r.err = r.Want.Compare(r.Name, r.Size, r.hash.Sum(nil)); r.err != nil {
			return 0, r.err
		}
		r.err = io.EOF
		return n, nil
	case errors.Is(err, io.EOF): // it shrank since it was opened
		r.err = fmt.Errorf("%s: %w", r.Name, io.ErrUnexpectedEOF)
		return n, r.err
	case err != nil:
		r.err = err
		return n, err
	}
	return n, nil
}

func (r *CheckedReader) Close() error { return r.File.Close() }

// Classify refutes: the bytes were read.
func (e *CorruptError) Classify() (report.Verdict, report.Reason) {
	return report.Refuted, report.Mismatch
}

func IsCorrupt(err error) bool {
	var c *CorruptError
	return errors.As(err, &c)
}

// WithContext ends a read with its context.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

// contextReader ends a read with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// InMemory is a body that was read, and checked, already.
type InMemory struct{ *bytes.Reader }

func (InMemory) Close() error { return nil }
