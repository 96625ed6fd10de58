package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// cachedRun verifies a release with a cache, and says how many requests the
// registry got: what its redirects add is a constant factor.
func cachedRun(t *testing.T, w *world.World, dir string, checks []string) (report.Report, int) {
	t.Helper()
	client := &fetch.Client{Transport: w}
	before := w.Count("https://registry.k8s.io/*")
	v := verifier(t, w)
	v.Fetch, v.Checks = client, checks
	v.Registry = &registry.Client{Fetch: client, Cache: registry.NewCache(dir, 0)}
	rep, err := v.Images(t.Context(), request(t, version))
	if err != nil {
		t.Fatal(err)
	}
	return rep, w.Count("https://registry.k8s.io/*") - before
}

// TestWarmRun holds the number of requests of a second run over the 25
// references of a release: their tags, and nothing else.
func TestWarmRun(t *testing.T) {
	dir := t.TempDir()
	w := world.New(world.Options{})
	checks := []string{report.Digest, report.Signature, report.Reference}
	cold, n := cachedRun(t, w, dir, checks)
	warm, m := cachedRun(t, w, dir, checks)
	t.Logf("cold %d requests, %.2f a reference; warm %d, %.2f", n, float64(n)/25, m, float64(m)/25)
	if cold.Verdict() != report.Verified || warm.Verdict() != report.Verified {
		t.Error(failures(cold), failures(warm))
	}
	for _, run := range []struct {
		report.Report
		kept bool
	}{{cold, false}, {warm, true}} {
		for _, res := range run.Results {
			c, ok := res.Check(report.Signature)
			if said := strings.HasSuffix(c.Detail, ", from the cache"); ok && res.Platform == "" && (said != run.kept || c.Evidence.All()[0].Fields[report.FieldKept] == "" == run.kept) {
				t.Errorf("%s: %s: a signature that comes from the cache: %t", res.Subject, c.Detail, run.kept)
			}
		}
	}
	if float64(m)/25 > 1.1 {
		t.Errorf("%d requests in a warm run of 25 references", m)
	}
}

// TestPoisonedCache lets an attacker, who can make a cache's entries agree with
// themselves, put anything there: it costs requests and no verdict.
func TestPoisonedCache(t *testing.T) {
	dir := t.TempDir()
	w := world.New(world.Options{})
	want, _ := cachedRun(t, w, dir, nil)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	poisoned := 0
	must(filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		must(err)
		parts := bytes.SplitN(b, []byte("\n"), 5)
		parts[4] = bytes.ReplaceAll(parts[4], []byte("dev.sigstore.cosign/bundle"), []byte("dev.sigstore.cosign/bungle"))
		sum := sha256.Sum256(parts[4])
		parts[3] = []byte("sha256:" + hex.EncodeToString(sum[:]))
		poisoned++
		return os.WriteFile(name, bytes.Join(parts, []byte("\n")), 0o600)
	}))
	got, _ := cachedRun(t, w, dir, nil)
	if poisoned == 0 || got.Verdict() != want.Verdict() || len(got.Results) != len(want.Results) {
		t.Errorf("%d entries poisoned: %s, %s", poisoned, got.Verdict(), failures(got))
	}
	// And what is wrong outside stays wrong, however warm the cache: an older
	// release under the new tag.
	w = w.Clone()
	w.ServeAs("v1.27.1", "v1.27.2")
	if rep, _ := cachedRun(t, w, dir, nil); rep.Verdict() != report.Refuted {
		t.Errorf("replayed: %s", rep.Verdict())
	}
}

// A tag of signatures grows: what a cache keeps of it proves, or is asked for again,
// for the staging signature as for the promoted one.
func TestStaleCacheOfStagingSignatures(t *testing.T) {
	dir := t.TempDir()
	w := world.New(world.Options{})
	staged := func() report.Check {
		client := &fetch.Client{Transport: w}
		v := verifier(t, w)
		v.Fetch, v.Require = client, []string{report.Staging}
		v.Registry = &registry.Client{Fetch: client, Cache: registry.NewCache(dir, 0)}
		rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: version}})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := rep.Results[len(rep.Results)-1].Check(report.Staging)
		return c
	}
	promoted := world.Signing{}
	w.SignAs(proxy, promoted)
	if c := staged(); c.Verdict != report.Unknown || c.Reason != report.Absent {
		t.Fatalf("%s %s %s", c.Verdict, c.Reason, c.Detail)
	}
	w.SignAs(proxy, world.Signing{Identity: world.KrelStage, Reference: "gcr.io/k8s-staging-kubernetes/kube-proxy"}, promoted)
	if c := staged(); c.Verdict != report.Verified {
		t.Errorf("stale: %s %s %s", c.Verdict, c.Reason, c.Detail)
	}
	w.Status("https://registry.k8s.io/*", 503) // and once proved it is not asked for again
	if c := staged(); c.Verdict == report.Refuted {
		t.Errorf("unreachable: %s %s %s", c.Verdict, c.Reason, c.Detail)
	}
}
