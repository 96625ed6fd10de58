package interop

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // where handlers keeps its blobs
	"github.com/sirupsen/logrus"
)

// A registry of another make on loopback. It ends with its test.
type registry struct {
	name string // of the program, for messages
	addr string // 127.0.0.1:PORT, plain HTTP
	root string // the directory that it stores in
	pid  int    // 0 if it is in this process
}

func (r registry) url() string { return "http://" + r.addr }

// eachRegistry runs a test against every make of registry there is: the
// distribution module, which Go alone builds, and Debian's docker-registry,
// an older generation of it, where that is installed.
func eachRegistry(t *testing.T, test func(*testing.T, registry)) {
	t.Run("distribution", func(t *testing.T) { test(t, startDistribution(t)) })
	t.Run("docker-registry", func(t *testing.T) { test(t, startDebian(t)) })
}

func startDistribution(t testing.TB, change ...func(*configuration.Configuration)) registry {
	t.Helper()
	logrus.SetOutput(io.Discard)
	root := t.TempDir()
	config := &configuration.Configuration{
		Version: "0.1",
		Storage: configuration.Storage{
			"filesystem":  {"rootdirectory": root},
			"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
		},
		Catalog: configuration.Catalog{MaxEntries: 100},
	}
	for _, f := range change {
		f(config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	server := httptest.NewUnstartedServer(handlers.NewApp(ctx, config))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return registry{"distribution v3", strings.TrimPrefix(server.URL, "http://"), root, 0}
}

// listening is what docker-registry logs once it has a port.
var listening = regexp.MustCompile(`msg="?listening on (127\.0\.0\.1:[0-9]+)`)

func startDebian(t testing.TB) registry {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed (Debian: apt-get install docker-registry)")
	}
	dir := t.TempDir()
	config, log := filepath.Join(dir, "config.yml"), filepath.Join(dir, "log")
	// Port 0: the kernel chooses a free one, and the log tells which.
	write(t, config, fmt.Sprintf(`version: 0.1
log: {level: info, formatter: text}
storage:
  filesystem: {rootdirectory: %s}
http: {addr: "127.0.0.1:0"}
`, filepath.Join(dir, "store")))
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(program, "serve", config)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if m := listening.FindSubmatch(text); m != nil {
			return registry{"docker-registry", string(m[1]), filepath.Join(dir, "store"), cmd.Process.Pid}
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log)
	t.Fatalf("docker-registry did not say that it listens:\n%s", text)
	return registry{}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
