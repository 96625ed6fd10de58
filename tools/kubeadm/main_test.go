package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/kverify/kverify/pkg/release"
)

// The table in the tree is what the generator makes of its source, 458 versions.
func TestTableIsGenerated(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "realdata", "kubeadm", "minikube-kubeadm-images.json"))
	if os.IsNotExist(err) {
		t.Skip("no real data of kubeadm's images")
	}
	if err != nil {
		t.Fatal(err)
	}
	got, n, err := generate(data, source)
	if err != nil || n != 458 {
		t.Fatalf("%d versions, %v", n, err)
	}
	want, err := os.ReadFile(filepath.Join("..", "..", "pkg", "release", "kubeadm.txt"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("pkg/release/kubeadm.txt is another: %v; run go run ./tools/kubeadm --from FILE", err)
	}
}

func TestGenerate(t *testing.T) {
	text, _, err := generate([]byte(`{"v1.20.0":{"pause":"3.2","etcd":"3.4.13-0","coredns":"1.7.0"},"v1.21.1":{"pause":"3.4.1","etcd":"3.4.13-0","coredns/coredns":"v1.8.0"},
		"v1.21.0":{"pause":"3.4.1","etcd":"3.4.13-0","coredns/coredns":"v1.8.0"},"v1.21.0-rc.0":{"pause":"3.4.1","etcd":"3.4.13-0","coredns/coredns":"v1.8.0"}}`), "a test")
	if err != nil {
		t.Fatal(err)
	}
	const want = "# Images that kubeadm asks for beside those of its release; written by tools/kubeadm.\n# source: a test\n" +
		"1.20 pause=3.2 etcd=3.4.13-0 coredns=1.7.0: 0\n1.21 pause=3.4.1 etcd=3.4.13-0 coredns/coredns=v1.8.0: 0-rc.0 0 1\n"
	if string(text) != want {
		t.Errorf("%s", text)
	}
	table, err := release.ParseKubeadmTable(text)
	if err != nil || !bytes.Equal(table.Text(), text) {
		t.Errorf("it does not read back: %v", err)
	}
	for name, bad := range map[string]string{
		"no CoreDNS": `{"v1.20.0":{"pause":"3.2","etcd":"3.4.13-0"}}`, "two": `{"v1.20.0":{"pause":"3.2","etcd":"3.4.13-0","coredns":"1","coredns/coredns":"1"}}`,
		"no version": `{"newest":{}}`, "no tag": `{"v1.20.0":{"pause":"3 2","etcd":"3.4.13-0","coredns":"1.7.0"}}`, "no JSON": `-`,
	} {
		if _, _, err := generate([]byte(bad), "a test"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
