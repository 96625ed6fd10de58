package convert_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// entry is a config of the corpus.
type entry struct {
	name   string
	config []byte
}

// corpus reads testdata/configs.txt.
func corpus(tb testing.TB) []entry {
	tb.Helper()
	var out []entry
	for line := range strings.Lines(testdata(tb, "configs.txt")) {
		name, quoted, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		var config string
		if err := json.Unmarshal([]byte(quoted), &config); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		out = append(out, entry{name, []byte(config)})
	}
	if len(out) < 20 {
		tb.Fatalf("only %d configs", len(out))
	}
	return out
}

func testdata(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// genuineManifest is a Docker schema 2 manifest around a config, with
// testdata/layer.tar.gz as its only layer.
func genuineManifest(tb testing.TB, config []byte) []byte {
	tb.Helper()
	layer := []byte(testdata(tb, "layer.tar.gz"))
	return marshal(tb, map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": described("application/vnd.docker.container.image.v1+json", config),
		"layers": []any{described("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)},
	})
}

func described(mediaType string, b []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "size": len(b), "digest": digest(b)}
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
