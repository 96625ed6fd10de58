package mirror_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/report"
)

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// What is missing or cannot be read is unknown; only what was read contradicts.
func TestUnreadListsAreUnknown(t *testing.T) {
	w, whole := tiny(t)
	for _, name := range []string{"oci/index.json", "oci/oci-layout", "MANIFEST.json", "MANIFEST.sha256"} {
		for how, change := range map[string]func(path string) error{
			"missing":   os.Remove,
			"unread":    func(path string) error { return os.Chmod(path, 0) },
			"directory": func(path string) error { return replaceByDir(path) },
			"dangling":  func(path string) error { _ = os.Remove(path); return os.Symlink("nowhere", path) },
		} {
			if how == "unread" && os.Getuid() == 0 {
				continue
			}
			dir := filepath.Join(t.TempDir(), "m")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			wantVerdict(t, name+" "+how, inside(t, w, dir, nil), report.Unknown)
		}
	}
}

// What stands under the private name of a list and cannot be removed is named, with
// what to do.
func TestPrivateNameInTheWay(t *testing.T) {
	w, dir := tiny(t)
	planted := filepath.Join(dir, "oci", ".index.json.next.kverify-part")
	if err := os.MkdirAll(filepath.Join(planted, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	wish := small("v1.27.2") // more than it has, so that its lists change
	o := create.Options{Dir: dir, Verifier: outside(t, w), Attempts: 2, Tool: report.Tool{Name: "test"}}
	_, _, err := make1(t.Context(), o, wish)
	if err == nil || !strings.Contains(err.Error(), "oci/.index.json.next.kverify-part is in the way, a directory") || !strings.Contains(err.Error(), "remove it") {
		t.Fatalf("%v", err)
	}
	if err := os.RemoveAll(planted); err != nil {
		t.Fatal(err)
	}
	if _, _, err := make1(t.Context(), o, wish); err != nil {
		t.Error(err)
	}
	wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Verified)
}

func replaceByDir(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Mkdir(path, 0o755)
}

// A second archive behind the end of the first would be unpacked over it.
func TestSecondArchiveIsNoMirror(t *testing.T) {
	dir := t.TempDir()
	one := filepath.Join(dir, "one.tar")
	if err := os.WriteFile(one, pack(t, map[string]string{"files/dl.k8s.io/a": "genuine"}), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string][]byte{
		"another":            pack(t, map[string]string{"files/dl.k8s.io/a": "altered"}),
		"another, far away":  append(make([]byte, 10240), pack(t, map[string]string{"files/dl.k8s.io/a": "altered"})...),
		"a byte":             {1},
		"a block of letters": []byte(strings.Repeat("x", 512)),
	} {
		joined := filepath.Join(dir, "joined.tar")
		if err := os.WriteFile(joined, append(append([]byte{}, text...), more...), 0o644); err != nil {
			t.Fatal(err)
		}
		if d, err := mirror.Open(joined); err == nil {
			_ = d.Close()
			t.Errorf("%s: it opens", name)
		}
	}
	if err := os.WriteFile(one, append(text, make([]byte, 9216)...), 0o644); err != nil { // as GNU tar fills up
		t.Fatal(err)
	}
	d, err := mirror.Open(one)
	if err != nil {
		t.Fatal(err)
	}
	_ = d.Close()
}

// What lies beside a file proves it, or is written anew, and what belongs to no
// file is not listed: whatever somebody put there between two runs.
func TestBesideIsWrittenAnew(t *testing.T) {
	w, dir := tiny(t)
	good := contents(t, dir)
	const file = "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"
	bundle := file + ".sigstore.json"
	if good[bundle] == "" {
		t.Fatal("no bundle beside it")
	}
	for name, text := range map[string]string{
		"another file's": good["files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx.sigstore.json"],
		"no bundle":      "{}",
	} {
		relist(t, dir, func(m *mirror.Manifest) {
			for i := range m.Files {
				if strings.HasSuffix(m.Files[i].URL, "/kubectl.sigstore.json") {
					m.Files[i].SHA256, m.Files[i].Size = hashText(text), int64(len(text))
				}
			}
		})
		put(t, dir, bundle, text)
		r, _ := makes(t, w, dir, nil, small("v1.27.2"))
		wantVerdict(t, name+": made", r, report.Verified)
		if got := contents(t, dir)[bundle]; got != good[bundle] {
			t.Errorf("%s: it stays beside the file", name)
		}
		wantVerdict(t, name+": verified", inside(t, w, dir, nil), report.Verified)
	}
}
