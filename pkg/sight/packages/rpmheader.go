package packages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/kverify/kverify/internal/bounds"
)

// The tags of a header that are read, with their types (rpm's rpmtag.h).
const (
	tagName           = 1000
	tagVersion        = 1001
	tagRelease        = 1002
	tagEpoch          = 1003
	tagArch           = 1022
	tagOldFileNames   = 1027
	tagFileSizes      = 1028
	tagFileModes      = 1030
	tagFileDigests    = 1035
	tagFileLinkTos    = 1036
	tagFileFlags      = 1037
	tagFileInodes     = 1096
	tagDirIndexes     = 1116
	tagBaseNames      = 1117
	tagDirNames       = 1118
	tagPayloadFormat  = 1124
	tagCompressor     = 1125
	tagLongFileSizes  = 5008
	tagFileDigestAlgo = 5011

	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeStringArray = 8
	typeI18NString  = 9
)

// The caps of a header; rpm's own are larger. That of a package of a release has
// some 80 entries and 20 KB.
const (
	maxTags  = 4096
	maxStore = 16 << 20 // bytes
)

// rpmHeader is a header's index and store.
type rpmHeader struct {
	tags  map[uint32]rpmTag
	twice map[uint32]bool
	store []byte
}

type rpmTag struct{ kind, offset, count uint32 }

// readHeader reads a header structure. The numbers that it gives of itself are held
// to the caps, and memory is taken only for what really comes.
func readHeader(in io.Reader) (*rpmHeader, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, err
	}
	tags, size := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	switch {
	case !bytes.HasPrefix(b, []byte{0x8e, 0xad, 0xe8, 0x01}):
		return nil, errors.New("it begins as no header does")
	case tags > maxTags:
		return nil, &bounds.Error{What: "tags of a header", Max: maxTags}
	case size > maxStore:
		return nil, &bounds.Error{What: "bytes of a header", Max: maxStore}
	}
	var text bytes.Buffer
	if _, err := io.CopyN(&text, in, 16*int64(tags)+int64(size)); err != nil {
		return nil, err
	}
	h := &rpmHeader{tags: map[uint32]rpmTag{}, twice: map[uint32]bool{}, store: text.Bytes()[16*tags:]}
	for e := range slices.Chunk(text.Bytes()[:16*tags], 16) {
		tag := binary.BigEndian.Uint32(e)
		_, h.twice[tag] = h.tags[tag]
		h.tags[tag] = rpmTag{binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])}
	}
	return h, nil
}

func (h *rpmHeader) has(tag uint32) bool {
	_, ok := h.tags[tag]
	return ok
}

// entry is where a tag's values begin; a tag that stands twice is refused.
func (h *rpmHeader) entry(tag uint32) (rpmTag, []byte, error) {
	e := h.tags[tag]
	if h.twice[tag] || uint64(e.offset) > uint64(len(h.store)) {
		return e, nil, &entryError{"header", errors.New("the tag " + strconv.Itoa(int(tag)) + " stands twice, or its values lie outside of the header")}
	}
	return e, h.store[e.offset:], nil
}

// numbers are the values of a tag of that type; none if the header has no such tag.
func (h *rpmHeader) numbers(tag, kind uint32) ([]int64, error) {
	e, b, err := h.entry(tag)
	if err != nil || !h.has(tag) {
		return nil, err
	}
	width := map[uint32]int{typeInt16: 2, typeInt32: 4, typeInt64: 8}[kind]
	if e.kind != kind || uint64(e.count)*uint64(width) > uint64(len(b)) {
		return nil, tagError(tag)
	}
	if e.count > maxPackageEntries {
		return nil, &bounds.Error{What: "entries", Max: maxPackageEntries}
	}
	out := make([]int64, e.count)
	for i := range out {
		switch v := b[i*width:]; kind {
		case typeInt16:
			out[i] = int64(binary.BigEndian.Uint16(v))
		case typeInt32:
			out[i] = int64(binary.BigEndian.Uint32(v))
		default:
			out[i] = int64(binary.BigEndian.Uint64(v))
		}
	}
	return out, nil
}

// texts are the values of a tag of strings; none if the header has no such tag.
func (h *rpmHeader) texts(tag uint32) ([]string, error) {
	e, b, err := h.entry(tag)
	if err != nil || !h.has(tag) {
		return nil, err
	}
	if e.kind != typeString && e.kind != typeStringArray && e.kind != typeI18NString || e.kind == typeString && e.count != 1 {
		return nil, tagError(tag)
	}
	if e.count > maxPackageEntries {
		return nil, &bounds.Error{What: "entries", Max: maxPackageEntries}
	}
	var out []string
	for range e.count {
		s, rest, ok := bytes.Cut(b, []byte{0})
		if !ok {
			return nil, tagError(tag)
		}
		out, b = append(out, string(s)), rest
	}
	return out, nil
}

// text is the value of a tag that must be there, once.
func (h *rpmHeader) text(tag uint32) (string, error) {
	list, err := h.texts(tag)
	if err == nil && len(list) != 1 {
		err = tagError(tag)
	}
	if err != nil {
		return "", err
	}
	return list[0], nil
}

func tagError(tag uint32) error {
	return &entryError{"header", errors.New("the tag " + strconv.Itoa(int(tag)) + " is missing or invalid")}
}
