package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// build says what this binary is. Its JSON form is that of `version -o json`.
type build struct {
	Version     string `json:"version"`
	Revision    string `json:"revision,omitempty"` // of the source, "+dirty" if it was changed
	Time        string `json:"time,omitempty"`     // of the revision
	Go          string `json:"go"`
	Platform    string `json:"platform"`
	Policy      string `json:"policy"`      // digest of the embedded policy
	TrustedRoot string `json:"trustedRoot"` // digest of the embedded trusted root
	Catalogue   string `json:"catalogue"`   // digest of the embedded catalogue
	// Covers says what the catalogue knows, an image each.
	Covers []string `json:"covers"`
}

func (b build) tool() report.Tool { return report.Tool{Name: "kverify", Version: b.Version} }

// version reads what the Go tool wrote into the binary.
func version() build {
	policy, root := trust.Embedded()
	b := build{
		Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Policy: policy.Digest, TrustedRoot: root.Digest,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value + b.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Revision += "+dirty"
		case s.Key == "vcs.time":
			b.Time = s.Value
		}
	}
	return b
}

// covers says what a catalogue knows, a line an image.
func covers(c *trust.Catalogue) (lines []string) {
	for _, i := range c.Coverage() {
		line := fmt.Sprintf("%s: %s, %s to %s", i.Image, count(i.Tags, "tag"), i.First, i.Last)
		if i.Children > 0 {
			line += fmt.Sprintf(", and %d single platforms", i.Children)
		}
		lines = append(lines, line)
	}
	return lines
}

func (a *app) versionCommand() *cobra.Command {
	format := ""
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which kverify this is, and what it trusts",
		Example: withExamples(
			"kverify version",
			"kverify version -o json  # for a program",
		),
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			a.running = true
			b, c := version(), trust.EmbeddedCatalogue()
			b.Catalogue, b.Covers = c.Source().Digest, covers(c)
			switch format {
			case "json":
				enc := json.NewEncoder(a.stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(b)
			case "text":
				revision := ""
				if b.Revision != "" {
					revision = ", revision " + b.Revision
				}
				_, err := fmt.Fprintf(a.stdout, "kverify %s (%s, %s%s)\npolicy        %s\ntrusted root  %s\ncatalogue     %s\n  %s\n",
					b.Version, b.Go, b.Platform, revision, b.Policy, b.TrustedRoot, b.Catalogue, strings.Join(b.Covers, "\n  "))
				return err
			}
			return usagef("-o %q: there is no format %q; write -o text or -o json", format, format)
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "text", "`FORMAT`: text or json")
	return c
}
