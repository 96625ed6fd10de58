package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// The signed SBOM takes from a promotion record what affirms, and not what contradicts:
// an image that both deny is none of this version, though no other image shows how the
// SBOM records its layers.
func TestSBOMAndRecordDeny(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	atCommit := world.PromotionAtCommit(kubernetesProject)
	w.PutFile(atCommit, bytes.ReplaceAll(w.File(atCommit), []byte(w.Digest(modernProxy)), []byte("sha256:"+strings.Repeat("0", 64))))
	w.Status(world.PromotionURL(kubernetesProject), 404)
	for _, arch := range w.Arches(modern) {
		changed := replaceIn(w.File(world.SBOMURL(modern)), "kube-proxy-"+arch+"-"+modern+"-sha256-", "PackageChecksum: SHA256: ",
			"PackageChecksum: SHA256: "+strings.Repeat("0", 64)+"\nPackageComment: ")
		w.PutDocument(world.FileURL(modern, "kubernetes-release.spdx"), changed)
	}
	w.SignFile(world.SBOMURL(modern), world.Signing{})
	v := verifier(t, w)
	v.Require = []string{report.Promotion}
	rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: modern}})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{modernProxy, modernProxy + " linux/arm64"} {
		if c := checkOf(t, rep, subject, report.Binding); c.Verdict != refuted || !strings.Contains(c.Detail, "its promotion record names") {
			t.Errorf("%s: %s: %s", subject, c.Verdict, c.Detail)
		}
	}
}
