package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kverify/kverify/internal/guess"
)

// synonyms are what other programs call a command; the first that there is was meant.
var synonyms = map[string][]string{
	"pull": {"download", "create"}, "fetch": {"download"}, "save": {"download", "create"}, "get": {"list", "show"}, "ls": {"list", "show"},
	"list": {"show"}, "info": {"show"}, "inspect": {"show", "list"}, "describe": {"show", "report"}, "view": {"show"},
	"check": {"verify"}, "validate": {"verify", "check"}, "verify": {"check"}, "scan": {"verify"},
	"make": {"create"}, "new": {"create"}, "add": {"create"}, "sync": {"create"}, "upload": {"push"}, "copy": {"push"}, "run": {"serve"},
	"clean": {"prune"}, "gc": {"prune"}, "rm": {"prune"}, "delete": {"prune"}, "refresh": {"update"}, "upgrade": {"update"},
	"changelog": {"notes"}, "image": {"images"}, "file": {"list"}, "files": {"list"}, "versions": {"releases"}, "export": {"convert"}, "compare": {"diff"},
}

// NoCommand is the error of a word that is no command below c.
func NoCommand(c *cobra.Command, typed string) error {
	names := commandNames(c)
	near := guess.Nearest(typed, names)
	for _, s := range synonyms[strings.ToLower(typed)] {
		if slices.Contains(names, s) {
			near = s
			break
		}
	}
	hint := "try: " + c.CommandPath() + " --help"
	if near != "" {
		hint = "did you mean: " + c.CommandPath() + " " + near
	}
	where := strings.TrimPrefix(c.CommandPath(), "kverify ") + " has"
	if !c.HasParent() {
		where = "there is"
	}
	return &UsageError{Err: fmt.Errorf("%s no command %q; the commands are %s", where, typed, strings.Join(names, ", ")), Hint: hint}
}

// Group makes a command one that only groups others: alone it prints its help.
func (a *App) Group(c *cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return NoCommand(c, args[0])
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		a.Running = true
		Help(a.Stdout, c)
		return nil
	}
	return c
}

// WrongFlag words a flag that cannot be read, for cobra.
func WrongFlag(c *cobra.Command, err error) error {
	of := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "kverify"), " ")
	if of != "" {
		of += ": "
	}
	hint := "try: " + c.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		if near := guess.Nearest(unknown.GetSpecifiedName(), known); near != "" {
			hint = "did you mean: --" + near
		}
	}
	return &UsageError{Err: fmt.Errorf("%s%w; correct or leave it out", of, FlagError(err)), Hint: hint}
}
