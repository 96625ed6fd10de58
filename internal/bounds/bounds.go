// Package bounds says what a document may cost before it is read. A cap on its
// bytes does not: two bytes of JSON, "{}", become a structure of hundreds.
package bounds

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Error says that something is larger than it may be.
type Error struct {
	What string // such as "bytes"
	Max  int64
}

func (e *Error) Error() string {
	return fmt.Sprintf("more than %d %s, which is the limit; no genuine document has as many", e.Max, e.What)
}

// Memory is what any one document may cost in memory once it is read, its bytes
// not counted.
const Memory = 96 << 20

// Price is what JSON costs a reader in bytes of memory: the size of the Go values
// that it makes of each.
type Price struct {
	Item   int // an object in a list of the outermost object, such as one package
	Object int // any other object
	Value  int // anything else: a string, a number, a list; and each key
}

// JSON holds a JSON text to what it would cost at most, in one pass and without
// memory of its own. Whether it is JSON is for its reader to say. The error is an
// [*Error].
func JSON(text []byte, p Price, most int64) error {
	var cost int64
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '{':
			if depth++; depth == 3 {
				cost += int64(p.Item)
			} else {
				cost += int64(p.Object)
			}
		case '[':
			depth++
			cost += int64(p.Value)
		case '}', ']':
			depth--
		case ',', ':':
			cost += int64(p.Value)
		}
		if cost > most {
			return &Error{"bytes of memory for its elements", most}
		}
	}
	return nil
}

// YAML holds a YAML text to the number of values that it can have at most, since a
// reader makes some hundred bytes of each before it gives the first. Flow or block,
// each but the first has one of these before it. The error is an [*Error].
func YAML(text []byte, most int) error {
	n := 0
	for i, c := range text {
		switch c {
		case ',', '[', '{', ':', '\n', '\r':
			n++
		case '-', '?':
			if i+1 < len(text) && (text[i+1] == ' ' || text[i+1] == '\t' || text[i+1] == '\n') {
				n++
			}
		}
		if n > most {
			return &Error{"values", int64(most)}
		}
	}
	return nil
}

// WithoutBOM takes the UTF-8 byte order mark off a text that a person's editor or
// shell may have written with one. It is for no bytes that are hashed or signed.
func WithoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) }

// Read reads all of r, but for more than most bytes, which are an [*Error]. A
// regular file that is larger is not read at all, none is held twice, and of what
// begins with nothing but zeros, such as /dev/zero, no more is read.
func Read(r io.Reader, most int64) ([]byte, error) {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			if info.Size() > most {
				return nil, &Error{"bytes", most}
			}
			out := make([]byte, info.Size()+1)
			n, err := io.ReadFull(f, out)
			if err == nil { // it grew meanwhile
				return nil, errors.New("it changed while it was read; try again")
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return out[:n], nil
			}
			return nil, err
		}
	}
	var parts [][]byte
	total := 0
	for size := 64 << 10; ; size = min(2*size, 8<<20) {
		part := make([]byte, size)
		n, err := io.ReadFull(r, part)
		parts, total = append(parts, part[:n]), total+n
		if len(parts) == 1 && err == nil && len(bytes.Trim(part, "\x00")) == 0 {
			return nil, errors.New("it begins with 65536 zeros, as no text does")
		}
		if int64(total) > most {
			return nil, &Error{"bytes", most}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	out := make([]byte, 0, total)
	for i, p := range parts {
		out, parts[i] = append(out, p...), nil
	}
	return out, nil
}
