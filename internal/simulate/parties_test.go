package simulate

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/expect"
)

// party is one of several who say in one container what lies in it.
type party struct {
	name    string // the reference that it gives
	genuine bool   // its manifest is what was released under that name
	pulled
}

// party draws one: an image of a release, and a name that is its own or another's.
func (r *run) party(rnd *rand.Rand) (p party, ok bool) {
	image, version, arch := r.image, r.version, r.arch
	says := r.ref()
	if !r.honest {
		image = pick(rnd, []string{image, image, "kube-scheduler"})
		version = pick(rnd, []string{version, version, r.other})
		says = "registry.k8s.io/" + pick(rnd, []string{image, image, r.image, "kube-scheduler"}) + ":" + pick(rnd, []string{version, version, r.version, r.other})
	}
	p.name = says
	if p.pulled, ok = r.pull(image, version, arch); !ok {
		return p, false
	}
	if !r.honest && rnd.IntN(5) == 0 {
		p.config = edit(rnd, p.config)
	}
	for _, platform := range []string{"linux/" + arch, "linux/" + arch + "/v7"} {
		p.genuine = p.genuine || r.truth.Image(strings.TrimPrefix(says, "registry.k8s.io/"), platform) == digestOf(p.manifest)
	}
	return p, true
}

func (r *run) isItsConfig(p pulled) bool {
	var parts struct{ Config struct{ Digest string } }
	return json.Unmarshal(p.manifest, &parts) == nil && parts.Config.Digest == digestOf(p.config)
}

// several has one container judged in which two parties say what it is: manifest.json, as docker
// save writes it, and index.json, as an OCI layout has it. Where one of them is a lie, all is not verified (30).
func (r *run) several(rnd *rand.Rand) {
	if !r.core() {
		r.image, r.tag = "kube-proxy", r.version
	}
	one, ok := r.party(rnd)
	two, also := r.party(rnd)
	if !ok || !also {
		return
	}
	path := filepath.Join(r.dir, "several")
	if layout(path, two.name, two.pulled) != nil || r.addDocker(path, one) != nil {
		return
	}
	if rnd.IntN(2) == 0 {
		if archive, err := archiveOf(path); err == nil {
			path += ".tar"
			_ = os.WriteFile(path, archive, 0o600)
		}
	}
	one.genuine = one.genuine && r.isItsConfig(one.pulled) // manifest.json names a config and no manifest
	o := r.does("verify", path)
	r.holds(o, expect.Copy, expect.Live)
	if o.code == 0 && (!one.genuine || !two.genuine) {
		r.fail("%q: manifest.json says %s (genuine: %v), index.json %s (genuine: %v), and all is verified\n%s", o.args, one.name, one.genuine, two.name, two.genuine, o.stdout)
	}
}

// addDocker writes manifest.json and what it names into a layout, as docker save does since it writes both.
func (r *run) addDocker(dir string, p party) error {
	var layers []string
	for _, l := range p.layers {
		body, err := gunzip(l)
		if err != nil {
			return err
		}
		at := filepath.Join("blobs", "sha256", hexOf(digestOf(body)))
		layers = append(layers, at)
		if err := os.WriteFile(filepath.Join(dir, at), body, 0o600); err != nil {
			return err
		}
	}
	config := filepath.Join("blobs", "sha256", hexOf(digestOf(p.config)))
	if err := os.WriteFile(filepath.Join(dir, config), p.config, 0o600); err != nil {
		return err
	}
	list, err := json.Marshal([]map[string]any{{"Config": config, "RepoTags": []string{p.name}, "Layers": layers}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), list, 0o600)
}

// archiveOf is a directory as a tar archive.
func archiveOf(dir string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(rel), Mode: 0o644, Size: int64(len(body)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}

// pods has judged what a cluster says that it runs, as kubectl get pods -o json prints it.
func (r *run) pods(rnd *rand.Rand) {
	type status struct {
		Image   string `json:"image"`
		ImageID string `json:"imageID"`
		Name    string `json:"name"`
	}
	var list []status
	genuine := true
	for i := range 1 + rnd.IntN(3) {
		digest := r.anyDigest(rnd, pick(rnd, []string{"", r.arch}))
		name := r.ref()
		if !r.honest {
			name = pick(rnd, []string{name, name, name, "registry.k8s.io/kube-scheduler:" + r.version, r.repo() + ":" + r.other})
		}
		of := strings.TrimPrefix(name, "registry.k8s.io/")
		genuine = genuine && (r.truth.Image(of, "") == digest || slices.ContainsFunc(r.w.Arches(r.version), func(a string) bool {
			return r.truth.Image(of, "linux/"+a) == digest || r.truth.Image(of, "linux/"+a+"/v7") == digest
		}))
		list = append(list, status{name, strings.Split(name, ":")[0] + "@" + digest, fmt.Sprint("c", i)})
	}
	body, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p", "namespace": "kube-system"},
		"spec": map[string]any{"containers": []any{}}, "status": map[string]any{"containerStatuses": list},
	}}})
	file := filepath.Join(r.dir, "pods.json")
	if err != nil || os.WriteFile(file, body, 0o600) != nil {
		return
	}
	o := r.does("verify", "-f", file)
	r.holds(o, r.kindOf(expect.Copy), expect.Live)
	if o.code == 0 && !genuine && !r.lied(o) {
		r.fail("%q: not every pod runs what its image was released as, and all is verified\n%s\n%s", o.args, body, o.stdout)
	}
}

// packaged has a package judged, with the program that its name says or another one.
func (r *run) packaged(rnd *rand.Rand) {
	version := r.version
	at := world.FileURL(version, "bin/linux/"+r.arch+"/kubelet")
	body := r.w.File(at)
	if !r.honest {
		switch rnd.IntN(5) {
		case 0:
			body = edit(rnd, body)
		case 1:
			body = r.w.File(world.FileURL(r.other, "bin/linux/"+r.arch+"/kubelet"))
		case 2:
			body = r.w.File(world.FileURL(version, "bin/linux/"+r.arch+"/"+pick(rnd, []string{"kubectl", "kubeadm"})))
		}
	}
	deb := world.KubeletDeb(version, "1.1", r.arch, body)
	genuine := r.truth.File(at) == hexOf(digestOf(body))
	if !r.honest && rnd.IntN(4) == 0 {
		deb, genuine = edit(rnd, deb), true // what is left of it is told by its results
	}
	file := filepath.Join(r.dir, fmt.Sprintf("kubelet_%s-1.1_%s.deb", version[1:], r.arch))
	if os.WriteFile(file, deb, 0o600) != nil {
		return
	}
	o := r.does("verify", file)
	r.holds(o, expect.Program, expect.Live)
	if o.code == 0 && !genuine {
		r.fail("%q: its program is not that of the release, and all is verified\n%s", o.args, o.stdout)
	}
}

// directory has a directory of files judged, such as a node's, in which some may be others than their names say.
func (r *run) directory(rnd *rand.Rand) {
	dir := filepath.Join(r.dir, "node")
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	genuine := true
	for _, name := range []string{"kubectl", "kubelet", "kubeadm"} {
		if rnd.IntN(3) == 0 {
			continue
		}
		at := world.FileURL(r.version, "bin/linux/"+r.arch+"/"+name)
		body := r.w.File(at)
		if !r.honest {
			switch rnd.IntN(6) {
			case 0:
				body = edit(rnd, body)
			case 1:
				body = r.w.File(world.FileURL(r.other, "bin/linux/"+r.arch+"/"+name))
			case 2:
				body = r.w.File(world.FileURL(r.version, "bin/linux/"+r.otherArch(rnd)+"/"+name))
			}
		}
		// The directory names no architecture: another one's program of that name is the release's too.
		genuine = genuine && slices.ContainsFunc(r.truth.FileIs(digestOf(body)), func(u string) bool { return strings.Contains(u, "/"+r.version+"/") && strings.HasSuffix(u, "/"+name) })
		if body == nil || os.WriteFile(filepath.Join(dir, name), body, 0o755) != nil {
			return
		}
	}
	o := r.does("verify", dir, "--release", r.version)
	if list, _ := os.ReadDir(dir); len(list) > 0 {
		r.holds(o, expect.Program, expect.Live)
	}
	if o.code == 0 && !genuine {
		r.fail("%q: not every file is the release's of that name, and all is verified\n%s", o.args, o.stdout)
	}
}
