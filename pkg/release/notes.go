package release

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/yuin/goldmark/ast"
)

// Note is one entry of the release notes.
type Note struct {
	Version Version `json:"version"`
	// Kind is a stable word for Heading: "urgent", "security", "known-issue",
	// "deprecation", "api-change", "feature", "design", "documentation",
	// "failing-test", "bug", "cleanup", "dependency", otherwise "other".
	Kind    string `json:"kind"`
	Heading string `json:"heading"` // the nearest one above, as written: "Bug or Regression"
	// Text is the entry in Markdown, without its bullet, with its line breaks.
	// It is foreign text: escape it before a terminal sees it.
	Text    string   `json:"text"`
	PRs     []int    `json:"prs,omitempty"`     // pull requests it refers to, in order
	SIGs    []string `json:"sigs,omitempty"`    // as written: "API Machinery"
	Authors []string `json:"authors,omitempty"` // GitHub names without "@"
}

// ParseNotes reads the release notes of v out of a CHANGELOG: every item of a
// list below the downloads is a note; prose under a heading is one note, and so
// is all that is told under the heading of a security fix or a known issue. An unknown version is a
// [*NoSectionError]. For the notes of several versions see
// [ChangelogVersions].
func ParseNotes(data []byte, v Version) ([]Note, error) {
	s, err := findSection(data, v)
	if err != nil {
		return nil, err
	}
	var notes []Note
	var spans []unit // what each note is made of
	var path headings
	open := false // the last note is prose that goes on
	item := false // the last note is an item under this heading
	for _, u := range s.units() {
		if h, ok := u.node.(*ast.Heading); ok {
			path.enter(h.Level, plainText(h, s.source))
			open, item = false, false
			continue
		}
		if path.downloads() || path.current() == "" {
			continue
		}
		kind := path.kind()
		// What is told of a hole or a known issue is one text, lists and all.
		prose := u.item == nil || kind == "security" || kind == "known-issue"
		if prose && open {
			spans[len(spans)-1].end = u.end
			continue
		}
		if item && spans[len(spans)-1].takes(s.source, u) {
			continue
		}
		if open = prose; prose {
			u.item = nil
		}
		item = !prose
		spans = append(spans, u)
		notes = append(notes, Note{Version: v, Kind: kind, Heading: path.current()})
	}
	for i := range notes {
		notes[i].Text = spans[i].text(s.source)
		notes[i].annotate()
	}
	return slices.DeleteFunc(notes, Note.empty), nil
}

// empty reports whether the entry says nothing: a comment of the notes' own
// tool, or its words for an empty list.
func (n Note) empty() bool {
	return n.Text == "" || n.Text == "_Nothing has changed._" ||
		strings.HasPrefix(n.Text, "<!--") && strings.HasSuffix(n.Text, "-->")
}

// unit is a block of a section or one item of a top-level list in it.
type unit struct {
	node       ast.Node
	item       *ast.ListItem
	start, end int // offsets in the source
	// strip is how far the paragraphs are indented that belong to an item and
	// that Markdown takes for blocks of their own; 0 if there are none.
	strip int
}

// takes adds what goes on with the item to it, and reports whether it does: the
// notes' own tool writes " - " before a note and indents its other paragraphs by
// two, one less than would make them the item's. A list counts only behind such
// a paragraph, since lists of notes are indented at will.
func (u *unit) takes(source []byte, next unit) bool {
	in := indentation(source, next.start)
	if in <= indentation(source, u.start) || next.item != nil && u.strip == 0 {
		return false
	}
	if u.strip == 0 {
		u.strip = in
	}
	u.end = next.end
	return true
}

// indentation is how far the line that begins at that offset is indented.
func indentation(source []byte, start int) (n int) {
	for _, c := range source[min(start, len(source)):] {
		switch c {
		case ' ':
			n++
		case '\t':
			n += 4 - n%4
		default:
			return n
		}
	}
	return n
}

// units lists the section's blocks with lists taken apart. A unit's text ends
// where the next one begins, since a block does not know its own last line.
func (s *section) units() []unit {
	var out []unit
	add := func(n ast.Node, item *ast.ListItem) {
		at := blockStart(n)
		if at < 0 {
			return
		}
		start := lineStart(s.source, at)
		if _, fenced := n.(*ast.FencedCodeBlock); fenced {
			start = lineStart(s.source, start-1) // the fence is not a line of the block
		}
		out = append(out, unit{node: n, item: item, start: start, end: s.end})
	}
	for _, b := range s.blocks {
		list, ok := b.(*ast.List)
		if !ok {
			add(b, nil)
			continue
		}
		for n := list.FirstChild(); n != nil; n = n.NextSibling() {
			if item, ok := n.(*ast.ListItem); ok {
				add(n, item)
			}
		}
	}
	for i := range out {
		if i+1 < len(out) {
			out[i].end = max(out[i].start, out[i+1].start)
		}
	}
	return out
}

// text returns the unit's Markdown; an item's without bullet and indentation.
func (u unit) text(source []byte) string {
	text := strings.TrimRight(string(source[u.start:min(u.end, len(source))]), " \t\r\n")
	if u.item == nil {
		return strings.TrimSpace(text)
	}
	strip := u.item.Offset
	if u.strip > 0 {
		strip = min(strip, u.strip)
	}
	var out []string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		if i == 0 {
			line = strings.TrimLeft(strings.TrimLeft(strings.TrimLeft(line, " \t"), "-*+"), " \t")
		} else {
			line = strings.TrimPrefix(line, strings.Repeat(" ", indent(line, strip)))
		}
		out = append(out, line)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// indent returns how many spaces line begins with, up to n.
func indent(line string, n int) int {
	return min(n, len(line)-len(strings.TrimLeft(line, " ")))
}

// headings is the path of headings above a note.
type headings []heading

type heading struct {
	level int
	title string
}

func (p *headings) enter(level int, title string) {
	*p = slices.DeleteFunc(*p, func(h heading) bool { return h.level >= level })
	*p = append(*p, heading{level, title})
}

func (p headings) current() string {
	if len(p) == 0 {
		return ""
	}
	return p[len(p)-1].title
}

// downloads reports whether the path is within the downloads.
func (p headings) downloads() bool {
	return slices.ContainsFunc(p, func(h heading) bool {
		return h.title == "Downloads" || strings.HasPrefix(h.title, "Downloads for ")
	})
}

// kinds maps the beginning of a heading to its kind, in lower case; the first
// that fits decides.
var kinds = []struct{ prefix, kind string }{
	{"urgent", "urgent"}, {"(no, really", "urgent"}, {"action required", "urgent"}, {"before upgrading", "urgent"},
	{"important security", "security"}, {"security", "security"}, {"cve-", "security"},
	{"known issue", "known-issue"},
	{"deprecat", "deprecation"}, {"api change", "api-change"}, {"design", "design"},
	{"feature", "feature"}, {"new feature", "feature"}, {"notable feature", "feature"},
	{"documentation", "documentation"}, {"failing test", "failing-test"},
	{"bug", "bug"}, {"regression", "bug"}, {"other (bug", "bug"}, {"other (cleanup", "cleanup"}, {"cleanup", "cleanup"},
	{"dependenc", "dependency"},                                                   // "Dependencies", and since v1.36 "Dependency"
	{"external dependenc", "dependency"}, {"detailed go dependenc", "dependency"}, // v1.14 and before
}

// kind classifies the nearest heading that says anything: under "Dependencies"
// stand "Added" and "Changed". What stands under an urgent one is urgent, by
// whatever heading it is sorted there.
func (p headings) kind() string {
	kind := "other"
	for _, h := range p {
		switch k := kindOf(h.title); {
		case k == "urgent":
			return k
		case k != "":
			kind = k
		}
	}
	return kind
}

// kindOf is the kind that a heading names; empty for none.
func kindOf(title string) string {
	title = strings.ToLower(title)
	for _, k := range kinds {
		if strings.HasPrefix(title, k.prefix) {
			return k.kind
		}
	}
	return ""
}

// Compiled at the first use: a run that reads no notes starts without them.
var (
	prPattern     = lazyregexp.New(`\[#(\d{1,7})\]\(|(?:\(|, )#(\d{1,7})\b`)
	authorPattern = lazyregexp.New(`[\[ ,(]@([A-Za-z0-9](?:[A-Za-z0-9-]{0,38}))`)
	sigPattern    = lazyregexp.New(`\[SIG ([^\]\n]{1,400})\]`)
)

// annotate finds what the notes' own tool appends to an entry:
// "([#116540](URL), [@name](URL)) [SIG API Machinery, Apps and Node]".
func (n *Note) annotate() {
	for _, m := range prPattern().FindAllStringSubmatch(n.Text, -1) {
		if pr, err := strconv.Atoi(m[1] + m[2]); err == nil && !slices.Contains(n.PRs, pr) {
			n.PRs = append(n.PRs, pr)
		}
	}
	for _, m := range authorPattern().FindAllStringSubmatch(n.Text, -1) {
		if !slices.Contains(n.Authors, m[1]) {
			n.Authors = append(n.Authors, m[1])
		}
	}
	for _, m := range sigPattern().FindAllStringSubmatch(n.Text, -1) {
		for _, sig := range strings.Split(strings.ReplaceAll(m[1], " and ", ", "), ",") {
			if sig = strings.TrimSpace(sig); sig != "" && !slices.Contains(n.SIGs, sig) {
				n.SIGs = append(n.SIGs, sig)
			}
		}
	}
}
