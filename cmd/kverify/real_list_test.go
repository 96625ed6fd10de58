package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const realdata = "../../../shared/realdata"

// realMirror makes a mirror of real documents, by URL without its scheme. It
// skips the test where one of them is absent.
func realMirror(t *testing.T, documents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for url, name := range documents {
		data, err := os.ReadFile(filepath.Join(realdata, name))
		if os.IsNotExist(err) {
			t.Skipf("no real data at %s", filepath.Join(realdata, name))
		}
		path := filepath.Join(dir, "files", url)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// listed is what `list -o json` says.
type listed struct {
	Verdict string
	Notes   []string
	Items   []struct {
		Name, Kind, URL, SHA256, SHA512, Conflict string
		Platforms                                 []string
		Claims                                    []struct{ Document, Strength, Digest string }
	}
}

func list(t *testing.T, wantCode int, args ...string) (l listed, stderr string) {
	t.Helper()
	cmd := exec.Command("kverify", append([]string{"list", "-o", "json"}, args...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Fatalf("exit code %d, want %d (%v): %s", code, wantCode, err, said.String())
	}
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatal(err)
	}
	return l, said.String()
}

const changelogs = "raw.githubusercontent.com/kubernetes/kubernetes/master/CHANGELOG/"

func TestListRealChangelogs(t *testing.T) {
	for _, c := range []struct {
		version, document, minor string
		kinds                    map[string]int
		arches                   int
	}{
		{"v1.27.2", "downloads-v1.27.2.md", "1.27", map[string]int{"source": 2, "client": 11, "server": 4, "node": 5, "image": 5}, 4},
		{"v1.24.0", "downloads-v1.24.0.md", "1.24", map[string]int{"source": 2, "client": 11, "server": 5, "node": 6, "image": 5}, 5},
	} {
		t.Run(c.version, func(t *testing.T) {
			dir := realMirror(t, map[string]string{changelogs + "CHANGELOG-" + c.minor + ".md": "changelog/" + c.document})
			code := 0
			if c.version == "v1.27.2" { // of which there must be an SBOM
				code = 3
			}
			l, _ := list(t, code, c.version, "--mirror", dir)
			raw, err := os.ReadFile(filepath.Join(realdata, "changelog", c.document))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, it := range l.Items {
				got[it.Kind]++
				switch {
				case it.Kind == "image":
					if len(it.Platforms) != c.arches {
						t.Errorf("%s: %v", it.Name, it.Platforms)
					}
				case len(it.SHA512) != 128 || !strings.Contains(string(raw), it.SHA512):
					t.Errorf("%s: the document does not say %q", it.Name, it.SHA512)
				case len(it.Claims) != 1 || it.Claims[0].Strength != "carried" || it.Claims[0].Document != "changelog":
					t.Errorf("%s: %+v", it.Name, it.Claims)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.kinds) {
				t.Errorf("%v, want %v", got, c.kinds)
			}
		})
	}
}

// The real SHA256SUMS, with its absolute paths, and the real provenance agree;
// and where one digit is another, they do not.
func TestListRealSums(t *testing.T) {
	const base = "dl.k8s.io/release/v1.23.0-alpha.4/"
	documents := map[string]string{
		base + "SHA256SUMS":      "checksums/SHA256SUMS.v1.23.0-alpha.4",
		base + "provenance.json": "provenance/k8s-1.23.0-alpha.4-provenance.json",
	}
	dir := realMirror(t, documents)
	l, _ := list(t, 3, "v1.23.0-alpha.4", "--mirror", dir) // there is no CHANGELOG here
	agreed := 0
	for _, it := range l.Items {
		if it.Conflict != "" {
			t.Errorf("%s: %s", it.Name, it.Conflict)
		}
		if len(it.Claims) == 2 {
			agreed++
		}
	}
	if agreed != 143 {
		t.Errorf("two documents agree on %d files, want 143", agreed)
	}
	path := filepath.Join(dir, "files", base, "SHA256SUMS")
	sums, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sums[0] ^= 1 // the first digit of the first hash
	if err := os.WriteFile(path, sums, 0o644); err != nil {
		t.Fatal(err)
	}
	l, stderr := list(t, 1, "v1.23.0-alpha.4", "--mirror", dir)
	conflicts := 0
	for _, it := range l.Items {
		if it.Conflict != "" {
			conflicts++
		}
	}
	if conflicts != 1 || l.Verdict != "refuted" || !strings.Contains(stderr, "disagree on 1 row") {
		t.Errorf("%d conflicts, %s: %s", conflicts, l.Verdict, stderr)
	}
}

// The release-shaped SBOM has other hashes than the real CHANGELOG: whoever
// lists v1.27.2 with both is told so, file by file.
func TestListRealAgainstOther(t *testing.T) {
	dir := realMirror(t, map[string]string{
		changelogs + "CHANGELOG-1.27.md":                    "changelog/downloads-v1.27.2.md",
		"dl.k8s.io/release/v1.27.2/kubernetes-release.spdx": "sbom/GENERATED-bom-v0.4.1-release-shape.spdx",
	})
	l, _ := list(t, 1, "v1.27.2", "--mirror", dir)
	var conflicts []string
	for _, it := range l.Items {
		if it.Conflict != "" {
			conflicts = append(conflicts, it.Name)
		}
	}
	if got := strings.Join(conflicts, " "); got != "kubernetes-client-linux-amd64.tar.gz kubernetes-server-linux-amd64.tar.gz kubernetes.tar.gz" {
		t.Errorf("conflicts on %s", got)
	}
}

// Every real SPDX document can be shown, converted and compared.
func TestRealSBOMs(t *testing.T) {
	t.Parallel()
	for name, holds := range map[string]string{
		"GENERATED-bom-v0.4.1-release-shape.spdx": "4 images, 4 layers, 8 files, 20 relationships",
		"etcd-v3.4.16.spdx":                       "80 packages, 1362 files, 1442 relationships",
		"bom-testdata-nginx.spdx":                 "1185 packages, 1193 relationships",
		"bom-testdata-images.spdx.json":           "23 packages, 23 relationships",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(realdata, "sbom", name)
			if _, err := os.Stat(path); os.IsNotExist(err) {
				t.Skipf("no real data at %s", path)
			}
			shown, _, _ := measured(t, "kverify", "sbom", "show", path)
			if !strings.Contains(string(shown), "\n  holds      "+holds+"\n") {
				t.Errorf("it holds other than %s:\n%.600s", holds, shown)
			}
			dir := t.TempDir()
			for _, form := range []string{"json", "tag-value"} {
				other := filepath.Join(dir, "document."+form)
				cmd := exec.Command("kverify", "sbom", "convert", path, "-o", form+"="+other)
				cmd.Stderr = io.Discard
				if err := cmd.Run(); err != nil {
					t.Fatal(err)
				}
				if said, _, _ := measured(t, "kverify", "sbom", "diff", path, other); !strings.Contains(string(said), "say the same") {
					t.Errorf("%s: %.600s", form, said)
				}
			}
		})
	}
}
