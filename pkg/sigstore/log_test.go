package sigstore

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/trust"
)

// oneLog is a trusted root that knows one log.
type oneLog struct {
	root.BaseTrustedMaterial
	id  string
	log root.TransparencyLog
}

func (o *oneLog) RekorLogs() map[string]*root.TransparencyLog {
	return map[string]*root.TransparencyLog{o.id: &o.log}
}

// A log's key counts from its first second to its last, and not at all if nobody says
// from when.
func TestLogKeysCountWhileTheyAreValid(t *testing.T) {
	s := world.NewSigstore("log")
	built, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	var id string
	var key crypto.PublicKey
	for name, log := range built.Material.RekorLogs() {
		if log.PublicKey != nil && log.SignatureHashFunc == crypto.SHA256 {
			id, key = name, log.PublicKey
		}
	}
	other := ed25519.PublicKey(make([]byte, ed25519.PublicKeySize))
	start, end := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, tt := range map[string]struct {
		start, end, at time.Time
		key            crypto.PublicKey
		id             string
		want           bool
	}{
		"within":                   {start, end, time.Unix(1500, 0), key, id, true},
		"in the first second":      {start, end, start, key, id, true},
		"in the last second":       {start, end, end, key, id, true},
		"before":                   {start, end, start.Add(-1), key, id, false},
		"after":                    {start, end, end.Add(1), key, id, false},
		"long after, without end":  {start, time.Time{}, end.AddDate(50, 0, 0), key, id, true},
		"before, without end":      {start, time.Time{}, start.Add(-1), key, id, false},
		"without start":            {time.Time{}, end, start, key, id, false},
		"without start and end":    {time.Time{}, time.Time{}, start, key, id, false},
		"of another log":           {start, end, start, key, hex.EncodeToString([]byte("another")), false},
		"a key of another kind":    {start, end, start, other, id, false},
		"no key":                   {start, end, start, nil, id, false},
		"in the zero time":         {start, end, time.Time{}, key, id, false},
		"after an end at the zero": {start, time.Unix(0, 0), start, key, id, false},
	} {
		material := &oneLog{id: id, log: root.TransparencyLog{ValidityPeriodStart: tt.start, ValidityPeriodEnd: tt.end, PublicKey: tt.key}}
		got, err := logKey(material, tt.id, tt.at)
		if (err == nil) != tt.want || (got != nil) != tt.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if tt.id != id || tt.key == nil || tt.key.(interface{ Equal(crypto.PublicKey) bool }).Equal(other) {
			continue // a bundle's log is looked up by its id, and its key by sigstore-go
		}
		raw, _ := hex.DecodeString(id)
		b := &Bundle{logs: [][]byte{[]byte("of no root"), raw}}
		if err := b.loggedWhileValid(&trust.Root{Material: material}, tt.at); (err == nil) != tt.want {
			t.Errorf("%s, in a bundle: %v", name, err)
		}
	}
}

// The earliest time that was proved stands, whoever proved it.
func TestProofTakesTheEarliestTime(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	type proved struct {
		t     time.Time
		byLog bool
	}
	for name, tt := range map[string]struct {
		add  []proved
		want proved
	}{
		"none":            {nil, proved{}},
		"one":             {[]proved{{at(5), true}}, proved{at(5), true}},
		"a later one":     {[]proved{{at(5), true}, {at(6), false}}, proved{at(5), true}},
		"an earlier one":  {[]proved{{at(5), true}, {at(4), false}}, proved{at(4), false}},
		"the same second": {[]proved{{at(5), false}, {at(5), true}}, proved{at(5), false}},
	} {
		p := &Proof{Fields: map[string]string{}}
		for _, one := range tt.add {
			p.add(one.t, one.byLog)
		}
		if !p.Time.Equal(tt.want.t) || p.ByLog != tt.want.byLog {
			t.Errorf("%s: %v, by log %v", name, p.Time, p.ByLog)
		}
	}
}

// entryOf is the log entry of a detached signature over body.
func entryOf(t *testing.T, s *world.Sigstore, body []byte, how world.Signing) (*DetachedSignature, *LogEntry) {
	t.Helper()
	signed := s.Sign(body, how)
	sum := [32]byte(oci.DigestOf(body).Bytes())
	d, err := ParseDetached(sum, []byte(base64.StdEncoding.EncodeToString(signed.Signature)), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed.Certificate.Raw}))
	if err != nil {
		t.Fatal(err)
	}
	e, err := EntryOf(signed.Bundle("0.3"))
	if err != nil {
		t.Fatal(err)
	}
	return d, e
}

// A log entry stands for one signature by one certificate over one digest; that it is
// of another is told as a contradiction, and that it cannot be read is not.
func TestEntryIsOfThisSignature(t *testing.T) {
	s := world.NewSigstore("entry")
	body := []byte("x")
	d, e := entryOf(t, s, body, world.Signing{})
	other, _ := entryOf(t, s, body, world.Signing{Identity: "mallory@example.com"})
	for name, tt := range map[string]struct {
		change   func(e *hashedRekord)
		ok       bool
		mismatch bool
	}{
		"as it is":                 {func(*hashedRekord) {}, true, false},
		"another algorithm":        {func(e *hashedRekord) { e.Spec.Data.Hash.Algorithm = "sha512" }, false, true},
		"another digest":           {func(e *hashedRekord) { e.Spec.Data.Hash.Value = subjectA[len("sha256:"):] }, false, true},
		"no digest":                {func(e *hashedRekord) { e.Spec.Data.Hash.Value = "" }, false, true},
		"another signature":        {func(e *hashedRekord) { e.Spec.Signature.Content = other.signature }, false, true},
		"no signature":             {func(e *hashedRekord) { e.Spec.Signature.Content = nil }, false, true},
		"another certificate":      {func(e *hashedRekord) { e.Spec.Signature.PublicKey.Content = pemOf(other.cert.Raw) }, false, true},
		"a certificate of no form": {func(e *hashedRekord) { e.Spec.Signature.PublicKey.Content = pemOf([]byte("x")) }, false, true},
		"no certificate":           {func(e *hashedRekord) { e.Spec.Signature.PublicKey.Content = nil }, false, false},
		"a key": {func(e *hashedRekord) {
			e.Spec.Signature.PublicKey.Content = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: d.cert.RawSubjectPublicKeyInfo})
		}, false, false},
		"two certificates": {func(e *hashedRekord) {
			e.Spec.Signature.PublicKey.Content = append(pemOf(d.cert.Raw), pemOf(d.cert.Raw)...)
		}, false, false},
		"a blank behind certificate": {func(e *hashedRekord) { e.Spec.Signature.PublicKey.Content = append(pemOf(d.cert.Raw), '\n') }, true, false},
	} {
		record := *e.record
		tt.change(&record)
		err := record.is(d.Digest(), d.text, d.cert)
		var differs *MismatchError
		if (err == nil) != tt.ok || errors.As(err, &differs) != tt.mismatch {
			t.Errorf("%s: %v", name, err)
		}
		changed := *e
		changed.record = &record
		if d.LoggedBy(&changed) != tt.ok {
			t.Errorf("%s: counted %v", name, !tt.ok)
		}
	}
	var differs *MismatchError
	if err := e.record.is(d.Digest(), "no base64", d.cert); err == nil || errors.As(err, &differs) {
		t.Errorf("a signature that is no base64: %v", err)
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Why no entry counts is said of the one that came nearest, whatever the order.
func TestNearestEntryTellsWhy(t *testing.T) {
	s, foreign := world.NewSigstore("near"), world.NewSigstore("foreign")
	trusted, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("x")
	d, good := entryOf(t, s, body, world.Signing{})
	var entries []*LogEntry
	add := func(change func(e *LogEntry)) {
		e := *good
		change(&e)
		entries = append(entries, &e)
	}
	add(func(e *LogEntry) { e.Verification.SignedEntryTimestamp = nil })
	add(func(e *LogEntry) {
		_, other := entryOf(t, foreign, body, world.Signing{})
		e.LogID = other.LogID
	})
	add(func(e *LogEntry) { e.LogIndex++ }) // the promise is of another index
	why := func(list ...*LogEntry) *EntryError {
		var found []map[string]json.RawMessage
		for _, e := range list {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, map[string]json.RawMessage{"id": text})
		}
		_, err := CountEntries(trusted, d, found)
		var out *EntryError
		if !errors.As(err, &out) {
			t.Fatalf("%v", err)
		}
		return out
	}
	for i, far := range entries {
		for _, near := range entries[i+1:] {
			want := why(near)
			if got := why(far, near); *got != *want {
				t.Errorf("%v, want %v", got, want)
			}
			if got := why(near, far); *got != *want {
				t.Errorf("the other way round: %v, want %v", got, want)
			}
		}
	}
	// A log's name is hex: in upper case it is the same log.
	upper := *good
	upper.LogID = strings.ToUpper(good.LogID)
	text, err := json.Marshal(&upper)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := CountEntries(trusted, d, []map[string]json.RawMessage{{"id": text}}); err != nil || len(list) != 1 {
		t.Errorf("the log's name in upper case: %v", err)
	}
}
