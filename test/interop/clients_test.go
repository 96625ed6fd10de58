package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
)

var servedAt = regexp.MustCompile(`http://(127\.0\.0\.1:[0-9]+)`)

// serveMirror runs `kverify mirror serve` on a free port.
func serveMirror(t testing.TB, dir, root string) (addr string) {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatalf("kverify does not build: %v", err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(bin, "mirror", "serve", dir, "--listen", "127.0.0.1:0", "--trusted-root", root, "--access-log", "none")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		if m := servedAt.FindSubmatch(text); m != nil {
			return string(m[1])
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("kverify mirror serve did not say where it listens:\n%s", text)
	return ""
}

// TestClientsOfServe has other people's clients read from `mirror serve`.
func TestClientsOfServe(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	dir, root := wholeMirror(t, w, world.MirrorOptions{Files: []string{"bin/linux/amd64/kubectl"}})
	addr := serveMirror(t, dir, root)
	image := addr + "/kube-proxy:" + version
	want := w.Digest(outside + "/kube-proxy:" + version)
	sig := addr + "/kube-proxy:" + strings.Replace(want, ":", "-", 1) + ".sig"

	t.Run("skopeo", func(t *testing.T) {
		skopeo := tool(t, "skopeo")
		if got := sumOf(must(t, skopeo, "inspect", "--tls-verify=false", "--raw", "docker://"+image)); got != want {
			t.Errorf("the index is %s, want %s", got, want)
		}
		out := t.TempDir()
		must(t, skopeo, "copy", "--src-tls-verify=false", "--all", "--preserve-digests", "docker://"+image, "dir:"+out)
		if text, err := os.ReadFile(filepath.Join(out, "manifest.json")); err != nil || sumOf(string(text)) != want {
			t.Errorf("copied %s, %v; want %s", sumOf(string(text)), err, want)
		}
		// By the name that it has outside, as CRI-O and Podman look it up.
		code, text, said := kverify(t, "mirror", "config", "http://"+addr, "--for", "crio")
		if code != 0 {
			t.Fatal(said)
		}
		file := filepath.Join(t.TempDir(), "registries.conf")
		write(t, file, text)
		if got := sumOf(must(t, skopeo, "--registries-conf", file, "inspect", "--raw", "docker://"+outside+"/kube-proxy:"+version)); got != want {
			t.Errorf("by way of registries.conf the index is %s, want %s", got, want)
		}
	})
	t.Run("crane", func(t *testing.T) {
		crane := tool(t, "crane")
		if got := strings.TrimSpace(must(t, crane, "digest", image)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		must(t, crane, "pull", "--platform", "linux/arm64", image, filepath.Join(t.TempDir(), "image.tar"))
		must(t, crane, "validate", "--remote", addr+"/kube-proxy-arm64:"+version)
		must(t, crane, "manifest", sig)
	})
	t.Run("regctl", func(t *testing.T) {
		regctl, out := tool(t, "regctl"), "ocidir://"+filepath.Join(t.TempDir(), "layout")
		host := "--host=reg=" + addr + ",tls=disabled"
		if got := strings.TrimSpace(must(t, regctl, host, "manifest", "head", image)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		must(t, regctl, host, "image", "copy", "--digest-tags", image, out+":copy")
		if got := strings.TrimSpace(must(t, regctl, "manifest", "head", out+":copy")); got != want {
			t.Errorf("copied as %s, want %s", got, want)
		}
	})
	t.Run("oras", func(t *testing.T) {
		oras := tool(t, "oras")
		if got := sumOf(must(t, oras, "manifest", "fetch", "--plain-http", image)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		must(t, oras, "copy", "--from-plain-http", "--to-oci-layout", sig, filepath.Join(t.TempDir(), "layout")+":sig")
	})
	t.Run("curl", func(t *testing.T) {
		curl := tool(t, "curl")
		url := "http://" + addr + "/dl.k8s.io/release/" + version + "/bin/linux/amd64/kubectl"
		whole := string(w.File(world.FileURL(version, "bin/linux/amd64/kubectl")))
		if got := must(t, curl, "-fsSL", url); got != whole {
			t.Errorf("%d bytes, want %d", len(got), len(whole))
		}
		if got := must(t, curl, "-fsS", "-r", "3-9", url); got != whole[3:10] {
			t.Errorf("bytes 3 to 9 are %q, want %q", got, whole[3:10])
		}
		part := filepath.Join(t.TempDir(), "kubectl")
		write(t, part, whole[:7])
		must(t, curl, "-fsS", "-C", "-", "-o", part, url)
		if got, err := os.ReadFile(part); err != nil || string(got) != whole {
			t.Errorf("resumed to %d bytes, %v", len(got), err)
		}
	})
}

// TestClientsOfLayout has other people's clients read a mirror's oci/ itself.
// Skopeo is not among them: it finds no docker-type descriptor by its name.
func TestClientsOfLayout(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	dir, _ := wholeMirror(t, w, world.MirrorOptions{})
	layout := filepath.Join(dir, "oci")
	want := w.Digest(outside + "/kube-proxy:" + version)
	t.Run("oras", func(t *testing.T) {
		oras := tool(t, "oras")
		if got := sumOf(must(t, oras, "manifest", "fetch", "--oci-layout-path", layout, outside+"/kube-proxy:"+version)); got != want {
			t.Errorf("by name %s, want %s", got, want)
		}
		if got := sumOf(must(t, oras, "manifest", "fetch", "--oci-layout", layout+"@"+want)); got != want {
			t.Errorf("by digest %s, want %s", got, want)
		}
		r := startDistribution(t)
		must(t, oras, "copy", "--from-oci-layout-path", layout, "--to-plain-http", outside+"/kube-proxy:"+version, r.addr+"/kube-proxy:"+version)
		if got := sumOf(must(t, oras, "manifest", "fetch", "--plain-http", r.addr+"/kube-proxy:"+version)); got != want {
			t.Errorf("copied as %s, want %s", got, want)
		}
	})
	t.Run("ctr", func(t *testing.T) {
		ctr := startContainerd(t)
		archive := filepath.Join(t.TempDir(), "layout.tar")
		must(t, tool(t, "tar"), "-C", layout, "-cf", archive, ".")
		ctr("images", "import", "--no-unpack", "--all-platforms", archive)
		for line := range strings.Lines(ctr("images", "ls")) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == outside+"/kube-proxy:"+version {
				if f[2] != want {
					t.Errorf("imported as %s, want %s", f[2], want)
				}
				return
			}
		}
		t.Error("it was not imported by its name")
	})
}

// TestContainerdFindsTheRegistry pulls by the name that images have outside,
// with no more than the file that kverify writes: from a registry with a
// prefix, and from `mirror serve`.
func TestContainerdFindsTheRegistry(t *testing.T) {
	w := world.New(world.Options{Versions: []string{version}})
	dir, root := wholeMirror(t, w, world.MirrorOptions{Names: []string{"kube-proxy"}})
	r := startDistribution(t)
	if code, stdout, stderr := kverify(t, "mirror", "push", dir, r.addr+"/a/b", "--trusted-root", root); code != 0 {
		t.Fatalf("%d\n%s%s", code, stdout, stderr)
	}
	ctr := startContainerd(t)
	for _, url := range []string{r.url() + "/a/b", "http://" + serveMirror(t, dir, root)} {
		code, text, stderr := kverify(t, "mirror", "config", url, "--for", "containerd")
		if code != 0 {
			t.Fatal(stderr)
		}
		hosts := t.TempDir()
		if err := os.MkdirAll(filepath.Join(hosts, outside), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(hosts, outside, "hosts.toml"), text)
		name := outside + "/kube-proxy:" + version
		ctr("content", "fetch", "--hosts-dir", hosts, "--all-platforms", name)
		if out := ctr("images", "ls", "-q"); !strings.Contains(out, name) {
			t.Errorf("%s: not pulled: %s", url, out)
		}
		ctr("images", "rm", "--sync", name)
	}
}

// startContainerd starts a containerd of its own and returns its client.
func startContainerd(t *testing.T) (ctr func(args ...string) string) {
	t.Helper()
	daemon, client := tool(t, "containerd"), tool(t, "ctr")
	if os.Getuid() != 0 {
		t.Skip("containerd needs root")
	}
	dir, err := os.MkdirTemp("", "ctd") //nolint:usetesting // short: a socket's path has some hundred bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	write(t, filepath.Join(dir, "config.toml"), fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket))
	var log bytes.Buffer
	cmd := exec.Command(daemon, "-c", filepath.Join(dir, "config.toml"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Skipf("containerd does not start here: %v", err)
	}
	over := make(chan struct{})
	go func() { _ = cmd.Wait(); close(over) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-over
	})
	for range 100 {
		if _, err := run(t, client, "-a", socket, "version"); err == nil {
			return func(args ...string) string { return must(t, client, append([]string{"-a", socket}, args...)...) }
		}
		select {
		case <-over:
			t.Skipf("containerd does not run here:\n%s", log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Skip("containerd does not answer here")
	return nil
}
