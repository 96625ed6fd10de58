package interop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/convert"
)

var updateConvert = flag.Bool("update-convert", false, "write what skopeo makes of the corpus to pkg/convert/testdata")

const convertData = "../../pkg/convert/testdata"

// TestConvertedBySkopeo lets skopeo write the images of the corpus of pkg/convert as
// OCI, alone and in lists, and holds it that their bytes are among the computed
// ones. Of the version that is in the table, the digests are those of the table.
func TestConvertedBySkopeo(t *testing.T) {
	skopeo := tool(t, "skopeo")
	version := strings.TrimSpace(strings.TrimPrefix(must(t, skopeo, "--version"), "skopeo version"))
	table := []string{"# What skopeo " + version + " writes of configs.txt: name, config, manifest. Then lists: name, index."}
	layer, err := os.ReadFile(filepath.Join(convertData, "layer.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range convertCorpus(t) {
		src := newDir(t)
		genuine := src.image(e.config, layer)
		src.write("manifest.json", genuine)
		dst := filepath.Join(t.TempDir(), "oci")
		must(t, skopeo, "--insecure-policy", "copy", "-q", "dir:"+src.path, "oci:"+dst+":x")
		manifest := topOf(t, dst)
		config := blobOf(t, dst, manifest, "config")
		table = append(table, e.name+" "+sum(config)+" "+sum(manifest))
		configs, err := convert.Configs(e.config)
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		at := slices.IndexFunc(configs, func(d convert.Derived) bool { return bytes.Equal(d.Bytes, config) })
		if known := e.name != "control"; at >= 0 != known {
			t.Errorf("%s: skopeo %s writes\n%s\nand %d others were computed:\n%s", e.name, version, config, len(configs), configs[0].Bytes)
		}
		if at < 0 {
			continue
		}
		manifests, err := convert.Manifests(genuine, configs[at])
		if err != nil || !hasBytes(manifests, manifest) {
			t.Errorf("%s: %v; skopeo writes the manifest\n%s", e.name, err, manifest)
		}
	}
	for name, of := range map[string][]string{"two": {"plain", "variant"}, "windows": {"plain", "osversion", "osfeatures"}} {
		table = append(table, name+" "+convertedList(t, skopeo, layer, of))
	}
	slices.Sort(table[1:])
	checkTable(t, version, strings.Join(table, "\n")+"\n")
}

// convertedList copies a list of images, and gives the index's digest.
func convertedList(t *testing.T, skopeo string, layer []byte, names []string) string {
	t.Helper()
	src := newDir(t)
	var entries []any
	var images []convertedImage
	for _, e := range convertCorpus(t) {
		if !slices.Contains(names, e.name) {
			continue
		}
		genuine := src.image(e.config, layer)
		src.write(strings.TrimPrefix(sum(genuine), "sha256:")+".manifest.json", genuine)
		var platform map[string]any
		if err := json.Unmarshal(e.config, &platform); err != nil {
			t.Fatal(err)
		}
		for _, k := range []string{"config", "rootfs", "created"} {
			delete(platform, k)
		}
		platform["features"] = []string{"sse4"}
		entries = append(entries, map[string]any{"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "size": len(genuine), "digest": sum(genuine), "platform": platform})
		images = append(images, convertedImage{e.config, genuine})
	}
	list, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "manifests": entries})
	if err != nil {
		t.Fatal(err)
	}
	src.write("manifest.json", list)
	dst := filepath.Join(t.TempDir(), "oci")
	must(t, skopeo, "--insecure-policy", "copy", "-q", "--all", "dir:"+src.path, "oci:"+dst+":x")
	index := topOf(t, dst)
	var manifests []convert.Derived
	for _, i := range images {
		manifests = append(manifests, i.manifestIn(t, dst))
	}
	computed, err := convert.Indexes(list, manifests)
	if err != nil || !hasBytes(computed, index) {
		t.Errorf("%v: %v; skopeo writes the index\n%s", names, err, index)
	}
	return sum(index)
}

// convertedImage is an image of a list: its genuine config and manifest.
type convertedImage struct{ config, manifest []byte }

// manifestIn is the one of the computed manifests that lies in the layout.
func (i convertedImage) manifestIn(t *testing.T, layout string) convert.Derived {
	t.Helper()
	configs, err := convert.Configs(i.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs {
		manifests, err := convert.Manifests(i.manifest, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range manifests {
			if _, err := os.Stat(filepath.Join(layout, "blobs", "sha256", m.Digest.Hex())); err == nil {
				return m
			}
		}
	}
	t.Fatalf("no computed manifest of %s lies in the layout", i.config)
	return convert.Derived{}
}

func checkTable(t *testing.T, version, got string) {
	t.Helper()
	name := filepath.Join(convertData, "skopeo-"+version+".txt")
	if *updateConvert {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Logf("no table of skopeo %s: its bytes were compared, and its digests were not", version)
		return
	}
	if got != string(want) {
		t.Errorf("%s is not what skopeo writes:\n%s", name, got)
	}
}

func hasBytes(list []convert.Derived, b []byte) bool {
	return slices.ContainsFunc(list, func(d convert.Derived) bool { return bytes.Equal(d.Bytes, b) })
}

type convertEntry struct {
	name   string
	config []byte
}

func convertCorpus(t *testing.T) (out []convertEntry) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(convertData, "configs.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		name, quoted, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		var config string
		if err := json.Unmarshal([]byte(quoted), &config); err != nil {
			t.Fatal(err)
		}
		out = append(out, convertEntry{name, []byte(config)})
	}
	return out
}

// dirImage is a directory as skopeo's "dir:" has it.
type dirImage struct {
	t    *testing.T
	path string
}

func newDir(t *testing.T) dirImage {
	d := dirImage{t, t.TempDir()}
	d.write("version", []byte("Directory Transport Version: 1.1\n"))
	return d
}

func (d dirImage) write(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.path, name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// image writes an image's blobs, and gives its manifest.
func (d dirImage) image(config, layer []byte) []byte {
	d.t.Helper()
	put := func(mediaType string, b []byte) string {
		d.write(strings.TrimPrefix(sum(b), "sha256:"), b)
		return fmt.Sprintf(`{"mediaType":%q,"size":%d,"digest":%q}`, mediaType, len(b), sum(b))
	}
	return fmt.Appendf(nil, `{"config":%s,"layers":[%s],"mediaType":"application/vnd.docker.distribution.manifest.v2+json","schemaVersion":2}`,
		put("application/vnd.docker.container.image.v1+json", config), put("application/vnd.docker.image.rootfs.diff.tar.gzip", layer))
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

// topOf is what the only entry of a layout's index.json names.
func topOf(t *testing.T, layout string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var top struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(text, &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	return blob(t, layout, top.Manifests[0].Digest)
}

func blobOf(t *testing.T, layout string, manifest []byte, member string) []byte {
	t.Helper()
	var m map[string]json.RawMessage
	var d struct{ Digest string }
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(m[member], &d); err != nil {
		t.Fatal(err)
	}
	return blob(t, layout, d.Digest)
}

func blob(t *testing.T, layout, digest string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(layout, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
