package mirror_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// An archive in parts is opened by the first of them, if all of them are there; by the name
// of the whole, the first is named.
func TestArchiveInParts(t *testing.T) {
	text := pack(t, map[string]string{"files/dl.k8s.io/a": strings.Repeat("genuine", 300)})
	const each = 1024
	cut := func(t *testing.T) (first string) {
		t.Helper()
		first = filepath.Join(t.TempDir(), "m.tar.001")
		for i := 0; i*each < len(text); i++ {
			put(t, filepath.Dir(first), "m.tar.00"+string(rune('1'+i)), string(text[i*each:min((i+1)*each, len(text))]))
		}
		return first
	}
	last := ".00" + string(rune('0'+(len(text)+each-1)/each))
	for name, tt := range map[string]struct {
		change func(t *testing.T, first string) (open string)
		want   string // of the error; "" if it opens
	}{
		"all of them": {func(_ *testing.T, first string) string { return first }, ""},
		"by the name of the whole": {func(_ *testing.T, first string) string { return strings.TrimSuffix(first, ".001") },
			"m.tar.001"},
		"by the name of the whole, with a folder for the first": {func(t *testing.T, first string) string {
			if err := replaceByDir(first); err != nil {
				t.Fatal(err)
			}
			return strings.TrimSuffix(first, ".001")
		}, "it cannot be opened as a directory"},
		"by another": {func(_ *testing.T, first string) string { return strings.TrimSuffix(first, "1") + "2" }, "it cannot be read as a tar archive"},
		"without the last": {func(t *testing.T, first string) string {
			remove(t, filepath.Dir(first), "m.tar"+last)
			return first
		}, "the next part is missing"},
		"without the second": {func(t *testing.T, first string) string {
			remove(t, filepath.Dir(first), "m.tar.002")
			return first
		}, "part 2 of it is missing"},
		"with a folder for the second": {func(t *testing.T, first string) string {
			if err := replaceByDir(strings.TrimSuffix(first, "1") + "2"); err != nil {
				t.Fatal(err)
			}
			return first
		}, "part 2: a directory stands there"},
	} {
		t.Run(name, func(t *testing.T) {
			open := tt.change(t, cut(t))
			d, err := mirror.Open(open)
			if tt.want != "" {
				if !errors.Is(err, mirror.ErrNotMirror) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://dl.k8s.io/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := d.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != strings.Repeat("genuine", 300) || !d.Archived() {
				t.Errorf("%q, %v", body, err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if again, err := d.RoundTrip(req); err == nil {
				_ = again.Body.Close()
				t.Error("an archive that was closed is read on")
			}
			if err := d.Close(); err == nil {
				t.Error("that it cannot be closed again is not said")
			}
		})
	}
}

// What a mirror answers is told of the mirror, and of no network.
func TestMirrorIsNamed(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "files/dl.k8s.io/a", "x")
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	client := &fetch.Client{Transport: d}
	for _, url := range []string{"https://dl.k8s.io/b", "https://example.com/b"} {
		var e *fetch.Error
		if _, err := client.Get(t.Context(), url, 10); !errors.As(err, &e) || e.Mirror != dir {
			t.Errorf("%s: %+v", url, e)
		}
	}
}

// A mirror of no release proves nothing, and says that there is nothing to prove.
func TestMirrorOfNothing(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := inside(t, w, dir, nil)
	wantVerdict(t, "the mirror", r, report.Unknown)
	if len(r.Results) != 2 || r.Results[1].Subject != "." || r.Results[1].Verdict() != report.Unknown || len(r.Releases) != 0 {
		t.Errorf("%+v", r.Results)
	}
}

// Whoever watches sees as many things done in the end as were begun.
func TestProgressOfAMirror(t *testing.T) {
	w, dir := tiny(t)
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v := at(t, w, dir)
	v.Progress = new(verify.Progress)
	r, err := d.Verify(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "the mirror", r, report.Verified)
	least := 0 // every blob and file, one by one
	for name := range contents(t, dir) {
		if strings.HasPrefix(name, "oci/blobs/") || strings.HasPrefix(name, "files/") {
			least++
		}
	}
	if done, total := v.Progress.Counts(); done != total || total < least {
		t.Errorf("%d of %d, at least %d", done, total, least)
	}
}
