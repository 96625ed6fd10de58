package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

// TestCosignVerifiesKeptBundle downloads files with their bundles, and has
// cosign verify them with nothing but those and the trusted root.
func TestCosignVerifiesKeptBundle(t *testing.T) {
	client := tool(t, "cosign")
	dir := t.TempDir()
	mirror, root, saved := filepath.Join(dir, "mirror"), filepath.Join(dir, "root.json"), filepath.Join(dir, "saved")
	w := world.New(world.Options{})
	if err := w.WriteMirror(mirror, []string{version}, world.MirrorOptions{Files: []string{"bin/linux/amd64/kubectl", "kubernetes-client-linux-amd64.tar.gz"}}); err != nil {
		t.Fatal(err)
	}
	write(t, root, string(w.TrustedRootJSON()))
	code, stdout, stderr := kverify(t, "download", version, "kubectl", "client", "--os", "linux", "--arch", "amd64", "-d", saved, "--mirror", mirror, "--trusted-root", root)
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	verify := func(file, bundle, identity string) (string, error) {
		cmd := exec.CommandContext(t.Context(), client, "verify-blob", filepath.Join(saved, file),
			"--bundle", filepath.Join(saved, bundle+".sigstore.json"), "--new-bundle-format", "--trusted-root", root,
			"--certificate-identity", identity, "--certificate-oidc-issuer", "https://accounts.google.com")
		cmd.Env = []string{"HOME=" + dir, "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"} // offline
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, file := range []string{"kubectl", "kubernetes-client-linux-amd64.tar.gz"} {
		if out, err := verify(file, file, world.KrelStage); err != nil || !strings.Contains(out, "Verified OK") {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
	if out, err := verify("kubectl", "kubernetes-client-linux-amd64.tar.gz", world.KrelStage); err == nil {
		t.Errorf("another file's bundle was accepted:\n%s", out)
	}
	if out, err := verify("kubectl", "kubectl", world.KrelTrust); err == nil {
		t.Errorf("another identity was accepted:\n%s", out)
	}
}

// TestCosignAsksTheServedLog has cosign verify signatures that lie beside files, as
// the documentation of Kubernetes does, with a served mirror in place of the log.
func TestCosignAsksTheServedLog(t *testing.T) {
	client := tool(t, "cosign")
	dir := t.TempDir()
	mirror, root := filepath.Join(dir, "mirror"), filepath.Join(dir, "root.json")
	w := world.New(world.Options{})
	const kubectl, kubelet = "bin/linux/amd64/kubectl", "bin/linux/amd64/kubelet"
	if err := w.WriteMirror(mirror, []string{version}, world.MirrorOptions{Files: []string{kubectl}}); err != nil {
		t.Fatal(err)
	}
	write(t, root, string(w.TrustedRootJSON()))
	at := "http://" + serveMirror(t, mirror, root)
	verify := func(path, of string) (string, error) {
		name := filepath.Join(dir, filepath.Base(path))
		write(t, name, string(w.File(world.FileURL(version, path))))
		for _, suffix := range []string{".sig", ".cert"} {
			write(t, name+suffix, string(w.File(world.FileURL(version, of)+suffix)))
		}
		return run(t, client, "verify-blob", name, "--signature", name+".sig", "--certificate", name+".cert", "--rekor-url", at, "--trusted-root", root,
			"--certificate-identity", world.KrelStage, "--certificate-oidc-issuer", world.Google)
	}
	if out, err := verify(kubectl, kubectl); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := verify(kubelet, kubelet); err == nil {
		t.Errorf("a file of which the mirror keeps no log entry was accepted:\n%s", out)
	}
	if out, err := verify(kubectl, kubelet); err == nil {
		t.Errorf("another file's signature was accepted:\n%s", out)
	}
}
