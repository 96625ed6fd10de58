package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// A screen has room for so many lines: of a success, and of anything else.
const (
	successLines = 10
	failureLines = 15
)

// A fitting is how much the short table says. They are tried in turn until it fits.
type fitting struct {
	legend                  bool
	notes, verified, causes int // how many of each, at most
	reason                  int // characters of a cause
}

var fittings = []fitting{
	{true, 3, 8, 5, 400},
	{true, 1, 8, 5, 300},
	{false, 1, 8, 4, 300},
	{false, 1, 6, 4, 240},
	{false, 1, 5, 3, 200},
	{false, 0, 3, 3, 160},
	{false, 0, 1, 2, 120},
	{false, 0, 1, 1, 100},
}

// summary writes the short table: what is wrong, a cause at a time, what is verified, and
// remarks.
func (t *table) summary(r report.Report, list []trouble) {
	most := failureLines
	if r.Verdict() == report.Verified {
		most = successLines
	}
	tail := newTable(t.options)
	tail.todo(r, list)
	tail.Last(tail.verdict(r, list))
	most -= tail.Height()
	n := namingOf(r)
	var verified []*report.Result
	for _, res := range each(r.Results) {
		if res.Verdict() == report.Verified {
			verified = append(verified, res)
		}
	}
	items := n.items(verified)
	for _, f := range fittings {
		try := newTable(t.options)
		try.fill(r, list, n, n.fold(items, f.verified), f)
		if try.Height() <= most || f == fittings[len(fittings)-1] {
			t.Append(&try.Page)
			return
		}
	}
}

func (t *table) fill(r report.Report, list []trouble, n naming, items []item, f fitting) {
	for i, x := range list {
		if i == f.causes && len(list) > i {
			t.entry("", terminal.Dim, fmt.Sprintf("and %s; -o wide has every row", terminal.Plural(len(list)-i, "more cause")), "")
			break
		}
		t.trouble(n, x, f.reason)
	}
	width := 0
	for _, it := range items {
		width = max(width, utf8.RuneCountInString(clip(terminal.Escape(it.name), f.reason)))
	}
	for _, it := range items {
		name := clip(terminal.Escape(it.name), f.reason)
		mark, style := t.word(report.Verified)
		text := t.Pad(name, name, min(width, maxName)) + "  " + clip(terminal.Escape(it.about()), f.reason)
		t.entry(mark, style, strings.TrimRight(text, " "), "")
	}
	t.remarks(n, r, list, f)
	if f.legend {
		t.legend()
	}
}

// maxName is how wide the column of names may be.
const maxName = 32

// word is the mark of a verdict in the short table.
func (t *table) word(v report.Verdict) (mark, style string) {
	return t.mark(report.Check{Verdict: v, Required: true})
}

// trouble writes a cause: whom it is of, and what happened.
func (t *table) trouble(n naming, x trouble, most int) {
	mark, style := t.word(x.check.Verdict)
	text := x.words()
	if x.several && !x.general {
		text = "such as: " + text
	}
	if len(x.results) == 0 {
		t.entry(mark, style, clip(terminal.Escape(text), most), "")
		return
	}
	if named := len(x.checks) == 1 && strings.Contains(text, x.checks[0]); len(x.checks) > 0 && !x.general && !named {
		text += " (" + strings.Join(x.checks, ", ") + ")"
	}
	t.entry(mark, style, clip(terminal.Escape(n.who(x.results)), most), clip(terminal.Escape(text), most))
}

// entry writes a line behind a mark, and below it what explains it, wrapped at words.
func (t *table) entry(mark, style, text, below string) {
	hang := "     "
	if t.Color {
		hang = "  "
	}
	lines := func(s, first string) {
		for i, l := range t.Wrap(s, len(hang)) {
			l = strings.TrimRight(l, " ")
			if i == 0 {
				t.Line(first + l)
			} else {
				t.Line(hang + l)
			}
		}
	}
	lines(text, t.Pad(t.Paint(style, mark), mark, len(hang)))
	if below != "" {
		lines(below, hang)
	}
}

// A remark changes no verdict. It is not escaped.
type remark struct {
	rank              int // incidents, then what was refuted and is not required, then notes
	mark, style, text string
	of                []*report.Result // that say just this
	alike             int              // results that say the like of themselves, in words of their own
}

// remarksOf collects remarks, each once for all results that say the same or the like. What a request of a
// note failed for is shown as a cause, where there is one.
func remarksOf(r report.Report, caused bool, mark func(report.Check) (string, string)) (all []remark) {
	at := map[string]int{}
	add := func(m remark, res *report.Result) {
		key := m.mark + pattern(res, m.text)
		i, ok := at[key]
		if !ok {
			i = len(all)
			at[key] = i
			all = append(all, m)
		}
		if all[i].text != m.text { // it would be false of them
			all[i].alike++
			return
		}
		all[i].of = append(all[i].of, res)
	}
	for _, res := range each(r.Results) {
		for _, i := range res.Incidents {
			add(remark{rank: 0, mark: "known", style: terminal.Yellow, text: i.Title + " (incident " + i.ID + ", " + i.Link + "). " + i.Advice}, res)
		}
		for _, c := range res.Checks {
			if !c.Required && c.Verdict == report.Refuted {
				word, style := mark(c)
				add(remark{rank: 1, mark: word, style: style, text: c.Name + ": " + plainDetail(res, c)}, res)
			}
		}
		for _, note := range res.Notes {
			if _, failed := requestIn(note); failed && caused || r.Interrupted && strings.Contains(note, ": given up: ") {
				continue
			}
			add(remark{rank: 2, mark: "note", style: terminal.Dim, text: plainDetail(res, report.Check{Detail: note})}, res)
		}
	}
	return all
}

// remarks writes remarks, notes last and not more of them than fit.
func (t *table) remarks(n naming, r report.Report, list []trouble, f fitting) {
	all := remarksOf(r, len(list) > 0, t.mark)
	slices.SortStableFunc(all, func(a, b remark) int { return cmp.Compare(a.rank, b.rank) })
	notes, left := 0, 0
	for _, m := range all {
		if m.rank == 2 {
			left++
		}
	}
	left -= f.notes
	for _, m := range all {
		text := clip(terminal.Escape(m.text), f.reason)
		if who := n.who(m.of); who != "" {
			text = clip(terminal.Escape(who), f.reason) + ": " + text
		}
		if m.alike > 0 {
			text += fmt.Sprintf(" (and %d more such)", m.alike)
		}
		if m.rank == 2 {
			if notes++; notes > f.notes {
				break
			}
			if notes == f.notes && left > 0 {
				text += fmt.Sprintf(" (and %s: -o wide)", terminal.Plural(left, "more note"))
			}
		}
		t.Marked("", m.mark, m.style, text)
	}
}

// words that a newcomer does not know, in the order in which they are explained.
var newWords = []struct{ word, means string }{
	{"index", "the list that names the image of each platform"},
	{"inventory", "whether everything is there that must be"},
	{"reference", "the name that the signer wrote into the signature"},
	{"binding", "what ties these bytes to this version"},
	{"carried", "read from where the bytes are from, so that it proves nothing"},
}

// legend explains, in one line, the words that stand above it.
func (t *table) legend() {
	above := strings.FieldsFunc(string(t.Bytes()), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	var meanings []string
	for _, w := range newWords {
		if slices.Contains(above, w.word) {
			meanings = append(meanings, w.word+": "+w.means)
		}
	}
	if len(meanings) == 0 {
		return
	}
	for _, l := range t.Wrap(strings.Join(meanings, "; "), 0) {
		t.Line(t.Paint(terminal.Dim, l))
	}
}

// todo writes what to do next, where the verdict asks for something.
func (t *table) todo(r report.Report, list []trouble) {
	if len(list) == 0 || t.options.Explain != nil && !t.options.Wide { // a story says it
		return
	}
	what := cure(list[0], t.options.Command)
	if next := t.next(r, list); next != "" {
		switch {
		case what == "":
			what = next
		case list[0].check.Verdict == report.Refuted:
			what += ", and see why: " + next
		}
	}
	if what == "" {
		return
	}
	const lead = "what to do: "
	for i, l := range t.Wrap(terminal.Escape(what), len(lead)) {
		if i == 0 {
			t.Line(t.Paint(terminal.Bold, lead) + l)
		} else {
			t.Line(strings.Repeat(" ", len(lead)) + l)
		}
	}
}

// next is the command that tells more: the one that was given, with --explain.
func (t *table) next(r report.Report, list []trouble) string {
	if len(t.options.Command) == 0 || t.options.Explain != nil {
		return ""
	}
	explain := []string{"--explain"}
	if items := namingOf(r).items(list[0].results); len(list) > 1 && len(items) > 0 && len(items) <= 3 {
		explain = nil
		for _, it := range items {
			explain = append(explain, "--explain="+it.askedBy())
		}
	}
	words := []string{"kverify"}
	for _, w := range append(slices.Clone(t.options.Command), explain...) {
		words = append(words, shellWord(w))
	}
	return strings.Join(words, " ")
}
