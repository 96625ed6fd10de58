package packages

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
)

// debArchs are Debian's names of architectures (dpkg's cputable) that differ from Go's.
var debArchs = map[string]string{"ppc64el": "ppc64le", "armhf": "arm", "armel": "arm", "i386": "386"}

// debPackings are the packings of a deb's archives by the end of their names, as
// deb(5) has them; "bz2" and "lzma" are history.
var debPackings = map[string]string{"": "", ".gz": "gzip", ".xz": "xz", ".zst": "zstd"}

// readDeb reads the members of a deb: debian-binary, the control archive and the
// data archive, in this order, each once. Members whose names begin with "_" may
// follow, which dpkg leaves alone.
func (p *Package) readDeb(in *bufio.Reader, c *contents) error {
	if _, err := in.Discard(len(debMagic)); err != nil {
		return err
	}
	for seen := 0; ; {
		name, size, err := nextMember(in)
		if errors.Is(err, io.EOF) && seen == 3 {
			return nil
		}
		if err != nil {
			return err
		}
		body := &io.LimitedReader{R: in, N: size}
		switch control, data := debArchive(name, "control"), debArchive(name, "data"); {
		case seen == 0 && name == "debian-binary":
			err = readDebVersion(body)
		case seen == 1 && control != "":
			err = p.readControl(body, debPackings[strings.TrimPrefix(name, control)])
		case seen == 2 && data != "":
			err = readData(body, debPackings[strings.TrimPrefix(name, data)], c)
		case seen == 3 && strings.HasPrefix(name, "_"):
			seen--
			_, err = io.Copy(io.Discard, body)
		default:
			return about(name, "this member stands where no deb has it")
		}
		seen++
		if err == nil {
			err = endMember(in, body, size)
		}
		if err != nil {
			return inside(name, err)
		}
	}
}

// debArchive is "control.tar" of "control.tar.xz", if the packing is known.
func debArchive(name, what string) string {
	packing, ok := strings.CutPrefix(name, what+".tar")
	if _, known := debPackings[packing]; !ok || !known {
		return ""
	}
	return what + ".tar"
}

// nextMember reads the header of an ar archive's member (ar(5)): name, time, uid,
// gid and mode are not used, the size is decimal.
func nextMember(in *bufio.Reader) (name string, size int64, err error) {
	b := make([]byte, 60)
	if _, err := io.ReadFull(in, b); err != nil {
		return "", 0, err
	}
	name = strings.TrimSuffix(strings.TrimRight(string(b[:16]), " "), "/")
	text := strings.TrimRight(string(b[48:58]), " ")
	size, err = strconv.ParseInt(text, 10, 64)
	if err != nil || strings.Trim(text, "0123456789") != "" || string(b[58:]) != "`\n" || name == "" {
		return "", 0, about(name, "the header of this member is invalid")
	}
	return name, size, nil
}

// endMember holds that a member was read to its end, and reads its padding.
func endMember(in *bufio.Reader, body *io.LimitedReader, size int64) error {
	if body.N > 0 {
		if _, err := in.Peek(1); err != nil {
			return io.ErrUnexpectedEOF
		}
		return errors.New("something follows the end of its content")
	}
	if size%2 == 0 {
		return nil
	}
	pad, err := in.ReadByte()
	if err != nil {
		return cutOff(err)
	}
	if pad != '\n' {
		return errors.New("its size is not that of its bytes")
	}
	return nil
}

// readDebVersion accepts format 2, in any of its minor versions, as dpkg does.
func readDebVersion(body *io.LimitedReader) error {
	const most = 64
	if body.N > most {
		return &bounds.Error{What: "bytes of a deb's version", Max: most}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	minor, ok := strings.CutPrefix(string(text), "2.")
	minor, line := strings.CutSuffix(minor, "\n")
	if !ok || !line || minor == "" || strings.Trim(minor, "0123456789") != "" {
		return errors.New("it is not of format 2")
	}
	return nil
}

// readTar reads an archive to the end of its stream. It must be a tar as dpkg reads
// it, in the forms of ustar and GNU: dpkg knows neither PAX's records nor sparse files.
func readTar(body io.Reader, packing string, most int64, each func(h *tar.Header, p string, r io.Reader) error) error {
	u, err := unpackPart(body, packing, most)
	if err != nil {
		return err
	}
	t := tar.NewReader(u)
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return u.close()
		}
		if err != nil {
			return err
		}
		if n == maxPackageEntries {
			return &bounds.Error{What: "entries", Max: maxPackageEntries}
		}
		p, err := cleanPath(h.Name)
		if err != nil {
			return err
		}
		if len(h.PAXRecords) > 0 || h.Format == tar.FormatPAX || h.Typeflag == tar.TypeGNUSparse || h.Typeflag == tar.TypeXGlobalHeader ||
			h.Typeflag != tar.TypeDir && strings.HasSuffix(h.Name, "/") {
			return about(p, "its header has a form that dpkg does not read")
		}
		if err := each(h, p, t); err != nil {
			return inside(p, err)
		}
	}
}

func readData(body io.Reader, packing string, c *contents) error {
	return readTar(body, packing, maxPackageUnpacked, func(h *tar.Header, p string, r io.Reader) error {
		switch h.Typeflag {
		case tar.TypeDir:
			return c.add(p, directory)
		case tar.TypeReg:
			return c.regular(p, h.Mode, h.Size, r)
		case tar.TypeLink, tar.TypeSymlink:
			return c.link(p, h.Linkname)
		default:
			return c.special(p)
		}
	})
}

// readControl reads the file "control" of the control archive.
func (p *Package) readControl(body io.Reader, packing string) error {
	var text []byte
	found := false
	err := readTar(body, packing, maxControl, func(h *tar.Header, name string, r io.Reader) error {
		if name != "control" {
			return nil
		}
		if found || h.Typeflag != tar.TypeReg {
			return errors.New("it stands twice, or is no regular file")
		}
		found = true
		var err error
		text, err = bounds.Read(r, 1<<20)
		return err
	})
	if err == nil && !found {
		err = about("control", "the package has none")
	}
	if err != nil {
		return err
	}
	p.Name, err = field(text, "Package", err)
	p.Version, err = field(text, "Version", err)
	p.Arch, err = field(text, "Architecture", err)
	if arch, ok := debArchs[p.Arch]; ok {
		p.Arch = arch
	}
	return err
}

// field is the value of a field of deb-control(5), whose name is read in any case
// of letters and stands once.
func field(control []byte, name string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	value, found := "", false
	for line := range bytes.Lines(bytes.TrimRight(control, "\n")) {
		key, rest, ok := strings.Cut(string(line), ":")
		if !ok || !strings.EqualFold(strings.TrimRight(key, " \t"), name) {
			if len(bytes.TrimSpace(line)) == 0 {
				return "", about("control", "it has more than one paragraph")
			}
			continue
		}
		if found {
			return "", about("control", "%s stands twice in it", name)
		}
		value, found = strings.TrimSpace(rest), true
	}
	return value, plainWord("control", name, value)
}
