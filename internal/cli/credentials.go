package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kverify/kverify/pkg/registry"
)

// keychain has the credentials of registries, in the order of "help
// environment": what is named by a variable comes before what lies in a home. Files are read
// while ctx lasts.
func (a *app) keychain(ctx context.Context) *registry.AuthFiles {
	home, _ := os.UserHomeDir() // kverify works without one
	var files []registry.AuthFile
	add := func(name string, paths ...string) {
		_, _, named := strings.Cut(name, "=")
		files = append(files, registry.AuthFile{Name: name, Named: named, Read: func() ([]byte, error) { return firstFile(ctx, paths, registry.MaxAuthFile) }})
	}
	if text := a.getenv("DOCKER_AUTH_CONFIG"); text != "" {
		files = append(files, registry.AuthFile{Name: "DOCKER_AUTH_CONFIG", Read: func() ([]byte, error) { return []byte(text), nil }})
	}
	if dir := a.getenv("DOCKER_CONFIG"); dir != "" {
		add("DOCKER_CONFIG="+dir, filepath.Join(dir, "config.json"), filepath.Join(dir, ".dockerconfigjson"), dir)
	}
	if file := a.getenv("REGISTRY_AUTH_FILE"); file != "" {
		add("REGISTRY_AUTH_FILE="+file, file)
	}
	if a.getenv("DOCKER_CONFIG") == "" && home != "" {
		dir := filepath.Join(home, ".docker")
		add(filepath.Join(dir, "config.json"), filepath.Join(dir, "config.json"), filepath.Join(dir, ".dockerconfigjson"))
	}
	if dir := a.getenv("XDG_RUNTIME_DIR"); dir != "" {
		file := filepath.Join(dir, "containers", "auth.json")
		add(file, file)
	}
	config := a.getenv("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		file := filepath.Join(config, "containers", "auth.json")
		add(file, file)
	}
	return &registry.AuthFiles{Files: files}
}

// firstFile reads the first of several files that is there.
func firstFile(ctx context.Context, paths []string, limit int64) ([]byte, error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir(), errors.Is(err, syscall.ENOTDIR),
			err == nil && info.Size() == 0 && info.Mode()&fs.ModeNamedPipe == 0: // empty, or /dev/null
			continue
		case err != nil:
			return nil, plainError(err)
		}
		text, err := readFile(ctx, path, limit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, plainError(err))
		}
		return text, nil
	}
	return nil, fs.ErrNotExist
}

// withoutSecrets hides what may be a user and a password, or a token, in words
// that were meant as an address. It takes anything, URL or not: a password may
// have any character in it, and be cut by the comma of a list.
func withoutSecrets(s string) string {
	const hidden = "xxxxx"
	begin := 0 // of what is not HOST= or a scheme
	if i := strings.Index(s, "://"); i >= 0 && !strings.ContainsAny(s[:i], ":@/") {
		begin = i + len("://")
	} else if i := strings.IndexByte(s, '='); i >= 0 && !strings.ContainsAny(s[:i], ":@/") {
		begin = i + 1
	}
	head, rest := s[:begin], s[begin:]
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		head, rest = head+hidden+"@", rest[at+1:]
	}
	authority, _, _ := strings.Cut(rest, "/")
	if _, port, ok := strings.Cut(authority, ":"); ok && !strings.HasPrefix(authority, "[") && strings.Trim(port, "0123456789") != "" {
		return head + hidden // USER:PASSWORD, cut off
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		return head + rest[:i+1] + hidden
	}
	return head + rest
}

// passwordHint says where credentials go instead.
func passwordHint(s string) string {
	if !strings.Contains(s, "@") {
		return ""
	}
	return "; credentials are read from files (kverify help environment)"
}
