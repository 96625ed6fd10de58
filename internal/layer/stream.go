package layer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// The packings of layers, as [Packing] and [PackingOf] name them.
const (
	Plain = ""
	Gzip  = "gzip"
	Zstd  = "zstd"
)

// ErrTrailing is met behind the clean end of a stream that something else follows,
// which is not a further stream.
var ErrTrailing = errors.New("something follows the end of the stream")

// mediaTypes is the closed table of layers' media types: those of the OCI image
// specification (layer.md) and Docker's (image manifest version 2, schema 2).
var mediaTypes = map[string]string{
	"application/vnd.oci.image.layer.v1.tar":                       Plain,
	"application/vnd.oci.image.layer.v1.tar+gzip":                  Gzip,
	"application/vnd.oci.image.layer.v1.tar+zstd":                  Zstd,
	"application/vnd.oci.image.layer.nondistributable.v1.tar":      Plain,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": Gzip,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": Zstd,
	"application/vnd.docker.image.rootfs.diff.tar":                 Plain,
	"application/vnd.docker.image.rootfs.diff.tar.gzip":            Gzip,
	"application/vnd.docker.image.rootfs.diff.tar.zstd":            Zstd,
	"application/vnd.docker.image.rootfs.foreign.diff.tar":         Plain,
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    Gzip,
}

// PackingOf says how a layer of that media type is packed; ok is false of a type
// that is not a layer's.
func PackingOf(mediaType string) (packing string, ok bool) {
	packing, ok = mediaTypes[mediaType]
	return packing, ok
}

// Packing says by the first four bytes, or more, how something is packed.
func Packing(first []byte) string {
	switch {
	case bytes.HasPrefix(first, []byte{0x1f, 0x8b}):
		return Gzip
	case len(first) >= 4 && (binary.LittleEndian.Uint32(first) == frameMagic || isSkippable(first)):
		return Zstd
	}
	return Plain
}

// Stream unpacks bytes and counts what they are made of. A gzip file is a series of
// members (RFC 1952, section 2.2), a zstd file one of frames (RFC 8878, section 3.1):
// most readers join them, others stop behind the first. Read gives all of them,
// joined. Its end is [io.EOF] only if the packed bytes came to a clean end; where
// something else follows, it is [ErrTrailing]. The fields count once Read has ended.
type Stream struct {
	Members int // gzip members or zstd frames; 1 for plain bytes
	// SecondTable says that a further table of contents is in them: the extra field
	// of eStargz's footer, or a zstd frame that readers skip, such as zstd:chunked's.
	SecondTable bool

	read  func([]byte) (int, error)
	close func() error
}

// Unpack reads packed bytes. The error is one of the first member's header.
func Unpack(packed io.Reader, packing string) (*Stream, error) {
	switch packing {
	case Gzip:
		return unpackGzip(packed)
	case Zstd:
		return unpackZstd(packed)
	}
	return &Stream{Members: 1, read: packed.Read, close: func() error { return nil }}, nil
}

// Read implements [io.Reader].
func (s *Stream) Read(p []byte) (int, error) { return s.read(p) }

// Close implements [io.Closer].
func (s *Stream) Close() error { return s.close() }

func unpackGzip(packed io.Reader) (*Stream, error) {
	in := bufio.NewReaderSize(packed, 64<<10)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, early(err)
	}
	s := &Stream{close: z.Close}
	begin := func() {
		z.Multistream(false)
		s.Members++
		// In the member's extra field, as containerd/stargz-snapshotter writes it
		// (docs/estargz.md, "Footer"), of the present form and of the older one.
		s.SecondTable = s.SecondTable || bytes.Contains(z.Extra, []byte("STARGZ"))
	}
	begin()
	s.read = func(p []byte) (int, error) {
		n, err := z.Read(p)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		err = z.Reset(in)
		if err == nil {
			begin()
		} else if errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrTrailing
		}
		return n, err
	}
	return s, nil
}

// early makes the end of empty bytes one that came too early.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func unpackZstd(packed io.Reader) (*Stream, error) {
	f := &frames{r: bufio.NewReaderSize(packed, 64<<10), want: 4, next: (*frames).magic}
	z, err := openZstd(f)
	if err != nil {
		return nil, err
	}
	s := &Stream{close: z.Close}
	s.read = func(p []byte) (int, error) {
		n, err := z.Read(p)
		if err != nil {
			s.Members, s.SecondTable = f.count, f.skippable
			if f.lost && f.count > 0 {
				err = ErrTrailing
			}
		}
		return n, err
	}
	return s, nil
}

const frameMagic = 0xFD2FB528

// isSkippable is RFC 8878, section 3.1.2: 0x184D2A50 to 0x184D2A5F.
func isSkippable(b []byte) bool { return binary.LittleEndian.Uint32(b)&^0xF == 0x184D2A50 }

// frames counts the frames of zstd bytes that pass through it, by their headers alone
// (RFC 8878, section 3.1.1). Whether they are right is for the decoder to say.
type frames struct {
	r         io.Reader
	count     int
	skippable bool
	lost      bool // what should be a frame is not one

	skip     int64  // bytes until the next header
	want     int    // bytes that this header has
	have     []byte // of them
	next     func(*frames, []byte)
	checksum bool // of this frame
}

func (f *frames) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	for b := p[:n]; len(b) > 0 && !f.lost; {
		if f.skip > 0 {
			k := min(f.skip, int64(len(b)))
			f.skip, b = f.skip-k, b[k:]
			continue
		}
		k := min(f.want-len(f.have), len(b))
		f.have, b = append(f.have, b[:k]...), b[k:]
		if len(f.have) == f.want {
			header := f.have
			f.have = f.have[:0]
			f.next(f, header)
		}
	}
	if errors.Is(err, io.EOF) && len(f.have) > 0 && f.want == 4 {
		f.lost = true // less than a frame's magic number at the end
	}
	return n, err
}

func (f *frames) magic(b []byte) {
	switch {
	case binary.LittleEndian.Uint32(b) == frameMagic:
		f.count++
		f.want, f.next = 1, (*frames).descriptor
	case isSkippable(b):
		f.skippable = true
		f.want, f.next = 4, (*frames).skipped
	default:
		f.lost = true
	}
}

func (f *frames) skipped(b []byte) {
	f.skip = int64(binary.LittleEndian.Uint32(b))
	f.want, f.next = 4, (*frames).magic
}

// descriptor is the first byte of a frame's header, which tells how long the rest is.
func (f *frames) descriptor(b []byte) {
	d := b[0]
	single := d&0x20 != 0
	f.checksum = d&0x04 != 0
	f.skip = [...]int64{0, 1, 2, 4}[d&3] + [...]int64{0, 2, 4, 8}[d>>6]
	if single && d>>6 == 0 || !single {
		f.skip++ // the content's size in one byte, or the window's
	}
	f.want, f.next = 3, (*frames).block
}

func (f *frames) block(b []byte) {
	header := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
	f.skip = header >> 3
	if header>>1&3 == 1 {
		f.skip = 1 // one byte, repeated
	}
	if header&1 == 0 {
		return
	}
	if f.checksum {
		f.skip += 4
	}
	f.want, f.next = 4, (*frames).magic
}
