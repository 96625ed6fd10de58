package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/kverify/kverify/internal/render"
)

// app is one run of the program.
type app struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
	running        bool     // a command line was understood, so that an error is no longer cobra's
	code           int      // that the report has earned, once there is one
	remarks        []string // to say when stderr is free; see sayLater
	judge          string   // names a policy or trusted root that is not built in, until it was said
	// toCopies gives the network to private copies beside a mirror; see networkOfCopies.
	toCopies func(hosts []string) http.RoundTripper
	drained  bool // a server that was told to end has answered everything: no interruption
}

// say writes a message to stderr. Errors repeat text from outside.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "kverify: %s\n", render.EscapeLines(strings.TrimSpace(fmt.Sprintf(format, args...))))
}

// sayJudge names a policy or trusted root that is not the built-in one, unless a
// verdict line did. Every command does so, also with --quiet: who replaces the judge
// replaces the verdict (rule 4).
func (a *app) sayJudge() {
	if a.judge != "" {
		a.say("%s", a.judge)
	}
	a.judge = ""
}

// terminal returns the descriptor of w if it is a terminal.
func terminal(w io.Writer) (fd int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}
