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
	"os"
	"os/signal"
	"syscall"

	"github.com/kverify/kverify/internal/par"
)

// Main runs the program with the process's arguments, environment and streams
// and returns its exit code.
//
// The first interrupt ends the run: what is known then is printed. The second
// ends the process at once.
func Main() int {
	limitMemory()
	// A closed pipe is then an error of Write instead of a silent death, which
	// keeps the exit code that the verdict has earned.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	a := &app{args: asVerifier(os.Args), getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}

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
