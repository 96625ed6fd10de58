package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	sigroot "github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// overTLS looks at a world through a real listener with HTTP/2.
func overTLS(t testing.TB, w *world.World) *verify.Verifier {
	t.Helper()
	s, err := w.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	v := verifier(t, w)
	v.Fetch = &fetch.Client{Transport: &fetch.Retry{Attempts: 2, Next: s.Transport()}}
	v.Registry = &registry.Client{Fetch: v.Fetch}
	return v
}

func filesOf(t testing.TB, v *verify.Verifier, ver string) *verify.Files {
	t.Helper()
	parsed, err := release.ParseVersion(ver)
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Files(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openDir(t testing.TB) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

func target(path string) verify.Target {
	return verify.Target{Path: path, Name: path, Mode: 0o755}
}

func sumsOf(b []byte) fetch.Sums {
	a, c := sha256.Sum256(b), sha512.Sum512(b)
	return fetch.Sums{SHA256: hex.EncodeToString(a[:]), SHA512: hex.EncodeToString(c[:]), Size: int64(len(b))}
}

func TestEveryFileOfAReleaseIsVerified(t *testing.T) {
	for _, ver := range []string{"v1.27.2", "v1.28.2"} {
		w := world.New(world.Options{Versions: []string{ver}})
		f := filesOf(t, overTLS(t, w), ver)
		root, dir := openDir(t)
		paths := slices.DeleteFunc(w.Files(ver), func(p string) bool { return !verify.IsSubject(p) })
		if len(paths) < 90 {
			t.Fatalf("only %d files", len(paths))
		}
		results := make([]report.Result, len(paths))
		par.Map(t.Context(), len(paths), 16, func(_ context.Context, i int) {
			results[i] = f.Download(t.Context(), root, target(paths[i]))
		}, nil)
		rep := f.Report(t.Context(), nil, nil, results)
		if rep.Verdict() != report.Verified || rep.Scope.Partial {
			t.Fatalf("%s %+v\n%s", rep.Verdict(), rep.Scope, failures(rep))
		}
		for i, p := range paths {
			got, err := os.ReadFile(filepath.Join(dir, p))
			if err != nil || !bytes.Equal(got, w.File(world.FileURL(ver, p))) {
				t.Errorf("%s: %v, or other bytes", p, err)
			}
			// Both SHA*SUMS, provenance with two, .sha256, .sha512, the SBOM with two; tarballs also the CHANGELOG.
			want := []string{".sha256", ".sha512", "SHA256SUMS", "SHA512SUMS", "the signed SBOM"}
			if !strings.HasSuffix(p, ".tar") { // made of the files that the SBOM lists
				want = append(want, "provenance.json")
			}
			if strings.HasPrefix(p, "kubernetes") && w.File(world.ChangelogURL(ver)) != nil && bytes.Contains(w.File(world.ChangelogURL(ver)), []byte("["+p+"]")) {
				want = append(want, "CHANGELOG")
			}
			c, _ := results[i].Check(report.Digest)
			for _, name := range want {
				if !slices.ContainsFunc(c.Evidence.All(), func(e report.Evidence) bool { return strings.Contains(e.Fields["document"], name) }) {
					t.Errorf("%s: no claim by %s among %d", p, name, len(c.Evidence.All()))
				}
			}
			if _, err := os.Stat(filepath.Join(dir, p+verify.BundleSuffix)); err != nil {
				t.Errorf("%s: no bundle was kept: %v", p, err)
			}
		}
	}
}

func swapSum(body []byte) func([]byte) []byte {
	other := sumsOf([]byte("another file"))
	mine := sumsOf(body)
	return func(b []byte) []byte {
		return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte(mine.SHA256), []byte(other.SHA256)), []byte(mine.SHA512), []byte(other.SHA512))
	}
}

func TestOneSourceThatDisagreesRefutes(t *testing.T) {
	const binary, tarball = "bin/linux/amd64/kubectl", "kubernetes-client-linux-amd64.tar.gz"
	for _, tt := range []struct {
		path, url, check, says string
	}{
		{binary, world.FileURL(version, binary+".sha256"), report.Digest, "kubectl.sha256"},
		{binary, world.FileURL(version, binary+".sha512"), report.Digest, "kubectl.sha512"},
		{binary, world.FileURL(version, "SHA256SUMS"), report.Digest, "SHA256SUMS"},
		{binary, world.FileURL(version, "SHA512SUMS"), report.Digest, "SHA512SUMS"},
		{binary, world.FileURL(version, "provenance.json"), report.Digest, "provenance.json"},
		{binary, world.SBOMURL(version), report.Digest, "SBOM"},
		{tarball, world.ChangelogURL(version), report.Digest, "CHANGELOG-1.27.md"},
		{tarball, world.FileURL(version, "SHA256SUMS"), report.Digest, "SHA256SUMS"},
		{tarball, world.SBOMURL(version), report.Digest, "SBOM"},
	} {
		t.Run(tt.path+" "+tt.url[strings.LastIndexByte(tt.url, '/')+1:], func(t *testing.T) {
			w := world.New(world.Options{})
			body := w.File(world.FileURL(version, tt.path))
			w.Tamper(tt.url, swapSum(body))
			root, dir := openDir(t)
			res := filesOf(t, overTLS(t, w), version).Download(t.Context(), root, target(tt.path))
			c, _ := res.Check(tt.check)
			if res.Verdict() != report.Refuted || c.Verdict != report.Refuted || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%s: %s %s: %s", res.Verdict(), c.Name, c.Verdict, c.Detail)
			}
			empty(t, dir)
			t.Log(c.Detail)
		})
	}
}

// empty holds that nothing at all was left, part or file.
func empty(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("%s was left", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFilesAsTheAttacker(t *testing.T) {
	const kubectl, kubeadm = "bin/linux/amd64/kubectl", "bin/linux/amd64/kubeadm"
	url := world.FileURL(version, kubectl)
	for _, tt := range []struct {
		name    string
		do      func(w *world.World)
		path    string
		verdict report.Verdict
		check   string
		reason  report.Reason
		says    string
	}{
		{"other bytes", func(w *world.World) { w.FlipBit(url) }, kubectl, refuted, report.Digest, report.Mismatch, "the signed SBOM"},
		{"other bytes with their checksums", func(w *world.World) { w.PutDocument(url, []byte("evil")) }, kubectl, refuted, report.Digest, report.Mismatch, "SHA256SUMS"},
		{"kubeadm as kubectl, signature and all", func(w *world.World) {
			for _, s := range []string{"", ".sig", ".cert", ".sha256", ".sha512"} {
				w.PutFile(url+s, w.File(world.FileURL(version, kubeadm)+s))
			}
		}, kubectl, refuted, report.Binding, report.Mismatch, "not bin/linux/amd64/kubectl"},
		{"kubectl of v1.27.1, signature and all", func(w *world.World) {
			for _, s := range []string{"", ".sig", ".cert", ".sha256", ".sha512"} {
				w.PutFile(url+s, w.File(world.FileURL("v1.27.1", kubectl)+s))
			}
		}, kubectl, refuted, report.Binding, report.Mismatch, "not bin/linux/amd64/kubectl of v1.27.2"},
		{"all of v1.27.1 as v1.27.2", func(w *world.World) { w.ServeAs("v1.27.1", version) }, kubectl, refuted, report.Binding, report.Mismatch, "another version"},
		{"a signature for other bytes, all else agreeing", func(w *world.World) {
			for _, s := range []string{".sig", ".cert"} {
				w.PutFile(url+s, w.File(world.FileURL("v1.27.1", kubectl)+s))
			}
		}, kubectl, refuted, report.Signature, report.OtherBytes, "signed wrongly"},
		{"no signature", func(w *world.World) { w.Status(url+".sig", 404) }, kubectl, unknown, report.Signature, report.Absent, ".sig"},
		{"signed by mallory", func(w *world.World) { w.SignFile(url, world.Signing{Identity: "mallory@example.com"}) }, kubectl, unknown, report.Signature, report.Untrusted, "not by"},
		{"signed by krel-trust", func(w *world.World) { w.SignFile(url, world.Signing{Identity: world.KrelTrust}) }, kubectl, unknown, report.Signature, report.Untrusted, "not by"},
		{"not logged", func(w *world.World) { w.SignFile(url, world.Signing{NoLog: true}) }, kubectl, unknown, report.Signature, report.Absent, "log"},
		{"logged elsewhere", func(w *world.World) { w.SignFile(url, world.Signing{Log: world.NewSigstore("evil")}) }, kubectl, unknown, report.Signature, "", ""},
		{"an unsigned SBOM", func(w *world.World) { w.Status(world.SBOMURL(version)+".sig", 404) }, kubectl, unknown, report.Binding, report.Absent, "no signed SBOM"},
		{"no SBOM", func(w *world.World) { w.Status(world.SBOMURL(version), 404) }, kubectl, unknown, report.Binding, report.Absent, "no signed SBOM"},
		{"a claim that cannot be read", func(w *world.World) { w.Status(url+".sha512", 403) }, kubectl, unknown, report.Digest, report.Unreachable, "could not be read"},
		{"SHA256SUMS as a login page", func(w *world.World) { w.HTML("https://dl.k8s.io/release/v1.27.2/SHA256SUMS") }, kubectl, unknown, report.Digest, report.Malformed, "could not be read"},
		{"SHA256SUMS as a storage error with status 200", func(w *world.World) { w.StorageError("https://dl.k8s.io/release/v1.27.2/SHA256SUMS") }, kubectl, unknown, report.Digest, report.Malformed, "could not be read"},
		{"the file as a storage error with status 200", func(w *world.World) { w.StorageError(url) }, kubectl, unknown, report.Digest, report.Malformed, "InternalError"},
		{"the file as a login page", func(w *world.World) { w.HTML(url) }, kubectl, unknown, report.Digest, report.Malformed, "web page"},
		{"no such file", func(w *world.World) { w.Status(url, 404) }, kubectl, unknown, report.Digest, report.Absent, "404"},
		{"endless", func(w *world.World) { w.HugeBody(url, 5<<30) }, kubectl, unknown, report.Digest, report.Limit, "announced"},
		{"gzip", func(w *world.World) { w.Header(url, "Content-Encoding", "gzip") }, kubectl, unknown, report.Digest, report.Malformed, "Content-Encoding"},
		{"redirected abroad, bytes the same", func(w *world.World) { w.RedirectAbroad(url) }, kubectl, report.Verified, "", "", ""},
		{"redirected to http", func(w *world.World) { w.Redirect(url, "http://cdn.dl.k8s.io/x") }, kubectl, unknown, report.Digest, report.Unreachable, "plain http"},
		{"redirected to a file", func(w *world.World) { w.Redirect(url, "file:///etc/passwd") }, kubectl, unknown, report.Digest, report.Unreachable, "scheme"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world.New(world.Options{})
			tt.do(w)
			root, dir := openDir(t)
			res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(tt.path))
			if res.Verdict() != tt.verdict {
				t.Errorf("%s, want %s: %+v", res.Verdict(), tt.verdict, res.Checks)
			}
			if tt.check != "" {
				c, _ := res.Check(tt.check)
				if tt.reason != "" && c.Reason != tt.reason || !strings.Contains(c.Detail, tt.says) {
					t.Errorf("%s %s %s: %s", c.Name, c.Verdict, c.Reason, c.Detail)
				}
			}
			if _, err := os.Lstat(filepath.Join(dir, tt.path)); (err == nil) != (tt.verdict == report.Verified) {
				t.Errorf("under the final name: %v", err)
			}
			if tt.verdict == refuted {
				empty(t, dir)
			}
		})
	}
}

func TestFilesFromBeforeSigning(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.24.0"}})
	live, carried := filesOf(t, verifier(t, w), "v1.24.0"), w.Clone()
	root, _ := openDir(t)
	tarball := live.Download(t.Context(), root, target("kubernetes-client-linux-amd64.tar.gz"))
	if c, _ := tarball.Check(report.Binding); tarball.Verdict() != report.Verified || !strings.Contains(c.Detail, "CHANGELOG-1.24.md") {
		t.Errorf("tarball: %s %+v", tarball.Verdict(), tarball.Checks)
	}
	binary := live.Download(t.Context(), root, target("bin/linux/amd64/kubectl"))
	if c, _ := binary.Check(report.Binding); binary.Verdict() != unknown || c.Reason != report.NoClaim || !strings.Contains(c.Detail, "single binary") {
		t.Errorf("binary: %s %+v", binary.Verdict(), binary.Checks)
	}
	// The same CHANGELOG by another way is only carried.
	carried.Distrust(world.HostRaw)
	root, _ = openDir(t)
	res := filesOf(t, verifier(t, carried), "v1.24.0").Download(t.Context(), root, target("kubernetes-client-linux-amd64.tar.gz"))
	if res.Verdict() != unknown {
		t.Errorf("by a carried CHANGELOG: %s %+v", res.Verdict(), res.Checks)
	}
}

func TestWhatIsThereAndRightIsNotFetchedAgain(t *testing.T) {
	w := world.New(world.Options{})
	const path = "bin/linux/arm64/kubelet"
	root, dir := openDir(t)
	name := filepath.Join(dir, path)
	for i, before := range []func(){
		func() {},
		func() {},
		func() { _ = os.Remove(name + verify.BundleSuffix) },
		func() { _ = os.WriteFile(name, []byte("damaged"), 0o644) },
	} {
		before()
		w := w.Clone()
		res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path))
		if res.Verdict() != report.Verified {
			t.Fatalf("%d: %s %+v", i, res.Verdict(), res.Checks)
		}
		if n, want := w.Count(world.FileURL(version, path)), []int{1, 0, 0, 1}[i]; n != want {
			t.Errorf("%d: fetched %d times, want %d", i, n, want)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%d: %v %v", i, info, err)
		}
		if _, err := os.Stat(name + verify.BundleSuffix); err != nil {
			t.Error(err)
		}
	}
}

func TestRefutedResumedContentIsFetchedOnceMore(t *testing.T) {
	const path = "kubernetes-client-linux-amd64.tar.gz"
	w := world.New(world.Options{})
	body := w.File(world.FileURL(version, path))
	plant := func(dir string) {
		wrong := bytes.Repeat([]byte("x"), len(body)/2)
		state := fmt.Sprintf(`{"url":%q,"length":%d}`, world.FileURL(version, path), len(body))
		for name, text := range map[string][]byte{"": wrong, ".json": []byte(state)} {
			if err := os.WriteFile(filepath.Join(dir, "."+path+".kverify-part"+name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	root, dir := openDir(t)
	plant(dir)
	res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path))
	if res.Verdict() != report.Verified || w.Count(world.FileURL(version, path)) != 2 {
		t.Errorf("%s after %d requests: %+v", res.Verdict(), w.Count(world.FileURL(version, path)), res.Checks)
	}
	// Bad bytes that came whole are never asked for again.
	w = world.New(world.Options{})
	w.FlipBit(world.FileURL(version, path))
	root, dir = openDir(t)
	res = filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path))
	if res.Verdict() != refuted || w.Count(world.FileURL(version, path)) != 1 {
		t.Errorf("%s after %d requests", res.Verdict(), w.Count(world.FileURL(version, path)))
	}
	empty(t, dir)
}

// TestKeptBundleUnderPlainSigstore verifies what was kept with the library that
// any Sigstore client is made of, and none of our code.
func TestKeptBundleUnderPlainSigstore(t *testing.T) {
	const path = "bin/linux/amd64/kubectl"
	w := world.New(world.Options{})
	root, dir := openDir(t)
	if res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path)); res.Verdict() != report.Verified {
		t.Fatalf("%s %+v", res.Verdict(), res.Checks)
	}
	kept, err := bundle.LoadJSONFromPath(filepath.Join(dir, path+verify.BundleSuffix))
	if err != nil {
		t.Fatal(err)
	}
	material, err := sigroot.NewTrustedRootFromJSON(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	v, err := sigstore.NewVerifier(material, sigstore.WithSignedCertificateTimestamps(1), sigstore.WithTransparencyLog(1), sigstore.WithIntegratedTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	who, err := sigstore.NewShortCertificateIdentity("https://accounts.google.com", "", world.KrelStage, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		body []byte
		good bool
	}{"the file": {w.File(world.FileURL(version, path)), true}, "another": {[]byte("evil"), false}} {
		_, err := v.Verify(kept, sigstore.NewPolicy(sigstore.WithArtifact(bytes.NewReader(tt.body)), sigstore.WithCertificateIdentity(who)))
		if (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeptBundleSavesTheLookUp verifies downloads where no log can be asked:
// what was kept proves itself, and what was changed is as if it were not there.
func TestKeptBundleSavesTheLookUp(t *testing.T) {
	const path, log = "bin/linux/amd64/kubectl", "https://rekor.sigstore.dev/api/v1/log/entries/retrieve"
	w := world.New(world.Options{})
	root, dir := openDir(t)
	if res := filesOf(t, verifier(t, w), version).Download(t.Context(), root, target(path)); res.Verdict() != report.Verified {
		t.Fatalf("%s %+v", res.Verdict(), res.Checks)
	}
	name := filepath.Join(dir, path+verify.BundleSuffix)
	kept, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	other := world.New(world.Options{Seed: "another"})
	elsewhere, there := openDir(t)
	if res := filesOf(t, verifier(t, other), version).Download(t.Context(), elsewhere, target(path)); res.Verdict() != report.Verified {
		t.Fatalf("%s %+v", res.Verdict(), res.Checks)
	}
	foreign, err := os.ReadFile(filepath.Join(there, path+verify.BundleSuffix))
	if err != nil {
		t.Fatal(err)
	}
	set := regexp.MustCompile(`("signedEntryTimestamp":\s*")(.)`)
	for _, c := range []struct {
		name   string
		bundle []byte
		log    bool
		asked  int
		want   report.Verdict
	}{
		{"kept, no log", kept, false, 0, report.Verified},
		{"kept, and a log", kept, true, 0, report.Verified},
		{"its timestamp changed, no log", set.ReplaceAll(kept, []byte("${1}A")), false, 1, unknown},
		{"its timestamp changed", set.ReplaceAll(kept, []byte("${1}A")), true, 1, report.Verified},
		{"of another world, no log", foreign, false, 1, unknown},
		{"no bundle", []byte("{}"), true, 1, report.Verified},
		{"endless", bytes.Repeat([]byte(" "), 2<<20), false, 1, unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(name, c.bundle, 0o600); err != nil {
				t.Fatal(err)
			}
			w := w.Clone()
			v := verifier(t, w)
			// The documents' own look-ups are another matter: only this file's are refused.
			sum := sumsOf(w.File(world.FileURL(version, path))).SHA256
			asked := 0
			v.Fetch = &fetch.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.String() == log {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					r.Body = io.NopCloser(bytes.NewReader(body))
					if strings.Contains(string(body), sum) {
						if asked++; !c.log {
							return nil, errors.New("no route to the log")
						}
					}
				}
				return w.RoundTrip(r)
			})}
			rep, err := v.LocalFiles(t.Context(), []verify.LocalFile{{Root: root, Name: path, Shown: "./" + path}}, release.Version{})
			if err != nil {
				t.Fatal(err)
			}
			res := rep.Results[len(rep.Results)-1]
			if res.Verdict() != c.want || asked < c.asked || c.asked == 0 && asked > 0 {
				t.Errorf("%s after %d look-ups, want %s after %d: %+v", res.Verdict(), asked, c.want, c.asked, res.Checks)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAnchor: files may be demanded to rest on images that another identity signed.
func TestChecksOfImagesAreNotPassedOver(t *testing.T) {
	w := world.New(world.Options{})
	for _, name := range []string{report.VSA, report.Promotion, report.Staging, report.Provenance} {
		v := verifier(t, w)
		v.Require = []string{name}
		if _, err := v.Files(release.Version{Major: 1, Minor: 27, Patch: 2}); err == nil {
			t.Errorf("%s was accepted for files, which have none", name)
		}
	}
	v := verifier(t, w)
	v.Require = []string{report.Anchor}
	if _, err := v.Images(t.Context(), request(t, version)); err == nil {
		t.Error("anchor was accepted for images")
	}
}
