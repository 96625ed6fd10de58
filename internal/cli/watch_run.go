package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/encode"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/internal/watch"
	"github.com/kverify/kverify/pkg/report"
)

// watchFlags are those of "kverify watch" alone.
type watchFlags struct {
	every, reverify, jitter time.Duration
	once                    bool
	state, metrics          string
	webhook, authFile       string
	output                  string
	seen                    seenFlags
}

// watching is one run of the command.
type watching struct {
	app   *command.App
	set   *command.Settings
	own   *watchFlags
	named []string // images
	watch *watch.Watcher
}

// tell writes an event to stdout.
func (r *watching) tell(e watch.Event) {
	var line []byte
	var err error
	if r.own.output == "json" {
		line, err = encode.Line(e)
	} else {
		line = []byte(e.Time.Format(time.RFC3339) + " " + terminal.EscapeLines(oneLine(e.String())) + "\n")
	}
	if err == nil {
		_, err = r.app.Stdout.Write(line)
	}
	if err != nil {
		r.app.Say("an event could not be written to stdout: %v; it was: %s", command.PlainError(err), e)
	}
}

// say writes what else an operator should read to stderr, unless --quiet: failures are counted,
// too, and verdicts are events.
func (r *watching) say(format string, args ...any) {
	if !r.set.Quiet {
		r.app.Say(format, args...)
	}
}

// verdictLine is all that a quiet round says: the verdict, and what first keeps it from verified.
func (r *watching) verdictLine(v report.Verdict, err error) string {
	why := r.watch.Cause()
	if why == "" && err != nil {
		why = err.Error()
	}
	if v == report.Verified || why == "" {
		return v.String()
	}
	return v.String() + ": " + why
}

// stampOf tells a list as it is from what it was. Stdin has none.
func stampOf(list string) (string, error) {
	if list == "-" {
		return "", nil
	}
	info, err := os.Stat(list)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d\n", list, info.Size(), info.ModTime().UnixNano()), nil
}

// oneLine makes a text one line: what came from outside begins no line of its own.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }
