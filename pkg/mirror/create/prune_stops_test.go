package create

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// What is no whole mirror with a list that can be read, or names what cannot be followed, loses
// nothing.
func TestPruneTakesNothing(t *testing.T) {
	var keeps *KeepError
	var refused *mirror.RefusedError
	for name, tt := range map[string]struct {
		change func(h held)
		keep   []string
		is     func(err error) bool
	}{
		"a release that it has not": {nil, []string{newer, "v1.27.3"}, func(err error) bool {
			return errors.As(err, &keeps) && keeps.Release == "v1.27.3" && slices.Equal(keeps.Has, []string{older, newer})
		}},
		"without a list":           {func(h held) { delete(h.files, layout.ManifestFile) }, nil, func(err error) bool { return errors.Is(err, mirror.ErrNotMirror) }},
		"with a list that is none": {func(h held) { h.files[layout.ManifestFile] = "{" }, nil, func(err error) bool { return errors.As(err, &refused) }},
		"with names that are none": {func(h held) { h.files[layout.IndexFile] = "{" }, nil, func(err error) bool { return errors.As(err, &refused) }},
		"no mirror":                {func(h held) { clear(h.files); h.files["x"] = "x" }, nil, func(err error) bool { return errors.Is(err, mirror.ErrNotMirror) }},
		"with a file of another":   {func(h held) { h.files["thesis.tex"] = "x" }, nil, func(err error) bool { return errors.Is(err, mirror.ErrNotMirror) }},
		"with an image that differs": {func(h held) { h.files[layout.BlobPath(h.image("kube-proxy:"+newer))] = "{}" }, nil, func(err error) bool {
			return errors.As(err, &refused)
		}},
		"with a change that is none": {func(h held) { h.files[layout.ChangeFile] = "{" }, nil, func(err error) bool { return errors.As(err, &refused) }},
	} {
		h := twoReleases()
		h.write(t) // for its lists
		h.files["files/stray"] = "x"
		if tt.change != nil {
			tt.change(h)
		}
		dir := h.lay(t)
		for _, dry := range []bool{true, false} {
			out, err := Prune(PruneOptions{Dir: dir, Keep: keep(t, tt.keep...), DryRun: dry})
			if err == nil || !tt.is(err) || out != nil && errors.As(err, &keeps) {
				t.Errorf("%s: %v, %+v", name, err, out)
			}
			for file, text := range h.files {
				if got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file))); err != nil || string(got) != text {
					t.Errorf("%s: %s: %q, %v", name, file, got, err)
				}
			}
		}
	}
}

// What stands in the way of a run, and leads out of the mirror or cannot be replaced, ends it
// before anything is taken.
func TestPruneEndsBeforeItTakes(t *testing.T) {
	for name, tt := range map[string]struct {
		link string // to something outside
		file string
		keep []string
	}{
		"a promotion manifest that leads out": {layout.FilePath(promotions + "a/images.yaml"), "", []string{newer}},
		"a folder that leads out":             {"unknown", "", nil},
		"a folder under a private name":       {"", layout.StagedName(layout.IndexFile) + "/x", []string{newer}},
	} {
		h := twoReleases()
		h.files["files/stray"] = "x"
		if tt.file != "" {
			h.files[tt.file] = "x"
		}
		dir := h.write(t)
		if tt.link != "" {
			path := filepath.Join(dir, filepath.FromSlash(tt.link))
			if err := errors.Join(os.RemoveAll(path), os.Symlink(filepath.Join(t.TempDir(), "x"), path)); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := Prune(PruneOptions{Dir: dir, Keep: keep(t, tt.keep...)}); err == nil {
			t.Errorf("%s: %+v", name, out)
		}
		for file, text := range h.files {
			if tt.link != "" && strings.HasPrefix(file, tt.link) {
				continue
			}
			if got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file))); err != nil || string(got) != text {
				t.Errorf("%s: %s: %q, %v", name, file, got, err)
			}
		}
	}
}

// An archive is not taken anything out of, and says what it is not.
func TestPruneOfAnArchive(t *testing.T) {
	h := twoReleases()
	h.write(t)
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for name, text := range h.files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "m.tar")
	if err := errors.Join(w.Close(), os.WriteFile(file, packed.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, err := Prune(PruneOptions{Dir: file, Keep: keep(t, newer)}); !errors.Is(err, mirror.ErrNotMirror) || !strings.Contains(err.Error(), "not a directory with a MANIFEST.json") {
		t.Errorf("%v, %+v", err, out)
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Equal(text, packed.Bytes()) {
		t.Errorf("it was changed, %v", err)
	}
}

// A dry run beside a change that a killed run began leaves what completes it, and says of the
// new lists what goes; the next run completes it first.
func TestPruneOfAnUnfinishedChange(t *testing.T) {
	h := twoReleases()
	h.write(t)
	next := twoReleases()
	next.list.Files = slices.DeleteFunc(next.list.Files, func(f layout.FileEntry) bool { return f.URL == "https://dl.k8s.io/none" })
	next.write(t)
	var names []string
	staged := []string{layout.ChangeFile}
	for _, name := range []string{layout.ManifestFile, layout.SumsFile} {
		h.files[layout.StagedName(name)] = next.files[name]
		staged, names = append(staged, layout.StagedName(name)), append(names, fmt.Sprintf(`{"path":%q}`, name))
	}
	h.files[layout.ChangeFile] = `{"schemaVersion":1,"files":[` + strings.Join(names, ",") + `]}`
	h.files[".x.kverify-part"] = ""
	dir := h.lay(t)
	before := lies(t, dir)
	want := []string{".x.kverify-part", "files/dl.k8s.io/none"}
	for _, dry := range []bool{true, false} {
		out, err := Prune(PruneOptions{Dir: dir, DryRun: dry})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out.Files)
		if !slices.Equal(out.Files, want) || dry && !maps.Equal(lies(t, dir), before) {
			t.Errorf("dry %v: %q, want %q", dry, out.Files, want)
		}
	}
	after := lies(t, dir)
	for _, name := range append(staged, want...) {
		if _, there := after[name]; there {
			t.Errorf("%s is still there", name)
		}
	}
	if after[layout.ManifestFile] != next.files[layout.ManifestFile] {
		t.Error("the change was not completed")
	}
}
