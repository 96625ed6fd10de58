package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
)

// output is one place that a report goes to.
type output struct {
	format string // one of the command's, such as "table" or "json"
	file   string // empty means stdout
}

// outputs reads the values of -o, for a command that knows these formats.
func outputs(values, formats []string) (list []output, err error) {
	if len(formats) == 0 {
		formats = render.Formats
	}
	if len(values) == 0 {
		return []output{{format: formats[0]}}, nil
	}
	seen := map[string]bool{}
	for _, v := range values {
		format, file, isFile := strings.Cut(v, "=")
		if !slices.Contains(formats, format) {
			example := formats[len(formats)-1]
			if slices.Contains(formats, "json") {
				example = "json"
			}
			return nil, usagef("-o %q: there is no format %q; write -o %s, or -o %s=FILE", v, format, orList(formats), example)
		}
		if isFile && file == "" {
			return nil, usagef("-o %q names no file; write -o %s=FILE", v, format)
		}
		if file == "-" {
			file = ""
		}
		place := placeOf(file)
		if seen[place] {
			if place == "" {
				file = ""
			}
			return nil, usagef("-o writes two reports to %s; give all but one a file of their own, -o %s=FILE", orStdout(file), format)
		}
		seen[place] = place != "/dev/null"
		if file != "" {
			if err := namesFile(v, file); err != nil {
				return nil, err
			}
		}
		list = append(list, output{format, file})
	}
	return list, nil
}

// savedOutputs reads -o for reports that were saved, of which no statement is made.
func savedOutputs(values []string) ([]output, error) {
	list, err := outputs(values, nil)
	for _, o := range list {
		if slices.Contains(render.Statements, o.format) {
			return nil, usagef("-o %s: a saved report is its writer's word, and a statement is written only by the run that examined; give -o %s to kverify images or verify", o.format, o.format)
		}
	}
	return list, err
}

// placeOf is one name for every way to write where an output goes, "" for stdout.
func placeOf(file string) string {
	if slices.Contains([]string{"", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}, file) {
		return ""
	}
	full, err := filepath.Abs(file)
	if err != nil {
		full = filepath.Clean(file)
	}
	if resolved, err := filepath.EvalSymlinks(full); err == nil {
		return resolved
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(full)); err == nil {
		return filepath.Join(dir, filepath.Base(full))
	}
	return full
}

// tells says whether what goes to stdout ends with the verdict line.
func tells(list []output) bool {
	return slices.ContainsFunc(list, func(o output) bool { return o.file == "" && (o.format == "table" || o.format == "wide") })
}

// namesFile says what is wrong with the name of a file that is to be written,
// before anything is verified.
func namesFile(v, file string) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir() || strings.HasSuffix(file, string(filepath.Separator)):
		return usagef("-o %q: %s is a directory; name a file in it", v, file)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return usagef("-o: the name of the file is too long for a file (%d bytes); name another", len(file))
	}
	if dir, err := os.Stat(filepath.Dir(file)); err != nil || !dir.IsDir() {
		return usagef("-o %q: %s is no directory; make it first", v, filepath.Dir(file))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usagef("-o %q: %w; name a file that can be written", v, plainError(err))
	}
	return nil
}

func orStdout(file string) string {
	if file == "" {
		return "stdout"
	}
	return file
}

// write gives the report to every output; files come first, so that the answer
// on the screen is the last thing that happens. It goes on after an error. The verdict
// line is always said: on stderr where stdout does not end with it, also with --quiet.
func (a *app) write(r report.Report, set *settings) error {
	_, err := a.writeAll(set, func(w io.Writer, format string, o render.Options) error {
		return render.Report(w, r, format, o)
	})
	if !tells(set.outputs) {
		err = errors.Join(err, render.Verdict(a.stderr, r, a.options(set, a.stderr)))
	}
	a.judge = "" // the verdict line names it, and so does the report in JSON
	return err
}

// writeAll renders an answer for every output, files first, and says whether
// one of them was stdout.
func (a *app) writeAll(set *settings, draw func(w io.Writer, format string, o render.Options) error) (shown bool, err error) {
	var errs []error
	for _, o := range set.outputs {
		if o.file == "" {
			shown = true
			continue
		}
		var buf bytes.Buffer
		err := draw(&buf, o.format, render.Options{Quiet: set.quiet, Verbose: set.verbose})
		errs = append(errs, err)
		if err != nil && buf.Len() == 0 {
			continue // else it says itself why there is no more
		}
		if err := writeFile(o.file, buf.Bytes()); err != nil {
			errs = append(errs, &outputError{o.format, o.file, err})
		}
	}
	for _, o := range set.outputs {
		if o.file == "" {
			if err := draw(a.stdout, o.format, a.options(set, a.stdout)); !errors.Is(err, syscall.EPIPE) {
				errs = append(errs, err) // and a closed pipe is the reader's right
			}
		}
	}
	return shown, errors.Join(errs...)
}

// options fit a table to where it goes: colours, marks and a width only for a
// terminal.
func (a *app) options(set *settings, w io.Writer) render.Options {
	o := render.Options{Quiet: set.quiet, Verbose: set.verbose}
	if fd, ok := terminal(w); ok {
		o.Color = !set.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
		o.Width, _, _ = term.GetSize(fd)
	}
	return o
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

// writeFile gives a file its content at once or not at all. What is there and
// no regular file, such as /dev/null or a pipe, is written to as it is.
func writeFile(path string, content []byte) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := fetch.OpenOutput(path)
		if err != nil {
			return plainError(err)
		}
		_, err = f.Write(content)
		return plainError(errors.Join(err, f.Close()))
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays a link
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return plainError(err)
	}
	defer dir.Close() //nolint:errcheck // only names lead through it
	f, err := fetch.Create(dir, filepath.Base(path), 0o666)
	if err != nil {
		return plainError(err)
	}
	if _, err := f.Write(content); err != nil {
		return plainError(errors.Join(err, f.Discard()))
	}
	return plainError(f.Commit())
}

// plainError takes off the operation and path, which the caller names better.
func plainError(err error) error {
	var local *fetch.FileError
	if errors.As(err, &local) {
		return local.Err
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
