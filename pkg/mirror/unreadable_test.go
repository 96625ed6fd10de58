package mirror

import (
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
)

// A list that is there and cannot be read is one that cannot be read, and not one that is
// missing: what is told of it is unknown, and contradicts nothing.
func TestListsThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		bare bool // the checksums are missing
		want []string
	}{
		{layout.ManifestFile, false, []string{"MANIFEST.json: unknown", "MANIFEST.json: unknown", "MANIFEST.sha256: unknown"}}, // as a list, as a sum, and of no sums asked for
		{layout.IndexFile, false, []string{"oci/blobs: unknown", "oci/index.json: unknown", "oci: unknown"}},
		{layout.IndexFile, true, []string{"MANIFEST.sha256: unknown", "oci/blobs: unknown", "oci/index.json: unknown", "oci: unknown"}},
		{layout.SumsFile, false, []string{"MANIFEST.sha256: unknown"}},
	} {
		f := listedMirror(t, nil, nil)
		if tt.bare {
			delete(f, layout.SumsFile)
		}
		dir := f.write(t)
		path, outside := filepath.Join(dir, filepath.FromSlash(tt.name)), filepath.Join(t.TempDir(), "list")
		if err := os.Rename(path, outside); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, path); err != nil { // which no mirror follows
			t.Fatal(err)
		}
		d, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := auditIn(t, d, made{})
		_ = d.Close()
		var got []string
		links := 0
		for _, f := range a.findings {
			if strings.Contains(f.detail, "it is not a regular file") && f.what == tt.name && f.verdict == report.Unknown && f.reason == report.Malformed {
				links++
				continue
			}
			got = append(got, f.what+": "+f.verdict.String())
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) || links != 1 {
			t.Errorf("%s: %q and %d links\nwant %q", tt.name, got, links, tt.want)
		}
	}
}

// A list over its limit is none that can be read, and it is still what accounts for itself.
func TestListsThatAreTooLarge(t *testing.T) {
	for _, name := range append([]string{layout.SumsFile}, layout.Summed...) {
		dir := listedMirror(t, nil, func(f tree, _ made) { f[layout.SignatureFile] = "{}"; f.sums() }).write(t)
		if err := os.Truncate(filepath.Join(dir, filepath.FromSlash(name)), layout.MaxManifestFile+1); err != nil {
			t.Fatal(err)
		}
		d, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		list, signature, err := d.ManifestAndSignature()
		if unread := name == layout.ManifestFile || name == layout.SignatureFile; (err != nil) != unread || !unread && (list == nil || signature == nil) {
			t.Errorf("%s: %d bytes and %d, %v", name, len(list), len(signature), err)
		}
		a, _ := auditIn(t, d, made{})
		_ = d.Close()
		limit := 0
		for _, f := range a.findings {
			if f.what == name && f.reason == report.Limit {
				limit++
			} else if f.what == name {
				t.Errorf("%s: %v", name, f)
			}
			if f.verdict != report.Unknown {
				t.Errorf("%s: %v", name, f)
			}
		}
		if limit == 0 {
			t.Errorf("%s: %v", name, a.findings)
		}
	}
}

// crowded is an archive that has one member n times over, and one that is lost.
func crowded(n int) *tarFS {
	return &tarFS{data: strings.NewReader("x"), files: map[string]tarEntry{"files/x": {0, 1}}, folders: map[string][]string{
		".": {"files", "lost"}, "files": slices.Repeat([]string{"x"}, n), "lost": {"x"}}}
}

// What cannot be looked at is not known, and the rest is.
func TestWalksOfWhatCannotBeRead(t *testing.T) {
	d := &Mirror{fsys: crowded(2)}
	a := &audit{dir: d, sizes: map[string]int64{}}
	a.walk(t.Context())
	if len(a.findings) != 1 || a.findings[0].what != "lost" || a.findings[0].verdict != report.Unknown || a.findings[0].reason != report.Malformed || len(a.sizes) != 1 {
		t.Errorf("an audit: %v, %v", a.findings, a.sizes)
	}
	none := &audit{dir: &Mirror{fsys: &tarFS{}}, sizes: map[string]int64{}} // not even its folder
	none.walk(t.Context())
	if len(none.findings) != 1 || none.findings[0].what != "." || none.findings[0].verdict != report.Unknown || none.findings[0].reason != report.Malformed {
		t.Errorf("an audit of nothing: %v", none.findings)
	}
	s := survey{dir: d, sizes: map[oci.Digest]int64{}}
	s.amounts()
	if s.out.Partial == "" || s.out.Files.Count != 2 {
		t.Errorf("an overview: %+v", s.out)
	}
	bare, _, _, _, _ := sample()
	maps.DeleteFunc(bare, func(name, _ string) bool { return strings.HasPrefix(name, "files/") })
	dir := bare.write(t)
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "files")); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if c := d.Contents(); len(c.Damage) != 1 || !strings.HasPrefix(c.Damage[0], "files: ") || len(c.Images) != 2 {
		t.Errorf("contents: %q", c.Damage)
	}
	if resp, body, err := do(t, d, http.MethodGet, rekor+"/log/entries?logIndex=1", ""); err != nil || resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("the log: %d, %v: %s", resp.StatusCode, err, body)
	}
}

// Who walks a directory counts to a million, and says that it did not go on.
func TestWalksAreBounded(t *testing.T) {
	all := crowded(maxWalked + 1)
	all.folders["."] = []string{"files"}
	d := &Mirror{fsys: all}
	s := survey{dir: d, sizes: map[oci.Digest]int64{}}
	s.amounts()
	if s.out.Partial == "" || s.out.Files.Count != maxWalked {
		t.Errorf("an overview: %+v", s.out)
	}
	for n, bounded := range map[int]bool{2: false, 3: true} {
		d, c := &Mirror{fsys: crowded(n)}, Contents{Files: make([]HeldFile, maxWalked-2, maxWalked+2)}
		d.heldFiles(&c)
		if (len(c.Damage) > 0) != bounded || len(c.Files) != maxWalked {
			t.Errorf("contents of %d more: %d, %q", n, len(c.Files), c.Damage)
		}
	}
}

// A directory can be nothing but a mirror if it has a list of what is in it, or a layout; a
// host of which it holds nothing is told apart from one of which nothing says so.
func TestCompleteMirrors(t *testing.T) {
	for name, tt := range map[string]struct {
		files    tree
		complete bool
	}{
		"files alone":       {tree{"files/dl.k8s.io/x": ""}, false},
		"with a list":       {tree{"files/dl.k8s.io/x": "", "MANIFEST.json": `{"schemaVersion":1}`}, true},
		"with a layout":     {tree{"files/dl.k8s.io/x": "", "oci/oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "oci/index.json": `{"schemaVersion":2,"manifests":[]}`}, true},
		"folders for lists": {tree{"files/dl.k8s.io/x": "", "MANIFEST.json/x": "", "oci/oci-layout/x": ""}, false},
	} {
		d := tt.files.open(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.RoundTrip(req)
		var host *HostError
		if d.Complete() != tt.complete || !errors.As(err, &host) || host.Unlisted == tt.complete {
			t.Errorf("%s: %v, %v", name, d.Complete(), err)
		}
	}
}

// A mirror that was closed holds on to nothing.
func TestClosedMirror(t *testing.T) {
	d := tree{"files/dl.k8s.io/x": "x"}.open(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if body, err := fs.ReadFile(d.FS(), "files/dl.k8s.io/x"); err == nil {
		t.Errorf("it is read on: %q", body)
	}
}
