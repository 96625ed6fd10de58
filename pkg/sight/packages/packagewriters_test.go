package packages_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// The packages of these tests are written here, byte by byte, so that each can be
// written wrong.

// part is a file, directory or link of a package.
type part struct {
	name   string // as it stands in the package: "./usr/bin/kubelet"
	kind   byte   // of package tar: tar.TypeReg, TypeDir, TypeSymlink, ...
	mode   int64
	body   string
	target string
}

func programPart(name string, body string) part {
	return part{name: name, mode: 0o755, kind: tar.TypeReg, body: body}
}

// kubeletParts are what a package of the kubelet has.
func kubeletParts() []part {
	return []part{
		{name: "./", kind: tar.TypeDir, mode: 0o755},
		{name: "./etc/default/kubelet", kind: tar.TypeReg, mode: 0o644, body: "KUBELET_EXTRA_ARGS=\n"},
		{name: "./usr/bin/", kind: tar.TypeDir, mode: 0o755},
		programPart("./usr/bin/kubelet", "\x7fELF a kubelet"),
		{name: "./usr/lib/systemd/system/kubelet.service", kind: tar.TypeReg, mode: 0o600, body: "[Unit]\n"},
		{name: "./usr/share/doc/kubelet/", kind: tar.TypeDir, mode: 0o755},
		{name: "./usr/share/doc/kubelet/README", kind: tar.TypeSymlink, target: "../README"},
	}
}

const control = "Package: kubelet\nVersion: 1.30.1-1.1\nArchitecture: arm64\nDescription: Node agent\n for clusters\n"

func noError(err error) {
	if err != nil {
		panic(err)
	}
}

// packed compresses; packing is the end of a name of deb, such as ".xz".
func packed(packing string, b []byte) []byte {
	var out bytes.Buffer
	switch packing {
	case ".gz":
		w := gzip.NewWriter(&out)
		_, err := w.Write(b)
		noError(err)
		noError(w.Close())
	case ".xz":
		w, err := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&out)
		noError(err)
		_, err = w.Write(b)
		noError(err)
		noError(w.Close())
	case ".zst":
		w, err := zstd.NewWriter(nil)
		noError(err)
		return w.EncodeAll(b, nil)
	default:
		return b
	}
	return out.Bytes()
}

func tarOf(format tar.Format, parts ...part) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, p := range parts {
		h := &tar.Header{Name: p.name, Typeflag: p.kind, Mode: p.mode, Size: int64(len(p.body)), Linkname: p.target, Format: format}
		if format == tar.FormatPAX {
			h.PAXRecords = map[string]string{"KVERIFY.x": "y"}
		}
		noError(w.WriteHeader(h))
		_, err := w.Write([]byte(p.body))
		noError(err)
	}
	noError(w.Close())
	return out.Bytes()
}

// arMember is one of an ar archive.
type arMember struct {
	name string
	body []byte
}

func arOf(members ...arMember) []byte {
	out := []byte("!<arch>\n")
	for _, m := range members {
		out = fmt.Appendf(out, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.name, 0, 0, 0, 0o100644, len(m.body))
		if out = append(out, m.body...); len(m.body)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

// debOf writes a deb; its archives are packed in one way.
func debOf(packing, control string, parts ...part) []byte {
	return arOf(debMembers(packing, control, parts...)...)
}

func debMembers(packing, control string, parts ...part) []arMember {
	return []arMember{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar" + packing, packed(packing, tarOf(tar.FormatGNU, programPart("./postinst", "#!/bin/sh\n"), part{name: "./control", kind: tar.TypeReg, mode: 0o644, body: control}))},
		{"data.tar" + packing, packed(packing, tarOf(tar.FormatGNU, parts...))},
	}
}

// rpmWriter writes an rpm. What it writes by itself can be changed before.
type rpmWriter struct {
	packing    string // as deb has it
	compressor string // as the header has it
	parts      []part // what the header lists
	payload    []byte // nil for the archive of parts
	change     func(header map[uint32]rpmValue)
}

// rpmValue is a header's value: a string, or a list of strings, int32 or int16.
type rpmValue any

var modeOf = map[byte]int64{tar.TypeReg: 0o100000, tar.TypeDir: 0o040000, tar.TypeSymlink: 0o120000, tar.TypeFifo: 0o010000}

func (w rpmWriter) bytes() []byte {
	lead := make([]byte, 96)
	copy(lead, "\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01kubelet-1.30.1-1.1")
	lead[79] = 5
	signature := headerOf(map[uint32]rpmValue{1004: "no signature"})
	signature = append(signature, make([]byte, -len(signature)&7)...)
	header := w.header()
	if w.change != nil {
		w.change(header)
	}
	payload := w.payload
	if payload == nil {
		payload = cpioOf(w.parts...)
	}
	return slices.Concat(lead, signature, headerOf(header), packed(w.packing, payload))
}

func (w rpmWriter) header() map[uint32]rpmValue {
	h := map[uint32]rpmValue{1000: "kubelet", 1001: "1.30.1", 1002: "1.1", 1022: "aarch64", 1124: "cpio", 1125: w.compressor}
	var base, dirs, targets, digests []string
	var inDir, sizes, flags, inodes []int32
	var modes []int16
	for i, p := range w.parts {
		name := strings.TrimSuffix(strings.TrimPrefix(p.name, "."), "/")
		base, dirs, inDir = append(base, path.Base(name)), append(dirs, strings.TrimSuffix(path.Dir(name), "/")+"/"), append(inDir, int32(i))
		targets, digests = append(targets, p.target), append(digests, "")
		modes = append(modes, int16(p.mode|modeOf[p.kind]))
		sizes, flags, inodes = append(sizes, int32(len(p.body))), append(flags, 0), append(inodes, int32(i+1))
	}
	h[1117], h[1118], h[1116], h[1036], h[1035] = base, dirs, inDir, targets, digests
	h[1030], h[1028], h[1037], h[1096] = modes, sizes, flags, inodes
	return h
}

func headerOf(values map[uint32]rpmValue) []byte {
	var index, store []byte
	var tags []uint32
	for t := range values {
		tags = append(tags, t)
	}
	slices.Sort(tags)
	for _, t := range tags {
		kind, count, offset := 0, 1, len(store)
		switch v := values[t].(type) {
		case string:
			kind, store = 6, append(append(store, v...), 0)
		case []string:
			kind, count = 8, len(v)
			for _, s := range v {
				store = append(append(store, s...), 0)
			}
		case []int32:
			kind, count = 4, len(v)
			for _, n := range v {
				store = binary.BigEndian.AppendUint32(store, uint32(n))
			}
		case []int16:
			kind, count = 3, len(v)
			for _, n := range v {
				store = binary.BigEndian.AppendUint16(store, uint16(n))
			}
		}
		for _, n := range []int{int(t), kind, offset, count} {
			index = binary.BigEndian.AppendUint32(index, uint32(n))
		}
	}
	out := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	out = binary.BigEndian.AppendUint32(out, uint32(len(tags)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(store)))
	return slices.Concat(out, index, store)
}

// rpmParts are those of a deb as an rpm has them, which lists no root.
func rpmParts(parts []part) (out []part) {
	for _, p := range parts {
		if p.name != "./" {
			p.name = strings.TrimSuffix(p.name, "/")
			out = append(out, p)
		}
	}
	return out
}

func cpioOf(parts ...part) []byte {
	var out []byte
	for _, p := range append(parts, part{name: "TRAILER!!!"}) {
		body := p.body + p.target
		out = append(out, cpioEntry(p, len(body), 1, body)...)
	}
	return out
}

func cpioEntry(p part, size, links int, body string) []byte {
	out := []byte("070701")
	mode := p.mode | modeOf[p.kind]
	for _, n := range []int{1, int(mode), 0, 0, links, 0, size, 0, 0, 0, 0, len(p.name) + 1, 0} {
		out = fmt.Appendf(out, "%08x", n)
	}
	out = append(append(out, p.name...), 0)
	out = append(out, make([]byte, -len(out)&3)...)
	out = append(out, body...)
	return append(out, make([]byte, -len(out)&3)...)
}

// TestWritersAreUnderstood is about the tests' own writers: see TestDebOfDpkg and TestRPMOfRpmbuild for real ones.
func TestWritersAreUnderstood(t *testing.T) {
	for _, packing := range []string{"", ".gz", ".xz", ".zst"} {
		wantKubelet(t, "deb"+packing, "deb", debOf(packing, control, kubeletParts()...))
	}
	for packing, compressor := range map[string]string{".gz": "gzip", ".xz": "xz", ".zst": "zstd"} {
		wantKubelet(t, "rpm"+packing, "rpm", rpmWriter{packing: packing, compressor: compressor, parts: rpmParts(kubeletParts())}.bytes())
	}
}
