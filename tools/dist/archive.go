package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeArchive writes a program with its documents as name.tar.gz, or name.zip for
// Windows, and returns its SHA-256 in hex.
func writeArchive(name string, p program, docs tree) (string, error) {
	text, err := os.ReadFile(p.path)
	if err != nil {
		return "", err
	}
	all := tree{p.platform.program(): text}
	for n, t := range docs {
		all[n] = t
	}
	var b bytes.Buffer
	if p.platform.os == "windows" {
		name += ".zip"
		err = zipped(&b, all, p)
	} else {
		name += ".tar.gz"
		err = tarred(&b, all, p)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:]), os.WriteFile(name, b.Bytes(), 0o644)
}

func mode(name string, p program) fs.FileMode {
	if name == p.platform.program() {
		return 0o755
	}
	return 0o644
}

func tarred(b *bytes.Buffer, all tree, p program) error {
	z, err := gzip.NewWriterLevel(b, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	for _, name := range all.names() {
		h := &tar.Header{Name: name, Mode: int64(mode(name, p)), Size: int64(len(all[name])), ModTime: p.made.time, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(all[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}

func zipped(b *bytes.Buffer, all tree, p program) error {
	w := zip.NewWriter(b)
	for _, name := range all.names() {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: p.made.time}
		h.SetMode(mode(name, p))
		f, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(all[name]); err != nil {
			return err
		}
	}
	return w.Close()
}

// sumsName lists the SHA-256 of every file beside it, as sha256sum writes and checks it.
const sumsName = "SHA256SUMS"

func writeSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		if e.IsDir() || e.Name() == sumsName || strings.HasSuffix(e.Name(), ".sigstore.json") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(text), e.Name()))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(dir, sumsName), []byte(strings.Join(lines, "")), 0o644)
}
