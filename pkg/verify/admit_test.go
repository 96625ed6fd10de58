package verify_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// admit asks what of kube-proxy of a release may be carried.
func admit(t *testing.T, w *world.World, of string, change func(*verify.AdmitRequest)) *verify.Admitted {
	t.Helper()
	v, err := release.ParseVersion(of)
	if err != nil {
		t.Fatal(err)
	}
	c := verify.AdmitRequest{Version: v, Images: true, Names: []string{"kube-proxy"}}
	if change != nil {
		change(&c)
	}
	got, err := verifier(t, w).Admit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// whys counts admissions by what they were made for.
func whys(im verify.AdmittedImage) map[string]int {
	n := map[string]int{}
	for _, a := range im.Admissions {
		n[a.Why()]++
	}
	return n
}

// Every admission of what was verified is for one digest, which lies under that name.
func TestAdmissionsAreForWhatIsThere(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	withReferrers := func(c *verify.AdmitRequest) { c.Referrers = true }
	got := admit(t, w, modern, withReferrers)
	if len(got.Images) != 1 || got.Images[0].Verdict != report.Verified || got.Report.Verdict() != report.Verified {
		t.Fatalf("%+v\n%s", got.Images, failures(got.Report))
	}
	im := got.Images[0]
	if im.Ref.String() != "registry.k8s.io/"+modernProxy || im.Release.String() != modern || string(im.Digest) != w.Digest(modernProxy) || im.MediaType == "" || im.Detail != "" {
		t.Errorf("%+v", im)
	}
	names := map[string]string{} // digests by name
	for _, a := range im.Admissions {
		name := strings.TrimPrefix(a.Ref().String(), "registry.k8s.io/")
		m, ok := w.Manifest(name)
		if !ok || m.Digest() != string(a.Digest()) || int64(len(m.Body)) != a.Size() || m.MediaType != a.MediaType() {
			t.Errorf("%s is admitted as %s, %d bytes of %s", name, a.Digest(), a.Size(), a.MediaType())
		}
		names[name] = string(a.Digest())
	}
	for _, name := range []string{modernProxy, "kube-proxy-amd64:" + modern, "kube-proxy-arm64:" + modern, "kube-proxy-ppc64le:" + modern, "kube-proxy-s390x:" + modern} {
		if names[name] != w.Digest(name) {
			t.Errorf("%s is admitted for %q", name, names[name])
		}
		repository, _, _ := strings.Cut(name, ":")
		if sig := repository + ":" + strings.Replace(w.Digest(name), ":", "-", 1) + ".sig"; names[sig] == "" {
			t.Errorf("%s is not admitted", sig)
		}
	}
	n := whys(im)
	if n["verified"] != 5 || im.Referrers != "listed" || n[report.VSA] == 0 || n[report.Promotion] == 0 || n[report.Provenance] == 0 {
		t.Errorf("admitted %v, referrers %s", n, im.Referrers)
	}
	// Those that are carried already, and those that nobody asks for, are not asked for.
	for name, change := range map[string]func(*verify.AdmitRequest){
		"known":     func(c *verify.AdmitRequest) { c.Referrers, c.Known = true, []oci.Digest{im.Digest} },
		"not asked": nil,
	} {
		if again := admit(t, w, modern, change).Images[0]; again.Referrers != "" || whys(again)[report.VSA] != 0 || whys(again)["verified"] != 5 {
			t.Errorf("%s: %s %v", name, again.Referrers, whys(again))
		}
	}
	other := admit(t, w, modern, func(c *verify.AdmitRequest) {
		c.Referrers, c.Known = true, []oci.Digest{oci.Digest(w.Digest("kube-scheduler:" + modern))}
	})
	if other.Images[0].Referrers != "listed" {
		t.Error("another image's referrers are taken for this one's")
	}
}

// What an attack leaves unproved is admitted under no name: the index is carried whole or not at all.
func TestAttacksAreNotAdmitted(t *testing.T) {
	built := world.New(world.Options{})
	for _, a := range attacks {
		if !strings.HasPrefix(a.subject, "kube-proxy:") {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			a.do(w)
			got := admit(t, w, version, func(c *verify.AdmitRequest) { c.Referrers = true })
			for _, im := range got.Images {
				if im.Verdict == report.Verified || len(im.Admissions) > 0 || im.Detail == "" || im.Referrers != "" {
					t.Errorf("%s: %s, %d admissions, %q", im.Ref, im.Verdict, len(im.Admissions), im.Detail)
				}
				contradicted := slices.ContainsFunc(got.Report.Results, func(r report.Result) bool { return r.Kind == report.KindImage && r.Verdict() == refuted })
				if contradicted != (im.Verdict == refuted) {
					t.Errorf("%s: %s", im.Ref, im.Verdict)
				}
			}
			if got.Report.Verdict() == report.Verified || len(got.Images) != 1 {
				t.Errorf("%s, %d images", got.Report.Verdict(), len(got.Images))
			}
		})
	}
	t.Run("a release that never was", func(t *testing.T) {
		got := admit(t, built.Clone(), "v1.27.99", nil)
		for _, im := range got.Images {
			if im.Verdict == report.Verified || len(im.Admissions) > 0 {
				t.Errorf("%s: %s", im.Ref, im.Verdict)
			}
		}
	})
}

// Of what refers to an image, what somebody of the policy signed is carried: also what
// says that the image failed. What nobody of the policy signed, or forged, stays outside.
func TestAdmittedReferrers(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	at := world.Signing{Identity: world.Summaries, Time: world.Signed2023}
	add := func(how world.Signing, result, verifier string) func(*world.World) {
		return func(w *world.World) {
			w.DropReferrers(modernProxy)
			w.AttestImage(modernProxy, world.PredicateSummary, world.Summary(verifier, result, "registry.k8s.io/kube-proxy@"+w.Digest(modernProxy), "SLSA_BUILD_LEVEL_3"), how)
		}
	}
	mallory, forged := at, at
	mallory.Identity = "mallory@example.com"
	forged.NoSCT = true
	foreign := at
	foreign.CA = world.NewSigstore("foreign")
	const list = "https://registry.k8s.io/v2/kube-proxy/referrers/*"
	for _, tt := range []struct {
		name      string
		do        func(*world.World)
		referrers string
		vsa, left int // of the index
		verdict   report.Verdict
	}{
		{"PASSED", add(at, "PASSED", world.SummaryVerifier), "listed", 1, 0, report.Verified},
		{"FAILED", add(at, "FAILED", world.SummaryVerifier), "listed", 1, 0, report.Verified},
		{"by mallory", add(mallory, "PASSED", world.SummaryVerifier), "listed", 0, 1, report.Verified},
		{"forged", add(forged, "PASSED", world.SummaryVerifier), "listed", 0, 1, report.Verified},
		{"forged, FAILED", add(forged, "FAILED", world.SummaryVerifier), "listed", 0, 1, report.Verified},
		{"under a CA that is not known", add(foreign, "PASSED", world.SummaryVerifier), "listed", 0, 1, report.Verified},
		{"under a CA that is not known, FAILED", add(foreign, "FAILED", world.SummaryVerifier), "listed", 1, 0, report.Verified},
		{"no list", func(w *world.World) { w.Status(list, 404) }, "not answered", 0, 0, report.Verified},
		{"a list that cannot be fetched", func(w *world.World) { w.Status(list, 500) }, "none", 0, 0, unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			for _, arch := range w.Arches(modern) {
				w.DropReferrers("kube-proxy@" + w.Digest("kube-proxy-"+arch+":"+modern))
			}
			tt.do(w)
			got := admit(t, w, modern, func(c *verify.AdmitRequest) { c.Referrers = true })
			im := got.Images[0]
			if n := whys(im)[report.VSA]; im.Referrers != tt.referrers || n != tt.vsa || im.Left != tt.left {
				t.Errorf("referrers %s, %d admitted, %d left", im.Referrers, n, im.Left)
			}
			if got.Report.Verdict() != tt.verdict || whys(im)["verified"] != 5 {
				t.Errorf("%s, %v", got.Report.Verdict(), whys(im))
			}
		})
	}
}

// The documents that verdicts rest on are carried as they were read: the SBOM with what
// proves it, one that nobody signed as that, and none that is contradicted.
func TestAdmittedDocuments(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	sbom := world.FileURL(modern, "kubernetes-release.spdx")
	for _, tt := range []struct {
		name    string
		do      func(*world.World)
		beside  string // of the SBOM, by suffix; "" if it is not carried
		verdict report.Verdict
		says    string
	}{
		{"as it is", func(*world.World) {}, ".cert .sha256 .sha512 .sig .sigstore.json", report.Verified, "its own"},
		{"without a checksum", func(w *world.World) { w.Status(sbom+".sha256", 404) }, ".cert .sha512 .sig .sigstore.json", report.Verified, "its own"},
		{"a checksum that cannot be fetched", func(w *world.World) { w.Status(sbom+".sha512", 500) }, ".cert .sha256 .sig .sigstore.json", unknown, "checksum beside it"},
		{"another checksum", func(w *world.World) { w.PutFile(sbom+".sha256", []byte(strings.Repeat("0", 64))) }, ".cert .sig .sigstore.json", refuted, "but the document is"},
		{"a checksum with the file's name", func(w *world.World) {
			w.PutFile(sbom+".sha256", append(w.File(sbom+".sha256"), "  kubernetes-release.spdx\n"...))
		}, ".cert .sha256 .sha512 .sig .sigstore.json", report.Verified, "its own"},
		{"a checksum of another length", func(w *world.World) { w.PutFile(sbom+".sha256", []byte("00")) }, ".cert .sig .sigstore.json", unknown, "not a checksum"},
		{"a checksum of no hex", func(w *world.World) { w.PutFile(sbom+".sha256", []byte(strings.Repeat("x", 64))) }, ".cert .sig .sigstore.json", unknown, "not a checksum"},
		{"unsigned", func(w *world.World) { w.Status(sbom+".sig", 404) }, ".sha256 .sha512", report.Verified, "its own"},
		{"of other bytes", func(w *world.World) { w.FlipBit(sbom) }, "", refuted, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			got := admit(t, w, modern, nil)
			var beside []string
			urls := map[string]bool{}
			for _, d := range got.Documents {
				urls[d.URL] = true
				if !bytes.Equal(d.Body, w.File(d.URL)) {
					t.Errorf("%s is not carried as it was read", d.URL)
				}
				for suffix := range d.Sidecars {
					beside = append(beside, suffix)
				}
				if (d.Verdict == report.Verified) != (d.URL == sbom && d.Sidecars[".sig"] != nil) {
					t.Errorf("%s: %s", d.URL, d.Verdict)
				}
			}
			slices.Sort(beside)
			if strings.Join(beside, " ") != tt.beside || urls[sbom] != (tt.beside != "") {
				t.Errorf("the SBOM is carried with %v, as %v", beside, urls)
			}
			if !urls[world.ChangelogURL(modern)] || !urls[world.PromotionURL(kubernetesProject)] {
				t.Errorf("carried are %v", urls)
			}
			if !slices.IsSortedFunc(got.Documents, func(x, y verify.AdmittedDocument) int { return strings.Compare(x.URL, y.URL) }) {
				t.Error("they are in no order")
			}
			if tt.says == "" {
				return
			}
			if c := checkOf(t, got.Report, "/"+modern+"/release", report.Digest); c.Verdict != tt.verdict || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s: %s", c.Verdict, c.Detail)
			}
		})
	}
}

// What cannot be proved in full is no request for a mirror, nor is a name elsewhere.
func TestAdmitRefuses(t *testing.T) {
	w := world.New(world.Options{})
	v, err := release.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		checks []string
		also   registry.Ref
	}{
		"some checks":       {[]string{report.Digest, report.Signature}, registry.Ref{Host: "registry.k8s.io", Repository: "pause", Tag: "3.9"}},
		"another registry":  {nil, registry.Ref{Host: "example.com", Repository: "pause", Tag: "3.9"}},
		"a digest, no name": {nil, registry.Ref{Host: "registry.k8s.io", Repository: "pause", Digest: oci.Digest(w.Digest("pause:3.9"))}},
	} {
		judge := verifier(t, w)
		judge.Checks = tt.checks
		got, err := judge.Admit(t.Context(), verify.AdmitRequest{Version: v, Images: true, Also: []registry.Ref{tt.also}})
		var usage *verify.UsageError
		if got != nil || !errors.As(err, &usage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is carried beside a release brings the promotion manifest that it rests on.
func TestAdmittedBesideARelease(t *testing.T) {
	w := world.New(world.Options{})
	coredns := registry.Ref{Host: "registry.k8s.io", Repository: "coredns/coredns", Tag: "v1.10.1"}
	got := admit(t, w, version, func(c *verify.AdmitRequest) { c.Also = []registry.Ref{coredns} })
	if !slices.ContainsFunc(got.Documents, func(d verify.AdmittedDocument) bool { return d.URL == world.PromotionURL("k8s-staging-coredns") }) {
		t.Error("its promotion manifest is not carried")
	}
	if got.Report.Verdict() != report.Verified || len(got.Images) != 2 {
		t.Fatalf("%s, %d images\n%s", got.Report.Verdict(), len(got.Images), failures(got.Report))
	}
	for _, im := range got.Images {
		if im.Verdict != report.Verified || whys(im)["verified"] == 0 || im.Release.IsZero() != (im.Ref == coredns) {
			t.Errorf("%s of %s: %s, %v", im.Ref, im.Release, im.Verdict, whys(im))
		}
	}
}

// A run over files is asked for what files can be asked for, and for all of it if nobody chose.
func TestChecksOfFilesAlone(t *testing.T) {
	v := verifier(t, world.New(world.Options{}))
	v.Require = []string{report.VSA, report.Binding}
	if of := v.WithFileChecks(); of.Checks != nil || !slices.Equal(of.Require, []string{report.Binding}) {
		t.Errorf("%v, %v", of.Checks, of.Require)
	}
	v.Checks = []string{report.Digest, report.Contents}
	if of := v.WithFileChecks(); !slices.Equal(of.Checks, []string{report.Digest}) || len(v.Checks) != 2 {
		t.Errorf("%v", of.Checks)
	}
}
