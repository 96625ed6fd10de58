package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pipeline is how Kubernetes' documentation lists the images of an SBOM.
const pipeline = `grep "SPDXID: SPDXRef-Package-registry.k8s.io" "$1" | grep -v sha256 | cut -d- -f3- | sed 's/-/\//' | sed 's/-v1/:v1/'`

// TestSBOMImagesEqualsThePipeline compares the program's output with that of
// the documented pipeline, byte for byte.
func TestSBOMImagesEqualsThePipeline(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh to run the pipeline with")
	}
	for name, path := range map[string]string{
		"sample":         filepath.Join(sample, "mirror/files/dl.k8s.io/release/v1.27.2/kubernetes-release.spdx"),
		"release-shaped": "../../../shared/realdata/sbom/GENERATED-bom-v0.4.1-release-shape.spdx",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(path); os.IsNotExist(err) {
				t.Skipf("no real data at %s", path)
			}
			want, _, _ := measured(t, "sh", "-c", pipeline, "sh", path)
			got, _, _ := measured(t, "kverify", "sbom", "images", path)
			if !bytes.Equal(got, want) || len(want) == 0 {
				t.Errorf("kverify prints\n%s\nthe pipeline\n%s", got, want)
			}
		})
	}
}

// measured runs a program and returns what it printed, the processor time that
// it and its children took in seconds, and the memory of the largest in MB.
func measured(t testing.TB, name string, args ...string) (stdout []byte, cpu, peak float64) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, args, err)
	}
	most, ok := mostResident(cmd.ProcessState)
	if !ok {
		return stdout, 0, 0
	}
	return stdout, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), float64(most) / (1 << 20)
}

// BenchmarkSBOM50MB lists the images of a release-shaped document of 50 MB: by
// the program, by a plain scan of the lines that keeps names, hashes and
// relationships and checks nothing, and by the documented pipeline.
func BenchmarkSBOM50MB(b *testing.B) {
	path := filepath.Join(b.TempDir(), "large.spdx")
	// By a process of its own: a child's peak is never below what its parent held.
	measured(b, "largesbom", path)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"kverify", []string{"kverify", "sbom", "images", path}},
		{"scan", []string{"linescan", path}},
		{"pipeline", []string{"sh", "-c", pipeline, "sh", path}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cpu, peak float64
			for b.Loop() {
				_, t, m := measured(b, c.args[0], c.args[1:]...)
				cpu, peak = cpu+t, max(peak, m)
			}
			b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
			b.ReportMetric(peak, "peak-MB")
		})
	}
}

// lineScan is the least that a program can do which reads the whole document.
func lineScan() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var kept []string
	for line := range strings.Lines(string(data)) {
		switch tag, value, _ := strings.Cut(line, ": "); tag {
		case "FileName", "PackageName", "SPDXID", "FileChecksum", "PackageChecksum", "Relationship":
			kept = append(kept, value)
		}
	}
	fmt.Println(len(kept))
}

// largeSBOM writes a document of 50 MB in the shape of a release's.
func largeSBOM() {
	const size = 50 << 20
	var b bytes.Buffer
	b.WriteString("SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: Kubernetes Release v1.27.2\n" +
		"DocumentNamespace: https://sbom.k8s.io/v1.27.2/release\nCreator: Tool: test\nCreated: 2023-05-17T14:00:00Z\n\n")
	hex := strings.Repeat("0123456789abcdef", 8)
	sums := func(of string) string {
		return fmt.Sprintf("%[1]sChecksum: SHA1: %.40[2]s\n%[1]sChecksum: SHA256: %.64[2]s\n%[1]sChecksum: SHA512: %[2]s\n", of, hex)
	}
	for i := 0; b.Len() < size/2; i++ {
		id := fmt.Sprintf("SPDXRef-File-workspace-src-k8s.io-kubernetes-C95output-v1.27.2-file-%d", i)
		fmt.Fprintf(&b, "FileName: bin/linux/amd64/file-%d\nSPDXID: %s\n%sFileType: BINARY\nLicenseConcluded: Apache-2.0\nLicenseInfoInFile: NOASSERTION\nFileCopyrightText: NOASSERTION\n\n"+
			"Relationship: SPDXRef-DOCUMENT DESCRIBES %s\n\n", i, id, sums("File"), id)
	}
	for i := 0; b.Len() < size; i++ {
		id := fmt.Sprintf("SPDXRef-Package-registry.k8s.io-image-%d-amd64-v1.27.2", i)
		for _, suffix := range []string{"", "-sha256-" + hex[:64]} {
			fmt.Fprintf(&b, "PackageName: image.tar\nSPDXID: %s%s\n%sPackageDownloadLocation: NONE\nFilesAnalyzed: false\nPackageLicenseConcluded: NOASSERTION\n"+
				"PackageFileName: image.tar\nPackageLicenseDeclared: NOASSERTION\nPackageCopyrightText: NOASSERTION\n\n", id, suffix, sums("Package"))
		}
		fmt.Fprintf(&b, "Relationship: %s CONTAINS %s-sha256-%.64s\n\n", id, id, hex)
	}
	if err := os.WriteFile(os.Args[1], b.Bytes(), 0o600); err != nil {
		panic(err)
	}
}
