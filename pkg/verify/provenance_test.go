package verify_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const kubectlExe = "bin/windows/amd64/kubectl.exe"

// signedInPlace is what the newest krel publishes.
func signedInPlace() world.ProvenanceForm {
	return world.ProvenanceForm{Newer: true, Sign: &world.Signing{}}
}

// provenanceClaims are those of a file, by strength, and what the listing says.
func provenanceClaims(t *testing.T, v *verify.Verifier, path string) (signed, others int, l *verify.Listing) {
	t.Helper()
	parsed, err := release.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = v.List(t.Context(), parsed); err != nil {
		t.Fatal(err)
	}
	for _, it := range l.Items {
		if it.Subject != path {
			continue
		}
		for _, c := range it.Claims {
			switch {
			case c.Document != release.DocProvenance:
			case c.Strength == report.Signed:
				signed++
			default:
				others++
			}
		}
	}
	return signed, others, l
}

// Every form that krel has published is read, and the one that is signed counts as signed.
func TestGenuineFormsOfProvenance(t *testing.T) {
	for _, c := range []struct {
		name   string
		form   world.ProvenanceForm
		signed bool
	}{
		{"published", world.ProvenanceForm{}, false},
		{"staged", world.ProvenanceForm{Staged: true}, false},
		{"SLSA v1", world.ProvenanceForm{Newer: true}, false},
		{"signed in place", signedInPlace(), true},
		{"signed in place, SLSA v0.2", world.ProvenanceForm{Sign: &world.Signing{}}, true},
		{"signed in place, logged by the newer log", world.ProvenanceForm{Newer: true, Sign: &world.Signing{Tiled: true}}, true},
		{"without sha1", world.ProvenanceForm{Digest: func(_ string, d map[string]any) { delete(d, "sha1") }}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world.New(world.Options{})
			w.PutProvenance(version, c.form)
			for _, path := range []string{"bin/linux/amd64/kubectl", kubectlExe, "kubernetes.tar.gz"} {
				signed, others, l := provenanceClaims(t, verifier(t, w), path)
				if c.signed && (signed != 2 || others != 0) || !c.signed && (signed != 0 || others != 2) || l.Verdict != report.Verified {
					t.Errorf("%s: %d signed claims and %d others, %s: %q", path, signed, others, l.Verdict, l.Notes)
				}
				body := w.File(world.FileURL(version, path))
				res := filesOf(t, verifier(t, w), version).Judge(t.Context(), path, sumsOf(body)).Result
				d, _ := res.Check(report.Digest)
				if res.Verdict() != report.Verified || !strings.Contains(d.Detail, "provenance.json") || strings.Contains(d.Detail, "signed provenance.json") != c.signed {
					t.Errorf("%s: %s: %s", path, res.Verdict(), d.Detail)
				}
			}
		})
	}
}

// attackOnClaims is done to the documents of a release, and what must be said of the file.
type attackOnClaims struct {
	name    string
	do      func(w *world.World)
	path    string
	verdict report.Verdict // of the file
	check   string
	says    string         // in the check
	list    report.Verdict // of the listing
}

// doubled edits the second entry of a file that the SBOM lists twice, and signs the whole again.
func doubled(edit func(entry string) string) func(w *world.World) {
	return func(w *world.World) {
		url := world.SBOMURL(version)
		text := string(w.File(url))
		begin := strings.LastIndex(text, "FileName: "+kubectlExe+"\n")
		end := begin + strings.Index(text[begin:], "\n\n")
		w.PutFile(url, []byte(text[:begin]+edit(text[begin:end])+text[end:]))
		w.SignFile(url, world.Signing{})
	}
}

func attacksOnClaims() []attackOnClaims {
	const kubectl = "bin/linux/amd64/kubectl"
	zeros := strings.Repeat("0", 128)
	line := func(algorithm, with string) func(string) string { // the checksum line, replaced
		return func(entry string) string {
			at := strings.Index(entry, "FileChecksum: "+algorithm+": ")
			end := at + strings.IndexByte(entry[at:], '\n') + 1
			return entry[:at] + with + entry[end:]
		}
	}
	other := func(path string) func(string, map[string]any) {
		return func(p string, d map[string]any) {
			if p == path {
				d["sha1"], d["sha256"], d["sha512"] = zeros[:40], zeros[:64], zeros
			}
		}
	}
	put := func(form world.ProvenanceForm) func(w *world.World) {
		return func(w *world.World) { w.PutProvenance(version, form) }
	}
	subjects := func(edit func([]map[string]any) []map[string]any) func(map[string]any) {
		return func(s map[string]any) { s["subject"] = edit(s["subject"].([]map[string]any)) }
	}
	name := func(n string) world.ProvenanceForm {
		return world.ProvenanceForm{Change: subjects(func(list []map[string]any) []map[string]any { list[0]["name"] = n; return list })}
	}
	return []attackOnClaims{
		{"a path twice, another sha512", doubled(line("SHA512", "FileChecksum: SHA512: "+zeros+"\n")), kubectlExe, refuted, report.Digest, "SBOM", refuted},
		{"a path twice, another sha256", doubled(line("SHA256", "FileChecksum: SHA256: "+zeros[:64]+"\n")), kubectlExe, refuted, report.Digest, "SBOM", refuted},
		{"a path twice, one without sha512", doubled(line("SHA512", "")), kubectlExe, unknown, report.Binding, "two different entries", unknown},
		{"a path twice, one without sha256", doubled(line("SHA256", "")), kubectlExe, unknown, report.Binding, "two different entries", unknown},
		{"a path twice, another sha1", doubled(line("SHA1", "FileChecksum: SHA1: "+zeros[:40]+"\n")), kubectlExe, unknown, report.Binding, "two different entries", unknown},
		{"a path three times, the third other", doubled(func(e string) string {
			return e + "\n\n" + strings.Replace(line("SHA1", "FileChecksum: SHA1: "+zeros[:40]+"\n")(e), "SPDXRef-File-", "SPDXRef-File-x", 1)
		}), kubectlExe, unknown, report.Binding, "two different entries", unknown},

		{"provenance: other hashes", put(world.ProvenanceForm{Digest: other(kubectl)}), kubectl, refuted, report.Digest, "provenance.json", refuted},
		{"provenance: another version", put(world.ProvenanceForm{Version: "v1.27.1"}), kubectl, refuted, report.Digest, "v1.27.1", refuted},
		{"provenance: of v1.27.1, whole", func(w *world.World) {
			w.PutFile(world.FileURL(version, "provenance.json"), w.File(world.FileURL("v1.27.1", "provenance.json")))
		}, kubectl, refuted, report.Digest, "v1.27.1", refuted},
		{"provenance: signed in place, another version", put(world.ProvenanceForm{Version: "v1.27.1", Sign: &world.Signing{}}), kubectl, refuted, report.Digest, "v1.27.1", refuted},
		{"provenance: a rehearsal's", put(world.ProvenanceForm{Bucket: "kubernetes-release-gcb"}), kubectl, unknown, report.Digest, "was not read", report.Verified},
		{"provenance: a rehearsal's, signed in place", put(world.ProvenanceForm{Bucket: "kubernetes-release-gcb", Sign: &world.Signing{}}), kubectl, unknown, report.Digest, "was not read", report.Verified},
		{"provenance: nothing that can be placed", put(world.ProvenanceForm{Name: func(p string) string { return p }}), kubectl, unknown, report.Digest, "was not read", report.Verified},
		{"provenance: signed in place, and against the SBOM", put(world.ProvenanceForm{Newer: true, Sign: &world.Signing{}, Digest: other(kubectl)}),
			kubectl, refuted, report.Digest, "provenance.json", refuted},
		{"provenance: signed by another, and against the SBOM", put(world.ProvenanceForm{Sign: &world.Signing{Identity: "mallory@example.com"}, Digest: other(kubectl)}),
			kubectl, refuted, report.Digest, "provenance.json", refuted},
		{"provenance: a path that climbs", put(name("gs://kubernetes-release/release/v1.27.2/../v1.27.1/x")), kubectl, unknown, report.Digest, "path", report.Verified},
		{"provenance: an encoded path", put(name("gs://kubernetes-release/release/v1.27.2/bin%2flinux%2famd64%2fkubectl")), kubectl, unknown, report.Digest, "path", report.Verified},
		{"provenance: a path with one hash and with two", put(world.ProvenanceForm{Change: subjects(func(list []map[string]any) []map[string]any {
			for _, s := range list {
				if strings.HasSuffix(s["name"].(string), kubectlExe) {
					delete(s["digest"].(map[string]any), "sha512")
					break
				}
			}
			return list
		})}), kubectlExe, unknown, report.Digest, "two different entries", report.Verified},
		{"provenance: a path twice with two hashes", put(world.ProvenanceForm{Change: subjects(func(list []map[string]any) []map[string]any {
			return append(list, map[string]any{"name": list[0]["name"], "digest": map[string]any{"sha256": zeros[:64], "sha512": zeros}})
		})}), kubectl, unknown, report.Digest, "two different entries", report.Verified},
	}
}

func TestClaimsAsTheAttacker(t *testing.T) {
	for _, a := range attacksOnClaims() {
		t.Run(a.name, func(t *testing.T) {
			w := world.New(world.Options{})
			a.do(w)
			res := filesOf(t, verifier(t, w), version).Judge(t.Context(), a.path, sumsOf(w.File(world.FileURL(version, a.path)))).Result
			c, _ := res.Check(a.check)
			if res.Verdict() != a.verdict || c.Verdict == report.Verified || !strings.Contains(c.Detail, a.says) {
				t.Errorf("%s; %s is %s: %s", res.Verdict(), c.Name, c.Verdict, c.Detail)
			}
			_, _, l := provenanceClaims(t, verifier(t, w), a.path)
			if l.Verdict != a.list {
				t.Errorf("the listing is %s, want %s: %q", l.Verdict, a.list, l.Notes)
			}
			if !strings.HasPrefix(a.name, "provenance: other") && a.list != refuted && !slices.ContainsFunc(l.Notes, func(n string) bool { return strings.Contains(n, a.says) }) {
				t.Errorf("the listing does not say %q: %q", a.says, l.Notes)
			}
		})
	}
}

// A provenance that lacks anything of rule 32 is not a signed claim. It refutes
// nothing either, where it says the same as everybody else, and is said.
func TestProvenanceThatIsNotSigned(t *testing.T) {
	signed := func(change func(f *world.ProvenanceForm)) func(w *world.World) {
		f := signedInPlace()
		change(&f)
		return func(w *world.World) { w.PutProvenance(version, f) }
	}
	by := func(how world.Signing) func(w *world.World) {
		return signed(func(f *world.ProvenanceForm) { f.Sign = &how })
	}
	predicate := func(edit func(p map[string]any)) func(w *world.World) {
		return signed(func(f *world.ProvenanceForm) {
			f.Newer = false
			f.Change = func(s map[string]any) { edit(s["predicate"].(map[string]any)) }
		})
	}
	bundle := func(edit func(b map[string]any)) func(w *world.World) {
		return func(w *world.World) {
			w.PutProvenance(version, signedInPlace())
			url := world.FileURL(version, "provenance.json")
			var b map[string]any
			if err := json.Unmarshal(w.File(url), &b); err != nil {
				panic(err)
			}
			edit(b)
			text, err := json.Marshal(b)
			if err != nil {
				panic(err)
			}
			w.PutDocument(url, text)
		}
	}
	for _, c := range []struct {
		name string
		do   func(w *world.World)
		says string
	}{
		{"another identity", by(world.Signing{Identity: "mallory@example.com"}), "mallory@example.com"},
		{"krel-trust, who signs images", by(world.Signing{Identity: world.KrelTrust}), "krel-trust"},
		{"a look-alike issuer", by(world.Signing{Issuer: "https://accounts.google.com.evil.com"}), "evil.com"},
		{"another CA", by(world.Signing{CA: world.NewSigstore("evil")}), "trusted root does not know"},
		{"another log", by(world.Signing{Log: world.NewSigstore("evil")}), "trusted root does not know"},
		{"no log entry", by(world.Signing{NoLog: true}), "no log entry"},
		{"logged after the certificate", by(world.Signing{Time: world.Signed2023, LogTime: world.Signed2023.Add(time.Hour)}), "does not verify"},
		{"another builder", predicate(func(p map[string]any) { p["builder"] = map[string]any{"id": "https://example.com/mine"} }), "built by"},
		{"another build type", predicate(func(p map[string]any) { p["buildType"] = "https://example.com/mine" }), "build type"},
		{"no builder", predicate(func(p map[string]any) { delete(p, "builder") }), "built by"},
		{"another predicate", signed(func(f *world.ProvenanceForm) {
			f.Change = func(s map[string]any) { s["predicateType"] = "https://slsa.dev/verification_summary/v1" }
		}), "predicate type"},
		{"the builder of v1 in a predicate of v0.2", signed(func(f *world.ProvenanceForm) {
			f.Change = func(s map[string]any) { s["predicateType"] = world.PredicateProvenance02 }
		}), "built by"},
		{"the staging form", signed(func(f *world.ProvenanceForm) { f.Newer, f.Staged = false, true }), "predicate type"},
		{"the staging form, newer", signed(func(f *world.ProvenanceForm) { f.Staged = true }), "not all of its subjects"},
		{"subjects that cannot be placed among others", signed(func(f *world.ProvenanceForm) {
			f.Change = func(s map[string]any) {
				s["subject"].([]map[string]any)[3]["name"] = "gs://kubernetes-release-gcb/release/v1.27.2/x"
			}
		}), "not all of its subjects"},
		{"a subject with one hash", signed(func(f *world.ProvenanceForm) {
			f.Digest = func(p string, d map[string]any) {
				if p == "kubernetes.tar.gz" {
					delete(d, "sha512")
				}
			}
		}), "not all of its subjects"},
		{"a signature of another statement", bundle(func(b map[string]any) {
			b["dsseEnvelope"].(map[string]any)["signatures"] = []map[string]any{{"sig": "AAAA"}}
		}), "does not verify"},
		{"two envelopes by two names", bundle(func(b map[string]any) {
			b["dsse_envelope"] = b["dsseEnvelope"]
		}), "can be verified"},
		{"a bundle of no known version", bundle(func(b map[string]any) {
			b["mediaType"] = "application/vnd.dev.sigstore.bundle.v9+json"
		}), "can be verified"},
		{"an SBOM that nobody signed", func(w *world.World) {
			w.PutProvenance(version, signedInPlace())
			w.Status(world.SBOMURL(version)+".sig", 404)
		}, "without a signed SBOM"},
		{"an SBOM that is not there", func(w *world.World) {
			w.PutProvenance(version, signedInPlace())
			w.Status(world.SBOMURL(version)+"*", 404)
		}, "without a signed SBOM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world.New(world.Options{})
			c.do(w)
			const path = "bin/linux/amd64/kubectl"
			signed, others, l := provenanceClaims(t, verifier(t, w), path)
			if signed != 0 || others != 2 || !slices.ContainsFunc(l.Notes, func(n string) bool {
				return strings.Contains(n, "provenance.json") && strings.Contains(n, c.says)
			}) {
				t.Errorf("%d signed claims and %d others: %q", signed, others, l.Notes)
			}
			res := filesOf(t, verifier(t, w), version).Judge(t.Context(), path, sumsOf(w.File(world.FileURL(version, path)))).Result
			if want := strings.HasPrefix(c.name, "an SBOM"); (res.Verdict() == report.Verified) == want || res.Verdict() == report.Refuted {
				t.Errorf("%s:\n%v", res.Verdict(), res.Checks)
			}
			if bytes.Contains([]byte(strings.Join(l.Notes, "\n")), []byte{0x1b}) {
				t.Error("a control character")
			}
		})
	}
}

// A path that only a signed provenance names is known from nothing that counts.
func TestASignedProvenanceAddsNoFile(t *testing.T) {
	w := world.New(world.Options{})
	form := signedInPlace()
	form.Change = func(s map[string]any) {
		list := s["subject"].([]map[string]any)
		s["subject"] = append(list, map[string]any{"name": "gs://kubernetes-release/release/v1.27.2/bin/linux/amd64/extra", "digest": list[0]["digest"]})
	}
	w.PutProvenance(version, form)
	signed, others, _ := provenanceClaims(t, verifier(t, w), "bin/linux/amd64/extra")
	if signed != 0 || others != 2 {
		t.Errorf("%d signed claims, %d others", signed, others)
	}
}

// A policy's own list of buckets holds, and one without a list never counts a provenance as signed.
func TestProvenanceByAnotherPolicy(t *testing.T) {
	text := string(trust.EmbeddedPolicyYAML())
	begin := strings.Index(text, "  provenance:\n    buckets:")
	end := begin + strings.Index(text[begin:], "\n\n")
	for name, c := range map[string]struct {
		section string
		signed  int
		others  int
	}{
		"no section":     {"", 0, 2},
		"another bucket": {strings.Replace(text[begin:end], "[kubernetes-release]", "[elsewhere]", 1), 0, 0},
		"two buckets":    {strings.Replace(text[begin:end], "[kubernetes-release]", "[elsewhere, kubernetes-release]", 1), 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := trust.ParsePolicy([]byte(text[:begin] + c.section + text[end:]))
			if err != nil {
				t.Fatal(err)
			}
			w := world.New(world.Options{})
			w.PutProvenance(version, signedInPlace())
			v := verifier(t, w)
			v.Policy = p
			if signed, others, l := provenanceClaims(t, v, "bin/linux/amd64/kubectl"); signed != c.signed || others != c.others {
				t.Errorf("%d signed, %d others: %q", signed, others, l.Notes)
			}
		})
	}
}
