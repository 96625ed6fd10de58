package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// MaxFile caps a file: the largest that a release has had, kubernetes.tar.gz
	// before it was split, is some 1.5 GB.
	MaxFile int64 = 4 << 30 // more than an int has where that has 32 bits

	// blockSize is read, written and hashed in one piece. Smaller costs more
	// turns, larger falls out of a processor's cache; measured, docs/performance.md.
	blockSize = 256 << 10
	// blocks are as many as a download may be ahead of its hashes, 1 MiB: what
	// travels is bounded far below the 8 MiB that a lost process may cost.
	blocks = 4
)

// Transfer counts the bytes of one file, for a progress bar to poll. The zero
// value is ready to use, and so is nil.
type Transfer struct{ done, total, fetched atomic.Int64 }

// Counts returns how many bytes of the file are there, hashed, and how many it
// has: zero while that is not known.
func (t *Transfer) Counts() (done, total int64) { return t.done.Load(), t.total.Load() }

// Fetched returns how many bytes of bodies came over the network in this run.
func (t *Transfer) Fetched() int64 { return t.fetched.Load() }

// Begin says how many bytes there will be.
func (t *Transfer) Begin(total int64) { t.start(total) }

// Watch counts what is read through it.
func (t *Transfer) Watch(r io.Reader) io.Reader { return tallied{t, r} }

type tallied struct {
	t *Transfer
	r io.Reader
}

func (c tallied) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.t.add(n, false)
	return n, err
}

func (t *Transfer) start(total int64) {
	if t != nil {
		t.done.Store(0)
		t.total.Store(max(0, total))
	}
}

func (t *Transfer) add(n int, fetched bool) {
	if t == nil {
		return
	}
	t.done.Add(int64(n))
	if fetched {
		t.fetched.Add(int64(n))
	}
}

// spare blocks go from file to file: many small files then cost no more memory
// than the few that travel at once.
var spare = sync.Pool{New: func() any { return new(block) }}

type block struct {
	buf  [blockSize]byte
	n    int
	uses atomic.Int32
}

// pump moves src through both hashes and, if there is one, into the writer.
// The two hashes have a goroutine each: SHA-512, the slower, is then all that
// it costs. The count is of bytes that were written and hashed, also beside an
// error, which is that of src or of the writer (as a [*FileError]).
func (p *Part) pump(src io.Reader, to io.Writer, t *Transfer) (n int64, err error) {
	var (
		free = make(chan *block, blocks)
		a    = make(chan *block, blocks)
		b    = make(chan *block, blocks)
		made = 0
	)
	next := func() *block {
		select {
		case blk := <-free:
			return blk
		default:
		}
		if made < blocks {
			made++
			return spare.Get().(*block)
		}
		return <-free
	}
	hash := func(h io.Writer, in <-chan *block) func() {
		return func() {
			for blk := range in {
				_, _ = h.Write(blk.buf[:blk.n]) // hashes never fail
				if blk.uses.Add(-1) == 0 {
					free <- blk
				}
			}
		}
	}
	par.Do(
		func() {
			defer close(a)
			defer close(b)
			for err == nil {
				blk := next()
				blk.n, err = fill(src, blk.buf[:])
				if to != nil && blk.n > 0 {
					if wrote, e := to.Write(blk.buf[:blk.n]); e != nil {
						blk.n, err = wrote, p.local(e)
					}
				}
				n += int64(blk.n)
				t.add(blk.n, to != nil)
				blk.uses.Store(2)
				a <- blk
				b <- blk
			}
		},
		hash(p.h256, a),
		hash(p.h512, b),
	)
	for range made {
		spare.Put(<-free)
	}
	p.Size += n
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// enough is how much is worth a turn: a slow line's bytes do not wait for a
// whole block.
const enough = 32 << 10

// fill reads until enough is there or the source ends.
func fill(src io.Reader, buf []byte) (n int, err error) {
	for n < enough && err == nil {
		var m int
		m, err = src.Read(buf[n:])
		n += m
	}
	return n, err
}

// Sums are the hashes of a local file, in hexadecimal.
type Sums struct {
	SHA256, SHA512 string
	Size           int64
}

// Digest gives the SHA-256 as a digest.
func (s Sums) Digest() oci.Digest { return oci.FromHex(s.SHA256) }

// Sum hashes bytes both ways.
func Sum(body []byte) Sums {
	a, b := sha256.Sum256(body), sha512.Sum512(body)
	return Sums{SHA256: hex.EncodeToString(a[:]), SHA512: hex.EncodeToString(b[:]), Size: int64(len(body))}
}

// HashFile reads a regular file of at most [MaxFile] bytes and hashes it both
// ways, until the context ends. Links are not followed. Errors are [*FileError]
// and wrap [ErrNotRegular], [ErrTooBig] or the context's.
func HashFile(ctx context.Context, root *os.Root, name string, t *Transfer) (Sums, error) {
	return hashFile(ctx, root, name, t, func(fs.FileInfo) error { return nil })
}

// HashOwn is HashFile of a file that only this user can change, as far as
// its owner and its number of names tell; of any other the error wraps
// [ErrNotAlone].
func HashOwn(ctx context.Context, root *os.Root, name string, t *Transfer) (Sums, error) {
	return hashFile(ctx, root, name, t, alone)
}

func hashFile(ctx context.Context, root *os.Root, name string, t *Transfer, may func(fs.FileInfo) error) (Sums, error) {
	fail := func(err error, hint string) (Sums, error) {
		return Sums{}, &FileError{Name: name, Err: bare(err), Hint: hint}
	}
	f, err := openRegular(root, name, os.O_RDONLY)
	if err != nil {
		return fail(err, "name a regular file that can be read")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err, "check the disk")
	}
	if err := may(info); err != nil {
		return fail(err, "name a file of your own")
	}
	tooBig := fmt.Errorf("%w: more than %d bytes, which no file of a release has", ErrTooBig, MaxFile)
	if info.Size() > MaxFile {
		return fail(tooBig, "name another file")
	}
	t.start(info.Size())
	p := &Part{part: name, h256: sha256.New(), h512: sha512.New()}
	n, err := p.pump(untilDone{ctx, io.LimitReader(f, MaxFile+1)}, nil, t)
	switch {
	case err != nil && ctx.Err() != nil:
		return fail(err, "run it again")
	case err != nil:
		return fail(err, "check the disk")
	case n > MaxFile:
		return fail(tooBig, "name another file")
	}
	return Sums{hex.EncodeToString(p.h256.Sum(nil)), hex.EncodeToString(p.h512.Sum(nil)), p.Size}, nil
}

// untilDone ends a reader with its context.
type untilDone struct {
	ctx context.Context //nolint:containedctx // of this one reader
	io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
