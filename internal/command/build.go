package command

import (
	"runtime"
	"runtime/debug"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Build says what this binary is. Its JSON form is that of `version -o json`.
type Build struct {
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

func (b Build) Tool() report.Tool { return report.Tool{Name: "kverify", Version: b.Version} }

// ThisBuild reads what the Go tool wrote into the binary.
func ThisBuild() Build {
	policy, root := trust.Embedded()
	b := Build{
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
