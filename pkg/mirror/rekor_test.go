package mirror

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// TestRealBundle looks a real kept log entry up, as a client of Rekor does.
func TestRealBundle(t *testing.T) {
	const data = "../../../shared/realdata/signatures/pause-3.10"
	bundle, err := os.ReadFile(filepath.Join(data, "derived-bundle-v0.1.sigstore.json"))
	if err != nil {
		t.Skip("no real data at ", data)
	}
	var direct struct {
		SignedEntryTimestamp string
		Payload              struct {
			Body           string
			IntegratedTime int64
			LogIndex       int64
			LogID          string
		}
	}
	raw, err := os.ReadFile(filepath.Join(data, "rekor-bundle.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &direct); err != nil {
		t.Fatal(err)
	}
	payload, err := os.ReadFile(filepath.Join(data, "payload.json"))
	if err != nil {
		t.Fatal(err)
	}
	files := tree{"files/dl.k8s.io/release/payload.json.sigstore.json": string(bundle)}
	d := files.open(t)
	resp, body, _ := do(t, d, "POST", rekor+"/index/retrieve", `{"hash":"sha256:`+sum(string(payload))+`"}`)
	var uuids []string
	if err := json.Unmarshal([]byte(body), &uuids); err != nil || len(uuids) != 1 || resp.StatusCode != 200 {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	for _, uuid := range []string{uuids[0], "24296fb24b8ad77a" + uuids[0]} {
		_, body, _ = do(t, d, "POST", rekor+"/log/entries/retrieve", `{"entryUUIDs":["`+uuid+`"]}`)
		var entries []map[string]logEntry
		if err := json.Unmarshal([]byte(body), &entries); err != nil || len(entries) != 1 {
			t.Fatal(body)
		}
		e, ok := entries[0][uuid]
		_, proposed, _ := do(t, d, "POST", rekor+"/log/entries/retrieve", `{"entries":[`+decoded(t, e.Body)+`]}`)
		if want := strings.Replace(body, uuid, uuids[0], 1); proposed != want {
			t.Errorf("proposed: %s, want %s", proposed, want)
		}
		if !ok || e.Body != direct.Payload.Body || e.IntegratedTime != direct.Payload.IntegratedTime ||
			e.LogIndex != direct.Payload.LogIndex || e.LogID != direct.Payload.LogID ||
			e.Verification.SignedEntryTimestamp != direct.SignedEntryTimestamp {
			t.Errorf("%s: got %+v, want %+v", uuid, e, direct)
		}
	}
}

func decoded(t *testing.T, text string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pemOf is a block that says what it is, and holds a byte.
func pemOf(kind string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte{0}}))
}

// proposed is a look-up by an entry.
func proposed(algorithm, hash, key string) string {
	return fmt.Sprintf(`{"entries":[{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{"data":{"hash":{"algorithm":%q,"value":%q}},"signature":{"content":"AA==","publicKey":{"content":%q}}}}]}`,
		algorithm, hash, base64.StdEncoding.EncodeToString([]byte(key)))
}

func TestLookups(t *testing.T) {
	key := pemOf("PUBLIC KEY")
	const ours = `{"verificationMaterial":{"tlogEntries":[{"logIndex":"7","canonicalizedBody":"eyJhIjoxfQ=="}]}}`
	good := tree{"files/dl.k8s.io/a.sigstore.json": ours}
	broken := tree{"files/dl.k8s.io/a.sigstore.json": ours, "files/dl.k8s.io/b.sigstore.json": "{"}
	uuid, none := leafHash([]byte(`{"a":1}`)), strings.Repeat("0", 64)
	for _, c := range []struct {
		name, path, body string
		files            tree
		status           int
		want             string
	}{
		{"none", "/index/retrieve", `{"hash":"sha256:` + none + `"}`, good, 200, "[]"},
		{"none, but a bundle is broken", "/index/retrieve", `{"hash":"sha256:` + none + `"}`, broken, 500, "b.sigstore.json"},
		{"no hash", "/index/retrieve", `{"hash":"sha256:00"}`, good, 400, "64 hex"},
		{"by e-mail", "/index/retrieve", `{"email":"a@example.com"}`, good, 400, "not understood"},
		{"entry", "/log/entries/retrieve", `{"entryUUIDs":["` + uuid + `"]}`, broken, 200, `"logIndex":7`},
		{"no such entry", "/log/entries/retrieve", `{"entryUUIDs":["` + none + `"]}`, good, 200, "[]"},
		{"no such entry, but a bundle is broken", "/log/entries/retrieve", `{"entryUUIDs":["` + none + `"]}`, broken, 500, "b.sigstore.json"},
		{"no id", "/log/entries/retrieve", `{"entryUUIDs":["00"]}`, good, 400, "64 or 80"},
		{"by index", "/log/entries/retrieve", `{"logIndexes":[7]}`, good, 200, uuid},
		{"no such index", "/log/entries/retrieve", `{"logIndexes":[8]}`, good, 200, "[]"},
		{"no such index, but a bundle is broken", "/log/entries/retrieve", `{"logIndexes":[8]}`, broken, 500, "b.sigstore.json"},
		{"of a kind that is not known", "/log/entries/retrieve", `{"entries":[{"kind":"dsse","apiVersion":"0.0.1","spec":{}}]}`, good, 422, "hashedrekord 0.0.1"},
		{"an entry that is none", "/log/entries/retrieve", `{"entries":[7]}`, good, 422, "not an entry"},
		{"an entry without its certificate", "/log/entries/retrieve", `{"entries":[{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{"data":{"hash":{"algorithm":"sha256","value":"` + none + `"}}}}]}`, good, 422, "PEM"},
		{"an entry of another algorithm", "/log/entries/retrieve", proposed("sha512", none, key), good, 422, "a sha256 in hex"},
		{"an entry of half a hash", "/log/entries/retrieve", proposed("sha256", none[:32], key), good, 422, "a sha256 in hex"},
		{"an entry of no hash", "/log/entries/retrieve", proposed("sha256", "x"+none[1:], key), good, 422, "a sha256 in hex"},
		{"an entry with a key", "/log/entries/retrieve", proposed("sha256", none, key), good, 200, "[]"},
		{"an entry with a certificate that is none", "/log/entries/retrieve", proposed("sha256", none, pemOf("CERTIFICATE")), good, 422, "not a certificate"},
		{"an entry with two keys", "/log/entries/retrieve", proposed("sha256", none, key+key), good, 422, "one PEM block"},
		{"an entry of more than a hash", "/log/entries/retrieve", proposed("sha256", none+"0", key), good, 422, "a sha256 in hex"},
		{"an entry without a key", "/log/entries/retrieve", proposed("sha256", none, ""), good, 422, "one PEM block"},
		{"an entry without a signature", "/log/entries/retrieve", strings.Replace(proposed("sha256", none, key), "AA==", "", 1), good, 422, "signature.content"},
		{"an entry of another version", "/log/entries/retrieve", strings.Replace(proposed("sha256", none, key), "0.0.1", "0.0.2", 1), good, 422, "hashedrekord 0.0.1"},
		{"as many as are answered", "/log/entries/retrieve", `{"entryUUIDs":["` + uuid + `"` + strings.Repeat(`,"`+uuid+`"`, maxUUIDs-1) + `]}`, good, 200, `"logIndex":7`},
		{"by index, and another bundle is broken", "/log/entries/retrieve", `{"logIndexes":[7]}`, broken, 200, uuid},
		{"nothing asked", "/log/entries/retrieve", `{}`, good, 422, "want entries"},
		{"null", "/log/entries/retrieve", `null`, good, 422, "want entries"},
		{"a member that is not known", "/log/entries/retrieve", `{"entryUUIDs":["` + uuid + `"],"artifacts":["x"]}`, good, 400, "not understood"},
		{"two questions", "/log/entries/retrieve", `{"entryUUIDs":["` + uuid + `"]}{}`, good, 400, "follows"},
		{"too many", "/log/entries/retrieve", `{"entryUUIDs":["1","2","3","4","5","6","7","8","9","10","11"]}`, good, 422, "at most 10"},
		{"no query", "/index/retrieve", `hello`, good, 400, "invalid"},
		{"as long as it may be", "/index/retrieve", `{"hash":"sha256:` + none + `"` + strings.Repeat(" ", MaxQuery-len(`{"hash":"sha256:"}`)-64) + "}", good, 200, "[]"},
		{"a byte longer", "/index/retrieve", `{"hash":"sha256:` + none + `"` + strings.Repeat(" ", MaxQuery-len(`{"hash":"sha256:"}`)-63) + "}", good, 400, "limit"},
		{"a flood", "/index/retrieve", `{"hash":"` + strings.Repeat("x", 1<<17) + `"}`, good, 400, "limit"},
		{"unlisted", "/log/entries/retrieve", `{"entryUUIDs":["` + uuid + `"]}`,
			tree{"files/dl.k8s.io/a.sigstore.json": ours, "MANIFEST.json": `{"schemaVersion":1}`}, 500, "does not list it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body, err := do(t, c.files.open(t), "POST", rekor+c.path, c.body)
			if c.status != 200 && resp.StatusCode == 200 {
				t.Fatal("a question that was not understood was answered")
			}
			if err != nil || resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %v: %s", resp.StatusCode, err, body)
			}
		})
	}
}

// TestOneLogEntry reads entries as GET answers them.
func TestOneLogEntry(t *testing.T) {
	const ours = `{"verificationMaterial":{"tlogEntries":[{"logIndex":"7","canonicalizedBody":"eyJhIjoxfQ=="}]}}`
	good := tree{"files/dl.k8s.io/a.sigstore.json": ours}
	broken := tree{"files/dl.k8s.io/a.sigstore.json": ours, "files/dl.k8s.io/b.sigstore.json": "{"}
	uuid, none := leafHash([]byte(`{"a":1}`)), strings.Repeat("0", 64)
	for _, c := range []struct {
		method, path string
		files        tree
		status       int
		want         string
	}{
		{"GET", "/log/entries/" + uuid, good, 200, `"` + uuid + `":{`},
		{"GET", "/log/entries/24296fb24b8ad77a" + uuid, broken, 200, `"24296fb24b8ad77a` + uuid + `":{`},
		{"GET", "/log/entries/" + none, good, 404, "no such log entry"},
		{"GET", "/log/entries/" + none, broken, 500, "b.sigstore.json"},
		{"HEAD", "/log/entries/" + uuid, good, 200, ""},
		{"HEAD", "/log/entries/" + none, good, 404, ""},
		{"HEAD", "/index/retrieve", good, 405, ""},
		{"GET", "/log/entries/x", good, 400, "64 or 80"},
		{"GET", "/log/entries?logIndex=7", good, 200, `"` + uuid + `":{`},
		{"GET", "/log/entries?logIndex=8", good, 404, "no such log entry"},
		{"GET", "/log/entries?logIndex=0", good, 404, "no such log entry"},
		{"GET", "/log/entries/" + strings.Repeat("z", 64), good, 400, "64 or 80"},
		{"POST", "/index/retrieve", good, 400, "needs a body"},
		{"GET", "/log/entries?logIndex=-1", good, 422, "logIndex"},
		{"GET", "/log/entries", good, 422, "logIndex"},
		{"POST", "/log/entries", good, 405, "only GET"},
		{"GET", "/log/entries/retrieve", good, 405, "only POST"},
		{"GET", "/log", good, 404, "not in the mirror"},
	} {
		resp, body, err := do(t, c.files.open(t), c.method, rekor+c.path, "")
		if err != nil || resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %v: %s", c.method, c.path, resp.StatusCode, err, body)
		}
	}
}

// An entry is found by what the log made of it, however its hash and key are written; a question
// that cannot be read to its end is none.
func TestProposedEntryIsFound(t *testing.T) {
	key := pemOf("PUBLIC KEY")
	entry := func(hash, key string) string {
		_, rest, _ := strings.Cut(proposed("sha256", hash, key), "[")
		return strings.TrimSuffix(rest, "]}")
	}
	body, err := canonicalEntry([]byte(entry(sum("x"), key)))
	if err != nil {
		t.Fatal(err)
	}
	d := tree{"files/dl.k8s.io/a.sigstore.json": `{"verificationMaterial":{"tlogEntries":[{"logIndex":"7","canonicalizedBody":"` + base64.StdEncoding.EncodeToString(body) + `"}]}}`}.open(t)
	for name, tt := range map[string]struct {
		hash, key string
		found     bool
	}{
		"as it is kept":           {sum("x"), key, true},
		"in capitals":             {strings.ToUpper(sum("x")), key, true},
		"with a line behind it":   {sum("x"), key + "\n", true},
		"with lines of their own": {sum("x"), strings.ReplaceAll(key, "\n", "\r\n"), true},
		"of another hash":         {sum("y"), key, false},
		"of another key":          {sum("x"), pemOf("RSA PUBLIC KEY"), false},
	} {
		resp, got, err := do(t, d, "POST", rekor+"/log/entries/retrieve", `{"entries":[`+entry(tt.hash, tt.key)+`]}`)
		if err != nil || resp.StatusCode != 200 || strings.Contains(got, leafHash(body)) != tt.found {
			t.Errorf("%s: %d, %v: %s", name, resp.StatusCode, err, got)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, rekor+"/index/retrieve", iotest.ErrReader(errors.New("cut off")))
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.Answer(req)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if text, err := io.ReadAll(a.Body); err != nil || a.Status != http.StatusBadRequest || !strings.Contains(string(text), "cut off") {
		t.Errorf("%d, %v: %s", a.Status, err, text)
	}
}

// FuzzProposedEntry: what the log would store of a proposed entry is proposed as itself.
func FuzzProposedEntry(f *testing.F) {
	f.Add([]byte(`{"kind":"hashedrekord","apiVersion":"0.0.1","spec":{"data":{"hash":{"algorithm":"sha256","value":"` + strings.Repeat("0", 64) +
		`"}},"signature":{"content":"AA==","publicKey":{"content":"LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KQUE9PQotLS0tLUVORCBQVUJMSUMgS0VZLS0tLS0K"}}}}`))
	f.Add([]byte(`{"kind":"dsse"}`))
	f.Fuzz(func(t *testing.T, proposed []byte) {
		body, err := canonicalEntry(proposed)
		if err != nil {
			return
		}
		if again, err := canonicalEntry(body); err != nil || !bytes.Equal(again, body) {
			t.Errorf("%q became %q: %v", body, again, err)
		}
	})
}
