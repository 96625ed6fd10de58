package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

var lot = []string{"v1.24.0", "v1.26.0", "v1.27.1", "v1.27.2"}

func versions(t testing.TB, list ...string) (out []release.Version) {
	t.Helper()
	for _, s := range list {
		out = append(out, request(t, s).Versions[0])
	}
	return out
}

func many(t testing.TB, w *world.World, list []string, shard *report.Shard) report.Report {
	t.Helper()
	rep, err := verifier(t, w).Images(t.Context(), verify.Request{Versions: versions(t, list...), Shard: shard})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func saved(t testing.TB, name string, rep report.Report) *report.File {
	t.Helper()
	var buf bytes.Buffer
	if err := render.JSON(&buf, rep); err != nil {
		t.Fatal(err)
	}
	f, err := report.Read(name, &buf)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func dump(t testing.TB, rep report.Report) string {
	t.Helper()
	rep.Merged, rep.Time = nil, rep.Time.Truncate(1<<62)
	b, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestManyIsOneAfterAnother holds that a job over many releases says of each
// what a run of its own says, with an attacked one among them.
func TestManyIsOneAfterAnother(t *testing.T) {
	w := world.New(world.Options{Versions: lot})
	for _, attacked := range []bool{false, true} {
		if attacked {
			w = w.Clone()
			w.ServeAs("v1.27.1", "v1.27.2")
			w.DropSignature("registry.k8s.io/kube-proxy:v1.26.0")
		}
		all := many(t, w, lot, nil)
		var want []report.Result
		for _, v := range lot {
			want = append(want, images(t, w, v).Results...)
		}
		if !reflect.DeepEqual(all.Results, want) {
			t.Errorf("attacked %v: %d results differ from %d", attacked, len(all.Results), len(want))
		}
		if v := all.Verdict(); attacked != (v == report.Refuted) || !attacked && v != report.Verified {
			t.Errorf("attacked %v: %s\n%s", attacked, v, failures(all))
		}
	}
}

func TestManyReadsSharedDocumentsOnce(t *testing.T) {
	w := world.New(world.Options{Versions: lot})
	many(t, w, lot, nil)
	for pattern, want := range map[string]int{
		world.ChangelogURL("v1.27.1"):                     1,
		world.ChangelogURL("v1.26.0"):                     1,
		"https://raw.githubusercontent.com/*/images.yaml": 1,
	} {
		if n := w.Count(pattern); n != want {
			t.Errorf("%s was asked for %d times, want %d", pattern, n, want)
		}
	}
}

// TestShardsAreTheWhole splits a job and puts it together again.
func TestShardsAreTheWhole(t *testing.T) {
	w := world.New(world.Options{Versions: lot})
	for _, c := range []struct {
		list   []string
		attack bool
	}{{lot, false}, {lot, true}} {
		if c.attack {
			w = w.Clone()
			w.SwapImage("v1.26.0", "kube-scheduler", "kube-proxy")
		}
		whole := many(t, w, c.list, nil)
		for n := 1; n <= len(c.list); n++ {
			var files []*report.File
			for i := n - 1; i >= 0; i-- {
				files = append(files, saved(t, fmt.Sprint(i), many(t, w, c.list, &report.Shard{Index: i, Count: n})))
			}
			if n == 1 {
				continue
			}
			got, err := report.Merge(files)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := dump(t, got), dump(t, whole); a != b {
				t.Errorf("%d shards make another report than one run (%d and %d bytes)", n, len(a), len(b))
			}
			if _, err := report.Merge(files[1:]); err == nil || n > 2 && !strings.Contains(err.Error(), "missing: shard") {
				if n > 2 {
					t.Errorf("a missing shard: %v", err)
				}
			}
		}
	}
}

// TestShardsOfOneRelease splits its images.
func TestShardsOfOneRelease(t *testing.T) {
	w := world.New(world.Options{})
	whole := many(t, w, []string{version}, nil)
	var files []*report.File
	for i := range 3 {
		rep := many(t, w, []string{version}, &report.Shard{Index: i, Count: 3})
		if rep.Verdict() != report.Verified || rep.Scope.Shard == nil {
			t.Errorf("shard %d: %s\n%s", i, rep.Verdict(), failures(rep))
		}
		files = append(files, saved(t, fmt.Sprint(i), rep))
	}
	got, err := report.Merge(files)
	if err != nil {
		t.Fatal(err)
	}
	if got.Verdict() != report.Verified || len(got.Results) != len(whole.Results) {
		t.Errorf("%s, %d results of %d", got.Verdict(), len(got.Results), len(whole.Results))
	}
	for i, r := range got.Results {
		if w := whole.Results[i]; r.Subject != w.Subject || r.Platform != w.Platform || r.Digest != w.Digest {
			t.Errorf("%d is %s %s, want %s %s", i, r.Subject, r.Platform, w.Subject, w.Platform)
		}
	}
	var usage *verify.UsageError
	for _, s := range []report.Shard{{Index: 0, Count: 99}, {Index: 3, Count: 3}, {Index: -1, Count: 3}, {}} {
		if _, err := verifier(t, w).Images(t.Context(), verify.Request{Versions: versions(t, version), Shard: &s}); !errors.As(err, &usage) {
			t.Errorf("shard %s: %v", s, err)
		}
	}
}
