package release

import (
	"strings"
	"testing"
	"time"
)

// Whatever a CHANGELOG is made of, reading it takes time in proportion to its
// size. Each of these made a Markdown reader take minutes, or gigabytes.
func TestHostileChangelogs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	v := Version{1, 2, 3, ""}
	const size = maxChangelog / 4
	fill := func(s string) string {
		return strings.Repeat(strings.Repeat(s, (maxLine-100)/len(s))+"\n", size/maxLine)
	}
	lines := func(s string) string { return strings.Repeat(s, min(size/len(s), maxLines/4)) }
	var steps, ticks strings.Builder
	for i := 0; steps.Len() < size/2; i++ {
		steps.WriteString(strings.Repeat("  ", i%200) + "- a\n")
	}
	for i := 1; ticks.Len() < size/2; i++ {
		ticks.WriteString(strings.Repeat("`", i) + "a")
	}
	for name, text := range map[string]string{
		"open brackets": fill("["), "open links": fill("[a]("), "images": fill("!["), "stars": fill("*a **b "), "underscores": fill("_a"),
		"quotes": fill(">"), "bullets": fill("- "), "other bullets": fill("+ ") + "a", "numbers": fill("1. ") + "a",
		"tags": fill("<a "), "comments": fill("<!--"), "ampersands": fill("&"), "definitions": lines("[a]: b\n"), "references": fill("[a][b]") + "\n\n[b]: x",
		"headings": lines("# v1.2.3\n"), "downloads": lines("## Downloads for v1.2.3\n"), "tables": lines("a|\n-|\n"), "fences": lines("```\n"),
		"a wide table": "a" + fill("|a")[:size/2] + "\n-" + fill("|-")[:size/2-10] + "\n",
		"a long table": strings.Repeat("a|", 15) + "\n" + strings.Repeat("-|", 15) + "\n" + lines("a\n"),
		"files":        "filename | sha512 hash\n---|---\n" + lines("a | b\n"),
		"prose":        "## Security\n\n" + lines("a\n\n"), "items": "## Security\n\n" + lines("- a\n"),
		"a step deeper": steps.String(), "ticks": ticks.String(), "a long line": fill("x"), "tabs": fill("\t"),
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte("# v1.2.3\n\n" + text)
			start := time.Now()
			_, _ = ParseChangelog(data, v)
			_, _ = ParseNotes(data, v)
			// Generous, for slow machines and the race detector.
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%d bytes took %v", len(data), took)
			}
		})
	}
}
