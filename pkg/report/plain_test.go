package report_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// What is no report is refused in words of a document, not of a program.
func TestWhatIsNoReportIsSaidPlainly(t *testing.T) {
	for text, say := range map[string]string{
		`[]`:                    "it is a JSON array",
		`"x"`:                   "it is a JSON string",
		`{"schemaVersion":"1"}`: `its "schemaVersion" cannot be of the kind string`,
		`{"results":{}}`:        `its "results" cannot be of the kind object`,
		`{"results":["x"]}`:     "result 1: it is a JSON string",
	} {
		_, err := report.Read("saved.json", strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "struct") || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
