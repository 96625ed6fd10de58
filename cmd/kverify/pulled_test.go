package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// sampled finds the digest that a name has in the sample's mirror.
func sampled(ts *testscript.TestScript, name string) string {
	text, err := os.ReadFile(filepath.Join(ts.Getenv("MIRROR"), "oci", "index.json"))
	ts.Check(err)
	var index struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	ts.Check(json.Unmarshal(text, &index))
	for _, m := range index.Manifests {
		if m.Annotations["org.opencontainers.image.ref.name"] == name {
			return m.Digest
		}
	}
	ts.Fatalf("the sample has no %s", name)
	return ""
}

func sampleBlob(ts *testscript.TestScript, digest string) []byte {
	b, err := os.ReadFile(filepath.Join(ts.Getenv("MIRROR"), "oci", "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	ts.Check(err)
	return b
}

// digest sets a variable to the digest that a name has in the sample.
func digest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: digest VARIABLE NAME")
	}
	ts.Setenv(args[0], sampled(ts, args[1]))
}

// save writes one platform's image of the sample as docker save does, under
// other names: save FILE IMAGE NAME... With FILE.gz it is packed.
func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: save FILE IMAGE NAME...")
	}
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	ts.Check(json.Unmarshal(sampleBlob(ts, sampled(ts, args[1])), &manifest))
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	put := func(name string, b []byte) {
		ts.Check(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(b)), Format: tar.FormatUSTAR}))
		_, err := w.Write(b)
		ts.Check(err)
	}
	config := strings.TrimPrefix(manifest.Config.Digest, "sha256:") + ".json"
	put(config, sampleBlob(ts, manifest.Config.Digest))
	var layers []string
	written := map[string]bool{}
	for _, l := range manifest.Layers {
		z, err := gzip.NewReader(bytes.NewReader(sampleBlob(ts, l.Digest)))
		ts.Check(err)
		b, err := io.ReadAll(z)
		ts.Check(err)
		name := strings.TrimPrefix(l.Digest, "sha256:") + "/layer.tar"
		if layers = append(layers, name); !written[name] {
			written[name] = true
			put(name, b)
		}
	}
	list, err := json.Marshal([]map[string]any{{"Config": config, "RepoTags": args[2:], "Layers": layers}})
	ts.Check(err)
	put("manifest.json", list)
	ts.Check(w.Close())
	b := buf.Bytes()
	if strings.HasSuffix(args[0], ".gz") {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write(b)
		ts.Check(err)
		ts.Check(z.Close())
		b = packed.Bytes()
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
