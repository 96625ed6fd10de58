package interop

import (
	"encoding/json"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"slices"
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

// keysOf writes the keys of a trusted root as cosign reads them one by one, and returns
// the variables that name them. https://docs.sigstore.dev/cosign/system_config/custom_components/
func keysOf(t *testing.T, dir string, root []byte) (env []string) {
	t.Helper()
	type key struct {
		PublicKey struct{ RawBytes []byte }
	}
	var r struct {
		Tlogs, Ctlogs          []key
		CertificateAuthorities []struct {
			CertChain struct{ Certificates []struct{ RawBytes []byte } }
		}
	}
	if err := json.Unmarshal(root, &r); err != nil {
		t.Fatal(err)
	}
	var chain []byte
	for _, c := range r.CertificateAuthorities[0].CertChain.Certificates {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.RawBytes})...)
	}
	for name, text := range map[string][]byte{
		"SIGSTORE_ROOT_FILE":              chain,
		"SIGSTORE_REKOR_PUBLIC_KEY":       pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: r.Tlogs[0].PublicKey.RawBytes}),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: r.Ctlogs[0].PublicKey.RawBytes}),
	} {
		write(t, filepath.Join(dir, name), string(text))
		env = append(env, name+"="+filepath.Join(dir, name))
	}
	return env
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
	keys := keysOf(t, dir, w.TrustedRootJSON()) // this command of cosign takes no trusted root
	verify := func(path, of string) (string, error) {
		name := filepath.Join(dir, filepath.Base(path))
		write(t, name, string(w.File(world.FileURL(version, path))))
		for _, suffix := range []string{".sig", ".cert"} {
			write(t, name+suffix, string(w.File(world.FileURL(version, of)+suffix)))
		}
		cmd := exec.CommandContext(t.Context(), client, "verify-blob", name, "--signature", name+".sig", "--certificate", name+".cert", "--rekor-url", at,
			"--certificate-identity", world.KrelStage, "--certificate-oidc-issuer", world.Google)
		cmd.Env = append(slices.Clone(keys), "HOME="+dir, "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1")
		out, err := cmd.CombinedOutput()
		return string(out), err
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
