package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// platform is an operating system and a processor, in Go's names.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// label is the platform in the names of files. Only Arm has versions: 7, which
// has a floating-point unit, is what is built for.
func (p platform) label() string {
	if p.arch == "arm" {
		return p.os + "_armv7"
	}
	return p.os + "_" + p.arch
}

func (p platform) program() string {
	if p.os == "windows" {
		return "kverify.exe"
	}
	return "kverify"
}

// made is what the Go tool wrote into a program.
type made struct {
	version string // v1.2.3, or the pseudo-version of a commit without a tag
	time    time.Time
}

// plain is the version without its v, as in the names of files.
func (m made) plain() string { return strings.TrimPrefix(m.version, "v") }

type program struct {
	platform platform
	path     string
	made     made
}

// BuildFlags are those of every program of a release, and tools/image uses them too:
// no paths of this machine, no symbol table, and the commit, whatever GOFLAGS says.
var buildFlags = []string{"-trimpath", "-buildvcs=true", "-ldflags=-s -w"}

// buildEnv leaves nothing to the caller's environment that changes the program.
func buildEnv(p platform) []string {
	env := []string{}
	for _, e := range os.Environ() {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "GOFLAGS", "GOEXPERIMENT", "GOFIPS140", "GOAMD64", "GOARM64", "GOARM", "GOPPC64", "GOOS", "GOARCH", "CGO_ENABLED", "GOWORK":
		default:
			env = append(env, e)
		}
	}
	return append(env, "CGO_ENABLED=0", "GOWORK=off", "GOOS="+p.os, "GOARCH="+p.arch, "GOARM=7")
}

// buildAll builds the programs below dir, one after another: the Go tool uses every processor.
func buildAll(root, dir string, platforms []string) ([]program, error) {
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	var out []program
	for _, name := range platforms {
		goos, arch, ok := strings.Cut(name, "/")
		if !ok {
			return nil, fmt.Errorf("%q is not a platform; write one as linux/amd64", name)
		}
		p := program{platform: platform{goos, arch}}
		path, err := filepath.Abs(filepath.Join(dir, p.platform.label(), p.platform.program()))
		if err != nil {
			return nil, err
		}
		p.path = path
		cmd := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", path, "./cmd/kverify")...)
		cmd.Dir, cmd.Env, cmd.Stderr = root, buildEnv(p.platform), os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("building for %s: %w; its output is above", name, err)
		}
		if p.made, err = readMade(path); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func readMade(path string) (m made, err error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return m, err
	}
	m.version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			m.time, err = time.Parse(time.RFC3339, s.Value)
		}
	}
	if err == nil && (m.time.IsZero() || !strings.HasPrefix(m.version, "v")) {
		err = fmt.Errorf("%s carries no commit (version %q); build it in a clone, with git installed", path, m.version)
	}
	return m, err
}

// commitTime is what readMade finds in a program, without one.
func commitTime(root string) (time.Time, error) {
	cmd := exec.Command("git", "show", "-s", "--format=%cI", "HEAD")
	cmd.Dir = root
	text, err := cmd.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("git show in %s: %w; run this in a clone", root, err)
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	return at.UTC(), err
}
