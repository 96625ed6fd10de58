package interop

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kverify/kverify/internal/world"
)

const (
	version = "v1.27.2"
	outside = "registry.k8s.io"
)

// copyImage copies repository:tag out of the world into a registry, byte for
// byte, as an image copier does. It returns the digest.
func copyImage(t *testing.T, w *world.World, r registry, repo, tag string) string {
	t.Helper()
	from, err := name.ParseReference(outside + "/" + repo + ":" + tag)
	if err != nil {
		t.Fatal(err)
	}
	to, err := name.ParseReference(r.addr+"/"+repo+":"+tag, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Get(from, remote.WithTransport(w))
	if err != nil {
		t.Fatalf("the world has no %s: %v", from, err)
	}
	if image.MediaType.IsIndex() {
		index, err := image.ImageIndex()
		if err != nil {
			t.Fatal(err)
		}
		err = remote.WriteIndex(to, index)
		if err != nil {
			t.Fatalf("%s: push %s: %v", r.name, to, err)
		}
		return image.Digest.String()
	}
	single, err := image.Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, single); err != nil {
		t.Fatalf("%s: push %s: %v", r.name, to, err)
	}
	return image.Digest.String()
}

// copyRelease copies every core image of a release, its per-architecture
// repositories and the signatures of both.
func copyRelease(t *testing.T, w *world.World, r registry) {
	t.Helper()
	names, tags := w.Images(version)
	for i, image := range names {
		if tags[i] != version {
			continue // pause, etcd and coredns have versions of their own
		}
		repos := []string{image}
		for _, arch := range w.Arches(version) {
			repos = append(repos, image+"-"+arch)
		}
		for _, repo := range repos {
			for _, tag := range w.Tags(repo) {
				copyImage(t, w, r, repo, tag)
			}
		}
	}
}

// A registry keeps what it was given: the same bytes come back under the same digest.
func TestRegistryKeepsBytes(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r registry) {
		w := world.New(world.Options{Versions: []string{version}})
		digest := copyImage(t, w, r, "kube-proxy", version)
		want, ok := w.Manifest("kube-proxy:" + version)
		if !ok || want.Digest() != digest {
			t.Fatalf("copied %s, the world holds %s", digest, want.Digest())
		}
		ref, err := name.NewDigest(r.addr+"/kube-proxy@"+digest, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		back, err := remote.Get(ref, remote.WithTransport(http.DefaultTransport))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back.Manifest, want.Body) || string(back.MediaType) != want.MediaType {
			t.Errorf("%s gave back %s, %d bytes; want %s, %d bytes", r.name, back.MediaType, len(back.Manifest), want.MediaType, len(want.Body))
		}
	})
}
