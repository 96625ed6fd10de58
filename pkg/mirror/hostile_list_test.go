package mirror_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// relist changes a mirror's lists as somebody would who has it in hand: every
// one of them, so that they agree.
func relist(t testing.TB, dir string, change func(m *mirror.Manifest)) {
	t.Helper()
	var m mirror.Manifest
	if err := json.Unmarshal([]byte(contents(t, dir)["MANIFEST.json"]), &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "MANIFEST.json", string(text))
	type entry struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int64             `json:"size"`
		Annotations map[string]string `json:"annotations"`
	}
	index := struct {
		SchemaVersion int     `json:"schemaVersion"`
		MediaType     string  `json:"mediaType"`
		Manifests     []entry `json:"manifests"`
	}{2, "application/vnd.oci.image.index.v1+json", []entry{}}
	for _, i := range m.Images {
		index.Manifests = append(index.Manifests, entry{i.MediaType, string(i.Digest), i.Size,
			map[string]string{"org.opencontainers.image.ref.name": i.Name, "io.containerd.image.name": i.Name}})
	}
	if text, err = json.MarshalIndent(index, "", "  "); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "oci/index.json", string(text)+"\n")
	now, sums := contents(t, dir), ""
	for _, name := range []string{"MANIFEST.json", "MANIFEST.json.sigstore.json", "oci/oci-layout", "oci/index.json"} {
		if body, ok := now[name]; ok {
			sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(body)), name)
		}
	}
	put(t, dir, "MANIFEST.sha256", sums)
}

func fileEntry(url, body string) mirror.FileEntry {
	sum := sha256.Sum256([]byte(body))
	return mirror.FileEntry{URL: url, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(body)), Origin: "published", Verdict: "verified", Releases: []string{"v1.27.2"}}
}

// TestListedUnasked: what stands in the lists of a mirror and was not asked for is
// judged all the same, or the mirror is not verified (rule 23).
func TestListedUnasked(t *testing.T) {
	w, dir := tiny(t)
	good := contents(t, dir)
	restore := func() {
		for name := range contents(t, dir) {
			if _, ok := good[name]; !ok {
				remove(t, dir, name)
			}
		}
		for name, body := range good {
			put(t, dir, name, body)
		}
	}
	again := func(name string) func(m *mirror.Manifest) {
		return func(m *mirror.Manifest) {
			for _, i := range m.Images {
				if i.Name == "registry.k8s.io/kube-proxy:v1.27.2" {
					i.Name = name
					m.Images = append(m.Images, i)
					return
				}
			}
			t.Fatal("no kube-proxy")
		}
	}
	for what, change := range map[string]func(m *mirror.Manifest){
		"":                         func(*mirror.Manifest) {},
		"another image":            again("registry.k8s.io/kube-apiserver:v1.27.2"),
		"another version":          again("registry.k8s.io/kube-proxy:v1.27.3"),
		"another architecture":     again("registry.k8s.io/kube-proxy-arm64:v1.27.2"),
		"an image of no release":   again("registry.k8s.io/pause:3.9"),
		"an image from elsewhere":  again("registry.example.com/kube-proxy:v1.27.2"),
		"another prefix":           again("registry.k8s.io/x/kube-proxy:v1.27.2"),
		"an image under no tag":    again("registry.k8s.io/kube-scheduler@" + digestOf(t, dir, "registry.k8s.io/kube-proxy:v1.27.2")),
		"a signature that is none": again("registry.k8s.io/kube-proxy:sha256-" + digestOf(t, dir, "registry.k8s.io/kube-proxy:v1.27.2")[7:] + ".sig.x"),
		"nothing at all": func(m *mirror.Manifest) {
			m.Scope, m.Images, m.Files, m.Releases = nil, nil, nil, nil
			for name := range good {
				if !strings.HasPrefix(name, "MANIFEST") && !strings.HasPrefix(name, "oci/oci-layout") {
					remove(t, dir, name)
				}
			}
		},
		"a program of another version": func(m *mirror.Manifest) {
			put(t, dir, "files/dl.k8s.io/release/v1.27.3/bin/linux/amd64/kubectl", "evil")
			m.Files = append(m.Files, fileEntry("https://dl.k8s.io/release/v1.27.3/bin/linux/amd64/kubectl", "evil"))
		},
		"a program by another name": func(m *mirror.Manifest) {
			put(t, dir, "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl.evil", "evil")
			m.Files = append(m.Files, fileEntry("https://dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl.evil", "evil"))
		},
		"a program of another host": func(m *mirror.Manifest) {
			put(t, dir, "files/downloads.example.com/kubectl", "evil")
			m.Files = append(m.Files, fileEntry("https://downloads.example.com/kubectl", "evil"))
		},
		"a program beside the releases": func(m *mirror.Manifest) {
			put(t, dir, "files/dl.k8s.io/kubectl", "evil")
			m.Files = append(m.Files, fileEntry("https://dl.k8s.io/kubectl", "evil"))
		},
		"a program that is no file of a release": func(m *mirror.Manifest) {
			put(t, dir, "files/dl.k8s.io/release/v1.27.2/install.sh", "evil")
			m.Files = append(m.Files, fileEntry("https://dl.k8s.io/release/v1.27.2/install.sh", "evil"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			defer restore()
			relist(t, dir, change)
			r := inside(t, w, dir, nil)
			if ok := what == ""; ok != (r.Verdict() == report.Verified) {
				t.Errorf("%s is %s:%s", what, r.Verdict(), bad(r))
			}
		})
	}
}

func digestOf(t testing.TB, dir, name string) string {
	t.Helper()
	var m mirror.Manifest
	if err := json.Unmarshal([]byte(contents(t, dir)["MANIFEST.json"]), &m); err != nil {
		t.Fatal(err)
	}
	for _, i := range m.Images {
		if i.Name == name {
			return string(i.Digest)
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

// TestSignedOverEdited: an operator who goes on with a list that somebody has
// edited signs nothing that was not read by a run with that key (rule 24).
func TestSignedOverEdited(t *testing.T) {
	w := world.New(world.Options{})
	o, key := operator(t)
	dir := filepath.Join(t.TempDir(), "m")
	makes(t, w, dir, nil, small("v1.27.1"))
	const url, body = "https://raw.githubusercontent.com/kubernetes/kubernetes/master/CHANGELOG/CHANGELOG-1.20.md", "# v1.20.1\n"
	put(t, dir, "files/raw.githubusercontent.com/kubernetes/kubernetes/master/CHANGELOG/CHANGELOG-1.20.md", body)
	relist(t, dir, func(m *mirror.Manifest) { m.Files = append(m.Files, fileEntry(url, body)) })
	makes(t, w, dir, func(m *create.Options) { m.Operator = o }, small("v1.27.2"))
	if _, err := vouches(t, dir, key); err != nil {
		t.Fatal(err)
	}
	var m mirror.Manifest
	if err := json.Unmarshal([]byte(contents(t, dir)["MANIFEST.json"]), &m); err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range m.Files {
		switch {
		case f.Origin != "published":
		case f.URL == url:
			t.Errorf("the operator vouches for %s, which no run has read", url)
		default:
			read++
		}
	}
	if read == 0 {
		t.Error("what this run has read is not published")
	}
}

// TestUnlistedUnasked: the same of a mirror whose MANIFEST.json was taken away.
func TestUnlistedUnasked(t *testing.T) {
	w, dir := tiny(t)
	for _, name := range []string{"MANIFEST.json", "MANIFEST.sha256"} {
		remove(t, dir, name)
	}
	wantVerdict(t, "a mirror without lists", inside(t, w, dir, nil), report.Verified)
	const program = "files/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl"
	good := contents(t, dir)[program]
	put(t, dir, program, good+"evil")
	wantVerdict(t, "a program that was changed", inside(t, w, dir, nil), report.Refuted)
	put(t, dir, program, good)
	for _, name := range []string{"files/dl.k8s.io/release/v1.27.3/bin/linux/amd64/kubectl", "files/dl.k8s.io/release/v1.27.2/install.sh", "files/example.com/kubectl"} {
		put(t, dir, name, "evil")
		wantVerdict(t, name, inside(t, w, dir, nil), report.Unknown)
		remove(t, dir, name)
	}
}

// TestRequiredOfNothing: a check of images that was demanded of a mirror without
// any was not made.
func TestRequiredOfNothing(t *testing.T) {
	w := world.New(world.Options{})
	dir := filepath.Join(t.TempDir(), "m")
	wish := small("v1.27.2")
	wish.Images, wish.Names = false, nil
	makes(t, w, dir, nil, wish)
	wantVerdict(t, "files alone", inside(t, w, dir, nil), report.Verified)
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v := outside(t, w)
	v.Fetch = &fetch.Client{Transport: d}
	v.Registry, v.Require = &registry.Client{Fetch: v.Fetch}, []string{report.VSA}
	r, err := d.Verify(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "files alone, with a check of images demanded", r, report.Unknown)
}
