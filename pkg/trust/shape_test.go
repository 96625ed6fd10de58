package trust

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestFilesOfSigstoreInOtherShapes holds that what is not a trusted root is called
// what it is, in words without a library's types.
func TestFilesOfSigstoreInOtherShapes(t *testing.T) {
	embedded := rootJSON
	for text, says := range map[string]string{
		`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}`:     "signing config",
		`{"caUrls":[],"rekorTlogUrls":[]}`:                                         "signing config",
		`{"mediaType":"application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"}`: "client trust config",
		`{"signed":{"_type":"root"},"signatures":[]}`:                              "metadata of a TUF repository",
		`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`:            "it is a Sigstore bundle",
		`{"base64Signature":"","cert":"","rekorBundle":{}}`:                        "cosign 1 and 2",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n":             "PEM (PUBLIC KEY)",
		`[{"mediaType":"x"}]`: "a JSON list",
		`{"mediaType":`:       "malformed",
		`<html>`:              "a web page",
		`plain`:               "not JSON",
		``:                    "empty",
		`{"mediaType":"application/vnd.dev.sigstore.trustedroot.v9+json","tlogs":[]}`:                         "update kverify",
		`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"novelty":true}`: "update kverify",
		`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":{"a":1}}`:           "",
		`{"mediaType":["x"],"tlogs":[]}`: "",
	} {
		for name, parse := range map[string]func([]byte) (*Root, error){"strict": ParseRoot, "any": parseAnyRoot} {
			_, err := oneRoot([]byte(text), parse)
			if err == nil && name == "any" && says == "update kverify" {
				continue // nothing in it contradicts the form
			}
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\u00a0") || strings.Contains(err.Error(), "Go value") || strings.Contains(err.Error(), "proto:") {
				t.Errorf("%s: %.60s: %v; want %q", name, text, err, says)
			}
		}
	}
	var line bytes.Buffer
	line.Write(bytes.Join(bytes.Fields(embedded), nil))
	other := `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[]}`
	for text, says := range map[string]string{
		other + "\n" + line.String() + "\n":         "",
		line.String() + "\n" + other + "\n":         "",
		line.String() + "\n" + line.String() + "\n": "several trusted roots",
		other + "\n" + other + "\n":                 "none of its 2 documents",
		strings.Repeat("{}\n", MaxTogether+1):       "more than 64",
	} {
		r, err := oneRoot([]byte(text), ParseRoot)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) || err == nil && len(r.Material.RekorLogs()) == 0 {
			t.Errorf("%.60s: %v; want %q", text, err, says)
		}
	}
}

func FuzzShape(f *testing.F) {
	f.Add([]byte(`{"mediaType":"x","signatures":[]}`))
	f.Add([]byte("{}\n{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, err := Documents(text)
		if err == nil && (len(docs) == 0 || len(docs) > MaxTogether) {
			t.Errorf("%d documents", len(docs))
		}
		if err := PlainError(text, "a Sigstore bundle", errors.New("proto:\u00a0x")); strings.Contains(err.Error(), "\u00a0") {
			t.Error(err)
		}
	})
}
