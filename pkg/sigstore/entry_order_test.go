package sigstore

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Of entries that count the earliest comes first, since it is the one nearest to the
// signing, in whatever order the log gave them.
func TestEarliestEntryComesFirst(t *testing.T) {
	s := world.NewSigstore("order")
	trusted, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	d, first := entryOf(t, s, []byte("x"), world.Signing{})
	_, second := entryOf(t, s, []byte("x"), world.Signing{LogTime: world.Signed2023.Add(3 * time.Second)})
	_, third := entryOf(t, s, []byte("x"), world.Signing{LogTime: world.Signed2023.Add(9 * time.Second)})
	for name, order := range map[string][]*LogEntry{"as they are": {first, second, third}, "turned round": {third, second, first}, "mixed": {second, third, first}} {
		var found []map[string]json.RawMessage
		for _, e := range order {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, map[string]json.RawMessage{"id": text})
		}
		list, err := CountEntries(trusted, d, found)
		if err != nil || len(list) != 3 || list[0].LogIndex != first.LogIndex || list[1].LogIndex != second.LogIndex || list[2].LogIndex != third.LogIndex {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	// A log whose key was not yet its own says nothing.
	d, early := entryOf(t, s, []byte("x"), world.Signing{Time: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)})
	text, err := json.Marshal(early)
	if err != nil {
		t.Fatal(err)
	}
	var why *EntryError
	if _, err := CountEntries(trusted, d, []map[string]json.RawMessage{{"id": text}}); !errors.As(err, &why) || why.Reason != report.Untrusted || !strings.Contains(why.Error(), "was not valid at") {
		t.Errorf("logged before the log's key was valid: %v", err)
	}
}

// An entry is read to its last letter: what decodes up to there is not taken for the whole.
func TestEntriesAreReadToTheEnd(t *testing.T) {
	s := world.NewSigstore("end")
	trusted, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	d, e := entryOf(t, s, []byte("x"), world.Signing{})
	for name, tt := range map[string]struct {
		body, id     string
		of, logKnown bool
	}{
		"as it is":                {e.Body, e.LogID, true, true},
		"letters behind the body": {e.Body + "!", e.LogID, false, true},
		"another body":            {base64.StdEncoding.EncodeToString([]byte("{}")), e.LogID, false, true},
		"letters behind the log":  {e.Body, e.LogID + "zz", true, false},
		"a letter behind the log": {e.Body, e.LogID + "a", true, false},
		"another log":             {e.Body, hex.EncodeToString(make([]byte, 32)), true, false},
		"no log":                  {e.Body, "", true, false},
	} {
		changed := &LogEntry{Body: tt.body, LogID: tt.id}
		if d.LoggedBy(changed) != tt.of || changed.LogKnown(trusted) != tt.logKnown {
			t.Errorf("%s: of this signature %v, log known %v", name, !tt.of, !tt.logKnown)
		}
	}
	// One value of JSON, in which no member stands twice or is of another form.
	for text, want := range map[string]bool{`{"a":1}`: true, `{"a":1,"a":1}`: false, `{"b":1}`: false, `{"a":"x"}`: false, `{"a":1}{}`: false, ``: false} {
		if err := strictJSON([]byte(text), &struct{ A int }{}); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
