// Package cli is the command line of kverify: flags become a transport,
// clients, a policy and a trusted root, and a report becomes output and an
// exit code. Nothing below it sees a flag, an environment variable or a
// terminal.
//
// stdout is the answer, stderr the conversation: reports and what was asked to
// be printed go to stdout, and nothing else does; progress, requests, remarks
// and errors go to stderr.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
)

// Main runs the program with the process's arguments, environment and streams
// and returns its exit code.
//
// The first interrupt ends the run: what is known then is printed. The second
// ends the process at once.
func Main() int {
	// A closed pipe is then an error of Write instead of a silent death, which
	// keeps the exit code that the verdict has earned.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	limitMemory()

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	a := &app{args: os.Args[1:], getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}

	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	code := 0
	par.Do(
		func() {
			defer close(done)
			code = a.run(ctx)
		},
		func() {
			var stop stopped
			select {
			case s := <-signals:
				stop = stopped{s}
				cancel(stop)
			case <-done:
				return
			}
			select {
			case <-signals:
				os.Exit(stop.code())
			case <-done:
			}
		},
	)
	return code
}

// app is one run of the program.
type app struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
	running        bool     // a command line was understood, so that an error is no longer cobra's
	code           int      // that the report has earned, once there is one
	remarks        []string // to say when stderr is free; see sayLater
	judge          string   // names a policy or trusted root that is not built in, until it was said
	drained        bool     // a server that was told to end has answered everything: no interruption
}

// run executes the command and turns its end into an exit code.
func (a *app) run(ctx context.Context) (code int) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			if p, ok := v.(*par.Panic); ok {
				v, stack = p.Value, p.Stack
			}
			a.say("a fault of kverify itself (%v); nothing was verified; please report it with this:\n%s", v, stack)
			code = exitUnknown
		}
	}()
	root := a.root()
	root.SetArgs(a.args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	if err != nil && !a.running && !errors.As(err, &usage) && !errors.Is(err, syscall.EPIPE) {
		err = &usageError{err: err, hint: "try: kverify help"}
	}
	if err == nil && a.drained {
		return exitVerified
	}
	if !errors.As(err, &usage) {
		a.sayJudge()
	}
	switch code = exitCode(ctx, err, a.code); {
	case err == nil || errors.Is(err, syscall.EPIPE):
	case errors.As(context.Cause(ctx), new(stopped)):
		a.say("%v; nothing was verified", context.Cause(ctx))
	case errors.As(err, &usage) && usage.hint != "":
		a.say("%v\n%s", err, usage.hint)
	default:
		a.say("%v", err)
	}
	return code
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

// say writes a message to stderr. Errors repeat text from outside.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "kverify: %s\n", render.EscapeLines(strings.TrimSpace(fmt.Sprintf(format, args...))))
}
