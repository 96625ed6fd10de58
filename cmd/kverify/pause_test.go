package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const realPause = "../../../shared/realdata/signatures/pause-3.10"

// layPause lays the real registry.k8s.io/pause:3.10 out as a mirror: an OCI
// layout with the original bytes, as anyone could put it together by hand.
func layPause(t *testing.T, dir string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(realPause, name))
		if err != nil {
			t.Skipf("no %s", filepath.Join(realPause, name))
		}
		return b
	}
	blobs := filepath.Join(dir, "oci", "blobs", "sha256")
	check(os.MkdirAll(blobs, 0o755))
	put := func(b []byte) string {
		sum := sha256.Sum256(b)
		check(os.WriteFile(filepath.Join(blobs, hex.EncodeToString(sum[:])), b, 0o644))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	entries, err := os.ReadDir(filepath.Join(realPause, "manifests"))
	if err != nil {
		t.Skipf("no %s", realPause)
	}
	var descriptors []map[string]any
	for _, e := range entries {
		b := read(filepath.Join("manifests", e.Name()))
		digest := put(b)
		var m struct {
			MediaType string            `json:"mediaType"`
			Manifests []json.RawMessage `json:"manifests"`
		}
		check(json.Unmarshal(b, &m))
		name, signature := strings.CutSuffix(e.Name(), ".json")
		switch {
		case strings.HasSuffix(name, ".sig") && signature:
			name = "registry.k8s.io/pause:" + name
		case m.Manifests != nil:
			name = "registry.k8s.io/pause:3.10"
		default:
			continue
		}
		descriptors = append(descriptors, map[string]any{"mediaType": m.MediaType, "digest": digest, "size": len(b),
			"annotations": map[string]string{"org.opencontainers.image.ref.name": name}})
	}
	put(read("payload.json"))
	put(read("signature-config.json"))
	check(os.WriteFile(filepath.Join(dir, "oci", "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": descriptors})
	check(err)
	check(os.WriteFile(filepath.Join(dir, "oci", "index.json"), index, 0o644))
}

// TestRealSignature: a signature that Kubernetes made and not this project,
// under the trusted root and the policy that are compiled in.
func TestRealSignature(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layPause(t, dir)
	run := func(want int, args ...string) string {
		t.Helper()
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		// TestMain runs main when the test binary bears the program's name.
		program := filepath.Join(t.TempDir(), "kverify")
		if err := os.Symlink(self, program); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, append([]string{"verify", "registry.k8s.io/pause:3.10", "--mirror", dir}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("%v: exit %d, want %d\n%s", args, code, want, out)
		}
		return string(out)
	}
	out := run(0, "--checks", "digest,signature,reference", "-o", "wide")
	for _, want := range []string{"VERIFIED", "8 subjects", "partial: left out binding", "windows/amd64:10.0.20348.707"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "trusted root") || strings.Contains(out, "policy") {
		t.Errorf("the embedded root and policy need no mention:\n%s", out)
	}
	out = run(3)
	for _, want := range []string{"UNKNOWN", "nothing strong ties this digest to 3.10"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
