package mirror_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// tiny is a mirror of as little as can be: an image for one platform and a program.
func tiny(t testing.TB) (w *world.World, dir string) {
	t.Helper()
	w = world.New(world.Options{})
	dir = filepath.Join(t.TempDir(), "m")
	wish := small("v1.27.2")
	wish.Names = []string{"kube-proxy"}
	wish.Files = func(p string) bool { return p == "bin/linux/amd64/kubectl" }
	r, _ := makes(t, w, dir, nil, wish)
	wantVerdict(t, "the run", r, report.Verified)
	return w, dir
}

func put(t testing.TB, dir, name, body string) {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

// servedWrong asks the mirror for everything that it had, and says what it now
// gives that is not what it was.
func servedWrong(t testing.TB, dir string, good map[string]string) (wrong []string) {
	t.Helper()
	d, err := mirror.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	ask := func(url, want string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := d.RoundTrip(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode == http.StatusOK && string(body) != want {
			wrong = append(wrong, url)
		}
	}
	for name, body := range good {
		if rest, ok := strings.CutPrefix(name, "files/"); ok {
			ask("https://"+rest, body)
		}
		if hex, ok := strings.CutPrefix(name, "oci/blobs/sha256/"); ok {
			for _, repo := range []string{"kube-proxy", "kube-proxy-amd64"} {
				ask("https://registry.k8s.io/v2/"+repo+"/blobs/sha256:"+hex, body)
				ask("https://registry.k8s.io/v2/"+repo+"/manifests/sha256:"+hex, body)
			}
		}
	}
	return wrong
}

// TestCorruption changes every file of a mirror in every way, and a mirror of
// which anything was changed is never verified and never serves it as good.
func TestCorruption(t *testing.T) {
	w, dir := tiny(t)
	good := contents(t, dir)
	names := slices.Sorted(maps.Keys(good))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d files", seed, len(names))
	random := rand.New(rand.NewPCG(seed, 0))
	changes := map[string]func(string) string{
		"flipped": func(s string) string {
			b := []byte(s)
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			return string(b)
		},
		"appended":  func(s string) string { return s + "\n" },
		"truncated": func(s string) string { return s[:len(s)-1] },
		"emptied":   func(string) string { return "" },
	}
	slow := os.Getenv("KVERIFY_SLOW_TESTS") != "" // else of the ways to change a file some, taken in turn
	found := map[report.Verdict]int{}
	examine := func(what, name string) {
		t.Helper()
		d, err := mirror.Open(dir)
		if err != nil { // that is noticed too
			return
		}
		_ = d.Close()
		v := inside(t, w, dir, nil).Verdict()
		found[v]++
		if v == report.Verified {
			t.Errorf("%s %s: nothing was noticed", name, what)
		}
		if wrong := servedWrong(t, dir, good); wrong != nil {
			t.Errorf("%s %s: served as good: %v", name, what, wrong)
		}
	}
	for i, name := range names {
		for j, what := range slices.Sorted(maps.Keys(changes)) {
			change := changes[what]
			if !slow && what != "flipped" && j != i%len(changes) {
				continue
			}
			put(t, dir, name, change(good[name]))
			examine(what, name)
			put(t, dir, name, good[name])
		}
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if slow || i%2 == 0 {
			examine("removed", name)
		}
		// The same content, behind a link.
		elsewhere := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(elsewhere, []byte(good[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(elsewhere, p); err != nil {
			t.Fatal(err)
		}
		if slow || i%2 == 1 {
			examine("linked", name)
		}
		put(t, dir, name, good[name])
	}
	for i := range names {
		a, b := names[i], names[(i+1)%len(names)]
		if good[a] == good[b] || !slow && i%3 != 0 {
			continue
		}
		put(t, dir, a, good[b])
		put(t, dir, b, good[a])
		examine("swapped with "+b, a)
		put(t, dir, a, good[a])
		put(t, dir, b, good[b])
	}
	for _, stray := range []string{"stray", "files/stray", "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubelet", "oci/stray", "oci/blobs/sha256/" + strings.Repeat("0", 64), "oci/blobs/sha512/x", "MANIFEST.json~", ".hidden"} {
		put(t, dir, stray, "stray")
		examine("added", stray)
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(stray))); err != nil {
			t.Fatal(err)
		}
	}
	wantVerdict(t, "the mirror with everything put back", inside(t, w, dir, nil), report.Verified)
	t.Logf("refuted %d, unknown %d", found[report.Refuted], found[report.Unknown])
}

// pack writes files into a tar archive, and more members after them.
func pack(t testing.TB, files map[string]string, more ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(files[name])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range more {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostileArchive: an archive with anything but plain files in it, each
// once, is not a mirror.
func TestHostileArchive(t *testing.T) {
	_, dir := tiny(t)
	good := contents(t, dir)
	file := filepath.Join(t.TempDir(), "m.tar")
	for what, more := range map[string][]tar.Header{
		"":                      nil,
		"a directory":           {{Typeflag: tar.TypeDir, Name: "./files/x/"}},
		"a symbolic link":       {{Typeflag: tar.TypeSymlink, Name: "files/x", Linkname: "/etc/passwd"}},
		"a hard link":           {{Typeflag: tar.TypeLink, Name: "files/x", Linkname: "MANIFEST.json"}},
		"a device":              {{Typeflag: tar.TypeChar, Name: "files/x"}},
		"a pipe":                {{Typeflag: tar.TypeFifo, Name: "files/x"}},
		"a path that leads out": {{Typeflag: tar.TypeReg, Name: "files/../../x"}},
		"an absolute path":      {{Typeflag: tar.TypeReg, Name: "/files/x"}},
		"a backslash":           {{Typeflag: tar.TypeReg, Name: `files\x`}},
		"a member twice":        {{Typeflag: tar.TypeReg, Name: "MANIFEST.json", Size: 3}},
		"a member as ./":        {{Typeflag: tar.TypeReg, Name: "./MANIFEST.json", Size: 3}},
		"a file below one":      {{Typeflag: tar.TypeReg, Name: "MANIFEST.json/x"}},
		"a file over a dir":     {{Typeflag: tar.TypeReg, Name: "files"}},
		"a dir over a file":     {{Typeflag: tar.TypeDir, Name: "MANIFEST.json/"}},
	} {
		if err := os.WriteFile(file, pack(t, good, more...), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := mirror.Open(file)
		if err == nil {
			_ = d.Close()
		}
		if ok := what == "" || what == "a directory"; ok != (err == nil) || err != nil && !errors.Is(err, mirror.ErrNotMirror) {
			t.Errorf("with %s: %v", what, err)
		}
	}
	// Cut anywhere, it is not a mirror or not a whole one.
	whole := pack(t, good)
	w := world.New(world.Options{})
	for n := 0; n < len(whole)-1024; n += len(whole)/23 + 1 {
		if err := os.WriteFile(file, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if d, err := mirror.Open(file); err == nil {
			_ = d.Close()
			if v := inside(t, w, file, nil).Verdict(); v == report.Verified {
				t.Errorf("cut after %d bytes: verified", n)
			}
		}
	}
}

// TestArchive: a mirror, the archive of it, and what that unpacks to are the
// same, and an archive on a base holds only what the base lacks.
func TestArchive(t *testing.T) {
	w := world.New(world.Options{})
	dir := filepath.Join(t.TempDir(), "m")
	makes(t, w, dir, nil, small("v1.27.1"))
	first, _ := archived(t, dir, "")
	wantVerdict(t, "the archive", inside(t, w, first, nil), report.Verified)
	old := contents(t, dir)
	there := filepath.Join(t.TempDir(), "there")
	unpack(t, first, there)
	if !maps.Equal(contents(t, there), old) {
		t.Error("it unpacks to something else")
	}
	makes(t, w, dir, nil, small("v1.27.2"))
	list := filepath.Join(t.TempDir(), "MANIFEST.json")
	if err := os.WriteFile(list, []byte(old["MANIFEST.json"]), 0o644); err != nil {
		t.Fatal(err)
	}
	for what, base := range map[string]string{"a directory": there, "an archive": first, "a list": list} {
		file, a := archived(t, dir, base)
		if a.Left == 0 {
			t.Errorf("on %s: nothing was left out", what)
		}
		both := filepath.Join(t.TempDir(), "both")
		unpack(t, first, both)
		unpack(t, file, both)
		if !maps.Equal(contents(t, both), contents(t, dir)) {
			t.Errorf("on %s: both together are not the mirror", what)
		}
		wantVerdict(t, "what was put together", inside(t, w, both, nil), report.Verified)
	}
}

func unpack(t testing.TB, file, dir string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // a comment, which no tool unpacks
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, path.Clean(h.Name), string(body))
	}
}

// TestPrune: what two releases share stays when one goes, and nothing else does.
func TestPrune(t *testing.T) {
	w := world.New(world.Options{})
	dir, alone := filepath.Join(t.TempDir(), "m"), filepath.Join(t.TempDir(), "m")
	makes(t, w, alone, nil, small("v1.27.2"))
	makes(t, w, dir, nil, small("v1.27.1"), small("v1.27.2"))
	put(t, dir, "oci/blobs/sha256/.x.kverify-part", "left by an interrupted run")
	put(t, dir, "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubelet", "not listed")
	v, _ := release.ParseVersion("v1.27.2")
	before := contents(t, dir)
	dry, err := create.Prune(create.PruneOptions{Dir: dir, Keep: []release.Version{v}, DryRun: true})
	if err != nil || !maps.Equal(contents(t, dir), before) {
		t.Fatalf("%v, or something was removed", err)
	}
	out, err := create.Prune(create.PruneOptions{Dir: dir, Keep: []release.Version{v}})
	if err != nil || !slices.Equal(out.Releases, []string{"v1.27.1"}) || !slices.Equal(dry.Files, out.Files) {
		t.Fatalf("%+v, %v; it was said to be %+v", out, err, dry)
	}
	wantVerdict(t, "what is left", inside(t, w, dir, nil), report.Verified)
	a, b := contents(t, dir), contents(t, alone)
	for name := range a {
		if _, ok := b[name]; !ok {
			t.Errorf("%s is still there", name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	var keep *create.KeepError
	gone, _ := release.ParseVersion("v1.27.1")
	if _, err := create.Prune(create.PruneOptions{Dir: dir, Keep: []release.Version{gone}}); !errors.As(err, &keep) {
		t.Errorf("%v", err)
	}
	m, err := create.New(create.Options{Dir: dir, Verifier: outside(t, w)})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var busy *create.BusyError
	if _, err := create.Prune(create.PruneOptions{Dir: dir}); !errors.As(err, &busy) {
		t.Errorf("beside a run that makes it: %v", err)
	}
}
