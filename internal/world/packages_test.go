package world_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sight/packages"
)

// TestPackages holds that what the world publishes as a Debian package is one,
// that its list names it with its digest, and that each release has two.
func TestPackages(t *testing.T) {
	w := world.New(world.Options{})
	w.PutPackages(v)
	list := string(body(t, w, world.PackageURL(v, "Packages")))
	genuine := w.File(world.FileURL(v, "bin/linux/arm64/kubelet"))
	for revision, want := range map[string]bool{"1.1": false, "2.1": true} {
		path := "arm64/kubelet_1.27.2-" + revision + "_arm64.deb"
		deb := body(t, w, world.PackageURL(v, path))
		if !strings.Contains(list, "Filename: "+path+"\n") {
			t.Errorf("the list has no %s:\n%s", path, list)
		}
		p, err := packages.Read(t.Context(), bytes.NewReader(deb), packages.Request{Programs: []string{"kubelet"}})
		if err != nil {
			t.Fatal(err)
		}
		same := len(p.Files) == 1 && p.Files[0].Size == int64(len(genuine)) && p.Files[0].SHA256 == fmt.Sprintf("%x", sha256.Sum256(genuine))
		if p.Name != "kubelet" || p.Version != "1.27.2-"+revision || p.Arch != "arm64" || same != want {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

// TestPreRelease holds that a candidate stands before what it precedes, and that
// stable names none.
func TestPreRelease(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.29.0-rc.1", "v1.28.2", "v1.28.0", "v1.28.0-rc.1"}})
	if got, want := w.Versions(), []string{"v1.28.0-rc.1", "v1.28.0", "v1.28.2", "v1.29.0-rc.1"}; !slices.Equal(got, want) {
		t.Errorf("versions %v, want %v", got, want)
	}
	for marker, want := range map[string]string{"stable": "v1.28.2", "latest": "v1.29.0-rc.1", "latest-1.29": "v1.29.0-rc.1", "stable-1.28": "v1.28.2", "latest-1.28": "v1.28.0-rc.1"} {
		if got := string(w.File("https://dl.k8s.io/release/" + marker + ".txt")); got != want {
			t.Errorf("%s is %q, want %s", marker, got, want)
		}
	}
	if w.File("https://dl.k8s.io/release/stable-1.29.txt") != nil {
		t.Error("a minor of which there is a candidate alone has a stable version")
	}
}
