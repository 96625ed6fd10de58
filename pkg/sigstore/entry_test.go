package sigstore

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// A log entry goes into a bundle and comes back whole, with its proof or without; one
// that cannot be put into a bundle is an error.
func TestEntryThereAndBack(t *testing.T) {
	s := world.NewSigstore("back")
	s.Sign([]byte("before"), world.Signing{}) // so that a proof has hashes
	d, e := entryOf(t, s, []byte("x"), world.Signing{})
	trusted, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	alone := *e
	alone.Verification.InclusionProof = nil
	for name, tt := range map[string]struct {
		entry     *LogEntry
		mediaType string
	}{"with its proof": {e, "bundle.v0.3+json"}, "without": {&alone, "version=0.1"}} {
		logged, err := d.Bundle(tt.entry)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := logged.JSON()
		if err != nil || !strings.Contains(string(text), tt.mediaType) {
			t.Errorf("%s: %v: %s", name, err, text)
		}
		back, err := EntryOf(text)
		if err != nil || !reflect.DeepEqual(back, tt.entry) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, back, tt.entry)
		}
		if err := logged.Verify(trusted, d.Identity); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for who, id := range map[string]trust.Identity{"nobody": {}, "half of it": {Subject: d.Identity.Subject}, "another": {Issuer: d.Identity.Issuer, Subject: "mallory@example.com"}} {
			if err := logged.Verify(trusted, id); err == nil {
				t.Errorf("%s: signed by %s", name, who)
			}
		}
	}
	if p := e.Verification.InclusionProof; p == nil || len(p.Hashes) == 0 {
		t.Fatalf("a proof of nothing: %+v", p)
	}
	for name, change := range map[string]func(e *LogEntry, p *inclusionProof){
		"a body of no base64": func(e *LogEntry, _ *inclusionProof) { e.Body += "!" },
		"a log of no hex":     func(e *LogEntry, _ *inclusionProof) { e.LogID += "x" },
		"a root of no hex":    func(_ *LogEntry, p *inclusionProof) { p.RootHash += "x" },
		"a hash of no hex":    func(_ *LogEntry, p *inclusionProof) { p.Hashes = []string{p.Hashes[0] + "x"} },
		"no body":             func(e *LogEntry, _ *inclusionProof) { e.Body = "" },
	} {
		bad, proof := *e, *e.Verification.InclusionProof
		bad.Verification.InclusionProof = &proof
		change(&bad, &proof)
		if l, err := d.Bundle(&bad); err == nil || l != nil {
			t.Errorf("%s: a bundle", name)
		}
	}
	// What is sent to be logged is what the log holds.
	text, err := json.Marshal(d.Proposal())
	if err != nil {
		t.Fatal(err)
	}
	sent, err := parseHashedRekord(text)
	if err != nil || sent.is(d.Digest(), d.text, d.cert) != nil {
		t.Errorf("%v: %s", err, text)
	}
}

// A log may be asked for a signature that thousands of entries name: a few are
// verified, in the order in which they come, and only those in the certificate's life count.
func TestEntriesAreCountedToALimit(t *testing.T) {
	s := world.NewSigstore("limit")
	trusted, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("x")
	d, good := entryOf(t, s, body, world.Signing{})
	count := func(d *DetachedSignature, bad int, more ...*LogEntry) ([]*LogEntry, error) {
		var found []map[string]json.RawMessage
		for i := range bad + len(more) {
			e := *good
			e.LogIndex += int64(i + 1) // which the log did not sign
			if i >= bad {
				e = *more[i-bad]
			}
			text, err := json.Marshal(&e)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, map[string]json.RawMessage{"id": text})
		}
		return CountEntries(trusted, d, found)
	}
	if list, err := count(d, MaxEntries-1, good, good); err != nil || len(list) != 1 {
		t.Errorf("behind nineteen: %v, %v", list, err)
	}
	var why *EntryError
	if _, err := count(d, MaxEntries, good); !errors.As(err, &why) || why.Reason != report.Limit {
		t.Errorf("behind twenty: %v", err)
	}
	if _, err := count(d, 1); !errors.As(err, &why) || why.Reason != report.Untrusted {
		t.Errorf("one that the log did not sign: %v", err)
	}
	missing := *good
	missing.Verification.SignedEntryTimestamp = nil
	if _, err := count(d, 0, &missing); !errors.As(err, &why) || why.Reason != report.Absent {
		t.Errorf("one without a promise: %v", err)
	}
	one, other := *good, *good
	one.LogID, other.LogID = strings.Repeat("1", 64), strings.Repeat("2", 64)
	if _, err := count(d, 0, &one, &other); !errors.As(err, &why) || !strings.Contains(why.Error(), one.LogID) {
		t.Errorf("of two logs that are not known, it tells of %v", err)
	}
	for name, tt := range map[string]struct {
		at time.Time
		ok bool
	}{
		"before the certificate": {world.Signed2023.Add(-time.Second), false},
		"in its first second":    {world.Signed2023, true},
		"in its last second":     {d.cert.NotAfter, true},
		"after it":               {d.cert.NotAfter.Add(time.Second), false},
	} {
		d, e := entryOf(t, s, body, world.Signing{LogTime: tt.at})
		list, err := count(d, 0, e)
		if (err == nil) != tt.ok || (len(list) == 1) != tt.ok || err != nil && !strings.Contains(err.Error(), "when the certificate was not valid") {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// A key of a kind that nobody signs files with signs nothing, and hurts nobody.
func TestKeysOfAnotherKind(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), EmailAddresses: []string{"a@example.com"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("x"))
	d, err := ParseDetached(sum, []byte(base64.StdEncoding.EncodeToString(ed25519.Sign(private, sum[:]))), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	if d.SignsSum() {
		t.Error("an Ed25519 key signs a file")
	}
}

// An entry is read as hashedrekord 0.0.1, each member once and none besides.
func TestEntriesOfOneForm(t *testing.T) {
	const genuine = `{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256","value":"00"}},"signature":{"content":"AAAA","publicKey":{"content":"AAAA"}}}}`
	for name, tt := range map[string]struct {
		old, new string
		ok       bool
	}{
		"as it is":         {"", "", true},
		"of another kind":  {"hashedrekord", "dsse", false},
		"of a version on":  {"0.0.1", "0.0.2", false},
		"of no kind":       {`"kind":"hashedrekord",`, "", false},
		"of no version":    {`"apiVersion":"0.0.1",`, "", false},
		"a member twice":   {`"kind":`, `"kind":"hashedrekord","kind":`, false},
		"a member besides": {`"kind":`, `"x":1,"kind":`, false},
		"cut":              {`}}}}`, `}}}`, false},
		"a number":         {`"AAAA"`, `1`, false},
	} {
		e, err := parseHashedRekord([]byte(strings.Replace(genuine, tt.old, tt.new, 1)))
		if (err == nil) != tt.ok || (e != nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
