// Package command is what every command of kverify shares: flags and the environment become a
// transport, clients, a policy and a trusted root, and a report becomes output and an exit
// code. It knows no command.
//
// stdout is the answer, stderr the conversation: reports and what was asked to be
// printed go to stdout, and nothing else does; progress, requests, remarks and errors go
// to stderr.
package command

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/kverify/kverify/internal/render/terminal"
)

// App is one run of the program.
type App struct {
	Args           []string
	OtherMemory    uint64 // bytes that the process holds for other purposes than this run, and that do not count
	Getenv         func(string) string
	Environ        func() []string // NAME=VALUE each; nil is looked through for no name
	Stdout, Stderr io.Writer
	Network        http.RoundTripper // in place of connections of its own; nil, as the program has it, opens them
	Running        bool              // a command line was understood, so that an error is no longer cobra's
	Code           int               // that the report has earned, once there is one
	Remarks        []string          // to say when stderr is free; see SayLater
	judge          string            // names a policy or trusted root that is not built in, until it has been named
	judgeSaid      string            // by SayJudge, which says it once
	quiet          bool
	// toCopies is the network for private copies where a mirror is used; see networkOfCopies.
	toCopies func(hosts []string) http.RoundTripper
	// await is Await with the settings of the command that runs.
	await func(what string, work func())
	// aboveProgress calls say, which writes to stderr, while the line of progress is away; nil if there is none.
	aboveProgress func(say func())
	// endProgress ends the line of progress, and waits until it is gone; nil if there is none.
	endProgress func()
	Drained     bool // a server that was told to end has answered everything: no interruption
}

// Say writes a message to stderr, above the line of progress. Errors repeat text from outside.
func (a *App) Say(format string, args ...any) {
	say := func() {
		fmt.Fprintf(a.Stderr, "kverify: %s\n", terminal.EscapeLines(strings.TrimSpace(fmt.Sprintf(format, args...))))
	}
	if a.aboveProgress != nil {
		a.aboveProgress(say)
		return
	}
	say()
}

// SayJudge names a policy or trusted root that is not the built-in one, unless a
// verdict line did. Every command does so, also with --quiet: who replaces the judge
// replaces the verdict (rule 4).
func (a *App) SayJudge() {
	if a.judge != "" && a.judge != a.judgeSaid {
		a.Say("%s", a.judge)
		a.judgeSaid = a.judge
	}
	a.judge = ""
}

// Terminal returns the descriptor of w if it is a terminal.
func Terminal(w io.Writer) (fd int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, false
	}
	fd = int(f.Fd())
	return fd, term.IsTerminal(fd)
}
