package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror"
)

var (
	update  = flag.Bool("update", false, "write the golden transcripts anew")
	program = flag.String("program", "", "write what this program says instead, into the directory that -update-in names")
	into    = flag.String("update-in", "testdata/transcripts", "where the golden transcripts lie")
)

// A scene is a command line and what stands around it.
type scene struct {
	name string
	args []string
	exit int
	most int // lines on stdout at 80 columns
	// hang are beginnings of paths at which REGISTRY answers no more, or not to its end: of a file it
	// sends half. Once nothing else is asked for, the program gets an interrupt.
	hang  []string
	empty bool // REGISTRY has nothing, and takes what is pushed; else it has the genuine images and files
	fresh bool // the directory M is emptied before each run
	every bool // at every width, and not only piped and at 80 columns
}

const judged = " --trusted-root root.json"

func words(s string) []string { return strings.Fields(s) }

// dl gives where dl.k8s.io's programs for Linux lie on a stand-in.
func dl(names ...string) (paths []string) {
	for _, n := range names {
		paths = append(paths, "/dl.k8s.io/release/v1.27.2/bin/linux/"+n)
	}
	return paths
}

// scenes are what a person meets: each at most fifteen lines, and a success at most ten.
func scenes() []scene {
	return []scene{
		{name: "success-images", args: words("images v1.27.2 --mirror genuine" + judged), most: 10, every: true},
		{name: "success-verify", args: words("verify v1.27.2 --mirror genuine" + judged), most: 10, every: true},
		{name: "success-mirror", args: words("verify ./genuine" + judged), most: 10},
		{name: "swapped-images", args: words("images v1.27.2 --mirror swapped" + judged), exit: 1, most: 15, every: true},
		{name: "swapped-verify", args: words("verify v1.27.2 --mirror swapped" + judged), exit: 1, most: 15},
		{name: "swapped-explain", args: words("images v1.27.2 kube-scheduler --arch amd64 --mirror swapped --explain" + judged), exit: 1, most: 70},
		{name: "replayed-images", args: words("images v1.27.2 --mirror replayed" + judged), exit: 1, most: 15},
		{name: "no-network-images", args: words("images v1.27.2 --retry 0" + judged), exit: 3, most: 15, every: true},
		{name: "no-network-verify", args: words("verify v1.27.2 --retry 0" + judged), exit: 3, most: 15},
		{name: "no-network-download", args: words("download v1.27.2 kubectl --os linux --arch amd64 -d M --retry 0" + judged), exit: 3, most: 15},
		{name: "no-network-create", args: words("mirror create v1.27.2 --all -d M --retry 0" + judged), exit: 3, most: 15},
		{name: "interrupted-images", args: words("images v1.27.2 --mirror genuine --endpoint registry.k8s.io=REGISTRY" + judged), exit: 130, most: 15, hang: words("/v2/conformance /v2/kube-proxy /v2/kube-scheduler"), every: true},
		{name: "interrupted-verify", args: words("verify v1.27.2 --mirror genuine --endpoint registry.k8s.io=REGISTRY" + judged), exit: 130, most: 15, hang: words("/v2/conformance /v2/kube-proxy /v2/kube-scheduler")},
		{name: "timeout-images", args: words("images v1.27.2 --mirror genuine --timeout 1ns" + judged), exit: 3, most: 15},
		{name: "throttled-images", args: words("images v1.27.2 --mirror genuine --retry 0 --endpoint registry.k8s.io=THROTTLED" + judged), exit: 3, most: 15, every: true},
		{name: "dead-registry-images", args: words("images v1.27.2 --mirror genuine --retry 0 --endpoint registry.k8s.io=http://127.0.0.1:1" + judged), exit: 3, most: 15},
		{name: "dead-registry-push", args: words("mirror push genuine 127.0.0.1:1 --retry 0" + judged), exit: 3, most: 15},
		{name: "dead-registry-push-dry-run", args: words("mirror push genuine 127.0.0.1:1 --retry 0 --dry-run" + judged), exit: 3, most: 15},
		{name: "wrong-root-images", args: words("images v1.27.2 --mirror genuine"), exit: 3, most: 15, every: true},
		{name: "wrong-root-verify", args: words("verify v1.27.2 --mirror genuine"), exit: 3, most: 15},
		{name: "wrong-root-download", args: words("download v1.27.2 kubectl --os linux --arch amd64 -d M --mirror genuine"), exit: 3, most: 15},
		{name: "unsigned-images", args: words("images v1.27.2 --mirror unsigned" + judged), exit: 3, most: 15},
		{name: "sparse-create", args: words("mirror create v1.27.2 kubectl kube-proxy --os linux --arch amd64 -d M --mirror genuine" + judged), most: 10, fresh: true},
		{name: "sparse-images", args: words("images v1.27.2 --mirror sparse" + judged), exit: 3, most: 15},
		{name: "thin-images", args: words("images v1.27.2 --mirror thin" + judged), most: 10},
		{name: "sparse-verify", args: words("verify ./sparse" + judged), most: 10, every: true},
		{name: "second-create", args: words("mirror create v1.27.2 kubectl kube-proxy --os linux --arch amd64 -d sparse --mirror genuine" + judged), most: 10, every: true},
		{name: "dry-run-create", args: words("mirror create v1.27.2 kubectl kube-proxy --os linux --arch amd64 -d M --mirror genuine --dry-run" + judged), most: 40, every: true, fresh: true},
		{name: "swapped-create", args: words("mirror create v1.27.2 images --os linux --arch amd64 -d M --mirror swapped" + judged), exit: 1, most: 15, fresh: true},
		{name: "swapped-push", args: words("mirror push swapped 127.0.0.1:1 --retry 0" + judged), exit: 1, most: 15},
		{name: "throttled-verify", args: words("verify v1.27.2 --mirror genuine --retry 0 --endpoint registry.k8s.io=THROTTLED" + judged), exit: 3, most: 15},
		{name: "throttled-download", args: words("download v1.27.2 kubectl --os linux --arch amd64 -d M --mirror genuine --retry 0 --endpoint dl.k8s.io=THROTTLED" + judged), exit: 3, most: 15, fresh: true},
		{name: "throttled-create", args: words("mirror create v1.27.2 images --os linux --arch amd64 -d M --mirror genuine --retry 0 --endpoint registry.k8s.io=THROTTLED" + judged), exit: 3, most: 15, fresh: true},
		{name: "wrong-root-create", args: words("mirror create v1.27.2 images kubectl --os linux --arch amd64 -d M --mirror genuine"), exit: 3, most: 15, fresh: true},
		{name: "wrong-root-push", args: words("mirror push genuine 127.0.0.1:1 --retry 0"), exit: 3, most: 15},
		{name: "interrupted-create", args: words("mirror create v1.27.2 images --os linux --arch amd64 -d M --mirror genuine --endpoint registry.k8s.io=REGISTRY" + judged), exit: 130, most: 15, hang: words("/v2/conformance /v2/kube-proxy"), fresh: true},
		{name: "timeout-download", args: words("download v1.27.2 kubectl --os linux --arch amd64 -d M --mirror genuine --timeout 1ns" + judged), exit: 3, most: 15, fresh: true},
		{name: "download", args: words("download v1.27.2 kubectl --os linux --arch 386,amd64,arm,arm64,ppc64le,s390x -d M --layout dl --mirror genuine" + judged), most: 10, fresh: true},
		{name: "throttled-push", args: words("mirror push sparse THROTTLED --retry 0" + judged), exit: 3, most: 15, every: true},
		{name: "interrupted-push", args: words("mirror push genuine REGISTRY --retry 0" + judged), exit: 130, most: 15, hang: words("/v2/conformance /v2/kube-proxy"), empty: true, every: true},
		{name: "interrupted-download", args: words("download v1.27.2 kubectl --os linux --arch 386,amd64,arm,arm64,ppc64le,s390x -d M --layout dl --mirror genuine --endpoint dl.k8s.io=REGISTRY/dl.k8s.io" + judged), exit: 130, most: 15, hang: dl("arm/kubectl", "arm64/kubectl", "s390x/kubectl"), fresh: true, every: true},
		{name: "quiet", args: words("images v1.27.2 -q --mirror swapped" + judged), exit: 1, most: 3},
		{name: "only-a-file", args: words("images v1.27.2 -o json=M.json --mirror swapped" + judged), exit: 1, most: 0},
	}
}

// stage has the mirrors and registries of the scenes.
type stage struct {
	dir       string
	program   string
	throttled string
	asked     atomic.Int64 // when the registry was last asked for something, in ns
	silent    atomic.Int64 // requests that hang
}

func newStage(t *testing.T) *stage {
	s := &stage{dir: t.TempDir(), program: *program}
	if s.program == "" {
		s.program, _ = exec.LookPath("kverify") // which TestMain makes
	}
	if s.program == "" {
		t.Skip("the program of TestScripts is not in the path")
	}
	for name, attack := range map[string]func(*world.World){
		"genuine":  func(*world.World) {},
		"swapped":  func(w *world.World) { w.SwapImage("v1.27.2", "kube-scheduler", "kube-proxy") },
		"replayed": func(w *world.World) { w.ServeAs("v1.27.1", "v1.27.2") },
		"unsigned": func(w *world.World) { w.DropSignature("registry.k8s.io/kube-proxy:v1.27.2") },
	} {
		w := genuine().Clone()
		attack(w)
		files := []string{"SHA256SUMS", "SHA512SUMS", "provenance.json"}
		for _, p := range []string{"linux/386", "linux/amd64", "linux/arm", "linux/arm64", "linux/ppc64le", "linux/s390x"} {
			files = append(files, "bin/"+p+"/kubectl")
		}
		if attack := name; attack == "genuine" {
			files = append(files, "bin/linux/amd64/kube-proxy")
		}
		if err := w.WriteMirror(filepath.Join(s.dir, name), []string{"v1.27.2"}, world.MirrorOptions{Files: files}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, "root.json"), w.TrustedRootJSON(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "slow down", http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	s.throttled = server.URL
	s.run(t, "", words("mirror create v1.27.2 kubectl kube-proxy --os linux --arch amd64 -d sparse --mirror genuine"+judged), "", nil)
	s.run(t, "", words("mirror create v1.27.2 images kubectl --os linux --arch amd64 -d thin --mirror genuine"+judged), "", nil)
	return s
}

// run gives what a command says, and its exit code.
func (s *stage) run(t *testing.T, columns string, args []string, registry string, hang []string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	filled := make([]string, len(args))
	for i, a := range args {
		filled[i] = strings.NewReplacer("REGISTRY", registry, "THROTTLED", s.throttled).Replace(a)
	}
	cmd := exec.CommandContext(ctx, s.program, filled...)
	cmd.Dir = s.dir
	// A proxy that nobody listens at is a machine without a network.
	cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=", "NO_PROXY=127.0.0.1", "HOME="+s.dir, "XDG_CACHE_HOME="+s.dir+"/cache", "KVERIFY_NO_CACHE=true", "COLUMNS="+columns)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	for s.silent.Load() > 0 { // of the run before, whose end the server has not seen yet
		if ctx.Err() != nil {
			t.Fatal("requests of the run before are still there")
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.asked.Store(time.Now().UnixNano())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if len(hang) > 0 {
		for s.silent.Load() < int64(len(hang)) || time.Since(time.Unix(0, s.asked.Load())) < 2*time.Second {
			if ctx.Err() != nil {
				t.Fatal("the program did not ask for everything that is to hang")
			}
			time.Sleep(50 * time.Millisecond)
		}
		_ = cmd.Process.Signal(syscall.SIGINT)
	}
	_ = cmd.Wait()
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// registry serves what a scene needs, and answers no more where it is to hang.
func (s *stage) registry(t *testing.T, sc scene) string {
	if len(sc.hang) == 0 {
		return ""
	}
	dir, err := mirror.Open(filepath.Join(s.dir, "genuine"))
	if err != nil {
		t.Fatal(err)
	}
	var to http.Handler = stand{dir}
	if sc.empty {
		to = memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Store(time.Now().UnixNano())
		if !slices.ContainsFunc(sc.hang, func(beginning string) bool { return strings.HasPrefix(r.URL.Path, beginning) }) {
			to.ServeHTTP(w, r)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/v2/") {
			whole := httptest.NewRecorder()
			to.ServeHTTP(whole, r)
			w.Header().Set("Content-Length", fmt.Sprint(whole.Body.Len()))
			_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
			_ = http.NewResponseController(w).Flush()
		}
		s.silent.Add(1)
		defer s.silent.Add(-1)
		<-r.Context().Done()
	}))
	t.Cleanup(func() { server.Close(); _ = dir.Close() })
	return server.URL
}

var changing = regexp.MustCompile(`127\.0\.0\.1:[0-9]{2,}|in [0-9.]+ m?s\b|[0-9.]+ [kMG]B/s|[0-9]+(\.[0-9]+)? m?s\b`)

// conversation is progress and remarks on stderr, which other tests hold.
var conversation = regexp.MustCompile(`(?m)^kverify: .*\n`)

// TestTranscripts holds what a person reads, on narrow and wide terminals and through a
// pipe, against golden files: go test ./cmd/kverify -run TestTranscripts -update
func TestTranscripts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			var all strings.Builder
			fmt.Fprintf(&all, "$ kverify %s\n", strings.Join(sc.args, " "))
			widths := []string{"", "80"}
			if sc.every || *program != "" {
				widths = []string{"", "60", "80", "120"}
			}
			for _, columns := range widths {
				if sc.fresh {
					_ = os.RemoveAll(filepath.Join(s.dir, "M"))
				}
				out, said, code := s.run(t, columns, sc.args, s.registry(t, sc), sc.hang)
				if code != sc.exit {
					t.Errorf("%q columns: exit code %d, want %d", columns, code, sc.exit)
				}
				title := columns + " columns"
				if columns == "" {
					title = "piped"
				}
				clean := func(s string) string { return changing.ReplaceAllString(s, "N") }
				fmt.Fprintf(&all, "\n-- %s: exit %d, %d lines --\n%s", title, code, strings.Count(out, "\n"), clean(out))
				if said = conversation.ReplaceAllString(said, ""); said != "" {
					fmt.Fprintf(&all, "-- stderr --\n%s", clean(said))
				}
				if *program == "" {
					fits(t, columns, out, sc.most)
				}
			}
			golden := filepath.Join(*into, sc.name+".txt")
			if *update {
				if err := os.MkdirAll(*into, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(all.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got := all.String(); got != string(want) {
				t.Errorf("%s differs; run it with -update and read what changed:\n%s", golden, got)
			}
		})
	}
}

// fits holds that a screen has no more lines than it may, and none that is too wide but for a
// single word.
func fits(t *testing.T, columns, out string, most int) {
	t.Helper()
	if n := strings.Count(out, "\n"); n > most {
		t.Errorf("%q columns: %d lines, at most %d", columns, n, most)
	}
	var width int
	if _, err := fmt.Sscan(columns, &width); err != nil {
		return
	}
	for l := range strings.Lines(out) {
		if l = strings.TrimSuffix(l, "\n"); len([]rune(l)) > width && len(strings.Fields(strings.TrimLeft(l, " -"))) > 1 {
			t.Errorf("%s columns: a line of %d: %s", columns, len([]rune(l)), l)
		}
	}
}
