package verify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// pinned is a digest beside a tag, or alone, that is not an index's.
type pinned struct {
	name    string
	ref     func(w *world.World) string
	do      func(w *world.World)
	carried bool
	want    report.Verdict
	check   string // of the row of the index; empty is digest
	says    string // part of its detail
}

func configOf(w *world.World, ref string) string {
	m, _ := w.Manifest(ref)
	var img struct{ Config struct{ Digest string } }
	if err := json.Unmarshal(m.Body, &img); err != nil || img.Config.Digest == "" {
		panic(fmt.Sprintf("%s has no config: %v", ref, err))
	}
	return img.Config.Digest
}

func pinnedForms() []pinned {
	nothing := func(*world.World) {}
	at := func(name, of string) func(*world.World) string {
		return func(w *world.World) string { return name + "@" + w.Digest(of) }
	}
	child := at(proxy, "kube-proxy-arm64:"+version)
	alone := at("kube-proxy", "kube-proxy-arm64:"+version)
	const older = "v1.27.1"
	firstChild := func(w *world.World, ref string) string {
		m, _ := w.Manifest(ref)
		var list struct{ Manifests []struct{ Digest string } }
		if err := json.Unmarshal(m.Body, &list); err != nil {
			panic(err)
		}
		return list.Manifests[0].Digest
	}
	unsigned := func(w *world.World) { w.DropSignature(proxy) }
	return []pinned{
		// Genuine.
		{"a platform's own digest beside the tag", child, nothing, false, report.Verified, "", ""},
		{"the same, carried in: bound by the signed SBOM", child, nothing, true, report.Verified, report.Binding, "signed index names 1"},
		{"a platform's own digest alone", alone, nothing, false, report.Verified, "", ""},
		{"the same, the promotion manifest a hint", alone, nothing, true, report.Verified, report.Binding, "signed index names 1"},
		{"a platform in its own repository", at("kube-proxy-arm64:"+version, "kube-proxy-arm64:"+version), nothing, false, report.Verified, "", ""},
		{"an index beside its tag", at(proxy, proxy), nothing, false, report.Verified, "", ""},
		{"an index alone", at("kube-proxy", proxy), nothing, false, report.Verified, "", ""},
		{"a platform of pause", func(w *world.World) string { return "pause:3.9@" + firstChild(w, "pause:3.9") }, nothing, false, report.Verified, "", ""},
		{"a platform of coredns", func(w *world.World) string {
			return "coredns/coredns:v1.10.1@" + firstChild(w, "coredns/coredns:v1.10.1")
		}, nothing, false, report.Verified, "", ""},
		// Attacks.
		{"a child of another version's index", at(proxy, "kube-proxy-arm64:"+older), nothing, false, refuted, "", "none of the 4 platforms"},
		{"the same, carried in", at(proxy, "kube-proxy-arm64:"+older), nothing, true, refuted, "", "none of the 4 platforms"},
		{"the same, and the index is not signed", at(proxy, "kube-proxy-arm64:"+older), unsigned, false, unknown, "", "not verified itself"},
		{"a child of another image's index", at(proxy, "kube-scheduler-arm64:"+version), func(w *world.World) {
			m, _ := w.Manifest("kube-scheduler-arm64:" + version)
			w.PutManifest("kube-proxy", m)
		}, false, refuted, "", "none of the 4 platforms"},
		{"a child that is nowhere", func(*world.World) string { return proxy + "@sha256:" + strings.Repeat("0", 64) }, nothing, false, refuted, "", "none of the 4 platforms"},
		{"a child of no platform", func(w *world.World) string {
			plant(w, version, "kube-proxy", withUnknown(w))
			m, _ := w.Manifest(proxy)
			at := bytes.LastIndex(m.Body, []byte("sha256:"))
			return proxy + "@" + string(m.Body[at:at+71])
		}, nothing, false, refuted, "", "none of its platforms"},
		{"the tag cannot be read", child, func(w *world.World) { w.Status(proxy, 500) }, false, unknown, "", "500"},
		{"the tag is not there", child, func(w *world.World) { w.Status(proxy, 404) }, false, unknown, "", "404"},
		{"the tag is that one manifest", child, func(w *world.World) {
			m, _ := w.Manifest("kube-proxy-arm64:" + version)
			w.PutManifest("kube-proxy", m, version)
		}, false, refuted, "", "one manifest"},
		{"the index is not signed", child, unsigned, false, unknown, report.Signature, "no signature"},
		{"the index is of another version, with this child in it", child, func(w *world.World) {
			w.ServeAs(older, version, "kube-proxy")
		}, false, refuted, "", ""},
		{"a child whose config says another platform", child, func(w *world.World) {
			w.ChangeConfig(version, "kube-proxy", "arm64", world.UpwardPromoted, func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"architecture":"arm64"`), []byte(`"architecture":"amd64"`), 1)
			})
			w.SignAs(proxy, world.Signing{})
		}, false, refuted, "", ""},
		{"a child of another architecture in a repository of one", at("kube-proxy-amd64:"+version, "kube-proxy-arm64:"+version), nothing, false, refuted, "", ""},
		{"a child under another architecture's name", child, func(w *world.World) { w.SwapArch(version, "kube-proxy", "arm64", "amd64") }, false, refuted, "", ""},
		{"alone, and the hint is a lie", alone, func(w *world.World) {
			promoteAs(w, w.Digest("kube-proxy-arm64:"+older), "sha256:"+strings.Repeat("1", 64))
			promoteAs(w, w.Digest("kube-proxy-arm64:"+version), w.Digest("kube-proxy-arm64:"+older))
			promoteAs(w, "sha256:"+strings.Repeat("1", 64), w.Digest("kube-proxy-arm64:"+version))
		}, true, refuted, "", "which is not verified itself"},
		{"alone, carried in, and no SBOM", alone, func(w *world.World) { w.Status(world.SBOMURL(version)+"*", 404) }, true, unknown, report.Binding, "carried here"},
		{"another image's child alone", at("kube-proxy", "kube-scheduler-arm64:"+version), func(w *world.World) {
			m, _ := w.Manifest("kube-scheduler-arm64:" + version)
			w.PutManifest("kube-proxy", m)
		}, false, unknown, "", ""},
		// Image ids.
		{"an image id beside the tag", func(w *world.World) string { return proxy + "@" + configOf(w, "kube-proxy-arm64:"+version) }, nothing, false, unknown, "", "image id"},
		{"an image id alone", func(w *world.World) string { return "kube-proxy@" + configOf(w, "kube-proxy-arm64:"+version) }, nothing, false, unknown, "", "image id"},
		{"a digest alone that is nowhere", func(*world.World) string { return "kube-proxy@sha256:" + strings.Repeat("0", 64) }, nothing, false, unknown, "", "404"},
	}
}

// Rules 20 and 21: a platform's digest beside a tag, or alone, is judged with the
// index that names it, and only if that index names it.
func TestPinnedPlatforms(t *testing.T) {
	built := world.New(world.Options{})
	for _, tt := range pinnedForms() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			name := tt.ref(w)
			tt.do(w)
			ref, err := registry.ParseRef("registry.k8s.io/" + name)
			if err != nil {
				t.Fatal(err)
			}
			v := verifier(t, w)
			if tt.carried {
				v.Fetch.Transport = carried(w)
			}
			rep, err := v.References(t.Context(), []registry.Ref{ref})
			if err != nil {
				t.Fatal(err)
			}
			whole(t, rep)
			if rep.Verdict() != tt.want {
				t.Fatalf("%s, want %s\n%s", rep.Verdict(), tt.want, failures(rep))
			}
			check := tt.check
			if check == "" {
				check = report.Digest
			}
			for _, res := range rep.Results {
				if c, ok := res.Check(check); ok && res.Kind == "image" && res.Platform == "" && !strings.Contains(c.Detail, tt.says) {
					t.Errorf("%s says %q, want %q", check, c.Detail, tt.says)
				}
			}
		})
	}
}

// Both results stand: the index and the platform, under the name that was given.
func TestPinnedPlatformIsReportedWithItsIndex(t *testing.T) {
	w := world.New(world.Options{})
	child := w.Digest("kube-proxy-arm64:" + version)
	for _, ref := range []registry.Ref{
		{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: version, Digest: oci.Digest(child)},
		{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(child)},
	} {
		rep, err := verifier(t, w).References(t.Context(), []registry.Ref{ref})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, res := range rep.Results {
			if res.Kind == "image" && res.Subject == ref.String() && res.Release == version {
				got[res.Platform] = res.Digest
			}
		}
		if len(got) != 2 || got[""] != w.Digest(proxy) || got["linux/arm64"] != child {
			t.Errorf("%s: %v", ref, got)
		}
		if len(rep.Releases) != 1 || rep.Releases[0] != version {
			t.Errorf("%s: releases %v", ref, rep.Releases)
		}
	}
}

// Rule 1: each platform costs some four requests, signed or not. What the
// promotion manifest says of the index is said all the same.
func TestPlatformsAreCappedBeforeAnyRequest(t *testing.T) {
	w := world.New(world.Options{}).Clone()
	old, _ := w.Manifest(proxy)
	body := edited(func(_ object, manifests []any) []any {
		for i := range 1000 {
			manifests = append(manifests, object{"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "size": 1000,
				"digest": fmt.Sprintf("sha256:%064x", i), "platform": object{"os": "linux", "architecture": "amd64", "variant": fmt.Sprint("v", i)}})
		}
		return manifests
	})(old.Body)
	w.PutManifest("kube-proxy", world.Manifest{MediaType: old.MediaType, Body: body}, version)
	w.PutManifest("spam/spam", world.Manifest{MediaType: old.MediaType, Body: body}, "v1")
	for name, want := range map[string]report.Verdict{"kube-proxy:" + version: refuted, "spam/spam:v1": unknown} {
		w := w.Clone()
		ref, err := registry.ParseRef("registry.k8s.io/" + name)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := verifier(t, w).References(t.Context(), []registry.Ref{ref})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(w.Requests()); n > 80 || rep.Verdict() != want || !strings.Contains(failures(rep), "more than the 64") {
			t.Errorf("%s: %d requests, %s\n%s", name, n, rep.Verdict(), failures(rep))
		}
	}
}

// Who asks for fewer checks has a platform's digest alone judged with its index too,
// and no version of what nobody bound.
func TestPlatformByDigestWithFewerChecks(t *testing.T) {
	w := world.New(world.Options{})
	ref := registry.Ref{Host: "registry.k8s.io", Repository: "kube-proxy", Digest: oci.Digest(w.Digest("kube-proxy-arm64:" + version))}
	v := verifier(t, w)
	v.Checks = []string{report.Digest, report.Signature}
	rep, err := v.References(t.Context(), []registry.Ref{ref})
	if err != nil || rep.Verdict() != report.Verified || !rep.Scope.Partial {
		t.Fatalf("%v %s\n%s", err, rep.Verdict(), failures(rep))
	}
	for _, res := range rep.Results {
		if res.Release != "" {
			t.Errorf("%s: said to be of %s", res.Subject, res.Release)
		}
	}
}
