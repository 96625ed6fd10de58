package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNoSocket builds the program as users do and watches its system calls: a
// run with a mirror alone opens no socket of any kind.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("no strace here")
	}
	if os.Getenv("KVERIFY_SLOW_TESTS") == "" {
		t.Skip("builds the program: make slow")
	}
	dir := t.TempDir()
	program, trace := filepath.Join(dir, "kverify"), filepath.Join(dir, "trace")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does, which has then compiled it
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole, err := filepath.Abs(filepath.Join(sample, "mirror"))
	if err != nil {
		t.Fatal(err)
	}
	archive, list := filepath.Join(dir, "images.tar"), filepath.Join(dir, "list")
	writeSaved(t, archive, "kube-proxy-amd64:v1.27.2", "registry.k8s.io/kube-proxy:v1.27.2")
	if err := os.WriteFile(list, []byte("registry.k8s.io/pause:3.9\nharbor.example.com/k8s/kube-proxy:v1.27.2\n127.0.0.1:1/k8s/kube-proxy:v1.27.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"images", "v1.27.2"},
		{"verify", archive, "-f", list, "--as", "harbor.example.com/k8s=registry.k8s.io", "--as", "127.0.0.1:1/k8s=registry.k8s.io"},
		{"verify", "registry.k8s.io/pause:3.9", "registry.k8s.io/nothing:v0"},
		{"verify", whole},
	} {
		args = append([]string{"-f", "-o", trace, "-e", "trace=%network,openat", program}, args...)
		if args[len(args)-1] != whole {
			args = append(args, "--mirror", filepath.Join(sample, "mirror"))
		}
		args = append(args, "--trusted-root", filepath.Join(sample, "trusted_root.json"))
		cmd := exec.Command(strace, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || !strings.Contains(string(out), "(trusted root") {
			if strings.Contains(string(out), "ptrace") {
				t.Skip("strace may not trace here")
			}
			t.Fatalf("%v\n%s", err, out)
		}
		calls, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		if args[slices.Index(args, program)+2] == archive && !regexp.MustCompile(`(?m)^VERIFIED|^UNKNOWN.*; [1-9][0-9]* verified`).Match(out) {
			t.Errorf("%v: the archive was not judged:\n%s", args, out)
		}
		if !strings.Contains(string(calls), "MANIFEST.json") {
			t.Fatalf("the trace does not even show the mirror being read:\n%s", calls)
		}
		network := regexp.MustCompile(`(?m)^.*\b(socket|socketpair|connect|bind|sendto|sendmsg|getsockopt|setsockopt)\(.*$|^.*"[^"]*(resolv\.conf|nsswitch\.conf|/etc/hosts|/\.docker|/\.sigstore/)[^"]*".*$`)
		if found := network.FindAllString(string(calls), 5); found != nil {
			t.Errorf("%v:\n%s", args, strings.Join(found, "\n"))
		}
	}
}

// writeSaved writes one platform's image of the sample as docker save does.
func writeSaved(t *testing.T, path, image, name string) {
	t.Helper()
	blobs := filepath.Join(sample, "mirror", "oci", "blobs", "sha256")
	read := func(file string, v any) []byte {
		b, err := os.ReadFile(file)
		if err == nil && v != nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	type descriptor struct {
		Digest      string
		Annotations map[string]string
	}
	var index struct{ Manifests []descriptor }
	read(filepath.Join(sample, "mirror", "oci", "index.json"), &index)
	i := slices.IndexFunc(index.Manifests, func(d descriptor) bool {
		return d.Annotations["org.opencontainers.image.ref.name"] == "registry.k8s.io/"+image
	})
	if i < 0 {
		t.Fatalf("the sample has no %s", image)
	}
	at := func(d descriptor) string { return filepath.Join(blobs, strings.TrimPrefix(d.Digest, "sha256:")) }
	var m struct {
		Config descriptor
		Layers []descriptor
	}
	read(at(index.Manifests[i]), &m)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, b []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(b))}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(b)
	}
	var layers []string
	put("config.json", read(at(m.Config), nil))
	for n, l := range m.Layers {
		layers = append(layers, fmt.Sprint(n, ".tar"))
		put(layers[n], read(at(l), nil))
	}
	list, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{name}, "Layers": layers}})
	if err != nil {
		t.Fatal(err)
	}
	put("manifest.json", list)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
