package packages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/layer"
)

// Is says by its first 8 bytes, or more, whether a file is a package: an ar
// archive, as a deb is, or an rpm.
func Is(first []byte) bool {
	return bytes.HasPrefix(first, debMagic) || bytes.HasPrefix(first, rpmMagic)
}

// Read reads a deb (deb(5), format 2.x, packed with gzip, xz, zstd or not)
// or an rpm (lead, two headers, and a payload of cpio in the "newc" form, packed
// in the same ways) from its first byte to its last, as a stream: it holds a few
// buffers, lists of entries and the window of the packing, at most some 100 MB.
//
// A regular file with the name of one of the programs
// is listed wherever it lies, if it may be run: it has an
// executable bit, begins as ELF does, or lies in a directory "bin" or "sbin".
// The kubelet's own package has a settings file of the same name, etc/default/kubelet,
// which is of none of these kinds and is counted with the others.
//
// The error is a [*Error], or that of r or ctx.
func Read(ctx context.Context, r io.Reader, q Request) (*Package, error) {
	src := &packageSource{ctx: ctx, r: r}
	in := bufio.NewReaderSize(src, bufferSize)
	p := new(Package)
	err := p.read(in, newContents(q))
	if src.err != nil {
		return nil, fmt.Errorf("the package could not be read: %w; try again", src.err)
	}
	if err == nil {
		return p, nil
	}
	out := &Error{Format: p.Format, Err: err}
	var at *entryError
	if errors.As(err, &at) {
		out.Entry, out.Err = at.entry, at.err
	}
	if layer.TooLarge(err) {
		out.Err = &bounds.Error{What: "bytes of memory to unpack it", Max: 64 << 20}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		out.Err = fmt.Errorf("it is cut off: %w", io.ErrUnexpectedEOF)
	}
	return nil, out
}

func (p *Package) read(in *bufio.Reader, c *contents) error {
	head, err := in.Peek(len(debMagic))
	switch {
	case bytes.HasPrefix(head, debMagic):
		p.Format = "deb"
		err = p.readDeb(in, c)
	case bytes.HasPrefix(head, rpmMagic):
		p.Format = "rpm"
		err = p.readRPM(in, c)
	case err == nil:
		return errors.New("it begins neither as a deb nor as an rpm does")
	}
	if err == nil {
		err = c.finish()
	}
	p.Files, p.Others = c.files, c.others
	return err
}

// packageSource keeps the error of the outside apart from those of the bytes.
type packageSource struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *packageSource) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
