package command

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// Write gives the report to every output; files come first, so that the answer
// on the screen is the last thing that happens. It goes on after an error. The verdict
// line is always said: on stderr where stdout does not end with it, also with --quiet.
func (a *App) Write(r report.Report, set *Settings) error {
	_, err := a.WriteAll(set, func(w io.Writer, format string, o render.Options) error {
		return render.Report(w, r, format, o)
	})
	if !tells(set.Outputs) {
		err = errors.Join(err, render.Verdict(a.Stderr, r, a.options(set, a.Stderr)))
	}
	a.judge = "" // the verdict line names it, and so does the report in JSON
	return err
}

// WriteAll renders an answer for every output, files first, and says whether
// one of them was stdout.
func (a *App) WriteAll(set *Settings, draw func(w io.Writer, format string, o render.Options) error) (shown bool, err error) {
	var errs []error
	for _, o := range set.Outputs {
		if o.file == "" {
			shown = true
			continue
		}
		var buf bytes.Buffer
		err := draw(&buf, o.Format, render.Options{Quiet: set.Quiet, Verbose: set.Verbose})
		errs = append(errs, err)
		if err != nil && buf.Len() == 0 {
			continue // else it says itself why there is no more
		}
		if err := WriteFile(o.file, buf.Bytes()); err != nil {
			errs = append(errs, &outputError{o.Format, o.file, err})
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

// WriteFile gives a file its content at once or not at all. What is there and
// no regular file, such as /dev/null or a pipe, is written to as it is.
func WriteFile(path string, content []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := fetch.OpenOutput(path)
		if err != nil {
			return PlainError(err)
		}
		_, err = f.Write(content)
		return PlainError(errors.Join(err, f.Close()))
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays a link
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return PlainError(err)
	}
	defer dir.Close() //nolint:errcheck // only names lead through it
	f, err := fetch.Create(dir, filepath.Base(path), 0o666)
	if err != nil {
		return PlainError(err)
	}
	if _, err := f.Write(content); err != nil {
		return PlainError(errors.Join(err, f.Discard()))
	}
	return PlainError(f.Commit())
}

// options fit a table to where it goes: colours, marks and a width only for a
// terminal.
func (a *App) options(set *Settings, w io.Writer) render.Options {
	o := render.Options{Quiet: set.Quiet, Verbose: set.Verbose}
	if fd, ok := Terminal(w); ok {
		o.Color = !set.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
		o.Width, _, _ = term.GetSize(fd)
	}
	return o
}
