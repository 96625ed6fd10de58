package sigstore_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sigstore"
)

type object = map[string]any

// changed is a bundle with its JSON changed: the whole, its material, its first entry
// and what is signed.
func changed(t *testing.T, raw []byte, change func(b, material, entry, content object)) []byte {
	t.Helper()
	var b object
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	material := b["verificationMaterial"].(object)
	content, ok := b["messageSignature"].(object)
	if !ok {
		content = b["dsseEnvelope"].(object)
	}
	change(b, material, material["tlogEntries"].([]any)[0].(object), content)
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What a bundle leaves out or says twice over is refused when it is read, before
// anybody can take it for something that was looked at.
func TestBundlesThatCannotBeRead(t *testing.T) {
	s := world.NewSigstore("read")
	body := []byte("x")
	plain := s.Sign(body, world.Signing{}).Bundle("0.3")
	tiled := s.Sign(body, world.Signing{Tiled: true}).Bundle("0.3")
	envelope := s.Attest(world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body)), world.Signing{}).Bundle("0.3")
	proof := func(e object) object { return e["inclusionProof"].(object) }
	checkpoint := func(e object) object { return proof(e)["checkpoint"].(object) }
	line := func(n int, text string) func(_, _, e, _ object) {
		return func(_, _, e, _ object) {
			lines := strings.SplitN(checkpoint(e)["envelope"].(string), "\n", 4)
			lines[n] = text
			checkpoint(e)["envelope"] = strings.Join(lines, "\n")
		}
	}
	entry := func(key string, value any) func(_, _, e, _ object) {
		return func(_, _, e, _ object) { e[key] = value }
	}
	ofProof := func(key string, value any) func(_, _, e, _ object) {
		return func(_, _, e, _ object) { proof(e)[key] = value }
	}
	withBody := func(text string) func(_, _, e, _ object) {
		return entry("canonicalizedBody", base64.StdEncoding.EncodeToString([]byte(text)))
	}
	stamps := func(n int) func(_, m, _, _ object) {
		return func(_, m, _, _ object) {
			data := m["timestampVerificationData"].(object)
			first := data["rfc3161Timestamps"].([]any)[0]
			var all []any
			for range n {
				all = append(all, first)
			}
			data["rfc3161Timestamps"] = all
		}
	}
	size := func(raw []byte) string { // of the tree of its first proof
		var b struct {
			VerificationMaterial struct {
				TlogEntries []struct{ InclusionProof struct{ TreeSize string } }
			}
		}
		if err := json.Unmarshal(raw, &b); err != nil {
			t.Fatal(err)
		}
		return b.VerificationMaterial.TlogEntries[0].InclusionProof.TreeSize
	}
	nothing := func(_, _, _, _ object) {}
	const somehow = "refused, be it by sigstore-go or by us"
	for _, tt := range []struct {
		name   string
		raw    []byte
		change func(b, material, entry, content object)
		says   string // "" if it can be read
	}{
		{"a message", plain, nothing, ""},
		{"a message in the newer log", tiled, nothing, ""},
		{"an envelope", envelope, nothing, ""},
		{"a message without a signature", plain, func(_, _, _, c object) { c["signature"] = "" }, "without signature"},
		{"a message whose digest is of no algorithm", plain, func(_, _, _, c object) { delete(c["messageDigest"].(object), "algorithm") }, "without signature or digest"},
		{"a message whose digest is SHA-3", plain, func(_, _, _, c object) { c["messageDigest"].(object)["algorithm"] = "SHA3_256" }, "without signature or digest"},
		{"an envelope of something else", envelope, func(_, _, _, c object) { c["payloadType"] = "text/plain" }, "an envelope of"},
		{"an envelope that nobody signed", envelope, func(_, _, _, c object) { c["signatures"] = []object{} }, somehow},
		{"an envelope of no statement", envelope, func(_, _, _, c object) { c["payload"] = base64.StdEncoding.EncodeToString([]byte("{}")) }, "statement"},
		{"a statement whose predicate is no object", s.Attest(world.Statement("https://example.com/p", []any{1}, "a.txt", sum(body)), world.Signing{}).Bundle("0.3"), nothing, "a predicate that is no JSON object"},
		{"neither a certificate nor a key", plain, func(_, m, _, _ object) { delete(m, "certificate") }, somehow},
		{"a certificate that cannot be read", plain, func(_, m, _, _ object) { m["certificate"].(object)["rawBytes"] = "AAAA" }, "certificate"},
		{"a time before 1970", plain, entry("integratedTime", "-1"), "time -1"},
		{"an index below nought", plain, entry("logIndex", "-1"), somehow},
		{"a body that is no JSON", plain, withBody("x"), somehow},
		{"a body with a key twice", plain, withBody(`{"kind":"hashedrekord","kind":"hashedrekord","apiVersion":"0.0.1"}`), somehow},
		{"a body of another form", plain, withBody(`{"kind":1}`), somehow},
		{"another kind than the body's", plain, entry("kindVersion", object{"kind": "dsse", "version": "0.0.1"}), "and its body"},
		{"another version than the body's", plain, entry("kindVersion", object{"kind": "hashedrekord", "version": "0.0.3"}), "and its body"},
		{"a promise in the newer log", tiled, entry("inclusionPromise", object{"signedEntryTimestamp": "AAAA"}), "with a promise"},
		{"the older log's checkpoint in the newer", tiled, line(0, "rekor.example.com - 123"), "older log's form"},
		{"a proof for an index below nought", plain, ofProof("logIndex", "-1"), "inclusion proof for index -1"},
		{"a proof in a tree of nothing", plain, ofProof("treeSize", "0"), "in a tree of 0"},
		{"a proof for an index behind the tree", plain, ofProof("logIndex", size(plain)), "inclusion proof for index " + size(plain)},
		{"a checkpoint of another size", plain, line(1, "1"+size(plain)), "not for the proof's tree"},
		{"a checkpoint of another root", plain, line(2, base64.StdEncoding.EncodeToString(make([]byte, 32))), "root hash is not the proof's"},
		{"a checkpoint of three lines", plain, func(_, _, e, _ object) {
			checkpoint(e)["envelope"] = strings.Join(strings.SplitN(checkpoint(e)["envelope"].(string), "\n", 4)[:3], "\n")
		}, "not for the proof's tree"},
		{"a proof without its root, as the newer log may write it", tiled, func(_, _, e, _ object) { delete(proof(e), "rootHash") }, ""},
		{"eight timestamps", tiled, stamps(8), ""},
		{"nine timestamps", tiled, stamps(9), "9 timestamps"},
		{"a timestamp that cannot be read", tiled, func(_, m, _, _ object) {
			m["timestampVerificationData"].(object)["rfc3161Timestamps"] = []object{{"signedTimestamp": "AAAA"}}
		}, "timestamp 1"},
	} {
		_, err := sigstore.ParseBundle(changed(t, tt.raw, tt.change))
		switch {
		case tt.says == somehow && err == nil:
			t.Errorf("%s: read", tt.name)
		case tt.says == somehow:
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

// A digest, a key and a statement are read to their last byte, in one form.
func TestWhatIsReadToTheEnd(t *testing.T) {
	hexOf := func(n int) string { return hex.EncodeToString(bytes.Repeat([]byte{0xab}, n)) }
	for text, want := range map[string]bool{
		"sha256:" + hexOf(32): true, "sha384:" + hexOf(48): true, "sha512:" + hexOf(64): true,
		"sha256:" + hexOf(31): false, "sha256:" + hexOf(33): false, "sha256:" + hexOf(64): false, "sha1:" + hexOf(20): false, ":": false, "": false,
		"sha256:" + strings.ToUpper(hexOf(32)): false, "sha256:" + hexOf(31) + "xx": false, "md5:": false, "sha256:" + hexOf(32) + "a": false, "sha256:" + hexOf(32) + "x": false,
	} {
		d, err := sigstore.ParseDigest(text)
		if (err == nil) != want || want && d.String() != text || !want && d.Algorithm != "" {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
	_, public, err := sigstore.GenerateKeyPair([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text []byte
		want bool
	}{
		"a key":            {public, true},
		"blanks behind it": {append(bytes.Clone(public), "\n\n"...), true},
		"two keys":         {append(bytes.Clone(public), public...), false},
		"another type":     {bytes.ReplaceAll(public, []byte("PUBLIC KEY"), []byte("CERTIFICATE")), false},
		"no key":           {[]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), false},
		"nothing":          {nil, false},
	} {
		if key, err := sigstore.ParseKey(tt.text); (err == nil) != tt.want || (key != nil) != tt.want {
			t.Errorf("%s: %v, %v", name, key, err)
		}
	}
	statement := func(n int, more string) []byte {
		subjects := strings.TrimSuffix(strings.Repeat(`{"name":"a","digest":{"sha256":"`+hexOf(32)+`"}},`, n), ",")
		return []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[` + subjects + `],` + more + `}`)
	}
	const typed = `"predicateType":"https://example.com/p"`
	for name, tt := range map[string]struct {
		text []byte
		want bool
	}{
		"one subject":           {statement(1, typed), true},
		"4096 subjects":         {statement(4096, typed), true},
		"4097 subjects":         {statement(4097, typed), false},
		"no subject":            {statement(0, typed), false},
		"null for a subject":    {bytes.Replace(statement(0, typed), []byte("[]"), []byte("[null]"), 1), false},
		"none with a digest":    {bytes.Replace(statement(0, typed), []byte("[]"), []byte(`[{"name":"a"},{"digest":{}},{"digest":null}]`), 1), false},
		"one of two with one":   {bytes.Replace(statement(1, typed), []byte("[{"), []byte(`[{"name":"b"},{`), 1), true},
		"no predicate type":     {statement(1, `"predicate":{}`), false},
		"a key twice":           {statement(1, typed+`,"predicate":1,"predicate":2`), false},
		"version 0.1":           {bytes.Replace(statement(1, typed), []byte("Statement/v1"), []byte("Statement/v0.1"), 1), true},
		"version 2":             {bytes.Replace(statement(1, typed), []byte("Statement/v1"), []byte("Statement/v2"), 1), false},
		"a subject of no form":  {bytes.Replace(statement(1, typed), []byte(`"name":"a"`), []byte(`"name":1`), 1), false},
		"a predicate, not read": {statement(1, typed+`,"predicate":[1,{"a":null}]`), true},
	} {
		s, err := sigstore.ParseStatement(tt.text)
		if (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
		of := sigstore.Digest{Algorithm: "sha256", Sum: bytes.Repeat([]byte{0xab}, sha256.Size)}
		if err == nil && (!s.Names(of) || s.Names(sigstore.Digest{Algorithm: "sha512", Sum: of.Sum}) || s.Names(sigstore.Digest{Algorithm: "sha256", Sum: of.Sum[1:]})) {
			t.Errorf("%s: it names another digest than its own", name)
		}
	}
}

// What a mirror carries of a file's signature is a bundle of one log entry, or an error.
func TestLoggedSignaturesThatCannotBeRead(t *testing.T) {
	s := world.NewSigstore("logged")
	body := []byte("x")
	raw := s.Sign(body, world.Signing{}).Bundle("0.3")
	of := sha256.Sum256(body)
	entries := func(n int) []byte {
		return changed(t, raw, func(_, m, e, _ object) {
			m["tlogEntries"] = []object{}
			for range n {
				m["tlogEntries"] = append(m["tlogEntries"].([]object), e)
			}
		})
	}
	for name, b := range map[string][]byte{"nothing": nil, "no JSON": []byte("x"), "no bundle": []byte("{}"), "cut": raw[:len(raw)-1]} {
		if l, err := sigstore.ParseLogged(b, of[:]); err == nil || l != nil {
			t.Errorf("%s: a logged signature: %v", name, err)
		}
		if e, err := sigstore.EntryOf(b); err == nil || e != nil {
			t.Errorf("%s: an entry: %v", name, err)
		}
	}
	for _, n := range []int{0, 2} {
		if e, err := sigstore.EntryOf(entries(n)); err == nil || e != nil {
			t.Errorf("%d entries: %v", n, err)
		}
	}
	envelope := s.Attest(world.Statement("https://example.com/p", object{"n": 1}, "a.txt", sum(body)), world.Signing{}).Bundle("0.3")
	if _, err := sigstore.EntryOf(envelope); err == nil {
		t.Error("the entry of an envelope is taken for that of a file")
	}
}

// What lies beside a file is a signature and one certificate, each in base64 or PEM.
func TestDetachedSignaturesThatCannotBeRead(t *testing.T) {
	signed := world.NewSigstore("detached").Sign([]byte("x"), world.Signing{})
	of := sha256.Sum256([]byte("x"))
	sig := []byte(base64.StdEncoding.EncodeToString(signed.Signature))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed.Certificate.Raw})
	for name, tt := range map[string]struct {
		sig, cert []byte
		says      string
	}{
		"as it is":            {sig, cert, ""},
		"blanks around":       {[]byte("\n " + string(sig) + "\n"), append([]byte("\n"), cert...), ""},
		"in base64":           {sig, []byte(base64.StdEncoding.EncodeToString(cert) + "\n"), ""},
		"no signature":        {nil, cert, ".sig"},
		"a raw signature":     {signed.Signature, cert, ".sig"},
		"half of a signature": {sig[:len(sig)-1], cert, ".sig"},
		"no certificate":      {sig, nil, ".cert"},
		"two certificates":    {sig, append(bytes.Clone(cert), cert...), ".cert"},
		"DER":                 {sig, signed.Certificate.Raw, ".cert"},
		"a CA's, of no name":  {sig, signed.ChainPEM[bytes.LastIndex(signed.ChainPEM, []byte("-----BEGIN")):], ".cert"},
	} {
		d, err := sigstore.ParseDetached(of, tt.sig, tt.cert)
		if tt.says == "" && (err != nil || !d.SignsSum()) {
			t.Errorf("%s: %v", name, err)
		}
		if tt.says != "" && (err == nil || d != nil || !strings.HasPrefix(err.Error(), tt.says)) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			d.Sum = bytes.Repeat([]byte{1}, sha256.Size)
			if d.SignsSum() {
				t.Errorf("%s: it signs another sum", name)
			}
		}
	}
}

// decoded is the bytes of a member in base64.
func decoded(t *testing.T, member any) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(member.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
