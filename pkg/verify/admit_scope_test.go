package verify_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// admittedNames are the names that an image is admitted under, without signatures and referrers.
func admittedNames(im verify.AdmittedImage) (names []string) {
	for _, a := range im.Admissions {
		if a.Why() == "verified" {
			names = append(names, strings.TrimPrefix(a.Ref().String(), "registry.k8s.io/"))
		}
	}
	slices.Sort(names)
	return names
}

// Of a release that never was nothing is admitted, though the registry has a signed image
// under one of its names.
func TestNothingIsAdmittedOfNoRelease(t *testing.T) {
	w := world.New(world.Options{})
	const never = "v1.27.99"
	w.Tag("kube-scheduler:"+never, w.Digest("kube-scheduler:"+version))
	planted := registry.Ref{Host: "registry.k8s.io", Repository: "kube-scheduler", Tag: never}
	got := admit(t, w, never, func(c *verify.AdmitRequest) { c.Also = []registry.Ref{planted} })
	if len(got.Images) == 0 {
		t.Fatal("no image is told of")
	}
	for _, im := range got.Images {
		if im.Verdict != report.Unknown || len(im.Admissions) > 0 {
			t.Errorf("%s: %s, %d admissions", im.Ref, im.Verdict, len(im.Admissions))
		}
	}
	if got.Report.Verdict() == report.Verified {
		t.Error("the report is verified")
	}
}

// What is asked for is what is admitted, and what was read for it.
func TestAdmittedScope(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	ref := func(name string) registry.Ref {
		repository, tag, _ := strings.Cut(name, ":")
		return registry.Ref{Host: "registry.k8s.io", Repository: repository, Tag: tag}
	}
	pause := ref("pause:3.9")
	for _, tt := range []struct {
		name   string
		change func(*verify.AdmitRequest)
		images []string // admitted, each with the number of its names
		files  bool
		absent int // images of the release that the report says are not there
		also   []string
	}{
		{"one image", nil, []string{"kube-proxy 5"}, false, 0, nil},
		{"one architecture", func(c *verify.AdmitRequest) { c.Arches = []string{"arm64"} }, []string{"kube-proxy 2"}, false, 0, nil},
		{"files alone", func(c *verify.AdmitRequest) { c.Images, c.Names, c.Files = false, nil, true }, nil, true, 0, nil},
		{"files too", func(c *verify.AdmitRequest) { c.Files = true }, []string{"kube-proxy 5"}, true, 0, nil},
		{"what a mirror says it has", func(c *verify.AdmitRequest) { c.FromMirror = true }, []string{"kube-proxy 5"}, false, 1, nil},
		{"a mirror of files", func(c *verify.AdmitRequest) { c.Images, c.Names, c.Files, c.FromMirror = false, nil, true, true }, nil, true, 1, nil},
		{"one beside it", func(c *verify.AdmitRequest) { c.Also = []registry.Ref{pause} }, []string{"kube-proxy 5", "pause"}, false, 0, []string{pause.String()}},
		{"one architecture beside it", func(c *verify.AdmitRequest) { c.Also, c.Arches = []registry.Ref{pause}, []string{"arm64"} },
			[]string{"kube-proxy 2", "pause"}, false, 0, []string{pause.String()}},
		{"an architecture's own name", func(c *verify.AdmitRequest) { c.Also = []registry.Ref{ref("kube-scheduler-arm64:" + modern)} },
			[]string{"kube-proxy 5", "kube-scheduler-arm64 1"}, false, 0, []string{"registry.k8s.io/kube-scheduler-arm64:" + modern}},
		{"another of the release", func(c *verify.AdmitRequest) { c.Also = []registry.Ref{ref("kube-scheduler:" + modern)} },
			[]string{"kube-proxy 5", "kube-scheduler 5"}, false, 0, []string{"registry.k8s.io/kube-scheduler:" + modern}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := admit(t, built.Clone(), modern, tt.change)
			if got.Report.Verdict() != report.Verified {
				t.Fatalf("%s\n%s", got.Report.Verdict(), failures(got.Report))
			}
			if len(got.Images) != len(tt.images) {
				t.Errorf("%d images, want %q", len(got.Images), tt.images)
			}
			for i, want := range tt.images[:min(len(tt.images), len(got.Images))] {
				im, names := got.Images[i], admittedNames(got.Images[i])
				name, n, counted := strings.Cut(want, " ")
				if im.Ref.Repository != name || counted && n != string(rune('0'+len(names))) || len(names) == 0 {
					t.Errorf("%s is admitted as %q, want %s", im.Ref, names, want)
				}
				if im.Verdict != report.Verified || !slices.Contains(names, name+":"+im.Ref.Tag) {
					t.Errorf("%s: %s as %q", im.Ref, im.Verdict, names)
				}
			}
			if (got.Files != nil) != tt.files {
				t.Errorf("files: %v", got.Files)
			}
			if n := len(got.Report.Scope.Absent); (n > 0) != (tt.absent > 0) {
				t.Errorf("absent are %q", got.Report.Scope.Absent)
			}
			subjects := append([]string{modern}, tt.also...)
			if !slices.Equal(got.Report.Scope.Subjects, subjects) {
				t.Errorf("subjects are %q, want %q", got.Report.Scope.Subjects, subjects)
			}
		})
	}
}

// The documents of a release are read once, whatever else of it is asked for; and the
// checksums beside the SBOM stand in the result of documents alone.
func TestAdmitReadsOnce(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	scheduler := registry.Ref{Host: "registry.k8s.io", Repository: "kube-scheduler", Tag: modern}
	got := admit(t, w, modern, func(c *verify.AdmitRequest) { c.Also = []registry.Ref{scheduler} })
	for _, url := range []string{world.FileURL(modern, "kubernetes-release.spdx"), world.PromotionURL(kubernetesProject)} {
		if n := w.Count(url); n != 1 {
			t.Errorf("%s was asked for %d times", url, n)
		}
	}
	documents := 0
	for _, r := range got.Report.Results {
		digests := 0
		for _, c := range r.Checks {
			if c.Name == report.Digest && strings.Contains(c.Detail, "checksums beside it") {
				digests++
			}
		}
		if r.Kind == report.KindDocument {
			documents++
		}
		if (r.Kind == report.KindDocument) != (digests == 1) {
			t.Errorf("%s: %d checks of what lies beside it", r.Subject, digests)
		}
	}
	if documents != 1 {
		t.Errorf("%d documents", documents)
	}
}

// An interrupted run admits nothing that it did not prove, and says so of every image.
func TestInterruptedAdmission(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	ctx, cancel := context.WithCancel(t.Context())
	w.Tamper("https://registry.k8s.io/v2/kube-proxy/manifests/sha256-*.sig", func(b []byte) []byte { cancel(); return b })
	c := verify.AdmitRequest{Version: request(t, modern).Versions[0], Images: true, Names: []string{"kube-proxy"}}
	got, err := verifier(t, w).Admit(ctx, c)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range got.Images {
		if im.Verdict == report.Verified || len(im.Admissions) > 0 || im.Detail == "" {
			t.Errorf("%s: %s, %d admissions, %q", im.Ref, im.Verdict, len(im.Admissions), im.Detail)
		}
	}
	if got.Report.Verdict() != report.Unknown {
		t.Errorf("%s", got.Report.Verdict())
	}
}

// What refers to each platform is admitted, and one that cannot be fetched is told and
// demanded, while the others are admitted all the same.
func TestReferrersOfPlatforms(t *testing.T) {
	built := world.New(world.Options{Versions: []string{modern}})
	at := world.Signing{Identity: world.Summaries, Time: world.Signed2023}
	arm := "kube-proxy-arm64:" + modern
	attest := func(w *world.World, name string) {
		of := "kube-proxy@" + w.Digest(name)
		w.DropReferrers(of)
		w.AttestImage(of, world.PredicateSummary, world.Summary(world.SummaryVerifier, "PASSED", "registry.k8s.io/"+of, "SLSA_BUILD_LEVEL_3"), at)
	}
	list := func(w *world.World, name string) string {
		return "https://registry.k8s.io/v2/kube-proxy/referrers/" + w.Digest(name)
	}
	for _, tt := range []struct {
		name    string
		do      func(w *world.World)
		vsa     int
		verdict report.Verdict
	}{
		{"both", func(*world.World) {}, 2, report.Verified},
		{"the index has none", func(w *world.World) { w.DropReferrers("kube-proxy@" + w.Digest(modernProxy)) }, 1, report.Verified},
		{"the index's list cannot be fetched", func(w *world.World) { w.Status(list(w, modernProxy), 500) }, 1, report.Unknown},
		{"the platform's list cannot be fetched", func(w *world.World) { w.Status(list(w, arm), 500) }, 1, report.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			for _, arch := range w.Arches(modern) {
				w.DropReferrers("kube-proxy@" + w.Digest("kube-proxy-"+arch+":"+modern))
			}
			attest(w, modernProxy)
			attest(w, arm)
			tt.do(w)
			got := admit(t, w, modern, func(c *verify.AdmitRequest) { c.Referrers = true })
			im := got.Images[0]
			if n := whys(im)[report.VSA]; n != tt.vsa || im.Referrers != "listed" || im.Verdict != report.Verified {
				t.Errorf("%d admitted, referrers %s, %s", n, im.Referrers, im.Verdict)
			}
			if got.Report.Verdict() != tt.verdict {
				t.Errorf("%s\n%s", got.Report.Verdict(), failures(got.Report))
			}
			for _, r := range got.Report.Results {
				for _, c := range r.Checks {
					if strings.Contains(c.Detail, "what refers to it") && (!c.Required || c.Name != report.Digest || r.Kind != report.KindImage || r.Digest != w.Digest(modernProxy)) {
						t.Errorf("%+v of %s", c, r.Subject)
					}
				}
			}
		})
	}
}

// The signature of a platform that no policy holds good is not carried with the image.
func TestSignaturesThatAreAdmitted(t *testing.T) {
	w := world.New(world.Options{Versions: []string{modern}})
	got := admit(t, w, modern, func(c *verify.AdmitRequest) { c.Arches = []string{"arm64"} })
	digests := map[oci.Digest]string{}
	for _, a := range got.Images[0].Admissions {
		if strings.Contains(a.Why(), "signature") {
			digests[a.Digest()] = a.Ref().String()
			m, ok := w.Manifest(strings.TrimPrefix(a.Ref().String(), "registry.k8s.io/"))
			if !ok || m.Digest() != string(a.Digest()) || a.Size() != int64(len(m.Body)) || a.MediaType() != m.MediaType {
				t.Errorf("%s: %s, %d bytes of %s", a.Ref(), a.Digest(), a.Size(), a.MediaType())
			}
		}
	}
	if len(digests) != 2 {
		t.Errorf("signatures of %v are admitted, want those of the index and of arm64", digests)
	}
}
