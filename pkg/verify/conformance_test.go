package verify_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// conformanceCase is a case of Sigstore's conformance suite for clients
// (github.com/sigstore/sigstore-conformance, test/assets/bundle-verify), made
// anew with the world's own keys: its name is upstream's, and one that ends in
// _fail must not verify, neither for the file nor for its digest.
type conformanceCase struct {
	name   string
	bundle []byte
	root   []byte // the world's if nil
	key    []byte // in PEM; the identity krel-trust if nil
}

var conformanceBody = []byte("an artifact\n")

// line changes a line of the checkpoint of a bundle's entry; "" removes it.
func line(t testing.TB, bundle []byte, n int, to string) []byte {
	return checkpoint(t, bundle, func(c string) string {
		l := strings.Split(c, "\n")
		if l[n] = to; to == "" {
			l = slices.Delete(l, n, n+1)
		}
		return strings.Join(l, "\n")
	})
}

func checkpoint(t testing.TB, bundle []byte, change func(string) string) []byte {
	return edit(t, bundle, func(_, _, e object) {
		c := e["inclusionProof"].(object)["checkpoint"].(object)
		c["envelope"] = change(c["envelope"].(string))
	})
}

// entryOf is the log entry of another bundle.
func entryOf(t testing.TB, bundle []byte) (e object) {
	edit(t, bundle, func(_, _, entry object) { e = entry })
	return e
}

func withEntry(t testing.TB, bundle, other []byte) []byte {
	return edit(t, bundle, func(_, mat, _ object) { mat["tlogEntries"] = []any{entryOf(t, other)} })
}

func envelopeOf(t testing.TB, bundle []byte) (e any) {
	edit(t, bundle, func(b, _, _ object) { e = b["dsseEnvelope"] })
	return e
}

func flip(b64 string) string {
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		panic(err)
	}
	raw[len(raw)-1] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

// validity sets the end of what a trusted root says of the n-th of its lists.
func validity(root []byte, list string, n int, change func(validFor object)) []byte {
	return world.EditRoot(root, func(lists map[string][]map[string]any) {
		item := lists[list][n]
		if k, ok := item["publicKey"].(object); ok {
			item = k
		}
		change(item["validFor"].(object))
	})
}

func conformanceCases(t testing.TB, s *world.Sigstore) []conformanceCase {
	body, at := conformanceBody, world.Signed2023
	otherBody := []byte("another artifact\n")
	root := s.TrustedRootJSON()
	statement := world.Statement("https://example.com/p", object{}, "a.txt", sum(body))
	elsewhere := world.Statement("https://example.com/p", object{"n": 2}, "a.txt", sum(body))
	tiled, intoto := world.Signing{Tiled: true}, world.Signing{Intoto: true}
	signed := s.Sign(body, world.Signing{})
	v1, v3 := signed.Bundle("0.1"), signed.Bundle("0.3")
	again := s.Sign(body, world.Signing{Time: at.Add(time.Minute)}).Bundle("0.3") // the same artifact, signed twice
	other := s.Sign(otherBody, world.Signing{}).Bundle("0.3")
	dsse := s.Attest(statement, world.Signing{}).Bundle("0.3")
	dsseOther := s.Attest(elsewhere, world.Signing{}).Bundle("0.3")
	in := s.Attest(statement, intoto).Bundle("0.3")
	inOther := s.Attest(elsewhere, intoto).Bundle("0.3")
	t2 := s.Sign(body, tiled).Bundle("0.3")
	t2dsse := s.Attest(statement, tiled).Bundle("0.3")
	t2again := s.Sign(body, world.Signing{Tiled: true, Time: at.Add(time.Minute)}).Bundle("0.3")
	stamped := func(stamps ...world.Stamp) []byte {
		return s.Sign(body, world.Signing{Tiled: true, Stamps: stamps}).Bundle("0.3")
	}
	foreign := world.NewSigstore("foreign")
	keyed, key := s.SignWithKey("one", body)
	_, otherKey := s.SignWithKey("two", body)
	sig := func(change func(string) string) func([]byte) []byte {
		return func(b []byte) []byte {
			return edit(t, b, func(b, _, _ object) {
				m, ok := b["messageSignature"].(object)
				if !ok {
					m = b["dsseEnvelope"].(object)["signatures"].([]any)[0].(object)
					m["sig"] = change(m["sig"].(string))
					return
				}
				m["signature"] = change(m["signature"].(string))
			})
		}
	}
	corrupt, garbage := sig(flip), sig(func(string) string { return "!not base64" })
	swapEnvelope := func(b, from []byte) []byte {
		return edit(t, b, func(b, _, _ object) { b["dsseEnvelope"] = envelopeOf(t, from) })
	}
	swapSig := func(b, from []byte) []byte {
		return edit(t, b, func(b, _, _ object) {
			b["dsseEnvelope"].(object)["signatures"] = envelopeOf(t, from).(object)["signatures"]
		})
	}
	noEntries := func(b []byte) []byte {
		return edit(t, b, func(_, mat, _ object) { delete(mat, "tlogEntries") })
	}
	proofless := func(b []byte) []byte {
		return edit(t, b, func(_, _, e object) { delete(e, "inclusionProof") })
	}
	body64 := func(b []byte, change func(string) string) []byte {
		return edit(t, b, func(_, _, e object) {
			raw, _ := base64.StdEncoding.DecodeString(e["canonicalizedBody"].(string))
			e["canonicalizedBody"] = []byte(change(string(raw)))
		})
	}
	broken := func() []byte { // a signature that is none, and was stamped
		a := s.Attest(statement, tiled)
		a.Signature[len(a.Signature)-1] ^= 1
		a.Stamps = [][]byte{s.Timestamp(a.Signature, at, false)}
		return a.Bundle("0.3")
	}
	witness := world.NewSigstore("witness").Tiles
	witness.Origin = "witness.example.com"
	sibling := world.NewSigstore("sibling").Tiles // the log's name, another key
	cosign := func(b []byte, logs ...*world.Tiles) []byte {
		return checkpoint(t, b, func(c string) string {
			note, _, _ := strings.Cut(c, "\n\n")
			for _, l := range logs {
				c += l.Cosign(note + "\n")
			}
			return c
		})
	}
	first := func(b []byte) []byte { // the witness's line before the log's
		return checkpoint(t, b, func(c string) string {
			note, own, _ := strings.Cut(c, "\n\n")
			return note + "\n\n" + witness.Cosign(note+"\n") + own
		})
	}
	end := func(at time.Time) func(object) {
		return func(v object) { v["end"] = at.Format(time.RFC3339) }
	}
	tsaEnded := validity(root, "timestampAuthorities", 0, end(at.Add(-time.Hour)))
	// An authority whose certificate has run out since, and one that stamped after.
	expired := world.NewSigstore("expired")
	expired.NewAuthority(at.AddDate(0, 0, 1))
	byExpired := func(when time.Time, embed bool) []byte {
		return s.Sign(body, world.Signing{Tiled: true, Time: when, Stamps: []world.Stamp{{By: expired, Embed: embed}}}).Bundle("0.3")
	}
	withExpired := world.EditRoot(root, func(lists map[string][]map[string]any) {
		var r struct{ TimestampAuthorities []map[string]any }
		if err := json.Unmarshal(expired.TrustedRootJSON(), &r); err != nil {
			t.Fatal(err)
		}
		lists["timestampAuthorities"] = r.TimestampAuthorities
	})
	decoy := world.EditRoot(root, func(lists map[string][]map[string]any) {
		var r struct{ CertificateAuthorities []map[string]any }
		if err := json.Unmarshal(world.NewSigstore("decoy").TrustedRootJSON(), &r); err != nil {
			t.Fatal(err)
		}
		lists["certificateAuthorities"] = append(r.CertificateAuthorities, lists["certificateAuthorities"]...)
	})
	oldProof := entryOf(t, v3)["inclusionProof"]
	alone, aloneKey := s.AttestWithKey("one", statement)
	aloneOther, _ := s.AttestWithKey("one", elsewhere)
	aloneForeign, _ := foreign.AttestWithKey("one", statement)

	return []conformanceCase{
		{name: "bundle-empty-certificate-chain_fail", bundle: edit(t, v1, func(_, mat, _ object) { mat["x509CertificateChain"] = object{"certificates": []any{}} })},
		{name: "bundle-from-wrong-instance_fail", bundle: foreign.Sign(body, world.Signing{}).Bundle("0.3")},
		{name: "bundle-invalid-base64-signature_fail", bundle: garbage(v3)},
		{name: "bundle-malformed-json_fail", bundle: v3[:len(v3)-2]},
		{name: "bundle-negative-log-index_fail", bundle: edit(t, v3, func(_, _, e object) { e["logIndex"] = "-1" })},
		{name: "bundle-unknown-version_fail", bundle: edit(t, v3, func(b, _, _ object) { b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=99.9" })},
		{name: "bundle-with-root-cert_fail", bundle: edit(t, v1, func(_, mat, _ object) {
			c := mat["x509CertificateChain"].(object)
			c["certificates"] = append(c["certificates"].([]any), object{"rawBytes": s.Root.Raw})
		})},
		{name: "bundle-with-sct-with-extensions", bundle: s.Sign(body, world.Signing{SCTExtensions: []byte{0, 0, 5, 0, 1, 2, 3, 4}}).Bundle("0.3")},
		{name: "checkpoint-bad-keyhint_fail", bundle: checkpoint(t, v3, func(c string) string {
			i := strings.LastIndexByte(strings.TrimSpace(c), ' ') + 1
			return c[:i] + "AAAA" + c[i+4:]
		})},
		{name: "checkpoint-wrong-roothash_fail", bundle: line(t, v3, 2, base64.StdEncoding.EncodeToString(make([]byte, 32)))},
		{name: "cve-2022-36056-swapped-tlog-entry_fail", bundle: withEntry(t, v3, again)},
		{name: "dsse-invalid-sig_fail", bundle: corrupt(dsse)},
		{name: "dsse-mismatch-envelope_fail", bundle: swapEnvelope(dsse, dsseOther)},
		{name: "dsse-mismatch-sig_fail", bundle: swapSig(dsse, dsseOther)},
		{name: "dsse-statement-missing-type_fail", bundle: s.Attest(bytes.Replace(statement, []byte(`"_type":"https://in-toto.io/Statement/v1",`), nil, 1), tiled).Bundle("0.3")},
		{name: "dsse-statement-unknown-type_fail", bundle: s.Attest(bytes.Replace(statement, []byte("Statement/v1"), []byte("Statement/v2"), 1), tiled).Bundle("0.3")},
		{name: "happy-path-intoto-in-dsse-v3", bundle: dsse},
		{name: "happy-path-v0.1", bundle: v1},
		{name: "happy-path-v0.2", bundle: signed.Bundle("0.2")},
		{name: "happy-path-v0.3", bundle: signed.Bundle("0.3+json")},
		{name: "happy-path-v0.3-new-mediaType", bundle: v3},
		{name: "inclusion-proof-corrupted-hash_fail", bundle: edit(t, v3, func(_, _, e object) {
			h := e["inclusionProof"].(object)["hashes"].([]any)
			h[0] = flip(h[0].(string))
		})},
		{name: "incorrect-public-key_fail", bundle: body64(v3, func(b string) string { return strings.Replace(b, `"content":"LS0t`, `"content":"LS0u`, 1) })},
		{name: "integrated-time-in-future_fail", bundle: s.Sign(body, world.Signing{LogTime: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}).Bundle("0.3")},
		{name: "intoto-expired-certificate_fail", bundle: in, root: validity(root, "certificateAuthorities", 0, end(at.AddDate(-1, 0, 0)))},
		{name: "intoto-log-entry-mismatch_fail", bundle: withEntry(t, in, inOther)},
		{name: "intoto-missing-inclusion-proof_fail", bundle: proofless(in)},
		{name: "intoto-set-outside-signing-cert-validity_fail", bundle: s.Attest(statement, world.Signing{Intoto: true, LogTime: at.Add(time.Hour)}).Bundle("0.3")},
		{name: "intoto-tsa-timestamp-outside-cert-validity_fail", bundle: s.Attest(statement, world.Signing{Intoto: true, Stamps: []world.Stamp{{Time: at.Add(time.Hour)}}}).Bundle("0.3")},
		{name: "intoto-with-custom-trust-root", bundle: in},
		{name: "intoto-canonical-log-entry", bundle: alone, key: aloneKey},
		{name: "invalid-checkpoint-signature_fail", bundle: checkpoint(t, v3, func(c string) string {
			i := strings.LastIndexByte(strings.TrimSpace(c), ' ') + 1
			return c[:i] + flip(strings.TrimSpace(c[i:])) + "\n"
		})},
		{name: "invalid-ct-key_fail", bundle: s.Sign(body, world.Signing{CT: foreign}).Bundle("0.3")},
		{name: "invalid-inclusion-proof_fail", bundle: edit(t, again, func(_, _, e object) { e["inclusionProof"] = oldProof })},
		{name: "managed-key-and-trusted-root", bundle: noEntries(keyed), key: key, root: []byte(`{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`)},
		{name: "managed-key-happy-path", bundle: keyed, key: key},
		{name: "managed-key-no-key_fail", bundle: keyed},
		{name: "managed-key-wrong-key_fail", bundle: keyed, key: otherKey},
		{name: "message-digest-mismatch_fail", bundle: edit(t, v3, func(b, _, _ object) {
			b["messageSignature"].(object)["messageDigest"].(object)["digest"] = mustHex(t, sum(otherBody))
		})},
		{name: "rekor2-checkpoint-cosigned", bundle: cosign(t2, witness)},
		{name: "rekor2-checkpoint-missing-log-signature_fail", bundle: checkpoint(t, t2, func(c string) string {
			note, _, _ := strings.Cut(c, "\n\n")
			return note + "\n\n" + witness.Cosign(note+"\n")
		})},
		{name: "rekor2-checkpoint-missing-origin_fail", bundle: line(t, t2, 0, "")},
		{name: "rekor2-checkpoint-missing-root-hash_fail", bundle: line(t, t2, 2, "")},
		{name: "rekor2-checkpoint-missing-size_fail", bundle: line(t, t2, 1, "")},
		{name: "rekor2-checkpoint-multiple-cosigs", bundle: cosign(t2, witness, witness, sibling)},
		{name: "rekor2-checkpoint-no-matching-signature_fail", bundle: checkpoint(t, t2, func(c string) string {
			return strings.Replace(c, "\u2014 "+world.HostTiles, "\u2014 other.example.com", 1)
		})},
		{name: "rekor2-checkpoint-origin-not-first", bundle: first(t2)},
		{name: "rekor2-checkpoint-two-sigs-cosigned", bundle: cosign(t2, sibling, witness)},
		{name: "rekor2-checkpoint-two-sigs-from-origin", bundle: cosign(t2, sibling)},
		{name: "rekor2-dsse-happy-path", bundle: t2dsse},
		{name: "rekor2-dsse-invalid-sig_fail", bundle: broken()},
		{name: "rekor2-dsse-mismatch-envelope_fail", bundle: withEntry(t, s.Attest(elsewhere, tiled).Bundle("0.3"), t2dsse)},
		{name: "rekor2-dsse-mismatch-sig_fail", bundle: withEntry(t, s.Attest(statement, world.Signing{Tiled: true, Time: at.Add(time.Minute)}).Bundle("0.3"), t2dsse)},
		{name: "rekor2-happy-path", bundle: t2},
		{name: "rekor2-multiple-timestamps-one-outside-cert-validity_fail", bundle: stamped(world.Stamp{}, world.Stamp{Time: at.Add(time.Hour)})},
		{name: "rekor2-no-inclusion-proof_fail", bundle: proofless(t2)},
		{name: "rekor2-no-timestamp_fail", bundle: stamped([]world.Stamp{}...)},
		{name: "rekor2-timestamp-outside-trust-root-tsa-validity_fail", bundle: t2, root: tsaEnded},
		{name: "rekor2-timestamp-outside-tsa-cert-validity_fail", bundle: byExpired(at.AddDate(0, 0, 2), false), root: withExpired},
		{name: "rekor2-timestamp-payload-mismatch_fail", bundle: stamped(world.Stamp{Of: []byte("another signature")})},
		{name: "rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail", bundle: stamped(world.Stamp{By: foreign, Embed: true})},
		{name: "rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail", bundle: stamped(world.Stamp{By: foreign})},
		{name: "rekor2-timestamp-with-embedded-cert", bundle: stamped(world.Stamp{Embed: true})},
		{name: "rekor2-timestamp-with-expired-cert-chain", bundle: byExpired(at, true), root: withExpired},
		{name: "rekor2-timestamp-with-incorrect-time_fail", bundle: stamped(world.Stamp{Time: at.Add(time.Hour)})},
		{name: "rekor2-timestamp-without-embedded-cert", bundle: stamped(world.Stamp{})},
		{name: "rekor2-timestamp-wrong-tsa-validity-borrow_fail", bundle: t2, root: world.EditRoot(tsaEnded, func(lists map[string][]map[string]any) {
			lists["timestampAuthorities"] = append(lists["timestampAuthorities"], object{"uri": "https://tsa.example.com", "certChain": object{},
				"validFor": object{"start": at.AddDate(0, -1, 0).Format(time.RFC3339), "end": at.AddDate(0, 1, 0).Format(time.RFC3339)}})
		})},
		{name: "sct-duplicate-intermediate-name", bundle: v3, root: decoy},
		{name: "set-invalid-signature_fail", bundle: edit(t, v3, func(_, _, e object) {
			p := e["inclusionPromise"].(object)
			p["signedEntryTimestamp"] = flip(p["signedEntryTimestamp"].(string))
		})},
		{name: "signature-mismatch_fail", bundle: corrupt(v3)},
		{name: "trust-root-tlog-missing-validity-start_fail", bundle: v3, root: validity(root, "tlogs", 0, func(v object) { delete(v, "start") })},
		{name: "trust-root-tlog-validity-end-inclusive", bundle: v3, root: validity(root, "tlogs", 0, end(at.Add(time.Second)))},
		{name: "trust-root-tsa-validity-end-inclusive", bundle: t2, root: validity(root, "timestampAuthorities", 0, end(at.Add(time.Second)))},
		{name: "wrong-hashedrekord-artifact_fail", bundle: edit(t, v3, func(_, _, e object) {
			e["canonicalizedBody"], e["inclusionPromise"] = entryOf(t, other)["canonicalizedBody"], entryOf(t, other)["inclusionPromise"]
		})},
		{name: "wrong-hashedrekord-cert-and-sig_fail", bundle: withEntry(t, v3, again)},
		{name: "wrong-hashedrekord-entry_fail", bundle: withEntry(t, v3, other)},
		{name: "wrong-material_fail", bundle: other},

		// Not upstream's: what else a log and an authority of the newer kind could be made to say.
		{name: "the log's key was valid until the second before_fail", bundle: v3, root: validity(root, "tlogs", 0, end(at))},
		{name: "the tile log's key was valid until the second before_fail", bundle: t2, root: validity(root, "tlogs", 1, end(at))},
		{name: "the tile log's key was not valid yet_fail", bundle: t2, root: validity(root, "tlogs", 1, func(v object) { v["start"] = at.Add(2 * time.Second).Format(time.RFC3339) })},
		{name: "the tile log's key has no start_fail", bundle: t2, root: validity(root, "tlogs", 1, func(v object) { delete(v, "start") })},
		{name: "the authority was valid until the second before_fail", bundle: t2, root: validity(root, "timestampAuthorities", 0, end(at))},
		{name: "a timestamp in the certificate's first second", bundle: stamped(world.Stamp{Time: at})},
		{name: "a timestamp in its last second", bundle: stamped(world.Stamp{Time: signed.Certificate.NotAfter})},
		{name: "a timestamp in the second after_fail", bundle: stamped(world.Stamp{Time: signed.Certificate.NotAfter.Add(time.Second)})},
		{name: "a timestamp in the second before_fail", bundle: stamped(world.Stamp{Time: at.Add(-time.Second)})},
		{name: "a good timestamp beside a stranger's_fail", bundle: stamped(world.Stamp{}, world.Stamp{By: foreign})},
		{name: "a promise, and a stranger's timestamp", bundle: s.Sign(body, world.Signing{Stamps: []world.Stamp{{By: foreign}}}).Bundle("0.3")},
		{name: "a promise, and a timestamp of another signature_fail", bundle: s.Sign(body, world.Signing{Stamps: []world.Stamp{{Of: []byte("x")}}}).Bundle("0.3")},
		{name: "a timestamp that is none_fail", bundle: edit(t, t2, func(_, mat, _ object) {
			mat["timestampVerificationData"] = object{"rfc3161Timestamps": []any{object{"signedTimestamp": "MAA="}}}
		})},
		{name: "an empty timestamp_fail", bundle: edit(t, t2, func(_, mat, _ object) {
			mat["timestampVerificationData"] = object{"rfc3161Timestamps": []any{object{}}}
		})},
		{name: "a hundred timestamps_fail", bundle: stamped(slices.Repeat([]world.Stamp{{}}, 100)...)},
		{name: "no authority in the root_fail", bundle: t2, root: world.EditRoot(root, func(lists map[string][]map[string]any) { lists["timestampAuthorities"] = nil })},
		{name: "no tile log in the root_fail", bundle: t2, root: world.EditRoot(root, func(lists map[string][]map[string]any) { lists["tlogs"] = lists["tlogs"][:1] })},
		{name: "a checkpoint of another log's origin_fail", bundle: checkpoint(t, t2, func(string) string { return reorigin(t, s, t2, "log2099.example.com") })},
		{name: "a checkpoint of the older log's form_fail", bundle: checkpoint(t, t2, func(string) string { return reorigin(t, s, t2, "rekor.sigstore.dev - 123") })},
		{name: "another signature's entry under a checkpoint of the older form_fail", bundle: func() []byte {
			b := withEntry(t, t2, t2again)
			return checkpoint(t, b, func(string) string { return reorigin(t, s, b, "rekor.sigstore.dev - 123") })
		}()},
		{name: "the older log took an entry of the newer kind, of another signature_fail", bundle: takenByOlderLog(t, s, t2, t2again)},
		{name: "a checkpoint forged by another key_fail", bundle: checkpoint(t, t2, func(c string) string {
			note, _, _ := strings.Cut(c, "\n\n")
			return note + "\n\n" + sibling.Cosign(note+"\n")
		})},
		{name: "the tile log's entry of another signature_fail", bundle: withEntry(t, t2, t2again)},
		{name: "the tile log's proof of another leaf_fail", bundle: edit(t, t2, func(_, _, e object) { e["inclusionProof"] = entryOf(t, t2again)["inclusionProof"] })},
		{name: "the tile log's entry with a time of its own_fail", bundle: edit(t, stamped([]world.Stamp{}...), func(_, _, e object) { e["integratedTime"] = "1684335601" })},
		{name: "the tile log's entry with the older log's promise_fail", bundle: edit(t, stamped([]world.Stamp{}...), func(_, _, e object) {
			e["integratedTime"], e["inclusionPromise"] = entryOf(t, v3)["integratedTime"], entryOf(t, v3)["inclusionPromise"]
		})},
		{name: "the older log's proof with a timestamp, and no promise", bundle: edit(t, s.Sign(body, world.Signing{Stamps: []world.Stamp{{}}}).Bundle("0.3"), func(_, _, e object) { delete(e, "inclusionPromise") })},
		{name: "an entry alone in its tree, for an identity_fail", bundle: alone},
		{name: "an entry alone in its tree, for another key_fail", bundle: alone, key: otherKey},
		{name: "an entry alone in its tree, of another envelope_fail", bundle: withEntry(t, alone, aloneOther), key: aloneKey},
		{name: "an entry alone in its tree, and another envelope_fail", bundle: swapEnvelope(alone, aloneOther), key: aloneKey},
		{name: "an entry alone in its tree, signed by another log_fail", bundle: edit(t, alone, func(_, _, e object) {
			e["inclusionProof"] = entryOf(t, aloneForeign)["inclusionProof"]
		}), key: aloneKey},
		{name: "an entry alone in its tree, of an unknown log_fail", bundle: aloneForeign, key: aloneKey},
		{name: "an entry alone in its tree, under another origin_fail", bundle: line(t, alone, 0, "rekor.example.com"), key: aloneKey},
		{name: "an entry alone in its tree, with another body_fail", bundle: body64(alone, func(b string) string { return b + " " }), key: aloneKey},
		{name: "a key, the bundle without an entry, another key_fail", bundle: noEntries(keyed), key: otherKey},
		{name: "a certificate without an entry_fail", bundle: noEntries(v3)},
	}
}

// takenByOlderLog puts into a bundle the entry of another, of the newer kind,
// that the older log has taken without looking.
func takenByOlderLog(t testing.TB, s *world.Sigstore, bundle, other []byte) []byte {
	return edit(t, bundle, func(_, _, e object) {
		body, _ := base64.StdEncoding.DecodeString(entryOf(t, other)["canonicalizedBody"].(string))
		taken := s.Log.Take("hashedrekord", "0.0.2", body, 0)
		p := s.Log.Prove(taken)
		e["logIndex"], e["logId"], e["canonicalizedBody"] = strconv.FormatInt(taken.LogIndex(), 10), object{"keyId": taken.LogID}, body
		e["inclusionProof"] = object{"logIndex": strconv.FormatInt(p.LogIndex, 10), "rootHash": p.RootHash,
			"treeSize": strconv.FormatInt(p.TreeSize, 10), "hashes": p.Hashes, "checkpoint": object{"envelope": p.Checkpoint}}
	})
}

// reorigin signs the tree of a bundle's checkpoint in the name of another origin.
func reorigin(t testing.TB, s *world.Sigstore, bundle []byte, origin string) string {
	p := entryOf(t, bundle)["inclusionProof"].(object)
	hash, err := base64.StdEncoding.DecodeString(p["rootHash"].(string))
	if err != nil {
		t.Fatal(err)
	}
	size, err := strconv.ParseInt(p["treeSize"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return s.Tiles.Checkpoint(origin, size, hash)
}

func TestConformance(t *testing.T) {
	s := world.New(world.Options{}).Sigstore()
	for _, c := range conformanceCases(t, s) {
		t.Run(c.name, func(t *testing.T) {
			if c.root == nil {
				c.root = s.TrustedRootJSON()
			}
			path := filepath.Join(t.TempDir(), "trusted_root.json")
			if err := os.WriteFile(path, c.root, 0o600); err != nil {
				t.Fatal(err)
			}
			root, err := trust.LoadAnyRoot(path)
			if err != nil {
				t.Fatal(err)
			}
			a := verify.Artifact{Bundle: c.bundle, Identity: google(world.KrelTrust)}
			if c.key != nil {
				a.Identity = trust.Identity{}
				if a.Key, err = sigstore.ParseKey(c.key); err != nil {
					t.Fatal(err)
				}
			}
			byDigest := a
			a.Open, byDigest.Digest = content(conformanceBody), sum(conformanceBody)
			for how, a := range map[string]verify.Artifact{"file": a, "digest": byDigest} {
				res := artifact(t, root, a)
				if want := !strings.HasSuffix(c.name, "_fail"); (res.Verdict() == report.Verified) != want {
					t.Errorf("by %s: %s\n%+v", how, res.Verdict(), res.Checks)
				}
			}
		})
	}
}

// Upstream's managed-key-and-client-identity_fail: one or the other.
func TestKeyAndIdentity(t *testing.T) {
	s := world.NewSigstore("x")
	bundle, pem := s.SignWithKey("one", conformanceBody)
	key, err := sigstore.ParseKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&verify.Verifier{}).Artifact(t.Context(), verify.Artifact{Bundle: bundle, Digest: sum(conformanceBody), Key: key, Identity: google(world.KrelTrust)})
	if !errors.As(err, new(*verify.UsageError)) {
		t.Errorf("%v", err)
	}
}
