package verify_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// What files in a directory say of themselves chooses whom to ask, within bounds.
func TestFilesOfManyReleasesCostFewRequests(t *testing.T) {
	w := world.New(world.Options{})
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var list []verify.LocalFile
	for i := range 60 {
		name := fmt.Sprintf("f%d", i)
		text := fmt.Sprintf("v1.%d.0 v1.%d.1 v1.%d.2", 20+i, 20+i, 20+i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, verify.LocalFile{Root: root, Name: name, Shown: fmt.Sprintf("./v1.%d.9/bin/linux/amd64/%s", 20+i, name)})
	}
	genuine := w.File(world.FileURL(version, kubectlPath))
	for i := range 2 {
		name := fmt.Sprintf("kubectl%d", i)
		if err := os.WriteFile(filepath.Join(dir, name), genuine, 0o600); err != nil {
			t.Fatal(err)
		}
		list = append(list, verify.LocalFile{Root: root, Name: name, Shown: "./" + version + "/" + kubectlPath})
	}
	v := overTLS(t, w)
	rep, err := v.LocalFiles(t.Context(), list, release.Version{})
	if err != nil {
		t.Fatal(err)
	}
	limited, verified := 0, 0
	for _, res := range rep.Results {
		if res.Verdict() == report.Verified {
			verified++
		}
		for _, c := range res.Checks {
			if c.Reason == report.Limit && strings.Contains(c.Detail, "--release VERSION") {
				limited++
			}
		}
	}
	if n := len(w.Requests()); n > 400 || limited < 40 || verified < 2 {
		t.Errorf("%d requests, %d files of releases that were not asked, %d verified", n, limited, verified)
	}
}

// Bundles, statements, policies and roots are bounded by what they cost.
func TestTrustDocumentsAreBoundedByTheirCost(t *testing.T) {
	fill := func(one string, bytes int) string { return strings.Repeat(one, bytes/len(one)) }
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		laughs += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	const media = `"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"`
	for name, text := range map[string]string{
		"entries":    `{` + media + `,"verificationMaterial":{"tlogEntries":[` + fill("{},", 15<<20) + `{}]}}`,
		"hashes":     `{` + media + `,"verificationMaterial":{"tlogEntries":[{"inclusionProof":{"hashes":[` + fill(`"",`, 15<<20) + `""]}}]}}`,
		"stamps":     `{` + media + `,"verificationMaterial":{"timestampVerificationData":{"rfc3161Timestamps":[` + fill("{},", 15<<20) + `{}]}}}`,
		"subjects":   `{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":[` + fill("{},", 4<<20) + `{}]}`,
		"predicates": `{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","predicate":[` + fill("[],", 4<<20) + `0]}`,
		"tlogs":      `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[` + fill("{},", 1<<20-200) + `{}]}`,
		"aliases":    laughs,
		"lists":      "[" + fill("[],", 1<<20-8) + "[]]",
		"words":      "[" + fill("a,", 1<<20-8) + "a]",
		"blocks":     fill("- a\n", 1<<20-8),
		"nested":     fill("[", 1<<19) + fill("]", 1<<19-1),
	} {
		body := []byte(text)
		for what, read := range map[string]func() error{
			"bundle":    func() error { _, err := sigstore.ParseBundle(body); return err },
			"statement": func() error { _, err := sigstore.ParseStatement(body[:min(len(body), 4<<20)]); return err }, // no more is read
			"policy":    func() error { _, err := trust.ParsePolicy(body); return err },
			"root":      func() error { _, err := trust.ParseRoot(body); return err },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read()
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 160<<20 || err == nil {
				t.Errorf("%s as %s: %d MiB for %d KiB: %.120v", name, what, got>>20, len(body)>>10, err)
			}
		}
	}
}
