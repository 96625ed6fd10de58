// Command kverify gives one verdict for one Kubernetes version: it proves that
// images are the ones that Kubernetes released.
//
//	kverify images v1.27.2
//	kverify help
package main

import (
	"os"

	"github.com/kverify/kverify/internal/cli"
)

func main() { os.Exit(cli.Main()) }
