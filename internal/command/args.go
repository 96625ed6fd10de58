package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/guess"
)

// Needs says what a command must be given.
func Needs(least, most int, what, example string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		hint := "try: " + c.CommandPath() + " --help"
		name := strings.TrimPrefix(c.CommandPath(), "kverify ")
		switch {
		case len(args) < least && len(args) == 0:
			return &UsageError{Err: fmt.Errorf("%s needs %s and got none; write %s", name, what, example), Hint: hint}
		case len(args) < least:
			return &UsageError{Err: fmt.Errorf("%s needs %s and got %q alone; write %s", name, what, strings.Join(args, " "), example), Hint: hint}
		case most >= 0 && len(args) > most:
			return &UsageError{Err: fmt.Errorf("%s takes %s and got %q besides; write %s", name, what, strings.Join(args[most:], " "), example), Hint: hint}
		}
		return nil
	}
}

func NoArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &UsageError{Err: fmt.Errorf("%s takes no arguments and got %q; leave it out", c.Name(), args[0]), Hint: "try: " + c.CommandPath() + " --help"}
	}
	return nil
}

func OneFile(command, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return Usagef("%s takes one file and got %d; name a %s", command, len(args), what)
		}
		return nil
	}
}

func commandNames(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		if sub.Runnable() && !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return names
}

// Chosen reads a repeatable flag of words, each of which must be known.
func Chosen(flag string, given, known []string) error {
	for _, g := range given {
		if !slices.Contains(known, g) {
			return Usagef("--%s %q is unknown; name one of %s%s", flag, g, strings.Join(known, ", "), guess.DidYouMean(g, known))
		}
	}
	return nil
}

func Unique(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}
