package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// worker is a process of a suite that runs one test after another. A mutant may have
// left something behind in it that outlives a test: whoever is told of a failure
// asks whether the test still passes without the mutant.
type worker struct {
	cmd     *exec.Cmd
	tests   io.WriteCloser
	answers *bufio.Reader
	pipe    *os.File // under answers
	said    *lastWords
	first   int // goroutines after its first test
}

// An answer is what became of a test.
type answer struct {
	result string // alive, killed or clock
	why    string // what the process said last, if it ended
	seen   []int  // the mutants that were asked for, where the number was negative
	gone   bool   // the process has ended
}

// start starts a process of a suite's binary, which ends with ctx.
func (s *suite) start(ctx context.Context) (*worker, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w := &worker{cmd: exec.CommandContext(ctx, s.binary, "-test.failfast", "-test.timeout=0"), answers: bufio.NewReader(read), pipe: read, said: &lastWords{}}
	w.cmd.Dir, w.cmd.Stdout, w.cmd.Stderr = s.dir, w.said, w.said
	w.cmd.ExtraFiles = []*os.File{write}
	w.cmd.Env = append(os.Environ(), "KVERIFY_MUTANT_WORKER=1")
	w.cmd.WaitDelay = time.Second
	tests, err := w.cmd.StdinPipe()
	if err == nil {
		w.tests = tests
		err = w.cmd.Start()
	}
	return w, errors.Join(err, write.Close())
}

// end ends the process.
func (w *worker) end() {
	if w != nil {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
		_ = w.pipe.Close()
	}
}

// run runs one test with a mutant.
func (w *worker) run(number int, t *test, limit time.Duration) answer {
	w.said.reset()
	if err := w.pipe.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return answer{result: clock, why: err.Error(), gone: true}
	}
	_, err := fmt.Fprintf(w.tests, "%d %s\n", number, t.name)
	line, errRead := w.answers.ReadString('\n') // ends with the process
	if err != nil || errRead != nil {
		w.end()
		if errors.Is(errRead, os.ErrDeadlineExceeded) {
			return answer{result: clock, why: fmt.Sprintf("%s did not end in %s", t.name, limit.Round(time.Second)), gone: true}
		}
		return answer{result: killed, why: t.name + ": " + w.said.last(), gone: true}
	}
	var passed bool
	var goroutines int
	var seen string
	if n, _ := fmt.Sscan(line, &passed, &goroutines, &seen); n < 2 {
		w.end()
		return answer{result: killed, why: t.name + " said " + line, gone: true}
	}
	a := answer{result: killed, why: t.name}
	if passed {
		a.result = alive
	}
	for _, s := range strings.Split(seen, ",")[1:] {
		if n, err := strconv.Atoi(s); err == nil {
			a.seen = append(a.seen, n)
		}
	}
	if w.first == 0 {
		w.first = goroutines
	}
	if goroutines > w.first+100 { // of tests that mutants let hang
		w.end()
		a.gone = true
	}
	return a
}

// lastWords keeps the beginning of what a process says of one test.
type lastWords struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said.Len() < 1<<20 {
		l.said.Write(p)
	}
	return len(p), nil
}

func (l *lastWords) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said.Reset()
}

// last is the line on which it panicked, or its first, cut to a line's length.
func (l *lastWords) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.said.String()
	if i := strings.Index(said, "panic: "); i >= 0 {
		said = said[i:]
	}
	line, _, _ := strings.Cut(said, "\n")
	return fmt.Sprintf("%.120s", line)
}
