package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagsLast puts flags that stand before a command behind its name, where cobra, which
// does not know them before, reads them: kverify -q images v1.27.2.
func FlagsLast(root *cobra.Command, args []string) []string {
	known := map[string]bool{} // by "--name" and "-n": whether a value follows
	var collect func(c *cobra.Command)
	collect = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			known["--"+f.Name] = known["--"+f.Name] || f.NoOptDefVal == ""
			if f.Shorthand != "" {
				known["-"+f.Shorthand] = known["-"+f.Shorthand] || f.NoOptDefVal == ""
			}
		})
		for _, sub := range c.Commands() {
			collect(sub)
		}
	}
	collect(root)
	var flags, path []string
	at := root
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			i := slices.IndexFunc(at.Commands(), func(sub *cobra.Command) bool { return sub.Name() == arg || sub.HasAlias(arg) })
			if i < 0 {
				break
			}
			at, path, args = at.Commands()[i], append(path, arg), args[1:]
			continue
		}
		n := 1
		if takesValue(known, arg) && len(args) > 1 {
			n = 2
		}
		flags, args = append(flags, args[:n]...), args[n:]
	}
	if len(path) == 0 {
		return append(flags, args...)
	}
	return slices.Concat(path, flags, args)
}

// takesValue says whether the argument after a flag is its value.
func takesValue(known map[string]bool, arg string) bool {
	if strings.HasPrefix(arg, "--") || len(arg) == 2 {
		return known[arg] // --name=value is no name
	}
	// Several letters: the first that takes a value takes the rest, if there is one.
	for i, letter := range arg[1:] {
		if known["-"+string(letter)] {
			return i+2 == len(arg)
		}
	}
	return false
}
