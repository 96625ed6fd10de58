package interop

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

// rawManifest is a manifest that is sent as it is.
type rawManifest []byte

func (m rawManifest) RawManifest() ([]byte, error)        { return m, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return dockerManifest, nil }

// dockerPush sends an image as docker push does: the config as it is, each layer packed
// anew, and a manifest made anew around them. It gives the manifest's digest.
func (s stock) dockerPush(t *testing.T, i blobs, to string) string {
	t.Helper()
	ref, err := name.ParseReference(s.r.addr+"/"+to, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	send := func(b []byte, media string) map[string]any {
		if err := remote.WriteLayer(ref.Context(), static.NewLayer(b, types.MediaType(media))); err != nil {
			t.Fatal(err)
		}
		return map[string]any{"mediaType": media, "size": len(b), "digest": sum(b)}
	}
	var layers []any
	for _, packed := range i.layers {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.HuffmanOnly)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = z.Write(inflated(packed))
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b.Bytes(), packed) {
			t.Fatal("the layer was not packed anew")
		}
		layers = append(layers, send(b.Bytes(), "application/vnd.docker.image.rootfs.diff.tar.gzip"))
	}
	m := asJSON(t, map[string]any{"schemaVersion": 2, "mediaType": dockerManifest, "config": send(i.config, "application/vnd.docker.container.image.v1+json"), "layers": layers})
	if err := remote.Put(ref, rawManifest(m)); err != nil {
		t.Fatal(err)
	}
	return sum([]byte(m))
}

// TestPrivateRegistries judges copies in registries that docker push and skopeo filled: the
// bytes come from there, and what proves them from a mirror.
func TestPrivateRegistries(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r registry) {
		s := newStock(t)
		s.r = r
		tag := several + ":" + version
		genuine, swapped, other := s.image(t, several, "amd64"), s.image(t, several, "amd64"), s.image(t, "kube-proxy", "amd64")
		swapped.layers[4] = other.layers[2]
		s.dockerPush(t, genuine, "pushed/"+tag)
		s.dockerPush(t, swapped, "swapped/"+tag)
		s.dockerPush(t, other, "other/"+tag)
		s.dockerPush(t, genuine, "rolled/"+several+":v1.27.1")
		s.skopeoOCI(t, "oci/"+tag)
		for repo, want := range map[string]int{"pushed/" + tag: 0, "oci/" + tag: 0, "swapped/" + tag: isRefuted, "other/" + tag: isRefuted, "rolled/" + several + ":v1.27.1": isRefuted} {
			prefix, _, _ := strings.Cut(repo, "/")
			if code, said := s.verify(t, r.addr+"/"+repo, "--as", r.addr+"/"+prefix+"="+outside); code != want {
				t.Errorf("%s: exit code %d, want %d\n%s", repo, code, want, said)
			}
		}
	})
}

// skopeoOCI fills a registry from a layout that skopeo wrote, with manifest and config converted.
func (s stock) skopeoOCI(t *testing.T, to string) {
	t.Helper()
	skopeo, dir := tool(t, "skopeo"), newDir(t)
	i := s.image(t, several, "amd64")
	dir.write("manifest.json", i.manifest)
	for _, b := range append(i.layers, i.config) {
		dir.write(strings.TrimPrefix(sum(b), "sha256:"), b)
	}
	layout := filepath.Join(t.TempDir(), "oci")
	must(t, skopeo, "--insecure-policy", "copy", "-q", "dir:"+dir.path, "oci:"+layout+":x")
	must(t, skopeo, "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "oci:"+layout+":x", "docker://"+s.r.addr+"/"+to)
}

// TestImageVerifier calls the image verifier with the very arguments, descriptor
// and environment that containerd 2 calls its verifiers with (docs/image-verification.md,
// pkg/imageverifier/bindir): exit code 0 lets an image in, any other blocks it.
func TestImageVerifier(t *testing.T) {
	s := newStock(t)
	pushed := s.dockerPush(t, s.image(t, several, "amd64"), "pushed/"+several+":"+version)
	wrong := s.image(t, several, "amd64")
	wrong.layers[4] = s.image(t, "kube-proxy", "amd64").layers[2]
	swapped := s.dockerPush(t, wrong, "pushed/"+several+":v1.27.2-x")
	swapped2 := s.dockerPush(t, wrong, "swapped/"+several+":"+version)
	if swapped != swapped2 {
		t.Fatalf("%s and %s are one image", swapped, swapped2)
	}
	for _, tt := range []struct {
		name, digest string
		lets         bool
		says         string
	}{
		{named, s.w.Digest(several + ":" + version), true, "is what Kubernetes released under that name"},
		{named, s.w.Digest(several + ":v1.27.1"), false, "refuted: "},
		{named, s.w.Digest("kube-proxy:" + version), false, "refuted: "},
		{s.r.addr + "/pushed/" + several + ":" + version, pushed, true, "is what Kubernetes released under that name"},
		{s.r.addr + "/swapped/" + several + ":" + version, swapped, false, "refuted: "},
		{"docker.io/library/nginx:1", pushed, true, "was not judged"},
	} {
		code, said := s.asContainerd(t, tt.name, tt.digest)
		if (code == 0) != tt.lets || !strings.Contains(said, tt.says) {
			t.Errorf("%s %s: exit code %d, %q; want let in: %v, %q", tt.name, tt.digest, code, said, tt.lets, tt.says)
		}
	}
}

// asContainerd runs the program under its verifier's name, as a link in bin_dir is run.
func (s stock) asContainerd(t *testing.T, image, digest string) (code int, stdout string) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := json.Marshal(map[string]any{"mediaType": dockerManifest, "digest": digest, "size": 1000})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "-name", image, "-digest", digest, "-stdin-media-type", "application/vnd.oci.descriptor.v1+json")
	cmd.Args[0] = "/opt/containerd/image-verifier/bin/kverify-image-verifier"
	cmd.Env = []string{"KVERIFY_MIRROR=" + s.mirror, "KVERIFY_TRUSTED_ROOT=" + s.root,
		"KVERIFY_AS=" + s.r.addr + "/pushed=" + outside + "," + s.r.addr + "/swapped=" + outside}
	cmd.Stdin = bytes.NewReader(descriptor)
	out, _ := cmd.Output()
	return cmd.ProcessState.ExitCode(), string(out)
}
