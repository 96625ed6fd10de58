package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// saying are the lines that the program can say: of its source without tests, quotes and
// verbs as printed, and of the golden transcripts, at the width of a pipe.
func saying(t *testing.T) (lines []string) {
	t.Helper()
	read := func(path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.ReplaceAll(string(b), `\"`, `"`), "\n")...)
	}
	for _, root := range []string{"../../pkg", "../../internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "world" || d.Name() == "testdata") {
				return fs.SkipDir
			}
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				read(path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	golden, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || golden == nil {
		t.Fatal("no transcripts", err)
	}
	for _, path := range golden {
		read(path)
	}
	return lines
}

// TestTroubleshooting finds each message of docs/troubleshooting.md in what the program
// can say: its words, with anything where "..." stands, in one line.
func TestTroubleshooting(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	messages := regexp.MustCompile("(?m)^### (.*)$").FindAllStringSubmatch(string(page), -1)
	if len(messages) < 20 {
		t.Fatalf("%d messages", len(messages))
	}
	lines := saying(t)
	for _, m := range messages {
		text, quoted := strings.CutPrefix(m[1], "`")
		text, closed := strings.CutSuffix(text, "`")
		if !quoted || !closed || len(strings.ReplaceAll(text, "...", "")) < 10 {
			t.Errorf("%s is no message", m[1])
			continue
		}
		var parts []string
		for _, p := range strings.Split(text, "...") {
			parts = append(parts, regexp.QuoteMeta(p))
		}
		re := regexp.MustCompile(strings.Join(parts, ".+"))
		if !slices.ContainsFunc(lines, re.MatchString) {
			t.Errorf("nothing says %s", m[1])
		}
	}
}

// TestChain holds docs/chain.md and its picture against the checks that the policy requires, and
// against the rules of docs/trust.md that it names.
func TestChain(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, rules, number := read("../../docs/chain.md"), map[string]string{}, ""
	for line := range strings.Lines(read("../../docs/trust.md")) {
		if m := regexp.MustCompile(`^([0-9]+)\. `).FindStringSubmatch(line); m != nil {
			number = m[1]
		} else if !strings.HasPrefix(line, "   ") {
			number = ""
		}
		rules[number] += line
	}
	about := map[string]string{ // what a rule of each check speaks of
		report.Inventory: "list", report.Digest: "escriptor", report.Signature: "ignature", report.Reference: "docker-reference", report.Binding: "claim|binds|version",
	}
	var checks []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|.*\\| ([0-9, ]+) \\|$").FindAllStringSubmatch(page, -1) {
		checks = append(checks, row[1])
		for _, n := range strings.Split(row[2], ", ") {
			if !regexp.MustCompile(about[row[1]]).MatchString(rules[n]) || about[row[1]] == "" {
				t.Errorf("rule %s of docs/trust.md says nothing of the check %s: %q", n, row[1], rules[n])
			}
		}
	}
	slices.Sort(checks)
	required := slices.Sorted(slices.Values(trust.EmbeddedPolicy().Required))
	if !slices.Equal(checks, required) {
		t.Errorf("docs/chain.md tells of the checks %q, and the policy requires %q", checks, required)
	}
	var drawn []string
	for _, m := range regexp.MustCompile(`>([a-z]+)</text>`).FindAllStringSubmatch(read("../../docs/images/chain.svg"), -1) {
		if slices.Contains(report.CheckNames, m[1]) && !slices.Contains(drawn, m[1]) {
			drawn = append(drawn, m[1])
		}
	}
	if slices.Sort(drawn); !slices.Equal(drawn, required) {
		t.Errorf("the picture of the chain shows the checks %q, and the policy requires %q", drawn, required)
	}
}

// TestPages holds what links in the pages lead to, headings included, and that their
// pictures are whole and ask for nothing.
func TestPages(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	for _, page := range pages(t) {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			to := page
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(page), m[1])
			}
			text, err := os.ReadFile(to)
			if err != nil && !isDir(to) {
				t.Errorf("%s: %s leads nowhere", page, m[0])
			}
			if m[2] != "" && !slices.Contains(anchors(string(text)), m[2]) {
				t.Errorf("%s: %s has no such heading", page, m[0])
			}
		}
	}
	drawn, err := filepath.Glob("../../docs/images/*.svg")
	if err != nil || drawn == nil {
		t.Fatal("no drawings", err)
	}
	for _, path := range drawn {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if e, ok := tok.(xml.StartElement); ok && slices.Contains([]string{"script", "image", "use", "foreignObject", "a"}, e.Name.Local) {
				t.Errorf("%s has a <%s>", path, e.Name.Local)
			}
		}
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// anchors are the headings of a page as GitHub names them.
func anchors(page string) (list []string) {
	for _, m := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, "#"+strings.ReplaceAll(name, " ", "-"))
	}
	return list
}

// TestInlineCommands asks for the help of each command that a sentence of the pages names,
// and finds the flags that stand with it there.
func TestInlineCommands(t *testing.T) {
	inline := regexp.MustCompile("`kverify ([a-z][^`\n]*)`")
	flag := regexp.MustCompile(`--[a-z][a-z-]*`)
	helps := map[string]string{}
	found := 0
	for _, page := range pages(t) {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inline.FindAllStringSubmatch(string(b), -1) {
			found++
			args := strings.Fields(m[1])[:1]
			if w := strings.Fields(m[1]); len(w) > 1 && slices.Contains([]string{"help", "mirror", "trust", "policy", "sbom", "completion"}, w[0]) && strings.ToLower(w[1]) == w[1] {
				args = strings.Split(strings.Join(w[:2], " "), "|")[:1] // create|push
				args = strings.Fields(args[0])
			}
			name := strings.Join(args, " ")
			if _, ok := helps[name]; !ok {
				if args[0] != "help" {
					args = append(args, "--help")
				}
				out, err := exec.Command("kverify", args...).CombinedOutput()
				if err != nil {
					t.Errorf("%s: %s: %v\n%s", page, m[0], err, out)
				}
				if args[0] != "help" && !strings.Contains(string(out), "kverify "+name+" ") {
					t.Errorf("%s: %s: there is no such command", page, m[0])
				}
				helps[name] = string(out)
			}
			for _, f := range flag.FindAllString(m[1], -1) {
				if !regexp.MustCompile(f + `\b`).MatchString(helps[name]) {
					t.Errorf("%s: %s: there is no %s", page, m[0], f)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found", found)
	}
}
