package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

// TestWatchWebhook runs the program against a webhook that is down, wants to know who asks, and
// then takes what waits: nothing but the file of --webhook-auth-file is told to it.
func TestWatchWebhook(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("kverify")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := genuine().Clone()
	w.SwapImage("v1.27.2", "kube-scheduler", "kube-proxy")
	if err := w.WriteMirror(filepath.Join(dir, "mirror"), []string{"v1.27.2"}, world.MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	status, asked, bodies := http.StatusUnauthorized, []string(nil), []string(nil)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		asked, bodies = append(asked, r.Header.Get("Authorization")), append(bodies, string(body))
		rw.Header().Set("WWW-Authenticate", `Basic realm="hook"`)
		rw.WriteHeader(status)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for name, text := range map[string]string{
		"root.json":          string(w.TrustedRootJSON()),
		"docker/config.json": `{"auths":{"` + host + `":{"auth":"dXNlcjpwYXNzd29yZA=="}}}`,
		"netrc":              "machine 127.0.0.1 login user password password\n",
		"secret":             "Bearer s3cret\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(more ...string) string {
		cmd := exec.Command(program, append([]string{"watch", "v1.27.2", "--once", "--mirror", "mirror", "--trusted-root", "root.json", "--state", "state"}, more...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+filepath.Join(dir, "docker"), "NETRC="+filepath.Join(dir, "netrc"), "KVERIFY_WEBHOOK="+server.URL+"/secret-path", "HOME="+dir)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != 1 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		if bytes.Contains(out, []byte("secret-path")) || bytes.Contains(out, []byte("s3cret")) {
			t.Errorf("it tells a secret:\n%s", out)
		}
		return string(out)
	}
	if out := run(); !strings.Contains(out, "answered 401") || !strings.Contains(out, "kept in the state for the next run") {
		t.Errorf("a webhook that refuses:\n%s", out)
	}
	if len(asked) == 0 || strings.Join(asked, "") != "" {
		t.Errorf("it was told %q", asked)
	}
	mu.Lock()
	status, asked, bodies = http.StatusNoContent, nil, nil
	mu.Unlock()
	run("--webhook-auth-file", "secret")
	if len(bodies) != 1 || asked[0] != "Bearer s3cret" {
		t.Fatalf("it got %q with %q", bodies, asked)
	}
	var e struct {
		Kind, Unit string
		Problems   []struct{ Subject, Check string }
	}
	if err := json.Unmarshal([]byte(bodies[0]), &e); err != nil || e.Kind != "refuted" || e.Unit != "v1.27.2" || len(e.Problems) == 0 || !strings.Contains(e.Problems[0].Subject, "kube-scheduler") {
		t.Errorf("%v: %s", err, bodies[0])
	}
	if out := run("--webhook-auth-file", "secret"); len(bodies) != 1 {
		t.Errorf("it was delivered again: %q\n%s", bodies, out)
	}
}
