package seen_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/seen"
)

// debOf is a package as dpkg-deb writes one: an ar archive of three members.
func debOf(t testing.TB, name, version, arch string, files map[string][]byte) []byte {
	t.Helper()
	packed := func(files map[string][]byte) []byte {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		w := tar.NewWriter(z)
		for path, body := range files {
			if err := w.WriteHeader(&tar.Header{Name: "./" + path, Mode: 0o755, Size: int64(len(body)), Format: tar.FormatUSTAR}); err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(body)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: x\nDescription: x\n", name, version, arch)
	out := bytes.NewBufferString("!<arch>\n")
	for _, m := range []struct {
		name string
		body []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", packed(map[string][]byte{"control": []byte(control)})}, {"data.tar.gz", packed(files)}} {
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.name, 0, 0, 0, 0o100644, len(m.body))
		out.Write(m.body)
		if len(m.body)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// The programs in a package must be those of the release that its version names; a package
// that cannot be read, or lacks its program, is never passed over.
func TestPackages(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.27.1", version}})
	kubelet := func(version, name, arch string) []byte { return w.Program(version, name, "linux", arch) }
	genuine := debOf(t, "kubelet", "1.27.2-1.1", "amd64", map[string][]byte{"usr/bin/kubelet": kubelet(version, "kubelet", "amd64")})
	for _, tt := range []struct {
		name string
		deb  []byte
		want report.Verdict
		says string
	}{
		{"the genuine program", genuine, report.Verified, "sbom"},
		{"another revision", debOf(t, "kubelet", "1.27.2-2.1", "amd64", map[string][]byte{"usr/bin/kubelet": kubelet(version, "kubelet", "amd64")}), report.Verified, ""},
		{"another release's", debOf(t, "kubelet", "1.27.2-1.1", "amd64", map[string][]byte{"usr/bin/kubelet": kubelet("v1.27.1", "kubelet", "amd64")}), report.Refuted, "v1.27.1"},
		{"another program's", debOf(t, "kubelet", "1.27.2-1.1", "amd64", map[string][]byte{"usr/bin/kubelet": kubelet(version, "kubectl", "amd64")}), report.Refuted, "kubectl"},
		{"another architecture's", debOf(t, "kubelet", "1.27.2-1.1", "amd64", map[string][]byte{"usr/bin/kubelet": kubelet(version, "kubelet", "arm64")}), report.Refuted, "arm64"},
		{"a rebuilt one", debOf(t, "kubelet", "1.27.2-1.1", "amd64", map[string][]byte{"usr/bin/kubelet": []byte("\x7fELF rebuilt")}), report.Unknown, "rebuilt or stripped"},
		{"without its program", debOf(t, "kubelet", "1.27.2-1.1", "amd64", map[string][]byte{"usr/bin/kubectl": kubelet(version, "kubectl", "amd64")}), report.Unknown, "has no program of that name"},
		{"a version that is none", debOf(t, "kubelet", "7-1", "amd64", map[string][]byte{"usr/bin/kubelet": kubelet(version, "kubelet", "amd64")}), report.Unknown, "names no release"},
		{"cut off", genuine[:len(genuine)-40], report.Unknown, "cut off"},
		{"somebody else's", debOf(t, "cri-tools", "1.27.0-1.1", "amd64", map[string][]byte{"usr/bin/crictl": []byte("\x7fELF")}), report.Unknown, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Beside what is verified, so that what is passed over would show as verified.
			in := lines()
			in.Packages = []seen.Package{seen.ReadPackage(t.Context(), "x.deb", bytes.NewReader(tt.deb))}
			rep := verdict(t, judge(t, w), in)
			if got := rep.Verdict(); got != tt.want || !strings.Contains(tell(rep), tt.says) {
				t.Errorf("%s, want %s with %q\n%s", got, tt.want, tt.says, tell(rep))
			}
			if tt.name == "somebody else's" {
				return
			}
			in.Digests = []oci.Digest{oci.Digest(digest(t, w, "kube-proxy:"+version))}
			in.Packages = []seen.Package{seen.ReadPackage(t.Context(), "x.deb", io.MultiReader(bytes.NewReader(tt.deb)))}
			if got := verdict(t, judge(t, w), in).Verdict(); got != tt.want {
				t.Errorf("beside a verified image it is %s, want %s", got, tt.want)
			}
		})
	}
}
