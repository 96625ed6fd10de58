package command

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/kverify/kverify/internal/render/terminal"
)

const (
	linePeriod = 100 * time.Millisecond
	// lineDelay keeps the line away from runs that are over before it is read.
	lineDelay = 300 * time.Millisecond

	usualWidth = 80 // of a terminal that does not say it
	leastWidth = 20 // where less fits, nothing is drawn
	barWidth   = 40
	leastBar   = 8
	// aroundBar is what the library writes around text and bar: "  33% " before the bar, two
	// spaces behind it. One column stays free: a cursor behind the last one may wrap.
	aroundBar = len("  33% ") + len("  ") + 1
	// aWhole is a bar that never fills: a full one would count as finished while the last
	// bytes are still verified.
	aWhole = 1000
)

// part is a piece of what a line says. Where not all fit, the one with the lowest priority
// is left out first. short stands for text where little fits.
type part struct {
	text, short string
	priority    int
}

// line is the one line that a run keeps up to date on a terminal: text, and one bar for
// all of its time.
type line struct {
	mu    sync.Mutex // held while stderr is written to
	drawn bool       // it stands on the terminal
	fd    int
	bar   *progressbar.ProgressBar
	shown int64 // thousandths; never fewer than before
}

// watches says whether stderr is a terminal on which no other lines are written.
func (a *App) watches(set *Settings) bool {
	_, ok := Terminal(a.Stderr)
	return ok && !set.Verbose && !set.Quiet && a.Getenv("TERM") != "dumb"
}

func (a *App) newLine() *line {
	fd, _ := Terminal(a.Stderr)
	theme := progressbar.Theme{Saucer: "█", SaucerPadding: "░"}
	if a.asciiOnly() {
		theme = progressbar.Theme{Saucer: "#", SaucerPadding: "-"}
	}
	return &line{fd: fd, bar: progressbar.NewOptions64(aWhole,
		progressbar.OptionSetWriter(a.Stderr),
		progressbar.OptionSetTheme(theme),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionThrottle(linePeriod/2), // a frame is written once
		progressbar.OptionUseANSICodes(true),
	)}
}

// asciiOnly says whether the locale has no signs beyond ASCII. One that is not set says
// nothing.
func (a *App) asciiOnly() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := a.Getenv(name); locale != "" {
			return locale == "C" || locale == "POSIX"
		}
	}
	return false
}

// width is how many columns there are now: people change it while they wait.
func (l *line) width() int {
	if width, _, err := term.GetSize(l.fd); err == nil && width > 0 {
		return width
	}
	return usualWidth
}

// draw shows what is done, from 0 to 1, as far as it fits.
func (l *line) draw(parts []part, done float64) {
	width := l.width()
	if width < leastWidth {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drawn = true
	text := fit(parts, width-aroundBar)
	bar := min(barWidth, width-aroundBar-columns(text))
	if bar < leastBar {
		bar = 0
	}
	progressbar.OptionSetWidth(bar)(l.bar)
	if done > 0 && done <= 1 { // and a number
		l.shown = max(l.shown, min(int64(done*aWhole), aWhole-1))
	}
	progressbar.OptionSetDescription(text)(l.bar)
	_ = l.bar.Set64(l.shown)
	_ = l.bar.RenderBlank() // throttled where Set64 has drawn it
}

// above takes the line away, and calls say before it is drawn again.
func (l *line) above(say func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drawn {
		_ = l.bar.Clear()
	}
	l.drawn = false
	say()
}

// run draws what frame gives until over is closed, and then takes the line away.
func (l *line) run(frame func() (parts []part, done float64), over <-chan struct{}) {
	select {
	case <-over:
		return
	case <-time.After(lineDelay):
	}
	tick := time.NewTicker(linePeriod)
	defer tick.Stop()
	for {
		l.draw(frame())
		select {
		case <-over:
			l.above(func() {})
			return
		case <-tick.C:
		}
	}
}

// fit joins parts, as many as there is room for.
func fit(parts []part, width int) string {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.text == "" })
	for i := range parts {
		parts[i].text = terminal.Escape(parts[i].text)
	}
	text := join(parts)
	if columns(text) > width {
		for i, p := range parts {
			if p.short != "" {
				parts[i].text = terminal.Escape(p.short)
			}
		}
		text = join(parts)
	}
	for columns(text) > width && len(parts) > 1 {
		least := 0
		for i, p := range parts {
			if p.priority < parts[least].priority {
				least = i
			}
		}
		parts = slices.Delete(parts, least, least+1)
		text = join(parts)
	}
	for cut := []rune(text); columns(text) > width; {
		cut = cut[:len(cut)-1]
		text = string(cut) + "..."
	}
	return text
}

func join(parts []part) string {
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.text)
	}
	return strings.Join(texts, ", ")
}

// columns is how wide escaped text is on a terminal, or a little more: whatever may be
// two columns wide counts as two.
func columns(s string) (n int) {
	const firstWide = 0x1100 // Hangul Jamo, the first block of wide characters (UAX #11)
	for _, r := range s {
		n++
		if r >= firstWide {
			n++
		}
	}
	return n
}
