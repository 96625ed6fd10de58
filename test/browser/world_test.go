package browser

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// kverify builds the program once.
var kverify = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kverify-browser")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "kverify")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/kverify")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	return program, cmd.Run()
})

// wanted are the files that the mirror of the tests holds.
func wanted(path string) bool {
	for _, suffix := range []string{".sig", ".cert", ".sha256", ".sha512"} {
		if strings.HasSuffix(path, suffix) {
			return false
		}
	}
	parts := strings.Split(path, "/")
	if len(parts) == 4 {
		switch parts[3] {
		case "kubectl", "kubectl.exe", "kubeadm", "kubelet", "kubeadm.exe", "kubelet.exe":
			return parts[2] == "amd64" || parts[2] == "arm64"
		}
		return false
	}
	if path == "kubernetes-manifests.tar.gz" { // no file that is judged
		return false
	}
	return !strings.Contains(path, "386") && !strings.Contains(path, "s390x") && !strings.Contains(path, "-arm.") && !strings.Contains(path, "-test-")
}

// mirrored writes a mirror of two releases. Its kube-scheduler v1.27.1 is a
// kube-proxy, kubelet for linux/arm64 has lost its signature, and one byte of
// a tarball of v1.27.1 is another.
func mirrored(t *testing.T, good bool) (dir, root string) {
	t.Helper()
	w := world.New(world.Options{})
	versions := w.Versions()
	var files []string
	for _, f := range w.Files("v1.27.2") {
		if wanted(f) {
			files = append(files, f)
		}
	}
	if !good {
		w.SwapImage("v1.27.1", "kube-scheduler", "kube-proxy")
		w.DropSignature("registry.k8s.io/kube-controller-manager:v1.27.1")
		url := world.FileURL("v1.27.1", "kubernetes-client-linux-amd64.tar.gz")
		body := []byte(string(w.File(url)))
		body[len(body)/2] ^= 1
		w.PutFile(url, body)
	}
	dir = filepath.Join(t.TempDir(), "mirror")
	if err := w.WriteMirror(dir, versions, world.MirrorOptions{Files: files}); err != nil {
		t.Fatal(err)
	}
	root = dir + ".root.json"
	if err := os.WriteFile(root, w.TrustedRootJSON(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, root
}

var servesAt = regexp.MustCompile(`serving .* on (http://\S+)`)

// serve runs the real program until the test ends, and waits for its verdict.
func serve(t *testing.T, good bool, args ...string) (base string) {
	t.Helper()
	dir, root := mirrored(t, good)
	return serveDir(t, dir, root, args...)
}

// serveDir serves a mirror as serve does.
func serveDir(t *testing.T, dir, root string, args ...string) (base string) {
	t.Helper()
	program, err := kverify()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"mirror", "serve", dir, "--trusted-root", root, "--listen", "127.0.0.1:0", "--access-log", "none"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines {
		}
		_ = cmd.Wait()
	})
	limit := time.After(3 * time.Minute)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatal("kverify ended")
			}
			t.Log(line)
			if m := servesAt.FindStringSubmatch(line); m != nil {
				base = m[1]
			}
			if base != "" && strings.Contains(line, " unknown") {
				return base
			}
		case <-limit:
			t.Fatal("kverify did not serve and verify in three minutes")
		}
	}
}
