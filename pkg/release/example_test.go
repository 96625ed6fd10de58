package release_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
)

func Example() {
	// An exact version costs no request: this Transport has no network.
	client := &fetch.Client{Transport: http.NewFileTransportFS(nil)}
	v, err := release.Resolve(context.Background(), client, "v1.27.2")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v, v.MinorString())
	fmt.Println(v.SBOMURL())
	fmt.Println(v.FileURL("bin/linux/arm64/kubectl"))
	// Output:
	// v1.27.2 1.27
	// https://sbom.k8s.io/v1.27.2/release
	// https://dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl
}

func ExampleLoad() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := &fetch.Client{Transport: http.NewFileTransportFS(nil)} // a live one, or a mirror
	v, _ := release.ParseVersion("v1.27.2")
	r := release.Load(ctx, client, v, release.Options{Want: []release.Document{release.DocChangelog}})
	if r.Changelog.Err != nil {
		return // says what was asked of whom, and what came
	}
	for _, claim := range r.Claims() {
		fmt.Println(claim.Subject, claim.Digest, claim.Document)
	}
}
