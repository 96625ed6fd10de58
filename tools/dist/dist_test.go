package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// twice is a release made twice: in two clones, in directories of different lengths,
// at two times, under two umasks and in two time zones. All tests look at the first.
var twice = sync.OnceValues(func() (out [2]string, err error) {
	dir, err := os.MkdirTemp("", "kverify-dist-")
	if err != nil {
		return out, err
	}
	platforms := os.Getenv("PLATFORMS")
	if platforms == "" {
		platforms = "linux/amd64,windows/amd64"
	}
	from := "../.." // and the second of the first, so that both are of one commit
	for i, name := range []string{"a", "another-directory"} {
		clone := filepath.Join(dir, name)
		if text, err := exec.Command("git", "clone", "-q", from, clone).CombinedOutput(); err != nil {
			return out, fmt.Errorf("git clone: %w: %s", err, text)
		}
		from = clone
		if err := aged(clone, time.Duration(i)*1000*time.Hour); err != nil {
			return out, err
		}
		os.Setenv("TZ", []string{"UTC", "Asia/Kathmandu"}[i])
		os.Setenv("GOFLAGS", []string{"-buildvcs=false", "-tags=nothing"}[i])
		old := syscall.Umask([]int{0o022, 0o077}[i])
		out[i] = filepath.Join(clone, "dist")
		err := release(clone, out[i], strings.Split(platforms, ","))
		syscall.Umask(old)
		if err != nil {
			return out, err
		}
	}
	return out, nil
})

// aged makes every file of a clone older.
func aged(dir string, by time.Duration) error {
	at := time.Now().Add(-by)
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, at, at)
	})
}

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("KVERIFY_DIST_TESTS") != "" {
		if out, _ := twice(); out[0] != "" {
			os.RemoveAll(filepath.Dir(filepath.Dir(out[0])))
		}
	}
	os.Exit(code)
}

func dist(t *testing.T) string {
	t.Helper()
	if os.Getenv("KVERIFY_DIST_TESTS") == "" {
		t.Skip("builds programs for several platforms; make dist-check runs it")
	}
	out, err := twice()
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// matching are the files of the release that end so.
func matching(t *testing.T, suffix string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist(t), "*"+suffix))
	if err != nil || len(found) == 0 {
		t.Fatalf("the release has no file that ends in %s (%v)", suffix, err)
	}
	return found
}

func sumsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = fmt.Sprintf("%x", sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameBytes(t *testing.T) {
	dist(t)
	out, _ := twice()
	a, b := sumsOf(t, out[0]), sumsOf(t, out[1])
	if len(a) != len(b) || len(a) < 8 {
		t.Errorf("%d files the first time and %d the second", len(a), len(b))
	}
	for name, sum := range a {
		if b[name] != sum {
			t.Errorf("%s: %s the first time, %q the second", name, sum, b[name])
		}
	}
}

// TestSums holds the list against every file beside it.
func TestSums(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(dist(t), sumsName))
	if err != nil {
		t.Fatal(err)
	}
	actual := sumsOf(t, dist(t))
	listed := 0
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if actual[name] != sum {
			t.Errorf("%s is listed as %s and is %q", name, sum, actual[name])
		}
		listed++
	}
	for name := range actual {
		if !strings.Contains(name, "/") && name != sumsName && !bytes.Contains(text, []byte("  "+name+"\n")) {
			t.Errorf("%s is not listed", name)
		}
	}
	if listed < 5 {
		t.Errorf("%d files are listed", listed)
	}
}

// TestArchives holds what is in an archive, and that nothing in it is of this machine.
func TestArchives(t *testing.T) {
	want := []string{"LICENSE", "README.md", "completions/_kverify", "completions/kverify.bash", "completions/kverify.fish", "completions/kverify.ps1", "man/man1/kverify.1", "man/man1/kverify-verify.1"}
	for _, file := range append(matching(t, ".tar.gz"), matching(t, ".zip")...) {
		if strings.Contains(file, "_image") {
			continue
		}
		names, program := unpacked(t, file)
		for _, name := range append(slices.Clone(want), program) {
			if !slices.Contains(names, name) {
				t.Errorf("%s lacks %s", filepath.Base(file), name)
			}
		}
	}
}

func unpacked(t *testing.T, file string) (names []string, program string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(file, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			names = append(names, f.Name)
		}
		return names, "kverify.exe"
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names, "kverify"
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if executable := h.Mode == 0o755; h.Uid != 0 || h.Gid != 0 || h.Uname != "" || executable != (h.Name == "kverify") || time.Since(h.ModTime) < 0 {
			t.Errorf("%s: %s has owner %d:%d %q, mode %o, time %v", filepath.Base(file), h.Name, h.Uid, h.Gid, h.Uname, h.Mode, h.ModTime)
		}
	}
}

// emulators are what Debian's qemu-user-static calls the processors.
var emulators = map[string]string{"arm64": "qemu-aarch64-static", "armv7": "qemu-arm-static", "ppc64le": "qemu-ppc64le-static", "s390x": "qemu-s390x-static"}

// TestPrograms runs every Linux program, under an emulator where it is of another processor.
func TestPrograms(t *testing.T) {
	dist(t)
	sample, err := filepath.Abs("../../testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(dist(t), "bin", "linux_*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no program for Linux was built (%v)", err)
	}
	for _, dir := range dirs {
		arch := strings.TrimPrefix(filepath.Base(dir), "linux_")
		t.Run(arch, func(t *testing.T) {
			program := filepath.Join(dir, "kverify")
			static(t, program)
			run := []string{program}
			if emulator := emulators[arch]; emulator != "" {
				if _, err := exec.LookPath(emulator); err != nil {
					t.Skipf("no %s here; Debian has it in qemu-user-static", emulator)
				}
				run = []string{emulator, program}
			}
			runs(t, run, sample)
		})
	}
}

// static holds that a program needs no library and has no table of symbols.
func static(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("%s is linked dynamically", program)
		}
	}
	if f.Section(".symtab") != nil {
		t.Errorf("%s is not stripped", program)
	}
}

func runs(t *testing.T, program []string, sample string) {
	t.Helper()
	text, err := exec.Command(program[0], append(program[1:], "version", "-o", "json")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var b struct{ Version, Revision, Time string }
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	head, err := exec.Command("git", "-C", dist(t), "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	if b.Revision != strings.TrimSpace(string(head)) || !strings.HasPrefix(b.Version, "v") || b.Time == "" {
		t.Errorf("the program says %+v; the commit is %s", b, head)
	}
	text, err = exec.Command(program[0], append(program[1:], "images", "v1.27.2", "--mirror", filepath.Join(sample, "mirror"), "--trusted-root", filepath.Join(sample, "trusted_root.json"))...).Output()
	if err != nil || !bytes.Contains(text, []byte("\nVERIFIED  v1.27.2")) {
		t.Errorf("the sample: %v\n%s", err, text)
	}
}
