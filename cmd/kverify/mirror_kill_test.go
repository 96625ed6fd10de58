package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
)

// bigLayer makes the last layer of an image as large as real ones are, and the
// SBOM says so.
func bigLayer(t testing.TB, w *world.World, image string, size int, seed uint64) {
	t.Helper()
	diffIDs := func() []oci.Digest {
		m, _ := w.Manifest(image + "-amd64:v1.27.2")
		_, img, err := registry.ParseManifest(m.MediaType, m.Body)
		if err != nil {
			t.Fatal(err)
		}
		config, err := registry.ParseConfig(w.Blob(string(img.Config.Digest)))
		if err != nil {
			t.Fatal(err)
		}
		return config.DiffIDs
	}
	old := diffIDs()
	body := make([]byte, size)
	var key [32]byte
	key[0], key[1] = byte(seed), 1
	_, _ = rand.NewChaCha8(key).Read(body)
	w.SetLayers("v1.27.2", image, "amd64", world.Layer{Tar: body})
	text := w.File(world.SBOMURL("v1.27.2"))
	hex := func(digest string) []byte { return []byte(strings.TrimPrefix(digest, "sha256:")) }
	text = bytes.ReplaceAll(text, hex(string(old[len(old)-1])), hex(string(diffIDs()[len(old)-1])))
	w.PutDocument(world.SBOMURL("v1.27.2"), text)
	w.SignFile(world.SBOMURL("v1.27.2"), world.Signing{})
}

// sizeOf is how many bytes the files of a directory have.
func sizeOf(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// TestKillMirror kills real runs of mirror create with SIGKILL at random points,
// and then lets one finish: nothing that was not proved ever stands in the
// layout's index, what the mirror held before stays whole, and in the end so is
// everything. KILL_SEED repeats a run.
func TestKillMirror(t *testing.T) {
	if os.Getenv("KVERIFY_SLOW_TESTS") == "" {
		t.Skip("it takes a minute: make slow")
	}
	const (
		size  = 64 << 20 // of a layer, and of a file
		kills = 20
		mid   = 15 // of them must land in mid-transfer
		rate  = 12 << 20
	)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KILL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("KILL_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := genuine().Clone()
	const path = "kubernetes-server-linux-amd64.tar.gz"
	bigFile(w, "v1.27.2", path, size, seed)
	bigLayer(t, w, "kube-scheduler", size, seed)
	l := newLine(t, w)
	dir := filepath.Join(t.TempDir(), "m")
	create := func(version string) []string {
		return []string{"mirror", "create", version, "kube-scheduler", "kube-proxy", "server", "kubectl", "--os", "linux", "--arch", "amd64", "-d", dir, "-q", "--no-cache"}
	}
	if out, err := l.program(create("v1.27.1")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.rate.Store(rate)
	landed, listed := 0, 0
	for i := range kills {
		begun := sizeOf(dir)
		cmd := l.program(create("v1.27.2")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		go func() { _ = cmd.Wait(); close(over) }()
		if i%7 != 6 { // the rest is killed wherever it is
			for deadline := time.Now().Add(30 * time.Second); sizeOf(dir) <= begun+(256<<10) && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(random.Int64N(int64(350 * time.Millisecond))))
		_ = cmd.Process.Kill()
		<-over
		now := sizeOf(dir)
		parts, err := filepath.Glob(filepath.Join(dir, "oci", "blobs", "sha256", ".*.kverify-part"))
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "files", "dl.k8s.io", "release", "v1.27.2", ".*.kverify-part"))
		if err != nil {
			t.Fatal(err)
		}
		if len(parts)+len(files) > 0 && now > begun {
			landed++
		}
		// What stands in the index has been proved: it is what the world has
		// under that name, and every blob of it is there and right.
		var index struct {
			Manifests []struct {
				Digest      string
				Annotations map[string]string
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "oci", "index.json"))
		if err != nil || json.Unmarshal(text, &index) != nil {
			t.Fatalf("kill %d: the index cannot be read: %v", i, err)
		}
		for _, m := range index.Manifests {
			name := m.Annotations["org.opencontainers.image.ref.name"]
			if strings.Contains(name, ":sha256-") {
				continue
			}
			if strings.HasSuffix(name, ":v1.27.2") {
				listed++
			}
			if w.Digest(name) != m.Digest {
				t.Fatalf("kill %d: %s is %s in the index", i, name, m.Digest)
			}
		}
		if out, err := l.program("images", "v1.27.1", "kube-scheduler", "kube-proxy", "--arch", "amd64", "--mirror", dir, "-q").CombinedOutput(); err != nil {
			t.Fatalf("kill %d: what was there before is not whole: %v\n%s", i, err, out)
		}
	}
	if listed > 0 {
		t.Errorf("%d names of a release stood in the index before all of it was there", listed)
	}
	carried := l.bytes.Load()
	l.rate.Store(0)
	if out, err := l.program(create("v1.27.2")...).CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, out)
	}
	last := l.bytes.Load() - carried
	if out, err := l.program("verify", dir).CombinedOutput(); err != nil {
		t.Fatalf("the mirror in the end: %v\n%s", err, out)
	}
	t.Logf("%d of %d kills landed in mid-transfer; all in all %.1f MiB travelled for %d MiB, of them %.1f MiB in the last run",
		landed, kills, mib(l.bytes.Load()), 2*size>>20, mib(last))
	if landed < mid {
		t.Errorf("only %d kills landed in mid-transfer, want %d: the machine is too slow or too fast for this test's speed", landed, mid)
	}
	// And a run that finds everything there brings nothing.
	carried = l.bytes.Load()
	if out, err := l.program(create("v1.27.2")...).CombinedOutput(); err != nil {
		t.Fatalf("the run after it: %v\n%s", err, out)
	}
	if again := l.bytes.Load() - carried; again > 1<<20 {
		t.Errorf("a run that found everything there took %d bytes", again)
	}
}
