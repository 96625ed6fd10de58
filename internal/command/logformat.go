package command

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// addLog defines the flag of every command that speaks while it works.
func addLog(f *pflag.FlagSet) {
	f.String("log-format", "text", "what goes to stderr, as `FORMAT`: text, or json for a line of JSON each")
}

// Prepare is what every command line is held to before its command runs, and makes what
// goes to stderr what --log-format says.
func (a *App) Prepare(c *cobra.Command, args []string) error {
	if err := NotEmpty(c, args); err != nil {
		return err
	}
	if err := a.knownVariables(c); err != nil {
		return err
	}
	f := c.Flags().Lookup("log-format")
	if f == nil {
		return nil
	}
	format := f.Value.String()
	if v := a.Getenv(EnvironmentName(f.Name)); v != "" && !f.Changed {
		format = v
	}
	switch format {
	case "text":
		return nil
	case "json":
		a.Stderr = &jsonLines{to: a.Stderr}
		return nil
	}
	return Usagef("--log-format: there is no format %q; write text or json", format)
}

// jsonLines writes each line as an object: {"time": RFC 3339, "message": TEXT}.
type jsonLines struct {
	mu   sync.Mutex // requests are traced by many goroutines
	to   io.Writer
	rest []byte // a line that has not ended
}

func (j *jsonLines) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		line, rest, ended := bytes.Cut(j.rest, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		text, err := json.Marshal(struct {
			Time    string `json:"time"`
			Message string `json:"message"`
		}{time.Now().UTC().Format(time.RFC3339), strings.TrimPrefix(string(line), "kverify: ")})
		if err != nil {
			return 0, err
		}
		if _, err := j.to.Write(append(text, '\n')); err != nil {
			return 0, err
		}
		j.rest = rest
	}
}
