package verify_test

import (
	"context"
	"fmt"
	"os"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

var ctx = context.Background()

// sampleVerifier reads the sample, a mirror of an invented v1.27.2. A live run has
//
//	verify.New(fetch.NewLive(fetch.LiveOptions{UserAgent: "my-tool/1.0"}))
func sampleVerifier() *verify.Verifier {
	dir, err := mirror.Open("../../testdata/sample/mirror")
	if err != nil {
		panic(err)
	}
	v := dir.Verifier()
	if v.Root, err = trust.LoadRoot("../../testdata/sample/trusted_root.json"); err != nil {
		panic(err)
	}
	return v
}

// A whole release: its images, its SBOM, and what is said of every file.
func ExampleVerifier_Release() {
	v := sampleVerifier()
	version, _ := release.ParseVersion("v1.27.2")
	r, err := v.Release(ctx, verify.Request{Versions: []release.Version{version}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Verdict(), r.Count(report.Refuted), r.Count(report.Unknown))
	// Output: verified 0 0
}

// An image by its name.
func ExampleVerifier_References() {
	v := sampleVerifier()
	ref, _ := registry.ParseRef("registry.k8s.io/kube-proxy:v1.27.2")
	r, err := v.References(ctx, []registry.Ref{ref})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Verdict())
	// Output: verified
}

// A file of a release, which gets its name only once it is proved.
func ExampleFiles_Download() {
	v := sampleVerifier()
	version, _ := release.ParseVersion("v1.27.2")
	path, _ := release.ProgramPath("kubectl", "linux", "amd64")
	files, err := v.Files(version)
	if err != nil {
		fmt.Println(err)
		return
	}
	name, _ := os.MkdirTemp("", "bin")
	defer os.RemoveAll(name)
	dir, _ := os.OpenRoot(name)
	res := files.Download(ctx, dir, verify.Target{Path: path, Name: "kubectl", Mode: 0o755})
	fmt.Println(res.Verdict())
	// Output: verified
}

// The SBOM of a release, with what is known of its signature.
func ExampleVerifier_SBOM() {
	v := sampleVerifier()
	version, _ := release.ParseVersion("v1.27.2")
	s, err := v.SBOM(ctx, version)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Verdict(), release.SBOMImageNames(s.Document)[0])
	// Output: verified registry.k8s.io/conformance-amd64:v1.27.2
}
