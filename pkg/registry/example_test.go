package registry_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
)

// An image is resolved by its tag once; from there on only digests count. Here
// a registry in memory stands in for registry.k8s.io.
func ExampleClient_Manifest() {
	server := httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	c := &registry.Client{
		Fetch:     &fetch.Client{Transport: fetch.NewTransport(fetch.Options{})},
		Endpoints: map[string]string{"registry.k8s.io": server.URL},
	}
	ref, err := registry.ParseRef("registry.k8s.io/kube-proxy:v9.9.9")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Manifest(context.Background(), ref)
	fmt.Println(fetch.Is(err, fetch.NotFound))

	_, err = registry.ParseRef("kube-proxy:v1.27.2")
	fmt.Println(err)
	// Output:
	// true
	// image "kube-proxy:v1.27.2": it names no registry; did you mean "registry.k8s.io/kube-proxy:v1.27.2"?
}

func ExampleParseManifest() {
	index, _, err := registry.ParseManifest(registry.OCIIndex, []byte(`{"schemaVersion": 2, "manifests": [{
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 501,
		"digest": "sha256:`+strings.Repeat("7c38", 16)+`",
		"platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}]}`))
	fmt.Println(index.Manifests[0].Platform, err)

	_, _, err = registry.ParseManifest(registry.OCIIndex, []byte(`{"schemaVersion": 2, "manifests": [], "Manifests": []}`))
	fmt.Println(err)
	// Output:
	// linux/arm/v7 <nil>
	// document: not usable: the JSON key "Manifests" appears twice in one object; see what the registry or a proxy before it serves
}
