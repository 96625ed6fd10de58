package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// mostMemory is what a command may take, whatever it reads.
const mostMemory = 256 << 20

// peak runs a program and writes into a file how much memory it took at most, in
// bytes. It is a process of its own: what a program takes is counted from what its
// parent held (getrusage(2)), and a test holds much.
func peak() {
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	_ = cmd.Run()
	most, ok := mostResident(cmd.ProcessState)
	if !ok {
		os.Exit(125)
	}
	if err := os.WriteFile(os.Args[1], []byte(strconv.FormatInt(most, 10)), 0o600); err != nil {
		os.Exit(125)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

func slowMemory(t *testing.T) {
	t.Helper()
	if os.Getenv("KVERIFY_SLOW_TESTS") == "" {
		t.Skip("some minutes; KVERIFY_SLOW_TESTS=1 runs it")
	}
	if runtime.GOOS != "linux" {
		t.Skip("how much memory a program took is read as Linux tells it")
	}
}

// memoryOf runs kverify, and gives what it took, its exit code and what it said.
func memoryOf(t *testing.T, args ...string) (most int64, code int, said string) {
	t.Helper()
	kverify, err := exec.LookPath("kverify")
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "peak")
	cmd := exec.CommandContext(t.Context(), "peak", append([]string{to, kverify}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "GOMEMLIMIT=", "HTTPS_PROXY=http://127.0.0.1:1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	_ = cmd.Run()
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if most, err = strconv.ParseInt(string(text), 10, 64); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB, exit code %d, %.1f s", most>>20, cmd.ProcessState.ExitCode(), time.Since(began).Seconds())
	return most, cmd.ProcessState.ExitCode(), out.String()
}

// flood is a registry whose every image has an index of that many platforms, each
// manifest of that many bytes, and all of its values the dearest that are read.
type flood struct {
	platforms, bytes int
	fill             func(name string, bytes int) string
	late             time.Duration // configs come so late, while manifests are held

	mu    sync.Mutex
	child map[string][]platform // of each image
	from  map[string]string     // the name from which a child is made, by digest
}

type platform struct {
	digest string
	size   int
}

// annotations are many, and each is kept.
func annotations(name string, size int) string {
	var b strings.Builder
	for i := range 18_000 {
		if b.Len() > size {
			break
		}
		fmt.Fprintf(&b, `"%s%d":"%d",`, name, i, i)
	}
	fmt.Fprintf(&b, `"z":"%s"`, strings.Repeat("z", max(0, size-b.Len())))
	return `{` + b.String() + `}`
}

func (f *flood) manifest(name string) []byte {
	d := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%x","size":7}`, sha256.Sum256([]byte(name)))
	return []byte(`{"schemaVersion":2,"config":` + d + `,"layers":[],"annotations":` + f.fill(name, f.bytes) + `}`)
}

func (f *flood) index(name string) []byte {
	f.mu.Lock()
	children, known := f.child[name]
	f.mu.Unlock()
	for i := 0; !known && i < f.platforms; i++ {
		of := fmt.Sprintf("%s-%d", name, i)
		text := f.manifest(of)
		p := platform{fmt.Sprintf("sha256:%x", sha256.Sum256(text)), len(text)}
		children = append(children, p)
		f.mu.Lock()
		f.child[name], f.from[p.digest] = children, of
		f.mu.Unlock()
	}
	var list strings.Builder
	for i, p := range children {
		fmt.Fprintf(&list, `,{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d,"platform":{"os":"linux","architecture":"a%d"}}`, p.digest, p.size, i)
	}
	return []byte(`{"schemaVersion":2,"manifests":[` + strings.TrimPrefix(list.String(), ",") + `],"annotations":` + f.fill(name, max(0, f.bytes-list.Len())) + `}`)
}

func (f *flood) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/v2/")
	repo, id, ok := strings.Cut(name, "/manifests/")
	switch {
	case strings.Contains(name, "/blobs/"):
		time.Sleep(f.late)
		http.NotFound(w, r)
	case !ok, strings.HasSuffix(id, ".sig"):
		http.NotFound(w, r)
	case strings.HasPrefix(id, "sha256:"):
		f.mu.Lock()
		of := f.from[id]
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		_, _ = w.Write(f.manifest(of))
	default:
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		_, _ = w.Write(f.index(repo))
	}
}

// Whatever a registry answers, and however many answers are held side by side, a
// run stays within its memory.
func TestMemoryOfRegistries(t *testing.T) {
	slowMemory(t)
	var refs []string
	for i := range 64 {
		refs = append(refs, fmt.Sprintf("registry.k8s.io/image%d:v1", i))
	}
	for name, f := range map[string]*flood{
		"large":    {platforms: 2, bytes: 4<<20 - 64<<10, fill: annotations},
		"ordinary": {platforms: 12, bytes: 250 << 10, fill: annotations, late: 5 * time.Second},
		"small":    {platforms: 60, bytes: 15 << 10, fill: annotations, late: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f.child, f.from = map[string][]platform{}, map[string]string{}
			server := httptest.NewServer(f)
			defer server.Close()
			most, code, said := memoryOf(t, append([]string{"verify", "--checks", "digest,signature", "--retry", "0", "--timeout", "60s", "--mirror", filepath.Join(sample, "mirror"), "--endpoint", "registry.k8s.io=" + server.URL}, refs...)...)
			if most > mostMemory || code != 3 {
				t.Errorf("%d MiB, exit code %d: %.2000s", most>>20, code, said)
			}
		})
	}
}

// dear are documents near their caps whose every value is dear to read.
func dear(t *testing.T, dir string) map[string][]string {
	t.Helper()
	file := func(name, head, one, tail string, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(head+strings.Repeat(one, (size-len(head)-len(tail))/len(one))+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const (
		head     = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: x\nDocumentNamespace: https://example.com/x\nCreator: Tool: x\nCreated: 2023-05-17T14:00:00Z\n\n"
		element  = "PackageName: a\nSPDXID: SPDXRef-a\nPackageDownloadLocation: NONE\n"
		long     = "FileName: bin/linux/amd64/a-file-of-a-name-that-is-long-enough-for-a-file\nSPDXID: SPDXRef-File-a\nFileChecksum: SHA1: da39a3ee5e6b4b0d3255bfef95601890afd80709\nFileCopyrightText: NOASSERTION\nLicenseConcluded: NOASSERTION\n\n"
		jsonHead = `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"x","documentNamespace":"https://example.com/x","creationInfo":{"created":"2023-05-17T14:00:00Z","creators":["Tool: x"]},"packages":[`
		pack     = `{"name":"a","SPDXID":"SPDXRef-a","downloadLocation":"NONE"},`
	)
	all := map[string][]string{}
	for what, f := range map[string]string{
		"text, elements": file("a.spdx", head, element, "", 16<<20), "text, cap": file("b.spdx", head, long, "", 60<<20),
		"json, elements": file("a.json", jsonHead, pack, `{"name":"a","SPDXID":"SPDXRef-b","downloadLocation":"NONE"}]}`, 16<<20),
		"json, fewer":    file("c.json", jsonHead, pack, `{"name":"a","SPDXID":"SPDXRef-b","downloadLocation":"NONE"}]}`, 5<<20),
		"json, long":     file("b.json", jsonHead, `{"name":"`+strings.Repeat("a", 2000)+`","SPDXID":"SPDXRef-a","downloadLocation":"NONE"},`, `{"name":"a","SPDXID":"SPDXRef-b","downloadLocation":"NONE"}]}`, 44<<20),
		"text, fewer":    file("c.spdx", head, element, "", 5<<20),
	} {
		all["sbom show "+what] = []string{"sbom", "show", f}
		to := "json"
		if strings.HasPrefix(what, "json") {
			to = "tag-value"
		}
		all["sbom convert "+what] = []string{"sbom", "convert", f, "-o", to + "=/dev/null"}
	}
	const object = `{"a":{"b":{}}},`
	all["report"] = []string{"report", file("report.json", `{"results":[`, `{"subject":"a","checks":[{"name":"digest"}]},`, `{}]}`, 30<<20)}
	all["report, text"] = []string{"report", file("report2.json", `{"results":[`, `{"subject":"`+strings.Repeat("a", 4000)+`","checks":[]},`, `{}]}`, 120<<20)}
	all["bundle"] = []string{"verify", "--bundle", file("bundle.json", `{"a":[`, object, `{}]}`, 15<<20), "--certificate-identity", "a", "--certificate-oidc-issuer", "https://b", "sha256:" + strings.Repeat("0", 64)}
	all["policy"] = []string{"images", "v1.27.2", "--policy", file("policy.yaml", "a:\n", "- {}\n", "", 1<<20), "--mirror", filepath.Join(sample, "mirror")}
	all["trusted root"] = []string{"images", "v1.27.2", "--trusted-root", file("root.json", `{"tlogs":[`, `{},`, `{}]}`, 1<<20), "--mirror", filepath.Join(sample, "mirror")}
	return all
}

// manyResults writes a saved report of some number of results: those of a run over one
// release, once for each of many releases and other digests.
func manyResults(t *testing.T, dir string, least int) string {
	t.Helper()
	one := filepath.Join(dir, "one.json")
	cmd := exec.CommandContext(t.Context(), "kverify", "images", "v1.27.2", "-q", "--no-cache", "--mirror", filepath.Join(sample, "mirror"), "--trusted-root", filepath.Join(sample, "trusted_root.json"), "-o", "json="+one)
	said, err := cmd.CombinedOutput()
	text, readErr := os.ReadFile(one)
	if readErr != nil {
		t.Fatalf("%v: %s", err, said)
	}
	var doc map[string]json.RawMessage
	var results []json.RawMessage
	counts := map[string]int{}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(doc["results"], &results), json.Unmarshal(doc["counts"], &counts)); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, fmt.Sprintf("many-%d.json", least))
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	defer w.Flush()
	copies := (least + len(results) - 1) / len(results)
	var versions []string
	for i := range copies {
		versions = append(versions, fmt.Sprintf("v1.27.%d", 1000+i))
	}
	var scope map[string]json.RawMessage
	if err := json.Unmarshal(doc["scope"], &scope); err != nil {
		t.Fatal(err)
	}
	list, _ := json.Marshal(versions)
	for k := range counts {
		counts[k] *= copies
	}
	scope["subjects"], doc["releases"] = list, list
	doc["scope"], _ = json.Marshal(scope)
	doc["counts"], _ = json.Marshal(counts)
	delete(doc, "results")
	rest, _ := json.Marshal(doc)
	_, _ = w.Write(rest[:len(rest)-1])
	_, _ = w.WriteString(`,"results":[`)
	for i, version := range versions {
		change := strings.NewReplacer("v1.27.2", version, "sha256:", fmt.Sprintf("sha256:%06x", i), `"logIndex": "`, fmt.Sprintf(`"logIndex": "%d`, 1+i))
		for j, r := range results {
			if i+j > 0 {
				_ = w.WriteByte(',')
			}
			_, _ = w.WriteString(digests.ReplaceAllString(change.Replace(string(r)), "$1"))
		}
	}
	_, _ = w.WriteString("]}")
	return to
}

// digests are too long by six digits.
var digests = regexp.MustCompile(`(sha256:[0-9a-f]{64})[0-9a-f]{6}`)

// inFormats asks for a report in every format that a command writes, a file each.
func inFormats(dir string, formats ...string) (args []string) {
	for _, f := range formats {
		args = append(args, "-o", f+"="+filepath.Join(dir, "out."+f))
	}
	return args
}

// manyFormats are those of every report but YAML, which takes minutes for so many.
var manyFormats = []string{"table", "wide", "json", "html", "markdown", "sarif", "junit", "github", "codequality"}

// mostResults are how many are read, judged and written within the memory.
const mostResults = 100_000

// mostNames are how many a list has that is judged within the memory.
const mostNames = 100_000

// A saved report of a very large fleet is read and shown within the memory too, in every format.
func TestMemoryOfReports(t *testing.T) {
	slowMemory(t)
	dir := t.TempDir()
	file := manyResults(t, dir, mostResults)
	if info, err := os.Stat(file); err == nil {
		t.Logf("%d MiB of JSON", info.Size()>>20)
	}
	if most, code, said := memoryOf(t, append([]string{"report", file}, inFormats(dir, manyFormats...)...)...); most > mostMemory || code != 0 {
		t.Errorf("%d MiB, exit code %d: %.300s", most>>20, code, said)
	}
	few := manyResults(t, dir, mostResults/20)
	if most, code, said := memoryOf(t, append([]string{"report", few}, inFormats(dir, "yaml")...)...); most > mostMemory/2 || code != 0 {
		t.Errorf("YAML: %d MiB, exit code %d: %.300s", most>>20, code, said)
	}
	for _, format := range append([]string{"yaml"}, manyFormats...) {
		if info, err := os.Stat(filepath.Join(dir, "out."+format)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// A list of very many names, none of which is known, is judged and reported within the memory.
func TestMemoryOfLists(t *testing.T) {
	slowMemory(t)
	dir := t.TempDir()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var names strings.Builder
	for i := range mostNames {
		fmt.Fprintf(&names, "registry.k8s.io/image%d:v1.0.0\n", i)
	}
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte(names.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"verify", "-f", list, "--no-cache", "--retry", "0", "--endpoint", "registry.k8s.io=" + server.URL}, inFormats(dir, append([]string{"refs"}, manyFormats...)...)...)
	if most, code, said := memoryOf(t, args...); most > mostMemory || code != 3 || !strings.Contains(said, fmt.Sprint(mostNames, " images")) {
		t.Errorf("%d MiB, exit code %d: %.300s", most>>20, code, said)
	}
}

// Whatever a file holds, a command that reads it stays within its memory.
func TestMemoryOfFiles(t *testing.T) {
	slowMemory(t)
	for name, args := range dear(t, t.TempDir()) {
		t.Run(name, func(t *testing.T) {
			if most, _, said := memoryOf(t, args...); most > mostMemory {
				t.Errorf("%d MiB: %.300s", most>>20, said)
			} else {
				t.Logf("%.200s", said)
			}
		})
	}
}
