package interop

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
)

// The image of the forms: five layers, of which one stands twice, on four platforms.
const (
	several = "conformance"
	named   = outside + "/" + several + ":" + version
)

// stock is a mirror with what proves a release, and registries that hold its images.
type stock struct {
	w            *world.World
	mirror, root string
	r            registry
}

func newStock(t *testing.T) stock {
	t.Helper()
	s := stock{w: world.New(world.Options{Versions: []string{"v1.27.1", version}}), r: startDistribution(t)}
	dir := t.TempDir()
	s.mirror, s.root = filepath.Join(dir, "mirror"), filepath.Join(dir, "root.json")
	if err := s.w.WriteMirror(s.mirror, []string{"v1.27.1", version}, world.MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	write(t, s.root, string(s.w.TrustedRootJSON()))
	copyImage(t, s.w, s.r, several, version)
	return s
}

// verify judges what lies at a path or a name, with the mirror alone.
func (s stock) verify(t *testing.T, what string, more ...string) (code int, out string) {
	t.Helper()
	args := []string{"verify", what, "--mirror", s.mirror, "--trusted-root", s.root, "--as", s.r.addr + "=" + outside}
	code, stdout, stderr := kverify(t, append(args, more...)...)
	return code, stdout + stderr
}

// blobs are one platform's image, as the world has it.
type blobs struct {
	manifest, config []byte
	layers           [][]byte // packed
}

func (s stock) image(t *testing.T, name, arch string) (b blobs) {
	t.Helper()
	m, ok := s.w.Manifest(name + "-" + arch + ":" + version)
	if !ok {
		t.Fatalf("the world has no %s for %s", name, arch)
	}
	var parts struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal(m.Body, &parts); err != nil {
		t.Fatal(err)
	}
	b.manifest, b.config = m.Body, s.w.Blob(parts.Config.Digest)
	for _, l := range parts.Layers {
		b.layers = append(b.layers, s.w.Blob(l.Digest))
	}
	return b
}

// A form is what one tool writes of an image, in one of its ways.
type form struct {
	name string
	// write writes it at a path; it skips where the tool is not at hand.
	write func(t *testing.T, s stock, out string)
	// lost says that what the tool writes holds neither manifest nor index as released.
	lost bool
}

func skopeoForm(name, to string, lost bool, more ...string) form {
	return form{name, func(t *testing.T, s stock, out string) {
		args := append([]string{"--override-arch", "amd64", "--insecure-policy", "copy", "-q", "--src-tls-verify=false"}, more...)
		must(t, tool(t, "skopeo"), append(args, "docker://"+s.r.addr+"/"+several+":"+version, strings.Replace(to, "OUT", out, 1))...)
	}, lost}
}

var forms = []form{
	skopeoForm("skopeo docker-archive", "docker-archive:OUT:"+named, true),
	skopeoForm("skopeo oci", "oci:OUT:"+version, true),
	skopeoForm("skopeo oci, named", "oci:OUT:"+named, true),
	skopeoForm("skopeo oci, all", "oci:OUT:"+named, true, "--all"),
	skopeoForm("skopeo oci-archive", "oci-archive:OUT:"+named, true),
	skopeoForm("skopeo dir", "dir:OUT", false),
	skopeoForm("skopeo dir, all", "dir:OUT", false, "--all"),
	{"crane tarball", func(t *testing.T, s stock, out string) {
		must(t, tool(t, "crane"), "pull", "--insecure", s.r.addr+"/"+several+":"+version, out)
	}, true},
	{"crane oci", func(t *testing.T, s stock, out string) {
		must(t, tool(t, "crane"), "pull", "--insecure", "--format=oci", s.r.addr+"/"+several+":"+version, out)
	}, false},
	{"regctl", func(t *testing.T, s stock, out string) {
		must(t, tool(t, "regctl"), "--host", "reg="+s.r.addr+",tls=disabled", "image", "export", s.r.addr+"/"+several+":"+version, out)
	}, false},
	{"oras", func(t *testing.T, s stock, out string) {
		must(t, tool(t, "oras"), "copy", "--from-plain-http", s.r.addr+"/"+several+":"+version, "--to-oci-layout", out+":"+version)
	}, false},
	{"podman docker-archive", func(t *testing.T, s stock, out string) { podmanSave(t, s, out, "docker-archive") }, true},
	{"podman oci-archive", func(t *testing.T, s stock, out string) { podmanSave(t, s, out, "oci-archive") }, true},
	{"ctr, one platform", func(t *testing.T, s stock, out string) { ctrExport(t, s, out, "--platform", "linux/amd64") }, false},
	{"ctr, all platforms", func(t *testing.T, s stock, out string) { ctrExport(t, s, out, "--all-platforms") }, false},
	{"docker save before 25", func(t *testing.T, s stock, out string) {
		s.dockerOld(t, s.image(t, several, "amd64"), named).tar(t, out)
	}, true},
	{"docker save since 25", func(t *testing.T, s stock, out string) {
		s.dockerNew(t, s.image(t, several, "amd64"), named).tar(t, out)
	}, true},
}

func podmanSave(t *testing.T, s stock, out, form string) {
	podman, dir := tool(t, "podman"), t.TempDir()
	store := []string{"--storage-driver", "vfs", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run")}
	if _, err := run(t, podman, append(store, "pull", "-q", "--arch", "amd64", "--tls-verify=false", s.r.addr+"/"+several+":"+version)...); err != nil {
		t.Skipf("podman cannot keep images here: %v", err)
	}
	must(t, podman, append(store, "tag", s.r.addr+"/"+several+":"+version, named)...)
	must(t, podman, append(store, "save", "-q", "--format", form, "-o", out, named)...)
}

// ctrExport lets containerd pull and export an image.
func ctrExport(t *testing.T, s stock, out string, more ...string) {
	ctr := startContainerd(t)
	ctr("content", "fetch", "--plain-http", "--all-platforms", s.r.addr+"/"+several+":"+version)
	ctr("images", "tag", s.r.addr+"/"+several+":"+version, named)
	ctr(slices.Concat([]string{"images", "export"}, more, []string{out, named})...)
}

// TestFormsOfTools lets each tool write an image in each of its forms, which is
// verified, and changes one thing in what was written, which never is.
func TestFormsOfTools(t *testing.T) {
	s := newStock(t)
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			f.write(t, s, out)
			if t.Failed() {
				return
			}
			if code, said := s.verify(t, out); code != 0 {
				t.Fatalf("exit code %d, want 0\n%s", code, said)
			}
			for _, h := range f.harms(t, s, out) {
				t.Run(h.name, func(t *testing.T) {
					bad := filepath.Join(t.TempDir(), "out")
					h.files.write(t, bad)
					if code, said := s.verify(t, bad); !slices.Contains(h.codes, code) {
						t.Errorf("exit code %d, want one of %d\n%s", code, h.codes, said)
					}
				})
			}
		})
	}
}
