package main

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

// installed says where a package puts a document.
func installed(name string) string {
	base := path.Base(name)
	switch {
	case strings.HasPrefix(name, "man/"):
		return "/usr/share/" + name
	case base == "kverify.bash":
		return "/usr/share/bash-completion/completions/kverify"
	case base == "_kverify":
		return "/usr/share/zsh/site-functions/_kverify"
	case base == "kverify.fish":
		return "/usr/share/fish/vendor_completions.d/kverify.fish"
	case base == "LICENSE", base == "README.md":
		return "/usr/share/doc/kverify/" + base
	}
	return "" // PowerShell's has no place on Linux
}

// writePackages writes name.deb and name.rpm. They have no scripts and need nothing:
// the program is static. ca-certificates is recommended, for the network.
func writePackages(name string, p program, docs tree) error {
	dir, err := os.MkdirTemp("", "kverify-pkg-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := docs.write(dir); err != nil {
		return err
	}
	info := func(mode os.FileMode) *files.ContentFileInfo {
		return &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: p.made.time}
	}
	contents := files.Contents{{Source: p.path, Destination: "/usr/bin/kverify", FileInfo: info(0o755)}}
	for _, n := range docs.names() {
		if to := installed(n); to != "" {
			contents = append(contents, &files.Content{Source: dir + "/" + n, Destination: to, FileInfo: info(0o644)})
		}
	}
	for _, format := range []string{"deb", "rpm"} {
		if err := writePackage(name+"."+format, format, p, contents); err != nil {
			return fmt.Errorf("%s.%s: %w", name, format, err)
		}
	}
	return nil
}

func writePackage(file, format string, p program, contents files.Contents) error {
	arch := p.platform.arch
	if arch == "arm" {
		arch = "arm7"
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "kverify", Arch: arch, Platform: "linux", Version: p.made.version, Section: "admin", Priority: "optional",
		Maintainer: "The kverify authors <kverify@users.noreply.github.com>", Vendor: "The kverify authors",
		Description: "One verdict for one Kubernetes version\nkverify proves that the images and files of a Kubernetes release\nare the ones that Kubernetes released.",
		Homepage:    "https://github.com/kverify/kverify", License: "Apache-2.0", MTime: p.made.time,
		Overridables: nfpm.Overridables{
			Contents: contents, Umask: 0o022, Recommends: []string{"ca-certificates"},
			RPM: nfpm.RPM{BuildHost: "localhost", Summary: "One verdict for one Kubernetes version"},
		},
	})
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := packager.Package(info, f); err != nil {
		return err
	}
	return f.Close()
}
