package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kverify/kverify/internal/world"
)

// servers are the programs that serve during a script, by script.
var servers sync.Map

// A server is a real kverify that serves, on a port of its own.
type server struct {
	cmd    *exec.Cmd
	base   string
	stdout bytes.Buffer
	stderr lockedBuffer
	over   chan struct{}
}

type lockedBuffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	waiting chan struct{} // closed by the next write; nil if nobody waits
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting != nil {
		close(l.waiting)
		l.waiting = nil
	}
	return l.b.Write(p)
}

// next returns what was written so far, and what is closed once there is more.
func (l *lockedBuffer) next() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = make(chan struct{})
	}
	return l.b.String(), l.waiting
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var serves = regexp.MustCompile(`serving .* on (https?://\S+)`)

// startServer runs a program until it says where it serves.
func startServer(program, dir string, env []string, args ...string) (*server, error) {
	s := &server{cmd: exec.Command(program, args...), over: make(chan struct{})}
	s.cmd.Dir, s.cmd.Env, s.cmd.Stdout = dir, env, &s.stdout
	pipe, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	found := make(chan string, 1)
	go func() {
		defer close(s.over)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			fmt.Fprintln(&s.stderr, lines.Text())
			if m := serves.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		_ = s.cmd.Wait()
	}()
	select {
	case s.base = <-found:
		return s, nil
	case <-s.over:
		return nil, fmt.Errorf("it ended: %s", s.stderr.String())
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		return nil, fmt.Errorf("it never served: %s", s.stderr.String())
	}
}

// says waits until the program has written what matches to stderr.
func (s *server) says(pattern string) error {
	re := regexp.MustCompile(pattern)
	limit := time.After(30 * time.Second)
	for {
		said, more := s.stderr.next()
		if re.MatchString(said) {
			return nil
		}
		select {
		case <-more:
		case <-limit:
			return fmt.Errorf("it never said %q, but: %s", pattern, said)
		}
	}
}

// serve: "serve kverify mirror serve DIR" or "serve kverify watch" starts a server for the script.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve PROGRAM ARGS...")
	}
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	env := []string{"GOCOVERDIR=" + ts.Getenv("GOCOVERDIR"), "HOME=" + ts.Getenv("HOME"), "PATH=" + os.Getenv("PATH")}
	listen := "--listen"
	if slices.Contains(args, "watch") {
		listen = "--metrics"
	}
	s, err := startServer(program, ts.MkAbs("."), env, append(args[1:], listen, "127.0.0.1:0")...)
	ts.Check(err)
	servers.Store(ts, s)
	ts.Setenv("BASE", s.base)
	ts.Defer(func() {
		servers.Delete(ts)
		_ = s.cmd.Process.Kill()
		<-s.over
	})
}

func serverOf(ts *testscript.TestScript) *server {
	s, ok := servers.Load(ts)
	if !ok {
		ts.Fatalf("nothing serves")
	}
	return s.(*server)
}

// said: "said PATTERN" waits for the server to say so on stderr.
func said(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: said PATTERN")
	}
	ts.Check(serverOf(ts).says(args[0]))
}

// end: "end TERM 0" sends the server a signal, compares its exit code, and
// leaves what it wrote to stdout in the file log.
func end(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: end SIGNAL CODE")
	}
	s := serverOf(ts)
	ts.Check(s.cmd.Process.Signal(map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[0]]))
	select {
	case <-s.over:
	case <-time.After(30 * time.Second):
		ts.Fatalf("it does not end")
	}
	if code := strconv.Itoa(s.cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("exit code %s, want %s: %s", code, args[1], s.stderr.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("log"), s.stdout.Bytes(), 0o644))
}

// get: "get STATUS PATH [HEADER: VALUE...]" asks the server, and prints the
// answer's header and body to stdout.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get STATUS PATH [HEADER: VALUE...]")
	}
	req, err := http.NewRequest(http.MethodGet, ts.Getenv("BASE")+args[1], nil)
	ts.Check(err)
	for _, h := range args[2:] {
		key, value, _ := strings.Cut(h, ": ")
		if key == "Host" {
			req.Host = value
		}
		req.Header.Set(key, value)
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a certificate of the test's own
	}}
	resp, err := client.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_ = resp.Header.Write(ts.Stdout())
	_, _ = fmt.Fprintf(ts.Stdout(), "\n%s", body)
	if got := strconv.Itoa(resp.StatusCode); got != args[0] {
		ts.Fatalf("status %s, want %s: %s", got, args[0], body)
	}
}

// certificate: "certificate CERT KEY" writes one for the hosts of the world.
func certificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	cert, key, err := world.CertificatePEM()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), cert, 0o644))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), key, 0o600))
}

// TestServeDrains holds that an answer that is under way is finished when the
// server is told to end, that nobody new is let in, and that a second signal
// ends it at once.
func TestServeDrains(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("kverify")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() + "/mirror"
	const path = "bin/linux/amd64/kubelet"
	w := genuine().Clone()
	body := bigFile(w, "v1.27.2", path, 24<<20, 5)
	if err := w.WriteMirror(dir, []string{"v1.27.2"}, world.MirrorOptions{Names: []string{"kube-proxy"}, Arches: []string{"amd64"}, Files: []string{path}}); err != nil {
		t.Fatal(err)
	}
	for _, twice := range []bool{false, true} {
		t.Run(fmt.Sprintf("twice=%v", twice), func(t *testing.T) {
			s, err := startServer(program, ".", os.Environ(), "mirror", "serve", dir, "--listen", "127.0.0.1:0", "--verify", "off")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.over })
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.base+"/dl.k8s.io/release/v1.27.2/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			head := make([]byte, 1<<20)
			if _, err := io.ReadFull(resp.Body, head); err != nil {
				t.Fatal(err)
			}
			signal := func() {
				if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
			signal()
			address := strings.TrimPrefix(s.base, "http://")
			for deadline := time.Now().Add(10 * time.Second); ; {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					break // nobody new
				}
				_ = conn.Close()
				if time.Now().After(deadline) {
					t.Fatal("it still listens")
				}
				time.Sleep(5 * time.Millisecond)
			}
			if twice {
				signal()
				<-s.over
				if code := s.cmd.ProcessState.ExitCode(); code != 143 {
					t.Errorf("exit code %d, want 143", code)
				}
				if rest, err := io.ReadAll(resp.Body); err == nil {
					t.Errorf("%d bytes more and no error", len(rest))
				}
				return
			}
			rest, err := io.ReadAll(resp.Body)
			if got := string(head) + string(rest); err != nil || got != string(body) {
				t.Errorf("%d bytes, %v", len(head)+len(rest), err)
			}
			<-s.over
			if code := s.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("exit code %d: %s", code, s.stderr.String())
			}
		})
	}
}
