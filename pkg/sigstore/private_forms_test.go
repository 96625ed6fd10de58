package sigstore_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// A private log enters what it is given, of whatever form: an entry counts for what it
// says, and one that says something else, or nothing, hurts nobody.
func TestFormsOfAPrivateLog(t *testing.T) {
	s := world.NewSigstore("forms")
	body := []byte("x")
	envelope, keyText := s.AttestWithKey("one", world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body)))
	message, _ := s.SignWithKey("one", body)
	another, _ := s.SignWithKey("one", []byte("y"))
	root, who := testRoot(t, s), signer(t, keyText)
	bodyOf := func(raw []byte) (text string) {
		changed(t, raw, func(_, _, e, _ object) { text = string(decoded(t, e["canonicalizedBody"])) })
		return text
	}
	// logged has the private log enter a body, and prove it to a bundle.
	logged := func(raw []byte, kind, version, text string, change func(content object)) []byte {
		p := s.Log.Alone([]byte(text))
		return changed(t, raw, func(_, m, e, c object) {
			m["tlogEntries"] = []object{{
				"logIndex": "0", "logId": e["logId"], "kindVersion": object{"kind": kind, "version": version}, "canonicalizedBody": []byte(text),
				"inclusionProof": object{"logIndex": "0", "treeSize": "1", "rootHash": p.RootHash, "checkpoint": object{"envelope": p.Checkpoint}},
			}}
			change(c)
		})
	}
	as := func(object) {}
	in := func(old, text string) string {
		from := bodyOf(envelope)
		if !strings.Contains(from, old) {
			t.Fatalf("no %s in %s", old, from)
		}
		return strings.Replace(from, old, text, 1)
	}
	_, keyInBody, _ := strings.Cut(bodyOf(envelope), `"publicKey":"`)
	keyInBody, _, _ = strings.Cut(keyInBody, `"`)
	certificate := base64.StdEncoding.EncodeToString(s.Sign(body, world.Signing{}).CertificatePEM())
	_, signature, _ := strings.Cut(bodyOf(message), `"content":"`)
	signature, _, _ = strings.Cut(signature, `"`)
	_, sigInBody, _ := strings.Cut(bodyOf(envelope), `"sig":"`)
	sigInBody, _, _ = strings.Cut(sigInBody, `"`)
	// named is a trusted root that gives the log this address.
	named := func(url string) *trust.Root {
		var r object
		if err := json.Unmarshal(s.TrustedRootJSON(), &r); err != nil {
			t.Fatal(err)
		}
		r["tlogs"].([]any)[0].(object)["baseUrl"] = url
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		root, err := trust.ParseRoot(text)
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	emptied := func(c object) { c["messageDigest"].(object)["digest"] = "" }
	for _, tt := range []struct {
		name string
		raw  []byte
		root *trust.Root
		says string // "" if it is verified, "*" for whatever
	}{
		{"an envelope", logged(envelope, "intoto", "0.0.2", bodyOf(envelope), as), root, ""},
		{"a message", logged(message, "hashedrekord", "0.0.1", bodyOf(message), as), root, ""},
		{"the entry of another message", logged(message, "hashedrekord", "0.0.1", bodyOf(another), as), root, "another signature"},
		{"the entry of another message's content", logged(message, "hashedrekord", "0.0.1", strings.Replace(bodyOf(message), sum(body)[len("sha256:"):], sum([]byte("y"))[len("sha256:"):], 1), as), root, "*"},
		{"a message, and the entry of an envelope", logged(message, "intoto", "0.0.2", in(sigInBody, base64.StdEncoding.EncodeToString([]byte(signature))), as), root, "other content"},
		{"a message of no digest, and the entry of an envelope", logged(message, "intoto", "0.0.2", in(sigInBody, base64.StdEncoding.EncodeToString([]byte(signature))), emptied), root, "other content"},
		{"an envelope, and a certificate for its key", logged(envelope, "intoto", "0.0.2", in(keyInBody, certificate), as), root, "another key"},
		{"an envelope, and no signature in its entry", logged(envelope, "intoto", "0.0.2", in(`"sig":"`+sigInBody+`"`, `"x":""`), as), root, "*"},
		{"an envelope, and an empty signature in its entry", logged(envelope, "intoto", "0.0.2", in(sigInBody, ""), as), root, "*"},
		{"an envelope, and no key in its entry", logged(envelope, "intoto", "0.0.2", in(keyInBody, ""), as), root, "*"},
		{"a log without a name", envelope, named(""), "no name"},
		{"a log whose name is a path", envelope, named("/rekor"), "no name"},
		{"a log whose name cannot be read", envelope, named("https://[::1"), "no name"},
		{"a log of another name", envelope, named("https://example.com"), "*"},
	} {
		b, err := sigstore.ParseBundle(tt.raw)
		if err == nil {
			_, err = b.VerifyContent(tt.root, who, bytes.NewReader(body))
		}
		if (err == nil) != (tt.says == "") || tt.says != "*" && !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}
