package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// blockSize is what is hashed and compared at once while a body is sent, so
	// that no wrong byte leaves. A client that reads slowly holds one: 1,400 of them, 88 MiB.
	blockSize = 64 << 10
	// maxBlocks bounds the remembered sums: 64 MiB of them, for 128 GiB of content. What is
	// beyond is read whole before every answer.
	maxBlocks = 2 << 20
	// hashedAtOnce bounds the reading ahead of a server that has just started.
	hashedAtOnce = 4
	// damageKept is for how long a damaged file is not read again.
	damageKept = 10 * time.Second
)

// blocks knows, of each file that was once read whole and found to be what it
// must be, the hash of every block. What is sent later, in any order and any
// part of it, is compared block by block with them: nothing depends on when a
// file was looked at, or on what the file system says of it since. The sums
// follow from a digest alone, so they are never out of date.
type blocks struct {
	mu    sync.Mutex
	files map[string]*blockSums // by the sha256 of the whole, in hex
	count int
	turn  chan struct{}
}

type blockSums struct {
	turn    chan struct{} // held while the file is read
	sums    [][sha256.Size]byte
	damaged error
	until   time.Time // damaged is believed so long
}

func newBlocks() *blocks {
	return &blocks{files: map[string]*blockSums{}, turn: make(chan struct{}, hashedAtOnce)}
}

// checkedContent gives the content of an opened file, hashed again as it is read. A
// file that was never read before is read whole first; one that is not what
// it must be is a [*CorruptError], before any of it was handed out. A file that nothing
// describes is given as it is.
func (b *blocks) checkedContent(ctx context.Context, r *layout.CheckedReader) (io.ReadSeeker, error) {
	file, ok := r.File.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("%s: cannot be read in parts", r.Name)
	}
	if r.Want.Sha256 == "" {
		return io.NewSectionReader(file, 0, r.Size), nil
	}
	sums, err := b.of(ctx, r, file)
	if err != nil {
		return nil, err
	}
	return &blockReader{ctx: ctx, file: file, name: r.Name, size: r.Size, want: r.Want, sums: sums, loaded: -1}, nil
}

func (b *blocks) of(ctx context.Context, r *layout.CheckedReader, file io.ReaderAt) ([][sha256.Size]byte, error) {
	b.mu.Lock()
	known := b.files[r.Want.Sha256]
	if known == nil {
		known = &blockSums{turn: make(chan struct{}, 1)}
		b.files[r.Want.Sha256] = known
	}
	b.mu.Unlock()

	// One request reads; the others that want the same wait for what it finds.
	if err := takeTurn(ctx, known.turn); err != nil {
		return nil, err
	}
	defer give(known.turn)
	if known.sums != nil {
		return known.sums, nil
	}
	if err := takeTurn(ctx, b.turn); err != nil {
		return nil, err
	}
	defer give(b.turn)
	if known.damaged != nil && time.Now().Before(known.until) {
		return nil, known.damaged
	}
	sums, err := readBlocks(ctx, r, file)
	var corrupt *layout.CorruptError
	if errors.As(err, &corrupt) {
		known.damaged, known.until = err, time.Now().Add(damageKept)
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count+len(sums) <= maxBlocks {
		b.count += len(sums)
		known.sums = sums
	}
	return sums, nil
}

func takeTurn(ctx context.Context, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func give(turn chan struct{}) { <-turn }

// readBlocks reads a file whole, and returns the hash of each block if the
// whole has the hash that it must have.
func readBlocks(ctx context.Context, r *layout.CheckedReader, file io.ReaderAt) ([][sha256.Size]byte, error) {
	whole := sha256.New()
	sums := make([][sha256.Size]byte, 0, (r.Size+blockSize-1)/blockSize)
	buf := takeBlock()
	defer freeBlock(buf)
	for off := int64(0); off < r.Size; off += blockSize {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := (*buf)[:min(blockSize, r.Size-off)]
		if err := readFull(file, part, off, r.Name); err != nil {
			return nil, err
		}
		whole.Write(part)
		sums = append(sums, sha256.Sum256(part))
	}
	return sums, r.Want.Compare(r.Name, r.Size, whole.Sum(nil))
}

func readFull(file io.ReaderAt, p []byte, off int64, name string) error {
	n, err := file.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: %w", name, io.ErrUnexpectedEOF) // it shrank since it was opened
	}
	return err
}

var blockPool = sync.Pool{New: func() any { b := make([]byte, blockSize); return &b }}

func takeBlock() *[]byte {
	b, ok := blockPool.Get().(*[]byte)
	if !ok {
		panic("mirror: the pool holds blocks only")
	}
	return b
}

func freeBlock(b *[]byte) { blockPool.Put(b) }

// blockReader hands out a file whose blocks are known, each only after it was
// hashed. Its first error stays.
type blockReader struct {
	ctx    context.Context
	file   io.ReaderAt
	name   string
	size   int64
	off    int64
	want   layout.Want
	sums   [][sha256.Size]byte
	buf    *[]byte
	loaded int64 // the block in buf
	err    error // of the content, never io.EOF
}

func (r *blockReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errors.New("mirror: seek before the beginning")
	}
	r.off = offset
	return offset, nil
}

func (r *blockReader) Read(p []byte) (int, error) {
	part, err := r.next(int64(len(p)))
	return copy(p, part), err
}

// next hands out what follows, at most n bytes of one block, which stay as they are until
// the next call.
func (r *blockReader) next(n int64) ([]byte, error) {
	switch {
	case r.err != nil:
		return nil, r.err
	case r.off >= r.size:
		return nil, io.EOF
	case n == 0:
		return nil, nil
	}
	block := r.off / blockSize
	start := block * blockSize
	size := min(blockSize, r.size-start)
	if block != r.loaded {
		if r.err = r.load(block, start, size); r.err != nil {
			return nil, r.err
		}
	}
	part := (*r.buf)[r.off-start : size]
	part = part[:min(n, int64(len(part)))]
	r.off += int64(len(part))
	return part, nil
}

func (r *blockReader) load(block, start, size int64) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.buf == nil {
		r.buf = takeBlock()
	}
	r.loaded = -1
	part := (*r.buf)[:size]
	if err := readFull(r.file, part, start, r.name); err != nil {
		return err
	}
	if sha256.Sum256(part) != r.sums[block] {
		return &layout.CorruptError{Path: r.name, Want: string(oci.FromHex(r.want.Sha256)), Got: fmt.Sprintf("other bytes at %d", start)}
	}
	r.loaded = block
	return nil
}

// Close gives the buffer back; the file is its opener's to close.
func (r *blockReader) Close() error {
	if r.buf != nil {
		freeBlock(r.buf)
		r.buf, r.loaded, r.off = nil, -1, r.size
	}
	return nil
}
