package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kverify/kverify/internal/cli"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// tree is files by their slashed path.
type tree map[string][]byte

func (t tree) names() []string { return slices.Sorted(maps.Keys(t)) }

func (t tree) write(dir string) error {
	for name, text := range t {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// documents are the completions of four shells and a man page a command, made from
// the commands themselves.
func documents(at time.Time) (tree, error) {
	t := tree{}
	root := cli.Commands()
	root.DisableAutoGenTag = true
	for file, shell := range map[string]func(*bytes.Buffer) error{
		"kverify.bash": func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"kverify.fish": func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
		"kverify.ps1":  func(b *bytes.Buffer) error { return root.GenPowerShellCompletionWithDesc(b) },
		"_kverify":     func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
	} {
		var b bytes.Buffer
		if err := shell(&b); err != nil {
			return nil, err
		}
		t["completions/"+file] = b.Bytes()
	}
	return t, manPages(t, root, at)
}

func manPages(t tree, c *cobra.Command, at time.Time) error {
	dir, err := os.MkdirTemp("", "kverify-man-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	header := &doc.GenManHeader{Section: "1", Date: &at, Source: "kverify", Manual: "kverify"}
	if err := doc.GenManTree(c, header, dir); err != nil {
		return err
	}
	pages, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, page := range pages {
		if t["man/man1/"+page.Name()], err = os.ReadFile(filepath.Join(dir, page.Name())); err != nil {
			return err
		}
	}
	return nil
}
