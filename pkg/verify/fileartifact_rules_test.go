package verify

import (
	"crypto/sha512"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

const ofFile = fileType + "spo.spoc.v1"

func fileImage(change func(img *registry.Image, layer *registry.Descriptor)) *registry.Image {
	sum := sha512.Sum512([]byte("spoc"))
	layer := registry.Descriptor{MediaType: fileLayer, Digest: oci.DigestOf([]byte("spoc")), Size: 4,
		Annotations: map[string]string{titleName: "spoc", "io.k8s.spo.sha512": hex.EncodeToString(sum[:])}}
	img := &registry.Image{ArtifactType: ofFile, Config: registry.Descriptor{MediaType: emptyConfig, Digest: emptyDocument, Size: 2}}
	if change != nil {
		change(img, &layer)
	}
	if img.Layers == nil {
		img.Layers = []registry.Descriptor{layer}
	}
	return img
}

// What says of itself that it is a file, and no image: by its type and its empty config, both.
func TestWhatIsAFile(t *testing.T) {
	for _, tt := range []struct {
		typ, config string
		want        bool
	}{{ofFile, emptyConfig, true}, {"application/vnd.example.spoc.v1", emptyConfig, false}, {"", emptyConfig, false}, {ofFile, "application/vnd.oci.image.config.v1+json", false}, {ofFile, "", false}} {
		if got := isFile(&registry.Image{ArtifactType: tt.typ, Config: registry.Descriptor{MediaType: tt.config}}); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	of := func(typ, os string) registry.Descriptor {
		return registry.Descriptor{ArtifactType: typ, Platform: &registry.Platform{OS: os, Architecture: os}}
	}
	for name, tt := range map[string]struct {
		idx  registry.Index
		want string
	}{
		"one of files":                        {registry.Index{ArtifactType: ofFile}, ofFile},
		"one of files, by its platforms":      {registry.Index{Manifests: []registry.Descriptor{of("", "linux"), of(ofFile, "linux")}}, ofFile},
		"of something else":                   {registry.Index{ArtifactType: "application/vnd.example.v1", Manifests: []registry.Descriptor{of("application/vnd.example.v1", "linux")}}, ""},
		"of images":                           {registry.Index{Manifests: []registry.Descriptor{of("", "linux")}}, ""},
		"of images, a file carried along":     {registry.Index{Manifests: []registry.Descriptor{of("", "linux"), of(ofFile, "unknown"), {ArtifactType: ofFile}}}, ""},
		"of images, whose type says of files": {registry.Index{ArtifactType: ofFile, Manifests: []registry.Descriptor{of("", "linux")}}, ofFile},
	} {
		if got := fileIndex(&tt.idx); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Rule 33: the form of a file's manifest.
func TestTheFormOfAFile(t *testing.T) {
	title := func(s string) func(*registry.Image, *registry.Descriptor) {
		return func(_ *registry.Image, l *registry.Descriptor) { l.Annotations[titleName] = s }
	}
	also := func(key, value string) func(*registry.Image, *registry.Descriptor) {
		return func(_ *registry.Image, l *registry.Descriptor) { l.Annotations[key] = value }
	}
	sha512 := fileImage(nil).Layers[0].Annotations["io.k8s.spo.sha512"]
	const notName, notSum = "is not a file name of spoc", "is not a sha512"
	for _, tt := range []struct {
		name   string
		change func(img *registry.Image, layer *registry.Descriptor)
		says   string // "" if it is taken
	}{
		{"as it is", nil, ""},
		{"a config of another size", func(img *registry.Image, _ *registry.Descriptor) { img.Config.Size = 3 }, "not the empty one"},
		{"another config", func(img *registry.Image, _ *registry.Descriptor) { img.Config.Digest = hashOf("1") }, "not the empty one"},
		{"no layer", func(img *registry.Image, _ *registry.Descriptor) { img.Layers = []registry.Descriptor{} }, "0 layers"},
		{"two layers", func(img *registry.Image, l *registry.Descriptor) { img.Layers = []registry.Descriptor{*l, *l} }, "2 layers"},
		{"another media type", func(_ *registry.Image, l *registry.Descriptor) { l.MediaType = "x" }, "not application/octet-stream"},
		{"with an extension", title("spoc.exe"), ""},
		{"with a platform", title("spoc-linux_arm64"), ""},
		{"behind an underscore", title("spoc_1"), ""},
		{"with every sign", title("spoc.!~"), ""},
		{"of 255 bytes", title("spoc." + strings.Repeat("x", 250)), ""},
		{"of 256 bytes", title("spoc." + strings.Repeat("x", 251)), notName},
		{"another name", title("kubectl"), notName},
		{"a longer name", title("spocx"), notName},
		{"no name", title(""), notName},
		{"a path", title("spoc-/x"), notName},
		{"a path of Windows", title(`spoc-\x`), notName},
		{"a space in it", title("spoc- x"), notName},
		{"a control in it", title("spoc-\x1b[1m"), notName},
		{"a delete in it", title("spoc-\x7f"), notName},
		{"a letter that is not ASCII", title("spoc-é"), notName},
		{"other annotations", also("io.k8s.spo.version", "v1"), ""},
		{"a sha512 of somebody else", also("com.example.sha512", "x"), ""},
		{"the same sha512 twice", also("io.k8s.other.sha512", sha512), ""},
		{"two sha512", also("io.k8s.other.sha512", strings.Repeat("0", 128)), "two sha512"},
		{"in capitals", also("io.k8s.spo.sha512", strings.ToUpper(sha512)), notSum},
		{"one digit more", also("io.k8s.spo.sha512", sha512+"0"), notSum},
		{"one digit less", also("io.k8s.spo.sha512", sha512[1:]), notSum},
		{"a byte more", also("io.k8s.spo.sha512", sha512+"00"), notSum},
		{"no hex", also("io.k8s.spo.sha512", "x"+sha512[1:]), notSum},
		{"no sha512", func(_ *registry.Image, l *registry.Descriptor) { delete(l.Annotations, "io.k8s.spo.sha512") }, "names no sha512"},
	} {
		name, sum, err := fileForm("spo/spoc", fileImage(tt.change))
		if tt.says == "" && (err != nil || !strings.HasPrefix(name, "spoc") || sum != sha512) {
			t.Errorf("%s: %q %q %v", tt.name, name, sum, err)
		}
		if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

// Rule 33: a file is what its layer hashes to, both ways, of the type that its index says, and in no
// image's place. What is said of it keeps what its manifest was read from.
func TestWhatAFileIsJudgedBy(t *testing.T) {
	s := newShelf()
	s.blob("spo/spoc", []byte("spoc"))
	s.blob("pause", []byte("spoc"))
	for _, tt := range []struct {
		name, at, listed string
		change           func(img *registry.Image, layer *registry.Descriptor)
		want             string
		evidence         int
	}{
		{"as it is", "spo/spoc", ofFile, nil, "verified: the file spoc, 4 bytes, hashes to", 2},
		{"where the index says no type", "spo/spoc", "", nil, "verified: ", 2},
		{"where the index says another", "spo/spoc", ofFile + "x", nil, "refuted mismatch: it is of type", 1},
		{"in an image's place", "pause", ofFile, nil, "refuted mismatch: it is a file", 1},
		{"of another sha512", "spo/spoc", ofFile, func(_ *registry.Image, l *registry.Descriptor) {
			l.Annotations["io.k8s.spo.sha512"] = strings.Repeat("0", 128)
		}, "refuted mismatch: the file is sha512", 1},
		{"not of its form", "spo/spoc", ofFile, func(img *registry.Image, _ *registry.Descriptor) { img.Config.Size = 3 }, "unknown malformed: it says that it is a file", 1},
		{"as much as is read", "spo/spoc", ofFile, func(_ *registry.Image, l *registry.Descriptor) { l.Size = maxFileLayer }, "unknown ", 0},
		{"more than is read", "spo/spoc", ofFile, func(_ *registry.Image, l *registry.Descriptor) { l.Size = maxFileLayer + 1 }, "unknown limit: the file has", 1},
		{"not there", "spo/spoc", ofFile, func(_ *registry.Image, l *registry.Descriptor) { l.Digest = hashOf("1") }, "unknown absent: the file: ", 0},
		{"shorter than it says", "spo/spoc", ofFile, func(_ *registry.Image, l *registry.Descriptor) { l.Size = 5 }, "unknown ", 0},
	} {
		good := report.Check{Evidence: report.EvidenceOf(report.Evidence{What: "manifest", Source: "its manifest"})}
		c := s.reads(t).fileCheck(t.Context(), tt.at, registry.Descriptor{ArtifactType: tt.listed}, fileImage(tt.change), good)
		if got, e := said(c), c.Evidence.All(); !strings.HasPrefix(got, tt.want) || len(e) != tt.evidence || len(e) > 0 && e[0].Source != "its manifest" {
			t.Errorf("%s: %s, by %+v", tt.name, got, e)
		} else if strings.HasPrefix(tt.name, "as much") && strings.Contains(got, "more than the") {
			t.Errorf("%s: %s", tt.name, got)
		} else if len(e) == 2 && (e[1].Digest != string(oci.DigestOf([]byte("spoc"))) || e[1].Fields["title"] != "spoc") {
			t.Errorf("%s: %+v", tt.name, e[1])
		}
	}
}

// Rule 20: which names are of images, in whose place no file is right: of any release, with an
// architecture or in the project's own directory too.
func TestWhichNamesAreOfImages(t *testing.T) {
	r := runOf(t)
	for name, want := range map[string]bool{
		"kube-proxy": true, "kube-proxy-arm64": true, "kubernetes/kube-proxy": true, "kubernetes/kube-proxy-s390x": true, "kubectl": true,
		"pause": true, "pause-amd64": true, "etcd": true, "coredns": true, "coredns/coredns": true,
		"kube-proxy-mips": false, "other/kube-proxy": false, "spo/spoc": false, "coredns/etcd": false, "kube": false, "": false,
	} {
		if r.isImageName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
