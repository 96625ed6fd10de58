package mirror

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// parts of a mirror that has all of its lists.
type parts2 struct{ index, image, config, layer, other oci.Digest }

const (
	proxy  = "registry.k8s.io/kube-proxy:v1.27.2"
	arm    = "registry.k8s.io/kube-proxy-arm64:v1.27.2"
	binary = "https://dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"
	beside = "https://dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl"
)

// listedMirror is a mirror with MANIFEST.json and its checksums: an image of a platform, of
// which the index names another that is not there, and two files. before changes what it
// is made of, after what was made.
func listedMirror(t *testing.T, before func(tree, *layout.Manifest, parts2), after func(tree, parts2)) tree {
	t.Helper()
	f := tree{"oci/oci-layout": `{"imageLayoutVersion":"1.0.0"}`}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte("a layer"))
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	config, configSize := f.blob(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:` + sum("a layer") + `"]}}`)
	layer, layerSize := f.blob(packed.String())
	image, imageSize := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, imageType,
		desc("application/vnd.docker.container.image.v1+json", config, configSize, ""),
		desc("application/vnd.docker.image.rootfs.diff.tar.gzip", layer, layerSize, "")))
	absent := "sha256:" + sum("of another platform")
	index, indexSize := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s]}`, listType,
		desc(imageType, image, imageSize, `,"platform":{"os":"linux","architecture":"amd64"}`),
		desc(imageType, absent, 100, `,"platform":{"os":"linux","architecture":"arm64"}`)))
	m := &layout.Manifest{SchemaVersion: 1, Created: "2023-05-17T15:00:00Z", Sums: layout.SumsFile,
		Images: []layout.ImageEntry{{Name: proxy, Digest: oci.Digest(index), MediaType: listType, Size: int64(indexSize)}}}
	for url, text := range map[string]string{binary: "one", beside: "two"} {
		f[layout.FilePath(url)] = text
		m.Files = append(m.Files, layout.FileEntry{URL: url, SHA256: sum(text), Size: int64(len(text))})
	}
	p := parts2{oci.Digest(index), oci.Digest(image), oci.Digest(config), oci.Digest(layer), oci.Digest(absent)}
	if before != nil {
		before(f, m, p)
	}
	list, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	names, err := m.Index()
	if err != nil {
		t.Fatal(err)
	}
	f[layout.ManifestFile], f[layout.IndexFile] = string(list), string(names)
	f.sums()
	if after != nil {
		after(f, p)
	}
	return f
}

// sums writes the checksums of the lists that are there.
func (t tree) sums() {
	texts := map[string][]byte{}
	for _, name := range layout.Summed {
		if text, ok := t[name]; ok {
			texts[name] = []byte(text)
		}
	}
	t[layout.SumsFile] = string(layout.Sums(texts))
}

// auditOf examines a mirror's bytes, and says what it found, in order.
func auditOf(t *testing.T, f tree) (a *audit, found []string) {
	t.Helper()
	a = &audit{dir: f.open(t), sizes: map[string]int64{}, listed: map[string]bool{}, absent: map[string][]string{}}
	a.walk(t.Context())
	a.lists()
	a.contents(t.Context(), nil)
	a.files(t.Context(), nil, nil)
	a.unlisted()
	for _, one := range a.findings {
		found = append(found, fmt.Sprintf("%s: %s %s", one.what, one.verdict, one.reason))
	}
	slices.Sort(found)
	return a, found
}

// Each thing that is wrong in a mirror is found, where it is, and only what was read
// contradicts: what is missing or cannot be read is not known.
func TestFindings(t *testing.T) {
	blob := func(d oci.Digest) string { return layout.BlobPath(d) }
	const first, second = "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl", "files/dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl"
	kept := func(text, want string) func(tree, *layout.Manifest, parts2) {
		return func(f tree, m *layout.Manifest, _ parts2) {
			f["unknown/a"] = text
			m.Unknown = []layout.UnknownEntry{{Name: beside, Path: "unknown/a", Digest: oci.Digest("sha256:" + sum(want))}}
		}
	}
	for _, tt := range []struct {
		name   string
		before func(tree, *layout.Manifest, parts2)
		after  func(tree, parts2)
		want   []string
	}{
		{"as it was made", nil, nil, nil},
		{"a file that differs", nil, func(f tree, _ parts2) { f[second] = "six" }, []string{second + ": refuted mismatch"}},
	} {
		_, got := auditOf(t, listedMirror(t, tt.before, tt.after))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	_, _, _ = blob, kept, session.Classify
	_ = context.Background
}

// Of an image is proved the digest that the mirror gives its name, with all platforms
// that are there; of another digest, or another name, it says nothing.
func TestImagesThatAReportProves(t *testing.T) {
	const image, foreign = report.KindImage, "registry.k8s.io/pause:3.9"
	result := func(kind report.Kind, subject, platform string, digest oci.Digest, v report.Verdict, also ...string) report.Result {
		reason := report.Reason("")
		if v != report.Verified {
			reason = report.Mismatch
		}
		return report.Result{Kind: kind, Subject: subject, Platform: platform, Digest: string(digest), SeenAs: also,
			Checks: []report.Check{{Name: report.Digest, Required: true, Verdict: v, Reason: reason}}}
	}
	alone := func(_ tree, m *layout.Manifest, p parts2) { // the platform under a name of its own
		m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: p.image, MediaType: imageType, Size: m.Images[0].Size})
	}
	var p parts2
	f := listedMirror(t, func(f tree, m *layout.Manifest, got parts2) {
		p = got
		alone(f, m, got)
		m.Images[1].Size = int64(len(f[layout.BlobPath(p.image)]))
	}, nil)
	d := f.open(t)
	const ok, no, un = report.Verified, report.Refuted, report.Unknown
	for _, tt := range []struct {
		name    string
		results []report.Result
		of      string
		want    bool
	}{
		{"the index", []report.Result{result(image, proxy, "", p.index, ok)}, proxy, true},
		{"the index and its platform", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "linux/amd64", p.image, ok)}, proxy, true},
		{"nothing", nil, proxy, false},
		{"another name", []report.Result{result(image, foreign, "", p.index, ok)}, proxy, false},
		{"by another name", []report.Result{result(image, foreign, "", p.index, ok, proxy)}, proxy, true},
		{"the platform alone", []report.Result{result(image, proxy, "linux/amd64", p.image, ok)}, proxy, false},
		{"the platform under its own name", []report.Result{result(image, arm, "linux/arm64", p.image, ok)}, arm, true},
		{"another digest", []report.Result{result(image, proxy, "", p.other, ok)}, proxy, false},
		{"no image, but of its name", []report.Result{result(report.KindFile, proxy, "", p.index, ok)}, proxy, false},
		{"a refuted index", []report.Result{result(image, proxy, "", p.index, no)}, proxy, false},
		{"an index of which nothing is known", []report.Result{result(image, proxy, "", p.index, un)}, proxy, false},
		{"an index, once proved and once refuted", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "", p.index, no)}, proxy, false},
		{"a refuted platform that is there", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "linux/amd64", p.image, no)}, proxy, false},
		{"an unknown platform that is there", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "linux/amd64", p.image, un)}, proxy, false},
		{"an unknown platform that the mirror leaves out", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "linux/arm64", p.other, un)}, proxy, true},
		{"an unknown platform of no digest", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "linux/arm64", "", un)}, proxy, false},
		{"a refuted platform of another image", []report.Result{result(image, proxy, "", p.index, ok), result(image, foreign, "linux/amd64", p.image, no)}, proxy, true},
		{"an image that the mirror has not", []report.Result{result(image, foreign, "", p.index, ok)}, foreign, false},
		{"a refuted file of the image's name", []report.Result{result(image, proxy, "", p.index, ok), result(report.KindFile, proxy, "", p.index, no)}, proxy, true},
	} {
		ref, err := registry.ParseRef(tt.of)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Verified(report.Report{Results: tt.results})(ref); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
