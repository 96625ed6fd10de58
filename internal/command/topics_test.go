package command

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

// The help explains every check that a report may have.
func TestEveryCheckIsExplained(t *testing.T) {
	for _, name := range report.CheckNames {
		if !strings.Contains(topicChecks, "\n  "+name+" ") {
			t.Errorf("kverify help checks leaves out %s", name)
		}
	}
}
