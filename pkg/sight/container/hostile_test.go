package container_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
)

// raw writes an archive header by header.
func raw(tb testing.TB, write func(w *tar.Writer)) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	write(w)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func header(tb testing.TB, w *tar.Writer, h *tar.Header, data string) {
	tb.Helper()
	if h.Size = int64(len(data)); h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
	}
	if err := w.WriteHeader(h); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.WriteString(w, data); err != nil {
		tb.Fatal(err)
	}
}

// beside is a whole archive, and one member more.
func beside(tb testing.TB, h *tar.Header, data string) []byte {
	s := crane(called{newImage("kube-proxy", "amd64"), proxyRef})
	return raw(tb, func(w *tar.Writer) {
		for _, f := range s {
			header(tb, w, &tar.Header{Name: f.name}, string(f.data))
		}
		header(tb, w, h, data)
	})
}

// patch gives the last header of that name another type or size, with its checksum right.
func patch(archive []byte, name string, change func(h []byte)) []byte {
	out := slices.Clone(archive)
	at := bytes.LastIndex(out, append([]byte(name), 0))
	h := out[at : at+512]
	change(h)
	copy(h[148:156], "        ")
	var total int
	for _, c := range h {
		total += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", total))
	return out
}

// What two readers of an archive might take for different things is malformed, whatever it holds beside.
func TestMalformedArchives(t *testing.T) {
	good := crane(called{newImage("kube-proxy", "amd64"), proxyRef}).tar()
	gz := gzipped(good)
	list := string(crane(called{newImage("kube-proxy", "amd64"), proxyRef}).data("manifest.json"))
	for name, c := range map[string]struct {
		archive []byte
		say     string
	}{
		"a list twice":                {beside(t, &tar.Header{Name: "manifest.json"}, list), "stands twice"},
		"a list twice, by ./":         {beside(t, &tar.Header{Name: "./manifest.json"}, list), "stands twice"},
		"a list twice, by //":         {beside(t, &tar.Header{Name: ".//manifest.json"}, list), "stands twice"},
		"a list that a link replaces": {beside(t, &tar.Header{Name: "manifest.json", Typeflag: tar.TypeSymlink, Linkname: "x"}, ""), "stands twice"},
		"a directory that is a file":  {beside(t, &tar.Header{Name: "manifest.json/x"}, "x"), "a directory and something else"},
		"a file that is a directory":  {beside(t, &tar.Header{Name: "manifest.json", Typeflag: tar.TypeDir}, ""), "a directory and something else"},
		"a name that climbs":          {beside(t, &tar.Header{Name: "a/../manifest.json"}, list), "no plain path"},
		"a name that leads out":       {beside(t, &tar.Header{Name: "../manifest.json"}, list), "no plain path"},
		"an absolute name":            {beside(t, &tar.Header{Name: "/manifest.json"}, list), "no plain path"},
		"a pipe":                      {beside(t, &tar.Header{Name: "p", Typeflag: tar.TypeFifo}, ""), "neither a file"},
		"a device":                    {beside(t, &tar.Header{Name: "p", Typeflag: tar.TypeChar}, ""), "neither a file"},
		"a global header":             {beside(t, &tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "x"}}, ""), "for all its members"},
		"holes":                       {patch(beside(t, &tar.Header{Name: "holes", Typeflag: tar.TypeReg}, ""), "holes", func(h []byte) { h[156] = 'S'; copy(h[257:], "ustar  \x00"); copy(h[386:], strings.Repeat("\x00", 126)) }), "holes"},
		"holes by records":            {twoSizes(t, map[string]string{"GNU.sparse.map": "0,1", "GNU.sparse.size": "1", "GNU.sparse.numblocks": "1"}), "holes"},
		"two sizes":                   {twoSizes(t, map[string]string{"size": "1"}), "two sizes"},
		"a directory with a size":     {patch(beside(t, &tar.Header{Name: "folder/x", Typeflag: tar.TypeDir}, ""), "folder/x", func(h []byte) { copy(h[124:136], "00000001000\x00") }), "has a size"},
		"something behind its end":    {append(slices.Clone(good), good...), "follows the end"},
		"a header that is invalid":    {append(good[:len(good)-1024:len(good)-1024], bytes.Repeat([]byte("x"), 2048)...), "a header that is invalid"},
		"gzip, two members":           {slices.Concat(gzipped(good[:512]), gzipped(good[512:])), "not one stream of gzip"},
		"gzip, an empty member":       {slices.Concat(gz, gzipped(nil)), "not one stream of gzip"},
		"gzip, something behind it":   {append(slices.Clone(gz), "trailer"...), "not one stream of gzip"},
		"zstd, two frames":            {slices.Concat(zstandard(good[:512]), zstandard(good[512:])), "not one stream of zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := container.Open(t.Context(), writeFile(t, c.archive))
			var malformed *container.Error
			if !errors.As(err, &malformed) || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), "is malformed") {
				t.Errorf("%v, want %q", err, c.say)
			}
		})
	}
}

// twoSizes is an archive with a member that has records of its own choice before it,
// which Go's writer would not write.
func twoSizes(t *testing.T, records map[string]string) []byte {
	t.Helper()
	var text string
	for k, v := range records {
		line := fmt.Sprintf(" %s=%s\n", k, v)
		n := len(line) + 1
		for len(fmt.Sprint(n))+len(line) != n {
			n++
		}
		text += fmt.Sprint(n) + line
	}
	archive := beside(t, &tar.Header{Name: "records"}, text)
	archive = patch(archive, "records", func(h []byte) { h[156] = 'x' })
	return append(archive[:len(archive)-1024], raw(t, func(w *tar.Writer) { header(t, w, &tar.Header{Name: "sized"}, "x") })...)
}

// A cut-off archive is incomplete, at whatever byte, and never content.
func TestTruncatedArchives(t *testing.T) {
	s := newDocker(called{newImage("kube-proxy", "amd64"), proxyRef})
	good := s.tar()
	for name, whole := range map[string][]byte{"plain": good, "gzip": gzipped(good), "zstd": zstandard(good)} {
		for _, keep := range []int{len(whole) - 1, len(whole) - 600, len(whole) - 1024, len(whole) * 3 / 4, len(whole) / 2, len(whole) / 3} {
			c, err := container.Open(t.Context(), writeFile(t, whole[:keep]))
			if err == nil || errors.Is(err, container.ErrNoContainer) || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "is incomplete") {
				t.Errorf("%s, %d of %d bytes: %v, %v", name, keep, len(whole), c, err)
			}
		}
	}
}

// A link leads to one file of the archive, or what names it cannot be read.
func TestLinksInArchives(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	c := crane(called{i, proxyRef})
	layer := hexSum(i.packed[3]) + ".tar.gz"
	for name, links := range map[string][]file{
		"out":             {{name: layer, symlink: "../../../etc/passwd"}},
		"absolute":        {{name: layer, symlink: "/etc/passwd"}},
		"to a link":       {{name: layer, symlink: "a"}, {name: "a", symlink: hexSum(i.packed[0]) + ".tar.gz"}},
		"to itself":       {{name: layer, symlink: layer}},
		"to nothing":      {{name: layer, symlink: "nothing"}},
		"hard, out":       {{name: layer, hardlink: "../x"}},
		"hard, to a link": {{name: layer, hardlink: "a"}, {name: "a", symlink: hexSum(i.packed[0]) + ".tar.gz"}},
	} {
		box := open(t, append(c.without(layer), links...).write(t))
		root := box.Copies()[0].Root
		var malformed *container.Error
		if !errors.As(root.Err, &malformed) || !strings.Contains(root.Err.Error(), "link") || !root.Layers[3].Absent() {
			t.Errorf("%s: %v", name, root.Err)
		}
	}
}

// What a layer is must be one thing to every reader.
func TestLayersThatAreNotOneStream(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	plain := i.layers[3]
	skip := []byte{0x5d, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'G', 'N', 'U'}
	bomb := func() []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.EncodeAll(make([]byte, 96<<20), nil)
	}()
	for name, c := range map[string]struct {
		data   []byte
		say    string // of Err
		joined string
		table  bool
	}{
		"gzip, two members":   {data: slices.Concat(gzipped(plain[:700]), gzipped(plain[700:])), say: "2 streams", joined: sum(plain)},
		"gzip and a byte":     {data: append(gzipped(plain), 0), say: "follows the end"},
		"gzip, cut off":       {data: gzipped(plain)[:2000], say: "unexpected EOF"},
		"gzip, a wrong sum":   {data: flip(gzipped(plain), -6), say: "checksum"},
		"zstd, two frames":    {data: slices.Concat(zstandard(plain), zstandard(plain)), say: "2 streams", joined: sum(slices.Concat(plain, plain))},
		"zstd, a bomb":        {data: bomb, say: "the limit"},
		"zstd, a skipped one": {data: slices.Concat(zstandard(plain), skip), table: true},
	} {
		for _, pack := range []func([]byte) []byte{slices.Clone[[]byte], gzipped} {
			var s fileset
			s.add("c.json", i.config)
			s.add("l.tar", c.data)
			s.add("manifest.json", []byte(`[{"Config":"c.json","RepoTags":null,"Layers":["l.tar"]}]`))
			box := open(t, writeFile(t, pack(s.tar())))
			got, err := box.Copies()[0].Root.Layers[0].Read(t.Context())
			if err != nil || got.Digest != oci.Digest(sum(c.data)) || got.Size != int64(len(c.data)) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			if (got.Unpacked == "") != (c.say != "") || (got.Err != nil) != (c.say != "") || got.Joined != oci.Digest(c.joined) || got.SecondTable != c.table {
				t.Errorf("%s: %+v", name, got)
			}
			if got.Err != nil && !strings.Contains(got.Err.Error(), c.say) {
				t.Errorf("%s: %v", name, got.Err)
			}
			var limit *bounds.Error
			if errors.As(got.Err, &limit) != (name == "zstd, a bomb") {
				t.Errorf("%s: %v", name, got.Err)
			}
		}
	}
}

func flip(b []byte, at int) []byte {
	b[len(b)+at] ^= 1
	return b
}

// The media type of a layer is of the closed table, and that of its bytes.
func TestMediaTypesOfLayers(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	for mediaType, fine := range map[string]bool{
		dockerLayer: true, ociLayer + "+gzip": true, ociLayer: false, ociLayer + "+zstd": false,
		"application/octet-stream": false, "x.tar+gzip": false, dockerLayer + "; a=b": false,
	} {
		manifest := asJSON(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, i.config),
			"layers": []fields{descriptor(mediaType, i.packed[0], fields{"annotations": fields{"io.github.containers.zstd-chunked.manifest-position": "1"}})}})
		s := layout(descriptor(ociManifest, manifest))
		s.blob(manifest)
		s.blob(i.config)
		s.blob(i.packed[0])
		got, err := open(t, s.folder(t)).Copies()[0].Root.Layers[0].Read(t.Context())
		if err != nil || (got.Unpacked == oci.Digest(sum(i.layers[0]))) != fine || (got.Err == nil) != fine || got.Digest != oci.Digest(sum(i.packed[0])) || !got.SecondTable {
			t.Errorf("%s: %+v, %v", mediaType, got, err)
		}
	}
}

// Layouts that are wrong in one place say so there, and the rest can be read.
func TestWrongNodes(t *testing.T) {
	proxy, arm := newImage("kube-proxy", "amd64"), newImage("kube-proxy", "arm64")
	good := whole("v1.30.1", proxy, arm)
	at := "blobs/sha256/" + hexSum(proxy.manifest)
	foreign := bytes.Replace(proxy.manifest, []byte(`"digest"`), []byte(`"urls":["https://example.com"],"digest"`), 1)
	for name, c := range map[string]struct {
		text []byte
		say  string
	}{
		"no JSON":            {[]byte("x"), "no JSON document"},
		"nothing":            {nil, "no JSON document"},
		"two documents":      {append(slices.Clone(proxy.manifest), "{}"...), "more data"},
		"a key twice":        {bytes.Replace(proxy.manifest, []byte(`{`), []byte(`{"layers":[],`), 1), "twice"},
		"index and manifest": {bytes.Replace(proxy.manifest, []byte(`{`), []byte(`{"manifests":[],`), 1), "both"},
		"another media type": {bytes.Replace(proxy.manifest, []byte(dockerManifest), []byte(ociManifest), 1), "served as"},
		"a foreign layer":    {foreign, "urls"},
		"layers in capitals": {bytes.Replace(proxy.manifest, []byte(`"layers"`), []byte(`"Layers"`), 1), "some readers take for layers"},
		"no digest":          {bytes.Replace(proxy.manifest, []byte("sha256:"), []byte("sha512:"), 1), "not a sha256"},
		"a digest of a path": {bytes.Replace(proxy.manifest, []byte(sum(proxy.config)), []byte("sha256:../../index.json"), 1), "not a sha256"},
		"too large":          {bytes.Repeat([]byte("{"), 5<<20), "limit"},
	} {
		box := open(t, good.with(at, c.text).folder(t))
		children := box.Copies()[0].Root.Children
		if err := children[0].Err; err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "registry") {
			t.Errorf("%s: %v", name, err)
		}
		if children[1].Err != nil || filesystem(t, children[1]) != "a whole arm64" {
			t.Errorf("%s: the other platform: %v", name, children[1].Err)
		}
	}
	// Other bytes under a digest's name are for who reads the copy to see.
	root := open(t, good.with(at, arm.manifest).folder(t)).Copies()[0].Root.Children[0]
	if got, err := root.Blob.Read(t.Context()); err != nil || got.Digest != oci.Digest(sum(arm.manifest)) || root.Blob.Digest != oci.Digest(sum(proxy.manifest)) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A list that is malformed leaves nothing to be judged.
func TestMalformedLists(t *testing.T) {
	good := newDocker(called{newImage("kube-proxy", "amd64"), proxyRef})
	for name, c := range map[string]struct{ file, text, say string }{
		"no list":             {"index.json", "[]", "not an object"},
		"names in capitals":   {"index.json", strings.Replace(string(good.data("index.json")), `"annotations"`, `"Annotations"`, 1), "some readers take for annotations"},
		"another version":     {"oci-layout", `{"imageLayoutVersion":"2.0.0"}`, "imageLayoutVersion"},
		"layers in lowercase": {"manifest.json", `[{"Config":"x","layers":["y"]}]`, "no Layers"},
		"a list of lists":     {"manifest.json", `[[]]`, "JSON array"},
		"config twice":        {"manifest.json", `[{"Config":"x","config":"y","Layers":[]}]`, "twice"},
		"tags in lowercase":   {"manifest.json", `[{"Config":"x","repotags":["y"],"Layers":[]}]`, "some readers take for RepoTags"},
		"a null":              {"manifest.json", `[null]`, "has no"},
		"no config":           {"manifest.json", `[{"Config":"","Layers":[]}]`, "no config"},
		"much":                {"manifest.json", `[` + strings.Repeat(`{},`, 300_000) + `{}]`, "limit"},
		"repositories":        {"repositories", `{"a":"b"}`, "JSON"},
	} {
		_, err := container.Open(t.Context(), good.with(c.file, []byte(c.text)).write(t))
		if err == nil || !strings.Contains(err.Error(), c.say) || errors.Is(err, container.ErrNoContainer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// repositories calls by a name what has that layer on top, whatever manifest.json says.
func TestListsThatDisagree(t *testing.T) {
	one, two := called{newImage("kube-proxy", "amd64"), proxyRef}, called{newImage("kube-apiserver", "amd64"), apiRef}
	s := oldDocker(one, two)
	text := string(s.data("repositories"))
	swapped := strings.NewReplacer("kube-proxy", "kube-apiserver", "kube-apiserver", "kube-proxy").Replace(text)
	for _, c := range open(t, s.with("repositories", []byte(swapped)).write(t)).Copies() {
		want := proxyRef
		if sum(c.Root.ConfigBytes) == sum(two.config) {
			want = apiRef
		}
		if (c.Names[0] == want) == (c.List == "repositories") {
			t.Errorf("%s calls it %s", c.List, c.Names)
		}
	}
	alone := open(t, s.without("manifest.json").write(t))
	if got := alone.Copies(); len(got) != 2 || got[0].Root.Err == nil || !got[0].Root.Config.Absent() || got[0].Root.ConfigBytes != nil {
		t.Errorf("%+v", got)
	}
}

// Referrers are left out and counted, unless a platform could select them.
func TestReferrers(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	subject := fields{"subject": descriptor(dockerManifest, i.manifest)}
	referrer := func(config []byte) []byte {
		return asJSON(merged(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, config), "layers": []fields{}}, subject))
	}
	note, evil := referrer([]byte(`{}`)), referrer([]byte(`{"architecture":"amd64","os":"linux"}`))
	unknown := fields{"platform": fields{"os": "unknown", "architecture": "unknown"}}
	list := index(ociIndex, descriptor(dockerManifest, i.manifest, platform("amd64")), descriptor(ociManifest, note), descriptor(ociManifest, evil, unknown),
		descriptor(ociManifest, evil), descriptor(ociManifest, note, platform("arm64")), descriptor(dockerManifest, i.manifest, unknown))
	s := layout(descriptor(ociIndex, list), descriptor(ociManifest, note), descriptor(ociManifest, note, named(proxyRef, "")))
	for _, b := range [][]byte{list, note, evil, []byte(`{}`), []byte(`{"architecture":"amd64","os":"linux"}`)} {
		s.blob(b)
	}
	s.original(i)
	box := open(t, s.folder(t))
	got := box.Copies()
	if len(got) != 2 || box.Referrers != 1 || got[1].Names[0] != proxyRef {
		t.Fatalf("%d copies, %d referrers", len(got), box.Referrers)
	}
	if root := got[0].Root; root.Referrers != 2 || len(root.Children) != 4 || root.Children[1].Platform != "" || root.Children[3].Platform != "unknown/unknown" {
		t.Errorf("%d children, %d referrers", len(root.Children), root.Referrers)
	}
}

// What a layout names by cosign's tags is no image, unless something could run it.
func TestSignatureTags(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	sum := strings.TrimPrefix(string(oci.DigestOf(i.manifest)), "sha256:")
	payload := []byte(`{"critical":{}}`)
	signature := func(config []byte, mediaType string) []byte {
		return asJSON(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, config), "layers": []fields{descriptor(mediaType, payload)}})
	}
	const simple = "application/vnd.dev.cosign.simplesigning.v1+json"
	dead, alive := []byte(`{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","rootfs":{"type":"layers","diff_ids":[]}}`), []byte(`{"architecture":"amd64","os":"linux"}`)
	sig, evil, files := signature(dead, simple), signature(alive, simple), signature(dead, "application/vnd.oci.image.layer.v1.tar+gzip")
	referrer := asJSON(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, dead), "layers": []fields{}, "subject": descriptor(dockerManifest, i.manifest)})
	referrers := index(ociIndex, descriptor(ociManifest, referrer))
	at := "registry.k8s.io/kube-proxy-amd64:sha256-" + sum
	box := func(list ...fields) *container.Container {
		s := layout(append([]fields{descriptor(dockerManifest, i.manifest, named(proxyRef, ""))}, list...)...)
		for _, b := range [][]byte{sig, evil, files, referrer, referrers, dead, alive, payload} {
			s.blob(b)
		}
		s.original(i)
		return open(t, s.folder(t))
	}
	for name, d := range map[string]fields{
		"by its whole name": descriptor(ociManifest, sig, named(at+".sig", "")),
		"by its tag":        descriptor(ociManifest, sig, named("", "sha256-"+sum+".att")),
		"the referrers":     descriptor(ociIndex, referrers, named("", "sha256-"+sum)),
	} {
		if c := box(d); len(c.Copies()) != 1 || c.Referrers != 1 {
			t.Errorf("%s: %d copies, %d referrers", name, len(c.Copies()), c.Referrers)
		}
	}
	for name, d := range map[string]fields{
		"with a platform in its config":   descriptor(ociManifest, evil, named(at+".sig", "")),
		"with a platform in the list":     descriptor(ociManifest, sig, named(at+".sig", ""), platform("amd64")),
		"also by the name of an image":    descriptor(ociManifest, sig, named(proxyRef, "sha256-"+sum+".sig")),
		"an image":                        descriptor(dockerManifest, i.manifest, named(at+".sig", "")),
		"a name that only looks like one": descriptor(ociManifest, sig, named("", "sha256-"+sum[1:]+".sig")),
		"with a layer of files":           descriptor(ociManifest, files, named(at+".sig", "")),
		"that is not there":               descriptor(ociManifest, []byte("{}"), named(at+".sig", "")),
	} {
		if c := box(d); len(c.Copies()) != 2 || c.Referrers != 0 {
			t.Errorf("%s: %d copies, %d referrers", name, len(c.Copies()), c.Referrers)
		}
	}
}

func merged(a, b fields) fields {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// An index that names itself, and indexes that name one another a thousand times, end.
func TestIndexesWithoutEnd(t *testing.T) {
	var list []fields
	self := "sha256:" + strings.Repeat("a", 64)
	for range 100 {
		list = append(list, fields{"mediaType": ociIndex, "digest": self, "size": 1})
	}
	s := layout(list[0])
	s.add("blobs/sha256/"+strings.Repeat("a", 64), index(ociIndex, list...))
	_, err := container.Open(t.Context(), s.folder(t))
	var limit *bounds.Error
	if !errors.As(err, &limit) {
		t.Errorf("%v", err)
	}
	s = layout(list[0]).with("index.json", index(ociIndex, list[0]))
	s.add("blobs/sha256/"+strings.Repeat("a", 64), index(ociIndex, list[0]))
	n := open(t, s.folder(t)).Copies()[0].Root
	for len(n.Children) > 0 {
		n = n.Children[0]
	}
	if n.Err == nil || !strings.Contains(n.Err.Error(), "deep in one another") {
		t.Errorf("%v", n.Err)
	}
}

// In a directory nothing waits, and no link is followed.
func TestDirectoriesAreConfined(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	dir := whole("v1.30.1", i).folder(t)
	name := filepath.Join(dir, "blobs", "sha256", hexSum(i.packed[3]))
	outside := writeFile(t, i.packed[3])
	for kind, put := range map[string]func() error{
		"a link":      func() error { return os.Symlink(outside, name) },
		"a pipe":      func() error { return mkfifo(name) },
		"a directory": func() error { return os.Mkdir(name, 0o755) },
	} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := put(); err != nil {
			t.Skip(err)
		}
		l := open(t, dir).Copies()[0].Root.Children[0].Layers[3]
		got, err := l.Read(t.Context())
		if !errors.Is(err, fetch.ErrNotRegular) || got != (sight.Content{}) || !strings.Contains(err.Error(), hexSum(i.packed[3])) {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := mkfifo(pipe); err != nil {
		t.Skip(err)
	}
	if _, err := container.Open(t.Context(), pipe); !errors.Is(err, fetch.ErrNotRegular) {
		t.Errorf("%v", err)
	}
}

// What could not be read is no content, and the next reading begins anew.
func TestReadingThatEnds(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	box := open(t, whole("v1.30.1", i).write(t))
	l := box.Copies()[0].Root.Children[0].Layers[3]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	box.Hash(ctx, 2)
	if got, err := l.Read(ctx); !errors.Is(err, context.Canceled) || got.Digest != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := l.Read(t.Context()); err != nil || got.Digest != l.Digest {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := container.Open(ctx, whole("v1.30.1", i).write(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	// A file that is cut off while it is looked at.
	name := whole("v1.30.1", i).write(t)
	l = open(t, name).Copies()[0].Root.Children[0].Layers[0]
	if err := os.Truncate(name, 3000); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Read(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) || got.Digest != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A bomb around the archive ends at its limit.
func TestPackedBomb(t *testing.T) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := w.EncodeAll(raw(t, func(w *tar.Writer) { header(t, w, &tar.Header{Name: "manifest.json"}, string(make([]byte, 96<<20))) }), nil)
	begun := time.Now()
	_, err = container.Open(t.Context(), writeFile(t, bomb))
	var limit *bounds.Error
	if !errors.As(err, &limit) {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}
