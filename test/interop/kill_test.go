package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kverify/kverify/internal/world"
)

// TestKillPush kills a real push with SIGKILL at random points and then lets
// it finish. Whatever is there after a kill is right: no tag leads to anything
// that is absent, and the next push goes on. KILL_SEED repeats a run.
func TestKillPush(t *testing.T) {
	const (
		kills = 20 // at a slow line, and then
		fast  = 4  // at a fast one, which come later in a push
		mid   = 15 // of them must land while a blob is half sent
		layer = 768 << 10
		rate  = 4 << 20
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
	bin, err := program()
	if err != nil {
		t.Fatalf("kverify does not build: %v", err)
	}
	w := world.New(world.Options{Versions: []string{version}, LayerBytes: layer})
	dir, root := wholeMirror(t, w, world.MirrorOptions{})
	r := startDistribution(t)
	m := newMeter(t, r)
	m.rate.Store(rate)
	args := []string{"mirror", "push", dir, m.addr, "--trusted-root", root, "-q", "-j", "2"}

	landed, tags := 0, 0
	for i := range kills + fast {
		if i == kills {
			m.rate.Store(0)
		}
		begun := m.blobs.Load()
		cmd := exec.Command(bin, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		over := make(chan struct{})
		go func() { _ = cmd.Wait(); close(over) }()
		if i%7 != 6 { // three of twenty are killed wherever they are
			for deadline := time.Now().Add(20 * time.Second); m.blobs.Load() == begun && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(random.Int64N(int64(350 * time.Millisecond))))
		if i%7 != 6 { // not between two blobs
			for deadline := time.Now().Add(2 * time.Second); m.sending.Load() == 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		}
		if i >= kills {
			time.Sleep(time.Duration(random.Int64N(int64(time.Second))))
		} else if m.sending.Load() > 0 {
			landed++
		}
		_ = cmd.Process.Kill()
		<-over
		for deadline := time.Now().Add(10 * time.Second); m.sending.Load() > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		tags = wholeTags(t, w, r)
	}
	before := m.blobs.Load()
	if code, stdout, stderr := kverify(t, args...); code != 0 {
		t.Fatalf("the last run: exit code %d\n%s%s", code, stdout, stderr)
	}
	total := m.blobs.Load()
	t.Logf("%d of %d kills landed while a blob was half sent; %d tags were there at the last; %.1f MiB travelled for %.1f MiB, of which the last run sent %.1f MiB",
		landed, kills, tags, mib(total), mib(20*layer), mib(total-before))
	if last := total - before; last > 15*layer {
		t.Errorf("the last run sent %.1f MiB: it did not go on from what was there", mib(last))
	}
	if landed < mid {
		t.Errorf("only %d kills landed in mid-transfer, want %d: the machine is too slow or too fast for this test's speed", landed, mid)
	}
	if got := wholeTags(t, w, r); got != 50 {
		t.Errorf("%d names are there, want 50", got)
	}
	if code, stdout, stderr := kverify(t, "images", version, "--mirror", dir, "--trusted-root", root, "--endpoint", outside+"="+r.url()); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	storedRight(t, r)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// wholeTags counts the names of a release that the registry has, and holds
// each to its digest and to everything that it leads to.
func wholeTags(t *testing.T, w *world.World, r registry) (n int) {
	t.Helper()
	for _, repo := range repositories(w) {
		for _, tag := range w.Tags(repo) {
			ref, err := name.ParseReference(r.addr+"/"+repo+":"+tag, name.Insecure)
			if err != nil {
				t.Fatal(err)
			}
			got, err := remote.Get(ref)
			if err != nil {
				continue
			}
			n++
			if want := w.Digest(outside + "/" + repo + ":" + tag); got.Digest.String() != want {
				t.Errorf("%s is %s, want %s", ref, got.Digest, want)
			}
			if !got.MediaType.IsIndex() {
				continue
			}
			index, err := got.ImageIndex()
			if err != nil {
				t.Fatal(err)
			}
			list, err := index.IndexManifest()
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list.Manifests {
				if _, err := index.Image(d.Digest); err != nil {
					t.Errorf("%s leads to what is not there: %v", ref, err)
				}
			}
		}
	}
	return n
}

// storedRight hashes every blob that the registry has committed.
func storedRight(t *testing.T, r registry) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(r.root, "docker/registry/v2/blobs/sha256"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "data" {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); !strings.HasSuffix(filepath.Dir(path), got) {
			t.Errorf("%s hashes to %s", path, got)
		}
		n++
		return nil
	})
	if err != nil || n < 100 {
		t.Errorf("%d blobs, %v", n, err)
	}
}
