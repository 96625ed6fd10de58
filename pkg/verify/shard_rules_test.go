package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// Shards of a list are its parts: each entry is in exactly one, and what makes none is refused.
func TestShardsAreParts(t *testing.T) {
	list := []int{0, 1, 2, 3, 4}
	for _, tt := range []struct {
		shard *report.Shard
		want  string
	}{
		{nil, "[0 1 2 3 4]"},
		{&report.Shard{Index: 0, Count: 1}, "[0 1 2 3 4]"},
		{&report.Shard{Index: 0, Count: 2}, "[0 2 4]"},
		{&report.Shard{Index: 1, Count: 2}, "[1 3]"},
		{&report.Shard{Index: 4, Count: 5}, "[4]"},
		{&report.Shard{Index: 0, Count: 5}, "[0]"},
		{&report.Shard{Index: 0, Count: 6}, "5 things cannot be split into 6 shards"},
		{&report.Shard{Index: 2, Count: 2}, "there is no shard 2/2"},
		{&report.Shard{Index: -1, Count: 2}, "there is no shard -1/2"},
		{&report.Shard{Index: 0, Count: 0}, "there is no shard 0/0"},
		{&report.Shard{Index: -1, Count: 0}, "there is no shard -1/0"},
	} {
		got, err := share(list, tt.shard, "things")
		said := fmt.Sprint(got)
		if err != nil {
			said = err.Error()
		}
		var usage *UsageError
		if !strings.Contains(said, tt.want) || err != nil && (got != nil || !errors.As(err, &usage)) {
			t.Errorf("%v: %s, want %s", tt.shard, said, tt.want)
		}
	}
}

// The images of a release that the policy names are split among the shards, and what only a document
// names is in the first: nothing falls between two.
func TestWhichImagesAreOfAShard(t *testing.T) {
	v := versionNamed(t, "v1.27.2")
	have := map[string]int{}
	for i := range 2 {
		b := newImageSet(runOf(t), v, nil, nil)
		if err := b.chooseShard(&report.Shard{Index: i, Count: 2}); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, name := range []string{"conformance", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler"} {
			if b.examines(name) {
				have[name], n = have[name]+1, n+1
			}
		}
		if n != 3-i || b.examines("new") != (i == 0) {
			t.Errorf("shard %d: %d images, one that a document adds: %v", i, n, b.examines("new"))
		}
	}
	if len(have) != 5 || slices.Max([]int{have["kube-proxy"], have["conformance"], have["kube-scheduler"]}) != 1 {
		t.Errorf("%v", have)
	}
	b := newImageSet(runOf(t), v, []string{"kube-proxy", "kube-scheduler"}, nil)
	if err := b.chooseShard(&report.Shard{Index: 0, Count: 2}); err != nil || !b.examines("kube-proxy") || b.examines("kube-scheduler") || b.examines("conformance") {
		t.Errorf("of two that were named: %v", err)
	}
	b = newImageSet(runOf(t), v, []string{"kube-proxy"}, nil)
	if err := b.chooseShard(&report.Shard{Index: 0, Count: 2}); err == nil || !strings.Contains(err.Error(), "1 images that the policy names") {
		t.Errorf("more shards than images: %v", err)
	}
}
