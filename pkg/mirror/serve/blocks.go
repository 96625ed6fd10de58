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
	// blockSize is what is read and compared at once while a body is sent, so
	// that no wrong byte leaves. A client that reads slowly holds one: 1,400 of them, 88 MiB.
	blockSize = 64 << 10
	// maxBlocks bounds the remembered tags: 64 MiB of them, for 256 GiB of content. What is
	// beyond is read whole before every answer.
	maxBlocks = 4 << 20
	// hashedAtOnce bounds the reading ahead of a server that has just started.
	hashedAtOnce = 4
	// damageKept is for how long a damaged file is not read again.
	damageKept = 10 * time.Second
)

// blocks knows, of each file that was once read whole and found to have its
// SHA-256, a tag of every block ([sealer]). What is sent later, in any order and any
// part of it, is compared block by block with them: nothing depends on when a
// file was looked at, or on what the file system says of it since. The tags
// stand for bytes that a digest names, so they are never out of date.
type blocks struct {
	seal  sealer
	mu    sync.Mutex
	files map[string]*blockTags // by the sha256 of the whole, in hex
	count int
	next  uint64 // the first number that no block has
	turn  chan struct{}
}

type blockTags struct {
	turn    chan struct{} // held while the file is read
	tags    *tags
	damaged error
	until   time.Time // damaged is believed so long
}

// tags are those of the blocks of one file, which are numbered from first on.
type tags struct {
	first uint64
	list  [][tagSize]byte
}

func newBlocks() *blocks {
	return &blocks{seal: newSealer(), files: map[string]*blockTags{}, turn: make(chan struct{}, hashedAtOnce)}
}

// checkedContent gives the content of an opened file, compared again as it is read. A
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
	known, err := b.of(ctx, r, file)
	if err != nil {
		return nil, err
	}
	return &blockReader{ctx: ctx, file: file, name: r.Name, size: r.Size, want: r.Want, seal: b.seal, tags: known, loaded: -1}, nil
}

func (b *blocks) of(ctx context.Context, r *layout.CheckedReader, file io.ReaderAt) (*tags, error) {
	b.mu.Lock()
	known := b.files[r.Want.Sha256]
	if known == nil {
		known = &blockTags{turn: make(chan struct{}, 1)}
		b.files[r.Want.Sha256] = known
	}
	b.mu.Unlock()

	// One request reads; the others that want the same wait for what it finds.
	if err := takeTurn(ctx, known.turn); err != nil {
		return nil, err
	}
	defer give(known.turn)
	if known.tags != nil {
		return known.tags, nil
	}
	if err := takeTurn(ctx, b.turn); err != nil {
		return nil, err
	}
	defer give(b.turn)
	if known.damaged != nil && time.Now().Before(known.until) {
		return nil, known.damaged
	}
	found, err := b.readBlocks(ctx, r, file)
	var corrupt *layout.CorruptError
	if errors.As(err, &corrupt) {
		known.damaged, known.until = err, time.Now().Add(damageKept)
	}
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.count+len(found.list) <= maxBlocks {
		b.count += len(found.list)
		known.tags = found
	}
	return found, nil
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

// readBlocks reads a file whole, and returns the tag of each block if the
// whole has the hash that it must have.
func (b *blocks) readBlocks(ctx context.Context, r *layout.CheckedReader, file io.ReaderAt) (*tags, error) {
	n := (r.Size + blockSize - 1) / blockSize
	b.mu.Lock()
	found := &tags{first: b.next, list: make([][tagSize]byte, 0, n)}
	b.next += uint64(n)
	b.mu.Unlock()
	whole := sha256.New()
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
		found.list = append(found.list, b.seal(found.first+uint64(off/blockSize), part))
	}
	return found, r.Want.Compare(r.Name, r.Size, whole.Sum(nil))
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
// compared, from the memory in which it was. Its first error stays.
type blockReader struct {
	ctx    context.Context
	file   io.ReaderAt
	name   string
	size   int64
	off    int64
	want   layout.Want
	seal   sealer
	tags   *tags
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
	if r.seal(r.tags.first+uint64(block), part) != r.tags.list[block] {
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
