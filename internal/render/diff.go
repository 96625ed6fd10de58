package render

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// DiffFormats are those of [Diff], the default first.
var DiffFormats = []string{"table", "json"}

// Diff writes what changed between two reports, by subject: "+" came, "-" is gone, "~"
// changed. The last line counts. Both reports are their writers' word.
func Diff(w io.Writer, older, newer string, list []report.Change, format string) error {
	if format == "json" {
		return encode.JSON(w, struct {
			Old     string          `json:"old"`
			New     string          `json:"new"`
			Changes []report.Change `json:"changes"`
		}{older, newer, append([]report.Change{}, list...)})
	}
	var b strings.Builder
	came, gone := 0, 0
	for _, c := range list {
		name := terminal.Escape(strings.TrimSpace(c.Subject + " " + c.Platform))
		switch {
		case c.Old == nil:
			came++
			fmt.Fprintf(&b, "+ %s: %s %s\n", name, c.New.Verdict, terminal.Escape(terminal.Short(c.New.Digest)))
		case c.New == nil:
			gone++
			fmt.Fprintf(&b, "- %s: it was %s %s\n", name, c.Old.Verdict, terminal.Escape(terminal.Short(c.Old.Digest)))
		default:
			fmt.Fprintf(&b, "~ %s: %s\n", name, terminal.Escape(changed(c)))
		}
	}
	fmt.Fprintf(&b, "%s to %s: %d came, %d gone, %d changed, as the reports say\n", terminal.Escape(older), terminal.Escape(newer), came, gone, len(list)-came-gone)
	_, err := io.WriteString(w, b.String())
	return err
}

// changed words what is another; it is not escaped.
func changed(c report.Change) string {
	var changes []string
	if c.Old.Verdict != c.New.Verdict {
		changes = append(changes, fmt.Sprintf("%s, was %s", c.New.Verdict, c.Old.Verdict))
	}
	if c.Old.Digest != c.New.Digest {
		changes = append(changes, fmt.Sprintf("digest %s, was %s", cmp.Or(terminal.Short(c.New.Digest), "none"), cmp.Or(terminal.Short(c.Old.Digest), "none")))
	}
	names := slices.Sorted(maps.Keys(c.New.Checks))
	for _, name := range slices.Sorted(maps.Keys(c.Old.Checks)) {
		if _, both := c.New.Checks[name]; !both {
			names = append(names, name)
		}
	}
	for _, name := range names {
		changes = append(changes, fmt.Sprintf("%s %s, was %s", name, wordOf(c.New.Checks, name), wordOf(c.Old.Checks, name)))
	}
	return strings.Join(changes, "; ")
}

func wordOf(checks map[string]report.Verdict, name string) string {
	if v, ok := checks[name]; ok {
		return v.String()
	}
	return "not made"
}
