package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// output is one place that a report goes to.
type output struct {
	format string // one of the command's, such as "table" or "json"
	file   string // empty means stdout
}

// reportFormats are those of a report, the default first.
var reportFormats = []string{"table", "json"}

// outputFlag is -o: what was given, and the formats that the command knows, the
// default first; none means those of a report.
type outputFlag struct{ values, formats []string }

// addReport defines -o of a command that makes a report.
func (o *outputFlag) addReport(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.values, "output", "o", nil, "write the report as `FORMAT[=FILE]`: "+orList(reportFormats)+"; repeatable (default "+reportFormats[0]+")")
}

// addOwn defines -o of a command whose answer has formats of its own.
func (o *outputFlag) addOwn(c *cobra.Command, formats []string) {
	o.formats = formats
	c.Flags().StringArrayVarP(&o.values, "output", "o", nil, "write `FORMAT[=FILE]`: "+orList(formats)+"; repeatable (default "+formats[0]+")")
	_ = c.Flags().SetAnnotation("output", notFromEnvironment, nil) // KVERIFY_OUTPUT names formats of reports
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// read reads what was given.
func (o outputFlag) read() (list []output, err error) {
	formats := o.formats
	if len(formats) == 0 {
		formats = reportFormats
	}
	if len(o.values) == 0 {
		return []output{{format: formats[0]}}, nil
	}
	seen := map[string]bool{}
	for _, v := range o.values {
		format, file, isFile := strings.Cut(v, "=")
		if !slices.Contains(formats, format) {
			return nil, usagef("-o %q: there is no format %q; write -o %s, or -o %s=FILE", v, format, orList(formats), formats[len(formats)-1])
		}
		if isFile && file == "" {
			return nil, usagef("-o %q names no file; write -o %s=FILE", v, format)
		}
		if file == "-" {
			file = ""
		}
		if seen[file] {
			return nil, usagef("-o writes two reports to %s; give all but one a file of their own, -o %s=FILE", orStdout(file), format)
		}
		seen[file] = true
		if file != "" {
			if err := namesFile(v, file); err != nil {
				return nil, err
			}
		}
		list = append(list, output{format, file})
	}
	return list, nil
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
