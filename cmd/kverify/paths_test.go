//go:build unix

package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/cli"
	"github.com/kverify/kverify/internal/command"
)

// pathCommands are the commands that take flags with paths, each as a command
// line that is right but for what is added to it.
func pathCommands(m, root, dir string) map[string][]string {
	judging := []string{"--mirror", m, "--trusted-root", root, "--timeout", "2s"}
	reading := []string{"--mirror", m, "--timeout", "2s"}
	signed := append([]string{"--trusted-root", root}, reading...)
	return map[string][]string{
		"images":        append([]string{"images", "v1.27.2", "kube-proxy"}, judging...),
		"verify":        append([]string{"verify", "registry.k8s.io/kube-proxy:v1.27.2"}, judging...),
		"watch":         append([]string{"watch", "v1.27.2", "--once", "--webhook", "http://127.0.0.1:1/hook"}, judging...),
		"download":      append([]string{"download", "v1.27.2", "kubectl", "--os", "linux", "--arch", "amd64", "-d", dir}, judging...),
		"list":          append([]string{"list", "v1.27.2", "kubectl"}, signed...),
		"sbom show":     append([]string{"sbom", "show", "v1.27.2"}, signed...),
		"sbom images":   append([]string{"sbom", "images", "v1.27.2"}, signed...),
		"sbom diff":     append([]string{"sbom", "diff", "v1.27.2", "v1.27.2"}, signed...),
		"sbom convert":  append([]string{"sbom", "convert", "v1.27.2"}, signed...),
		"notes":         append([]string{"notes", "v1.27.2"}, reading...),
		"releases":      append([]string{"releases", "stable"}, reading...),
		"skew":          append([]string{"skew", "--apiserver", "1.27"}, reading...),
		"report":        {"report", filepath.Join(dir, "report.json")},
		"trust update":  append([]string{"trust", "update", filepath.Join(dir, "new.json")}, reading...),
		"mirror create": append([]string{"mirror", "create", "v1.27.2", "kube-proxy", "--os", "linux", "--arch", "amd64", "-d", filepath.Join(dir, "m")}, judging...),
		"mirror prune":  {"mirror", "prune", filepath.Join(dir, "m"), "--dry-run"},
		"mirror serve":  {"mirror", "serve", m, "--trusted-root", root, "--listen", "127.0.0.1:0"},
		"mirror push":   {"mirror", "push", m, "127.0.0.1:1", "--dry-run", "--trusted-root", root, "--timeout", "2s", "--retry", "0"},
		"mirror config": {"mirror", "config", "127.0.0.1:1"},
	}
}

// pathArguments take a path in place of PATH.
func pathArguments(m, root string) [][]string {
	return [][]string{
		{"verify", "PATH"},
		{"verify", "PATH", "--release", "v1.27.2", "--mirror", m, "--trusted-root", root},
		{"verify", "--bundle", "PATH", "--certificate-identity", "x", "--certificate-oidc-issuer", "https://x", "PATH"},
		{"report", "PATH"}, {"sbom", "show", "PATH"}, {"sbom", "images", "PATH"}, {"sbom", "convert", "PATH"}, {"sbom", "diff", "PATH", "PATH"},
		{"policy", "check", "PATH"}, {"trust", "show", "PATH"}, {"trust", "update", "PATH", "--mirror", m},
		{"mirror", "prune", "PATH"}, {"mirror", "serve", "PATH"}, {"mirror", "push", "PATH", "127.0.0.1:1"},
		{"mirror", "create", "v1.27.2", "--all", "-d", "PATH", "--mirror", m},
		{"watch", "-f", "PATH", "--once", "--mirror", m, "--trusted-root", root, "--timeout", "2s"},
	}
}

var pathFlag = regexp.MustCompile(`(?m)^ +(?:-., )?--([a-z-]+) (FILE|DIR|PATH|FORMAT\[=FILE\]) `)

// harmless are flags whose path is only written out, and never opened.
var harmless = []string{"mirror config --ca-file"}

// TestNoPathHolds: whatever path a command is given, it ends: a pipe that
// nobody writes to or reads from, one whose writer is silent, an endless device,
// a directory. Each runs within this process, as a start costs more than most of
// these runs, and one of eight as a process of its own; all do in `make slow`.
func TestNoPathHolds(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // nothing leaves this process
	abs, err := filepath.Abs(sample)
	if err != nil {
		t.Fatal(err)
	}
	m, root := filepath.Join(abs, "mirror"), filepath.Join(abs, "trusted_root.json")
	dir := t.TempDir()
	if out, code := runPath(t, 20*time.Second, "images", "v1.27.2", "kube-proxy", "--mirror", m, "--trusted-root", root, "-o", "json="+filepath.Join(dir, "report.json")); code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	pipe, held := filepath.Join(dir, "pipe"), filepath.Join(dir, "held")
	if err := syscall.Mkfifo(held, 0o600); err != nil {
		t.Fatal(err)
	}
	silent, err := os.OpenFile(held, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	kinds := map[string]string{"a pipe": pipe, "a silent pipe": held, "an endless device": "/dev/zero", "a directory": t.TempDir()}
	// Most of these runs only wait, for seconds: far more of them are started side
	// by side than there are cores, which t.Parallel would not do.
	const wide = 24
	turn := make(chan struct{}, wide)
	var runs sync.WaitGroup
	defer runs.Wait()
	const processes = 8
	slow, runPaths := os.Getenv("KVERIFY_SLOW_TESTS") != "", 0
	var ends []func() // each tells what one run came to, once it is over
	check := func(name string, args []string, fails bool) {
		// A pipe of its own: one that another run waits at has a reader.
		own := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(own, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], pipe, own)
		}
		runWith := runWithin
		if runPaths++; slow || runPaths%processes == 0 {
			runWith = runPath
		}
		var out string
		var code int
		over := make(chan struct{})
		runs.Go(func() {
			defer close(over)
			turn <- struct{}{}
			defer func() { <-turn }()
			out, code = runWith(t, 20*time.Second, args...)
		})
		ends = append(ends, func() {
			t.Run(name, func(t *testing.T) {
				<-over
				if code < 0 || fails && code == 0 || strings.Contains(out, "a fault of kverify") {
					t.Errorf("%q ends in %d: %s", args, code, out)
				}
			})
		})
	}
	commands, seen := pathCommands(m, root, dir), map[string]bool{}
	for _, command := range slices.Sorted(maps.Keys(commands)) {
		line := commands[command]
		help, _ := runWithin(t, 10*time.Second, append(strings.Fields(command), "--help")...)
		for _, found := range pathFlag.FindAllStringSubmatch(help, -1) {
			flag, name := "--"+found[1], command+" --"+found[1]
			if slices.Contains(harmless, name) {
				continue
			}
			writes := found[1] == "output" || found[1] == "access-log"
			for kind, path := range kinds {
				// Pipes with every command; of the rest the flag's own kind is enough.
				if !strings.HasSuffix(kind, "pipe") && seen[found[1]] {
					continue
				}
				value := path
				if found[1] == "output" {
					formats := regexp.MustCompile(`--output FORMAT\[=FILE\].*: ([a-z-]+)`).FindStringSubmatch(help)
					value = formats[1] + "=" + path
				}
				args := append(slices.Clone(line), flag, value)
				switch {
				case found[1] == "access-log" && kind != "a pipe" && kind != "a directory":
					continue // a server that serves
				case found[1] == "base":
					args = append(args, "--archive", filepath.Join(dir, "a.tar"))
				case found[1] == "bundle":
					args = []string{"verify", flag, path, root, "--certificate-identity", "x", "--certificate-oidc-issuer", "https://x", "--timeout", "2s"}
				case found[1] == "cache": // a mirror's images are not kept
					args = append(args, "--endpoint", "registry.k8s.io=http://127.0.0.1:1", "--retry", "0")
				case found[1] == "tls-cert":
					args = append(args, "--tls-key", path)
				case found[1] == "tls-key":
					args = append(args, "--tls-cert", path)
				}
				takes := writes && kind != "a pipe" && kind != "a directory" || kind == "a directory" && slices.Contains([]string{"dir", "cache", "state"}, found[1])
				check(name+", "+kind, args, !takes)
			}
			seen[found[1]] = true
		}
	}
	for _, line := range pathArguments(m, root) {
		for kind, path := range kinds {
			args := slices.Clone(line)
			for i := range args {
				args[i] = strings.Replace(args[i], "PATH", path, 1)
			}
			check(strings.Join(line[:min(len(line), 3)], " ")+", "+kind, args, kind != "a directory")
		}
	}
	for _, end := range ends {
		end()
	}
}

// runPath runs the program; what does not end by itself is interrupted once,
// as a person would, and has then some seconds. Without an end the code is -1.
func runPath(t *testing.T, limit time.Duration, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kverify", args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "HTTPS_PROXY=http://127.0.0.1:1", "COSIGN_PASSWORD=x", "GOMEMLIMIT=200MiB")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err.Error(), -1
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	select {
	case <-over:
	case <-time.After(limit / 4):
		_ = cmd.Process.Signal(os.Interrupt)
		<-over
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// runWithin is [runPath] without a process: what does not end by itself has its
// context ended, as the first interrupt does.
func runWithin(t *testing.T, limit time.Duration, args ...string) (string, int) {
	t.Helper()
	env := map[string]string{"HOME": os.Getenv("HOME"), "XDG_CACHE_HOME": t.TempDir(), "COSIGN_PASSWORD": "x"}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var out shared
	over := make(chan int, 1)
	go func() {
		over <- cli.Run(ctx, &command.App{Args: args, Getenv: func(name string) string { return env[name] }, Stdout: &out, Stderr: &out})
	}()
	interrupt, end := time.After(limit/4), time.After(limit)
	for {
		select {
		case code := <-over:
			return out.String(), code
		case <-interrupt:
			cancel(command.Stopped{Signal: os.Interrupt})
		case <-end:
			return out.String(), -1
		}
	}
}

// shared is a buffer for a run that may not end.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// TestPipesGoOnWorking: what a shell gives for <(command) and >(command), and a
// named pipe whose writer comes late, are read and written as files are.
func TestPipesGoOnWorking(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	abs, err := filepath.Abs(sample)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := exec.LookPath("kverify")
	if err != nil {
		t.Fatal(err)
	}
	const judged = " --mirror $M --trusted-root $R "
	for name, script := range map[string]string{
		"a report":               `kverify images v1.27.2 kube-proxy` + judged + `-o json=r.json && kverify report <(cat r.json)`,
		"a slow report":          `kverify images v1.27.2 kube-proxy` + judged + `-o json=s.json && kverify report <(sleep 2; cat s.json)`,
		"a report in two pieces": `kverify images v1.27.2 kube-proxy` + judged + `-o json=t.json && kverify report <(head -c 100 t.json; sleep 1.5; tail -c +101 t.json)`,
		"an SBOM":                `kverify sbom show <(kverify sbom convert v1.27.2 --mirror $M --trusted-root $R -o tag-value)`,
		"standard input":         `kverify sbom convert v1.27.2` + judged + `-o tag-value | kverify sbom images /dev/stdin`,
		"a late writer":          `mkfifo late && { sleep 0.4; kverify sbom convert v1.27.2 --mirror $M --trusted-root $R -o tag-value > late; } & sleep 0.1; kverify sbom images late`,
		"standard output":        `kverify images v1.27.2 kube-proxy` + judged + `-o json=/dev/stdout | grep -q schemaVersion`,
		"a reader":               `kverify images v1.27.2 kube-proxy` + judged + `-o json=>(cat > out.json) && sleep 0.5 && kverify report out.json`,
		"nowhere":                `kverify images v1.27.2 kube-proxy` + judged + `-o json=/dev/null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			work := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.Mkdir(work, 0o700); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, shell, "-o", "pipefail", "-c", script)
			cmd.Dir = work
			cmd.Env = append(os.Environ(), "M="+filepath.Join(abs, "mirror"), "R="+filepath.Join(abs, "trusted_root.json"),
				"PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
