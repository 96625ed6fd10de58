package interop

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	kregistry "github.com/kverify/kverify/pkg/registry"
)

// wholeMirror writes a mirror of a whole release and the trusted root beside it.
func wholeMirror(t testing.TB, w *world.World, o world.MirrorOptions) (dir, root string) {
	t.Helper()
	base := t.TempDir()
	dir, root = filepath.Join(base, "mirror"), filepath.Join(base, "root.json")
	if err := w.WriteMirror(dir, []string{version}, o); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root, w.TrustedRootJSON(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, root
}

// repositories are those of a release, per-architecture ones included.
func repositories(w *world.World) (list []string) {
	names, tags := w.Images(version)
	for i, image := range names {
		if tags[i] != version {
			continue
		}
		list = append(list, image)
		for _, arch := range w.Arches(version) {
			list = append(list, image+"-"+arch)
		}
	}
	return list
}

// TestMirrorIntoRegistry pushes a mirror into registries of other makes, where
// kverify and cosign verify every reference, and every name has its digest.
func TestMirrorIntoRegistry(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r registry) {
		w := world.New(world.Options{Versions: []string{version}})
		dir, root := wholeMirror(t, w, world.MirrorOptions{})
		code, stdout, stderr := kverify(t, "mirror", "push", dir, r.addr+"/k8s", "--trusted-root", root)
		if code != 0 || !strings.Contains(stderr, "0 failed") || strings.Contains(stderr, " 0 taken over") {
			t.Fatalf("%s: exit code %d\n%s%s", r.name, code, stdout, stderr)
		}
		t.Log(strings.TrimSpace(stderr))
		code, stdout, stderr = kverify(t, "images", version, "--mirror", dir, "--trusted-root", root, "--endpoint", outside+"="+r.url()+"/k8s")
		if code != 0 || !strings.Contains(stdout, "VERIFIED  "+version) {
			t.Errorf("%s: exit code %d\n%s%s", r.name, code, stdout, stderr)
		}
		// A second push asks once for each name and sends nothing.
		code, _, stderr = kverify(t, "mirror", "push", dir, r.addr+"/k8s", "--trusted-root", root, "-v")
		if n := strings.Count(stderr, " http://"+r.addr); code != 0 || n != 50 || !strings.Contains(stderr, "0 names pushed") || strings.Count(stderr, "GET http://"+r.addr) != n {
			t.Errorf("%s: exit code %d, %d requests for 50 names\n%s", r.name, code, n, stderr)
		}
		for _, repo := range repositories(w) {
			for _, tag := range w.Tags(repo) {
				ref, err := name.ParseReference(r.addr+"/k8s/"+repo+":"+tag, name.Insecure)
				if err != nil {
					t.Fatal(err)
				}
				want := w.Digest(outside + "/" + repo + ":" + tag)
				got, err := remote.Get(ref)
				if err != nil {
					t.Errorf("%s: %v", ref, err)
					continue
				}
				if got.Digest.String() != want {
					t.Errorf("%s: %s, want %s", ref, got.Digest, want)
				}
			}
		}
		cosignEach(t, r, root, repositories(w))
	})
}

// cosignEach has cosign verify the release's tag in every repository, by the
// exact identity, with nothing but the registry and the trusted root.
func cosignEach(t *testing.T, r registry, root string, repos []string) {
	client := tool(t, "cosign")
	var group sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, repo := range repos {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out, err := run(t, client, "verify", "--offline", "--trusted-root", root, "--allow-http-registry",
				"--certificate-identity", world.KrelTrust, "--certificate-oidc-issuer", world.Google, r.addr+"/k8s/"+repo+":"+version)
			if err != nil || !strings.Contains(out, "docker-manifest-digest") {
				t.Errorf("%s: cosign verify %s: %v %s", r.name, repo, err, out)
			}
		})
	}
	group.Wait()
	if _, err := run(t, client, "verify", "--offline", "--trusted-root", root, "--allow-http-registry",
		"--certificate-identity", world.KrelStage, "--certificate-oidc-issuer", world.Google+"x", r.addr+"/k8s/"+repos[0]+":"+version); err == nil {
		t.Error("cosign accepts any identity: the test tests nothing")
	}
}

// TestSparseIndex holds what the documentation says of indexes of which a
// registry has not every platform: it refuses them with a code that kverify
// knows, unless its configuration says otherwise.
func TestSparseIndex(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	index, ok := w.Manifest("kube-proxy:" + version)
	if !ok {
		t.Fatal("no index")
	}
	put := func(r registry) error {
		c := &kregistry.Client{Fetch: &fetch.Client{Transport: http.DefaultTransport}, Endpoints: map[string]string{outside: r.url()}}
		_, err := c.PutManifest(t.Context(), kregistry.Ref{Host: outside, Repository: "kube-proxy", Tag: version}, index.MediaType, index.Body)
		return err
	}
	var refused *kregistry.RefusedError
	if err := put(startDistribution(t)); !errors.As(err, &refused) || !slices.Contains(refused.Codes, "MANIFEST_BLOB_UNKNOWN") {
		t.Errorf("%v", err)
	}
	if err := put(startDistribution(t, func(c *configuration.Configuration) { c.Validation.Manifests.Indexes.Platforms = "none" })); err != nil {
		t.Errorf("%v", err)
	}
}

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}
