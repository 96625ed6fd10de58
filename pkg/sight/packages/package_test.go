package packages_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/sight/packages"
)

var programs = []string{"kubeadm", "kubectl", "kubelet"}

func readPackage(b []byte) (*packages.Package, error) {
	return packages.Read(context.Background(), bytes.NewReader(b), packages.Request{Programs: programs})
}

// wantKubelet holds that a package is read as kubeletParts.
func wantKubelet(t *testing.T, name, format string, b []byte) {
	t.Helper()
	if !packages.Is(b[:8]) {
		t.Errorf("%s is not recognised", name)
	}
	p, err := packages.Read(t.Context(), iotest.HalfReader(bytes.NewReader(b)), packages.Request{Programs: programs})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	const body = "\x7fELF a kubelet"
	short, long := sha256.Sum256([]byte(body)), sha512.Sum512([]byte(body))
	want := []packages.File{{Path: "usr/bin/kubelet", SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:]), Size: int64(len(body))}}
	if p.Format != format || p.Name != "kubelet" || p.Version != "1.30.1-1.1" || p.Arch != "arm64" || p.Others != 3 || !slices.Equal(p.Files, want) {
		t.Errorf("%s: %+v", name, p)
	}
}

// with is a deb of the kubelet's parts and these.
func debPlus(parts ...part) []byte { return debOf(".gz", control, append(kubeletParts(), parts...)...) }

// without cuts a deb's or rpm's last bytes off.
func cutBy(b []byte, n int) []byte { return b[:len(b)-n] }

// members is a deb whose members were changed.
func debWith(change func(m []arMember) []arMember) []byte {
	return arOf(change(debMembers(".xz", control, kubeletParts()...))...)
}

func zeros(n int) []byte { return make([]byte, n) }

// hostileDebs are each to be refused as malformed, or by a limit.
func hostileDebs() map[string][]byte {
	return map[string][]byte{
		"two data members": debWith(func(m []arMember) []arMember {
			return append(m, arMember{"data.tar", tarOf(tar.FormatGNU, programPart("./usr/bin/kubelet", "evil"))})
		}),
		"the same data member again": debWith(func(m []arMember) []arMember { return append(m, m[2]) }),
		"two control members":        debWith(func(m []arMember) []arMember { return slices.Insert(m, 1, m[1]) }),
		"data before control":        debWith(func(m []arMember) []arMember { m[1], m[2] = m[2], m[1]; return m }),
		"no data":                    debWith(func(m []arMember) []arMember { return m[:2] }),
		"no debian-binary":           debWith(func(m []arMember) []arMember { return m[1:] }),
		"format 3":                   debWith(func(m []arMember) []arMember { m[0].body = []byte("3.0\n"); return m }),
		"a member between":           debWith(func(m []arMember) []arMember { return slices.Insert(m, 2, arMember{"_x", nil}) }),
		"data of another packing":    debWith(func(m []arMember) []arMember { m[2].name = "data.tar.gz"; return m }),
		"data of an old packing":     debWith(func(m []arMember) []arMember { m[2].name = "data.tar.lzma"; return m }),
		"bytes behind the stream": debWith(func(m []arMember) []arMember {
			m[2].body = append(m[2].body, "more"...)
			return m
		}),
		"a second stream": debWith(func(m []arMember) []arMember { m[2].body = append(m[2].body, m[2].body...); return m }),
		"an archive behind the archive": debWith(func(m []arMember) []arMember {
			return append(m[:2], arMember{"data.tar", slices.Concat(tarOf(tar.FormatGNU, kubeletParts()...), tarOf(tar.FormatGNU, programPart("./usr/bin/kubelet", "evil")))})
		}),
		"a PAX header": debWith(func(m []arMember) []arMember {
			return append(m[:2], arMember{"data.tar", tarOf(tar.FormatPAX, kubeletParts()...)})
		}),
		"a zstd window of 2 GiB":   debWith(func(m []arMember) []arMember { return append(m[:2], arMember{"data.tar.zst", hugeWindow}) }),
		"two entries of one path":  debPlus(programPart("./usr/bin/kubelet", "evil")),
		"the same path otherwise":  debPlus(programPart("usr//bin/./kubelet", "evil")),
		"two other files":          debPlus(programPart("./a", ""), programPart("./a", "")),
		"a file over a directory":  debPlus(programPart("./usr/bin", "")),
		"a link over a directory":  debPlus(part{name: "./usr/bin", kind: tar.TypeSymlink, target: "evil"}),
		"a link over the program":  debPlus(part{name: "./usr/bin/kubelet", kind: tar.TypeSymlink, target: "evil"}),
		"a link by its name":       debPlus(part{name: "./usr/local/bin/kubelet", kind: tar.TypeSymlink, target: "evil"}),
		"a link to the program":    debPlus(part{name: "./usr/bin/evil", kind: tar.TypeSymlink, target: "./kubelet"}),
		"a hard link to it":        debPlus(part{name: "./usr/bin/evil", kind: tar.TypeLink, target: "./usr/bin/kubelet"}),
		"a hard link by its name":  debPlus(programPart("./usr/bin/evil", "evil"), part{name: "./bin/kubelet", kind: tar.TypeLink, target: "./usr/bin/evil"}),
		"a pipe by its name":       debPlus(part{name: "./bin/kubelet", kind: tar.TypeFifo}),
		"below a link":             debPlus(part{name: "./sbin", kind: tar.TypeSymlink, target: "usr"}, programPart("./sbin/kubelet", "evil")),
		"below a file":             debPlus(programPart("./x", ""), programPart("./x/bin/kubeadm", "evil")),
		"an absolute path":         debPlus(programPart("/usr/bin/kubectl", "")),
		"a path that leads out":    debPlus(programPart("./usr/../../kubectl", "")),
		"no control file":          arOf(arMember{"debian-binary", []byte("2.0\n")}, arMember{"control.tar", tarOf(tar.FormatGNU)}, arMember{"data.tar", tarOf(tar.FormatGNU)}),
		"two control files":        debWith(twoControls),
		"two versions":             debOf(".gz", control+"version: 1.30.2-1.1\n", kubeletParts()...),
		"two paragraphs":           debOf(".gz", control+"\nPackage: x\n", kubeletParts()...),
		"no architecture":          debOf(".gz", "Package: kubelet\nVersion: 1\n", kubeletParts()...),
		"a name with an escape":    debOf(".gz", strings.Replace(control, "Package: ", "Package: \x1b[2K", 1), kubeletParts()...),
		"an endless control file":  debOf(".gz", control+strings.Repeat("x", 1<<20), kubeletParts()...),
		"bytes behind the members": append(debWith(func(m []arMember) []arMember { return m }), "x"...),
		"a negative size":          bytes.Replace(debPlus(), []byte("4         `\n"), []byte("-4        `\n"), 1),
		"a size that lies":         bytes.Replace(debPlus(), []byte("4         `\n"), []byte("5         `\n"), 1),
		"a size beyond the end":    bytes.Replace(debPlus(), []byte("4         `\n"), []byte("9999999999`\n"), 1),
	}
}

// xzBomb is the same as blocks of a stream that has no end, which is reached too late.
func xzBomb() []byte {
	blocks := func(content []byte) []byte { // of a stream: behind its header, before index and footer
		b := packed(".xz", content)
		index := 4 * (int(binary.LittleEndian.Uint32(b[len(b)-8:])) + 1)
		return b[12 : len(b)-12-index]
	}
	archive := tarOf(tar.FormatGNU, part{name: "./x", kind: tar.TypeReg, body: string(zeros(18 << 20))})
	return slices.Concat(packed(".xz", nil)[:12], blocks(archive[:512]), bytes.Repeat(blocks(zeros(1<<20)), 18))
}

// bombs are debs that cost more than they weigh, each to be refused by a limit.
func bombs() map[string][]byte {
	return map[string][]byte{
		"a gzip bomb":      debWith(func(m []arMember) []arMember { return append(m[:2], arMember{"data.tar.gz", bomb(".gz")}) }),
		"an xz bomb":       debWith(func(m []arMember) []arMember { return append(m[:2], arMember{"data.tar.xz", xzBomb()}) }),
		"a zstd bomb":      debWith(func(m []arMember) []arMember { return append(m[:2], arMember{"data.tar.zst", bomb(".zst")}) }),
		"too many entries": debOf(".gz", control, many()...),
	}
}

func twoControls(m []arMember) []arMember {
	c := part{name: "./control", kind: tar.TypeReg, body: control}
	d := part{name: "control", kind: tar.TypeReg, body: strings.Replace(control, "1.30.1", "1.29.0", 1)}
	m[1] = arMember{"control.tar", tarOf(tar.FormatGNU, c, d)}
	return m
}

// hugeWindow is the header of a zstd frame that asks for a window of 2 GiB (RFC 8878, section 3.1.1.1.2).
var hugeWindow = []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00}

// bomb is 18 MiB of a file of zeros.
func bomb(packing string) []byte {
	return packed(packing, tarOf(tar.FormatGNU, part{name: "./x", kind: tar.TypeReg, body: string(zeros(18 << 20))}))
}

func many() []part {
	out := make([]part, 20_001)
	for i := range out {
		out[i] = part{name: "./d/", kind: tar.TypeDir}
	}
	return out
}

func TestHostileDebs(t *testing.T) {
	limits := []string{"a zstd window of 2 GiB", "an endless control file", "a size beyond the end"}
	for name, b := range hostileDebs() {
		wantRefused(t, name, b, slices.Contains(limits, name))
	}
	for name, b := range bombs() {
		wantRefused(t, name, b, true)
	}
}

// wantRefused holds that a package is refused by type, and that nothing is said of its contents.
func wantRefused(t *testing.T, name string, b []byte, limit bool) {
	t.Helper()
	p, err := readPackage(b)
	var refused *packages.Error
	if p != nil || !errors.As(err, &refused) {
		t.Errorf("%s: %+v, %v", name, p, err)
		return
	}
	if got := errors.As(err, new(*bounds.Error)); got != limit {
		t.Errorf("%s: a limit is %t: %v", name, got, err)
	}
	if text := err.Error(); strings.ContainsAny(text, "\x1b\x00\n") || !strings.Contains(text, "; nothing in it was judged") {
		t.Errorf("%s: %q", name, text)
	}
}

// TestTruncatedPackages: however much is missing, it is not read as a whole package.
func TestTruncatedPackages(t *testing.T) {
	for name, b := range map[string][]byte{
		"deb": debOf(".zst", control, kubeletParts()...),
		"xz":  debOf(".xz", control, kubeletParts()...),
		"rpm": rpmWriter{packing: ".gz", compressor: "gzip", parts: rpmParts(kubeletParts())}.bytes(),
	} {
		for n := 1; n <= len(b); n += 1 + n/60 {
			if p, err := readPackage(cutBy(b, n)); !errors.As(err, new(*packages.Error)) {
				t.Fatalf("%s without its last %d bytes: %+v, %v", name, n, p, err)
			}
		}
	}
}

// TestBrokenSource: what the outside fails at is not the package's fault.
func TestBrokenSource(t *testing.T) {
	b := debPlus()
	for name, r := range map[string]io.Reader{"deb": bytes.NewReader(b[:300]), "nothing": bytes.NewReader(nil)} {
		failing := io.MultiReader(r, iotest.ErrReader(os.ErrPermission))
		_, err := packages.Read(t.Context(), failing, packages.Request{Programs: programs})
		if !errors.Is(err, os.ErrPermission) || errors.As(err, new(*packages.Error)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := packages.Read(ctx, bytes.NewReader(b), packages.Request{Programs: programs}); !errors.Is(err, context.Canceled) || errors.As(err, new(*packages.Error)) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestPrograms: where a file may be run it is listed, whatever its directory and mode.
func TestPrograms(t *testing.T) {
	p, err := readPackage(debOf(".gz", control,
		programPart("opt/x/kubectl", "#!/bin/sh"),
		part{name: "usr/sbin/kubeadm", kind: tar.TypeReg, mode: 0o600, body: "x"},
		part{name: "usr/share/kubelet", kind: tar.TypeReg, mode: 0o600, body: "\x7fELF"},
		part{name: "usr/share/bash-completion/completions/kubectl", kind: tar.TypeReg, mode: 0o644, body: "complete"},
		part{name: "bin/kubelet", kind: tar.TypeReg},
		programPart("usr/bin/kubelet-x", "")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Files {
		got = append(got, f.Path)
	}
	if want := []string{"opt/x/kubectl", "usr/sbin/kubeadm", "usr/share/kubelet", "bin/kubelet"}; !slices.Equal(got, want) || p.Others != 2 {
		t.Errorf("%q and %d others", got, p.Others)
	}
}

// TestReleaseOfPackage: the revision is not the version.
func TestReleaseOfPackage(t *testing.T) {
	for version, want := range map[string]string{
		"1.28.9-2.1": "v1.28.9", "1.30.1-150500.1.1": "v1.30.1", "2:1.30.1-1.1": "v1.30.1", "1.31.0~rc.1-1.1": "v1.31.0-rc.1", "1.30.1": "v1.30.1",
	} {
		if got := (&packages.Package{Version: version}).Release(); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}

// TestSignedDeb: debsigs adds members that dpkg leaves alone; GNU's ar ends names with a slash.
func TestSignedDeb(t *testing.T) {
	wantKubelet(t, "signed", "deb", debWith(func(m []arMember) []arMember {
		for i := range m {
			m[i].name += "/"
		}
		return append(m, arMember{"_gpgorigin", []byte("x")}, arMember{"_gpgbuilder", []byte("xy")})
	}))
}

// TestPackageMemory: a package of 24 MiB is streamed.
func TestPackageMemory(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef\x00\x01\x02kubelet"), 1<<20)[:24<<20]
	for i := range content { // so that it does not look like a bomb
		content[i] ^= byte(i * i >> 9)
	}
	b := debOf("", control, part{name: "usr/bin/kubelet", kind: tar.TypeReg, mode: 0o755, body: string(content)})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := readPackage(b); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 4 {
		t.Errorf("%d MiB were taken", n)
	}
}

// TestDebOfDpkg reads what dpkg-deb writes, in each of its packings.
func TestDebOfDpkg(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg-deb")
	if err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	root := lay(t, kubeletParts())
	if err := os.Mkdir(filepath.Join(root, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := control + "Maintainer: x <x@example.com>\n"
	if err := os.WriteFile(filepath.Join(root, "DEBIAN", "control"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, packing := range []string{"gzip", "xz", "zstd", "none"} {
		out := filepath.Join(t.TempDir(), "kubelet.deb")
		if text, err := exec.Command(dpkg, "--root-owner-group", "-Z"+packing, "-b", root, out).CombinedOutput(); err != nil {
			if packing == "zstd" {
				t.Logf("this dpkg-deb has no zstd: %s", text)
				continue
			}
			t.Fatalf("%s: %v\n%s", packing, err, text)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		wantKubelet(t, "dpkg-deb -Z"+packing, "deb", b)
	}
}

// lay lays files out in a directory.
func lay(t *testing.T, parts []part) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, p := range parts {
		name := filepath.Join(root, p.name)
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		switch p.kind {
		case tar.TypeDir:
			err = os.MkdirAll(name, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(p.target, name)
		case tar.TypeReg:
			err = os.WriteFile(name, []byte(p.body), os.FileMode(p.mode))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func FuzzDeb(f *testing.F) {
	for _, packing := range []string{"", ".gz", ".xz", ".zst"} {
		f.Add(debOf(packing, control, kubeletParts()...))
	}
	for _, b := range hostileDebs() {
		if len(b) < 10<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(fuzzPackage)
}

// fuzzPackage: a package is read or refused by type, and what is read is plain.
func fuzzPackage(t *testing.T, b []byte) {
	p, err := readPackage(b)
	if err != nil {
		if !errors.As(err, new(*packages.Error)) || p != nil {
			t.Errorf("%+v, %v", p, err)
		}
		return
	}
	seen := map[string]bool{}
	for _, f := range p.Files {
		if seen[f.Path] || !slices.Contains(programs, filepath.Base(f.Path)) || !filepath.IsLocal(f.Path) || len(f.SHA256) != 64 || len(f.SHA512) != 128 {
			t.Errorf("%+v", f)
		}
		seen[f.Path] = true
	}
	if p.Name == "" || p.Version == "" || p.Arch == "" || p.Format == "" {
		t.Errorf("%+v", p)
	}
}
