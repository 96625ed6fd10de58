package main

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
	"slices"
	"strings"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/sigstore"
)

// An exception is a line of the documents that ends otherwise than with 0, or that
// cannot run here. A line that no longer stands in its page fails the test.
type exception struct {
	page, line string // the line's beginning, as printed
	exit       int    // cannot if it is not run
	why        string
}

const cannot = -1

var exceptions = []exception{
	{"docs/pulled.md", "kverify verify ./kubelet_1.30.1", cannot, "needs packages, which the tests of pkg/sight/packages make"},
	{"docs/scale.md", "kverify images v1.24..v1.27 -q", 3, "the world has few releases of these"},
	{"docs/scale.md", "kverify images --all-supported", 3, "the world has none that is supported today"},
	{"docs/scale.md", "kverify images v1.24..v1.27 --shard", 3, "the world has few releases of these"},
	{"docs/scale.md", "kverify report 0.json", cannot, "needs the reports of three other machines"},
	{"docs/signatures.md", "kverify images v1.37.2 --require promotion,vsa", 3, "the world has no such release"},
	{"docs/signatures.md", "kverify verify --bundle FILE --key FILE", cannot, "names two files alike"},
	{"docs/watch.md", "kverify watch  ", cannot, "goes on until it is told to end"},
	{"docs/watch.md", "kverify watch 1.27 -f", cannot, "goes on until it is told to end"},
	{"docs/watch.md", "kverify watch --state", cannot, "goes on until it is told to end"},
	{"README.md", "kverify watch  ", cannot, "goes on until it is told to end"},
	{"docs/support.md", "kverify skew --apiserver 1.27 --apiserver 1.26", 1, "kubectl 1.28 is too new there: the page says so"},
}

// stands are words of the documents for what each reader has another of.
var stands = [][2]string{
	{"kverify trust update ", "kverify trust update --tuf-root world.tuf.json "},
	{"--certificate-identity SUBJECT --certificate-oidc-issuer URL", "--certificate-identity a@example.com --certificate-oidc-issuer https://example.com"},
}

// A printed line is a command line of a page, with what is printed under it.
type printed struct {
	line   string
	before string   // assignments above it
	output []string // only under a line that begins with $
}

var (
	assignment = regexp.MustCompile(`^(export +)?[A-Z_]+=\S+( +#.*)?$`)
	// what a reader does with files in between
	between = regexp.MustCompile(`^(cp|mkdir|mv|tar) `)
	// a kverify that a shell would start: first, after variables, or behind a pipe
	started = regexp.MustCompile(`^([A-Z_]+=\S+ +)*kverify(-image-verifier)? |\| *kverify `)
)

// commands collects the command lines of a page, from its fenced and its indented blocks.
func commands(page string) (list []printed) {
	lines := strings.Split(page, "\n")
	fenced, shell, before, whole := false, false, "", ""
	indents := true // an indented line begins or continues a block
	for i, l := range lines {
		if strings.HasPrefix(l, "```") {
			fenced = !fenced
			shell = fenced && slices.Contains([]string{"```", "```sh", "```console", "```bash"}, strings.TrimSpace(l))
			before = ""
			continue
		}
		body, indented := strings.CutPrefix(l, "    ")
		indents = indents && indented || l == ""
		indented = indented && indents
		if !fenced && !indented || fenced && !shell {
			before = ""
			continue
		}
		if fenced {
			body = l
		}
		whole += strings.TrimLeft(body, " ")
		if rest, ok := strings.CutSuffix(whole, `\`); ok {
			whole = rest
			continue
		}
		line := whole
		whole = ""
		if assignment.MatchString(line) {
			line, _, _ = strings.Cut(line, " #")
			before += line + "; "
			continue
		}
		line, prompt := strings.CutPrefix(line, "$ ")
		if !started.MatchString(line) && (!fenced || !between.MatchString(line)) {
			continue
		}
		c := printed{line: line, before: before}
		for j := i + 1; prompt && j < len(lines) && !strings.HasPrefix(lines[j], "```") && !strings.HasPrefix(lines[j], "$ "); j++ {
			c.output = append(c.output, lines[j])
		}
		list = append(list, c)
	}
	return list
}

// pages are all that a reader reads.
func pages(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"README.md", "SECURITY.md", "docs/*.md", "docs/ci/*.md"} {
		found, err := filepath.Glob("../../" + pattern)
		if err != nil || found == nil {
			t.Fatal(pattern, err)
		}
		names = append(names, found...)
	}
	return names
}

// A reader follows the pages in a directory of his own, the world being the internet.
type reader struct {
	runner
	stands [][2]string
	server *server
}

// internet is a world with the versions that the pages name.
func internet(t *testing.T) (*world.World, []string) {
	t.Helper()
	w := world.New(world.Options{Versions: []string{"v1.26.4", "v1.27.1", "v1.27.2", "v1.27.3", "v1.27.4", "v1.27.16", "v1.28.1", "v1.30.1", "v1.31.0"}})
	world.NewTUF(w.TrustedRootJSON()).Publish(w)
	s, err := w.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	proxy, stop, err := s.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return w, []string{"HTTPS_PROXY=" + proxy.String(), "SSL_CERT_DIR=/nowhere", "COSIGN_PASSWORD=..."}
}

// desk is what the pages take for granted, made once: DIR, a mirror; images.tar, layout and
// lists of what was pulled; a pair of keys; tools that print what they print.
func desk(t *testing.T, w *world.World) *reader {
	t.Helper()
	r := &reader{runner: runner{t: t, dir: t.TempDir()}, stands: stands}
	r.write("world.root.json", string(w.TrustedRootJSON()))
	r.write("root.json", string(w.TrustedRootJSON())) // the one that a reader has already
	r.write("trusted_root.json", string(w.TrustedRootJSON()))
	r.write("world.ca.pem", string(world.CAPEM()))
	r.write("world.tuf.json", string(world.NewTUF(nil).RootJSON(1)))
	if err := w.WriteMirror(filepath.Join(r.dir, "DIR"), []string{"v1.27.2"}, world.MirrorOptions{Files: []string{"SHA256SUMS", "SHA512SUMS", "provenance.json"}}); err != nil {
		t.Fatal(err)
	}
	pair, err := pairOf("cosign", "...")
	if err != nil {
		t.Fatal(err)
	}
	r.write("cosign.key", string(pair.PrivateBytes))
	r.write("cosign.pub", string(pair.PublicBytes))
	r.sign(w, "kverify_1.0.0_linux_amd64.tar.gz", "kverify_1.0.0_linux_amd64.tar.gz.sigstore.json",
		"https://github.com/kverify/kverify/.github/workflows/release.yml@refs/tags/v1.0.0", "https://token.actions.githubusercontent.com")
	r.sign(w, "ARTIFACT", "FILE", "a@example.com", "https://example.com")
	r.pulled(w)
	return r
}

// newReader sits down at a copy of the desk, with a registry of his own.
func newReader(t *testing.T, text string, at *reader, env []string) *reader {
	t.Helper()
	registry := httptest.NewServer(memory.New(memory.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(registry.Close)
	inside := strings.TrimPrefix(registry.URL, "http://")
	r := &reader{runner: runner{t: t, dir: t.TempDir()}, stands: append([][2]string{{"https://registry.example.com", registry.URL}, {"registry.example.com", inside}, {"harbor.corp", inside}}, at.stands...)}
	r.env = append(append(os.Environ(), env...), "XDG_CACHE_HOME="+r.dir+"/.cache", "HOME="+r.dir, "PATH="+r.dir+"/.tools:"+os.Getenv("PATH"),
		"KVERIFY_TRUSTED_ROOT="+r.dir+"/world.root.json", "SSL_CERT_FILE="+r.dir+"/world.ca.pem")
	if err := os.CopyFS(r.dir, os.DirFS(at.dir)); err != nil {
		t.Fatal(err)
	}
	// What other readers and other machines have made before.
	before := "cp DIR/MANIFEST.json ."
	if slices.ContainsFunc(r.stands[:3], func(s [2]string) bool { return strings.Contains(text, s[0]) }) {
		before += " && kverify mirror push DIR " + inside + "/k8s -q"
	}
	if strings.Contains(text, "mirror.tar") && !strings.Contains(text, "--archive mirror.tar") {
		before += " && kverify mirror create v1.27.2 --all -d .other --archive mirror.tar --sign-key cosign.key -q"
	}
	if strings.Contains(text, "kverify mirror keygen") {
		before += " && rm cosign.key cosign.pub"
	}
	if code, out := r.follow(printed{line: before}); code != 0 {
		t.Fatal(out)
	}
	t.Cleanup(r.endServer)
	return r
}

// sign makes a file and its bundle by somebody.
func (r *reader) sign(w *world.World, name, bundle, identity, issuer string) {
	r.write(name, name)
	signed := w.Sigstore().Sign([]byte(name), sigstore.Signing{Identity: identity, Issuer: issuer, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	r.write(bundle, string(signed.Bundle("0.3")))
}

// pulled writes an image as others pulled it, lists of it, and tools that print such.
func (r *reader) pulled(w *world.World) {
	m, _ := w.Manifest("registry.k8s.io/kube-proxy:v1.27.2")
	pinned := "registry.k8s.io/kube-proxy:v1.27.2@" + m.Digest()
	r.stands = append(slices.Clip(r.stands), [2]string{"sha256:DIGEST", m.Digest()})
	r.write("images.txt", pinned+"\n")
	r.write("deployment.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: '"+pinned+"'}]}\n")
	r.write("pods.json", fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"},
		"spec":{"containers":[{"name":"a","image":%q}]},"status":{"containerStatuses":[{"name":"a","image":%[1]q,"imageID":"registry.k8s.io/kube-proxy@%s"}]}}]}`, pinned, m.Digest()))
	r.write("nodes.json", fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"},
		"status":{"images":[{"names":["registry.k8s.io/kube-proxy@%s","registry.k8s.io/kube-proxy:v1.27.2"]}]}}]}`, m.Digest()))
	r.write(".tools/kubectl", "#!/bin/sh\ncat \"$2.json\"\n")
	r.write(".tools/crictl", "#!/bin/sh\n"+fmt.Sprintf(`echo '{"images":[{"id":"","repoTags":["registry.k8s.io/kube-proxy:v1.27.2"],"repoDigests":["registry.k8s.io/kube-proxy@%s"]}]}'`, m.Digest()))
	r.write(".tools/docker", "#!/bin/sh\n"+fmt.Sprintf(`echo '[{"RepoTags":["registry.k8s.io/kube-proxy:v1.27.2"],"RepoDigests":["registry.k8s.io/kube-proxy@%s"]}]'`, m.Digest()))
	r.write(".tools/kubeadm", "#!/bin/sh\necho registry.k8s.io/kube-proxy:v1.27.2")
	if code, out := r.run(nil, "", "cp", "-r", "DIR/oci", "layout"); code != 0 {
		r.t.Fatal(out)
	}
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":%q,"digest":%q,"size":%d,
		"annotations":{"org.opencontainers.image.ref.name":"registry.k8s.io/kube-proxy:v1.27.2"}}]}`, m.MediaType, m.Digest(), len(m.Body))
	r.write("layout/index.json", index)
	if code, out := r.run(nil, "", "bash", "-ec", "tar -cf images.tar -C layout . && gzip -k images.tar"); code != 0 {
		r.t.Fatal(out)
	}
}

// follow runs a command as printed and returns its code and all that it says. A server is
// left running, at mirror:8080 for the commands after it.
func (r *reader) follow(c printed) (int, string) {
	line := c.before + c.line
	for _, s := range r.stands {
		line = strings.ReplaceAll(line, s[0], s[1])
	}
	if args, ok := strings.CutPrefix(line, "kverify mirror serve "); ok {
		r.endServer()
		args, _, _ = strings.Cut(strings.Split(args, " #")[0], " --listen")
		program, err := exec.LookPath("kverify")
		if err != nil {
			r.t.Fatal(err)
		}
		s, err := startServer(program, r.dir, r.env, append([]string{"mirror", "serve"}, append(strings.Fields(args), "--listen", "127.0.0.1:0")...)...)
		if err != nil {
			return cannot, err.Error()
		}
		r.server = s
		r.stands = append([][2]string{{"http://mirror:8080", s.base}}, r.stands...)
		if err := s.says("verified: "); err != nil {
			return cannot, err.Error()
		}
		return 0, s.stderr.String()
	}
	ctx, stop := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", line)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

func (r *reader) endServer() {
	if r.server != nil {
		_ = r.server.cmd.Process.Kill()
		<-r.server.over
		r.server = nil
	}
}

// figures are what differs from run to run, or from world to world.
var figures = regexp.MustCompile(`[0-9.]+ [kMG]?(B|s|verified|refuted|unknown)\b`)

func stable(s string) string {
	s = regexp.MustCompile(`http://[^ ]+`).ReplaceAllString(s, "URL")
	return strings.Join(strings.Fields(figures.ReplaceAllString(strings.NewReplacer("✓", "ok", "✗", "FAIL").Replace(s), "N $1")), " ")
}

// lacks is the first printed line that a run did not say, in the order as printed. What
// follows "..." may stand anywhere behind.
func lacks(wanted []string, output string) string {
	lines := strings.Split(output, "\n")
	for _, p := range wanted {
		if p = stable(p); p == "" || p == "..." {
			continue
		}
		at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(stable(l), p) })
		if at < 0 {
			return p
		}
		lines = lines[at+1:]
	}
	return ""
}

// TestDocs runs every command line of the documents, page by page, as they stand there,
// and compares what is printed under one with what it says.
func TestDocs(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	if testing.Short() {
		t.Skip("takes a minute")
	}
	w, env := internet(t)
	at := desk(t, w)
	met := make([]bool, len(exceptions))
	ran := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name, todo, codes := strings.TrimPrefix(page, "../../"), []printed(nil), []int(nil)
		for _, c := range commands(string(text)) {
			want := 0
			for i, e := range exceptions {
				if e.page == name && strings.HasPrefix(c.line, e.line) {
					met[i], want = true, e.exit
				}
			}
			if want != cannot {
				todo, codes = append(todo, c), append(codes, want)
			}
		}
		if ran += len(todo); len(todo) > 0 {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				newReader(t, string(text), at, env).followAll(todo, codes)
			})
		}
	}
	for i, e := range exceptions {
		if !met[i] {
			t.Errorf("%s has no line %q any more: take it from the list (%s)", e.page, e.line, e.why)
		}
	}
	if ran < 70 {
		t.Errorf("only %d lines ran", ran)
	}
}

func (r *reader) followAll(todo []printed, codes []int) {
	for i, c := range todo {
		got, said := r.follow(c)
		if got != codes[i] {
			r.t.Errorf("%s: exit code %d, want %d:\n%s", c.line, got, codes[i], said)
		} else if l := lacks(c.output, said); l != "" {
			r.t.Errorf("%s: it does not say %q:\n%s", c.line, l, said)
		}
	}
}
