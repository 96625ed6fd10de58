package verify_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// Of an image's platforms the contradiction is told over the lack, whichever comes first.
func TestContentsOfTheWorstPlatform(t *testing.T) {
	built := world.New(world.Options{Versions: []string{withKubectl}})
	evil := world.Layer{Tar: tarOf(inImage, []byte("#!/bin/sh\necho evil\n"))}
	empty := world.Layer{Tar: tarOf("etc/nothing", []byte("x"))}
	for _, arches := range [][2]string{{"amd64", "arm64"}, {"arm64", "amd64"}} {
		w := built.Clone()
		w.SetLayers(withKubectl, "kube-scheduler", arches[0], evil)
		w.SetLayers(withKubectl, "kube-scheduler", arches[1], empty)
		rep := contentsOf(t, w, "kube-scheduler")
		if c := checkOf(t, rep, "kube-scheduler:"+withKubectl+" linux/"+arches[1], report.Contents); c.Verdict != unknown {
			t.Errorf("%s: %s: %s", arches[1], c.Verdict, c.Detail)
		}
		if c := checkOf(t, rep, "kube-scheduler:"+withKubectl, report.Contents); c.Verdict != refuted || !strings.HasPrefix(c.Detail, "linux/"+arches[0]) {
			t.Errorf("of all: %s: %s", c.Verdict, c.Detail)
		}
	}
}

// A platform that a list names and the index does not is a lack, not a contradiction:
// a document may be wrong.
func TestPlatformThatOnlyAListNames(t *testing.T) {
	w := world.New(world.Options{})
	url := world.ChangelogURL(version)
	const row = version + "](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/kube-proxy) | "
	text := string(w.File(url))
	if !strings.Contains(text, row) {
		t.Fatalf("no row of kube-proxy in\n%s", text)
	}
	w.PutFile(url, []byte(strings.ReplaceAll(text, row, row+"[riscv64](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/kube-proxy-riscv64), ")))
	rep := images(t, w, version)
	if c := checkOf(t, rep, proxy+" linux/riscv64", report.Digest); c.Verdict != unknown || c.Reason != report.Incomplete || !strings.Contains(c.Detail, "does not name linux/riscv64") {
		t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
	}
	if rep.Verdict() != unknown {
		t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
	}
	for _, res := range rep.Results {
		if res.Platform == "linux/arm64" && res.Verdict() != report.Verified {
			t.Errorf("%s %s: %s", res.Subject, res.Platform, res.Verdict())
		}
	}
}

// A digest alone that is an index of the release is that, though the promotion manifest
// gives the name of an architecture to the same digest too.
func TestDigestThatIsIndexAndPlatform(t *testing.T) {
	w := world.New(world.Options{})
	url := world.PromotionURL(kubernetesProject)
	text := string(w.File(url))
	index, child := w.Digest(proxy), w.Digest("kube-proxy-amd64:"+version)
	if !strings.Contains(text, child) {
		t.Fatalf("the promotion manifest has no %s", child)
	}
	w.PutFile(url, []byte(strings.ReplaceAll(text, child, index)))
	rep, err := verifier(t, w).References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(index)}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, res := range rep.Results {
		if res.Kind == report.KindImage && res.Platform != "" {
			n++
		}
		if c, ok := res.Check(report.Digest); ok && res.Platform == "" && c.Verdict != report.Verified {
			t.Errorf("%s: %s: %s", res.Subject, c.Verdict, c.Detail)
		}
	}
	if n != len(w.Arches(version)) {
		t.Errorf("%d platforms of the index are told, want all %d", n, len(w.Arches(version)))
	}
}

// A digest that is of no manifest, and of a blob that is no config, is not there, and
// no image id.
func TestDigestOfAnyBlob(t *testing.T) {
	w := world.New(world.Options{})
	digest := w.PutBlob([]byte("not a config"))
	rep, err := verifier(t, w).References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(digest)}})
	if err != nil {
		t.Fatal(err)
	}
	res := rep.Results[len(rep.Results)-1]
	if c, _ := res.Check(report.Digest); c.Verdict != unknown || c.Reason != report.Absent || strings.Contains(c.Detail, "image id") {
		t.Errorf("%s %s: %s", c.Verdict, c.Reason, c.Detail)
	}
}
