// Package cli has the commands of kverify, a file each. What they share is in package
// command; nothing below these two sees a flag, an environment variable or a terminal.
package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
)

// Main runs the program with the process's arguments, environment and streams
// and returns its exit code.
//
// The first interrupt ends the run: what is known then is printed. The second
// ends the process at once.
func Main() int {
	command.LimitMemory()
	// A closed pipe is then an error of Write instead of a silent death, which
	// keeps the exit code that the verdict has earned.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	a := &command.App{Args: asVerifier(os.Args), Getenv: os.Getenv, Environ: os.Environ, Stdout: os.Stdout, Stderr: os.Stderr}

	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	code := 0
	par.Do(
		func() {
			defer close(done)
			code = Run(ctx, a)
		},
		func() {
			var stop command.Stopped
			select {
			case s := <-signals:
				stop = command.Stopped{Signal: s}
				cancel(stop)
			case <-done:
				return
			}
			select {
			case <-signals:
				os.Exit(stop.Code())
			case <-done:
			}
		},
	)
	return code
}
