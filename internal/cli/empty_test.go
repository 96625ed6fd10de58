package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/command"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestEmptyValueIsUsage: whatever flag of whatever line is given and says
// nothing, nothing is done, and the exit code is that of a wrong line line.
func TestEmptyValueIsUsage(t *testing.T) {
	run := func(args ...string) (string, int) {
		var out, conversation bytes.Buffer
		a := &command.App{Args: args, Getenv: func(string) string { return "" }, Stdout: &out, Stderr: &conversation}
		code := Run(context.Background(), a)
		return conversation.String(), code
	}
	// The fewest arguments that each line takes.
	arguments := func(line []string) []string {
		for _, given := range [][]string{{}, {"v1.27.2"}, {"v1.27.2", "registry.example.com"}} {
			said, _ := run(append(append([]string{}, line...), append(given, "--no-such-flag")...)...)
			if !strings.Contains(said, "no-such-flag") {
				t.Fatalf("%v: %s", line, said)
			}
			a := &command.App{Getenv: func(string) string { return "" }, Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)}
			c, _, err := rootCommand(a).Find(line)
			if err != nil {
				t.Fatal(err)
			}
			if c.ValidateArgs(given) == nil {
				return given
			}
		}
		return nil
	}
	checked := map[string]bool{}
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			walk(sub, append(append([]string{}, path...), sub.Name()))
		}
		var given []string
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if kind := f.Value.Type(); kind == "bool" || len(path) == 0 {
				return
			}
			if given == nil {
				given = append([]string{}, arguments(path)...)
			}
			for _, value := range []string{"", " "} {
				if f.Value.Type() == "stringSlice" && value == "" {
					value = "x,"
				}
				said, code := run(append(append(append([]string{}, path...), given...), "--"+f.Name, value)...)
				if code != command.ExitUsage || !strings.Contains(said, "--"+f.Name) {
					t.Errorf("%s --%s %q: exit code %d, %s", strings.Join(path, " "), f.Name, value, code, said)
				}
			}
			checked[f.Name] = true
		})
	}
	a := &command.App{Getenv: func(string) string { return "" }, Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)}
	walk(rootCommand(a), nil)
	for _, name := range []string{"sign-key", "tls-cert", "tls-key", "archive", "base", "key", "mirror", "cache", "bundle", "shard", "release", "subject", "listen", "output", "grep"} {
		if !checked[name] {
			t.Errorf("--%s was not met", name)
		}
	}
}
