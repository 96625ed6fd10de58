package registry

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kverify/kverify/pkg/oci"
)

const someDigest = "sha256:7c38f24774e3cbd906d2d33c38354ccf787635581c122965132c9bd309754d4a"

func TestParseRef(t *testing.T) {
	for in, want := range map[string]Ref{
		"registry.k8s.io/kube-proxy:v1.27.2":               {Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "v1.27.2"},
		"registry.k8s.io/coredns/coredns:v1.10.1":          {Host: "registry.k8s.io", Repository: "coredns/coredns", Tag: "v1.10.1"},
		"registry.k8s.io/pause@" + someDigest:              {Host: "registry.k8s.io", Repository: "pause", Digest: someDigest},
		"registry.k8s.io/pause:3.10@" + someDigest:         {Host: "registry.k8s.io", Repository: "pause", Tag: "3.10", Digest: someDigest},
		"127.0.0.1:5000/a:b":                               {Host: "127.0.0.1:5000", Repository: "a", Tag: "b"},
		"localhost/a:b":                                    {Host: "localhost", Repository: "a", Tag: "b"},
		"[::1]:5000/a:b":                                   {Host: "[::1]:5000", Repository: "a", Tag: "b"},
		"registry.k8s.io/pause:sha256-" + "ab" + ".sig":    {Host: "registry.k8s.io", Repository: "pause", Tag: "sha256-ab.sig"},
		"eu-docker.pkg.dev/k8s-artifacts-prod/x__y/a--b:_": {Host: "eu-docker.pkg.dev", Repository: "k8s-artifacts-prod/x__y/a--b", Tag: "_"},
	} {
		got, err := ParseRef(in)
		if err != nil || got != want || got.String() != in {
			t.Errorf("%s: %+v %v", in, got, err)
		}
	}
	for in, says := range map[string]string{
		"":                              "empty",
		"kube-proxy:v1.27.2":            `did you mean "registry.k8s.io/kube-proxy:v1.27.2"?`,
		"coredns/coredns:v1.10.1":       `did you mean "registry.k8s.io/coredns/coredns:v1.10.1"?`,
		"kube-proxy":                    "it names no registry; write HOST/REPOSITORY:TAG", // a name that would be refused next is not suggested
		"V1.27.2":                       "it names no registry; write HOST/REPOSITORY:TAG",
		"a b:v1":                        "it names no registry; write HOST/REPOSITORY:TAG",
		"sha256:abc":                    "it names no registry; write HOST/REPOSITORY:TAG",
		"-":                             "it names no registry; write HOST/REPOSITORY:TAG",
		"registry.k8s.io/kube-proxy":    "neither a tag nor a digest; add :TAG",
		"registry.k8s.io:v1":            "names no registry",
		"registry.k8s.io/":              "is not a repository",
		"registry.k8s.io/Kube-proxy:v1": "is not a repository",
		"registry.k8s.io/a//b:v1":       "is not a repository",
		"registry.k8s.io/../b:v1":       "is not a repository",
		"registry.k8s.io/a/./b:v1":      "is not a repository",
		"registry.k8s.io/a___b:v1":      "is not a repository",
		"registry.k8s.io/-a:v1":         "is not a repository",
		"Registry.k8s.io/a:v1":          "lower-case",
		"registry..k8s.io/a:v1":         "is not a host",
		"user@registry.k8s.io/a:v1":     "names no registry",
		"registry.k8s.io/a:":            "is not a tag",
		"registry.k8s.io/a:-v":          "is not a tag",
		"registry.k8s.io/a:v1?x":        "is not a tag",
		"registry.k8s.io/a:v\x1b[2J":    "is not a tag",
		"registry.k8s.io/a:" + strings.Repeat("v", 129):        "is not a tag",
		"registry.k8s.io/a@":                                   "is not a digest",
		"registry.k8s.io/a@sha256:abc":                         "is not a digest",
		"registry.k8s.io/a@" + strings.ToUpper(someDigest):     "is not a digest",
		"registry.k8s.io/a@sha512:" + strings.Repeat("a", 128): "is not a digest",
		"registry.k8s.io/a@" + someDigest + "@" + someDigest:   "is not a digest",
		"https://registry.k8s.io/a:v1":                         "leave out the scheme",
		"registry.k8s.io/" + strings.Repeat("a/", 200) + "a:v": "is not a repository",
		strings.Repeat("a", 1000):                              "longer than",
	} {
		got, err := ParseRef(in)
		var re *RefError
		if !errors.As(err, &re) || !strings.Contains(err.Error(), says) || got != (Ref{}) {
			t.Errorf("%q: %+v %v; want %q", in, got, err, says)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%q must not be printed", err)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"registry.k8s.io/kube-proxy:v1.27.2", "registry.k8s.io/pause:3.10@" + someDigest, "[::1]:5000/a:b", "a", "a.b/c@d:e", "localhost/a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := ParseRef(s)
		if err != nil {
			return
		}
		if ref.String() != s {
			t.Errorf("%q is read as %q", s, ref)
		}
		// The client would ask the place that the name says, and so would others.
		at, err := new(Client).locate(ref.Host, ref.Repository)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
		r, err := name.ParseReference(s, name.WeakValidation)
		if err != nil || r.Context().RegistryStr() != at.host {
			t.Errorf("%q: asked at %s; others: %v %v", s, at.host, r, err)
		}
	})
}

func desc(extra string) string {
	return `{"mediaType":"x/y","digest":"` + someDigest + `","size":5` + extra + `}`
}

func TestParseManifestRefuses(t *testing.T) {
	index := func(s string) string { return `{"schemaVersion":2,"manifests":[` + s + `]}` }
	image := func(s string) string { return `{"schemaVersion":2,"config":` + desc("") + `,"layers":[` + s + `]}` }
	for _, tt := range []struct{ name, served, body, says string }{
		{"not JSON", OCIIndex, `hello`, "not JSON"},
		{"empty", OCIIndex, ``, "ends too early"},
		{"cut", OCIIndex, index(desc(""))[:40], "ends too early"},
		{"trailing data", OCIIndex, index(desc("")) + `{}`, "more data after"},
		{"no object", OCIIndex, `[]`, "not an object"},
		{"not UTF-8", OCIIndex, "{\"a\":\"\xff\"}", "not UTF-8"},
		{"too deep", OCIIndex, strings.Repeat(`{"a":`, 100), "nested more than"},
		{"key twice", OCIIndex, `{"schemaVersion":2,"manifests":[],"manifests":[` + desc("") + `]}`, `"manifests" appears twice`},
		{"key twice in another case", OCIIndex, `{"schemaVersion":2,"manifests":[],"Manifests":[]}`, `"Manifests" appears twice`},
		{"key twice by escape", OCIIndex, `{"schemaVersion":2,"manifests":[],"manifest\u0073":[]}`, "appears twice"},
		{"key twice, deep", OCIIndex, index(desc(`,"annotations":{"a":"1","a":"2"}`)), `"a" appears twice`},
		{"key twice, after many", OCIIndex, index(desc(`,"annotations":{` + many(40) + `,"K3":"x"}`)), `"K3" appears twice`},
		{"in another case only", OCIIndex, `{"schemaVersion":2,"Manifests":[]}`, "some readers take for manifests"},
		{"schema 1", OCIManifest, `{"schemaVersion":1,"config":{},"layers":[]}`, "version 1"},
		{"no schema", OCIManifest, `{"config":{},"layers":[]}`, "schemaVersion is missing"},
		{"both", OCIIndex, `{"schemaVersion":2,"manifests":[],"config":` + desc("") + `}`, "both an index and an image"},
		{"both, by layers", OCIManifest, `{"schemaVersion":2,"manifests":[],"layers":[]}`, "both an index and an image"},
		{"index served as image", OCIManifest, index(desc("")), "holds manifests"},
		{"image served as index", OCIIndex, image(desc("")), "without manifests"},
		{"disagreeing", DockerIndex, `{"schemaVersion":2,"mediaType":"` + OCIIndex + `","manifests":[]}`, "served as " + DockerIndex},
		{"other type", "application/json", index(""), "not that of a manifest"},
		{"no type", "", index(""), "not a media type"},
		{"escape in type", "a\x1b/b", index(""), `\x1b`},
		{"urls", OCIManifest, image(desc(`,"urls":["https://evil.example/"]`)), "urls"},
		{"urls in an index", OCIIndex, index(desc(`,"urls":[]`)), "urls"},
		{"urls in a config", OCIManifest, `{"schemaVersion":2,"config":` + desc(`,"urls":["x"]`) + `,"layers":[]}`, "urls"},
		{"negative size", OCIIndex, index(strings.Replace(desc(""), `:5`, `:-5`, 1)), "negative"},
		{"size with a point", OCIIndex, index(strings.Replace(desc(""), `:5`, `:5.0`, 1)), "no integer"},
		{"huge size", OCIIndex, index(strings.Replace(desc(""), `:5`, `:99999999999999999999`, 1)), "no integer"},
		{"size as text", OCIIndex, index(strings.Replace(desc(""), `:5`, `:"5"`, 1)), "no number"},
		{"no size", OCIIndex, index(strings.Replace(desc(""), `"size"`, `"sighs"`, 1)), "size is missing"},
		{"upper-case digest", OCIIndex, index(strings.Replace(desc(""), "7c38", "7C38", 1)), "digest is not a sha256"},
		{"short digest", OCIIndex, index(strings.Replace(desc(""), "7c38", "", 1)), "digest is not a sha256"},
		{"other algorithm", OCIIndex, index(strings.Replace(desc(""), "sha256", "sha512", 1)), "digest is not a sha256"},
		{"path as digest", OCIIndex, index(strings.Replace(desc(""), someDigest, "../../etc", 1)), "digest is not a sha256"},
		{"no digest", OCIIndex, index(`{"mediaType":"a","size":1}`), "no digest"},
		{"no media type of a child", OCIIndex, index(`{"digest":"` + someDigest + `","size":1}`), "no mediaType"},
		{"no config", OCIManifest, `{"schemaVersion":2,"layers":[]}`, "without a config"},
		{"no layers", OCIManifest, `{"schemaVersion":2,"config":` + desc("") + `}`, "layers is missing"},
		{"annotation as number", OCIManifest, image(desc(`,"annotations":{"a":1}`)), "not a string"},
		{"platform as text", OCIIndex, index(desc(`,"platform":"linux"`)), "platform is not an object"},
		{"leading zero", OCIIndex, index(strings.Replace(desc(""), `:5`, `:05`, 1)), "not JSON"},
		{"comma at the end", OCIIndex, `{"schemaVersion":2,"manifests":[],}`, "not JSON"},
		{"raw control character", OCIIndex, "{\"schemaVersion\":2,\"a\":\"\n\",\"manifests\":[]}", "not JSON"},
	} {
		x, m, err := ParseManifest(tt.served, []byte(tt.body))
		var fe *FormatError
		if x != nil && err == nil || m != nil && err == nil || !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v %+v %v; want %q", tt.name, x, m, err, tt.says)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %q must not be printed", tt.name, err)
		}
	}
}

func many(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, `"k`+string(rune('0'+i%10))+strings.Repeat("x", i/10)+`":"v"`)
	}
	return strings.Join(parts, ",")
}

// Real manifests keep their digests and read as encoding/json reads them.
func TestRealManifests(t *testing.T) {
	files := realFiles(t)
	indexes, children := 0, 0
	for path, want := range files {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := oci.DigestOf(body); want != "" && got != oci.Digest(want) {
			t.Errorf("%s hashes to %s", path, got)
		}
		var plain struct {
			MediaType         string
			Config            Descriptor
			Manifests, Layers []Descriptor
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		m := &Manifest{Digest: oci.DigestOf(body), MediaType: plain.MediaType, Body: body}
		if m.IsIndex() {
			indexes++
			x, err := m.Index()
			if err != nil || len(x.Manifests) != len(plain.Manifests) {
				t.Fatalf("%s: %v", path, err)
			}
			seen := map[string]bool{}
			for i, d := range x.Manifests {
				children++
				if d.Digest != plain.Manifests[i].Digest || d.Size != plain.Manifests[i].Size || d.Platform == nil {
					t.Errorf("%s: %+v", path, d)
				}
				if seen[d.Platform.String()] {
					t.Errorf("%s: %s twice", path, d.Platform)
				}
				seen[d.Platform.String()] = true
			}
			if _, err := m.Image(); err == nil {
				t.Errorf("%s is an index and read as an image", path)
			}
			continue
		}
		im, err := m.Image()
		if err != nil || im.Config.Digest != plain.Config.Digest || len(im.Layers) != len(plain.Layers) {
			t.Errorf("%s: %+v %v", path, im, err)
			continue
		}
		for i := range im.Layers {
			if im.Layers[i].Digest != plain.Layers[i].Digest || len(im.Layers[i].Annotations) != len(plain.Layers[i].Annotations) {
				t.Errorf("%s: %+v", path, im.Layers[i])
			}
		}
	}
	if indexes != 10 || children < 40 {
		t.Errorf("%d indexes with %d children", indexes, children)
	}
}

const realdata = "../../../shared/realdata"

// realFiles maps the real manifests to their digests, where a name tells.
func realFiles(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, glob := range []string{"registry/manifests/*.json", "signatures/pause-3.10/manifests/*.json"} {
		paths, _ := filepath.Glob(filepath.Join(realdata, glob))
		if len(paths) == 0 {
			t.Skipf("no real data at %s", filepath.Join(realdata, glob))
		}
		for _, p := range paths {
			hex, ok := strings.CutPrefix(filepath.Base(p), "sha256_")
			out[p] = ""
			if ok {
				out[p] = "sha256:" + strings.TrimSuffix(hex, ".json")
			}
		}
	}
	return out
}

// The promoted digest of each real index is that of its bytes, whatever the
// promotion manifest's order.
func TestRealIndexesArePromoted(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(realdata, "registry/k8s-staging-kubernetes.kube-apiserver.images.yaml"))
	if err != nil {
		t.Skipf("no real data: %v", err)
	}
	found := 0
	paths, _ := filepath.Glob(filepath.Join(realdata, "registry/manifests/*.json"))
	for _, p := range paths {
		body, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(p), "kube-apiserver-"), ".index.json")
		for line := range strings.Lines(string(list)) {
			if strings.Contains(line, `"`+version+`"`) {
				found++
				if !strings.Contains(line, string(oci.DigestOf(body))) {
					t.Errorf("%s: %s, promoted %s", p, oci.DigestOf(body), line)
				}
			}
		}
	}
	if found == 0 {
		t.Error("none of the versions stands in the promotion manifest")
	}
}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte(`{"architecture":"arm","os":"linux","variant":"v7","os.version":"1","config":{"Env":["A=b"]},"rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`))
	if err != nil || c.Platform().String() != "linux/arm/v7:1" || len(c.DiffIDs) != 1 || c.DiffIDs[0] != someDigest {
		t.Errorf("%+v %v", c, err)
	}
	for body, says := range map[string]string{
		`{}`: "no rootfs", `[]`: "not an object", `{"rootfs":{"type":"layers"}}`: "without diff_ids", `{"rootfs":{"diff_ids":[]}}`: "no type",
		`{"rootfs":{"type":"x","diff_ids":[]}}`:                                        "not of type layers",
		`{"rootfs":{"type":"layers","diff_ids":["a"]}}`:                                "not a sha256",
		`{"rootfs":{"type":"layers","diff_ids":[5]}}`:                                  "not a sha256",
		`{"os":"linux","OS":"windows"}`:                                                "appears twice",
		`{"os":5,"rootfs":{"type":"layers","diff_ids":[]}}`:                            "os is not a string",
		`{"rootfs":{"type":"layers","diff_ids":[],"diff_ids":["` + someDigest + `"]}}`: "appears twice",
	} {
		var fe *FormatError
		if c, err := ParseConfig([]byte(body)); !errors.As(err, &fe) || !strings.Contains(err.Error(), says) || c != nil {
			t.Errorf("%s: %+v %v; want %q", body, c, err, says)
		}
	}
	real := filepath.Join(realdata, "signatures/pause-3.10/signature-config.json")
	body, err := os.ReadFile(real)
	if err != nil {
		t.Skipf("no real data at %s", real)
	}
	if c, err := ParseConfig(body); err != nil || len(c.DiffIDs) != 1 {
		t.Errorf("%s: %+v %v", real, c, err)
	}
}

// Whatever passes CheckJSON is read alike by encoding/json.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e+3,true,null,"\u00e9\n"],"b":{}}`, `{"a":1,"A":2}`, ` [ ] `, `"\ud800"`, `-0`, `1e`, `01`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseJSON(data)
		if err != nil {
			return
		}
		var plain any
		if err := json.Unmarshal(data, &plain); err != nil && !strings.Contains(err.Error(), "cannot unmarshal number") {
			t.Errorf("%q passes, but: %v", data, err)
		}
		if m, ok := plain.(map[string]any); ok && len(m) != len(v.keys) {
			t.Errorf("%q: %d keys, others see %d", data, len(v.keys), len(m))
		}
	})
}

func FuzzParseManifest(f *testing.F) {
	f.Add(OCIIndex, []byte(`{"schemaVersion":2,"manifests":[`+desc(`,"platform":{"os":"linux","architecture":"arm","variant":"v7"}`)+`]}`))
	f.Add(DockerManifest, []byte(`{"schemaVersion":2,"mediaType":"`+DockerManifest+`","config":`+desc("")+`,"layers":[`+desc(`,"annotations":{"a":"b"}`)+`]}`))
	f.Fuzz(func(t *testing.T, served string, body []byte) {
		x, m, err := ParseManifest(served, body)
		if err != nil {
			return
		}
		if (x == nil) == (m == nil) {
			t.Fatal("not exactly one of index and image")
		}
		// What is written from what was read reads the same again.
		var all []Descriptor
		if x != nil {
			all = x.Manifests
		} else {
			all = append(all, m.Layers...)
			all = append(all, m.Config)
		}
		for _, d := range all {
			if !d.Digest.IsSHA256() || d.Size < 0 || d.MediaType == "" {
				t.Errorf("%+v", d)
			}
			again, err := json.Marshal(map[string]any{"mediaType": d.MediaType, "digest": d.Digest, "size": d.Size, "annotations": d.Annotations})
			if err != nil {
				t.Fatal(err)
			}
			v, err := parseJSON(again)
			if err != nil {
				return // annotations in two cases of one key cannot be: they were refused
			}
			r := &memberReader{}
			if d2 := r.descriptor(v); r.err != nil || d2.Digest != d.Digest || d2.Size != d.Size || len(d2.Annotations) != len(d.Annotations) {
				t.Errorf("%+v is read again as %+v, %v", d, d2, r.err)
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":["` + someDigest + `"]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ParseConfig(body)
		if err != nil {
			return
		}
		again, err := json.Marshal(map[string]any{"os": c.OS, "architecture": c.Architecture, "variant": c.Variant, "os.version": c.OSVersion,
			"rootfs": map[string]any{"type": "layers", "diff_ids": append([]oci.Digest{}, c.DiffIDs...)}})
		if err != nil {
			t.Fatal(err)
		}
		c2, err := ParseConfig(again)
		if err != nil || c2.Platform() != c.Platform() || !slices.Equal(c2.DiffIDs, c.DiffIDs) {
			t.Errorf("%q: %+v is read again as %+v, %v", body, c, c2, err)
		}
	})
}

func BenchmarkParseManifest(b *testing.B) {
	body, err := os.ReadFile(filepath.Join(realdata, "registry/manifests/kube-apiserver-v1.27.2.index.json"))
	if err != nil {
		b.Skipf("no real data: %v", err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseManifest(DockerIndex, body); err != nil {
			b.Fatal(err)
		}
	}
}
