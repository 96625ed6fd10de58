package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The real SBOM of v1.25.4 lists 113 files of 111 paths, none at odds with another.
func TestListRealReleaseSBOM(t *testing.T) {
	dir := realMirror(t, map[string]string{"dl.k8s.io/release/v1.25.4/kubernetes-release.spdx": "sbom/kubernetes-release-v1.25.4.spdx"})
	l, stderr := list(t, 3, "v1.25.4", "--mirror", dir) // there is no CHANGELOG here, and no signature
	files := 0
	for _, it := range l.Items {
		if it.Kind == "image" || it.Kind == "archive" {
			continue
		}
		files++
		if it.Conflict != "" || len(it.SHA256) != 64 || len(it.SHA512) != 128 || len(it.Claims) != 2 {
			t.Errorf("%s: %+v", it.Name, it)
		}
	}
	if files != 111 || strings.Contains(stderr, "two different entries") {
		t.Errorf("%d files: %s", files, stderr)
	}
}

// The real provenance of v1.25.2, as dl.k8s.io publishes it, is used for every
// path, contradicts a SHA256SUMS that says otherwise, and speaks for no other version.
func TestListRealPublishedProvenance(t *testing.T) {
	const base = "dl.k8s.io/release/v1.25.2/"
	dir := realMirror(t, map[string]string{base + "provenance.json": "provenance/provenance-v1.25.2.json"})
	l, _ := list(t, 3, "v1.25.2", "--mirror", dir)
	kubectl := ""
	for _, it := range l.Items {
		if len(it.Claims) != 2 || it.Claims[0].Document != "provenance.json" || it.Claims[0].Strength != "carried" || it.Conflict != "" {
			t.Errorf("%s: %+v", it.Name, it)
		}
		if it.Name == "bin/linux/amd64/kubectl" {
			kubectl = it.SHA256
		}
	}
	if len(l.Items) != 111 || len(kubectl) != 64 {
		t.Fatalf("%d items, kubectl %q", len(l.Items), kubectl)
	}
	sums := filepath.Join(dir, "files", base, "SHA256SUMS")
	for code, sum := range map[int]string{3: kubectl, 1: strings.Repeat("0", 64)} {
		if err := os.WriteFile(sums, []byte(sum+"  bin/linux/amd64/kubectl\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, stderr := list(t, code, "v1.25.2", "--mirror", dir); (code == 1) != strings.Contains(stderr, "disagree on 1 row") {
			t.Errorf("%s", stderr)
		}
	}
	if err := os.Rename(filepath.Join(dir, "files", base), filepath.Join(dir, "files", "dl.k8s.io/release/v1.25.3")); err != nil {
		t.Fatal(err)
	}
	if l, stderr := list(t, 1, "v1.25.3", "--mirror", dir); l.Verdict != "refuted" || !strings.Contains(stderr, `names "v1.25.2", not v1.25.3`) {
		t.Errorf("%s: %s", l.Verdict, stderr)
	}
}
