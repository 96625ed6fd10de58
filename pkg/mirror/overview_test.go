package mirror

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kverify/kverify/pkg/oci"
)

// An overview counts exactly, reads no layer, and takes no name of a list for a fact.
func TestOverview(t *testing.T) {
	files, index, _, _, layer := sample()
	whole := files.open(t).Overview()
	total := 0
	for _, text := range files {
		total += len(text)
	}
	if whole.Bytes != int64(total) || whole.Blobs.Count != 4 || whole.Files.Count != 2 || whole.Other.Count != 2 || whole.Missing.Count != 0 {
		t.Errorf("%+v, of %d bytes", whole, total)
	}
	if len(whole.Releases) != 1 || len(whole.Releases[0].Images) != 1 || len(whole.Damage) > 0 || whole.Partial != "" {
		t.Fatalf("%+v", whole)
	}
	r := whole.Releases[0]
	if r.Version != "v1.27.2" || r.Images[0].Digest != oci.Digest(index) || !slices.Equal(r.Platforms, []string{"linux/amd64"}) ||
		!slices.Contains(r.Without, "kube-apiserver") || slices.Contains(r.Without, "kube-proxy") {
		t.Errorf("%+v", r)
	}

	blob := "oci/blobs/sha256/" + strings.TrimPrefix(layer, "sha256:")
	size := len(files[blob])
	files[blob] = strings.Repeat("x", size)
	if o := files.open(t).Overview(); o.Bytes != whole.Bytes || len(o.Damage) > 0 {
		t.Errorf("a layer was read: %+v", o)
	}
	delete(files, blob)
	if o := files.open(t).Overview(); o.Missing != (Amount{1, int64(size)}) {
		t.Errorf("a missing layer: %+v", o.Missing)
	}
	files["oci/blobs/sha256/"+strings.TrimPrefix(index, "sha256:")] = strings.Repeat("{", 300)
	if o := files.open(t).Overview(); len(o.Damage) != 1 || len(o.Releases[0].Platforms) > 0 {
		t.Errorf("a manifest that is none: %+v", o)
	}
}

// What is too much to read is not read, and said.
func TestOverviewIsBounded(t *testing.T) {
	files, index, _, _, _ := sample()
	d := files.open(t)
	s := survey{dir: d, sizes: map[oci.Digest]int64{oci.Digest(index): maxManifest + 1}, budget: maxSurvey, counted: map[oci.Digest]bool{}, lost: map[oci.Digest]bool{}}
	im, _ := s.image(HeldImage{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2", Digest: oci.Digest(index)})
	if s.out.Partial == "" || len(im.Platforms) > 0 {
		t.Errorf("a manifest over the limit was read: %+v", im)
	}
	s = survey{dir: d, sizes: map[oci.Digest]int64{oci.Digest(index): 400}, budget: 399, counted: map[oci.Digest]bool{}, lost: map[oci.Digest]bool{}}
	if im, _ = s.image(HeldImage{Digest: oci.Digest(index)}); s.out.Partial == "" || len(im.Platforms) > 0 {
		t.Errorf("the budget does not count: %+v", im)
	}
	size := int64(len(files["oci/blobs/sha256/"+strings.TrimPrefix(index, "sha256:")]))
	s = survey{dir: d, sizes: map[oci.Digest]int64{oci.Digest(index): size}, budget: size, counted: map[oci.Digest]bool{}, lost: map[oci.Digest]bool{}}
	if im, _ = s.image(HeldImage{Digest: oci.Digest(index)}); s.out.Partial != "" || !slices.Equal(im.Absent, []string{"linux/amd64"}) || s.budget != 0 {
		t.Errorf("the budget is not used up: %+v, %s", im, s.out.Partial)
	}
	s = survey{dir: &Mirror{fsys: fstest.MapFS{"files/x/.kubectl.kverify-part": {Data: []byte("zz")}}}}
	s.amounts()
	if s.out.Other != (Amount{1, 2}) || s.out.Files.Count != 0 {
		t.Errorf("a part of a file counts as one: %+v", s.out)
	}
}
