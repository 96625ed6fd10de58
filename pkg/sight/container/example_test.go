package container_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/pkg/sight/container"
)

// What an archive holds, as each of its lists calls it. Nothing of it is proved.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "images")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "images.tar") // such as `docker save registry.k8s.io/kube-proxy:v1.30.1` writes
	archive := oldDocker(called{newImage("kube-proxy", "amd64"), "registry.k8s.io/kube-proxy:v1.30.1"}).tar()
	if err := os.WriteFile(name, archive, 0o600); err != nil {
		fmt.Println(err)
		return
	}
	box, err := container.Open(ctx, name)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	for _, c := range box.Copies() {
		fmt.Println(c.List, c.Names)
		for i, l := range c.Root.Layers {
			content, err := l.Read(ctx)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("  layer", i, content.Size, "bytes", content.Unpacked[:19])
		}
	}
	// Output:
	// manifest.json [registry.k8s.io/kube-proxy:v1.30.1]
	//   layer 0 451584 bytes sha256:c872ca57eac5
	//   layer 1 1024 bytes sha256:5f70bf18a086
	//   layer 2 1024 bytes sha256:5f70bf18a086
	//   layer 3 1051648 bytes sha256:2378270ff96f
	// repositories [registry.k8s.io/kube-proxy:v1.30.1]
	//   layer 0 451584 bytes sha256:c872ca57eac5
	//   layer 1 1024 bytes sha256:5f70bf18a086
	//   layer 2 1024 bytes sha256:5f70bf18a086
	//   layer 3 1051648 bytes sha256:2378270ff96f
}
