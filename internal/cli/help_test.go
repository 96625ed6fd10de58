package cli

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/trust"
)

// The topic names every incident that the policy knows.
func TestIncidentsAreDocumented(t *testing.T) {
	for _, id := range trust.EmbeddedPolicy().IncidentIDs() {
		if !strings.Contains(command.TopicIncidents, "\n  "+id+" ") { //nolint:gocritic // the constant is searched
			t.Errorf("kverify help incidents does not name %s", id)
		}
	}
}
