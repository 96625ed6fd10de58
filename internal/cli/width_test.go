package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kverify/kverify/internal/command"
	"github.com/spf13/cobra"
)

// TestHelpFits: no line of any command's help, or of a topic, is wider than a terminal that
// somebody made wide to read it.
func TestHelpFits(t *testing.T) {
	const columns = 100
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		var b bytes.Buffer
		command.Help(&b, c)
		for l := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > columns {
				t.Errorf("help %s: %d columns: %s", c.CommandPath(), n, l)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand(&command.App{}))
}

// TestHelpIsNotTorn: the lines of a help are broken where they are written. One that is wider than
// help is would be broken once more, and leave a word alone on a line.
func TestHelpIsNotTorn(t *testing.T) {
	const columns = 100
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for l := range strings.Lines(c.Long) {
			if n := len(strings.TrimRight(l, "\n")); n > columns {
				t.Errorf("help %s: %d columns: %s", c.CommandPath(), n, l)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand(&command.App{}))
}
