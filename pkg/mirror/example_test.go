package mirror_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/trust"
)

// A mirror takes the place of the network: no request leaves the machine.
func Example() {
	dir, _ := os.MkdirTemp("", "mirror")
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "files", "dl.k8s.io", "release", "stable-1.27.txt")
	_ = os.MkdirAll(filepath.Dir(file), 0o755)
	_ = os.WriteFile(file, []byte("v1.27.2"), 0o644)

	d, err := mirror.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	client := http.Client{Transport: d}
	resp, err := client.Get("https://dl.k8s.io/release/stable-1.27.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(body))
	// Output: 200 OK v1.27.2
}

// A whole mirror, judged again from its bytes, offline.
func ExampleMirror_Verify() {
	dir, err := mirror.Open("../../testdata/sample/mirror")
	if err != nil {
		fmt.Println(err)
		return
	}
	v := dir.Verifier()
	v.Root, _ = trust.LoadRoot("../../testdata/sample/trusted_root.json")
	r, err := dir.Verify(context.Background(), v)
	fmt.Println(r.Verdict(), err)
	// Output: verified <nil>
}
