package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/trust"
)

// The embedded catalogue is what the generator makes of the rows on record.
func TestReproducible(t *testing.T) {
	const from = "../../../shared/realdata/registry"
	if _, err := os.Stat(from); err != nil {
		t.Skipf("no %s", from)
	}
	out := filepath.Join(t.TempDir(), "catalogue.txt")
	var said bytes.Buffer
	if err := run(t.Context(), []string{"--from", from, "-o", out}, nil, nil, &said); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(out); !bytes.Equal(got, trust.EmbeddedCatalogueText()) {
		t.Errorf("pkg/trust/data/catalogue.txt is not what is made of %s; run go run ./tools/catalogue --from DIR", from)
	}
	if !strings.Contains(said.String(), "kube-apiserver") {
		t.Errorf("it says %q", &said)
	}
}

const commit = "0123456789abcdef0123456789abcdef01234567"

// published is a world whose promotion manifests can be read at a commit.
func published(versions ...string) *world.World {
	w := world.New(world.Options{Versions: versions})
	for _, project := range projects {
		url := world.PromotionURL(project)
		w.PutFile(strings.Replace(url, "/main/", "/"+commit+"/", 1), w.File(url))
	}
	return w
}

func TestFromCommit(t *testing.T) {
	w := published("v1.25.0", "v1.27.2")
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "catalogue.txt")
	var said bytes.Buffer
	if err := run(t.Context(), []string{"--commit", commit, "-o", out}, w, root, &said); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(out)
	c, err := trust.ParseCatalogue(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ image, tag, platform, ref string }{
		{"kube-proxy", "v1.27.2", "index", "kube-proxy:v1.27.2"},
		{"kube-proxy", "v1.27.2", "linux/s390x", "kube-proxy-s390x:v1.27.2"},
		{"kube-proxy", "v1.25.0", "linux/arm", "kube-proxy-arm:v1.25.0"},
		{"conformance", "v1.27.2", "index", "conformance:v1.27.2"},
		{"pause", "3.9", "index", "pause:3.9"},
		{"coredns/coredns", "v1.10.1", "index", "coredns/coredns:v1.10.1"},
	} {
		if r, ok := c.Row(want.image, want.tag, want.platform); !ok || r.Digest != oci.Digest(w.Digest(want.ref)) {
			t.Errorf("%+v: %+v %v", want, r, ok)
		}
	}
	// The manifest lists a v1.27.16 of which nothing else exists.
	if strings.Count(said.String(), "no usable signed SBOM") != 1 || !strings.Contains(said.String(), "v1.27.16: no usable") || c.Sources()[0].Commit != commit {
		t.Errorf("said %s; sources %+v", &said, c.Sources())
	}
}

// What the signed SBOM names and the manifest does not, or an SBOM that does not
// hold, is no ground to build on.
func TestFromCommitRefuses(t *testing.T) {
	for name, do := range map[string]func(w *world.World){
		"a manifest that is shorter than the SBOM": func(w *world.World) {
			url := strings.Replace(world.PromotionURL("k8s-staging-kubernetes"), "/main/", "/"+commit+"/", 1)
			w.PutFile(url, bytes.ReplaceAll(w.File(url), []byte("- name: kube-proxy-arm64"), []byte("- name: kube-other-arm64")))
		},
		"an SBOM of another version": func(w *world.World) { w.ServeAs("v1.27.1", "v1.27.2", world.SBOM) },
		"no manifest": func(w *world.World) {
			w.PutFile(strings.Replace(world.PromotionURL("k8s-staging-etcd"), "/main/", "/"+commit+"/", 1), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := published("v1.27.1", "v1.27.2")
			do(w)
			root, err := trust.ParseRoot(w.TrustedRootJSON())
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "catalogue.txt")
			if err := run(t.Context(), []string{"--commit", commit, "-o", out}, w, root, &bytes.Buffer{}); err == nil {
				t.Error("it was written")
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("there is a file")
			}
		})
	}
}
