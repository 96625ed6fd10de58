package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// notFromEnvironment marks a flag that is not shared, whatever its name.
const NotFromEnvironment = "kverify_not_from_environment"

// variablePrefix begins the name of every variable that is kverify's own.
const variablePrefix = "KVERIFY_"

// repeatable flags take several values, separated by commas, from the environment.
var repeatable = []string{"endpoint", "output", "as"}

// FromEnvironment sets every flag that was not given from KVERIFY_<FLAG>.
func (a *App) FromEnvironment(c *cobra.Command) (err error) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		_, own := f.Annotations[NotFromEnvironment]
		if err != nil || own || f.Changed || f.Name == "help" || c.LocalNonPersistentFlags().Lookup(f.Name) == nil {
			return
		}
		key := EnvironmentName(f.Name)
		value := a.Getenv(key)
		if value == "" {
			return
		}
		values := []string{value}
		if slices.Contains(repeatable, f.Name) {
			values = SplitList(value)
		}
		for _, v := range values {
			if e := c.Flags().Set(f.Name, v); e != nil {
				err = Usagef("the environment has %s=%q: %w; correct or unset it", key, withoutSecrets(value), FlagError(e))
				return
			}
		}
	})
	return err
}

// FlagError words a value that does not parse without the parser's own words.
func FlagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	f := invalid.GetFlag()
	want := map[string]string{"int": "a whole number", "duration": "a time such as 90s or 5m", "bool": "true or false"}[f.Value.Type()]
	if want == "" {
		return err
	}
	return fmt.Errorf("--%s takes %s, not %q", f.Name, want, invalid.GetValue())
}

func EnvironmentName(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// OwnFlag marks the flags that a command has so far as its own, which no
// variable sets.
func OwnFlag(c *cobra.Command) func(*pflag.Flag) {
	return func(f *pflag.Flag) { _ = c.Flags().SetAnnotation(f.Name, NotFromEnvironment, nil) }
}
