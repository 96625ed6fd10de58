package packages_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/kverify/kverify/pkg/sight/packages"
)

// What a package says of itself, and the program in it.
func ExampleRead() {
	deb := debOf(".xz", control, kubeletParts()...) // or an *os.File
	p, err := packages.Read(context.Background(), bytes.NewReader(deb), packages.Request{Programs: []string{"kubeadm", "kubectl", "kubelet"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Format, p.Name, p.Version, p.Arch)
	for _, f := range p.Files {
		fmt.Println(f.Path, f.Size, f.SHA256[:12])
	}
	fmt.Println("and", p.Others, "others")
	// Output:
	// deb kubelet 1.30.1-1.1 arm64
	// usr/bin/kubelet 14 56893a714c6a
	// and 3 others
}
