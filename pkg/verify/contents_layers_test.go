package verify

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sbom"
	"github.com/kverify/kverify/pkg/trust"
)

// tarFiles is an archive of plain files that all have one body.
func tarFiles(body []byte, names ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(body))})
		_, _ = w.Write(body)
	}
	_ = w.Close()
	return b.Bytes()
}

// Rule 10: a program is what the signed SBOM says of its path by both hashes, and every program that
// the policy knows in the image is looked at. What is said rests on what was found and what was claimed.
func TestWhatIsFoundInside(t *testing.T) {
	const program, second = "usr/local/bin/kube-proxy", "usr/local/bin/other"
	body := []byte("a program")
	sum256, sum512 := sha256.Sum256(body), sha512.Sum512(body)
	good := sbom.Checksums{SHA256: hex.EncodeToString(sum256[:]), SHA512: hex.EncodeToString(sum512[:])}
	wrong256, wrong512 := good, good
	wrong256.SHA256, wrong512.SHA512 = strings.Repeat("0", 64), strings.Repeat("0", 128)
	path := func(name string) string { return "bin/linux/arm64/" + name }
	entry := func(name string, sums sbom.Checksums) sbom.File { return sbom.File{Name: path(name), Checksums: sums} }
	for _, tt := range []struct {
		name     string
		programs map[string]string
		files    []sbom.File
		layer    []byte
		unsigned bool
		want     string
		evidence int
	}{
		{"as it is", nil, []sbom.File{entry("kube-proxy", good)}, tarFiles(body, program), false, "verified: /" + program + " is bin/linux/arm64/kube-proxy of v1.27.2", 2},
		{"another sha256", nil, []sbom.File{entry("kube-proxy", wrong256)}, tarFiles(body, program), false, "refuted mismatch: ", 2},
		{"another sha512", nil, []sbom.File{entry("kube-proxy", wrong512)}, tarFiles(body, program), false, "refuted mismatch: ", 2},
		{"another sha512, nobody signed it", nil, []sbom.File{entry("kube-proxy", wrong512)}, tarFiles(body, program), true, "refuted mismatch: ", 2},
		{"that the SBOM does not list", nil, []sbom.File{entry("kubectl", good)}, tarFiles(body, program), false, "unknown noClaim: ", 0},
		{"that the SBOM lists twice, differently", nil, []sbom.File{entry("kube-proxy", good), entry("kube-proxy", wrong256)}, tarFiles(body, program), false, "unknown noClaim: ", 0},
		{"by an SBOM that nobody signed", nil, []sbom.File{entry("kube-proxy", good)}, tarFiles(body, program), true, "unknown noClaim: /" + program + " is bin/linux/arm64/kube-proxy of v1.27.2 by an SBOM whose signature does not hold", 2},
		{"that is not there", nil, []sbom.File{entry("kube-proxy", good)}, tarFiles(body, "x"), false, "unknown incomplete: there is no /" + program, 0},
		{"two, both right", map[string]string{"/" + program: "kube-proxy", "/" + second: "other"}, []sbom.File{entry("kube-proxy", good), entry("other", good)}, tarFiles(body, program, second), false,
			"verified: /" + program + " is bin/linux/arm64/kube-proxy of v1.27.2; /" + second + " is bin/linux/arm64/other of v1.27.2", 4},
		{"two, the second another", map[string]string{"/" + program: "kube-proxy", "/" + second: "other"}, []sbom.File{entry("kube-proxy", good), entry("other", wrong512)}, tarFiles(body, program, second), false,
			"refuted mismatch: /" + second, 4},
	} {
		s := newShelf()
		layer := registry.Descriptor{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: s.blob("kube-proxy", tt.layer), Size: int64(len(tt.layer))}
		b := &imageSet{run: s.reads(t), docs: sbomOf("kube-proxy-arm64", hashOf("a"))}
		b.docs.Release.SBOM.Value.Files, b.docs.SBOM.Signed = tt.files, !tt.unsigned
		if tt.programs != nil {
			p := *trust.EmbeddedPolicy()
			p.Contents = map[string]map[string]string{"kube-proxy": tt.programs}
			b.run.session.Policy = &p
		}
		im := &image{name: "kube-proxy", tag: "v1.27.2", version: versionNamed(t, "v1.27.2")}
		p := &platform{name: "linux/arm64", arch: "arm64", desc: registry.Descriptor{Digest: hashOf("1")}, blobs: []registry.Descriptor{layer}, diffIDs: []oci.Digest{layer.Digest}, repository: "kube-proxy"}
		c := b.inside(t.Context(), im, p)
		if got, e := said(c), c.Evidence.All(); !strings.HasPrefix(got, tt.want) || len(e) != tt.evidence {
			t.Errorf("%s: %s, by %+v", tt.name, got, e)
		}
		for _, e := range c.Evidence.All() {
			if signed := e.Strength != nil && *e.Strength == report.Signed; e.What == "claim" && signed == tt.unsigned {
				t.Errorf("%s: %+v", tt.name, e)
			}
		}
	}
}
