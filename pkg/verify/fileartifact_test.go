package verify_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

func artifactLayer(m object) object { return m["layers"].([]any)[0].(object) }
func annotationsOf(m object) object { return artifactLayer(m)["annotations"].(object) }

const (
	fileTitle  = "org.opencontainers.image.title"
	fileSHA512 = "io.k8s.security-profiles-operator.sha512"
)

type fileForm struct {
	name, ref string
	do        func(w *world.World)
	carried   bool
	want      report.Verdict
	says      string
}

func (f fileForm) attack(w *world.World) {
	if f.do != nil {
		f.do(w)
	}
}

func fileForms() []fileForm {
	change := func(f func(m object)) func(w *world.World) {
		return func(w *world.World) { w.PutFileImage(world.FileImage, f) }
	}
	alone := func(f func(m object)) func(w *world.World) {
		return func(w *world.World) { w.PutFileAlone(world.FileAlone, f) }
	}
	return []fileForm{
		{"of two platforms", world.FileImage, nil, false, report.Verified, ""},
		{"of none", world.FileAlone, nil, false, report.Verified, ""},
		{"one platform, beside its tag", "", nil, false, report.Verified, ""},
		{"of another extension", world.FileImage, change(func(m object) { annotationsOf(m)[fileTitle] = "spoc.exe" }), false, report.Verified, ""},

		{"carried in: nothing binds it", world.FileImage, nil, true, unknown, "carried here"},
		{"not signed", world.FileImage, func(w *world.World) { w.DropSignature(world.FileImage) }, false, unknown, "no signature"},
		{"not promoted", world.FileImage, func(w *world.World) {
			w.PutFile(world.PromotionURL(world.FileProject), []byte("- name: other\n  dmap:\n    \"sha256:"+strings.Repeat("a", 64)+"\": [\"v1\"]\n"))
		}, false, unknown, "nothing strong"},
		{"promoted as another version", world.FileImage, func(w *world.World) {
			url := world.PromotionURL(world.FileProject)
			w.PutFile(url, []byte(strings.ReplaceAll(string(w.File(url)), `"v1.1.1"`, `"v1.1.0"`)))
		}, false, refuted, "v1.1.0"},
		{"another file under its digest", world.FileAlone, func(w *world.World) {
			body := []byte("# Made by kverify's tests: security-profiles-operator/profile\n")
			w.PutBlobAt(w.PutBlob(body), []byte("# Made by kverify's tests: security-profiles-operator/xrofile\n"))
		}, false, refuted, "the bytes that came are"},
		{"another sha512", world.FileImage, change(func(m object) { annotationsOf(m)[fileSHA512] = strings.Repeat("0", 128) }), false, refuted, "sha512"},
		{"a sha512 of another length", world.FileImage, change(func(m object) { annotationsOf(m)[fileSHA512] = strings.Repeat("0", 64) }), false, unknown, "is not a sha512"},
		{"two of them", world.FileImage, change(func(m object) { annotationsOf(m)["io.k8s.other.sha512"] = strings.Repeat("0", 128) }), false, unknown, "two sha512"},
		{"no sha512", world.FileImage, change(func(m object) { delete(annotationsOf(m), fileSHA512) }), false, unknown, "names no sha512"},
		{"no title", world.FileImage, change(func(m object) { delete(annotationsOf(m), fileTitle) }), false, unknown, "not a file name"},
		{"the title of another file", world.FileImage, change(func(m object) { annotationsOf(m)[fileTitle] = "kubectl" }), false, unknown, "not a file name"},
		{"a title that is a path", world.FileImage, change(func(m object) { annotationsOf(m)[fileTitle] = "spoc-/../../bin/sh" }), false, unknown, "not a file name"},
		{"a smaller size", world.FileImage, change(func(m object) { artifactLayer(m)["size"] = 3 }), false, unknown, "the file: "},
		{"a larger size", world.FileImage, change(func(m object) { artifactLayer(m)["size"] = 3000 }), false, unknown, "bytes"},
		{"a size beyond all", world.FileImage, change(func(m object) { artifactLayer(m)["size"] = 1 << 40 }), false, unknown, "more than the"},
		{"another media type", world.FileImage, change(func(m object) { artifactLayer(m)["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip" }), false, unknown, "not application/octet-stream"},
		{"two layers", world.FileImage, change(func(m object) { m["layers"] = append(m["layers"].([]any), artifactLayer(m)) }), false, unknown, "2 layers"},
		{"no layer", world.FileAlone, alone(func(m object) { m["layers"] = []any{} }), false, unknown, "0 layers"},
		{"a config that is not empty", world.FileImage, change(func(m object) {
			m["config"] = object{"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": "sha256:" + strings.Repeat("b", 64)}
		}), false, unknown, "not the empty one"},
		{"an empty config of another type", world.FileImage, change(func(m object) {
			m["config"] = object{"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
		}), false, unknown, "rootfs"},
		{"of another type than its index says", world.FileImage, change(func(m object) { m["artifactType"] = "application/vnd.k8s.other.spoc.v1" }), false, refuted, "but the index says"},
		{"of a type that is not a file's", world.FileAlone, alone(func(m object) { m["artifactType"] = "application/vnd.example.spoc.v1" }), false, report.Verified, ""},
	}
}

// Rule 33: a file kept as an OCI artifact is signed by its manifest's signature
// and identified by its layer, with which its annotations agree.
func TestFilesKeptAsArtifacts(t *testing.T) {
	built := world.New(world.Options{})
	for _, tt := range fileForms() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			tt.attack(w)
			if tt.ref == "" {
				m, _ := w.Manifest(world.FileImage)
				_, rest, _ := strings.Cut(string(m.Body), `"digest":"`)
				tt.ref = world.FileImage + "@" + rest[:71]
			}
			ref, err := registry.ParseRef("registry.k8s.io/" + tt.ref)
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
			if rep.Verdict() != tt.want || !strings.Contains(failures(rep), tt.says) {
				t.Errorf("%s, want %s with %q\n%s", rep.Verdict(), tt.want, tt.says, failures(rep))
			}
		})
	}
}

// Rule 20: a file in the place of an image is refuted, whoever signed it.
func TestFilesUnderTheNamesOfImages(t *testing.T) {
	built := world.New(world.Options{})
	for _, name := range []string{proxy, "kube-proxy-amd64:" + version, "pause:3.9", "coredns/coredns:v1.10.1", "kube-apiserver:v1.27.9", "kubernetes/kube-proxy:" + version} {
		for what, put := range map[string]func(w *world.World) string{
			"with platforms": func(w *world.World) string { return w.PutFileImage(name, nil) },
			"alone":          func(w *world.World) string { return w.PutFileAlone(name, nil) },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				w := built.Clone()
				digest := put(w)
				for _, ref := range []string{"registry.k8s.io/" + name, "registry.k8s.io/" + name[:strings.IndexByte(name, ':')] + "@" + digest} {
					parsed, err := registry.ParseRef(ref)
					if err != nil {
						t.Fatal(err)
					}
					rep, err := verifier(t, w).References(t.Context(), []registry.Ref{parsed})
					if err != nil {
						t.Fatal(err)
					}
					if rep.Verdict() != refuted && !(strings.Contains(ref, "-amd64") && rep.Verdict() != report.Verified) {
						t.Errorf("%s: %s\n%s", ref, rep.Verdict(), failures(rep))
					}
				}
			})
		}
	}
}
