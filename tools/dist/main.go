// Command dist puts together what a release consists of: programs, archives, packages,
// the manifests of package managers, and the list of checksums. make dist runs it.
//
// The same commit built by the same Go gives the same bytes, wherever and whenever it
// runs: versions and times are the commit's, as the Go tool wrote them into the programs,
// and orders, owners and modes are fixed.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// defaultPlatforms are those that a release has.
const defaultPlatforms = "linux/amd64,linux/arm64,linux/arm,linux/ppc64le,linux/s390x,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

func main() {
	root := flag.String("C", "../..", "the project's `DIR`")
	out := flag.String("o", "../../dist", "write the release into this `DIR`, which is emptied first")
	platforms := flag.String("platforms", defaultPlatforms, "`LIST` of what to build for")
	docs := flag.String("docs", "", "write completions and man pages alone, into this `DIR`")
	sums := flag.Bool("sums", false, "write the checksums of what is in -o alone, and build nothing")
	flag.Parse()
	err := error(nil)
	switch {
	case *docs != "":
		err = onlyDocs(*root, *docs)
	case *sums:
		err = writeSums(*out)
	default:
		err = release(*root, *out, strings.Split(*platforms, ","))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "dist: %v\n", err)
		os.Exit(1)
	}
}

// onlyDocs writes completions and man pages as of the commit that is checked out.
func onlyDocs(root, dir string) error {
	at, err := commitTime(root)
	if err != nil {
		return err
	}
	tree, err := documents(at)
	if err != nil {
		return err
	}
	return tree.write(dir)
}

// release writes everything but the container image, which tools/image makes.
func release(root, out string, platforms []string) error {
	programs, err := buildAll(root, filepath.Join(out, "bin"), platforms)
	if err != nil {
		return err
	}
	is := programs[0].made
	docs, err := documents(is.time)
	if err != nil {
		return err
	}
	for _, name := range []string{"LICENSE", "README.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		docs[name] = text
	}
	archives := map[string]string{} // by platform, the SHA-256
	for _, p := range programs {
		name := fmt.Sprintf("kverify_%s_%s", is.plain(), p.platform.label())
		if archives[p.platform.String()], err = writeArchive(filepath.Join(out, name), p, docs); err != nil {
			return err
		}
		if p.platform.os != "linux" {
			continue
		}
		if err := writePackages(filepath.Join(out, name), p, docs); err != nil {
			return err
		}
	}
	if err := writeManifests(out, is, archives, docs); err != nil {
		return err
	}
	return writeSums(out)
}
