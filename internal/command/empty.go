package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// NotEmpty refuses every flag that was given and says nothing, whatever its
// command: --sign-key "$KEY" of a script whose variable is not set must not
// turn signing off. It runs before any command does.
func NotEmpty(c *cobra.Command, _ []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) { // those that were given
		if err == nil && saysNothing(f.Value) {
			what, _ := pflag.UnquoteUsage(f)
			err = Usagef("--%s is empty; give it a value (%s), or leave the flag out", f.Name, what)
		}
	})
	return err
}

// saysNothing says whether a value, or one of several, is blank.
func saysNothing(v pflag.Value) bool {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	if list, ok := v.(pflag.SliceValue); ok {
		values := list.GetSlice()
		return len(values) == 0 || slices.ContainsFunc(values, blank)
	}
	return blank(v.String())
}
