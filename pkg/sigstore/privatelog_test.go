package sigstore_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sigstore"
)

// A private log writes what it is given. An entry that it has, proved in its tree under its
// checkpoint, is worth nothing if it is of another signature, key or content.
func TestPrivateLog(t *testing.T) {
	s, evil := world.NewSigstore("private"), world.NewSigstore("evil")
	root, body := testRoot(t, s), []byte("x")
	digest := sha256.Sum256(body)
	statement := world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body))
	genuine, keyText := s.AttestWithKey("one", statement)
	other, otherKey := s.AttestWithKey("another", statement)
	elsewhere, _ := s.AttestWithKey("one", world.Statement("https://example.com/p", object{"n": 2}, "a.txt", sum(body)))
	key, err := sigstore.ParseKey(keyText)
	if err != nil {
		t.Fatal(err)
	}
	entryOf := func(raw []byte) (entry object, text string) {
		changed(t, raw, func(_, _, e, _ object) { entry = e })
		b, err := base64.StdEncoding.DecodeString(entry["canonicalizedBody"].(string))
		if err != nil {
			t.Fatal(err)
		}
		return entry, string(b)
	}
	_, mine := entryOf(genuine)
	theirs, theirText := entryOf(other)
	value := func(text, member string) string {
		_, rest, _ := strings.Cut(text, `"`+member+`":"`)
		v, _, _ := strings.Cut(rest, `"`)
		return v
	}
	// logs has a log enter a body and prove it.
	logs := func(by *world.Sigstore, text string) []byte {
		p := by.Log.Alone([]byte(text))
		return changed(t, genuine, func(_, _, e, _ object) {
			e["canonicalizedBody"] = []byte(text)
			proof := e["inclusionProof"].(object)
			proof["rootHash"], proof["checkpoint"] = p.RootHash, object{"envelope": p.Checkpoint}
		})
	}
	whose := func(change func(e object)) []byte {
		return changed(t, genuine, func(_, _, e, _ object) { change(e) })
	}
	_, wordText := entryOf(elsewhere)
	for _, tt := range []struct {
		name   string
		bundle []byte
		says   string // "" where it is genuine, "*" for whatever
	}{
		{"as it was made", genuine, ""},
		{"entered once more", logs(s, mine), ""},
		{"the entry of another's signature", changed(t, genuine, func(_, material, _, _ object) { material["tlogEntries"] = []any{theirs} }), "another signature"},
		{"the entry of another key", logs(s, strings.Replace(mine, value(mine, "publicKey"), base64.StdEncoding.EncodeToString(otherKey), 1)), "another key"},
		{"the entry of another signature by this key", logs(s, strings.Replace(mine, value(mine, "sig"), value(wordText, "sig"), 1)), "another signature"},
		{"the entry of other content", logs(s, strings.ReplaceAll(mine, lastValue(mine), lastValue(wordText))), "other content"},
		{"the whole entry of another key", logs(s, theirText), "another signature"},
		{"a log that nobody knows", whose(func(e object) { e["logId"] = object{"keyId": evil.Log.Alone(nil).RootHash} }), "not known"},
		{"a checkpoint that another log signed", logs(evil, mine), "*"},
		{"another index than the proof's", whose(func(e object) { e["logIndex"] = "1" }), "index is not the proof's"},
		{"a body that is not in the tree", changed(t, genuine, func(_, _, e, _ object) { e["canonicalizedBody"] = []byte(theirText) }), "*"},
		{"a body of no entry", logs(s, `{"apiVersion":"0.0.2","kind":"intoto","spec":{}}`), "*"},
		{"the checkpoint of another tree", whose(func(e object) {
			e["inclusionProof"].(object)["checkpoint"] = object{"envelope": s.Log.Alone([]byte(theirText)).Checkpoint}
		}), "*"},
		{"entered twice", changed(t, genuine, func(_, material, e, _ object) { material["tlogEntries"] = []any{e, e} }), "*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := sigstore.ParseBundle(tt.bundle)
			if err == nil {
				_, err = b.VerifyContent(root, sigstore.Signer{Key: key}, bytes.NewReader(body))
			}
			switch {
			case tt.says == "" && err != nil, tt.says != "" && err == nil:
				t.Errorf("%v", err)
			case tt.says != "*" && tt.says != "" && !strings.Contains(err.Error(), tt.says):
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
	b, err := sigstore.ParseBundle(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Verify(root, sigstore.Signer{Key: key}, sigstore.Digest{Algorithm: "sha256", Sum: digest[:]}); err == nil {
		t.Error("another's bundle is by this key")
	}
	// Such an entry says nothing of time, and so it proves no certificate.
	if _, err := b.Verify(root, sigstore.Signer{Identity: krelTrust}, sigstore.Digest{Algorithm: "sha256", Sum: digest[:]}); err == nil {
		t.Error("a key's bundle is by an identity")
	}
}

// lastValue is the hash of the payload in an entry's body.
func lastValue(text string) string {
	i := strings.LastIndex(text, `"value":"`)
	v, _, _ := strings.Cut(text[i+len(`"value":"`):], `"`)
	return v
}
