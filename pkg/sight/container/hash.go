package container

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/layer"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sight"
)

const (
	// maxLayer caps what one layer may unpack to. The largest of a release, that of
	// conformance, has about 1 GB.
	maxLayer = 16 << 30
	// maxUnpacked caps what all layers of a container may unpack to: those of forty
	// nodes' worth of images.
	maxUnpacked = 256 << 30
	// maxRatio caps how many bytes a packed one may become, beyond the first
	// freeBytes: deflate cannot make more than 1,032, and zstd can make any number.
	maxRatio  = 1100
	freeBytes = 64 << 20

	piece  = 256 << 10 // bytes that are hashed at a time
	pieces = 4         // of them on their way at once
)

// allowance is what may still be unpacked of one container.
type allowance struct{ left atomic.Int64 }

func newAllowance() *allowance {
	a := &allowance{}
	a.left.Store(maxUnpacked)
	return a
}

// capped is what one stream unpacks to, under its own limit and the container's.
type capped struct {
	r     io.Reader
	left  int64
	limit *bounds.Error
	all   *allowance
}

// capped limits what a stream of so many packed bytes unpacks to, at most to most.
func (a *allowance) capped(r io.Reader, packed, most int64) *capped {
	if packed < (most-freeBytes)/maxRatio {
		return &capped{r, freeBytes + maxRatio*packed, &bounds.Error{What: "unpacked bytes of each packed one", Max: maxRatio}, a}
	}
	return &capped{r, most, &bounds.Error{What: "unpacked bytes of one stream", Max: most}, a}
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n, c.limit
	}
	if c.all.left.Add(-int64(n)) < 0 {
		return n, &bounds.Error{What: "unpacked bytes of one container", Max: maxUnpacked}
	}
	return n, err
}

// steady remembers the first error of a reader that is not its end, and ends with
// its context. So what could not be read is told from bytes that are wrong.
type steady struct {
	ctx context.Context //nolint:containedctx // of this one reading
	r   io.Reader
	err error
}

func (s *steady) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}

// hashAll reads r to its end and says what its bytes are; size is how many they
// should be, for the limit of what they may unpack to. The error is one of reading.
func hashAll(ctx context.Context, r io.Reader, size int64, all *allowance) (sight.Content, error) {
	source := &steady{ctx: ctx, r: r}
	buf := make([]byte, min(piece, max(size, 0)+bytes.MinRead))
	n, err := io.ReadFull(source, buf)
	if source.err != nil {
		return sight.Content{}, source.err
	}
	first, whole := buf[:n], err != nil // an error that is not the source's is its end
	c := sight.Content{Packed: layer.Packing(first)}
	raw := &counter{Hash: sha256.New()}
	_, _ = raw.Write(first)
	switch {
	case c.Packed == layer.Plain && whole:
	case c.Packed == layer.Plain:
		if _, err := io.CopyBuffer(raw, onlyReader{source}, buf); err != nil {
			return sight.Content{}, err
		}
	case whole:
		unpack(&c, bytes.NewReader(first), size, all)
	default:
		rest := io.MultiReader(bytes.NewReader(first), io.TeeReader(source, raw))
		ahead(rest, func(r io.Reader) { unpack(&c, r, size, all) })
		if source.err != nil {
			return sight.Content{}, source.err
		}
	}
	c.Digest, c.Size = oci.FromHash(raw), raw.n
	if c.Packed == layer.Plain {
		c.Unpacked = c.Digest
	}
	return c, nil
}

// unpack says what packed bytes unpack to.
func unpack(c *sight.Content, packed io.Reader, size int64, all *allowance) {
	s, err := layer.Unpack(packed, c.Packed)
	if err != nil {
		c.Err = err
		return
	}
	defer s.Close() //nolint:errcheck // only read
	sum := sha256.New()
	_, err = io.CopyBuffer(sum, all.capped(s, size, maxLayer), make([]byte, piece))
	c.SecondTable = s.SecondTable
	switch {
	case err != nil:
		c.Err = err
	case s.Members == 1:
		c.Unpacked = oci.FromHash(sum)
	case s.Members == 0:
		c.Err = errors.New("nothing is packed in it")
	default:
		c.Joined = oci.FromHash(sum)
		c.Err = fmt.Errorf("it is %d streams, of which some readers read only the first", s.Members)
	}
}

// counter hashes and counts.
type counter struct {
	hash.Hash
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

// onlyReader hides other methods, so that what reads it uses its own buffer.
type onlyReader struct{ io.Reader }

// ahead has use read what r gives while r reads on, some pieces ahead. r is read to
// its end or its first error, whatever use does.
func ahead(r io.Reader, use func(io.Reader)) {
	p := &pipe{full: make(chan []byte, pieces), free: make(chan []byte, pieces), end: io.ErrClosedPipe}
	for range pieces {
		p.free <- make([]byte, piece)
	}
	par.Do(func() {
		defer close(p.full)
		p.fill(r)
	}, func() {
		defer p.drain() // also where use panics, or the other side would wait
		use(onlyReader{p})
	})
}

// pipe hands pieces from one side to the other, and back for the next bytes.
type pipe struct {
	full, free chan []byte
	part, rest []byte // of the reading side
	end        error  // how r ended; set before full is closed
}

func (p *pipe) fill(r io.Reader) {
	for b := range p.free {
		n := 0
		var err error
		for n < piece/2 && err == nil {
			var k int
			k, err = r.Read(b[n:piece])
			n += k
		}
		p.full <- b[:n]
		if err != nil {
			p.end = err
			return
		}
	}
}

func (p *pipe) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.part != nil {
			p.free <- p.part[:piece]
			p.part = nil
		}
		part, ok := <-p.full
		if !ok {
			return 0, p.end
		}
		p.part, p.rest = part, part
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pipe) drain() {
	for part := range p.full {
		p.free <- part[:piece]
	}
}
