package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sigstore/cosign/v2/pkg/cosign"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror"
)

const sample = "../../testdata/sample"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kverify": main, "kverify-image-verifier": main, "linescan": lineScan, "largesbom": largeSBOM, "peak": peak})
}

// TestScripts runs testdata/*.txtar, the behaviour of the command line, on the
// real main. What scripts have beside testscript's own commands:
//
//	exits CODE PROGRAM ARGS...         run it and compare the exit code
//	signal NAME CODE PROGRAM ARGS...   send it a signal once it asks SLOW, and compare the exit code
//	world DIR [ATTACK...]              write a mirror of a made-up release, and DIR.root.json
//	live [ATTACK...]                   serve one as the internet, published origins and all, to kverify from here on;
//	                                   tuf-root.json is where the chain of its trusted root begins
//	serve kverify mirror serve DIR...  start a server on a port of its own, at $BASE; said PATTERN waits for its stderr,
//	get STATUS PATH [HEADER: VALUE...] asks it, end SIGNAL CODE ends it and leaves its stdout in log
//	certificate CERT KEY               write a certificate for the hosts of the world
//	inside NAME                        start an empty registry, whose HOST:PORT is $NAME
//	keys NAME                          write NAME.key, as cosign does, with the password in COSIGN_PASSWORD, and NAME.pub
//	released WORKFLOW@REF FILE         write FILE.sigstore.json, as that workflow signs a release of kverify, and root.json
//	$MIRROR $ROOT                      the sample and its trusted root
//	$SERVER                            the sample over loopback: HOST's files below $SERVER/HOST, images at the root,
//	                                   a web page below /html, slowly below /late
//	SLOW (in signal)                   a registry on loopback that never answers
func TestScripts(t *testing.T) {
	abs, err := filepath.Abs(sample)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := mirror.Open(filepath.Join(abs, "mirror"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(stand{dir})
	t.Cleanup(server.Close) // after the scripts, which run side by side
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("MIRROR", filepath.Join(abs, "mirror"))
			env.Setenv("ROOT", filepath.Join(abs, "trusted_root.json"))
			env.Setenv("SERVER", server.URL)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			env.Setenv("GOCOVERDIR", os.Getenv("GOCOVERDIR"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"signal":      signal,
			"world":       attack,
			"live":        live,
			"inside":      inside,
			"serve":       serve,
			"said":        said,
			"get":         get,
			"end":         end,
			"certificate": certificate,
			"keys":        keys,
			"released":    released,
			"digest":      digest,
			"save":        save,
		},
	})
}

// stand serves a mirror's hosts on loopback.
type stand struct{ transport http.RoundTripper }

func (s stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, path := "registry.k8s.io", r.URL.Path
	if !strings.HasPrefix(path, "/v2/") {
		host, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		path = "/" + path
	}
	if host == "html" || strings.HasPrefix(path, "/v2/html/") {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Sign in</title>"))
		return
	}
	if rest, ok := strings.CutPrefix(path, "/v2/lean/"); ok { // a copy as other tools make it
		path = "/v2/" + rest
		if repo, _, _ := strings.Cut(rest, "/"); !world.OnlyIndexes(repo) {
			http.Error(w, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`, http.StatusNotFound)
			return
		}
	}
	if rest, ok := strings.CutPrefix(path, "/v2/late/"); ok {
		path = "/v2/" + rest
		time.Sleep(400 * time.Millisecond)
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "https://"+host+path, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// exits runs a program and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("exit code %d, want %s", code, want)
	}
}

// signal stops a program in mid-run.
func signal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: signal NAME CODE PROGRAM ARGS...")
	}
	asked := make(chan struct{})
	var once sync.Once
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		select {
		case <-r.Context().Done():
		case <-release:
		}
	}))
	defer slow.Close()
	defer close(release)

	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "SLOW", slow.URL)
	}
	program, err := exec.LookPath(args[2])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	cmd := exec.Command(program, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	cmd.Stdout, cmd.Stderr = ts.Stdout(), ts.Stderr()
	ts.Check(cmd.Start())
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		ts.Fatalf("it never asked")
	}
	ts.Check(cmd.Process.Signal(map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[0]]))
	_ = cmd.Wait()
	if code := strconv.Itoa(cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("exit code %s, want %s", code, args[1])
	}
}

// genuine is built once for all scripts.
var genuine = sync.OnceValue(func() *world.World { return world.New(world.Options{}) })

// attack writes a mirror of a world that something was done to.
func attack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: world DIR [ATTACK...]")
	}
	w, versions := attacked(ts, args[1:])
	dir := ts.MkAbs(args[0])
	ts.Check(w.WriteMirror(dir, versions, world.MirrorOptions{Files: []string{"SHA256SUMS", "SHA512SUMS", "provenance.json"}}))
	ts.Check(os.WriteFile(dir+".root.json", w.TrustedRootJSON(), 0o644))
}

// live lets programs of the script take a world for the internet.
func live(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: live [ATTACK...]")
	}
	w, _ := attacked(ts, args)
	server, err := w.Serve()
	ts.Check(err)
	ts.Defer(server.Close)
	proxy, stop, err := server.Proxy()
	ts.Check(err)
	ts.Defer(stop)
	ca, root := ts.MkAbs("live.ca.pem"), ts.MkAbs("live.root.json")
	ts.Check(os.WriteFile(ca, world.CAPEM(), 0o644))
	ts.Check(os.WriteFile(root, w.TrustedRootJSON(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("tuf-root.json"), world.NewTUF(nil).RootJSON(1), 0o644))
	ts.Setenv("HTTPS_PROXY", proxy.String())
	ts.Setenv("PROXY", proxy.String())
	ts.Setenv("SSL_CERT_FILE", ca)
	ts.Setenv("SSL_CERT_DIR", ts.MkAbs("none"))
	ts.Setenv("KVERIFY_TRUSTED_ROOT", root)
}

// inside starts a registry that can be written to.
func inside(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: inside NAME")
	}
	server := httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	ts.Defer(server.Close)
	ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
}

// pairs are made once for all scripts, since each costs half a second.
var pairs sync.Map // of name and password, to func() (*cosign.KeysBytes, error)

func pairOf(name, password string) (*cosign.KeysBytes, error) {
	made, _ := pairs.LoadOrStore([2]string{name, password}, sync.OnceValues(func() (*cosign.KeysBytes, error) {
		return cosign.GenerateKeyPair(func(bool) ([]byte, error) { return []byte(password), nil })
	}))
	return made.(func() (*cosign.KeysBytes, error))()
}

// keys gives an operator's pair of keys.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keys NAME")
	}
	pair, err := pairOf(args[0], ts.Getenv("COSIGN_PASSWORD"))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), pair.PrivateBytes, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), pair.PublicBytes, 0o644))
}

// attacked makes the world of a script, and says which versions a mirror of it holds.
func attacked(ts *testscript.TestScript, attacks []string) (w *world.World, versions []string) {
	w, versions = genuine().Clone(), []string{"v1.27.2"}
	for _, a := range attacks {
		switch a {
		case "both": // no attack: v1.27.1 as well
			versions = w.Versions()
		case "replay": // everything of v1.27.1 under the name of v1.27.2
			w.ServeAs("v1.27.1", "v1.27.2")
		case "swap": // kube-proxy as kube-scheduler
			w.SwapImage("v1.27.2", "kube-scheduler", "kube-proxy")
		case "sbom": // the SBOM of v1.27.1, genuinely signed, under the URL of v1.27.2's
			w.ServeAs("v1.27.1", "v1.27.2", world.SBOM)
		case "altered": // one byte of the SBOM is another, its signature the genuine one
			url := world.FileURL("v1.27.2", "kubernetes-release.spdx")
			w.PutDocument(url, append(w.File(url), '\n'))
		case "sums": // SHA256SUMS gives kubectl another hash than everything else does
			url := world.FileURL("v1.27.2", "SHA256SUMS")
			lines := strings.Split(string(w.File(url)), "\n")
			for i, l := range lines {
				if strings.HasSuffix(l, "/bin/linux/amd64/kubectl") {
					lines[i] = strings.Repeat("0", 64) + l[64:]
				}
			}
			w.PutDocument(url, []byte(strings.Join(lines, "\n")))
		case "sealed": // no attack: the provenance, signed in place
			w.PutProvenance("v1.27.2", world.ProvenanceForm{Newer: true, Sign: &world.Signing{}})
		case "rehearsal": // the provenance of a rehearsal of that release, by the same signer
			w.PutProvenance("v1.27.2", world.ProvenanceForm{Bucket: "kubernetes-release-gcb", Newer: true, Sign: &world.Signing{}})
		case "errors": // a storage server's error with status 200 where a program is
			w.StorageError("https://cdn.dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl")
		case "outage": // the hosts of files answer nothing; the CHANGELOG is there
			w.Refuse("https://dl.k8s.io/*")
			w.Refuse("https://cdn.dl.k8s.io/*")
			w.Refuse("https://sbom.k8s.io/*")
		case "notes": // a release note that a terminal would obey
			url := world.ChangelogURL("v1.27.2")
			w.PutFile(url, []byte(strings.Replace(string(w.File(url)), "Something in v1.27.2", "Some\x1b[2Jthing \u202ein v1.27.2", 1)))
		case "tuf": // no attack: Sigstore's repository, which publishes this world's trusted root
			world.NewTUF(w.TrustedRootJSON()).Publish(w)
		case "tuf-frozen": // the same, of long ago
			repo := world.NewTUF(w.TrustedRootJSON())
			repo.Expires["timestamp"] = time.Now().AddDate(0, 0, -30)
			repo.Publish(w)
		case "tuf-forged": // by somebody else's keys
			repo := world.NewTUF(w.TrustedRootJSON())
			repo.KeySeed["targets"], repo.Targets, repo.Snapshot, repo.Timestamp = "evil", 2, 2, 2
			repo.Publish(w)
		case "unsigned":
			w.DropSignature("registry.k8s.io/kube-proxy:v1.27.2")
		default:
			ts.Fatalf("no attack %q", a)
		}
	}
	return w, versions
}
