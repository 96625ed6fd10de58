package verify_test

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

// serveVersionAs serves all of v1.27.2 under a version that the world does not
// have: images, SBOM with its signature, CHANGELOG and promotion manifest.
func serveVersionAs(w *world.World, to string) {
	names, _ := w.Images(version)
	for _, name := range names {
		if strings.Contains(name, "pause") || strings.Contains(name, "etcd") || strings.Contains(name, "coredns") {
			continue
		}
		w.Tag(name+":"+to, w.Digest(name+":"+version))
		for _, arch := range w.Arches(version) {
			w.Tag(name+"-"+arch+":"+to, w.Digest(name+"-"+arch+":"+version))
		}
	}
	for _, suffix := range []string{"", ".sig", ".cert"} {
		w.PutFile(world.FileURL(to, "kubernetes-release.spdx"+suffix), w.File(world.SBOMURL(version)+suffix))
	}
	v, err := release.ParseVersion(to)
	if err != nil {
		panic(err)
	}
	w.PutFile(v.ChangelogURL(), bytes.ReplaceAll(w.File(world.ChangelogURL(version)), []byte(version), []byte(to)))
}

// Rules 2 and 9: a genuine release under the name of one that never was, or that
// the policy knows nothing of.
func TestHostileVersions(t *testing.T) {
	built := world.New(world.Options{})
	for _, v := range []string{"v1.27.20", "v1.27.2-rc.1", "v1.27.3-alpha.0", "v1.99.0", "v1.23.4", "v1.0.0", "v2.0.0", "v2.27.2", "v9999.9999.9999"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			for name, do := range map[string]func(w *world.World) http.RoundTripper{
				"nothing is there":      func(w *world.World) http.RoundTripper { return w },
				"all of v1.27.2":        func(w *world.World) http.RoundTripper { serveVersionAs(w, v); return w },
				"all of it, carried in": func(w *world.World) http.RoundTripper { serveVersionAs(w, v); return carried(w) },
			} {
				for _, checks := range [][]string{nil, {report.Digest, report.Signature, report.Reference, report.Binding}} {
					w := built.Clone()
					verifier := verifier(t, w)
					verifier.Fetch.Transport = do(w)
					verifier.Checks = checks
					rep, err := verifier.Images(t.Context(), request(t, v))
					if err != nil {
						t.Fatal(err)
					}
					whole(t, rep)
					if rep.Verdict() == report.Verified {
						t.Errorf("%s: verified", name)
					}
				}
			}
		})
	}
}

// Rules 1, 8 and 21: names that nearly are those of a release.
func TestHostileReferences(t *testing.T) {
	built := world.New(world.Options{})
	d := func(ref string) string { return built.Digest(ref) }
	for _, tt := range []struct{ ref, serve string }{
		{"kube-proxy:latest", proxy}, {"kube-proxy:v1.27.02", proxy}, {"kube-proxy:v01.27.2", proxy}, {"kube-proxy:1.27.2", proxy},
		{"kube-proxy:v1.27.2-rc.1", proxy}, {"kube-proxy:v1.27.2_build", proxy}, {"kube-proxy:V1.27.2", proxy}, {"kube-proxy:v1.27", proxy},
		{"kube-proxy:v1.27.2.", proxy}, {"kube-proxy:v2.27.2", proxy}, {"kube-proxy:v1.99.0", proxy},
		{"kube-proxy:v1.27.2", "kube-proxy:v1.27.1"},
		{"kube-proxy-amd64:v1.27.2", "kube-proxy-arm64:v1.27.2"},
		{"kube-proxy-amd64:v1.27.2", "kube-proxy-amd64:v1.27.1"},
		{"kube-proxy-amd64:v1.27.2", proxy},
		{"kube-proxy-arm:v1.27.2", "kube-proxy-arm64:v1.27.2"},
		{"kube-proxy:latest@" + d("kube-proxy:v1.27.1"), ""},
		{"kube-proxy:v1.27.1@" + d(proxy), ""},
		{"kube-proxy:v1.27.1@" + d("kube-proxy-arm64:"+version), ""},
		{"kube-scheduler:v1.27.2@" + d("kube-proxy-arm64:"+version), ""},
		{"kube-proxy-amd64:v1.27.2@" + d(proxy), ""},
		{"kube-scheduler@" + d(proxy), ""},
		{"kube-proxy-amd64@" + d("kube-proxy-arm64:"+version), ""},
		{"kubernetes/kube-proxy:v1.27.2", proxy},
		{"kube-proxy/kube-proxy:v1.27.2", proxy},
		{"etcd:3.5.8-0", "etcd:3.5.7-0"}, {"coredns:v1.10.1", "coredns/coredns:v1.10.1"}, {"coredns/coredns:v1.10.2", "coredns/coredns:v1.10.1"},
		{"pause:3.9", "etcd:3.5.7-0"}, {"pause:3.10", "pause:3.9"},
	} {
		t.Run(tt.ref, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			if tt.serve != "" {
				graft(w, tt.ref, tt.serve)
			}
			if repo, digest, ok := strings.Cut(tt.ref, "@"); ok {
				repo, _, _ = strings.Cut(repo, ":")
				for _, name := range []string{"kube-proxy", "kube-proxy-arm64"} {
					if m, found := w.Manifest(name + "@" + digest); found {
						w.PutManifest(repo, m)
					}
					if m, found := w.Manifest(name + ":" + strings.Replace(digest, ":", "-", 1) + ".sig"); found {
						w.PutManifest(repo, m, strings.Replace(digest, ":", "-", 1)+".sig")
					}
				}
			}
			ref, err := registry.ParseRef("registry.k8s.io/" + tt.ref)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := verifier(t, w).References(t.Context(), []registry.Ref{ref})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}

// graft serves a manifest, its children and all signatures under another name.
func graft(w *world.World, as, is string) {
	from, _, _ := strings.Cut(is, ":")
	to, tag, _ := strings.Cut(as, ":")
	m, _ := w.Manifest(is)
	w.PutManifest(to, m, tag)
	digests := []string{m.Digest()}
	for _, field := range strings.Split(string(m.Body), `"`) {
		if strings.HasPrefix(field, "sha256:") {
			digests = append(digests, field)
		}
	}
	for _, digest := range digests {
		if child, ok := w.Manifest(from + "@" + digest); ok {
			w.PutManifest(to, child)
		}
		sig := strings.Replace(digest, ":", "-", 1) + ".sig"
		if m, ok := w.Manifest(from + ":" + sig); ok {
			w.PutManifest(to, m, sig)
		}
	}
}

// Rules 2, 3 and 26: a filter never makes proved what is not there, and what it
// leaves out is in the report.
func TestHostileFilters(t *testing.T) {
	built := world.New(world.Options{})
	for name, tt := range map[string]struct {
		do            func(w *world.World)
		names, arches []string
		checks        []string
	}{
		"the architecture is dropped": {func(w *world.World) { w.DropPlatform(version, "kube-proxy", "arm64"); w.SignAs(proxy, world.Signing{}) },
			[]string{"kube-proxy"}, []string{"arm64"}, nil},
		"the image is dropped":           {func(w *world.World) { w.DropImage(version, "kube-proxy") }, []string{"kube-proxy"}, nil, nil},
		"the image is dropped, partial":  {func(w *world.World) { w.DropImage(version, "kube-proxy") }, []string{"kube-proxy"}, nil, []string{report.Digest, report.Signature}},
		"an architecture of the future":  {func(w *world.World) { addArch(w, "riscv64") }, nil, []string{"riscv64"}, nil},
		"an image that only a list has":  {func(w *world.World) { addImage(w, "kube-nothing") }, []string{"kube-nothing"}, nil, nil},
		"it and one that is":             {func(w *world.World) { addImage(w, "kube-nothing") }, []string{"kube-proxy", "kube-nothing"}, nil, nil},
		"a swapped image, partial":       {func(w *world.World) { w.ServeAs("v1.27.1", version, "kube-proxy") }, []string{"kube-proxy"}, []string{"amd64"}, nil},
		"a platform of another, partial": {func(w *world.World) { w.SwapArch(version, "kube-proxy", "amd64", "arm64") }, nil, []string{"amd64"}, []string{report.Digest, report.Signature}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.do(w)
			v := verifier(t, w)
			v.Checks = tt.checks
			req := request(t, version)
			req.Names, req.Arches = tt.names, tt.arches
			rep, err := v.Images(t.Context(), req)
			var usage *verify.UsageError
			if errors.As(err, &usage) {
				return
			}
			whole(t, rep)
			if rep.Verdict() == report.Verified {
				t.Error("verified")
			}
			if !slices.Equal(rep.Scope.Names, tt.names) || !slices.Equal(rep.Scope.Platforms, tt.arches) || rep.Scope.Partial != (tt.checks != nil) {
				t.Errorf("the report does not say what was asked: %+v", rep.Scope)
			}
		})
	}
}

func addArch(w *world.World, arch string) {
	url := world.ChangelogURL(version)
	w.PutFile(url, bytes.ReplaceAll(w.File(url), []byte(version+"](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/conformance) | "),
		[]byte(version+"](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/conformance) | ["+arch+"](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/conformance-"+arch+"), ")))
}

func addImage(w *world.World, name string) {
	url := world.ChangelogURL(version)
	row := "[registry.k8s.io/conformance:" + version + "]"
	w.PutFile(url, bytes.Replace(w.File(url), []byte(row), []byte("[registry.k8s.io/"+name+":"+version+"](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/"+name+") | [amd64](https://console.cloud.google.com/gcr/images/k8s-artifacts-prod/us/"+name+"-amd64)\n"+row), 1))
}

// Rule 1: a transport that panics costs what it was asked for, and no verdict.
func TestHostilePanics(t *testing.T) {
	built := world.New(world.Options{})
	for _, pattern := range []string{"/kube-proxy/manifests/", "/kube-proxy-arm64/", ".sig", "/blobs/", "sbom.k8s.io", "raw.githubusercontent.com", "rekor"} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			v := verifier(t, w)
			v.Fetch.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.String(), pattern) {
					panic("hostile")
				}
				return w.RoundTrip(r)
			})
			rep, err := v.Images(t.Context(), request(t, version))
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() == report.Verified {
				t.Error("verified")
			}
		})
	}
}
