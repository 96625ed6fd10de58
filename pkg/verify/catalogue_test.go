package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// catalogueOf writes the catalogue of a world's releases as they are now:
// before anybody attacks it.
func catalogueOf(t testing.TB, w *world.World) *trust.Catalogue {
	t.Helper()
	var rows []trust.CatalogueRow
	for _, v := range w.Versions() {
		names, tags := w.Images(v)
		for i, name := range names {
			rows = append(rows, trust.CatalogueRow{Image: name, Tag: tags[i], Platform: trust.IndexRow, Digest: oci.Digest(w.Digest(name + ":" + tags[i])), Source: "world"})
			if tags[i] != v {
				continue
			}
			for _, arch := range w.Arches(v) {
				rows = append(rows, trust.CatalogueRow{Image: name, Tag: v, Platform: "linux/" + arch, Digest: oci.Digest(w.Digest(name + "-" + arch + ":" + v)), Source: "world"})
			}
		}
	}
	c, err := trust.NewCatalogue([]trust.CatalogueSource{{ID: "world", Repository: "example.com/world", Path: "images.yaml", Commit: "unrecorded",
		Digest: oci.Digest("sha256:" + strings.Repeat("0", 64))}}, rows)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inAMirror judges a whole release of which nothing was published to us, with
// the catalogue of the world as it was.
func inAMirror(t testing.TB, w *world.World, c *trust.Catalogue, version string) report.Report {
	t.Helper()
	v := verifier(t, w)
	v.Catalogue, v.Fetch.Transport = c, carried(w)
	rep, err := v.Images(t.Context(), request(t, version))
	if err != nil {
		t.Fatal(err)
	}
	whole(t, rep)
	return rep
}

// Rule 12. v1.24.0 is from before SBOMs were signed, so that in a mirror nothing
// but the catalogue binds its images.
func TestCatalogueBinds(t *testing.T) {
	const old = "v1.24.0"
	built := world.New(world.Options{Versions: []string{old, "v1.24.1"}})
	c := catalogueOf(t, built)
	if rep := inAMirror(t, built, nil, old); rep.Verdict() != unknown {
		t.Errorf("without a catalogue: %s", rep.Verdict())
	}
	rep := inAMirror(t, built, c, old)
	if rep.Verdict() != report.Verified {
		t.Fatalf("%s\n%s", rep.Verdict(), failures(rep))
	}
	for _, res := range rep.Results {
		b, ok := res.Check(report.Binding)
		if !ok {
			continue
		}
		strongest := report.Carried
		for _, e := range b.Evidence.All() {
			if e.Strength != nil {
				strongest = max(strongest, *e.Strength)
			}
		}
		if strongest != report.Embedded || !strings.Contains(b.Detail, "catalogue") {
			t.Errorf("%s %s: %s %+v", res.Subject, res.Platform, b.Detail, b.Evidence.All())
		}
	}
	for name, tt := range map[string]struct {
		do      func(w *world.World)
		verdict report.Verdict
		subject string
		check   string
		says    string
	}{
		"another release of the catalogue": {func(w *world.World) { w.ServeAs("v1.24.1", old) }, refuted, "kube-proxy:v1.24.0", report.Binding, "catalogue knows kube-proxy v1.24.0 as"},
		"one image of another release":     {func(w *world.World) { w.ServeAs("v1.24.1", old, "kube-proxy") }, refuted, "kube-proxy:v1.24.0 linux/arm64", report.Binding, "not v1.24.0"},
		"no signature": {func(w *world.World) {
			w.DropSignature("kube-proxy:" + old)
		}, unknown, "kube-proxy:v1.24.0", report.Signature, "no signature"},
		"a changed config, with every list": {func(w *world.World) {
			w.ChangeConfig(old, "kube-proxy", "amd64", world.UpwardPromoted, entrypoint)
		}, refuted, "kube-proxy:v1.24.0 linux/amd64", report.Binding, "catalogue"},
		"a promotion manifest that says otherwise": {func(w *world.World) {
			promoteAs(w, w.Digest("kube-proxy:"+old), "sha256:"+strings.Repeat("0", 64))
		}, refuted, "kube-proxy:v1.24.0", report.Binding, "promotion manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			w := built.Clone()
			tt.do(w)
			rep := inAMirror(t, w, c, old)
			if rep.Verdict() != tt.verdict {
				t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
			}
			if c := checkOf(t, rep, tt.subject, tt.check); c.Verdict == report.Verified || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s: %s", c.Verdict, c.Detail)
			}
		})
	}
}

// checkOf finds a check by the end of its subject, with the platform after a space.
func checkOf(t testing.TB, rep report.Report, of, name string) report.Check {
	t.Helper()
	subject, platform, _ := strings.Cut(of, " ")
	for _, res := range rep.Results {
		if c, ok := res.Check(name); ok && strings.HasSuffix(res.Subject, subject) && res.Platform == platform && (res.Kind == "image" || !strings.Contains(subject, ":")) {
			return c
		}
	}
	t.Fatalf("no %s of %s\n%s", name, of, failures(rep))
	return report.Check{}
}

// Rule 13: where the catalogue ties the digest, layers that the SBOM records in
// another way are a remark.
func TestCatalogueOutweighsInference(t *testing.T) {
	w := world.New(world.Options{})
	c := catalogueOf(t, w)
	changed := replaceIn(w.File(world.SBOMURL(version)), "kube-proxy-arm64-v1.27.2-sha256-", "PackageChecksum: SHA256: ",
		"PackageChecksum: SHA256: "+strings.Repeat("0", 64)+"\nPackageComment: ")
	w.PutDocument(world.FileURL(version, "kubernetes-release.spdx"), changed)
	w.SignFile(world.SBOMURL(version), world.Signing{})
	if got := checkOf(t, inAMirror(t, w, nil, version), "kube-proxy:v1.27.2 linux/arm64", report.Binding); got.Verdict != refuted {
		t.Errorf("without a catalogue: %s %s", got.Verdict, got.Detail)
	}
	rep := inAMirror(t, w, c, version)
	got := checkOf(t, rep, "kube-proxy:v1.27.2 linux/arm64", report.Binding)
	if rep.Verdict() != report.Verified || !strings.Contains(got.Detail, "but the SBOM differs") {
		t.Errorf("%s %s\n%s", rep.Verdict(), got.Detail, failures(rep))
	}
}

// Rule 18: the identity of 2022 counts for what the catalogue knows, within its
// weeks, and for nothing else.
func TestIdentityOf2022(t *testing.T) {
	at := func(s string) time.Time {
		d, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const old = "v1.24.0"
	built := world.New(world.Options{Versions: []string{old}})
	full := catalogueOf(t, built)
	sign := func(w *world.World, how world.Signing) {
		how.Identity, how.LogTime = orWorld(how.Identity, world.Promoter22), how.Time
		for _, name := range []string{"kube-proxy", "kube-proxy-amd64", "kube-proxy-arm", "kube-proxy-arm64", "kube-proxy-ppc64le", "kube-proxy-s390x"} {
			w.SignAs(name+":"+old, how)
		}
	}
	indexes := func() *trust.Catalogue {
		var rows []trust.CatalogueRow
		for _, r := range full.Rows() {
			if r.Platform == trust.IndexRow {
				rows = append(rows, r)
			}
		}
		c, err := trust.NewCatalogue(full.Sources(), rows)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}()
	without := func() *trust.Catalogue {
		var rows []trust.CatalogueRow
		for _, r := range full.Rows() {
			if r.Image != "kube-proxy" {
				rows = append(rows, r)
			}
		}
		c, err := trust.NewCatalogue(full.Sources(), rows)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}()
	in := world.Signing{Time: at("2022-11-10T12:00:00Z")}
	for name, tt := range map[string]struct {
		c    *trust.Catalogue
		how  world.Signing
		want report.Verdict
	}{
		"catalogued, in its weeks":        {full, in, report.Verified},
		"the first second":                {full, world.Signing{Time: at("2022-10-28T00:00:00Z")}, report.Verified},
		"the last second":                 {full, world.Signing{Time: at("2022-11-30T23:59:59Z")}, report.Verified},
		"children of a catalogued index":  {indexes, in, report.Verified},
		"a second before":                 {full, world.Signing{Time: at("2022-10-27T23:59:59Z")}, unknown},
		"a second after":                  {full, world.Signing{Time: at("2022-12-01T00:00:00Z")}, unknown},
		"not catalogued":                  {without, in, unknown},
		"no catalogue":                    {nil, in, unknown},
		"another account of that project": {full, world.Signing{Identity: "k8s-infra-gcr-promoter@k8s-artifacts-prod-x.iam.gserviceaccount.com", Time: in.Time}, unknown},
		"another issuer":                  {full, world.Signing{Issuer: "https://accounts.google.com.evil.com", Time: in.Time}, unknown},
		"another CA":                      {full, world.Signing{CA: world.NewSigstore("evil"), Time: in.Time}, unknown},
		"no SCT":                          {full, world.Signing{NoSCT: true, Time: in.Time}, refuted},
	} {
		t.Run(name, func(t *testing.T) {
			w := built.Clone()
			sign(w, tt.how)
			v := verifier(t, w)
			v.Catalogue = tt.c
			rep, err := v.Images(t.Context(), request(t, old))
			if err != nil {
				t.Fatal(err)
			}
			if c := checkOf(t, rep, "kube-proxy:"+old, report.Signature); c.Verdict != tt.want || rep.Verdict() != tt.want {
				t.Errorf("%s, want %s: %s\n%s", rep.Verdict(), tt.want, c.Detail, failures(rep))
			}
		})
	}
}

func orWorld(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Under a trusted root of another Sigstore instance the embedded catalogue has
// nothing to say: another world's v1.27.2 is not Kubernetes'.
func TestCatalogueOfAnotherInstance(t *testing.T) {
	w := world.New(world.Options{})
	if rep := images(t, w, version); rep.Verdict() != report.Verified {
		t.Errorf("%s\n%s", rep.Verdict(), failures(rep))
	}
	v := verifier(t, w)
	v.Catalogue = trust.EmbeddedCatalogue()
	rep, err := v.Images(t.Context(), request(t, version))
	if err != nil || rep.Verdict() != refuted {
		t.Errorf("asked all the same: %v %s", err, rep.Verdict())
	}
}

// The real index of kube-apiserver, as nine releases have it: the embedded
// catalogue binds each to its own tag, and refutes it under any other.
func TestRealIndexes(t *testing.T) {
	const dir = "../../../shared/realdata/registry/manifests"
	names, _ := filepath.Glob(filepath.Join(dir, "kube-apiserver-*.index.json"))
	if len(names) == 0 {
		t.Skipf("no %s", dir)
	}
	ask := func(body []byte, tag string) report.Report {
		s := shelf{}
		s["/v2/kube-apiserver/manifests/"+tag] = body
		client := &fetch.Client{Transport: s}
		v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}}
		rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "kube-apiserver", Tag: tag}})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tag := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "kube-apiserver-"), ".index.json")
		rep := ask(body, tag)
		if rep.Verdict() != unknown { // there is no signature, and the catalogue stands for none
			t.Errorf("%s: %s", tag, rep.Verdict())
		}
		if c := checkOf(t, rep, "kube-apiserver:"+tag, report.Binding); c.Verdict != report.Verified {
			t.Errorf("%s: %s %s", tag, c.Verdict, c.Detail)
		}
		if c := checkOf(t, rep, "kube-apiserver:"+tag+" linux/arm64", report.Binding); c.Verdict != report.Verified || !strings.Contains(c.Evidence.All()[0].Source, "k8s-staging-kubernetes") {
			t.Errorf("%s: %s %s", tag, c.Verdict, c.Detail)
		}
		for _, other := range []string{"v1.27.4", "v1.27.99"} {
			if c := checkOf(t, ask(body, other), "kube-apiserver:"+other, report.Binding); c.Verdict != refuted {
				t.Errorf("%s as %s: %s %s", tag, other, c.Verdict, c.Detail)
			}
		}
	}
}

// withPolicy is the embedded policy with one change.
func withPolicy(t testing.TB, old, new string) *trust.Policy {
	t.Helper()
	text := strings.Replace(string(trust.EmbeddedPolicyYAML()), old, new, 1)
	if text == string(trust.EmbeddedPolicyYAML()) {
		t.Fatalf("the policy has no %q", old)
	}
	p, err := trust.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
