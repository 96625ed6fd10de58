package live

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/recording"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// internet is what is asked.
type internet struct {
	client   *http.Client
	env      []string    // of the program
	root     *trust.Root // under which log entries count
	rootText []byte      // the same, where it is not the built-in one
	chain    string      // and the file in which the chain of its updates begins
	down     string      // why nothing can be asked; empty if it can
}

// fromOutside are the variables by which a machine says how it gets out.
var fromOutside = []string{"PATH", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR", "SystemRoot", judgedBy}

// judgedBy names the trusted root, where it is not the built-in one.
const judgedBy = "KVERIFY_TRUSTED_ROOT"

func trusted(t *testing.T) *trust.Root {
	t.Helper()
	name := os.Getenv(judgedBy)
	if name == "" {
		return trust.EmbeddedRoot()
	}
	r, err := trust.LoadRoot(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func environment(t *testing.T, more ...string) []string {
	env := []string{"KVERIFY_CACHE=" + filepath.Join(t.TempDir(), "cache")}
	for _, name := range fromOutside {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, more...)
}

// outside is a transport to the real hosts.
func outside() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: 64}
}

// probe is how long the first host has to answer. Who has no network shall not wait.
const probe = 5 * time.Second

// reached says why the real hosts cannot be asked, if they cannot.
func reached(t *testing.T, c *http.Client) string {
	ctx, cancel := context.WithTimeout(t.Context(), probe)
	defer cancel()
	const first = "https://" + world.HostDL + "/release/stable.txt"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, first, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Sprintf("no network: %v within %v", err, probe)
	}
	defer resp.Body.Close()
	if _, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10)); err != nil {
		return fmt.Sprintf("no network: %s: %v", first, err)
	}
	return ""
}

// directly is the internet itself.
func directly(t *testing.T) *internet {
	c := &http.Client{Transport: outside()}
	return &internet{client: c, env: environment(t), root: trusted(t), down: reached(t, c)}
}

// behind takes whatever answers for the internet: it stands behind a listener and
// a proxy, and has a certificate for every name.
func behind(t *testing.T, answers http.RoundTripper) *internet {
	t.Helper()
	server, err := world.ServeAny(recording.Handler(answers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	proxy, stop, err := server.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	dir := t.TempDir()
	authorities := filepath.Join(dir, "authorities.pem")
	if err := os.WriteFile(authorities, world.CAPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(world.CAPEM())
	tr := outside()
	tr.Proxy, tr.TLSClientConfig = http.ProxyURL(proxy), &tls.Config{RootCAs: pool}
	t.Cleanup(tr.CloseIdleConnections)
	env := slices.DeleteFunc(environment(t), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return strings.HasSuffix(strings.ToUpper(name), "_PROXY")
	})
	return &internet{
		client: &http.Client{Transport: tr},
		env:    append(env, "HTTPS_PROXY="+proxy.String(), "SSL_CERT_FILE="+authorities, "SSL_CERT_DIR="+filepath.Join(dir, "none")),
		root:   trusted(t),
	}
}

// under makes the program judge by a world's trusted root.
func (in *internet) under(t *testing.T, w *world.World) *internet {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root.json")
	in.rootText, in.chain = w.TrustedRootJSON(), filepath.Join(dir, "tuf-root.json")
	for name, text := range map[string][]byte{root: in.rootText, in.chain: world.NewTUF(nil).RootJSON(1)} {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if in.root, err = trust.ParseRoot(in.rootText); err != nil {
		t.Fatal(err)
	}
	in.env = append(in.env, judgedBy+"="+root)
	return in
}

// theInternet is what the environment chooses, and by which answers it is held.
func theInternet(t *testing.T) (in *internet, known string) {
	replay, record := os.Getenv("REPLAY"), os.Getenv("RECORD")
	switch {
	case os.Getenv("KVERIFY_LIVE") == "":
		return aWorld(t), "testdata/world.txt"
	case replay != "":
		r, err := recording.Open(replay)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, q := range r.Missing() {
				t.Logf("not in %s: %s", replay, q)
			}
		})
		return behind(t, r), "answers.txt"
	case record == "":
		return directly(t), "answers.txt"
	}
	if in = directly(t); in.down != "" {
		return in, "answers.txt"
	}
	r, err := recording.Record(outside(), record)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return behind(t, r), "answers.txt"
}

var built string // the directory that program made

// program is the one that KVERIFY names, or is built once.
var program = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("KVERIFY"); named != "" {
		return filepath.Abs(named)
	}
	dir, err := os.MkdirTemp("", "kverify-live")
	if err != nil {
		return "", err
	}
	built = dir
	bin := filepath.Join(dir, "kverify")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/kverify")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// kverify runs the program, and fails if its exit code is none of a verdict.
func (in *internet) kverify(ctx context.Context, args ...string) (stdout []byte, err error) {
	bin, err := program()
	if err != nil {
		return nil, fmt.Errorf("kverify does not build: %w", err)
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = in.env
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	switch code := cmd.ProcessState.ExitCode(); code {
	case 0, 1, 3:
	default:
		return nil, fmt.Errorf("kverify %s: exit code %d\n%s", strings.Join(args, " "), code, talk.Bytes())
	}
	if out.Len() == 0 {
		return nil, fmt.Errorf("kverify %s said nothing but\n%s", strings.Join(args, " "), talk.Bytes())
	}
	return out.Bytes(), nil
}

// report runs the program and reads its report.
func (in *internet) report(ctx context.Context, args ...string) (report.Report, error) {
	out, err := in.kverify(ctx, append(args, "-o", "json", "--timeout", "10m")...)
	if err != nil {
		return report.Report{}, err
	}
	f, err := report.Read("kverify "+strings.Join(args, " "), bytes.NewReader(out))
	if err != nil {
		return report.Report{}, err
	}
	return f.Report, nil
}

// heard is an answer without its headers.
type heard struct {
	url    *url.URL // where redirects led
	status int
	kind   string // media type
	body   []byte
}

// ask asks a host, without the program. The answer has at most so many bytes.
func (in *internet) ask(ctx context.Context, method, u string, question []byte, limit int64) (heard, error) {
	req, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(question))
	if err != nil {
		return heard{}, err
	}
	if question != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := in.client.Do(req)
	if err != nil {
		return heard{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return heard{}, fmt.Errorf("%s %s: %w", method, u, err)
	}
	if int64(len(body)) > limit {
		return heard{}, fmt.Errorf("%s %s: more than %d bytes", method, u, limit)
	}
	return heard{resp.Request.URL, resp.StatusCode, resp.Header.Get("Content-Type"), body}, nil
}

// get asks for a document that must be there.
func (in *internet) get(ctx context.Context, u string, limit int64) ([]byte, error) {
	h, err := in.ask(ctx, http.MethodGet, u, nil, limit)
	if err == nil && h.status != http.StatusOK {
		err = fmt.Errorf("GET %s: status %d", u, h.status)
	}
	return h.body, err
}
