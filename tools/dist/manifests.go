package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed kverify.krew.yaml.tmpl kverify.rb.tmpl
var templates embed.FS

// downloads is where a release's files lie, below its version.
const downloads = "https://github.com/kverify/kverify/releases/download/"

// asset is an archive as package managers ask for it.
type asset struct {
	OS, Arch, URL, SHA256, Bin string
	Homebrew                   string // the processor as Homebrew calls it
	Krew                       bool   // krew's index takes no others (its cmd/validate-krew-manifest, allPlatforms)
}

// writeManifests writes what krew and Homebrew take: a plugin (kubectl kverify), and a
// cask. Each names the archives by their digests.
func writeManifests(out string, is made, archives map[string]string, docs tree) error {
	release := struct {
		Version, Plain string
		Assets         []asset
		Pages          []string // of the manual
	}{Version: is.version, Plain: is.plain()}
	for _, name := range docs.names() {
		if strings.HasPrefix(name, "man/") {
			release.Pages = append(release.Pages, name)
		}
	}
	for name := range strings.SplitSeq(defaultPlatforms, ",") {
		sum, built := archives[name]
		if !built {
			continue
		}
		goos, arch, _ := strings.Cut(name, "/")
		p := platform{goos, arch}
		suffix := ".tar.gz"
		if goos == "windows" {
			suffix = ".zip"
		}
		a := asset{OS: goos, Arch: arch, Bin: p.program(), SHA256: sum, URL: fmt.Sprintf("%s%s/kverify_%s_%s%s", downloads, is.version, is.plain(), p.label(), suffix)}
		a.Homebrew = map[string]string{"amd64": "intel", "arm64": "arm"}[arch]
		a.Krew = arch == "amd64" || arch == "arm64" || arch == "arm"
		release.Assets = append(release.Assets, a)
	}
	all, err := template.ParseFS(templates, "*.tmpl")
	if err != nil {
		return err
	}
	for _, t := range all.Templates() {
		var b bytes.Buffer
		if err := t.Execute(&b, release); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, strings.TrimSuffix(t.Name(), ".tmpl")), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
