package sight_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/sight"
)

// What kubectl says of a pod, and what its image is called at Kubernetes' own registry.
func ExampleList() {
	list := sight.NewList("-", strings.NewReader(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns-1", "namespace": "kube-system"},
		"spec": {"containers": [{"name": "dns", "image": "harbor.corp/k8s/coredns:v1.11.1"}]},
		"status": {"containerStatuses": [{"name": "dns", "imageID": "harbor.corp/k8s/coredns@sha256:`+strings.Repeat("5", 64)+`"}]}}`))

	as, err := sight.ParseMapping("registry.k8s.io", "harbor.corp/k8s=registry.k8s.io")
	if err != nil {
		fmt.Println(err)
		return
	}
	names := sight.Names{Registry: "registry.k8s.io", Inventory: []string{"kube-proxy", "coredns/coredns"}, Map: as}
	for s, err := range list.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		kind, ref := names.Classify(s.Name)
		fmt.Println(s.Place)
		fmt.Println(s.Name, s.Digest[:14])
		fmt.Println(kind, ref)
	}
	// Output:
	// -: pod kube-system/dns-1 container dns
	// harbor.corp/k8s/coredns:v1.11.1 sha256:5555555
	// ours registry.k8s.io/coredns/coredns:v1.11.1
}
