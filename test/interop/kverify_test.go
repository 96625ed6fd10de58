package interop

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

var built string // the directory that program made

// program builds kverify once, from its own module and so with its own
// versions of everything.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kverify-interop")
	if err != nil {
		return "", err
	}
	built = dir
	bin := filepath.Join(dir, "kverify")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/kverify")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// kverify runs the program with no HOME and no proxy.
func kverify(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatalf("kverify does not build: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), talk.String()
}

// documents writes what a mirror has beside its images: the documents of the
// release, the kept log entries, and the trusted root outside of it.
func documents(t *testing.T, w *world.World) (mirror, root string) {
	t.Helper()
	dir := t.TempDir()
	mirror, root = filepath.Join(dir, "mirror"), filepath.Join(dir, "root.json")
	if err := w.WriteMirror(mirror, []string{version}, world.MirrorOptions{NoManifest: true}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(mirror, "oci")); err != nil { // the images come from the registry or not at all
		t.Fatal(err)
	}
	write(t, root, string(w.TrustedRootJSON()))
	return mirror, root
}

// TestImagesFromRegistry proves a release that lies in somebody else's
// registry, and refuses the same release with one image of another version.
func TestImagesFromRegistry(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r registry) {
		w := world.New(world.Options{})
		mirror, root := documents(t, w)
		copyRelease(t, w, r)
		images := func() (int, string, string) {
			return kverify(t, "images", version, "--mirror", mirror, "--trusted-root", root, "--endpoint", outside+"="+r.url())
		}
		if code, stdout, stderr := images(); code != 0 || !strings.Contains(stdout, "VERIFIED  "+version) {
			t.Fatalf("%s: exit code %d, want 0\n%s%s", r.name, code, stdout, stderr)
		}

		w.ServeAs("v1.27.1", version, world.AllImages)
		copyRelease(t, w, r)
		if code, stdout, stderr := images(); code != 1 || !strings.Contains(stdout, "REFUTED") {
			t.Errorf("%s: v1.27.1's images as %s: exit code %d, want 1\n%s%s", r.name, version, code, stdout, stderr)
		}
	})
}
