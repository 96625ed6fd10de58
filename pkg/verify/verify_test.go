package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

const version = "v1.27.2"

// verifier looks at a world live: what it reads over https is published.
func verifier(t testing.TB, w *world.World) *verify.Verifier {
	t.Helper()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	client := &fetch.Client{Transport: w}
	return &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root}
}

func request(t testing.TB, v string) verify.Request {
	t.Helper()
	parsed, err := release.ParseVersion(v)
	if err != nil {
		t.Fatal(err)
	}
	return verify.Request{Versions: []release.Version{parsed}}
}

func images(t testing.TB, w *world.World, v string) report.Report {
	t.Helper()
	rep, err := verifier(t, w).Images(t.Context(), request(t, v))
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// failures lists every required check that is not verified, a line each.
func failures(rep report.Report) string {
	var b strings.Builder
	for _, res := range rep.Results {
		for _, c := range res.Checks {
			if c.Required && c.Verdict != report.Verified {
				fmt.Fprintf(&b, "%s %s %s: %s %s: %s\n", res.Subject, res.Platform, c.Name, c.Verdict, c.Reason, c.Detail)
			}
		}
	}
	return b.String()
}

func TestGenuineReleasesAreVerified(t *testing.T) {
	for _, tt := range []struct {
		version string
		results int // the release, its SBOM, and the images with their platforms
	}{
		{"v1.27.1", 2 + 5*5}, {"v1.27.2", 2 + 5*5},
		{"v1.24.0", 1 + 5*6}, {"v1.26.0", 2 + 5*6}, {"v1.28.2", 2 + 6*5}, {"v1.31.0", 2 + 6*5},
	} {
		t.Run(tt.version, func(t *testing.T) {
			rep := images(t, world.New(world.Options{Versions: []string{tt.version}}), tt.version)
			if rep.Verdict() != report.Verified {
				t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
			}
			if len(rep.Results) != tt.results {
				t.Errorf("%d results, want %d", len(rep.Results), tt.results)
			}
			if rep.Scope.Partial || rep.Policy.Digest == "" || rep.TrustedRoot.Digest == "" {
				t.Errorf("scope %+v, policy %+v, root %+v", rep.Scope, rep.Policy, rep.TrustedRoot)
			}
			for _, res := range rep.Results {
				for _, c := range res.Checks {
					if c.Evidence.IsZero() {
						t.Errorf("%s %s: %s shows no evidence", res.Subject, res.Platform, c.Name)
					}
				}
			}
		})
	}
}

func TestOrderOfCompletionNeverShows(t *testing.T) {
	w := world.New(world.Options{})
	var first string
	for i := range 5 {
		w := w.Clone()
		for j, name := range []string{"kube-proxy", "conformance", "kube-scheduler"} {
			if (i+j)%2 == 0 {
				w.Delay(world.ManifestURL(name+":"+version), 20*time.Millisecond)
			}
		}
		var lines []string
		for _, res := range images(t, w, version).Results {
			lines = append(lines, res.Subject+" "+res.Platform+" "+res.Digest)
		}
		got := strings.Join(lines, "\n")
		if first == "" {
			first = got
		}
		if got != first {
			t.Fatalf("run %d:\n%s\nfirst:\n%s", i, got, first)
		}
	}
}

func TestScope(t *testing.T) {
	w := world.New(world.Options{})
	v := verifier(t, w)
	req := request(t, version)
	req.Names, req.Arches = []string{"kube-proxy"}, []string{"arm64"}
	rep, err := v.Images(t.Context(), req)
	if err != nil || rep.Verdict() != report.Verified {
		t.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
	}
	if len(rep.Results) != 4 { // release, SBOM, index, one platform
		t.Errorf("%d results", len(rep.Results))
	}
	for name, req := range map[string]verify.Request{
		"image":        {Versions: req.Versions, Names: []string{"kube-poxy"}},
		"twice":        {Versions: req.Versions, Names: []string{"kube-proxy", "kube-proxy"}},
		"architecture": {Versions: req.Versions, Arches: []string{"arm"}}, // dropped in 1.27
	} {
		var usage *verify.UsageError
		if _, err := verifier(t, w).Images(t.Context(), req); !errors.As(err, &usage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartialRunsSaySo(t *testing.T) {
	w := world.New(world.Options{})
	v := verifier(t, w)
	v.Checks = []string{report.Digest, report.Signature, report.Reference}
	rep, err := v.Images(t.Context(), request(t, version))
	if err != nil || rep.Verdict() != report.Verified {
		t.Fatalf("%v\n%s", err, failures(rep))
	}
	if !rep.Scope.Partial || !slices.Equal(rep.Scope.Omitted, []string{report.Inventory, report.Binding}) {
		t.Errorf("scope %+v", rep.Scope)
	}
	if n := w.Count("https://raw.githubusercontent.com/*") + w.Count("https://sbom.k8s.io/*"); n != 0 {
		t.Errorf("%d documents were asked for, though no check needs them", n)
	}
	for _, checks := range [][]string{{}, {report.Digest}, {report.Signature}, {"digest", "signature", "colour"}} {
		v := verifier(t, w)
		v.Checks = checks
		var usage *verify.UsageError
		if _, err := v.Images(t.Context(), request(t, version)); !errors.As(err, &usage) {
			t.Errorf("checks %v: %v", checks, err)
		}
	}
}

func TestNeverReleased(t *testing.T) {
	rep := images(t, world.New(world.Options{}), "v1.27.99")
	if rep.Verdict() != report.Unknown || len(rep.Results) != 1 || rep.Results[0].Checks[0].Reason != report.NotReleased {
		t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
	}
}

func TestInterruptedRunKeepsWhatItKnows(t *testing.T) {
	w := world.New(world.Options{})
	w.Delay(world.ManifestURL("kube-scheduler:"+version), time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	rep, err := verifier(t, w).Images(ctx, request(t, version))
	if err != nil || rep.Verdict() != report.Unknown || !rep.Interrupted {
		t.Fatalf("%v %s", err, rep.Verdict())
	}
	if rep.Count(report.Verified) < 4*5 {
		t.Errorf("only %d subjects are known:\n%s", rep.Count(report.Verified), failures(rep))
	}
}

func TestReferences(t *testing.T) {
	w := world.New(world.Options{})
	for _, tt := range []struct {
		ref     string
		verdict report.Verdict
	}{
		{"registry.k8s.io/kube-proxy:" + version, report.Verified},
		{"registry.k8s.io/kube-proxy-arm64:" + version, report.Verified},
		{"registry.k8s.io/kube-proxy:" + version + "@" + w.Digest("kube-proxy:"+version), report.Verified},
		{"registry.k8s.io/kube-proxy@" + w.Digest("kube-proxy:"+version), report.Verified},
		{"registry.k8s.io/pause:3.9", report.Verified},
		{"registry.k8s.io/etcd:3.5.7-0", report.Verified},
		{"registry.k8s.io/coredns/coredns:v1.10.1", report.Verified},
		{"registry.k8s.io/kube-proxy:v1.27.99", report.Unknown},
		{"registry.k8s.io/nothing:v1", report.Unknown},
		// The tag's own digest is another's: a pin is not a hint.
		{"registry.k8s.io/kube-proxy:" + version + "@" + w.Digest("kube-proxy:v1.27.1"), report.Refuted},
		{"registry.k8s.io/kube-proxy-arm64:" + version + "@" + w.Digest("kube-proxy-amd64:"+version), report.Refuted},
	} {
		t.Run(tt.ref, func(t *testing.T) {
			ref, err := registry.ParseRef(tt.ref)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := verifier(t, w.Clone()).References(t.Context(), []registry.Ref{ref})
			if err != nil || rep.Verdict() != tt.verdict {
				t.Errorf("%v %s\n%s", err, rep.Verdict(), failures(rep))
			}
			if rep.Scope.Partial {
				t.Error("a reference has no inventory to leave out")
			}
		})
	}
	other, _ := registry.ParseRef("example.com/kube-proxy:v1.27.2")
	var usage *verify.UsageError
	if _, err := verifier(t, w).References(t.Context(), []registry.Ref{other}); !errors.As(err, &usage) {
		t.Errorf("another registry: %v", err)
	}
}

func TestOwnSignatureMayBeAbsent(t *testing.T) {
	w := world.New(world.Options{})
	for _, arch := range []string{"amd64", "arm64", "ppc64le", "s390x"} {
		w.DropSignature("kube-proxy-" + arch + ":" + version)
	}
	rep := images(t, w, version)
	if rep.Verdict() != report.Verified {
		t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
	}
}

func ExampleVerifier_Images() {
	w := world.New(world.Options{})
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &fetch.Client{Transport: w} // a live run has fetch.NewTransport here, an air-gapped one a mirror
	v := verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root}
	version, _ := release.ParseVersion("v1.27.2")
	rep, err := v.Images(context.Background(), verify.Request{Versions: []release.Version{version}, Names: []string{"kube-proxy"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rep.Verdict(), rep.Count(report.Verified))
	// Output: verified 7
}

func TestReleaseJudgesEveryFileByItsClaims(t *testing.T) {
	for _, tt := range []struct {
		version string
		verdict report.Verdict
	}{
		{version, report.Verified},
		// Before file signing a single binary has nothing strong (rule 10).
		{"v1.24.0", report.Unknown},
	} {
		t.Run(tt.version, func(t *testing.T) {
			rep, err := verifier(t, world.New(world.Options{Versions: []string{tt.version}})).Release(t.Context(), request(t, tt.version))
			if err != nil || rep.Verdict() != tt.verdict {
				t.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
			}
			verified, tarballs := 0, 0
			for _, res := range rep.Results {
				if res.Kind == "file" && res.Verdict() == report.Verified {
					verified++
					if strings.HasSuffix(res.Subject, ".tar.gz") {
						tarballs++
					}
				}
			}
			if tarballs < 20 || tt.verdict == report.Verified && verified < 100 {
				t.Errorf("%d files verified, %d tarballs", verified, tarballs)
			}
		})
	}
}

func TestListNamesWhoDisagrees(t *testing.T) {
	w := world.New(world.Options{})
	l, err := verifier(t, w).List(t.Context(), request(t, version).Versions[0])
	if err != nil || l.Verdict != report.Verified || len(l.Items) < 100 {
		t.Fatalf("%v %+v", err, l)
	}
	sum := ""
	for _, it := range l.Items {
		if it.Subject == "kubernetes-client-linux-amd64.tar.gz" {
			sum = it.SHA512
		}
	}
	for document, url := range map[string]string{
		"changelog":       world.ChangelogURL(version),
		"SHA512SUMS":      world.FileURL(version, "SHA512SUMS"),
		"provenance.json": world.FileURL(version, "provenance.json"),
		"sbom":            world.SBOMURL(version),
	} {
		t.Run(document, func(t *testing.T) {
			w := w.Clone()
			w.PutFile(url, []byte(strings.ReplaceAll(string(w.File(url)), sum, strings.Repeat("0", 128))))
			if document == "sbom" {
				w.SignFile(url, world.Signing{})
			}
			l, err := verifier(t, w).List(t.Context(), request(t, version).Versions[0])
			if err != nil || l.Verdict != report.Refuted {
				t.Fatalf("%v %s", err, l.Verdict)
			}
			for _, it := range l.Items {
				if it.Subject == "kubernetes-client-linux-amd64.tar.gz" && !strings.Contains(it.Conflict, "000000000000... in "+document) {
					t.Errorf("conflict %q does not name %s", it.Conflict, document)
				}
			}
			rep, err := verifier(t, w).Release(t.Context(), request(t, version))
			if err != nil || rep.Verdict() != report.Refuted {
				t.Errorf("verify: %v %s", err, rep.Verdict())
			}
		})
	}
}

// A request is a round trip: the count is held here, where no clock is needed.
// Each reference costs its own manifest and its signature manifest, and behind
// the registry's redirects twice that.
func TestRequestsAReference(t *testing.T) {
	w := world.New(world.Options{})
	wire := &counter{next: w}
	client := &fetch.Client{Transport: wire}
	v := verifier(t, w)
	v.Fetch, v.Registry, v.Checks = client, &registry.Client{Fetch: client}, []string{report.Digest, report.Signature, report.Reference}
	rep, err := v.Images(t.Context(), request(t, version))
	if err != nil || rep.Verdict() != report.Verified {
		t.Fatalf("%v\n%s", err, failures(rep))
	}
	if n := wire.n.Load(); n > 2*25*2+2 {
		t.Errorf("%d requests for 25 references", n)
	}
}
