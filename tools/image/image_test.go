package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// twice is the image of one platform made twice, in two directories.
var twice = sync.OnceValues(func() (out [2]string, err error) {
	dir, err := os.MkdirTemp("", "kverify-image-")
	if err != nil {
		return out, err
	}
	from := "../.." // and the second of the first, so that both are of one commit
	for i, name := range []string{"a", "another-directory"} {
		clone := filepath.Join(dir, name)
		out[i] = filepath.Join(clone, "dist")
		if text, err := exec.Command("git", "clone", "-q", from, clone).CombinedOutput(); err != nil {
			return out, &exec.Error{Name: string(text), Err: err}
		}
		from = clone
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", "dist/bin/linux_amd64/kverify", "./cmd/kverify")
		build.Dir, build.Env = clone, append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
		if text, err := build.CombinedOutput(); err != nil {
			return out, &exec.Error{Name: string(text), Err: err}
		}
		if err := run(context.Background(), clone, out[i], []string{"linux/amd64"}); err != nil {
			return out, err
		}
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("KVERIFY_DIST_TESTS") != "" {
		if out, _ := twice(); out[0] != "" {
			os.RemoveAll(filepath.Dir(filepath.Dir(out[0])))
		}
	}
	os.Exit(code)
}

func image(t *testing.T) string {
	t.Helper()
	if os.Getenv("KVERIFY_DIST_TESTS") == "" {
		t.Skip("builds the image twice; make dist-check runs it")
	}
	out, err := twice()
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

// open unpacks the layout and returns its only image.
func open(t *testing.T) v1.Image {
	t.Helper()
	file, _ := filepath.Glob(filepath.Join(image(t), "*_image.tar"))
	if len(file) != 1 {
		t.Fatalf("%d layouts were written", len(file))
	}
	dir := t.TempDir()
	if text, err := exec.Command("tar", "-xf", file[0], "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v %s", err, text)
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 || !strings.HasPrefix(manifest.Manifests[0].Annotations[refName], "kverify:") {
		t.Fatalf("the layout holds %+v (%v)", manifest, err)
	}
	i, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestSameImage(t *testing.T) {
	image(t)
	out, _ := twice()
	for _, suffix := range []string{"_image.tar", "_linux_amd64.spdx.json"} {
		var sums [2][sha256.Size]byte
		for i, dir := range out {
			found, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
			if len(found) != 1 {
				t.Fatalf("%d files end in %s", len(found), suffix)
			}
			text, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = sha256.Sum256(text)
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: %x the first time, %x the second", suffix, sums[0], sums[1])
		}
	}
}

func TestConfig(t *testing.T) {
	config, err := open(t).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Config
	if config.OS != "linux" || config.Architecture != "amd64" || c.User != user || !slices.Equal(c.Entrypoint, []string{"/ko-app/kverify"}) || len(c.Cmd) > 0 || len(c.ExposedPorts) > 0 || len(c.Volumes) > 0 {
		t.Errorf("the config says %+v", config)
	}
	for _, label := range []string{"title", "description", "licenses", "source", "version", "revision", "created"} {
		if c.Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("there is no label %s", label)
		}
	}
	if is, err := readMade(filepath.Join(image(t), "bin/linux_amd64/kverify")); err != nil || !config.Created.Time.Equal(is.time) || c.Labels["org.opencontainers.image.revision"] != is.revision {
		t.Errorf("created %v of %q; the program is %+v (%v)", config.Created, c.Labels["org.opencontainers.image.revision"], is, err)
	}
}

// files are what the image holds, flattened.
func files(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	r := mutate.Extract(open(t))
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode&0o6022 != 0 || h.Uid != 0 {
			t.Errorf("%s has mode %o and owner %d", h.Name, h.Mode, h.Uid)
		}
		if h.Typeflag == tar.TypeReg {
			if out[strings.TrimPrefix(h.Name, "/")], err = io.ReadAll(tr); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestContents holds that the image's program is the archive's, and that there is
// nothing beside it but certificates.
func TestContents(t *testing.T) {
	all := files(t)
	program, err := os.ReadFile(filepath.Join(image(t), "bin/linux_amd64/kverify"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(all["ko-app/kverify"], program) {
		t.Errorf("the image's program has %d bytes and is not the release's, which has %d", len(all["ko-app/kverify"]), len(program))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(all[certificates]) || bytes.Count(all[certificates], []byte("BEGIN CERTIFICATE")) < 100 {
		t.Errorf("the certificates are %.100q", all[certificates])
	}
	if len(all) != 2 {
		for name := range all {
			t.Errorf("the image holds %s", name)
		}
	}
}

// TestSBOM holds the SBOM against what the program says that it was built from.
func TestSBOM(t *testing.T) {
	found, _ := filepath.Glob(filepath.Join(image(t), "*_linux_amd64.spdx.json"))
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		SPDXVersion, Name string
		CreationInfo      struct{ Created, Creators any }
		Packages          []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	digest, err := open(t).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.Name != "sbom-"+digest.String() {
		t.Errorf("it is %s of %s, not SPDX-2.3 of %s", doc.SPDXVersion, doc.Name, digest)
	}
	has := map[string]string{}
	for _, p := range doc.Packages {
		has[p.Name] = p.VersionInfo
	}
	info, err := buildinfo.ReadFile(filepath.Join(image(t), "bin/linux_amd64/kverify"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		if has[m.Path] != m.Version {
			t.Errorf("%s %s is in the program, %q in the SBOM", m.Path, m.Version, has[m.Path])
		}
	}
	if len(info.Deps) < 10 {
		t.Errorf("the program names %d modules", len(info.Deps))
	}
}

// TestRun runs the image's files as its user and nothing else: under podman where it
// works, else in a changed root.
func TestRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root changes the root")
	}
	sample, err := filepath.Abs("../../testdata/sample")
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"kverify v":           {"version"},
		"\nVERIFIED  v1.27.2": {"images", "v1.27.2", "--mirror", "/sample/mirror", "--trusted-root", "/sample/trusted_root.json"},
	} {
		text, err := inContainer(t, sample, args)
		if err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%v: %v\n%s", args, err, text)
		}
	}
}

func inContainer(t *testing.T, sample string, args []string) ([]byte, error) {
	t.Helper()
	file, _ := filepath.Glob(filepath.Join(image(t), "*_image.tar"))
	dir := t.TempDir()
	podman := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"}
	if _, err := exec.LookPath("podman"); err == nil {
		text, err := exec.Command("podman", append(podman, "load", "--quiet", "--input", file[0])...).CombinedOutput()
		_, id, named := strings.Cut(strings.TrimSpace(string(text)), "Loaded image: ")
		if err != nil || !named {
			t.Fatalf("podman load: %v %s", err, text)
		}
		run := append(podman, "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "all", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--volume", sample+":/sample:ro", id)
		text, err = exec.Command("podman", append(run, args...)...).CombinedOutput()
		if err == nil {
			return text, nil
		}
		t.Logf("podman does not run here (%v: %s); the root is changed instead", err, text)
	}
	for name, text := range files(t) {
		path := filepath.Join(dir, "changed", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "changed/sample"), os.DirFS(sample)); err != nil {
		t.Fatal(err)
	}
	return exec.Command("chroot", append([]string{"--userspec=" + user, filepath.Join(dir, "changed"), "/ko-app/kverify"}, args...)...).CombinedOutput()
}
