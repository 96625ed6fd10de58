// Command sample writes testdata/sample: a small signed mirror of one release,
// made by the test world, with the trusted root that goes with it.
//
//	go run ./internal/world/sample -o testdata/sample
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/internal/world"
)

const version = "v1.27.2"

// A few files, so that downloads can be tried too.
var files = []string{
	"bin/linux/amd64/kubectl", "bin/linux/arm64/kubectl", "bin/linux/amd64/kubeadm", "bin/linux/amd64/kubelet",
	"bin/darwin/arm64/kubectl", "bin/windows/amd64/kubectl.exe", "kubernetes-client-linux-amd64.tar.gz",
}

const readme = `# A sample that is not Kubernetes

Everything in this directory was made by kverify's tests (internal/world) and
signed by a **test CA whose private keys are public**. Nothing here is a
Kubernetes release; its programs are four lines of shell.

| what | |
| --- | --- |
| ` + "`mirror/`" + ` | a mirror of an invented ` + version + `: images, signatures, SBOM, CHANGELOG, some files |
| ` + "`trusted_root.json`" + ` | the test CA's trusted root: under the real one nothing here verifies |

Try it:

    kverify images ` + version + ` --mirror testdata/sample/mirror --trusted-root testdata/sample/trusted_root.json

Never hand this trusted root to a command that looks at real releases.
Made by ` + "`make sample`" + `, the same bytes every time.
`

func main() {
	out := flag.String("o", "testdata/sample", "directory to write; its mirror/ is replaced")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	w := world.New(world.Options{Versions: []string{version}})
	mirror := filepath.Join(dir, "mirror")
	if err := os.RemoveAll(mirror); err != nil {
		return err
	}
	if err := w.WriteMirror(mirror, []string{version}, world.MirrorOptions{Files: append(files, "SHA256SUMS", "SHA512SUMS", "provenance.json")}); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "trusted_root.json"), w.TrustedRootJSON(), 0o644); err != nil {
		return err
	}
	// Hashes do not survive a checkout that changes line ends.
	if err := os.WriteFile(filepath.Join(dir, ".gitattributes"), []byte("* -text\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(readme), 0o644)
}
