package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// audited is a mirror as it was made, with what it was made of.
func audited(t *testing.T, change func(tree, *layout.Manifest, made)) (a *audit, p made) {
	t.Helper()
	f := listedMirror(t, func(f tree, m *layout.Manifest, of made) {
		if p = of; change != nil {
			change(f, m, of)
		}
	}, nil)
	return &audit{dir: f.open(t), sizes: map[string]int64{}, listed: map[string]bool{}, absent: map[string][]string{}}, p
}

// What an audit counts is what is there, each thing once.
func TestAuditCounts(t *testing.T) {
	a, p := audited(t, nil)
	a.walk(t.Context())
	a.lists()
	a.contents(t.Context(), nil)
	a.files(t.Context(), nil, nil)
	var want int64
	for name, size := range a.sizes {
		if strings.HasPrefix(name, "oci/blobs/") || strings.HasPrefix(name, "files/") {
			want += size
		}
	}
	if a.blobs != 4 || a.bytes != want || want == 0 {
		t.Errorf("%d blobs, %d bytes of %d", a.blobs, a.bytes, want)
	}
	if !reflect.DeepEqual(a.absent, map[string][]string{string(p.index): {"linux/arm64"}}) {
		t.Errorf("absent: %v", a.absent)
	}
	for name := range a.sizes {
		if !a.listed[name] {
			t.Errorf("%s is not accounted for", name)
		}
	}
}

// An audit that is interrupted knows less, and accuses nobody.
func TestInterruptedAudit(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	a, _ := audited(t, nil)
	a.walk(ended)
	if len(a.findings) != 1 || a.findings[0].verdict != report.Unknown || a.findings[0].reason != report.Interrupted {
		t.Errorf("a walk: %v", a.findings)
	}
	a, p := audited(t, nil)
	a.walk(t.Context())
	a.lists()
	if err := a.hash(ended, p.layer, layout.Unpacked{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a blob: %v", err)
	}
	if err := a.hash(t.Context(), p.other, layout.Unpacked{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a blob that has gone: %v", err)
	}
	a.contents(ended, nil)
	a.files(ended, nil, nil)
	if len(a.findings) != 6 {
		t.Errorf("of 4 blobs and 2 files: %v", a.findings)
	}
	for _, f := range a.findings {
		if f.verdict != report.Unknown || f.reason != report.Interrupted {
			t.Errorf("%v", f)
		}
	}
	if err := a.file(ended, binary); !errors.Is(err, context.Canceled) {
		t.Errorf("a file: %v", err)
	}
	if err := a.file(t.Context(), "https://../x"); err == nil || !strings.Contains(err.Error(), "is not a URL of a mirror") {
		t.Errorf("a file outside: %v", err)
	}
}

// Of what nothing accounts for is said what takes it away: the run that left it, or prune.
func TestWhatIsNotAccountedFor(t *testing.T) {
	stray := "oci/blobs/sha256/" + sum("stray")
	f := listedMirror(t, nil, func(f tree, _ made) {
		f["oci/blobs/sha256/.x.kverify-part"], f["files/.x.kverify-part.json"], f["files/.x"], f[stray] = "", "", "", "stray"
	})
	a, _ := auditOf(t, f, made{})
	got := map[string]string{}
	for _, one := range a.findings {
		got[one.what] = one.detail
	}
	want := map[string]string{"oci/blobs/sha256/.x.kverify-part": "a run that was interrupted left it", "files/.x.kverify-part.json": "a run that was interrupted left it",
		"files/.x": "MANIFEST.json does not list it", stray: "no name of oci/index.json reaches it"}
	for name, text := range want {
		if !strings.HasPrefix(got[name], text) {
			t.Errorf("%s: %q", name, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%q", got)
	}
}

// A mirror's own result tells what was found by its kind: what contradicts is of its
// bytes, and what is missing of its inventory.
func TestResultsOfFindings(t *testing.T) {
	for name, tt := range map[string]struct {
		verdicts          []report.Verdict
		inventory, digest report.Verdict
	}{
		"nothing":      {nil, report.Verified, report.Verified},
		"one missing":  {[]report.Verdict{report.Unknown}, report.Unknown, report.Verified},
		"one wrong":    {[]report.Verdict{report.Refuted}, report.Verified, report.Refuted},
		"one of each":  {[]report.Verdict{report.Refuted, report.Unknown}, report.Unknown, report.Refuted},
		"all of them":  {slices.Repeat([]report.Verdict{report.Unknown}, MaxFindings), report.Unknown, report.Verified},
		"two too many": {slices.Repeat([]report.Verdict{report.Refuted}, MaxFindings+2), report.Verified, report.Refuted},
	} {
		a, _ := audited(t, nil)
		for _, v := range tt.verdicts {
			a.note("x", v, report.Mismatch, "it is so")
		}
		out := a.results()
		inventory, _ := out[0].Check(report.Inventory)
		digest, _ := out[0].Check(report.Digest)
		if !inventory.Required || !digest.Required || inventory.Verdict != tt.inventory || digest.Verdict != tt.digest || (inventory.Reason == "") != (tt.inventory == report.Verified) || (digest.Reason == "") != (tt.digest == report.Verified) {
			t.Errorf("%s: %v, %v", name, inventory, digest)
		}
		if more := len(tt.verdicts) - MaxFindings; len(out) != 1+min(len(tt.verdicts), MaxFindings) || strings.Contains(fmt.Sprint(out[0].Notes), "more findings") != (more > 0) {
			t.Errorf("%s: %d results, %v", name, len(out), out[0].Notes)
		}
		for i, r := range out[1:] {
			want := report.Inventory
			if tt.verdicts[i] == report.Refuted {
				want = report.Digest
			}
			if c, made := r.Check(want); !made || c.Verdict != tt.verdicts[i] || !c.Required {
				t.Errorf("%s: %v", name, r)
			}
		}
	}
}

// A name is accounted for by the digest that was admitted for it, or it belongs to what is
// not verified and has its verdict; a listed name alone proves nothing.
func TestNamesThatNothingAccountsFor(t *testing.T) {
	attached := func(p made) string { return "registry.k8s.io/kube-proxy:sha256-" + p.index.Hex() + ".sig" }
	const referrer, last = "registry.k8s.io/kube-proxy:referrer", "registry.k8s.io/kube-proxy:z"
	for _, tt := range []struct {
		name    string
		known   func(p made) map[string]oci.Digest
		results func(p made) []report.Result
		want    []string // that are told of: the image, its signature, what refers to it, and another
	}{
		{"nothing", nil, nil, []string{"image", "signature", referrer, last}},
		{"the image", func(p made) map[string]oci.Digest { return map[string]oci.Digest{proxy: p.index} }, nil, []string{"signature", referrer, last}},
		{"another digest of its name", func(p made) map[string]oci.Digest { return map[string]oci.Digest{proxy: p.image} }, nil, []string{"image", "signature", referrer, last}},
		{"an image that is not verified", nil, func(p made) []report.Result {
			return []report.Result{{Kind: report.KindImage, Subject: proxy, Digest: string(p.index)}}
		}, []string{last}},
		{"an image of another name and of its digest", nil, func(p made) []report.Result {
			return []report.Result{{Kind: report.KindImage, Subject: "x", Digest: string(p.index)}}
		}, []string{last}},
		{"one that could not be fetched", nil, func(made) []report.Result { return []report.Result{{Kind: report.KindImage, Subject: proxy}} }, []string{"signature", referrer, last}},
		{"one that could not be fetched, and a file of its name", nil, func(p made) []report.Result {
			return []report.Result{{Kind: report.KindImage, Subject: proxy}, {Kind: report.KindFile, Subject: proxy, Digest: string(p.index)}}
		}, []string{"signature", referrer, last}},
		{"one of another name, seen as this", nil, func(made) []report.Result {
			return []report.Result{{Kind: report.KindImage, Subject: "x", SeenAs: []string{proxy}}}
		}, []string{"signature", referrer, last}},
		{"a file of that name", nil, func(p made) []report.Result {
			return []report.Result{{Kind: report.KindFile, Subject: proxy, Digest: string(p.index)}}
		}, []string{"image", "signature", referrer, last}},
		{"an image that is verified", nil, func(p made) []report.Result {
			return []report.Result{{Kind: report.KindImage, Subject: proxy, Digest: string(p.index), Checks: []report.Check{{Required: true, Verdict: report.Verified}}}}
		}, []string{"image", "signature", referrer, last}},
	} {
		a, p := audited(t, func(f tree, m *layout.Manifest, p made) {
			add := func(name, text string) {
				digest, size := f.blob(text)
				m.Images = append(m.Images, layout.ImageEntry{Name: name, Digest: oci.Digest(digest), MediaType: ociType, Size: int64(size)})
			}
			add(attached(p), manifestOf("", "", 1))
			add(referrer, manifestOf("application/x", string(p.index), 2))
			add(last, manifestOf("", "", 3))
		})
		known := map[string]oci.Digest{}
		if tt.known != nil {
			known = tt.known(p)
		}
		var results []report.Result
		if tt.results != nil {
			results = tt.results(p)
		}
		a.unaccountedNames(&accounted{names: known}, results)
		var got []string
		for _, f := range a.findings {
			got = append(got, map[string]string{proxy: "image", attached(p): "signature"}[f.what])
			if got[len(got)-1] == "" {
				got[len(got)-1] = f.what
			}
			if f.verdict != report.Unknown || f.reason != report.NoClaim {
				t.Errorf("%s: %v", tt.name, f)
			}
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

const ociType = "application/vnd.oci.image.manifest.v1+json"

// manifestOf is a manifest that may refer to another.
func manifestOf(artifactType, subject string, n int) string {
	more := ""
	if artifactType != "" {
		more = fmt.Sprintf(`,"artifactType":%q`, artifactType)
	}
	if subject != "" {
		more += `,"subject":` + desc(listType, subject, 1, "")
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[],"annotations":{"n":"%d"}%s}`, ociType,
		desc("application/vnd.oci.empty.v1+json", "sha256:"+sum("{}"), 2, ""), n, more)
}

// A file belongs to a release that was judged, stands beside one that does, or is a
// document that a verdict may rest on: of that release, and of the images asked for.
func TestFilesThatNothingAccountsFor(t *testing.T) {
	version := release.Version{Major: 1, Minor: 27, Patch: 2}
	a, _ := audited(t, func(f tree, m *layout.Manifest, _ made) {
		m.Scope = []layout.Scope{{Release: "v1.27.2", Also: []string{"registry.k8s.io/sig-storage/csi-attacher:v4.3.0", "no reference!"}}}
		for _, url := range []string{release.PromotionURL("sig-storage/csi-attacher"), release.PromotionURL("ingress-nginx/controller"), version.ChangelogURL(),
			release.MarkerURL("stable-1.27"), release.MarkerURL("stable-1.26"), binary + ".sha256", beside + ".sha256", binary + ".zip", version.FileURL("SHA256SUMS") + ".sig"} {
			f[layout.FilePath(url)] = "x"
			m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum("x"), Size: 1})
		}
	})
	a.walk(t.Context())
	a.unaccountedFiles(&accounted{files: map[string]bool{binary: true}}, []release.Version{version})
	var got []string
	for _, f := range a.findings {
		got = append(got, "https://"+strings.TrimPrefix(f.what, "files/"))
		if f.verdict != report.Unknown || f.reason != report.NoClaim {
			t.Errorf("%v", f)
		}
	}
	want := []string{beside, beside + ".sha256", binary + ".zip", release.MarkerURL("stable-1.26"), release.PromotionURL("ingress-nginx/controller")}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	// Of what is there and not listed, the list says nothing; without a list it is what is there.
	listed, list := a.urls(), a.dir.manifest
	a.dir.manifest = nil
	if bare := a.urls(); !slices.Equal(listed, bare) || slices.Contains(bare, "https://") {
		t.Errorf("%q\nwithout the list %q", listed, bare)
	}
	a.sizes["files/dl.k8s.io/unlisted"] = 1
	delete(a.sizes, layout.FilePath(binary))
	if bare := a.urls(); !slices.Contains(bare, "https://dl.k8s.io/unlisted") || slices.Contains(bare, binary) {
		t.Errorf("without a list it is not what is there: %q", bare)
	}
	a.dir.manifest = list
	if again := a.urls(); !slices.Equal(again, listed) {
		t.Errorf("with a list it is what is there: %q", again)
	}
}

// A tag that hangs something on a digest is not an image of its own.
func TestAttachedTags(t *testing.T) {
	hex := sum("x")
	for tag, want := range map[string]bool{"sha256-" + hex: true, "sha256-" + hex + ".sig": true, "sha256-" + hex[1:]: false, "sha256-" + strings.ToUpper(hex): false,
		"sha256-" + hex[1:] + "z": false, "v1.27.2": false, "": false, "sha256-": false, hex: false} {
		if got := (HeldImage{Tag: tag}).IsAttached(); got != want {
			t.Errorf("%q: %v", tag, got)
		}
	}
}

// Every runtime is told in its own words, and leads to the registry alone.
func TestNodeForms(t *testing.T) {
	parse := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := map[string]string{"containerd": "# /etc/containerd/certs.d/registry.k8s.io/hosts.toml\n", "crio": "# /etc/containers/registries.conf.d/", "kubeadm": "# kubeadm init --config FILE\n",
		"docker": "#!/bin/sh\n", "k3s": "# /etc/rancher/k3s/registries.yaml", "talos": "# A document of Talos Linux"}
	held := []registry.Ref{{Host: "registry.k8s.io", Repository: "pause", Tag: "3.9"}, {Host: "registry.k8s.io", Repository: "etcd", Tag: "3.5.7-0"}}
	for form, want := range first {
		for _, n := range []NodeConfig{{Registry: parse("https://inside.example.com/k8s")}, {Registry: parse("https://inside.example.com"), CA: "/etc/ca.crt"}, {Registry: parse("http://inside.example.com:5000"), Images: held}} {
			text, err := n.Config(form)
			if err != nil || !strings.HasPrefix(text, want) || !strings.Contains(text, "inside.example.com") || n.CA != "" && form != "kubeadm" && !strings.Contains(text, n.CA) {
				t.Errorf("%s: %v: %s", form, err, text)
			}
			insecure := form == "crio" && strings.Contains(text, "insecure = true") || form == "docker" && strings.Contains(text, "insecure-registries")
			if insecure != (n.plain() && (form == "crio" || form == "docker")) {
				t.Errorf("%s of %s: %s", form, n.Registry, text)
			}
			if absent := strings.Contains(text, "does not hold coredns/coredns,"); form == "kubeadm" && absent != (n.Images != nil) || strings.Contains(text, "does not hold pause") {
				t.Errorf("%s with %v: %s", form, n.Images, text)
			}
		}
		if text, err := (NodeConfig{Registry: parse("https://inside.example.com"), Images: held}).Config(form); err != nil || strings.Contains(text, "registry.k8s.io/pause:3.9") != slices.Contains([]string{"containerd", "crio", "docker"}, form) || strings.Contains(text, "pause:3.5") {
			t.Errorf("%s with pause: %v: %s", form, err, text)
		}
		if _, err := (NodeConfig{Registry: parse("https://inside.example.com"), CA: "/etc/our ca.crt"}).Config(form); err != nil {
			t.Errorf("%s with a space: %v", form, err)
		}
		for name, n := range map[string]NodeConfig{"a CA that deletes": {Registry: parse("https://inside.example.com"), CA: "/etc/ca\x7f.crt"}, "a CA without TLS": {Registry: parse("http://inside.example.com"), CA: "/etc/ca.crt"}, "a CA of two lines": {Registry: parse("https://inside.example.com"), CA: "/etc/ca\n.crt"}} {
			if text, err := n.Config(form); err == nil || text != "" {
				t.Errorf("%s: %s: %s", form, name, text)
			}
		}
	}
	if _, err := (NodeConfig{Registry: parse("https://inside.example.com")}).Config("rkt"); err == nil {
		t.Error("a form that is not there")
	}
}
