package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// source is a package that mutants are made of: its files as they stand in the tree.
type source struct {
	path   string // its import path
	dir    string
	module string // path of the module
	root   string // directory of the module
	fset   *token.FileSet
	files  []*ast.File
	names  []string // absolute, one per file
	texts  [][]byte // one per file
	types  *types.Package
	info   *types.Info
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export, Name string
	GoFiles                       []string
	Module                        *struct{ Path, Dir string }
}

// list asks the go command about packages; -export has it compile what they import.
func list(ctx context.Context, args ...string) ([]listed, error) {
	out, err := output(ctx, "go", append([]string{"list", "-json=ImportPath,Dir,Export,Name,GoFiles,Module"}, args...)...)
	if err != nil {
		return nil, err
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, p)
	}
}

// output is what a command prints; its complaints are in the error.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &said)
	}
	return out, nil
}

// load parses and type-checks one package.
func load(ctx context.Context, pattern string) (*source, error) {
	all, err := list(ctx, "-export", "-deps", pattern)
	if err != nil {
		return nil, err
	}
	p := all[len(all)-1] // what was named comes after what it imports
	if p.Module == nil {
		return nil, fmt.Errorf("%s is of no module: name a package of this one", pattern)
	}
	s := &source{path: p.ImportPath, dir: p.Dir, module: p.Module.Path, root: p.Module.Dir, fset: token.NewFileSet()}
	for _, name := range p.GoFiles {
		name = filepath.Join(p.Dir, name)
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(s.fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.names, s.texts, s.files = append(s.names, name), append(s.texts, text), append(s.files, f)
	}
	exports := map[string]string{}
	for _, one := range all {
		exports[one.ImportPath] = one.Export
	}
	config := types.Config{Importer: importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	s.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	s.types, err = config.Check(p.ImportPath, s.fset, s.files, s.info)
	return s, err
}

// rel is a file's path within the module.
func (s *source) rel(name string) string {
	rel, err := filepath.Rel(s.root, name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}

// sum tells one text from another.
func sum(text []byte) string {
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:8])
}
