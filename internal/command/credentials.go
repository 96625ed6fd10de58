package command

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
)

// Keychain has the credentials of registries, in the order of "help
// environment": what is named by a variable comes before what lies in a home. Files are read
// while ctx lasts.
func (a *App) Keychain(ctx context.Context) *registry.AuthFiles {
	home, _ := os.UserHomeDir() // kverify works without one
	var files []registry.AuthFile
	add := func(name string, paths ...string) {
		_, _, named := strings.Cut(name, "=")
		files = append(files, registry.AuthFile{Name: name, Named: named, Read: func() ([]byte, error) { return firstFile(ctx, paths, registry.MaxAuthFile) }})
	}
	if text := a.Getenv("DOCKER_AUTH_CONFIG"); text != "" {
		files = append(files, registry.AuthFile{Name: "DOCKER_AUTH_CONFIG", Read: func() ([]byte, error) { return []byte(text), nil }})
	}
	if dir := a.Getenv("DOCKER_CONFIG"); dir != "" {
		add("DOCKER_CONFIG="+dir, filepath.Join(dir, "config.json"), filepath.Join(dir, ".dockerconfigjson"), dir)
	}
	if file := a.Getenv("REGISTRY_AUTH_FILE"); file != "" {
		add("REGISTRY_AUTH_FILE="+file, file)
	}
	if a.Getenv("DOCKER_CONFIG") == "" && home != "" {
		dir := filepath.Join(home, ".docker")
		add(filepath.Join(dir, "config.json"), filepath.Join(dir, "config.json"), filepath.Join(dir, ".dockerconfigjson"))
	}
	if dir := a.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		file := filepath.Join(dir, "containers", "auth.json")
		add(file, file)
	}
	config := a.Getenv("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		file := filepath.Join(config, "containers", "auth.json")
		add(file, file)
	}
	return &registry.AuthFiles{Files: files}
}
