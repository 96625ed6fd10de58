package create

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

const (
	older, newer = "v1.27.1", "v1.27.2"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	promotions   = "https://raw.githubusercontent.com/kubernetes/k8s.io/main/"
)

// held is a mirror by path and content, with its list.
type held struct {
	files map[string]string
	list  *layout.Manifest
}

func (h held) blob(text string) (oci.Digest, int64) {
	digest := oci.DigestOf([]byte(text))
	h.files[layout.BlobPath(digest)] = text
	return digest, int64(len(text))
}

// image puts an image in, whose config is its own and whose layer all have in common.
func (h held) image(name string) oci.Digest {
	config, configSize := h.blob("config of " + name)
	layer, layerSize := h.blob("layer")
	digest, _ := h.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"c","digest":%q,"size":%d},"layers":[{"mediaType":"l","digest":%q,"size":%d}]}`, manifestType, config, configSize, layer, layerSize))
	return digest
}

func (h held) name(name string, releases ...string) {
	digest := h.image(name)
	h.list.Images = append(h.list.Images, layout.ImageEntry{Name: "registry.k8s.io/" + name, Digest: digest, MediaType: manifestType, Size: int64(len(h.files[layout.BlobPath(digest)])), Releases: releases})
}

func (h held) file(url, text string, releases ...string) {
	h.files[layout.FilePath(url)] = text
	h.list.Files = append(h.list.Files, layout.FileEntry{URL: url, SHA256: layout.HashHex([]byte(text)), Size: int64(len(text)), Releases: releases})
}

// promotion is a promotion manifest of some tags, whether or not a mirror has them.
func promotion(repo string, tags ...string) string {
	out := "- name: " + repo + "\n  dmap:\n"
	for _, tag := range tags {
		out += fmt.Sprintf("    %q: [%q]\n", held{files: map[string]string{}}.image(repo+":"+tag), tag)
	}
	return out
}

// twoReleases is a mirror of two, with all that a mirror may have.
func twoReleases() held {
	h := held{map[string]string{}, &layout.Manifest{SchemaVersion: 1, Created: "2023-05-17T15:00:00Z", Tool: report.Tool{Name: "made"}, Sums: layout.SumsFile, Releases: []string{older, newer},
		Scope: []layout.Scope{{Release: older, Images: true}, {Release: newer, Images: true}}}}
	h.name("kube-proxy:"+older, older)
	h.name("kube-proxy:"+newer, newer)
	h.name("pause:3.9", older, newer)
	h.name("etcd:3.5.7-0")
	h.file("https://dl.k8s.io/release/"+older+"/x", "of the older", older)
	h.file("https://dl.k8s.io/release/"+newer+"/x", "of the newer", newer)
	h.file("https://dl.k8s.io/both", "of both", older, newer)
	h.file("https://dl.k8s.io/none", "of none")
	both := promotion("kube-proxy", older, newer)
	h.file(promotions+"a/images.yaml", both, older, newer)
	h.file(promotions+"b/images.yaml", both, newer)
	h.file(promotions+"c/images.yaml", both, newer)
	h.file(promotions+"d/images.yaml", promotion("coredns", "v1"), newer) // of which nothing is held
	h.file(promotions+"e/images.yaml", promotion("kube-proxy", newer), newer)
	h.file(promotions+"f/images.yaml", both, newer)
	h.file(promotions+"g/images.txt", both, newer)
	h.file(promotions+"h/images.yaml", promotion("kube-proxy", older, newer, "v1.27.9"), newer)
	for i, f := range h.list.Files {
		switch {
		case strings.HasSuffix(f.URL, "b/images.yaml"):
			h.list.Files[i].ExcerptOf = "the whole"
		case strings.HasSuffix(f.URL, "c/images.yaml"):
			h.list.Files[i].SHA256 = layout.HashHex([]byte("another"))
		case strings.HasSuffix(f.URL, "f/images.yaml"):
			delete(h.files, layout.FilePath(f.URL))
		}
	}
	for i, of := range []string{older, newer} {
		path := fmt.Sprint("unknown/", i)
		h.files[path] = "file of " + of
		h.list.Unknown = append(h.list.Unknown, layout.UnknownEntry{Name: "https://dl.k8s.io/" + of, Release: of, Path: path, Digest: oci.DigestOf([]byte(h.files[path]))},
			layout.UnknownEntry{Name: "registry.k8s.io/kube-scheduler:" + of, Release: of, Digest: h.image("kube-scheduler:" + of)})
	}
	return h
}

// write lays down the mirror, with its lists.
func (h held) write(t *testing.T) (dir string) {
	t.Helper()
	list, err := h.list.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	index, err := h.list.Index()
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string][]byte{layout.ManifestFile: list, layout.LayoutFile: []byte(layout.LayoutText), layout.IndexFile: index}
	lists[layout.SumsFile] = layout.Sums(lists)
	for name, text := range lists {
		h.files[name] = string(text)
	}
	return h.lay(t)
}

// lay lays down the files as they are.
func (h held) lay(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range h.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lies are the files of a directory, and its folders with a slash behind.
func lies(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			out[name+"/"] = ""
		default:
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			out[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func keep(t *testing.T, names ...string) (list []release.Version) {
	t.Helper()
	for _, name := range names {
		v, err := release.ParseVersion(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	return list
}

// leftover is what no list accounts for, and how many bytes each has.
var leftover = []string{".x.kverify-part", "oci/.x.kverify-part", "oci/blobs/sha256/.x.kverify-part", "files/.x.kverify-part", "files/dl.k8s.io/stray", "unknown/stray", "oci/blobs/sha256/stray"}

// What a kept release needs stays, what is of none stays, and everything else goes: from the
// lists, and from what lies there, each told of. A dry run says so, and takes nothing.
func TestPruneKeepsWhatIsNeeded(t *testing.T) {
	h := twoReleases()
	for _, name := range leftover {
		h.files[name] = "12345"
	}
	blob := func(text string) string { return layout.BlobPath(oci.DigestOf([]byte(text))) }
	h.files[blob("file of "+newer)] = "file of " + newer // which is kept as a file, and not as a blob
	dir := h.write(t)
	before := lies(t, dir)
	gone := slices.Concat(leftover, []string{blob("file of " + newer), "files/dl.k8s.io/release/" + older + "/x", "unknown/0",
		blob("config of kube-proxy:" + older), layout.BlobPath(h.image("kube-proxy:" + older)), blob("config of kube-scheduler:" + older), layout.BlobPath(h.image("kube-scheduler:" + older))})
	slices.Sort(gone)
	var bytes int64
	for _, name := range gone {
		if strings.HasSuffix(name, ".kverify-part") && strings.Count(name, "/") < 2 && !strings.HasPrefix(name, "files/") {
			continue // beside the mirror's own folders
		}
		bytes += int64(len(before[name]))
	}
	now := func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC) }
	for _, dry := range []bool{true, false} {
		out, err := Prune(PruneOptions{Dir: dir, Keep: keep(t, newer), DryRun: dry, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out.Files)
		if !slices.Equal(out.Files, gone) || !slices.Equal(out.Releases, []string{older}) || out.Names != 1 || out.Bytes != bytes || out.Changed == dry {
			t.Errorf("%+v\nwant %q, %d bytes", out, gone, bytes)
		}
		if dry && !maps.Equal(lies(t, dir), before) {
			t.Error("a dry run changed something")
		}
	}
	after := lies(t, dir)
	short, shorter := promotion("kube-proxy", newer), []string{"a/images.yaml", "b/images.yaml", "h/images.yaml"}
	lists := []string{layout.ManifestFile, layout.IndexFile, layout.SumsFile}
	for name, text := range before {
		got, there := after[name]
		switch {
		case slices.Contains(gone, name) || name == "files/dl.k8s.io/release/"+older+"/":
			if there {
				t.Errorf("%s is still there", name)
			}
		case slices.Contains(lists, name):
		case slices.Contains(shorter, strings.TrimPrefix(name, layout.FilePath(promotions))):
			if got != short {
				t.Errorf("%s is %q", name, got)
			}
		case !there || got != text:
			t.Errorf("%s was changed: %q", name, got)
		}
	}
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := h.list
	want.Created, want.Releases = "2024-01-02T03:04:05Z", []string{newer}
	want.Scope = slices.DeleteFunc(want.Scope, func(s layout.Scope) bool { return s.Release == older })
	want.Unknown = slices.DeleteFunc(want.Unknown, func(u layout.UnknownEntry) bool { return u.Release == older })
	only := func(of []string) []string {
		return slices.DeleteFunc(of, func(r string) bool { return r == older })
	}
	want.Images = slices.DeleteFunc(want.Images, func(i layout.ImageEntry) bool { return slices.Equal(i.Releases, []string{older}) })
	want.Files = slices.DeleteFunc(want.Files, func(f layout.FileEntry) bool { return slices.Equal(f.Releases, []string{older}) })
	for i := range want.Images {
		want.Images[i].Releases = only(want.Images[i].Releases)
	}
	for i := range want.Files {
		f := &want.Files[i]
		f.Releases = only(f.Releases)
		if slices.Contains(shorter, strings.TrimPrefix(f.URL, promotions)) {
			f.ExcerptOf = cmp.Or(f.ExcerptOf, f.SHA256)
			f.SHA256, f.Size = layout.HashHex([]byte(short)), int64(len(short))
		}
	}
	if got := d.Manifest(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// Who keeps every release changes no list, and takes away what none accounts for.
func TestPruneOfLeftovers(t *testing.T) {
	for name, only := range map[string][]string{"none named": nil, "all named": {older, newer}} {
		h := twoReleases()
		dir := h.write(t)
		before := lies(t, dir)
		for _, name := range leftover {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(dir, "files", "a", "b"), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := Prune(PruneOptions{Dir: dir, Keep: keep(t, only...)})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out.Files)
		if !slices.Equal(out.Files, slices.Sorted(slices.Values(leftover))) || out.Releases != nil || out.Names != 0 || out.Changed || out.Wrote {
			t.Errorf("%s: %+v", name, out)
		}
		if after := lies(t, dir); !maps.Equal(after, before) {
			t.Errorf("%s: it is not as it was", name)
		}
	}
}

// The folders of a mirror stay, with nothing in them.
func TestPruneOfAnEmptyMirror(t *testing.T) {
	h := held{map[string]string{}, &layout.Manifest{SchemaVersion: 1}}
	dir := h.write(t)
	h.files["files/x"] = "x"
	for _, folder := range []string{"files/a", "oci/blobs/sha256", "unknown"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(folder)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Prune(PruneOptions{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	var folders []string
	for name := range lies(t, dir) {
		if strings.HasSuffix(name, "/") {
			folders = append(folders, name)
		}
	}
	slices.Sort(folders)
	if want := []string{"./", "files/", "oci/", "oci/blobs/", "oci/blobs/sha256/"}; !slices.Equal(folders, want) {
		t.Errorf("%q, want %q", folders, want)
	}
}
