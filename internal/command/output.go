package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/render"
)

// Output is one place that a report goes to.
type Output struct {
	Format string // one of the command's, such as "table" or "json"
	file   string // empty means stdout
}

// outputFlag is -o: what was given, and the formats that the command knows, the
// default first; none means those of a report.
type outputFlag struct{ Values, Formats []string }

// AddReport defines -o of a command that makes or reads a report.
func (o *outputFlag) AddReport(c *cobra.Command) {
	c.Flags().StringArrayVarP(&o.Values, "output", "o", nil, "write the report as `FORMAT[=FILE]`: "+strings.Join(render.Formats, ", ")+"; repeatable (default table)")
	_ = c.RegisterFlagCompletionFunc("output", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return render.Formats, cobra.ShellCompDirectiveNoFileComp
	})
}

// AddOwn defines -o of a command whose answer has formats of its own.
func (o *outputFlag) AddOwn(c *cobra.Command, formats []string) {
	o.Formats = formats
	c.Flags().StringArrayVarP(&o.Values, "output", "o", nil, "write `FORMAT[=FILE]`: "+OrList(formats)+"; repeatable (default "+formats[0]+")")
	_ = c.Flags().SetAnnotation("output", NotFromEnvironment, nil) // KVERIFY_OUTPUT names formats of reports
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// Read reads what was given.
func (o outputFlag) Read() (list []Output, err error) {
	formats := o.Formats
	if len(formats) == 0 {
		formats = render.Formats
	}
	if len(o.Values) == 0 {
		return []Output{{Format: formats[0]}}, nil
	}
	seen := map[string]bool{}
	for _, v := range o.Values {
		format, file, isFile := strings.Cut(v, "=")
		if !slices.Contains(formats, format) {
			example := formats[len(formats)-1]
			if slices.Contains(formats, "json") {
				example = "json"
			}
			return nil, Usagef("-o %q: there is no format %q; write -o %s, or -o %s=FILE%s", v, format, OrList(formats), example, meantFormat(format, formats))
		}
		if isFile && file == "" {
			return nil, Usagef("-o %q names no file; write -o %s=FILE", v, format)
		}
		if file == "-" {
			file = ""
		}
		place := placeOf(file)
		if seen[place] {
			if place == "" {
				file = ""
			}
			return nil, Usagef("-o writes two reports to %s; give all but one a file of their own, -o %s=FILE", orStdout(file), format)
		}
		seen[place] = place != "/dev/null"
		if file != "" {
			if err := namesFile(v, file); err != nil {
				return nil, err
			}
		}
		list = append(list, Output{format, file})
	}
	return list, nil
}

// meantFormat guesses what a format that there is not was to be.
func meantFormat(format string, formats []string) string {
	switch {
	case strings.ContainsAny(format, "./"):
		return "; -o names a format, and not a file"
	case format == "name" && slices.Contains(formats, "refs"):
		return "; refs lists what was proved, by digest"
	}
	return guess.DidYouMean(format, formats)
}

// ReadSaved reads -o for reports that were saved, of which no statement is made.
func (o outputFlag) ReadSaved() ([]Output, error) {
	list, err := o.Read()
	for _, out := range list {
		if slices.Contains(render.Statements, out.Format) {
			return nil, Usagef("-o %s: a saved report is its writer's word, and a statement is written only by the run that examined; give -o %s to kverify images or verify", out.Format, out.Format)
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
func tells(list []Output) bool {
	return slices.ContainsFunc(list, func(o Output) bool { return o.file == "" && (o.Format == "table" || o.Format == "wide") })
}

// namesFile says what is wrong with the name of a file that is to be written,
// before anything is verified.
func namesFile(v, file string) error {
	info, err := os.Stat(file)
	switch {
	case err == nil && info.IsDir() || strings.HasSuffix(file, string(filepath.Separator)):
		return Usagef("-o %q: %s is a directory; name a file in it", v, file)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return Usagef("-o: the name of the file is too long for a file (%d bytes); name another", len(file))
	}
	if dir, err := os.Stat(filepath.Dir(file)); err != nil || !dir.IsDir() {
		return Usagef("-o %q: %s is not a directory; make it first", v, filepath.Dir(file))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Usagef("-o %q: %w; name a file that can be written", v, PlainError(err))
	}
	return nil
}

func orStdout(file string) string {
	if file == "" {
		return "stdout"
	}
	return file
}
