package verify_test

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// tarOf writes an archive; a header's Size is that of its body unless it is set.
func tarOf(files ...any) []byte {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		var h tar.Header
		switch f := files[i].(type) {
		case string:
			h = tar.Header{Name: f, Typeflag: tar.TypeReg}
		case tar.Header:
			h = f
		}
		body, _ := files[i+1].([]byte)
		if h.Typeflag != tar.TypeXGlobalHeader { // which has neither
			h.Mode, h.Size = 0o755, int64(len(body))
		}
		if err := t.WriteHeader(&h); err != nil {
			panic(err)
		}
		_, _ = t.Write(body)
	}
	if err := t.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

const (
	withKubectl = "v1.28.2" // whose conformance holds a kubectl
	inImage     = "usr/local/bin/kube-scheduler"
)

func contentsOf(t testing.TB, w *world.World, names ...string) report.Report {
	t.Helper()
	v := verifier(t, w)
	v.Require, v.Catalogue = []string{report.Contents}, catalogueOf(t, w) // so that nothing but the contents is wrong
	req := request(t, withKubectl)
	req.Names = names
	rep, err := v.Images(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestContents(t *testing.T) {
	rep := contentsOf(t, world.New(world.Options{Versions: []string{withKubectl}}))
	if rep.Verdict() != report.Verified {
		t.Fatalf("%s\n%s", rep.Verdict(), failures(rep))
	}
	for of, says := range map[string]string{
		"kube-proxy:v1.28.2 linux/s390x":  "/usr/local/bin/kube-proxy is bin/linux/s390x/kube-proxy",
		"conformance:v1.28.2 linux/amd64": "/usr/local/bin/kubectl is bin/linux/amd64/kubectl",
		"kubectl:v1.28.2 linux/arm64":     "/bin/kubectl is bin/linux/arm64/kubectl", // by way of a link
		"kube-scheduler:v1.28.2":          "each of its 4 platforms",
	} {
		if c := checkOf(t, rep, of, report.Contents); !strings.Contains(c.Detail, says) || c.Evidence.IsZero() {
			t.Errorf("%s: %s", of, c.Detail)
		}
	}
	v := verifier(t, world.New(world.Options{Versions: []string{withKubectl}}))
	v.Require = []string{report.Contents}
	rep, err := v.References(t.Context(), []registry.Ref{{Host: "registry.k8s.io", Repository: "pause", Tag: "3.9"}})
	if err != nil || rep.Verdict() != unknown {
		t.Errorf("a check that cannot apply: %v %s", err, rep.Verdict())
	}
	if c := checkOf(t, rep, "pause:3.9 linux/amd64", report.Contents); c.Reason != report.NoClaim || !strings.Contains(c.Detail, "does not apply") {
		t.Errorf("%s %s", c.Reason, c.Detail)
	}
}

// contentsAttack is an image of kube-scheduler for arm64 with other layers on its
// base, all of it signed by krel-trust and in every list.
type contentsAttack struct {
	name   string
	layers func(w *world.World) []world.Layer
	want   report.Verdict
	says   string
}

func contentsAttacks() []contentsAttack {
	good := func(w *world.World) []byte { return w.Program(withKubectl, "kube-scheduler", "linux", "arm64") }
	evil := []byte("#!/bin/sh\necho evil\n")
	l := func(files ...any) world.Layer { return world.Layer{Tar: tarOf(files...)} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	hard := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}
	}
	type ls = []world.Layer
	return []contentsAttack{
		{"unchanged", func(w *world.World) ls { return ls{l(inImage, good(w))} }, report.Verified, "is bin/linux/arm64"},
		{"with a dot before its name", func(w *world.World) ls { return ls{l("./"+inImage, good(w))} }, report.Verified, "is bin/linux/arm64"},
		{"put again by a later layer", func(w *world.World) ls { return ls{l(inImage, evil), l(inImage, good(w))} }, report.Verified, "is bin/linux/arm64"},
		{"taken away, and put again", func(w *world.World) ls {
			return ls{l(inImage, evil), l("usr/local/bin/.wh.kube-scheduler", nil), l(inImage, good(w))}
		}, report.Verified, "is bin/linux/arm64"},
		{"a hard link to it elsewhere", func(w *world.World) ls { return ls{l(inImage, good(w), hard("bin/kp", inImage), nil)} }, report.Verified, "is bin/linux/arm64"},
		{"compressed by zstd", func(w *world.World) ls {
			return ls{{Tar: tarOf(inImage, good(w)), Served: zstdOf(tarOf(inImage, good(w))), MediaType: "application/vnd.oci.image.layer.v1.tar+zstd"}}
		}, report.Verified, "is bin/linux/arm64"},
		{"not compressed", func(w *world.World) ls {
			return ls{{Tar: tarOf(inImage, good(w)), Served: tarOf(inImage, good(w)), MediaType: "application/vnd.oci.image.layer.v1.tar"}}
		}, report.Verified, "is bin/linux/arm64"},

		{"another program", func(*world.World) ls { return ls{l(inImage, evil)} }, refuted, "by its SBOM"},
		{"the program of another architecture", func(w *world.World) ls {
			return ls{l(inImage, w.Program(withKubectl, "kube-scheduler", "linux", "amd64"))}
		}, refuted, "by its SBOM"},
		{"another program of the release", func(w *world.World) ls {
			return ls{l(inImage, w.Program(withKubectl, "kube-proxy", "linux", "arm64"))}
		}, refuted, "by its SBOM"},
		{"a later layer that overrides it", func(w *world.World) ls { return ls{l(inImage, good(w)), l(inImage, evil)} }, refuted, "by its SBOM"},
		{"a later layer under another spelling", func(w *world.World) ls {
			return ls{l(inImage, good(w)), l("/usr//local/./bin/kube-scheduler", evil)}
		}, refuted, "by its SBOM"},
		{"a whiteout", func(w *world.World) ls { return ls{l(inImage, good(w)), l("usr/local/bin/.wh.kube-scheduler", nil)} }, unknown, "there is no"},
		{"a whiteout of a directory above", func(w *world.World) ls { return ls{l(inImage, good(w)), l("usr/.wh.local", nil)} }, unknown, "there is no"},
		{"an opaque directory above", func(w *world.World) ls { return ls{l(inImage, good(w)), l("usr/local/.wh..wh..opq", nil)} }, unknown, "there is no"},
		{"a directory above that is a file", func(w *world.World) ls { return ls{l(inImage, good(w)), l("usr/local", evil)} }, unknown, "there is no"},
		{"twice in one layer", func(w *world.World) ls { return ls{l(inImage, good(w), inImage, evil)} }, unknown, "twice"},
		{"twice, the good one last", func(w *world.World) ls { return ls{l(inImage, evil, "./"+inImage, good(w))} }, unknown, "twice"},
		{"put and taken away by one layer", func(w *world.World) ls {
			return ls{l(inImage, good(w), "usr/local/bin/.wh.kube-scheduler", nil)}
		}, unknown, "takes it away"},
		{"taken away and put by one layer", func(w *world.World) ls {
			return ls{l("usr/local/bin/.wh.kube-scheduler", nil, inImage, good(w))}
		}, unknown, "twice"},
		{"a symbolic link", func(w *world.World) ls {
			return ls{l("opt/kube-scheduler", good(w), link(inImage, "/opt/kube-scheduler"), nil)}
		}, unknown, "is a link"},
		{"a hard link", func(w *world.World) ls { return ls{l("opt/kp", good(w), hard(inImage, "opt/kp"), nil)} }, unknown, "hard link"},
		{"a directory above that is a link", func(w *world.World) ls {
			return ls{l(inImage, good(w), "opt/kube-scheduler", evil), l(link("usr/local/bin", "/opt"), nil)}
		}, refuted, "by its SBOM"},
		{"a directory above that is a hard link to a link", func(w *world.World) ls {
			return ls{l(link("x", "/opt"), nil, hard("usr/local/bin", "x"), nil), l(inImage, good(w)), l("opt/kube-scheduler", evil)}
		}, refuted, "by its SBOM"},
		{"a directory above that is a hard link to a link by way of a link", func(w *world.World) ls {
			return ls{l(link("x", "/opt"), nil, link("y", "/"), nil), l(hard("usr/local/bin", "/y/x"), nil), l(inImage, good(w)), l("opt/kube-scheduler", evil)}
		}, refuted, "by its SBOM"},
		{"a header that is no file in the place of a link", func(w *world.World) ls {
			global := tar.Header{Name: "usr/local/bin", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}
			return ls{l(link("usr/local/bin", "/opt"), nil), l(global, nil, inImage, good(w)), l("opt/kube-scheduler", evil)}
		}, refuted, "by its SBOM"},
		{"a note to the overlay file system", func(w *world.World) ls {
			redirect := tar.Header{Name: "usr/local/bin/", Typeflag: tar.TypeDir, PAXRecords: map[string]string{"SCHILY.xattr.trusted.overlay.redirect": "/opt"}}
			return ls{l(inImage, good(w), "opt/kube-scheduler", evil), l(redirect, nil)}
		}, unknown, "how layers are joined"},
		{"links in a circle", func(w *world.World) ls {
			return ls{l(link("usr", "/opt"), nil, link("opt", "/usr"), nil)}
		}, unknown, "links"},
		{"a device", func(*world.World) ls { return ls{l(tar.Header{Name: inImage, Typeflag: tar.TypeFifo}, nil)} }, unknown, "special file"},
		{"a directory", func(*world.World) ls { return ls{l(tar.Header{Name: inImage + "/", Typeflag: tar.TypeDir}, nil)} }, unknown, "directory"},
		{"a name that climbs", func(w *world.World) ls { return ls{l(inImage, good(w), "opt/../"+inImage, evil)} }, unknown, "climbs"},
		{"an archive after the archive", func(w *world.World) ls {
			return ls{{Tar: append(tarOf(inImage, good(w)), tarOf(inImage, evil)...)}}
		}, unknown, "follows the end"},
		{"another layer than the config names", func(w *world.World) ls {
			return ls{{Tar: tarOf(inImage, good(w)), DiffID: "sha256:" + strings.Repeat("0", 64)}}
		}, refuted, "unpacks to other bytes"},
		{"a layer of an unknown type", func(w *world.World) ls {
			return ls{{Tar: tarOf(inImage, good(w)), MediaType: "application/vnd.example.layer.tar+lz4"}}
		}, unknown, "nothing here unpacks"},
		{"a layer that is no archive", func(*world.World) ls { return ls{{Tar: []byte("no archive"), Served: []byte("no archive")}} }, unknown, "cannot be unpacked"},
		{"an archive that breaks off", func(w *world.World) ls { return ls{{Tar: tarOf(inImage, good(w))[:540]}} }, unknown, "cannot be unpacked"},
		{"a program that claims to be huge", func(*world.World) ls {
			body := tarOf(inImage, evil)
			copy(body[124:136], "77777777777\x00")
			return ls{{Tar: checksummed(body)}}
		}, unknown, "more than is read"},
	}
}

// checksummed mends the checksum of an archive's first header.
func checksummed(b []byte) []byte {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	s := "000000"
	digits := []byte(s)
	for i := 5; i >= 0; i-- {
		digits[i] = byte('0' + sum%8)
		sum /= 8
	}
	copy(b[148:156], string(digits)+"\x00 ")
	return b
}

func zstdOf(b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return z.EncodeAll(b, nil)
}

func TestContentsAttacks(t *testing.T) {
	built := world.New(world.Options{Versions: []string{withKubectl}})
	for _, a := range contentsAttacks() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			w := built.Clone()
			w.SetLayers(withKubectl, "kube-scheduler", "arm64", a.layers(w)...)
			rep := contentsOf(t, w, "kube-scheduler")
			c := checkOf(t, rep, "kube-scheduler:v1.28.2 linux/arm64", report.Contents)
			if c.Verdict != a.want || !strings.Contains(c.Detail, a.says) || rep.Verdict() != a.want {
				t.Errorf("%s, %s %s: %s\n%s", rep.Verdict(), c.Verdict, c.Reason, c.Detail, failures(rep))
			}
		})
	}
	t.Run("a layer that is not its digest", func(t *testing.T) {
		w := built.Clone()
		w.FlipBit(world.BlobURL("kube-scheduler-arm64", lastLayer(t, w)))
		if c := checkOf(t, contentsOf(t, w, "kube-scheduler"), "kube-scheduler:v1.28.2 linux/arm64", report.Contents); c.Verdict == report.Verified {
			t.Errorf("%s %s", c.Verdict, c.Detail)
		}
	})
	t.Run("an SBOM that nobody signed", func(t *testing.T) {
		w := built.Clone()
		w.PutFile(world.SBOMURL(withKubectl)+".sig", nil)
		if c := checkOf(t, contentsOf(t, w, "kube-scheduler"), "kube-scheduler:v1.28.2 linux/arm64", report.Contents); c.Verdict != unknown {
			t.Errorf("%s %s", c.Verdict, c.Detail)
		}
	})
	t.Run("a layer that cannot be had", func(t *testing.T) {
		w := built.Clone()
		w.Truncate(world.BlobURL("kube-scheduler-arm64", lastLayer(t, w)), 10)
		if c := checkOf(t, contentsOf(t, w, "kube-scheduler"), "kube-scheduler:v1.28.2 linux/arm64", report.Contents); c.Verdict != unknown {
			t.Errorf("%s %s", c.Verdict, c.Detail)
		}
	})
}

// lastLayer is the digest of the last layer of kube-scheduler for arm64.
func lastLayer(t testing.TB, w *world.World) string {
	t.Helper()
	m, _ := w.Manifest("kube-scheduler-arm64:" + withKubectl)
	_, img, err := registry.ParseManifest(m.MediaType, m.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(img.Layers[len(img.Layers)-1].Digest)
}
