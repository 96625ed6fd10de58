package layer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// ErrMemory is met where a stream asks its reader for more memory than is given:
// a window of zstd, or a dictionary of xz, of more than 64 MiB, which the strongest
// levels of both programs ask for.
var ErrMemory = errors.New("a stream that asks for more memory to be unpacked than is given")

var errXZ = errors.New("not an xz stream as it is written for packages")

// TooLarge says that an error of an unpacked stream is about memory, see [ErrMemory].
func TooLarge(err error) bool {
	return errors.Is(err, ErrMemory) || errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded)
}

// The caps of an xz stream. Its reader makes a dictionary for each block, and a
// model of probabilities for each chunk of LZMA2, however little is in them.
const (
	maxDictionaries = 2 << 30 // bytes, all blocks together; "xz -T" of 1 GiB asks for 344 MiB
	fewChunks       = 4096    // more must have [chunkSize] bytes on average
	chunkSize       = 1024    // genuine ones have up to 64 KiB
)

// OpenXZ unpacks exactly one xz stream of the LZMA2 filter (xz file format 1.2.0,
// https://tukaani.org/xz/xz-file-format.txt), behind which nothing follows. The
// library takes the size of the dictionary that it makes from the stream; so each
// element is held to its bounds here before the library sees it.
func OpenXZ(packed io.Reader) (io.Reader, error) {
	guard := &xzGuard{r: bufio.NewReaderSize(packed, 64<<10)}
	guard.next = guard.streamHeader
	r, err := xz.ReaderConfig{DictCap: 1 << 12, SingleStream: true}.NewReader(guard)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// xzGuard hands a stream on, element by element.
type xzGuard struct {
	r       *bufio.Reader
	element []byte // what is being handed on
	at      int    // how much of it was
	next    func() error
	err     error

	check        int   // bytes of the check behind each block
	size         int64 // of the element that is measured: a block's data, or the index
	blocks       int
	dictionaries int64
	chunks, data int64
}

func (g *xzGuard) Read(p []byte) (int, error) {
	for g.at == len(g.element) {
		if g.err != nil {
			return 0, g.err
		}
		g.element, g.at = g.element[:0], 0
		g.err = g.next()
	}
	n := copy(p, g.element[g.at:])
	g.at += n
	return n, nil
}

// take adds n bytes to the element.
func (g *xzGuard) take(n int) ([]byte, error) {
	start := len(g.element)
	g.element = append(g.element, make([]byte, n)...)
	got, err := io.ReadFull(g.r, g.element[start:])
	g.element = g.element[:start+got]
	g.size += int64(got)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return g.element[start:], err
}

// streamHeader is section 2.1.1.
func (g *xzGuard) streamHeader() error {
	b, err := g.take(12)
	if err != nil {
		return err
	}
	size, ok := map[byte]int{0: 0, 1: 4, 4: 8, 10: 32}[b[7]]
	if !bytes.HasPrefix(b, []byte("\xfd7zXZ\x00\x00")) || !ok {
		return errXZ
	}
	g.check, g.next = size, g.block
	return nil
}

// block is section 3.1, or the index's first byte (section 4.1).
func (g *xzGuard) block() error {
	g.size = 0
	first, err := g.take(1)
	if err != nil {
		return err
	}
	if first[0] == 0 {
		g.next = g.index
		return nil
	}
	b, err := g.take(4*(int(first[0])+1) - 1)
	if err != nil {
		return err
	}
	dictionary, err := dictionaryOf(b)
	if err != nil {
		return err
	}
	g.blocks++
	g.dictionaries += dictionary
	if dictionary > maxWindow || g.dictionaries > maxDictionaries {
		return fmt.Errorf("%w: %d bytes", ErrMemory, dictionary)
	}
	g.size, g.next = 0, g.chunk
	return nil
}

// dictionaryOf reads the size of the dictionary in bytes from a block's header
// without its first byte (sections 3.1.2 to 3.1.5 and 5.3.1).
func dictionaryOf(header []byte) (int64, error) {
	flags := header[0]
	rest := header[1 : len(header)-4] // the last four are its CRC32
	if flags&0x3f != 0 {              // one filter
		return 0, errXZ
	}
	for _, present := range []byte{0x40, 0x80} {
		if flags&present == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, errXZ
		}
		rest = rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 40 {
		return 0, errXZ
	}
	bits := rest[2]
	if bits == 40 {
		return 1<<32 - 1, nil
	}
	return int64(2|bits&1) << (bits/2 + 11), nil
}

// chunk is one of LZMA2: its control byte, sizes, and data.
func (g *xzGuard) chunk() error {
	control, err := g.take(1)
	if err != nil {
		return err
	}
	g.chunks++
	g.data++
	if g.chunks > fewChunks+g.data/chunkSize {
		return fmt.Errorf("%w: it is cut into very small pieces", ErrMemory)
	}
	var b []byte
	size := 0
	switch c := control[0]; {
	case c == 0:
		g.next = g.blockEnd
		return nil
	case c <= 2:
		if b, err = g.take(2); err == nil {
			size = int(binary.BigEndian.Uint16(b)) + 1
		}
	case c >= 0x80:
		length := 4
		if c >= 0xc0 {
			length++ // the properties
		}
		if b, err = g.take(length); err == nil {
			size = int(binary.BigEndian.Uint16(b[2:])) + 1
		}
	default:
		return errXZ
	}
	if err != nil {
		return err
	}
	g.data += int64(size)
	_, err = g.take(size)
	return err
}

// blockEnd is the padding and the check (sections 3.3 and 3.4).
func (g *xzGuard) blockEnd() error {
	g.next = g.block
	_, err := g.take(int(-g.size&3) + g.check)
	return err
}

// index is section 4, and the stream's footer.
func (g *xzGuard) index() error {
	g.size = 1
	records, err := g.varint()
	if err != nil || records != uint64(g.blocks) {
		return errors.Join(err, errXZ)
	}
	for range 2 * g.blocks {
		if _, err := g.varint(); err != nil {
			return err
		}
	}
	g.next = g.end
	_, err = g.take(int(-g.size&3) + 4 + 12)
	return err
}

func (g *xzGuard) varint() (uint64, error) {
	var b []byte
	for len(b) < 9 {
		next, err := g.take(1)
		if err != nil {
			return 0, err
		}
		if b = append(b, next[0]); next[0] < 0x80 {
			v, _ := binary.Uvarint(b)
			return v, nil
		}
	}
	return 0, errXZ
}

func (g *xzGuard) end() error {
	if _, err := g.r.ReadByte(); err != nil {
		return err
	}
	return fmt.Errorf("%w: something follows it", errXZ)
}
