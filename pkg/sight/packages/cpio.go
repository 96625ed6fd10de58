package packages

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// newc reads a cpio archive in the "new ASCII" form, with or without a checksum
// (cpio(5) of libarchive; magic 070701 and 070702). The library for it,
// cavaliergopher/cpio, takes signs and letters for hex digits and an archive that
// is cut off for one that ends.
type newc struct {
	r    io.Reader
	body *io.LimitedReader // of the last entry
	pad  int64             // behind it
	n    int               // entries
}

type newcEntry struct {
	name              string
	mode, size, links int64
	body              io.Reader
}

// next gives the next entry, or io.EOF behind the one that ends the archive.
func (a *newc) next() (*newcEntry, error) {
	if a.body != nil {
		if _, err := io.CopyN(io.Discard, a.r, a.body.N+a.pad); err != nil {
			return nil, cutOff(err)
		}
	}
	b := make([]byte, 110)
	if _, err := io.ReadFull(a.r, b); err != nil {
		return nil, cutOff(err)
	}
	text := string(b)
	if a.n++; text[:6] != "070701" && text[:6] != "070702" || a.n > 2*maxPackageEntries || strings.Trim(text, "0123456789abcdefABCDEF") != "" {
		return nil, errors.New("an entry's header is invalid")
	}
	hex := func(i int) int64 { // the i-th field, eight digits
		v, _ := strconv.ParseInt(text[6+8*i:14+8*i], 16, 64) // digits alone, as seen above
		return v
	}
	e := &newcEntry{mode: hex(1), links: hex(4), size: hex(6)}
	length := hex(11)
	if length < 2 || length > maxPath+1 {
		return nil, errors.New("an entry's name is empty or too long")
	}
	name := make([]byte, length+(-(110+length))&3)
	if _, err := io.ReadFull(a.r, name); err != nil {
		return nil, cutOff(err)
	}
	e.name = string(name[:length-1])
	if name[length-1] != 0 || strings.Contains(e.name, "\x00") {
		return nil, errors.New("an entry's name does not end where it should")
	}
	if e.name == "TRAILER!!!" {
		if e.size != 0 {
			return nil, errors.New("its last entry has bytes")
		}
		return nil, io.EOF
	}
	a.body, a.pad = &io.LimitedReader{R: a.r, N: e.size}, -e.size&3
	e.body = a.body
	return e, nil
}
