package interop

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed tools.txt
var tools string

// tool finds a real client, or builds it at the version of tools.txt. Where it
// cannot be had the test skips by its name.
func tool(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	from := ""
	for line := range strings.Lines(tools) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			from = f[1]
		}
	}
	if from == "" {
		t.Skipf("%s is not installed", name)
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(dir, name)
	if _, err := os.Stat(p); err == nil {
		return p
	}
	cmd := exec.Command("go", "install", from)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("%s cannot be had here: %v\n%s", from, err, out)
	}
	return p
}

// run runs a client with a HOME of its own and no way out but loopback.
func run(t testing.TB, program string, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home,
		"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1"}
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Logf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, errors.String())
	}
	return string(out), err
}

// must is run for what has to succeed.
func must(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := run(t, program, args...)
	if err != nil {
		t.Errorf("%s %s: %v", filepath.Base(program), strings.Join(args, " "), err)
	}
	return out
}
