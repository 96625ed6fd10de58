package trust_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

func TestEmbeddedCatalogue(t *testing.T) {
	c := trust.EmbeddedCatalogue()
	if !c.Source().Embedded || !bytes.Equal(c.Text(), trust.EmbeddedCatalogueText()) {
		t.Errorf("source %+v; writing it again gives other bytes: %v", c.Source(), !bytes.Equal(c.Text(), trust.EmbeddedCatalogueText()))
	}
	const v1272 = "sha256:94e48585629fde3c1d06c6ae8f62885d3052f12a1072ffd97611296525eff5b9"
	if r, ok := c.Row("kube-apiserver", "v1.27.2", trust.IndexRow); !ok || r.Digest != v1272 || c.Describe(r) == r.Source {
		t.Errorf("%+v %v", r, ok)
	}
	if got := c.Tags("kube-apiserver", trust.IndexRow, v1272); !slices.Equal(got, []string{"v1.27.2"}) {
		t.Errorf("tags %v", got)
	}
	// Of pause, etcd and coredns only what kubeadm of a covered minor uses.
	for _, r := range c.Rows() {
		used := strings.HasPrefix(r.Image, "kube-")
		for minor := 24; minor <= 28; minor++ {
			tags, _ := trust.EmbeddedPolicy().KubeadmImages(minor)
			used = used || tags[r.Image] == r.Tag
		}
		if !used {
			t.Errorf("%+v is covered by no rule", r)
		}
	}
	for _, r := range []string{"3.10", "3.10.1", "3.6"} {
		if _, ok := c.Row("pause", r, trust.IndexRow); ok {
			t.Errorf("pause %s is in it", r)
		}
	}
}

func TestCatalogueRefusals(t *testing.T) {
	text := string(trust.EmbeddedCatalogueText())
	const row = "row pause 3.9 index sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097 k8s-staging-kubernetes.pause.images\n"
	for name, changed := range map[string]string{
		"empty":                  "",
		"no head":                strings.TrimPrefix(text, "kverify-catalogue 1\n"),
		"another version":        strings.Replace(text, "catalogue 1", "catalogue 2", 1),
		"no row":                 "kverify-catalogue 1\n",
		"a tag with two digests": text + strings.Replace(row, "7031c1", "7031c2", 1),
		"a row twice":            text + row,
		"a row without a source": strings.Replace(text, row, strings.Replace(row, "pause.images", "other", 1), 1),
		"a short digest":         strings.Replace(text, row, strings.Replace(row, "7031c1", "", 1), 1),
		"a digest in capitals":   strings.Replace(text, row, strings.Replace(row, "7031c1b283388d2c", "7031C1B283388D2C", 1), 1),
		"two spaces":             strings.Replace(text, row, strings.Replace(row, "pause 3.9", "pause  3.9", 1), 1),
		"an empty line":          text + "\n",
		"a platform of another":  strings.Replace(text, row, strings.Replace(row, " index ", " windows/amd64 ", 1), 1),
		"an image that climbs":   strings.Replace(text, row, strings.Replace(row, "row pause", "row ../pause", 1), 1),
		"a source twice":         strings.Replace(text, "source ", "source k8s-staging-etcd.images a b unrecorded sha256:"+strings.Repeat("0", 64)+"\nsource ", 1),
		"a commit that is none":  strings.Replace(text, "unrecorded", "main", 1),
		"carriage returns":       strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		if changed == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := trust.ParseCatalogue([]byte(changed)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

func TestShares(t *testing.T) {
	other, err := trust.ParseRoot(world.New(world.Options{}).TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	if !trust.EmbeddedRoot().SameInstance(trust.EmbeddedRoot()) || other.SameInstance(trust.EmbeddedRoot()) || trust.EmbeddedRoot().SameInstance(other) {
		t.Error("roots of two instances are taken for one")
	}
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add(trust.EmbeddedCatalogueText()[:4096])
	f.Add([]byte("kverify-catalogue 1\nsource a b c unrecorded sha256:" + strings.Repeat("0", 64) + "\nrow pause 3.9 index sha256:" + strings.Repeat("1", 64) + " a\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := trust.ParseCatalogue(b)
		if err != nil {
			return
		}
		again, err := trust.ParseCatalogue(c.Text())
		if err != nil || !slices.Equal(again.Rows(), c.Rows()) || !slices.Equal(again.Sources(), c.Sources()) {
			t.Errorf("written again it is another: %v", err)
		}
		for _, r := range c.Rows() {
			if got, ok := c.Row(r.Image, r.Tag, r.Platform); !ok || got != r {
				t.Errorf("%+v is not found", r)
			}
		}
	})
}
