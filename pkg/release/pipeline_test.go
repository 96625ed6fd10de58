package release

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sbom"
)

// documentedPipeline is how Kubernetes' documentation lists a release's images.
const documentedPipeline = `grep "SPDXID: SPDXRef-Package-registry.k8s.io" | grep -v sha256 | cut -d- -f3- | sed 's/-/\//' | sed 's/-v1/:v1/'`

func TestImageNamesEqualThePipeline(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh to run the pipeline with")
	}
	t.Run("ours", func(t *testing.T) { comparePipeline(t, testdata(t, "sbom-v1.27.2.spdx"), 4) })
	t.Run("release-shaped", func(t *testing.T) {
		comparePipeline(t, realdata(t, "sbom", "GENERATED-bom-v0.4.1-release-shape.spdx"), 4)
	})
}

func comparePipeline(t *testing.T, data []byte, lines int) {
	cmd := exec.Command("sh", "-c", documentedPipeline)
	cmd.Stdin = bytes.NewReader(data)
	cmd.Stderr = os.Stderr
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := sbom.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(SBOMImageNames(doc), "\n") + "\n"
	if got != string(want) || strings.Count(got, "\n") != lines {
		t.Errorf("got\n%s\nthe pipeline prints\n%s", got, want)
	}
	// The same document as JSON lists the same.
	var asJSON bytes.Buffer
	if err := sbom.Convert(&asJSON, data, sbom.JSON); err != nil {
		t.Fatal(err)
	}
	if doc, err = sbom.Parse(asJSON.Bytes()); err != nil {
		t.Fatal(err)
	}
	if again := strings.Join(SBOMImageNames(doc), "\n") + "\n"; again != got {
		t.Errorf("from JSON\n%s", again)
	}
}
