package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const (
	realVSA     = "../../../shared/realdata/signatures/spoc-vsa/signed-statement.sigstore.json"
	realDerived = realPause + "/derived-bundle-v0.1.sigstore.json"
	vsaDigest   = "sha256:5ef0ab5aee2157251534834fd1e124d3866df83674bf12b33244cd6ceb5dc9ad"
)

func realFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no %s", path)
	}
	return b
}

func google(subject string) trust.Identity {
	return trust.Identity{Issuer: world.Google, Subject: subject}
}

// artifact judges an artifact under a root, nil being the embedded one.
func artifact(t testing.TB, root *trust.Root, a verify.Artifact) report.Result {
	t.Helper()
	a.BundleName = "it"
	rep, err := (&verify.Verifier{Root: root}).Artifact(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Scope.Partial || len(rep.Results) != 1 {
		t.Fatalf("partial=%v, %d results", rep.Scope.Partial, len(rep.Results))
	}
	return rep.Results[0]
}

func content(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func TestRealBundles(t *testing.T) {
	vsa, derived := realFile(t, realVSA), realFile(t, realDerived)
	payload := realFile(t, realPause+"/payload.json")
	for _, tt := range []struct {
		name string
		a    verify.Artifact
		want report.Verdict
		says string
	}{
		{"the summary", verify.Artifact{Bundle: vsa, Digest: vsaDigest, Identity: google(world.Summaries)}, report.Verified, "logged 2026-10-06"},
		{"the summary for another signer", verify.Artifact{Bundle: vsa, Digest: vsaDigest, Identity: google(world.KrelTrust)}, report.Unknown, "not by krel-trust"},
		{"the summary for another issuer", verify.Artifact{Bundle: vsa, Digest: vsaDigest,
			Identity: trust.Identity{Issuer: world.Google + "/", Subject: world.Summaries}}, report.Unknown, "not by"},
		{"the summary for another artifact", verify.Artifact{Bundle: vsa, Digest: pauseDigest, Identity: google(world.Summaries)}, report.Refuted, ""},
		{"the signature", verify.Artifact{Bundle: derived, Open: content(payload), Identity: google(world.KrelTrust)}, report.Verified, "logged 2024-05-23"},
		{"the signature by its digest", verify.Artifact{Bundle: derived, Digest: sum(payload), Identity: google(world.KrelTrust)}, report.Verified, ""},
		{"the signature of more bytes", verify.Artifact{Bundle: derived, Open: content(append(payload, ' ')), Identity: google(world.KrelTrust)}, report.Refuted, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := artifact(t, nil, tt.a)
			c, _ := res.Check(report.Signature)
			if res.Verdict() != tt.want || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s: %+v", res.Verdict(), res.Checks)
			}
		})
	}
}

// Every value of the real bundles, changed one at a time, byte for byte where it
// is base64: none may be verified.
func TestNoChangeToARealBundleVerifies(t *testing.T) {
	vsa, derived := realFile(t, realVSA), realFile(t, realDerived)
	payload := realFile(t, realPause+"/payload.json")
	for name, a := range map[string]verify.Artifact{
		"summary":   {Bundle: vsa, Digest: vsaDigest, Identity: google(world.Summaries)},
		"signature": {Bundle: derived, Digest: sum(payload), Identity: google(world.KrelTrust)},
	} {
		t.Run(name, func(t *testing.T) {
			var doc any
			if err := json.Unmarshal(a.Bundle, &doc); err != nil {
				t.Fatal(err)
			}
			tries := 0
			walk(doc, "", func(path string, change func(func(string) string)) {
				if strings.HasSuffix(path, "checkpoint.envelope") {
					return // the bytes of a signed note are tried below
				}
				var n int
				change(func(s string) string { n = len(s); return s })
				step := 1 + n/200 // every part is changed in some hundred places
				if testing.Short() {
					step = 1 + n/20
				}
				for i := 0; i < n; i += step {
					change(func(s string) string {
						if raw, err := base64.StdEncoding.DecodeString(s); err == nil && len(s) > 20 {
							if i >= len(raw) {
								return s + "AAAA"
							}
							raw[i] ^= 1
							return base64.StdEncoding.EncodeToString(raw)
						}
						b := []byte(s)
						b[i] ^= 1
						return string(b)
					})
					changed, err := json.Marshal(doc)
					change(nil)
					if err != nil {
						t.Fatal(err)
					}
					tries++
					b := a
					b.Bundle = changed
					if res := artifact(t, nil, b); res.Verdict() == report.Verified {
						t.Errorf("%s, byte %d changed: verified", path, i)
					}
				}
			})
			t.Logf("%d changes", tries)
		})
	}
}

// walk calls f for every string in a JSON document; change(nil) puts it back.
func walk(v any, path string, f func(path string, change func(func(string) string))) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok {
				f(path+"."+k, func(g func(string) string) {
					if v[k] = s; g != nil {
						v[k] = g(s)
					}
				})
				continue
			}
			walk(e, path+"."+k, f)
		}
	case []any:
		for i, e := range v {
			if s, ok := e.(string); ok {
				f(fmt.Sprint(path, i), func(g func(string) string) {
					if v[i] = s; g != nil {
						v[i] = g(s)
					}
				})
				continue
			}
			walk(e, fmt.Sprint(path, i), f)
		}
	}
}

// edit changes a bundle's JSON.
func edit(t testing.TB, bundle []byte, change func(b, material, entry map[string]any)) []byte {
	t.Helper()
	var b map[string]any
	dec := json.NewDecoder(bytes.NewReader(bundle))
	dec.UseNumber()
	if err := dec.Decode(&b); err != nil {
		t.Fatal(err)
	}
	material := b["verificationMaterial"].(map[string]any)
	change(b, material, material["tlogEntries"].([]any)[0].(map[string]any))
	out, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBundles(t *testing.T) {
	type m = map[string]any
	w := world.New(world.Options{})
	s := w.Sigstore()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("an artifact\n")
	sealed := s.Sign(body, world.Signing{})
	other := s.Sign([]byte("another artifact\n"), world.Signing{})
	statement := world.Statement("https://example.com/predicate", m{"a": 1}, "one", sum([]byte("one")), "it", sum(body))
	attested := s.Attest(statement, world.Signing{})
	keyed, publicKey := s.SignWithKey("one", body)
	_, otherKey := s.SignWithKey("two", body)
	key := func(pem []byte) any {
		k, err := sigstore.ParseKey(pem)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	v3 := sealed.Bundle("0.3")
	entryOf := func(bundle []byte) (e any) {
		edit(t, bundle, func(_, _, entry map[string]any) { e = entry })
		return e
	}
	proof := func(e map[string]any) map[string]any { return e["inclusionProof"].(map[string]any) }
	lines := func(e map[string]any, n int, to string) {
		c := proof(e)["checkpoint"].(map[string]any)
		l := strings.Split(c["envelope"].(string), "\n")
		l[n] = to
		c["envelope"] = strings.Join(l, "\n")
	}
	rootCert := m{"rawBytes": s.Root.Raw}
	expired := s.Sign(body, world.Signing{LogTime: world.Signed2023.Add(time.Hour)})
	early := s.Sign(body, world.Signing{LogTime: world.Signed2023.Add(-time.Second)})
	first := s.Sign(body, world.Signing{LogTime: world.Signed2023})
	last := s.Sign(body, world.Signing{LogTime: sealed.Certificate.NotAfter})
	foreign := world.NewSigstore("foreign")

	for _, tt := range []struct {
		name   string
		bundle []byte
		key    any
		want   report.Verdict
	}{
		{"0.1", sealed.Bundle("0.1"), nil, report.Verified},
		{"0.3", v3, nil, report.Verified},
		{"0.3 under the older form of its media type", edit(t, v3, func(b, _, _ map[string]any) {
			b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.3"
		}), nil, report.Verified},
		{"0.2", edit(t, v3, func(b, mat, _ map[string]any) {
			b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"
			mat["x509CertificateChain"] = m{"certificates": []any{mat["certificate"]}}
			delete(mat, "certificate")
		}), nil, report.Verified},
		{"an attestation", attested.Bundle("0.3"), nil, report.Verified},
		{"an attestation, 0.1", attested.Bundle("0.1"), nil, report.Verified},
		{"a key", keyed, key(publicKey), report.Verified},
		{"logged in the first second", first.Bundle("0.3"), nil, report.Verified},
		{"logged in the last second", last.Bundle("0.3"), nil, report.Verified},

		{"another key", keyed, key(otherKey), report.Refuted},
		{"a key for a certificate", v3, key(publicKey), report.Unknown},
		{"a certificate for a key", keyed, nil, report.Unknown},
		{"an unknown version", edit(t, v3, func(b, _, _ map[string]any) { b["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.9+json" }), nil, report.Unknown},
		{"no media type", edit(t, v3, func(b, _, _ map[string]any) { delete(b, "mediaType") }), nil, report.Unknown},
		{"an unknown field", edit(t, v3, func(b, _, _ map[string]any) { b["more"] = 1 }), nil, report.Unknown},
		{"a key that stands twice", bytes.Replace(v3, []byte(`{"mediaType"`), []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","mediaType"`), 1), nil, report.Unknown},
		{"a negative log index", edit(t, v3, func(_, _, e map[string]any) { e["logIndex"] = "-1" }), nil, report.Unknown},
		{"a negative index in the proof", edit(t, v3, func(_, _, e map[string]any) { proof(e)["logIndex"] = "-1" }), nil, report.Unknown},
		{"a root certificate", edit(t, sealed.Bundle("0.1"), func(_, mat, _ map[string]any) {
			c := mat["x509CertificateChain"].(map[string]any)
			c["certificates"] = append(c["certificates"].([]any), rootCert)
		}), nil, report.Unknown},
		{"a root certificate for the leaf", edit(t, v3, func(_, mat, _ map[string]any) { mat["certificate"] = rootCert }), nil, report.Unknown},
		{"a chain in 0.3", edit(t, v3, func(_, mat, _ map[string]any) {
			mat["x509CertificateChain"] = m{"certificates": []any{mat["certificate"]}}
			delete(mat, "certificate")
		}), nil, report.Unknown},
		{"a checkpoint of another size", edit(t, v3, func(_, _, e map[string]any) { lines(e, 1, "1") }), nil, report.Unknown},
		{"a checkpoint of another root", edit(t, v3, func(_, _, e map[string]any) {
			lines(e, 2, base64.StdEncoding.EncodeToString(make([]byte, 32)))
		}), nil, report.Unknown},
		{"a checkpoint signed by nobody", edit(t, v3, func(_, _, e map[string]any) {
			lines(e, 4, "\u2014 rekor.sigstore.dev "+base64.StdEncoding.EncodeToString(make([]byte, 70)))
		}), nil, report.Refuted},
		{"a tree size that the checkpoint does not have", edit(t, v3, func(_, _, e map[string]any) { proof(e)["treeSize"] = "99999999" }), nil, report.Unknown},
		{"an entry of another artifact", edit(t, v3, func(_, mat, _ map[string]any) { mat["tlogEntries"] = []any{entryOf(other.Bundle("0.3"))} }), nil, report.Refuted},
		{"an entry of another artifact beside its own", edit(t, v3, func(_, mat, _ map[string]any) {
			mat["tlogEntries"] = append(mat["tlogEntries"].([]any), entryOf(other.Bundle("0.3")))
		}), nil, report.Refuted},
		{"the proof of another entry", edit(t, v3, func(_, _, e map[string]any) {
			e["inclusionProof"] = proof(entryOf(other.Bundle("0.3")).(map[string]any))
		}), nil, report.Refuted},
		{"the promise of another entry", edit(t, v3, func(_, _, e map[string]any) {
			e["inclusionPromise"] = entryOf(other.Bundle("0.3")).(map[string]any)["inclusionPromise"]
		}), nil, report.Refuted},
		{"no promise: a proof says nothing of time", edit(t, v3, func(_, _, e map[string]any) { delete(e, "inclusionPromise") }), nil, report.Unknown},
		{"no proof", edit(t, v3, func(_, _, e map[string]any) { delete(e, "inclusionProof") }), nil, report.Unknown},
		{"no entry", edit(t, v3, func(_, mat, _ map[string]any) { delete(mat, "tlogEntries") }), nil, report.Unknown},
		{"no promise in 0.1", edit(t, sealed.Bundle("0.1"), func(_, _, e map[string]any) { delete(e, "inclusionPromise") }), nil, report.Unknown},
		{"another time", edit(t, v3, func(_, _, e map[string]any) { e["integratedTime"] = "1684335602" }), nil, report.Refuted},
		{"logged after the certificate", expired.Bundle("0.3"), nil, report.Refuted},
		{"logged before the certificate", early.Bundle("0.3"), nil, report.Refuted},
		{"a timestamp that is none", edit(t, v3, func(_, mat, _ map[string]any) {
			mat["timestampVerificationData"] = m{"rfc3161Timestamps": []any{m{"signedTimestamp": "MAA="}}}
		}), nil, report.Unknown}, // not passed over, though the log's time would do
		{"of a foreign CA", s.Sign(body, world.Signing{CA: foreign}).Bundle("0.3"), nil, report.Unknown},
		{"in a foreign log", s.Sign(body, world.Signing{Log: foreign}).Bundle("0.3"), nil, report.Unknown},
		{"a foreign SCT", s.Sign(body, world.Signing{CT: foreign}).Bundle("0.3"), nil, report.Unknown},
		{"no SCT", s.Sign(body, world.Signing{NoSCT: true}).Bundle("0.3"), nil, report.Refuted},
		{"another identity", s.Sign(body, world.Signing{Identity: world.KrelStage}).Bundle("0.3"), nil, report.Unknown},
		{"a longer identity", s.Sign(body, world.Signing{Identity: world.KrelTrust + ".example.com"}).Bundle("0.3"), nil, report.Unknown},
		{"another issuer", s.Sign(body, world.Signing{Issuer: "https://accounts.google.com.example.com"}).Bundle("0.3"), nil, report.Unknown},
		{"another artifact", other.Bundle("0.3"), nil, report.Refuted},
		{"another artifact under this digest", edit(t, other.Bundle("0.3"), func(b, _, _ map[string]any) {
			b["messageSignature"].(map[string]any)["messageDigest"] = m{"algorithm": "SHA2_256", "digest": mustHex(t, sum(body))}
		}), nil, report.Refuted},
		{"another signature", edit(t, v3, func(b, _, _ map[string]any) {
			b["messageSignature"].(map[string]any)["signature"] = other.Signature
		}), nil, report.Refuted},
		{"an attestation about others", s.Attest(world.Statement("https://example.com/p", m{}, "one", sum([]byte("one"))), world.Signing{}).Bundle("0.3"), nil, report.Refuted},
		{"an attestation with another payload", edit(t, attested.Bundle("0.3"), func(b, _, _ map[string]any) {
			b["dsseEnvelope"].(map[string]any)["payload"] = world.Statement("https://example.com/p", m{}, "it", sum(body))
		}), nil, report.Refuted},
		{"an attestation of another type", edit(t, attested.Bundle("0.3"), func(b, _, _ map[string]any) {
			b["dsseEnvelope"].(map[string]any)["payloadType"] = "application/json"
		}), nil, report.Unknown},
		{"an attestation with two signatures", edit(t, attested.Bundle("0.3"), func(b, _, _ map[string]any) {
			e := b["dsseEnvelope"].(map[string]any)
			e["signatures"] = append(e["signatures"].([]any), e["signatures"].([]any)[0])
		}), nil, report.Unknown},
		{"an attestation without subjects", s.Attest(world.Statement("https://example.com/p", m{}), world.Signing{}).Bundle("0.3"), nil, report.Unknown},
		{"an attestation with two lists of subjects", s.Attest(bytes.Replace(statement, []byte(`{"_type"`), []byte(`{"subject":[],"_type"`), 1), world.Signing{}).Bundle("0.3"), nil, report.Unknown},
		{"nothing", []byte("{}"), nil, report.Unknown},
		{"no JSON", []byte("<html>"), nil, report.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := verify.Artifact{Bundle: tt.bundle, Open: content(body), Identity: google(world.KrelTrust)}
			if tt.key != nil {
				a.Key, a.Identity = tt.key, trust.Identity{}
			}
			whole := func(res report.Result) bool {
				return len(res.Checks) == 2 && res.Checks[0].Name == report.Digest && res.Checks[1].Name == report.Signature && (len(res.Notes) > 0) == (tt.want == report.Verified)
			}
			if res := artifact(t, root, a); res.Verdict() != tt.want || !whole(res) {
				t.Errorf("%s, want %s\n%s%q", res.Verdict(), tt.want, details(res), res.Notes)
			}
			a.Open, a.Digest = nil, sum(body)
			if res := artifact(t, root, a); res.Verdict() != tt.want || !whole(res) {
				t.Errorf("by digest: %s, want %s\n%s%q", res.Verdict(), tt.want, details(res), res.Notes)
			}
		})
	}
}

func details(res report.Result) string {
	var b strings.Builder
	for _, c := range res.Checks {
		fmt.Fprintf(&b, "%s %s: %s\n", c.Name, c.Verdict, c.Detail)
	}
	return b.String()
}

func mustHex(t testing.TB, digest string) []byte {
	t.Helper()
	b := make([]byte, 32)
	if _, err := fmt.Sscanf(strings.TrimPrefix(digest, "sha256:"), "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// A log key without a start of validity is not a key: what it signed is by a log
// that the root does not know. LoadRoot refuses such a root outright.
func TestALogKeyWithoutStart(t *testing.T) {
	w := world.New(world.Options{})
	var doc map[string]any
	if err := json.Unmarshal(w.TrustedRootJSON(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, l := range doc["tlogs"].([]any) {
		delete(l.(map[string]any)["publicKey"].(map[string]any), "validFor")
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/root.json"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trust.LoadRoot(path); err == nil {
		t.Error("LoadRoot takes it")
	}
	root, err := trust.LoadAnyRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("an artifact\n")
	res := artifact(t, root, verify.Artifact{Bundle: w.Sigstore().Sign(body, world.Signing{}).Bundle("0.3"), Digest: sum(body), Identity: google(world.KrelTrust)})
	if c, _ := res.Check(report.Signature); c.Verdict != report.Unknown || c.Reason != report.Untrusted {
		t.Errorf("%+v", res.Checks)
	}
}
