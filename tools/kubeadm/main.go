// Command kubeadm writes pkg/release/kubeadm.txt: which pause, etcd and CoreDNS
// the kubeadm of each version asks for.
//
//	go run ./tools/kubeadm --from FILE.json --source WORDS
//
// FILE.json is {"v1.27.2": {"pause": "3.9", "etcd": "3.5.7-0", "coredns/coredns":
// "v1.10.1"}, ...}, extracted from a table that others keep; WORDS name it,
// with its commit and licence. The same input gives the same bytes.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/kverify/kverify/pkg/release"
)

// source names the table that the one in the tree was made of.
const source = "kubernetes/minikube @eb25dbc70370, pkg/minikube/constants/constants_kubeadm_images.go, Apache-2.0; facts only"

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "kubeadm:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(args []string, say io.Writer) error {
	flags := flag.NewFlagSet("kubeadm", flag.ContinueOnError)
	flags.SetOutput(say)
	from := flags.String("from", "", "read the table from this `FILE`")
	words := flags.String("source", source, "name its source in these `WORDS`")
	out := flags.String("o", "pkg/release/kubeadm.txt", "write to this `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *from == "" {
		return errors.New("give --from FILE")
	}
	data, err := os.ReadFile(*from)
	if err != nil {
		return err
	}
	text, n, err := generate(data, *words)
	if err != nil {
		return fmt.Errorf("%s: %w", *from, err)
	}
	fmt.Fprintf(say, "%d versions\n", n)
	return os.WriteFile(*out, text, 0o644) //nolint:gosec // a source file, for everybody to read
}

// generate makes the table's text, and says of how many versions.
func generate(data []byte, source string) (text []byte, versions int, err error) {
	var raw map[release.Version]map[string]string
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, 0, err
	}
	t, err := release.NewKubeadmTable(source, raw)
	if err != nil {
		return nil, 0, err
	}
	return t.Text(), len(raw), nil
}
