package release

import (
	"slices"
	"strings"
	"testing"
)

func notesOf(t *testing.T, text, v string) []Note {
	t.Helper()
	notes, err := ParseNotes([]byte(text), version(t, v))
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

// The tool writes " - " and indents what follows by two: one note, not three.
func TestNoteOfSeveralParagraphs(t *testing.T) {
	const head = "# v1.38.0\n\n## Urgent Upgrade Notes\n\n### (No, really, you MUST read this before you upgrade)\n\n"
	const tail = " ([#141345](https://github.com/kubernetes/kubernetes/pull/141345), [@somebody](https://github.com/somebody)) [SIG Node]\n \n"
	const next = " - The next note." + tail + "## Changes by Kind\n\n### Feature\n\n- One.\n"
	for name, c := range map[string]struct {
		text string
		want []string // what the first note says
	}{
		"paragraphs":    {" - First\n  lazy\n  \n  Second\n  \n  Last." + tail, []string{"First\nlazy\n", "\nSecond\n", "\nLast."}},
		"code":          {" - First\n  \n  Second\n  \n      code\n        more\n  \n  Last." + tail, []string{"\n    code\n      more\n", "\nLast."}},
		"a fence":       {" - First\n  \n  ```yaml\n  a: 1\n  ```\n  Last." + tail, []string{"\n```yaml\na: 1\n```\n"}},
		"a list":        {" - First\n  \n  Second:\n  - one\n  - two\n  \n  Last." + tail, []string{"Second:\n- one\n- two\n", "\nLast."}},
		"one paragraph": {" - First." + tail, []string{"First."}},
		"an item's own": {"- First\n\n  Second." + tail, []string{"First\n\nSecond."}},
	} {
		t.Run(name, func(t *testing.T) {
			notes := notesOf(t, head+c.text+next, "v1.38.0")
			if len(notes) != 3 {
				t.Fatalf("%d notes: %+v", len(notes), notes)
			}
			n := notes[0]
			for _, want := range c.want {
				if !strings.Contains(n.Text, want) {
					t.Errorf("no %q in %q", want, n.Text)
				}
			}
			if !slices.Equal(n.PRs, []int{141345}) || !slices.Equal(n.SIGs, []string{"Node"}) || n.Kind != "urgent" {
				t.Errorf("%+v", n)
			}
			if !strings.HasPrefix(notes[1].Text, "The next note.") || notes[2].Text != "One." {
				t.Errorf("what follows: %q, %q", notes[1].Text, notes[2].Text)
			}
		})
	}
	// Prose that is not indented is a note of its own, and so is every item.
	if notes := notesOf(t, head+" - First.\n\nProse.\n\n - Second.\n   - below\n  - Third.\n", "v1.38.0"); len(notes) != 4 {
		t.Errorf("%d notes: %+v", len(notes), notes)
	}
}

func TestDependencyHeadings(t *testing.T) {
	for _, heading := range []string{"Dependency", "Dependencies", "dependency", "Dependency Changes"} {
		notes := notesOf(t, "# v1.38.0\n\n## Changes by Kind\n\n### "+heading+"\n\n- One.\n", "v1.38.0")
		if len(notes) != 1 || notes[0].Kind != "dependency" {
			t.Errorf("%s: %+v", heading, notes)
		}
	}
}

// The nearest heading that says anything decides, but what is urgent is urgent by
// whatever heading it is sorted there.
func TestKindsOfHeadings(t *testing.T) {
	for headings, want := range map[string]string{
		"## Urgent Upgrade Notes\n\n### (No, really, you MUST read this before you upgrade)\n\n#### Deprecations": "urgent",
		"## Urgent Upgrade Notes\n\n### Dependency":                                                               "urgent",
		"## Urgent Upgrade Notes\n\n### Cluster Lifecycle":                                                        "urgent",
		"## Before Upgrading\n\n#### Features":                                                                    "urgent",
		"## Dependencies\n\n### Added":                                                                            "dependency",
		"## External Dependencies":                                                                                "dependency",
		"## Detailed go Dependency Changes\n\n### Changed":                                                        "dependency",
		"## Changes by Kind\n\n### Uncategorized":                                                                 "other",
		"## Changes by Kind\n\n### Regression":                                                                    "bug",
		"## New Features":                                                                                         "feature",
		"## Notable Features\n\n### Storage":                                                                      "feature",
		"## Deprecated":                                                                                           "deprecation",
		"## Deprecations and Removals\n\n### API Changes":                                                         "api-change",
		"## Urgency": "other",
	} {
		notes := notesOf(t, "# v1.27.0\n\n"+headings+"\n\n- One.\n", "v1.27.0")
		if len(notes) != 1 || notes[0].Kind != want {
			t.Errorf("%q: %+v", headings, notes)
		}
	}
}

func TestPullRequestsOfANote(t *testing.T) {
	for text, want := range map[string][]int{
		"a ([#1](u), [#2](u), [@b](u)) [SIG C]": {1, 2},
		"a (#1, #2, @b)":                        {1, 2},
		"a (#1, #1, @b)":                        {1},
		"a fix of #3 (#1, @b)":                  {1},
	} {
		if notes := notesOf(t, "# v1.27.0\n\n## Changes\n\n- "+text+"\n", "v1.27.0"); len(notes) != 1 || !slices.Equal(notes[0].PRs, want) {
			t.Errorf("%q: %+v", text, notes)
		}
	}
}

func TestFieldNotes(t *testing.T) {
	if notes := notesOf(t, string(fieldCase(t, "notes-heading-dependency.md")), "v1.37.0"); len(notes) != 1 || notes[0].Kind != "dependency" {
		t.Errorf("%+v", notes)
	}
	notes := notesOf(t, string(fieldCase(t, "notes-urgent-paragraphs.md")), "v1.38.0-alpha.2")
	if len(notes) != 2 || len(notes[0].PRs) != 1 || !strings.Contains(notes[0].Text, "Kubelet") || !strings.Contains(notes[0].Text, "Last paragraph") {
		t.Errorf("%+v", notes)
	}
}

func TestRealDraftOfNotes(t *testing.T) {
	data := "# v1.37.0\n\n" + string(realdata(t, "notes", "release-notes-draft-1.37.md"))
	count := map[string]int{}
	for _, n := range notesOf(t, data, "v1.37.0") {
		count[n.Kind]++
	}
	if count["dependency"] < 5 {
		t.Errorf("%v", count)
	}
}
