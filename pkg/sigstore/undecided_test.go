package sigstore_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// What is signed by somebody else, or under a log or an authority that the root does not
// know, is neither proved nor refuted; everything else is for Verify to decide.
func TestUndecidable(t *testing.T) {
	s, foreign := world.NewSigstore("undecided"), world.NewSigstore("foreign")
	root, body := testRoot(t, s), []byte("x")
	sign := func(how world.Signing) []byte { return s.Sign(body, how).Bundle("0.3") }
	keyed, keyText := s.SignWithKey("one", body)
	private, privateKey := s.AttestWithKey("one", world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body)))
	elsewhere, elsewhereKey := foreign.SignWithKey("one", body)
	identity := sigstore.Signer{Identity: krelTrust}
	key := func(text []byte) sigstore.Signer {
		k, err := sigstore.ParseKey(text)
		if err != nil {
			t.Fatal(err)
		}
		return sigstore.Signer{Key: k}
	}
	stamped := func(raw, by []byte) []byte { // with the timestamps of another bundle
		var data any
		changed(t, by, func(_, m, _, _ object) { data = m["timestampVerificationData"] })
		return changed(t, raw, func(_, m, _, _ object) { m["timestampVerificationData"] = data })
	}
	unlogged := func(raw []byte) []byte {
		return changed(t, raw, func(_, m, _, _ object) { delete(m, "tlogEntries") })
	}
	byForeign, byOwn := world.Stamp{By: foreign}, world.Stamp{}
	const none = report.Reason("")
	for _, tt := range []struct {
		name   string
		raw    []byte
		who    sigstore.Signer
		reason report.Reason
		says   string
	}{
		{"by whom it should be", sign(world.Signing{}), identity, none, ""},
		{"by somebody else", sign(world.Signing{Identity: "mallory@example.com"}), identity, report.Untrusted, "signed by \"mallory@example.com\""},
		{"by the same name of another issuer", sign(world.Signing{Issuer: "https://example.com"}), identity, report.Untrusted, "signed by"},
		{"by an identity, where a key is asked for", sign(world.Signing{}), key(keyText), report.Untrusted, "it was signed with a certificate"},
		{"by a key, where an identity is asked for", keyed, identity, report.Untrusted, "it was signed with a key"},
		{"by a key", keyed, key(keyText), none, ""},
		{"by a key, in a log that says no time", private, key(privateKey), none, ""},
		{"by a key, with a timestamp of nobody known", stamped(private, sign(world.Signing{Stamps: []world.Stamp{byForeign}})), key(privateKey), none, ""},
		{"by a key, logged nowhere", unlogged(keyed), key(keyText), none, ""},
		{"by a key, in a log that is not known", elsewhere, key(elsewhereKey), report.Untrusted, "signed under transparency log"},
		{"by an identity, logged nowhere", unlogged(sign(world.Signing{Stamps: []world.Stamp{byOwn}})), identity, report.Absent, "it holds no log entry"},
		{"in a log that is not known", sign(world.Signing{Log: foreign}), identity, report.Untrusted, "signed under transparency log"},
		{"under a CA that is not known", sign(world.Signing{CA: foreign}), identity, report.Untrusted, "signed under certificate authority"},
		{"under a CT log that is not known", sign(world.Signing{CT: foreign}), identity, report.Untrusted, "signed under certificate transparency log"},
		{"in the newer log, with a timestamp", sign(world.Signing{Tiled: true}), identity, none, ""},
		{"in the newer log, with a timestamp of nobody known", sign(world.Signing{Tiled: true, Stamps: []world.Stamp{byForeign}}), identity, report.Untrusted, "a timestamp in it"},
		{"in the newer log, with a timestamp of nobody known beside one", sign(world.Signing{Tiled: true, Stamps: []world.Stamp{byOwn, byForeign}}), identity, report.Untrusted, "a timestamp in it"},
		{"in the newer log, without a timestamp", sign(world.Signing{Tiled: true, Stamps: []world.Stamp{}}), identity, report.Absent, "nothing in it says when"},
		{"a timestamp of nobody known beside a promise", sign(world.Signing{Stamps: []world.Stamp{byForeign}}), identity, none, ""},
		{"promised in its first entry, and not in its second", changed(t, sign(world.Signing{}), func(_, m, e, _ object) {
			second := object{}
			for k, v := range e {
				second[k] = v
			}
			delete(second, "inclusionPromise")
			m["tlogEntries"] = []object{e, second}
		}), identity, none, ""},
	} {
		b, err := sigstore.ParseBundle(tt.raw)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		reason, says := b.Undecidable(root, tt.who)
		if reason != tt.reason || !strings.HasPrefix(says, tt.says) || (says == "") != (tt.says == "") {
			t.Errorf("%s: %s, %q", tt.name, reason, says)
		}
	}
}
