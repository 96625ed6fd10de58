package packages_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rpmWith is an rpm of the kubelet's parts, changed.
func rpmWith(change func(w *rpmWriter)) []byte {
	w := rpmWriter{packing: ".gz", compressor: "gzip", parts: rpmParts(kubeletParts())}
	change(&w)
	return w.bytes()
}

// header is an rpm with another header.
func rpmWithHeader(change func(h map[uint32]rpmValue)) []byte {
	return rpmWith(func(w *rpmWriter) { w.change = change })
}

// payload is an rpm with another payload.
func rpmWithPayload(b []byte) []byte { return rpmWith(func(w *rpmWriter) { w.payload = b }) }

// parts is an rpm of these files beside the kubelet's.
func rpmPlus(more ...part) []byte {
	return rpmWith(func(w *rpmWriter) { w.parts = append(w.parts, more...) })
}

// kubeletAt is where the kubelet stands in rpmParts(kubeletParts()).
const kubeletAt = 2

func hostileRPMs() map[string][]byte {
	good := rpmWith(func(*rpmWriter) {})
	genuine := rpmParts(kubeletParts())
	headerAt := bytes.LastIndex(good, []byte{0x8e, 0xad, 0xe8, 1})
	poke := func(offset int, b ...byte) []byte {
		out := slices.Clone(good)
		copy(out[offset:], b)
		return out
	}
	numbers := func(tag uint32, i int, v int32) []byte {
		return rpmWithHeader(func(h map[uint32]rpmValue) { h[tag].([]int32)[i] = v })
	}
	evil := programPart("./usr/bin/kubelet", "evil")
	return map[string][]byte{
		"a source package":              poke(7, 1),
		"format 2":                      poke(4, 2),
		"a signature of another kind":   poke(79, 1),
		"more tags than come":           poke(headerAt+8, 0, 0, 0x0f, 0xff),
		"very many tags":                poke(headerAt+8, 0xff, 0xff, 0xff, 0xff),
		"a larger store":                poke(headerAt+12, 0, 0x01, 0, 0),
		"a very large store":            poke(headerAt+12, 0xff, 0xff, 0xff, 0xff),
		"values outside of the header":  poke(headerAt+16+8, 0x7f, 0xff, 0xff, 0xff),
		"more values than there are":    bytes.Replace(good, tagIndex(1116, 4), tagCount(1116, 4, 0x00100000), 1),
		"a tag twice":                   bytes.Replace(good, tagIndex(1001, 6), tagIndex(1000, 6), 1),
		"a tag of another type":         bytes.Replace(good, tagIndex(1000, 6), tagIndex(1000, 4), 1),
		"no version":                    rpmWithHeader(func(h map[uint32]rpmValue) { delete(h, 1001) }),
		"a name with an escape":         rpmWithHeader(func(h map[uint32]rpmValue) { h[1000] = "\x1b[2K" }),
		"another format of payload":     rpmWithHeader(func(h map[uint32]rpmValue) { h[1124] = "drpm" }),
		"an unknown packing":            rpmWithHeader(func(h map[uint32]rpmValue) { h[1125] = "lzma" }),
		"another packing":               rpmWithHeader(func(h map[uint32]rpmValue) { h[1125] = "xz" }),
		"names in the form of rpm 3":    rpmWithHeader(func(h map[uint32]rpmValue) { h[1027] = []string{"/usr/bin/kubelet"} }),
		"a shorter list":                rpmWithHeader(func(h map[uint32]rpmValue) { h[1030] = h[1030].([]int16)[1:] }),
		"a directory that is not there": numbers(1116, kubeletAt, 99),
		"another size":                  numbers(1028, kubeletAt, 3),
		"one inode":                     numbers(1096, kubeletAt, 1),
		"a ghost that has bytes":        numbers(1037, kubeletAt, 1<<6),
		"a link in the header only": rpmWithHeader(func(h map[uint32]rpmValue) {
			h[1030].([]int16)[kubeletAt] = -0x6000 | 0o755 // 0120755
			h[1036].([]string)[kubeletAt] = "evil"
		}),
		"another mode":   rpmWithHeader(func(h map[uint32]rpmValue) { h[1030].([]int16)[kubeletAt] |= 0o4000 }),
		"another target": rpmWithHeader(func(h map[uint32]rpmValue) { h[1036].([]string)[5] = "../../evil" }),
		"another digest": rpmWithHeader(func(h map[uint32]rpmValue) {
			h[5011] = []int32{8}
			h[1035].([]string)[kubeletAt] = strings.Repeat("0", 64)
		}),
		"a path twice in the header": rpmWithHeader(func(h map[uint32]rpmValue) {
			h[1117].([]string)[0], h[1118].([]string)[0] = "kubelet", "/usr//bin/"
		}),
		"a name with a slash":          rpmWithHeader(func(h map[uint32]rpmValue) { h[1117].([]string)[0] = "x/y" }),
		"an entry twice":               rpmWithPayload(cpioOf(append(slices.Clone(genuine), evil)...)),
		"an entry twice, first":        rpmWithPayload(cpioOf(append([]part{evil}, genuine...)...)),
		"an entry that is not listed":  rpmWithPayload(cpioOf(append(slices.Clone(genuine), programPart("./bin/kubelet", "evil"))...)),
		"an entry that is missing":     rpmWithPayload(cpioOf(genuine[1:]...)),
		"no entries":                   rpmWithPayload(cpioOf()),
		"no end":                       rpmWithPayload(bytes.Replace(cpioOf(genuine...), []byte("TRAILER!!!"), []byte("TRAILER!!?"), 1)),
		"something behind the end":     rpmWithPayload(append(cpioOf(genuine...), cpioOf(evil)...)),
		"a size of another sign":       rpmWithPayload(bytes.Replace(cpioOf(genuine...), []byte("0000000e"), []byte("-0000001"), 1)),
		"a size that lies":             rpmWithPayload(bytes.Replace(cpioOf(genuine...), []byte("0000000e"), []byte("0000000a"), 1)),
		"a size of 4 GiB":              rpmWithPayload(bytes.Replace(cpioOf(genuine...), []byte("0000000e"), []byte("ffffffff"), 1)),
		"a name without end":           rpmWithPayload(bytes.Replace(cpioOf(genuine...), []byte("kubelet\x00"), []byte("kubelet/"), 1)),
		"another magic":                rpmWithPayload(bytes.Replace(cpioOf(genuine...), []byte("070701"), []byte("070707"), 1)),
		"several names of one program": rpmWithPayload(slices.Concat(cpioOf(genuine[:kubeletAt]...)[:cpioLen(genuine[:kubeletAt])], cpioEntry(genuine[kubeletAt], 14, 2, genuine[kubeletAt].body), cpioOf(genuine[kubeletAt+1:]...))),
		"a link over the program":      rpmPlus(part{name: "./usr/local/bin/kubelet", kind: tar.TypeSymlink, mode: 0o777, target: "evil"}),
		"a link to the program":        rpmPlus(part{name: "./usr/bin/evil", kind: tar.TypeSymlink, mode: 0o777, target: "/usr/bin/kubelet"}),
		"a pipe by its name":           rpmPlus(part{name: "./bin/kubelet", kind: tar.TypeFifo, mode: 0o755}),
		"below a link":                 rpmPlus(part{name: "./x", kind: tar.TypeSymlink, mode: 0o777, target: "usr/bin"}, programPart("./x/kubeadm", "evil")),
		"a path that leads out":        rpmPlus(programPart("./../kubeadm", "evil")),
		"a bomb":                       rpmPlus(programPart("./x", string(zeros(18<<20)))),
	}
}

// tagIndex is the beginning of a tag's entry.
func tagIndex(tag, kind uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, tag), kind)
}

// tagCount is an entry of the tag that begins at 0.
func tagCount(tag, kind, count uint32) []byte {
	return binary.BigEndian.AppendUint32(append(tagIndex(tag, kind), 0, 0, 0, 0), count)
}

// cpioLen is how long the entries are without the archive's end.
func cpioLen(parts []part) int { return len(cpioOf(parts...)) - len(cpioOf()) }

func TestHostileRPMs(t *testing.T) {
	limits := []string{"very many tags", "a very large store", "a bomb"}
	for name, b := range hostileRPMs() {
		wantRefused(t, name, b, slices.Contains(limits, name))
	}
}

// TestRPMForms: an epoch, a ghost, and files that share their bytes are common.
func TestRPMForms(t *testing.T) {
	p, err := readPackage(rpmWithHeader(func(h map[uint32]rpmValue) { h[1003] = []int32{2}; h[1022] = "noarch" }))
	if err != nil || p.Version != "2:1.30.1-1.1" || p.Arch != "all" {
		t.Errorf("an epoch: %+v, %v", p, err)
	}
	genuine := rpmParts(kubeletParts())
	p, err = readPackage(rpmWith(func(w *rpmWriter) {
		w.parts = append(w.parts, programPart("./usr/bin/ghost", ""), programPart("./a", "x"), programPart("./b", "x"))
		w.change = func(h map[uint32]rpmValue) {
			h[1037].([]int32)[len(genuine)] = 1 << 6
			h[1096].([]int32)[len(genuine)+1] = 77
			h[1096].([]int32)[len(genuine)+2] = 77
		}
		a, b := w.parts[len(genuine)+1], w.parts[len(genuine)+2]
		w.payload = slices.Concat(cpioOf(genuine...)[:cpioLen(genuine)], cpioEntry(a, 0, 2, ""), cpioEntry(b, 1, 2, "x"), cpioOf())
	}))
	if err != nil || p.Others != 5 || len(p.Files) != 1 {
		t.Errorf("a ghost and a hard link: %+v, %v", p, err)
	}
}

const spec = `
%global debug_package %{nil}
%global __os_install_post %{nil}
Name: kubelet
Version: 1.30.1
Release: 1.1
Summary: Node agent
License: Apache-2.0
%description
x
%files
%config(noreplace) /etc/default/kubelet
/usr/bin/kubelet
/usr/lib/systemd/system/kubelet.service
%dir /usr/share/doc/kubelet
/usr/share/doc/kubelet/README
`

// TestRPMOfRpmbuild reads what rpmbuild writes, in each of its packings.
func TestRPMOfRpmbuild(t *testing.T) {
	rpmbuild, err := exec.LookPath("rpmbuild")
	if err != nil {
		t.Skip("rpmbuild is not installed")
	}
	for _, packing := range []string{"w9.gzdio", "w6.xzdio", "w3.zstdio"} {
		top := t.TempDir()
		name := filepath.Join(top, "kubelet.spec")
		if err := os.WriteFile(name, []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), rpmbuild, "-bb", "--target", "aarch64", "--buildroot", lay(t, kubeletParts()),
			"--define", "_topdir "+top, "--define", "_binary_payload "+packing, "--define", "__spec_install_pre %{nil}", name)
		cmd.Env = append(os.Environ(), "HOME="+top)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", packing, err, text)
		}
		found, err := filepath.Glob(filepath.Join(top, "RPMS", "*", "*.rpm"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", packing, found, err)
		}
		b, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		wantKubelet(t, fmt.Sprintf("rpmbuild, %s", packing), "rpm", b)
	}
}

func FuzzRPM(f *testing.F) {
	for packing, compressor := range map[string]string{".gz": "gzip", ".xz": "xz", ".zst": "zstd"} {
		f.Add(rpmWriter{packing: packing, compressor: compressor, parts: rpmParts(kubeletParts())}.bytes())
	}
	for name, b := range hostileRPMs() {
		if len(b) < 10<<10 && !strings.Contains(name, "bomb") {
			f.Add(b)
		}
	}
	f.Fuzz(fuzzPackage)
}

// FuzzPayload: whatever archive lies behind a header, what is read of it is what
// the header lists.
func FuzzPayload(f *testing.F) {
	genuine := rpmParts(kubeletParts())
	f.Add(cpioOf(genuine...))
	f.Add(cpioOf(append(slices.Clone(genuine), programPart("./usr/bin/kubelet", "evil"))...))
	f.Add(cpioOf(genuine[1:]...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		p, err := readPackage(rpmWithPayload(append([]byte{}, payload...)))
		if err == nil && (len(p.Files) != 1 || p.Files[0].Path != "usr/bin/kubelet" || p.Files[0].Size != 14 || p.Others != 3) {
			t.Errorf("%+v", p)
		}
	})
}
