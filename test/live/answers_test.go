package live

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answers are what was learned, by the name of the question.
type answers map[string]learned

// change is an answer that is other than what is known.
type change struct{ name, was, is, detail string }

// notAsked stands for what nobody has asked yet.
const notAsked = "not asked yet"

// readAnswers reads lines of "NAME: ANSWER"; # begins a comment.
func readAnswers(name string) (map[string]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if q, answer, ok := strings.Cut(s.Text(), ": "); ok && q[0] != '#' {
			out[q] = answer
		}
	}
	return out, nil
}

// other are the answers that differ from what is known, in the order of the questions.
func (a answers) other(known map[string]string) (list []change) {
	for _, q := range questions {
		l, asked := a[q.name]
		was, ok := known[q.name]
		if !ok {
			was = notAsked
		}
		if asked && oneLine(l.answer) != was {
			list = append(list, change{q.name, was, oneLine(l.answer), oneLine(l.detail)})
		}
	}
	return list
}

// oneLine keeps what came from outside from being more than a line, or markup.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '`' {
			return ' '
		}
		return r
	}, s)
	const most = 600
	return s[:min(most, len(s))]
}

const head = "# What the real hosts answered last, of each question of make live: facts that hold for months.\n# Where another is answered, the workflow \"live\" opens an issue with what to write here.\n"

// write writes answers.txt as it would be committed, and issue.md if something changed.
func (a answers) write(dir string, changed []change) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "answers.txt"), []byte(a.text()), 0o644); err != nil || len(changed) == 0 {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "issue.md"), []byte(a.issue(changed)), 0o644)
}

func (a answers) text() string {
	var b strings.Builder
	b.WriteString(head)
	for _, q := range questions {
		l, ok := a[q.name]
		if !ok {
			l.answer = notAsked
		}
		fmt.Fprintf(&b, "%s: %s\n", q.name, oneLine(l.answer))
	}
	return b.String()
}

// issue says which answers changed, and what to do.
func (a answers) issue(changed []change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "`make live` asked the real hosts %d questions, and %d answers are other than in `test/live/answers.txt`.\n\n", len(questions), len(changed))
	for _, c := range changed {
		fmt.Fprintf(&b, "**%s**\n\n    was: %s\n    is:  %s\n    (%s)\n\n", c.name, c.was, c.is, c.detail)
	}
	b.WriteString("If the world did change, commit these as `test/live/answers.txt`, and look at what the code and docs say of it. If kverify is wrong, `make live RECORD=DIR` keeps what was answered for a fixture.\n\n")
	for line := range strings.Lines(a.text()) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// TestAnswers holds that a change is told, and once, that what was not asked today is
// none, and that words from outside stay on their line.
func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	got := answers{"images-stable": {answer: "verified"}, "referrers": {answer: "an index of [\"a\"]\n@everyone `x`", detail: "a\nb"}}
	if err := got.write(dir, nil); err != nil {
		t.Fatal(err)
	}
	known, err := readAnswers(filepath.Join(dir, "answers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(known) != len(questions) || known["file-old"] != notAsked {
		t.Errorf("written and read: %v", known)
	}
	if changed := got.other(known); len(changed) != 0 {
		t.Errorf("the same answers: %v", changed)
	}
	if _, err := os.Stat(filepath.Join(dir, "issue.md")); err == nil {
		t.Error("an issue of nothing")
	}
	delete(got, "images-stable")
	got["referrers"] = learned{answer: "status 404"}
	changed := got.other(known)
	if len(changed) != 1 || changed[0].name != "referrers" || changed[0].is != "status 404" {
		t.Fatalf("changed: %v", changed)
	}
	if err := got.write(dir, changed); err != nil {
		t.Fatal(err)
	}
	issue, err := os.ReadFile(filepath.Join(dir, "issue.md"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(issue); !strings.Contains(text, "1 answers are other") || !strings.Contains(text, "    is:  status 404\n") || strings.Contains(text, "\n@") {
		t.Errorf("the issue:\n%s", text)
	}
}

// TestEveryAnswerHasAQuestion holds that both lists of answers are of the questions that are asked.
func TestEveryAnswerHasAQuestion(t *testing.T) {
	for _, name := range []string{"answers.txt", "testdata/world.txt"} {
		known, err := readAnswers(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range questions {
			if known[q.name] == "" {
				t.Errorf("%s has no answer to %s", name, q.name)
			}
			delete(known, q.name)
		}
		for name := range known {
			t.Errorf("nothing asks %s", name)
		}
	}
}
