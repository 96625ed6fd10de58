package mirror

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// made is what a mirror with all of its lists was made of, and a digest that it has not.
type made struct{ index, image, config, layer, other oci.Digest }

const (
	proxy  = "registry.k8s.io/kube-proxy:v1.27.2"
	arm    = "registry.k8s.io/kube-proxy-arm64:v1.27.2"
	binary = "https://dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"
	beside = "https://dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl"
)

// listedMirror is a mirror with MANIFEST.json and its checksums: an image of a platform, of
// which the index names another that is not there, and two files. before changes what it
// is made of, after what was made.
func listedMirror(t *testing.T, before func(tree, *layout.Manifest, made), after func(tree, made)) tree {
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
	p := made{oci.Digest(index), oci.Digest(image), oci.Digest(config), oci.Digest(layer), oci.Digest(absent)}
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

// auditOf examines a mirror's bytes, and says what it found, in order, with the names of
// its parts for their digests.
func auditOf(t *testing.T, f tree, p made) (a *audit, found []string) {
	t.Helper()
	return auditIn(t, f.open(t), p)
}

func auditIn(t *testing.T, d *Mirror, p made) (a *audit, found []string) {
	t.Helper()
	a = &audit{dir: d, sizes: map[string]int64{}, listed: map[string]bool{}, absent: map[string][]string{}}
	a.walk(t.Context())
	a.lists()
	a.contents(t.Context(), nil)
	a.files(t.Context(), nil, nil)
	a.unlisted()
	words := strings.NewReplacer("oci/blobs/sha256/", "blob ", p.index.Hex(), "INDEX", p.image.Hex(), "IMAGE", p.config.Hex(), "CONFIG", p.layer.Hex(), "LAYER", p.other.Hex(), "OTHER",
		"files/dl.k8s.io/release/v1.27.2/bin/linux/", "")
	for _, one := range a.findings {
		found = append(found, words.Replace(fmt.Sprintf("%s: %s %s", one.what, one.verdict, one.reason)))
	}
	slices.Sort(found)
	return a, found
}

// refutedLayers are findings on the layers of so many texts.
func refutedLayers(n int) (found []string) {
	for i := range n {
		found = append(found, "blob "+sum(fmt.Sprint("layer ", i))+": refuted mismatch")
	}
	slices.Sort(found)
	return found
}

// lineOf puts a line for the signature into the checksums, where it belongs.
func lineOf(f tree, checksum string) {
	f[layout.SumsFile] = strings.Replace(f[layout.SumsFile], "\n", "\n"+checksum+"  "+layout.SignatureFile+"\n", 1)
}

// Each thing that is wrong in a mirror is found, where it is, and only what was read
// contradicts: what is missing or cannot be read is not known.
func TestFindings(t *testing.T) {
	blob := func(d oci.Digest) string { return layout.BlobPath(d) }
	const first, second = "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl", "files/dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl"
	kept := func(text, want string) func(tree, *layout.Manifest, made) {
		return func(f tree, m *layout.Manifest, _ made) {
			f["unknown/a"] = text
			m.Unknown = []layout.UnknownEntry{{Name: beside, Path: "unknown/a", Digest: oci.Digest("sha256:" + sum(want))}}
		}
	}
	withSums := func(change func(f tree, p made)) func(tree, made) {
		return func(f tree, p made) { change(f, p); f.sums() }
	}
	flip := func(name func(p made) string) func(tree, made) {
		return func(f tree, p made) { f[name(p)] = "x" + f[name(p)][1:] }
	}
	for _, tt := range []struct {
		name   string
		before func(tree, *layout.Manifest, made)
		after  func(tree, made)
		want   []string
	}{
		{"as it was made", nil, nil, nil},
		{"a file that differs", nil, func(f tree, _ made) { f[second] = "six" }, []string{"arm64/kubectl: refuted mismatch"}},
		{"a file that is missing", nil, func(f tree, _ made) { delete(f, first) }, []string{"amd64/kubectl: unknown incomplete"}},
		{"a file that nobody listed", nil, func(f tree, _ made) { f["files/x"] = "" }, []string{"files/x: unknown noClaim"}},
		{"a file that a run left", nil, func(f tree, _ made) { f["files/.x.kverify-part"] = "" }, []string{"files/.x.kverify-part: unknown noClaim"}},
		{"a blob that nobody names", nil, func(f tree, _ made) { f.blob("stray") }, []string{"blob e224ddc6b55af8b2a88404a0b6cb2617db0dfc25b3584a4dd7c4358d911e91f5: unknown noClaim"}},
		{"an index that differs", nil, flip(func(p made) string { return blob(p.index) }), []string{"blob CONFIG: unknown noClaim", "blob IMAGE: unknown noClaim", "blob INDEX: refuted mismatch", "blob LAYER: unknown noClaim", "registry.k8s.io/kube-proxy: refuted mismatch"}},
		{"an image that differs", nil, flip(func(p made) string { return blob(p.image) }), []string{"blob CONFIG: unknown noClaim", "blob IMAGE: refuted mismatch", "blob LAYER: unknown noClaim", "registry.k8s.io/kube-proxy: refuted mismatch"}},
		{"a config that differs", nil, flip(func(p made) string { return blob(p.config) }), []string{"blob CONFIG: refuted mismatch", "registry.k8s.io/kube-proxy@sha256:IMAGE: unknown malformed"}},
		{"a layer that differs", nil, flip(func(p made) string { return blob(p.layer) }), []string{"blob LAYER: refuted mismatch"}},
		{"an image that is missing", nil, func(f tree, p made) { delete(f, blob(p.image)) }, []string{"blob CONFIG: unknown noClaim", "blob LAYER: unknown noClaim"}},
		{"a config that is missing", nil, func(f tree, p made) { delete(f, blob(p.config)) }, []string{"blob CONFIG: unknown incomplete"}},
		{"a layer that is missing", nil, func(f tree, p made) { delete(f, blob(p.layer)) }, []string{"blob LAYER: unknown incomplete"}},
		{"kept outside", kept("kept", "kept"), nil, nil},
		{"kept outside, and it differs", kept("kept", "something else"), nil, []string{"unknown/a: refuted mismatch"}},
		{"kept outside, and missing", kept("kept", "kept"), func(f tree, _ made) { delete(f, "unknown/a") }, []string{"unknown/a: unknown incomplete"}},
		{"kept outside, and the same as a blob that nobody names", kept("kept", "kept"), func(f tree, _ made) { f.blob("kept") }, []string{"blob " + sum("kept") + ": unknown noClaim"}},
		{"an image kept outside", func(f tree, m *layout.Manifest, p made) {
			m.Images, m.Unknown = nil, []layout.UnknownEntry{{Name: proxy, Digest: p.image}}
		}, nil, []string{"blob INDEX: unknown noClaim"}},
		{"an image kept outside, of which a layer differs", func(f tree, m *layout.Manifest, p made) {
			m.Images, m.Unknown = nil, []layout.UnknownEntry{{Name: proxy, Digest: p.image}}
		}, flip(func(p made) string { return blob(p.layer) }), []string{"blob INDEX: unknown noClaim", "blob LAYER: refuted mismatch"}},
		{"no checksums", nil, func(f tree, _ made) { delete(f, layout.SumsFile) }, []string{"MANIFEST.sha256: unknown incomplete"}},
		{"no checksums asked for", func(_ tree, m *layout.Manifest, _ made) { m.Sums = "" }, func(f tree, _ made) { delete(f, layout.SumsFile) }, nil},
		{"a line more in the checksums", nil, func(f tree, _ made) { f[layout.SumsFile] += sum("x") + "  x\n" }, []string{"MANIFEST.sha256: refuted mismatch"}},
		{"a line for a signature that is missing", nil, func(f tree, _ made) { lineOf(f, sum("x")) }, []string{"MANIFEST.json.sigstore.json: unknown incomplete"}},
		{"a line for it that is no checksum", nil, func(f tree, _ made) { lineOf(f, "x") }, []string{"MANIFEST.sha256: refuted mismatch"}},
		{"checksums that do not end", nil, func(f tree, _ made) { f[layout.SumsFile] = strings.TrimSuffix(f[layout.SumsFile], "\n") }, []string{"MANIFEST.sha256: refuted mismatch"}},
		{"checksums without one", nil, func(f tree, _ made) { _, f[layout.SumsFile], _ = strings.Cut(f[layout.SumsFile], "\n") }, []string{"MANIFEST.sha256: refuted mismatch"}},
		{"checksums of another list", nil, func(f tree, _ made) { f[layout.ManifestFile] += "\n" }, []string{"MANIFEST.sha256: refuted mismatch"}},
		{"names that are not the list's", nil, withSums(func(f tree, _ made) { f[layout.IndexFile] += "\n" }), []string{"oci/index.json: refuted mismatch"}},
		{"a name that the list has not", nil, withSums(func(f tree, _ made) {
			f[layout.IndexFile] = strings.ReplaceAll(f[layout.IndexFile], "v1.27.2", "v1.27.3")
		}),
			[]string{"blob CONFIG: unknown noClaim", "blob IMAGE: unknown noClaim", "blob INDEX: unknown noClaim", "blob LAYER: unknown noClaim", "oci/index.json: refuted mismatch", "registry.k8s.io/kube-proxy:v1.27.3: refuted mismatch"}},
		{"what is no image, and has a config of its own", func(f tree, m *layout.Manifest, p made) {
			config, configSize := f.blob("no image's")
			image, size := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`, ociType, desc("application/x", config, configSize, "")))
			m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: oci.Digest(image), MediaType: ociType, Size: int64(size)})
		}, nil, nil},
		{"no names", nil, withSums(func(f tree, _ made) { delete(f, layout.IndexFile) }), []string{"oci/blobs: unknown incomplete", "oci/index.json: unknown incomplete", "oci: unknown incomplete"}},
		{"no names, which the checksums list", nil, func(f tree, _ made) { delete(f, layout.IndexFile) }, []string{"oci/blobs: unknown incomplete", "oci/index.json: unknown incomplete", "oci: unknown incomplete"}},
		{"no layout", nil, withSums(func(f tree, _ made) { delete(f, layout.LayoutFile) }), []string{"oci/blobs: unknown incomplete", "oci/oci-layout: unknown incomplete"}},
		{"a signature that cannot be read", nil, withSums(func(f tree, _ made) { f[layout.SignatureFile] = "{}" }), []string{"MANIFEST.json.sigstore.json: unknown malformed"}},
		{"a folder for the checksums", nil, func(f tree, _ made) { delete(f, layout.SumsFile); f[layout.SumsFile+"/x"] = "" }, []string{"MANIFEST.sha256/x: unknown noClaim", "MANIFEST.sha256: unknown incomplete"}},
		{"a folder for the names", nil, func(f tree, _ made) { delete(f, layout.IndexFile); f[layout.IndexFile+"/x"] = "" }, []string{"oci/blobs: unknown incomplete", "oci/index.json/x: unknown noClaim", "oci/index.json: unknown incomplete", "oci: unknown incomplete"}},
		{"a list of the future", nil, withSums(func(f tree, _ made) { f[layout.ManifestFile] = `{"schemaVersion":2}` }), []string{"MANIFEST.json: unknown malformed", "MANIFEST.sha256: unknown noClaim"}},
		{"a size that differs from its index's", func(_ tree, m *layout.Manifest, p made) {
			m.Images = append(m.Images, layout.ImageEntry{Name: strings.Replace(proxy, "v1.27.2", "v1.27.3", 1), Digest: p.index, MediaType: listType, Size: m.Images[0].Size + 1})
		}, nil, []string{"registry.k8s.io/kube-proxy@sha256:INDEX: refuted mismatch"}},
		{"a layer that unpacks to something else", func(f tree, m *layout.Manifest, p made) {
			config, configSize := f.blob(`{"os":"linux","architecture":"arm64","rootfs":{"type":"layers","diff_ids":["sha256:` + sum("another layer") + `"]}}`)
			image, size := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, imageType, desc("application/vnd.docker.container.image.v1+json", config, configSize, ""),
				desc("application/vnd.docker.image.rootfs.diff.tar.gzip", string(p.layer), len(f[layout.BlobPath(p.layer)]), "")))
			m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: oci.Digest(image), MediaType: imageType, Size: int64(size)})
		}, nil, []string{"blob LAYER: refuted mismatch"}},
		{"a child of no platform that is missing", func(f tree, m *layout.Manifest, p made) {
			index, size := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, listType, desc(imageType, string(p.other), 100, "")))
			m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: oci.Digest(index), MediaType: listType, Size: int64(size)})
		}, nil, []string{"registry.k8s.io/kube-proxy-arm64@sha256:OTHER: unknown incomplete"}},
		{"layers that all unpack to something else", func(f tree, m *layout.Manifest, p made) {
			var layers, diffs []string
			for i := range 9 { // of which some are met before the image, and some after
				digest, size := f.blob(fmt.Sprint("layer ", i))
				layers, diffs = append(layers, desc("application/vnd.docker.image.rootfs.diff.tar", digest, size, "")), append(diffs, `"sha256:`+sum("another layer")+`"`)
			}
			config, configSize := f.blob(`{"os":"linux","architecture":"arm64","rootfs":{"type":"layers","diff_ids":[` + strings.Join(diffs, ",") + `]}}`)
			image, size := f.blob(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]}`, imageType, desc("application/vnd.docker.container.image.v1+json", config, configSize, ""), strings.Join(layers, ",")))
			m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: oci.Digest(image), MediaType: imageType, Size: int64(size)})
		}, nil, refutedLayers(9)},
		{"an image that is no image", func(f tree, m *layout.Manifest, p made) {
			image, size := f.blob(fmt.Sprintf(`{"schemaVersion":3,"mediaType":%q}`, imageType))
			m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: oci.Digest(image), MediaType: imageType, Size: int64(size)})
		}, nil, []string{"registry.k8s.io/kube-proxy-arm64@sha256:" + sum(fmt.Sprintf(`{"schemaVersion":3,"mediaType":%q}`, imageType)) + ": unknown malformed"}},
		{"a signature, and nothing that it signs", nil, func(f tree, _ made) {
			f[layout.SignatureFile] = "{}"
			delete(f, layout.ManifestFile)
		}, []string{"MANIFEST.sha256: unknown noClaim"}},
		{"a name twice", func(_ tree, m *layout.Manifest, p made) {
			m.Images = append(m.Images, layout.ImageEntry{Name: proxy, Digest: p.image, MediaType: imageType, Size: 1})
		}, nil, []string{"MANIFEST.json: unknown malformed", "MANIFEST.sha256: unknown noClaim", "blob CONFIG: unknown noClaim", "blob IMAGE: unknown noClaim", "blob INDEX: unknown noClaim", "blob LAYER: unknown noClaim", "oci: unknown malformed"}},
	} {
		for range 3 { // nodes are met in any order
			var p made
			f := listedMirror(t, func(f tree, m *layout.Manifest, of made) {
				if p = of; tt.before != nil {
					tt.before(f, m, of)
				}
			}, tt.after)
			if _, got := auditOf(t, f, p); !slices.Equal(got, tt.want) {
				t.Errorf("%s:\n%q", tt.name, got)
				break
			}
		}
	}
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
	alone := func(_ tree, m *layout.Manifest, p made) { // the platform under a name of its own
		m.Images = append(m.Images, layout.ImageEntry{Name: arm, Digest: p.image, MediaType: imageType, Size: m.Images[0].Size})
	}
	var p made
	f := listedMirror(t, func(f tree, m *layout.Manifest, got made) {
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
		{"the index, and another that is refuted and not there", []report.Result{result(image, proxy, "", p.index, ok), result(image, proxy, "", p.other, no)}, proxy, false},
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
		{"a file, and then the index", []report.Result{result(report.KindFile, binary, "", p.other, ok), result(image, proxy, "", p.index, ok)}, proxy, true},
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

// The images of a mirror are its tags, in order, those of signatures and names by digest apart.
func TestImagesOfAMirror(t *testing.T) {
	a, _ := audited(t, func(f tree, m *layout.Manifest, p made) {
		of := m.Images[0]
		for _, name := range []string{"pause:3.9", "kube-proxy:v1.27.10", "kube-proxy:sha256-" + p.index.Hex() + ".sig", "kube-proxy:sha256-" + p.index.Hex(), "etcd@" + string(p.index), "coredns/coredns:v1.10.1"} {
			of.Name = "registry.k8s.io/" + name
			m.Images = append(m.Images, of)
		}
	})
	want := []string{"registry.k8s.io/coredns/coredns:v1.10.1", "registry.k8s.io/kube-proxy:v1.27.10", proxy, "registry.k8s.io/pause:3.9"}
	for range 64 { // repositories are met in any order
		var got []string
		for _, ref := range a.dir.Images() {
			got = append(got, ref.String())
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
