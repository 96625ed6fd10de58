package packages

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
)

// rpmArchs are rpm's names of architectures (rpmrc) that differ from Go's.
var rpmArchs = map[string]string{"x86_64": "amd64", "aarch64": "arm64", "armv7hl": "arm", "i386": "386", "i586": "386", "i686": "386", "noarch": "all"}

// readRPM reads an rpm of format 3 or 4: lead, signature header, header, payload
// (https://rpm-software-management.github.io/rpm/manual/format_v4.html). The
// header's list of files is what rpm installs by, the payload's is what has the
// bytes: both must say the same.
func (p *Package) readRPM(in *bufio.Reader, c *contents) error {
	if err := readLead(in); err != nil {
		return inside("lead", err)
	}
	signature, err := readHeader(in)
	if err == nil {
		_, err = in.Discard(-len(signature.store) & 7)
	}
	if err != nil {
		return inside("signature header", cutOff(err))
	}
	h, err := readHeader(in)
	if err != nil {
		return inside("header", cutOff(err))
	}
	packing, err := p.describe(h)
	if err != nil {
		return inside("header", err)
	}
	list, err := h.files()
	if err != nil {
		return inside("header", err)
	}
	if err := readPayload(in, packing, list, c); err != nil {
		return inside("payload", err)
	}
	return nil
}

// readLead reads the 96 bytes that file(1) knows an rpm by.
func readLead(in io.Reader) error {
	b := make([]byte, 96)
	if _, err := io.ReadFull(in, b); err != nil {
		return cutOff(err)
	}
	if major := b[4]; major != 3 && major != 4 {
		return errors.New("it is of another format than 3 and 4")
	}
	if binary.BigEndian.Uint16(b[6:]) != 0 {
		return errors.New("it is a source package")
	}
	if binary.BigEndian.Uint16(b[78:]) != 5 {
		return errors.New("its signature is no header")
	}
	return nil
}

// describe takes what the header says of the package, and how the payload is packed.
func (p *Package) describe(h *rpmHeader) (packing string, err error) {
	word := func(tag uint32, name string) string {
		s, e := h.text(tag)
		if e == nil {
			e = plainWord("header", name, s)
		}
		err = errors.Join(err, e)
		return s
	}
	p.Name = word(tagName, "name")
	p.Version = word(tagVersion, "version") + "-" + word(tagRelease, "release")
	p.Arch = word(tagArch, "architecture")
	if arch, ok := rpmArchs[p.Arch]; ok {
		p.Arch = arch
	}
	epoch, e := h.numbers(tagEpoch, typeInt32)
	err = errors.Join(err, e)
	if len(epoch) == 1 && epoch[0] != 0 {
		p.Version = strconv.FormatInt(epoch[0], 10) + ":" + p.Version
	}
	if h.has(tagPayloadFormat) && word(tagPayloadFormat, "payload's format") != "cpio" {
		err = errors.Join(err, errors.New("its payload is no cpio archive"))
	}
	packing = "gzip"
	if h.has(tagCompressor) {
		packing = word(tagCompressor, "payload's packing")
	}
	return packing, err
}
