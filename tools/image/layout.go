package main

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/ko/pkg/build"
)

// refName is the annotation by which tools find an image in a layout (image-spec, annotations.md).
const refName = "org.opencontainers.image.ref.name"

// sbomName turns ko's name of an SBOM, kverify-linux-arm-v7.spdx.json or
// kverify-index.spdx.json, into what follows the release's prefix.
func sbomName(ko string) string {
	middle := strings.TrimSuffix(strings.TrimPrefix(ko, "kverify-"), ".spdx.json")
	if middle == "index" {
		return "_image.spdx.json"
	}
	return "_" + strings.ReplaceAll(strings.Replace(middle, "arm-v7", "armv7", 1), "-", "_") + ".spdx.json"
}

func copySBOMs(from, prefix string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(prefix+sbomName(e.Name()), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeLayout writes an OCI image layout into one file, with the image under its name and
// version and nothing beside it: podman load and docker load take the only one. The release
// workflow attaches the SBOM where it pushes the image.
func writeLayout(file string, result build.Result, is made) error {
	dir, err := os.MkdirTemp("", "kverify-layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	named := layout.WithAnnotations(map[string]string{refName: "kverify:" + is.plain()})
	switch r := result.(type) {
	case v1.ImageIndex:
		err = path.AppendIndex(r, named)
	case v1.Image: // of a single platform
		err = path.AppendImage(r, named)
	default:
		err = fmt.Errorf("ko made neither an image nor an index but %T", result)
	}
	if err != nil {
		return err
	}
	return tarDir(file, dir, is.time)
}

// tarDir packs a directory, in the order of names.
func tarDir(file, dir string, at time.Time) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if e.IsDir() {
			return w.WriteHeader(&tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: at})
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return addFile(w, name, text, at)
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
