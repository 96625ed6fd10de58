package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"io"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	realPause   = "../../../shared/realdata/signatures/pause-3.10"
	pauseDigest = "sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a"
)

// shelf is a registry that holds a few manifests and blobs, and nothing else.
type shelf map[string][]byte // by path

func (s shelf) RoundTrip(r *http.Request) (*http.Response, error) {
	b, ok := s[r.URL.Path]
	status, h := http.StatusOK, http.Header{}
	if !ok {
		status, b = http.StatusNotFound, []byte("{}")
	}
	if strings.Contains(r.URL.Path, "/manifests/") {
		var m struct {
			MediaType string `json:"mediaType"`
		}
		_ = json.Unmarshal(b, &m)
		h.Set("Content-Type", m.MediaType)
	}
	return &http.Response{StatusCode: status, Header: h, Request: r, ContentLength: int64(len(b)),
		Body: io.NopCloser(bytes.NewReader(b))}, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

// pause lays out the real registry.k8s.io/pause:3.10.
func pause(t testing.TB) shelf {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(realPause, name))
		if err != nil {
			t.Skipf("no %s", filepath.Join(realPause, name))
		}
		return b
	}
	s := shelf{}
	dir, err := os.ReadDir(filepath.Join(realPause, "manifests"))
	if err != nil {
		t.Skipf("no %s", realPause)
	}
	for _, e := range dir {
		b := read("manifests/" + e.Name())
		if tag, ok := strings.CutSuffix(e.Name(), ".sig.json"); ok {
			s["/v2/pause/manifests/"+tag+".sig"] = b
			continue
		}
		s["/v2/pause/manifests/"+sum(b)] = b
		if sum(b) == pauseDigest {
			s["/v2/pause/manifests/3.10"] = b
		}
	}
	s.blob(read("payload.json"))
	return s
}

func (s shelf) blob(b []byte) string {
	s["/v2/pause/blobs/"+sum(b)] = b
	return sum(b)
}

func judgePause(t testing.TB, s shelf, checks ...string) report.Report {
	t.Helper()
	client := &fetch.Client{Transport: s}
	v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Checks: checks} // embedded policy and root
	rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "pause", Tag: "3.10"}})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

var signatureChecks = []string{report.Digest, report.Signature, report.Reference}

func TestRealPauseSignature(t *testing.T) {
	rep := judgePause(t, pause(t), signatureChecks...)
	if rep.Verdict() != report.Verified || !rep.Scope.Partial || !rep.TrustedRoot.Embedded || !rep.Policy.Embedded {
		t.Fatalf("%s partial=%v\n%s", rep.Verdict(), rep.Scope.Partial, failures(rep))
	}
	if len(rep.Results) != 1+7 {
		t.Errorf("%d results, want the index and seven platforms", len(rep.Results))
	}
	c, _ := rep.Results[0].Check(report.Signature)
	if len(c.Evidence.All()) != 2 || c.Evidence.All()[1].Fields["logIndex"] != "96410323" {
		t.Errorf("evidence %+v", c.Evidence.All())
	}
	rep = judgePause(t, pause(t))
	if rep.Verdict() != report.Unknown || rep.Scope.Partial {
		t.Fatalf("all checks: %s partial=%v", rep.Verdict(), rep.Scope.Partial)
	}
	if c, _ := rep.Results[0].Check(report.Binding); c.Reason != report.NoClaim || !strings.Contains(c.Detail, "nothing strong ties this digest to 3.10") {
		t.Errorf("binding: %+v", c)
	}
}

// realSet is everything that the real signature is made of, decoded, so that a
// single byte of it can be changed and everything above it made to fit again.
type realSet struct {
	payload, signature, certificate, set   []byte
	integratedTime, logIndex               int64
	logID                                  []byte
	entryHash, entrySignature, entryCertPE []byte
	entryKind, entryVersion, entryAlg      string
	template                               map[string]any // the .sig manifest
}

func decodeReal(t *testing.T, s shelf) *realSet {
	t.Helper()
	var r realSet
	manifest := s["/v2/pause/manifests/"+strings.Replace(pauseDigest, ":", "-", 1)+".sig"]
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(json.Unmarshal(manifest, &r.template))
	layer := r.template["layers"].([]any)[0].(map[string]any)
	ann := layer["annotations"].(map[string]any)
	r.payload = bytes.Clone(s["/v2/pause/blobs/"+layer["digest"].(string)])
	var err error
	r.signature, err = base64.StdEncoding.DecodeString(ann["dev.cosignproject.cosign/signature"].(string))
	check(err)
	r.certificate = pemBody(t, []byte(ann["dev.sigstore.cosign/certificate"].(string)))
	var b struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body                     []byte
			IntegratedTime, LogIndex int64
			LogID                    string
		}
	}
	check(json.Unmarshal([]byte(ann["dev.sigstore.cosign/bundle"].(string)), &b))
	r.set, r.integratedTime, r.logIndex = b.SignedEntryTimestamp, b.Payload.IntegratedTime, b.Payload.LogIndex
	r.logID, err = hex.DecodeString(b.Payload.LogID)
	check(err)
	var e struct {
		APIVersion, Kind string
		Spec             struct {
			Data struct {
				Hash struct{ Algorithm, Value string }
			}
			Signature struct {
				Content   []byte
				PublicKey struct{ Content []byte }
			}
		}
	}
	check(json.Unmarshal(b.Payload.Body, &e))
	r.entryKind, r.entryVersion, r.entryAlg = e.Kind, e.APIVersion, e.Spec.Data.Hash.Algorithm
	r.entryHash, err = hex.DecodeString(e.Spec.Data.Hash.Value)
	check(err)
	r.entrySignature, r.entryCertPE = e.Spec.Signature.Content, pemBody(t, e.Spec.Signature.PublicKey.Content)
	return &r
}

func pemBody(t *testing.T, text []byte) []byte {
	t.Helper()
	b64 := strings.Join(strings.Split(strings.Trim(strings.NewReplacer(
		"-----BEGIN CERTIFICATE-----", "", "-----END CERTIFICATE-----", "").Replace(string(text)), "\n"), "\n"), "")
	der, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemOf(der []byte) string {
	var b strings.Builder
	b.WriteString("-----BEGIN CERTIFICATE-----\n")
	for s := base64.StdEncoding.EncodeToString(der); s != ""; {
		n := min(64, len(s))
		b.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	b.WriteString("-----END CERTIFICATE-----\n")
	return b.String()
}

// lay writes the set back into a shelf, hashing upward as an attacker would.
func (r *realSet) lay(t *testing.T, s shelf) shelf {
	t.Helper()
	out := shelf{}
	for k, v := range s {
		out[k] = v
	}
	body := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"spec":{"data":{"hash":{"algorithm":%q,"value":%q}},"signature":{"content":%q,"publicKey":{"content":%q}}}}`,
		r.entryVersion, r.entryKind, r.entryAlg, hex.EncodeToString(r.entryHash),
		base64.StdEncoding.EncodeToString(r.entrySignature), base64.StdEncoding.EncodeToString([]byte(pemOf(r.entryCertPE))))
	bundle := fmt.Sprintf(`{"SignedEntryTimestamp":%q,"Payload":{"body":%q,"integratedTime":%d,"logIndex":%d,"logID":%q}}`,
		base64.StdEncoding.EncodeToString(r.set), base64.StdEncoding.EncodeToString([]byte(body)), r.integratedTime, r.logIndex, hex.EncodeToString(r.logID))
	layer := r.template["layers"].([]any)[0].(map[string]any)
	layer["digest"], layer["size"] = out.blob(r.payload), len(r.payload)
	layer["annotations"] = map[string]any{
		"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(r.signature),
		"dev.sigstore.cosign/certificate":    pemOf(r.certificate),
		"dev.sigstore.cosign/bundle":         bundle,
	}
	manifest, err := json.Marshal(r.template)
	if err != nil {
		t.Fatal(err)
	}
	out["/v2/pause/manifests/"+strings.Replace(pauseDigest, ":", "-", 1)+".sig"] = manifest
	return out
}

// Every byte of the real payload, signature, certificate, signed entry
// timestamp and log entry, and every other field of the entry, changed one at
// a time: none may be verified. Unchanged, the rebuilt set verifies, so that
// the test cannot pass for another reason.
func TestNoChangeToTheRealSignatureVerifies(t *testing.T) {
	s := pause(t)
	if rep := judgePause(t, decodeReal(t, s).lay(t, s), signatureChecks...); rep.Verdict() != report.Verified {
		t.Fatalf("unchanged: %s", failures(rep))
	}
	tries := 0
	try := func(what string, r *realSet) {
		t.Helper()
		tries++
		client := &fetch.Client{Transport: r.lay(t, s)}
		v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}}
		signature, reference := verify.SignatureOf(t.Context(), v, "pause", pauseDigest)
		if signature.Verdict == report.Verified || reference.Verdict == report.Verified {
			t.Errorf("%s: verified", what)
		}
	}
	parts := map[string]func(r *realSet) []byte{
		"payload":           func(r *realSet) []byte { return r.payload },
		"signature":         func(r *realSet) []byte { return r.signature },
		"certificate":       func(r *realSet) []byte { return r.certificate },
		"SET":               func(r *realSet) []byte { return r.set },
		"log id":            func(r *realSet) []byte { return r.logID },
		"entry hash":        func(r *realSet) []byte { return r.entryHash },
		"entry signature":   func(r *realSet) []byte { return r.entrySignature },
		"entry certificate": func(r *realSet) []byte { return r.entryCertPE },
	}
	for name, part := range parts {
		n := len(part(decodeReal(t, s)))
		for i := range n {
			r := decodeReal(t, s)
			part(r)[i] ^= 1 << (i % 8)
			try(fmt.Sprintf("%s byte %d", name, i), r)
		}
	}
	for name, change := range map[string]func(r *realSet){
		"integrated time later":       func(r *realSet) { r.integratedTime++ },
		"integrated time in a minute": func(r *realSet) { r.integratedTime += 60 },
		"integrated time negative":    func(r *realSet) { r.integratedTime = -r.integratedTime },
		"log index":                   func(r *realSet) { r.logIndex++ },
		"log index negative":          func(r *realSet) { r.logIndex = -1 },
		"kind":                        func(r *realSet) { r.entryKind = "rekord" },
		"version":                     func(r *realSet) { r.entryVersion = "0.0.2" },
		"algorithm":                   func(r *realSet) { r.entryAlg = "sha512" },
		"both hashes": func(r *realSet) {
			r.payload = append(r.payload, ' ')
			h := sha256.Sum256(r.payload)
			r.entryHash = h[:]
		},
		"both signatures":              func(r *realSet) { r.signature[9] ^= 1; r.entrySignature = r.signature },
		"both certificates":            func(r *realSet) { r.certificate[40] ^= 1; r.entryCertPE = r.certificate },
		"payload for another digest":   func(r *realSet) { r.payload = bytes.Replace(r.payload, []byte("ee65"), []byte("ee66"), 1) },
		"payload under another name":   func(r *realSet) { r.payload = bytes.Replace(r.payload, []byte("/pause"), []byte("/pausf"), 1) },
		"everything but the signature": func(r *realSet) { r.signature = nil },
		"no SET":                       func(r *realSet) { r.set = nil },
	} {
		r := decodeReal(t, s)
		change(r)
		try(name, r)
	}
	t.Logf("%d changes", tries)
}
