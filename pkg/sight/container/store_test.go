package container_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/sight/container"
)

// Whatever containerd could take for an image in its store is a copy, be it malformed: its data base, which is not
// read, may give it a name.
func TestWhatAStoreCouldHold(t *testing.T) {
	genuine, evil := newImage("kube-proxy", "amd64"), newImage("evil", "amd64")
	manifest := func(more fields) []byte {
		return asJSON(merged(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor(ociConfig, evil.config), "layers": []fields{descriptor(ociLayer+"+gzip", evil.packed[3])}}, more))
	}
	subject := fields{"subject": descriptor(dockerManifest, []byte("x"))}
	empty := []byte(`{}`)
	plain := manifest(nil)
	as := func(old, new string) []byte { return bytes.Replace(plain, []byte(old), []byte(new), 1) }
	self := strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		text []byte
		say  string  // of why it cannot be judged, or nothing
		also fileset // what else lies there
		dir  string  // where it lies, if elsewhere
		more int     // copies beside it and the genuine one
	}{
		"a manifest":                         {text: plain},
		"with a subject, without a platform": {text: manifest(merged(fields{"config": descriptor(ociConfig, empty)}, subject))},
		"the same, and a kind of layer that only containerd knows": {text: manifest(merged(fields{"config": descriptor(ociConfig, empty),
			"layers": []fields{descriptor(ociLayer+"+x+gzip", evil.packed[3])}}, subject))},
		"a key twice":                   {text: as(`{`, `{"a":1,"a":1,`), say: "appears twice"},
		"behind 64 blanks":              {text: append(bytes.Repeat([]byte(" "), 64), plain...)},
		"behind more blanks than a cap": {text: append(bytes.Repeat([]byte("\r\n\t "), 1_100_000), plain...), say: "limit"},
		"larger than a cap":             {text: append(bytes.Clone(plain), bytes.Repeat([]byte(" "), 4_300_000)...), say: "limit"},
		"larger, and the layers last":   {text: as(`"layers"`, `"x":"`+strings.Repeat(`\"`, 3<<20)+`","layers"`), say: "limit"},
		"mediaType null":                {text: as(`"`+ociManifest+`"`, `null`), say: "media type"},
		"another mediaType":             {text: as(ociManifest, "x"), say: "media type"},
		"Layers":                        {text: as(`"layers"`, `"Layers"`), say: "some readers take for layers"},
		"layerſ, escaped":               {text: as(`"layers"`, `"\u006cayer\u017f"`), say: "some readers take for layers"},
		"Layers, and no mediaType":      {text: bytes.Replace(as(`"layers"`, `"LAYERS"`), []byte(`"mediaType":"`+ociManifest+`",`), nil, 1), say: "neither an index nor a manifest"},
		"Manifests alone":               {text: []byte(`{"Manifests":[]}`), say: "neither"},
		"layers of version 1":           {text: []byte(`{"schemaVersion":1,"fsLayers":[],"history":[]}`), say: "neither"},
		"a config alone":                {text: asJSON(fields{"Config": descriptor(ociConfig, evil.config)}), say: "neither"},
		"a number that is none":         {text: as(`"schemaVersion":2`, `"schemaVersion":2.0`), say: "no integer"},
		"named by a SHA-512":            {text: plain, dir: "blobs/sha512/", say: "no SHA-256 names"},
		"below an index that names itself": {text: plain, more: 1, also: fileset{{name: "blobs/sha256/" + self,
			data: index(ociIndex, descriptor(ociManifest, plain), fields{"mediaType": ociIndex, "digest": "sha256:" + self, "size": 7})}}},
		"below an index under another name": {text: plain, more: 1, also: fileset{{name: "blobs/sha256/" + self, data: index(ociIndex, descriptor(ociManifest, plain))}}},
	} {
		s := append(contentStore(genuine), c.also...)
		for _, b := range [][]byte{evil.config, evil.packed[3], empty} {
			s.blob(b)
		}
		at := c.dir
		if at == "" {
			at = "blobs/sha256/"
		}
		s.add(at+hexSum(c.text), c.text)
		box := open(t, s.folder(t))
		var found *sight.Node
		for _, one := range box.Copies() {
			if one.Root.Blob.Entry == at+hexSum(c.text) {
				found = &one.Root
			}
		}
		if found == nil || len(box.Copies()) != 2+c.more || box.Referrers != 0 {
			t.Errorf("%s: %d copies, %d referrers", name, len(box.Copies()), box.Referrers)
			continue
		}
		var malformed *container.Error
		var limit *bounds.Error
		if err := found.Err; (err == nil) != (c.say == "") || err != nil && (!strings.Contains(err.Error(), c.say) || errors.As(err, &malformed) == errors.As(err, &limit)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What lies in a store beside images is no image, however large it is and however much of it is JSON.
func TestWhatAStoreHoldsBeside(t *testing.T) {
	i := newImage("kube-proxy", "amd64")
	var packages []fields
	for n := range 24_000 {
		packages = append(packages, fields{"SPDXID": fmt.Sprintf("SPDXRef-Package-%d", n), "name": "layers", "manifests": []string{"config"}, "downloadLocation": "NOASSERTION",
			"checksums": []fields{{"algorithm": "SHA256", "checksumValue": hexSum(fmt.Append(nil, n))}}, "config": fields{"digest": "layers"}})
	}
	spdx := asJSON(fields{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "\"layers\":", "packages": packages})
	if len(spdx) <= 5<<20 {
		t.Fatalf("%d bytes", len(spdx))
	}
	statement := asJSON(fields{"_type": "https://in-toto.io/Statement/v0.1", "subject": []fields{{"name": "_", "digest": fields{"sha256": hexSum(nil)}}},
		"predicate": fields{"buildConfig": fields{"layers": []string{}}, "metadata": fields{"manifests": 1}}})
	s := contentStore(i)
	for _, b := range [][]byte{spdx, statement, nil, []byte("{"), []byte(`{"layers`), []byte(`{}{"layers":[]}`), []byte(`[{"layers":[]}]`), []byte(`"layers"`), []byte(`{"x":"\",\"layers\":"}`),
		[]byte(`{"critical":{"image":{"docker-manifest-digest":"` + sum(i.manifest) + `"}}}`), bytes.Repeat([]byte(" "), 5<<20), asJSON(fields{"name": "chart", "version": "1.2.3", "digest": "x"}), asJSON(fields{"config": []string{"digest"}}),
		asJSON(fields{"architecture": "", "config": fields{"Labels": fields{"digest": "x"}}, "rootfs": fields{"type": "layers"}}), bytes.Repeat([]byte(`{"a":`), 2<<20), []byte(`{"lay":1,"ers":2,"layer":[],"layersx":[]}`)} {
		s.blob(b)
	}
	s.add("blobs/sha512/"+strings.Repeat("a", 128), i.packed[0])
	s.add("blobs/README", []byte(`{"layers":[]}`))
	box := open(t, s.folder(t))
	if got := box.Copies(); len(got) != 1 || box.Referrers != 0 || told(t, got[0]) != "blobs/sha256; ; index; linux/amd64 manifest; a whole amd64" {
		t.Errorf("%d copies, %d referrers: %+v", len(got), box.Referrers, got)
	}
	// What belongs to an image, and has no files, is counted.
	note := asJSON(fields{"schemaVersion": 2, "mediaType": ociManifest, "config": descriptor("application/vnd.oci.empty.v1+json", []byte(`{}`)),
		"layers": []fields{descriptor("application/spdx+json", spdx)}, "subject": descriptor(dockerManifest, i.manifest)})
	s.blob(note)
	s.blob([]byte(`{}`))
	if box := open(t, s.folder(t)); len(box.Copies()) != 1 || box.Referrers != 1 {
		t.Errorf("%d copies, %d referrers", len(box.Copies()), box.Referrers)
	}
}

// A folder of a store that is a link is followed by others.
func TestStoreWithALink(t *testing.T) {
	dir := contentStore(newImage("kube-proxy", "amd64")).folder(t)
	if err := os.Symlink("sha256", filepath.Join(dir, "blobs", "sha512")); err != nil {
		t.Skip(err)
	}
	var malformed *container.Error
	if _, err := container.Open(t.Context(), dir); !errors.As(err, &malformed) || !strings.Contains(err.Error(), "blobs/sha512") {
		t.Error(err)
	}
}
