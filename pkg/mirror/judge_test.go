package mirror_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/archive"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// judge judges the images of a mirror: of the releases that are named, or all.
func judge(t testing.TB, w *world.World, path string, only ...string) (report.Report, error) {
	t.Helper()
	var versions []release.Version
	for _, name := range only {
		v, err := release.ParseVersion(name)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, v)
	}
	d, err := mirror.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return d.Judge(t.Context(), at(t, w, path), versions)
}

// subjects are those of a report's images, each once.
func subjects(r report.Report) (list []string) {
	for _, res := range r.Results {
		if res.Kind == report.KindImage && !slices.Contains(list, res.Subject) {
			list = append(list, res.Subject)
		}
	}
	slices.Sort(list)
	return list
}

// findings are what a report says of the mirror itself, its own result apart.
func findings(r report.Report) (list []string) {
	for i, res := range r.Results {
		if res.Kind == "mirror" && i > 0 {
			list = append(list, res.Subject)
		}
	}
	return list
}

// The images of a mirror are judged by release, those that are carried besides with the
// release that they came with; of a release that it has not there is no word.
func TestJudge(t *testing.T) {
	w := world.New(world.Options{})
	dir := filepath.Join(t.TempDir(), "m")
	makes(t, w, dir, nil, small("v1.27.1"), withPause("v1.27.2"))
	const proxy, scheduler, pause = "registry.k8s.io/kube-proxy:", "registry.k8s.io/kube-scheduler:", "registry.k8s.io/pause:3.9"
	first, second := []string{proxy + "v1.27.1", scheduler + "v1.27.1"}, []string{proxy + "v1.27.2", pause}
	both := slices.Sorted(slices.Values(slices.Concat(first, second)))
	for _, tt := range []struct {
		only     []string
		releases []string
		images   []string
		verdict  report.Verdict
	}{
		{nil, []string{"v1.27.1", "v1.27.2"}, both, report.Unknown}, // pause is bound by nothing that was carried in
		{[]string{"v1.27.1"}, []string{"v1.27.1"}, first, report.Verified},
		{[]string{"v1.27.2"}, []string{"v1.27.2"}, second, report.Unknown},
		{[]string{"v1.27.2", "v1.27.1"}, []string{"v1.27.1", "v1.27.2"}, both, report.Unknown},
		{[]string{"v1.28.1", "v1.27.1"}, []string{"v1.27.1"}, first, report.Verified},
		{[]string{"v1.28.1"}, nil, nil, report.Unknown},
	} {
		r, err := judge(t, w, dir, tt.only...)
		if err != nil || r.Verdict() != tt.verdict || !slices.Equal(r.Releases, tt.releases) || !slices.Equal(subjects(r), tt.images) {
			t.Errorf("of %q: %v, %s of %q, %q", tt.only, err, r.Verdict(), r.Releases, subjects(r))
		}
		for _, res := range r.Results {
			if res.Kind == report.KindImage && res.Subject != pause && res.Verdict() != report.Verified {
				t.Errorf("of %q: %s %s is %s", tt.only, res.Subject, res.Platform, res.Verdict())
			}
		}
	}
}

// Attestations are no part of what proves an image: who judges the images alone does without
// one that was changed, and who verifies the whole mirror does not.
func TestJudgeWithoutAttestations(t *testing.T) {
	w := world.New(world.Options{})
	w.HaveReferrers(true)
	const ref = "registry.k8s.io/kube-proxy:v1.27.2"
	w.AttestImage(ref, world.PredicatePromotion, map[string]any{"dstRef": ref}, world.Signing{Identity: "krel-trust@k8s-releng-prod.iam.gserviceaccount.com"})
	dir := filepath.Join(t.TempDir(), "m")
	makes(t, w, dir, nil, small("v1.27.2"))
	changed := 0
	for name, body := range contents(t, dir) {
		if strings.HasPrefix(name, "oci/blobs/") && strings.Contains(body, `"subject"`) {
			put(t, dir, name, strings.Replace(body, `"subject"`, `"Subject"`, 1))
			changed++
		}
	}
	if changed != 1 {
		t.Fatalf("%d attestations", changed)
	}
	r, err := judge(t, w, dir)
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "the images", r, report.Verified)
	wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Refuted)
}

// What a list says that it was made for, and that makes no sense, is the list's fault: whoever
// judges it is told so, and what else it was made for is judged all the same.
func TestScopesThatMakeNoSense(t *testing.T) {
	w := world.New(world.Options{})
	whole := filepath.Join(t.TempDir(), "m")
	makes(t, w, whole, nil, small("v1.27.1"), small("v1.27.2"))
	for name, tt := range map[string]struct {
		change func(s *mirror.Scope) // of v1.27.2
		judged bool                  // its images are, though its list is at fault
	}{
		"no version":              {func(s *mirror.Scope) { s.Release = "next" }, false},
		"no reference":            {func(s *mirror.Scope) { s.Also = []string{"no reference!"} }, true},
		"one that is of no use":   {func(s *mirror.Scope) { s.Also = []string{"registry.example.com/pause:3.9"} }, false},
		"a reference of no tag":   {func(s *mirror.Scope) { s.Also = []string{"registry.k8s.io/pause@sha256:" + strings.Repeat("0", 64)} }, false},
		"one of two no reference": {func(s *mirror.Scope) { s.Also = []string{"no reference!", "registry.k8s.io/pause:3.9"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			relist(t, dir, func(m *mirror.Manifest) {
				for i := range m.Scope {
					if m.Scope[i].Release == "v1.27.2" {
						tt.change(&m.Scope[i])
					}
				}
			})
			var usage *verify.UsageError
			if r, err := judge(t, w, dir); err == nil || errors.As(err, &usage) || len(r.Results) > 0 {
				t.Errorf("all of it: %v, %d results", err, len(r.Results))
			}
			if r, err := judge(t, w, dir, "v1.27.1"); err != nil || r.Verdict() != report.Verified {
				t.Errorf("the other release: %v, %s%s", err, r.Verdict(), bad(r))
			}
			r := inside(t, w, dir, nil)
			wantVerdict(t, "the mirror", r, report.Unknown)
			if !slices.Contains(findings(r), "MANIFEST.json") {
				t.Errorf("the list is not said to be at fault: %q", findings(r))
			}
			got := subjects(r)
			if !slices.Contains(got, "registry.k8s.io/kube-proxy:v1.27.1") || slices.Contains(got, "registry.k8s.io/kube-scheduler:v1.27.2") != tt.judged ||
				slices.Contains(got, "registry.k8s.io/pause:3.9") != strings.HasPrefix(name, "one of two") {
				t.Errorf("judged %q", got)
			}
			if name == "no version" && !strings.Contains(bad(r), `"next"`) {
				t.Errorf("it is not said what is no version: %s", bad(r))
			}
		})
	}
	// Without a list, what makes no sense is what the caller asked for.
	for _, name := range []string{"MANIFEST.json", "MANIFEST.sha256"} {
		remove(t, whole, name)
	}
	if err := os.RemoveAll(filepath.Join(whole, "files")); err != nil { // of which there would be another word
		t.Fatal(err)
	}
	d, err := mirror.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v := at(t, w, whole)
	v.Checks = []string{report.Digest, report.Signature}
	var usage *verify.UsageError
	if _, err := d.Judge(t.Context(), v, nil); !errors.As(err, &usage) {
		t.Errorf("judged in part: %v", err)
	}
	if _, err := d.Verify(t.Context(), v); !errors.As(err, &usage) {
		t.Errorf("verified in part: %v", err)
	}
}

// archived writes a mirror into one file: all of it, or what a base lacks.
func archived(t testing.TB, dir, base string) (file string, a *archive.Archive) {
	t.Helper()
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var b *archive.Base
	if base != "" {
		if b, err = archive.OpenBase(base); err != nil {
			t.Fatal(err)
		}
		defer b.Close()
	}
	if a, err = archive.New(d, b); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := a.WriteTo(t.Context(), &buf, nil); err != nil {
		t.Fatal(err)
	}
	if int64(buf.Len()) != a.Bytes {
		t.Errorf("%d bytes were announced, %d written", a.Bytes, buf.Len())
	}
	file = filepath.Join(t.TempDir(), "m.tar")
	if err := os.WriteFile(file, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, a
}

// An archive that leaves out what another mirror has proves nothing by itself, and contradicts
// itself where its bytes are not the listed: what it leaves out is no finding.
func TestArchiveOnABaseByItself(t *testing.T) {
	w := world.New(world.Options{})
	dir, base := filepath.Join(t.TempDir(), "m"), filepath.Join(t.TempDir(), "base")
	makes(t, w, dir, nil, small("v1.27.1"))
	if err := os.CopyFS(base, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	makes(t, w, dir, nil, small("v1.27.2"))
	relist(t, dir, func(m *mirror.Manifest) { m.Scope = append(m.Scope, mirror.Scope{Release: "next"}) })
	file, _ := archived(t, dir, base)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	delta := filepath.Join(t.TempDir(), "delta")
	unpack(t, file, delta)
	config := ""
	for name, body := range contents(t, delta) {
		if strings.HasPrefix(name, "oci/blobs/") && strings.Contains(body, `"rootfs"`) {
			config = body
		}
	}
	program := contents(t, delta)["files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"]
	for name, tt := range map[string]struct {
		body  string // of a member that is changed
		wrong int    // findings
	}{
		"as it was written":     {"", 0},
		"a program was changed": {program, 1},
		"a config was changed":  {config, 1},
	} {
		text := good
		if tt.body != "" {
			text = bytes.Replace(good, []byte(tt.body), append([]byte(tt.body[:len(tt.body)-1]), tt.body[len(tt.body)-1]^1), 1)
		} else if tt.wrong > 0 {
			t.Fatalf("%s: nothing to change", name)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		r := inside(t, w, file, nil)
		own := r.Results[0]
		inventory, _ := own.Check(report.Inventory)
		digest, _ := own.Check(report.Digest)
		want, counts := report.Verified, report.Unknown
		if tt.wrong > 0 {
			want, counts = report.Refuted, report.Refuted
		}
		if r.Verdict() != counts || len(r.Results) != 1+tt.wrong || !slices.Equal(r.Releases, []string{"v1.27.1", "v1.27.2"}) {
			t.Errorf("%s: %s of %q, %d results%s", name, r.Verdict(), r.Releases, len(r.Results), bad(r))
		}
		if own.Subject != file || own.Notes != nil || inventory.Verdict != report.Unknown || inventory.Reason != report.Incomplete || !strings.Contains(inventory.Detail, "--base") {
			t.Errorf("%s: %+v", name, own)
		}
		if digest.Verdict != want || strings.Contains(digest.Detail, "that are there") != (want == report.Verified) {
			t.Errorf("%s: %+v", name, digest)
		}
	}
}
