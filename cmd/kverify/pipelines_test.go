package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const examples = "../../docs/ci/"

// documents reads each YAML document of a file.
func documents(t *testing.T, file string) (docs []map[string]any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasPrefix(b, []byte("- ")) { // a playbook
		var list []map[string]any
		if err := yaml.Unmarshal(b, &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var doc map[string]any
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			return docs
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		docs = append(docs, doc)
	}
}

// at walks into a document: a string is a key, a number an element.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if v, ok = m[p], ok && m[p] != nil; !ok {
				t.Fatalf("there is no %q of %v", p, path)
			}
		case int:
			list, ok := v.([]any)
			if !ok || p >= len(list) {
				t.Fatalf("there is no element %d of %v", p, path)
			}
			v = list[p]
		}
	}
	return v
}

func stringOf(t *testing.T, v any, path ...any) string {
	t.Helper()
	s, ok := at(t, v, path...).(string)
	if !ok {
		t.Fatalf("%v is no text", path)
	}
	return s
}

// A runner is a directory to run scripts of the examples in, against the sample.
type runner struct {
	t   *testing.T
	dir string
	env []string
	// digest is of the image that is listed as kube-proxy
	digest string
}

// newRunner lists kube-proxy, by a digest of its own or of kube-scheduler.
func newRunner(t *testing.T, good bool) *runner {
	t.Helper()
	abs, err := filepath.Abs(sample)
	if err != nil {
		t.Fatal(err)
	}
	p := &runner{t: t, dir: t.TempDir()}
	p.env = append(os.Environ(), "KVERIFY_MIRROR="+filepath.Join(abs, "mirror"), "KVERIFY_TRUSTED_ROOT="+filepath.Join(abs, "trusted_root.json"),
		"XDG_CACHE_HOME="+p.dir+"/cache", "PATH="+p.dir+"/bin:"+os.Getenv("PATH"))
	p.digest = digestOf(t, "kube-proxy")
	if !good {
		p.digest = digestOf(t, "kube-scheduler")
	}
	const name = "registry.k8s.io/kube-proxy"
	p.write("images.txt", name+":v1.27.2@"+p.digest+"\n")
	p.write("pods.json", fmt.Sprintf(`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"kube-proxy","namespace":"kube-system"},
		"spec":{"containers":[{"name":"kube-proxy","image":"%s:v1.27.2"}]},"status":{"containerStatuses":[{"name":"kube-proxy","image":"%[1]s:v1.27.2","imageID":"%[1]s@%s"}]}}]}`, name, p.digest))
	p.stub("kubectl", `[ "$*" = "get pods -A -o json" ] && cat pods.json`)
	p.stub("go", `[ "$1" = install ]`)
	return p
}

func (p *runner) write(name, text string) {
	p.t.Helper()
	name = filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *runner) stub(name, script string) {
	p.write("bin/"+name, "#!/bin/sh\n"+script+"\n")
}

func (p *runner) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Error(err)
	}
	return string(b)
}

// run runs a command there and returns its exit code and output.
func (p *runner) run(env []string, stdin string, argv ...string) (int, string) {
	p.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	if filepath.Base(argv[0]) == argv[0] { // the PATH of the runner decides
		cmd = exec.Command("env", argv...)
	}
	cmd.Dir, cmd.Env, cmd.Stdin = p.dir, append(slices.Clone(p.env), env...), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// digestOf is the digest that an image of the sample has.
func digestOf(t *testing.T, image string) string {
	t.Helper()
	text, err := os.ReadFile(sample + "/mirror/oci/index.json")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`"registry\.k8s\.io/` + image + `:v1\.27\.2"\s*\},\s*"digest": "(sha256:[0-9a-f]{64})"`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("the sample has no %s", image)
	}
	return string(m[1])
}

// TestExamples runs every line of shell under docs/ci against the sample, on what is
// genuine and on what is not.
func TestExamples(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	for _, good := range []bool{true, false} {
		verdict, code := "verified", 0
		if !good {
			verdict, code = "refuted", 1
		}
		check := func(t *testing.T, got int, out string) {
			t.Helper()
			if got != code || !strings.Contains(out, strings.ToUpper(verdict)+"  ") {
				t.Errorf("exit code %d, want %d:\n%s", got, code, out)
			}
		}
		t.Run("gitlab.yml/"+verdict, func(t *testing.T) {
			p := newRunner(t, good)
			job := documents(t, examples+"gitlab.yml")[0]["kverify"]
			script := "set -eo pipefail\n" // as GitLab's runner does
			for _, line := range at(t, job, "script").([]any) {
				script += line.(string) + "\n"
			}
			got, out := p.run(nil, "", "bash", "-c", script)
			check(t, got, out)
			for _, file := range []string{"paths", "reports"} {
				at(t, job, "artifacts", file)
			}
			for _, file := range []string{stringOf(t, job, "artifacts", "paths", 0), stringOf(t, job, "artifacts", "reports", "junit"), stringOf(t, job, "artifacts", "reports", "codequality")} {
				p.read(file)
			}
		})
		t.Run("tekton.yaml/"+verdict, func(t *testing.T) {
			p := newRunner(t, good)
			step := at(t, documents(t, examples+"tekton.yaml")[0], "spec", "steps", 0)
			got, out := p.run([]string{"LIST=images.txt", "VERDICT=verdict", "DIGEST=digest"}, "", "sh", "-c", stringOf(t, step, "script"))
			check(t, got, out)
			if got := p.read("verdict"); got != verdict {
				t.Errorf("the result is %q", got)
			}
			if got := p.read("digest"); len(got) != 64 {
				t.Errorf("the digest is %q", got)
			}
		})
		t.Run("Jenkinsfile/"+verdict, func(t *testing.T) {
			p := newRunner(t, good)
			b, err := os.ReadFile(examples + "Jenkinsfile")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(b), "{") != strings.Count(string(b), "}") {
				t.Error("a brace is lacking")
			}
			script := regexp.MustCompile(`(?s)sh '''(.*?)'''`).FindSubmatch(b)
			got, out := p.run(nil, "", "sh", "-xe", "-c", string(script[1]))
			check(t, got, out)
			for _, m := range regexp.MustCompile(`(?:junit|archiveArtifacts) '(.*?)'`).FindAllSubmatch(b, -1) {
				p.read(string(m[1]))
			}
		})
		t.Run("ansible.yml/"+verdict, func(t *testing.T) {
			p := newRunner(t, good)
			tasks := documents(t, examples+"ansible.yml")[0]["tasks"]
			if got := fmt.Sprint(at(t, tasks, 0, "ansible.builtin.command", "argv")); got != "[crictl images -o json]" {
				t.Errorf("the node is asked by %s", got)
			}
			var argv []string
			for _, a := range at(t, tasks, 1, "ansible.builtin.command", "argv").([]any) {
				argv = append(argv, strings.ReplaceAll(a.(string), "{{ inventory_hostname }}", "n1"))
			}
			held := fmt.Sprintf(`{"images":[{"id":"","repoTags":["%s:v1.27.2"],"repoDigests":["%[1]s@%s"]}]}`, "registry.k8s.io/kube-proxy", p.digest)
			got, out := p.run(nil, held, argv...)
			check(t, got, out)
			p.read("kverify-n1.json")
		})
		t.Run("cronjob.yaml/"+verdict, func(t *testing.T) {
			p := newRunner(t, good)
			docs := documents(t, examples+"cronjob.yaml")
			container := at(t, docs[len(docs)-1], "spec", "jobTemplate", "spec", "template", "spec", "containers", 0)
			got, out := p.run(nil, "", stringOf(t, container, "command", 0), stringOf(t, container, "command", 1), stringOf(t, container, "args", 0))
			check(t, got, out)
			p.stub("kubectl", "cat pods.json; exit 1")
			if got, out := p.run(nil, "", "bash", "-c", stringOf(t, container, "args", 0)); got == 0 {
				t.Errorf("a kubectl that fails is not seen:\n%s", out)
			}
		})
	}
	t.Run("argo.yaml", func(t *testing.T) {
		script := stringOf(t, documents(t, examples+"argo.yaml")[0], "spec", "templates", 0, "script", "source")
		for version, code := range map[string]int{"v1.27.2": 0, "v1.27.99": 3, "--help": 2} {
			p := newRunner(t, true)
			got, out := p.run([]string{"VERSION=" + version, "OUT=."}, "", "sh", "-c", script)
			if got != code || p.read("exit-code") != fmt.Sprint(code) {
				t.Errorf("%s: exit code %d, want %d:\n%s", version, got, code, out)
			}
		}
	})
}

// action runs the action's script as the runner does.
func (p *runner) action(inputs map[string]string) (code int, out, outputs string) {
	p.t.Helper()
	doc := documents(p.t, "../../action.yml")[0]
	step := at(p.t, doc, "runs", "steps", 1)
	program, err := exec.LookPath("kverify")
	if err != nil {
		p.t.Fatal(err)
	}
	p.stub("../kverify-bin/kverify", `exec `+program+` "$@"`)
	env := []string{"RUNNER_TEMP=" + p.dir, "GITHUB_OUTPUT=" + p.dir + "/outputs", "GITHUB_STEP_SUMMARY=" + p.dir + "/summary"}
	p.write("outputs", "")
	for variable, from := range at(p.t, step, "env").(map[string]any) {
		name := regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+) \}\}$`).FindStringSubmatch(from.(string))[1]
		value, ok := inputs[name]
		if !ok {
			value = stringOf(p.t, doc, "inputs", name, "default")
		}
		env = append(env, variable+"="+value)
	}
	p.write("step.sh", stringOf(p.t, step, "run"))
	code, out = p.run(env, "", "bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh")
	return code, out, p.read("outputs")
}

// TestActionBuild holds what the action builds, from its own commit unless a version is named.
func TestActionBuild(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	script := stringOf(t, documents(t, "../../action.yml")[0], "runs", "steps", 0, "run")
	for version, want := range map[string]string{
		"":               "install -C /of/the/action ./cmd/kverify",
		"v1.0.0":         "install github.com/kverify/kverify/cmd/kverify@v1.0.0",
		"$(touch pwned)": "install github.com/kverify/kverify/cmd/kverify@$(touch pwned)",
	} {
		p := newRunner(t, true)
		p.stub("go", `printf '%s' "$*" >called; printf ' %s' "$GOBIN" >into`)
		code, out := p.run([]string{"RUNNER_TEMP=" + p.dir, "ACTION_PATH=/of/the/action", "INPUT_VERSION=" + version}, "", "bash", "-eo", "pipefail", "-c", script)
		if got := p.read("called"); code != 0 || got != want || p.read("into") != " "+p.dir+"/kverify-bin" {
			t.Errorf("%q: exit code %d, go %s: %s", version, code, got, out)
		}
	}
}

// TestAction runs the action's script on inputs that are verified, refuted, unknown, and hostile.
func TestAction(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	list := map[string]string{"list": "images.txt"}
	with := func(name, value string) map[string]string {
		return map[string]string{"list": "images.txt", name: value}
	}
	for _, c := range []struct {
		name   string
		good   bool
		inputs map[string]string
		code   int
		want   string // in the outputs
	}{
		{"verified", true, list, 0, "verdict=verified\nreport=kverify.json\nsarif=kverify.sarif\n"},
		{"refuted", false, list, 1, "verdict=refuted\nreport=kverify.json\nsarif=kverify.sarif\n"},
		{"refuted, and unknown may pass", false, with("fail-on", "refuted"), 1, "verdict=refuted\n"},
		{"by name", true, map[string]string{"verify": "  registry.k8s.io/kube-proxy:v1.27.2 \r\n\nregistry.k8s.io/kube-scheduler:v1.27.2\n"}, 0, "verdict=verified\n"},
		{"unknown", true, map[string]string{"verify": "registry.k8s.io/kube-proxy:v1.27.99"}, 3, "verdict=unknown\n"},
		{"unknown may pass", true, map[string]string{"verify": "registry.k8s.io/kube-proxy:v1.27.99", "fail-on": "refuted"}, 0, "verdict=unknown\n"},
		{"nothing", true, nil, 2, ""},
		{"a flag", true, map[string]string{"verify": "--help"}, 2, ""},
		{"a command", true, map[string]string{"verify": "$(touch pwned); `touch pwned`\n'; touch pwned; '"}, 2, ""},
		{"two lines as a path", true, with("report", "a\nverdict=verified"), 2, ""},
		{"another fail-on", true, with("fail-on", "never"), 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newRunner(t, c.good)
			p.write("kverify.sarif", "of yesterday")
			code, out, outputs := p.action(c.inputs)
			if code != c.code || !strings.HasPrefix(outputs, c.want) || c.want == "" && outputs != "" {
				t.Errorf("exit code %d, want %d, outputs %q:\n%s", code, c.code, outputs, out)
			}
			if _, err := os.Stat(filepath.Join(p.dir, "pwned")); err == nil {
				t.Error("an input is code")
			}
			if c.want == "" {
				return
			}
			verdict, _, _ := strings.Cut(strings.TrimPrefix(c.want, "verdict="), "\n")
			if !strings.Contains(strings.ToLower(p.read("summary")), verdict) {
				t.Errorf("the summary is %q", p.read("summary"))
			}
			if strings.Contains(p.read("kverify.sarif"), "yesterday") {
				t.Error("the SARIF is of yesterday")
			}
			// The table stands between the stop and its own resumption, annotations after it.
			m := regexp.MustCompile(`(?s)^::stop-commands::(kverify-[0-9a-f]{32})\n(.*)\n::(kverify-[0-9a-f]{32})::\n(.*)$`).FindStringSubmatch(out)
			if len(m) != 5 || m[1] != m[3] || strings.Contains(m[2], "::error") || !strings.HasPrefix(m[4], "::") {
				t.Errorf("the log is\n%s", out)
			}
		})
	}
}

// TestPipelinesLint runs what linters are there over all that is shipped, and holds that
// no expression stands in a script.
func TestPipelinesLint(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(examples + "*.y*ml")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	ours, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(ours) < 3 {
		t.Fatal(ours, err)
	}
	files = append(files, "../../action.yml", "../../.github/workflows/live.yml")
	scripts := []string{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, child := range v {
				s, ok := child.(string)
				if ok && slices.Contains([]string{"run", "script", "source"}, key) {
					scripts = append(scripts, s)
				}
				walk(child)
			}
		case []any:
			for _, child := range v {
				if s, ok := child.(string); ok && strings.Contains(s, "\n") {
					scripts = append(scripts, s)
				}
				walk(child)
			}
		}
	}
	for _, file := range files {
		for _, doc := range documents(t, file) {
			walk(doc)
		}
	}
	if len(scripts) < 5 {
		t.Fatalf("only %d scripts were found", len(scripts))
	}
	lint := func(program string, args []string, stdin string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", program, err, out, stdin)
		}
	}
	t.Run("expressions", func(t *testing.T) {
		for _, s := range scripts {
			if regexp.MustCompile(`\$\{\{|\{\{|\$\([a-z]+\.`).MatchString(s) {
				t.Errorf("an expression becomes code:\n%s", s)
			}
		}
	})
	t.Run("shellcheck", func(t *testing.T) {
		if _, err := exec.LookPath("shellcheck"); err != nil {
			t.Skip("there is no shellcheck (Debian: apt-get install shellcheck)")
		}
		for _, s := range scripts {
			shell := "bash"
			if strings.HasPrefix(s, "#!/bin/sh") {
				shell = "sh"
			}
			lint("shellcheck", []string{"-s", shell, "-"}, s)
		}
	})
	t.Run("yamllint", func(t *testing.T) {
		if _, err := exec.LookPath("yamllint"); err != nil {
			t.Skip("there is no yamllint (Debian: apt-get install yamllint)")
		}
		lint("yamllint", append([]string{"-s", "-d", "{extends: default, rules: {line-length: {max: 160}, document-start: disable, truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}}}"}, files...), "")
	})
	t.Run("actionlint", func(t *testing.T) {
		program, err := exec.LookPath("../../bin/actionlint")
		if err != nil {
			t.Skip("there is no bin/actionlint (make bin/actionlint)")
		}
		lint(program, append([]string{examples + "github.yml"}, ours...), "")
	})
}
