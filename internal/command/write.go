package command

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/term"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// Write gives the report to every output; files come first, so that the answer
// on the screen is the last thing that happens. It goes on after an error. The verdict
// line is always said: on stderr where stdout does not end with it, also with --quiet.
func (a *App) Write(r report.Report, set *Settings) error {
	r = set.CutShort(r)
	_, err := a.WriteAll(set, func(w io.Writer, format string, o terminal.Options) error {
		return render.Report(w, r, format, a.ReportOptions(set, o))
	})
	if !tells(set.Outputs) {
		err = errors.Join(err, a.SayVerdict(r, set))
	}
	a.judge = "" // the verdict line names it, and so does the report in JSON
	return err
}

// SayVerdict says the verdict line of a report on stderr.
func (a *App) SayVerdict(r report.Report, set *Settings) error {
	a.judge = "" // the line names it
	return render.Verdict(a.Stderr, r, a.ReportOptions(set, a.options(set, a.Stderr)))
}

// WriteAll renders an answer for every output, files first, and says whether
// one of them was stdout.
func (a *App) WriteAll(set *Settings, draw func(w io.Writer, format string, o terminal.Options) error) (shown bool, err error) {
	if a.endProgress != nil {
		a.endProgress()
	}
	var errs []error
	for _, o := range set.Outputs {
		if o.file == "" {
			shown = true
			continue
		}
		drawn, written := writeFile(o.file, func(w io.Writer) error {
			return draw(w, o.Format, terminal.Options{})
		})
		errs = append(errs, drawn)
		if written != nil {
			errs = append(errs, &outputError{o.Format, o.file, written})
		}
	}
	for _, o := range set.Outputs {
		if o.file == "" {
			if err := draw(a.Stdout, o.Format, a.options(set, a.Stdout)); !errors.Is(err, syscall.EPIPE) {
				errs = append(errs, err) // and a closed pipe is the reader's right
			}
		}
	}
	return shown, errors.Join(errs...)
}

// sink is a file that is being written, and remembers whether that failed.
type sink struct {
	to  io.Writer
	any bool
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.any, s.err = s.any || n > 0, errors.Join(s.err, err)
	return n, err
}

// writeFile gives a file what draw writes, at once or not at all, as it comes: a report may
// be large. What is there and no regular file, such as /dev/null or a pipe, is written to
// as it is. An answer that could not be drawn does not count, however much of it was; a statement that is
// refused says itself why it is empty, and stands in the place of an older one.
func writeFile(path string, draw func(io.Writer) error) (drawn, written error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := fetch.OpenOutput(path)
		if err != nil {
			return nil, PlainError(err)
		}
		s := &sink{to: f}
		drawn = draw(s)
		return s.apart(drawn), PlainError(errors.Join(s.err, f.Close()))
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays a link
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, PlainError(err)
	}
	defer dir.Close() //nolint:errcheck // only names lead through it
	f, err := fetch.Create(dir, filepath.Base(path), 0o666)
	if err != nil {
		return nil, PlainError(err)
	}
	s := &sink{to: f}
	drawn = draw(s)
	var refused *render.RefusedError
	if s.err != nil || drawn != nil && (!s.any || !errors.As(drawn, &refused)) {
		return s.apart(drawn), PlainError(errors.Join(s.err, f.Discard()))
	}
	return drawn, PlainError(f.Commit())
}

// apart is the error of drawing, without that of writing.
func (s *sink) apart(drawn error) error {
	if s.err != nil {
		return nil //nolint:nilerr // it is the error of writing, which the caller has
	}
	return drawn
}

// options fit a page to where it goes: colours, marks and a width only for a
// terminal, and marks only where its locale has them.
func (a *App) options(set *Settings, w io.Writer) (o terminal.Options) {
	if fd, ok := Terminal(w); ok {
		o.Color = !set.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" && !a.asciiOnly()
		o.Width, _, _ = term.GetSize(fd)
	}
	if n, err := strconv.Atoi(a.Getenv("COLUMNS")); err == nil && n > 0 {
		o.Width = n // who sets it says so also of a pipe, as watch(1) does
	}
	return o
}

// ReportOptions are what the command line says of a report, on such a page.
func (a *App) ReportOptions(set *Settings, o terminal.Options) render.Options {
	return render.Options{Color: o.Color, Width: o.Width, Quiet: set.Quiet, Explain: set.explained(), Command: a.Args}
}

// CutShort notes in the report of a run whose context has ended what ended it. It lowers
// no verdict but one of verified, which such a run never has.
func (set *Settings) CutShort(r report.Report) report.Report {
	if r.Saved || set.Ctx == nil || set.Ctx.Err() == nil || r.Verdict() == report.Verified {
		return r
	}
	r.Interrupted = true
	var stop Stopped
	switch {
	case errors.As(context.Cause(set.Ctx), &stop):
		r.InterruptedBy = stop.by()
	case errors.Is(set.Ctx.Err(), context.DeadlineExceeded):
		r.InterruptedBy = "--timeout " + set.Timeout.String()
	}
	return r
}
