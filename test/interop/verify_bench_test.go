package interop

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/oci"
)

// fileBytes is the size of a file of the mirror that TestBenchVerify measures, and of an unpacked layer.
const fileBytes = 64 << 20

// TestBenchVerify holds kverify verify DIR against sha256sum over every file of the mirror and gzip -t,
// or pigz -t, over every layer, two at a time, in turns. It prints a table, medians of KVERIFY_BENCH
// rounds: make bench-verify. BENCH_BYTES says how much the mirror has, unpacked.
func TestBenchVerify(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("KVERIFY_BENCH"))
	if err != nil || rounds < 1 {
		t.Skip("it takes minutes: make bench-verify")
	}
	total := 1 << 30
	if n, err := strconv.Atoi(os.Getenv("BENCH_BYTES")); err == nil && n > 0 {
		total = n
	}
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	layers := filledMirror(t, dir, bin, max(2, total/fileBytes))
	list := filepath.Join(t.TempDir(), "layers")
	write(t, list, strings.Join(layers, "\n")+"\n")
	unpack := func(with string) string {
		return "find '" + dir + "' -type f -print0 | xargs -0 -P2 -n1 sha256sum && xargs -P2 -I{} sh -c '" + with + " -t <{}' <" + list
	}
	contenders := []struct {
		what string
		cmd  []string
		code int
	}{
		{"`kverify verify DIR`", []string{bin, "verify", dir, "-q"}, 3}, // nothing in it is signed
		{"`sha256sum` and `gzip -t`", []string{"sh", "-c", unpack("gzip")}, 0},
		{"`sha256sum` and `pigz -t`", []string{"sh", "-c", unpack("pigz")}, 0},
	}
	if _, err := exec.LookPath("pigz"); err != nil {
		contenders = contenders[:2]
	}
	wall, cpu := make([][]float64, len(contenders)), make([][]float64, len(contenders))
	for range rounds {
		for i, c := range contenders {
			cmd := exec.Command(c.cmd[0], c.cmd[1:]...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			begun := time.Now()
			_ = cmd.Run()
			if cmd.ProcessState.ExitCode() != c.code || strings.Contains(said.String(), "damaged") {
				t.Fatalf("%s: exit code %d\n%.3000s", c.what, cmd.ProcessState.ExitCode(), said.String())
			}
			wall[i] = append(wall[i], time.Since(begun).Seconds())
			cpu[i] = append(cpu[i], (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
		}
	}
	packed := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, _ error) error {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			packed += info.Size()
		}
		return nil
	})
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	fmt.Printf("\n| what | wall time | processor time | kverify's wall time to it |\n| --- | --- | --- | --- |\n")
	for i, c := range contenders {
		fmt.Printf("| %s | %.2f s | %.2f s | %.2f |\n", c.what, median(wall[i]), median(cpu[i]), median(wall[0])/median(wall[i]))
	}
	text, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%d MB, %d MB with the layers unpacked; medians of %d; load at the end %s\n", packed>>20, total>>20, rounds, text)
}

// filledMirror makes a mirror of n files of 64 MiB, half of them programs and half layers, whose content
// is that of a program and packs as one does. It gives the paths of the layers.
func filledMirror(t *testing.T, dir, program string, n int) (layers []string) {
	t.Helper()
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	content := func(i int) []byte {
		b := fmt.Appendf(make([]byte, 0, fileBytes), "%20d", i)
		for len(b) < fileBytes {
			b = append(b, code[:min(len(code), fileBytes-len(b))]...)
		}
		return b
	}
	put := func(b []byte) (oci.Digest, int) {
		d := oci.DigestOf(b)
		write(t, filepath.Join(dir, "oci", "blobs", "sha256", d.Hex()), string(b))
		return d, len(b)
	}
	text := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	type object = map[string]any
	var files, descriptors []object
	var diffIDs []oci.Digest
	for i := range n {
		b := content(i)
		if i%2 == 0 {
			path := fmt.Sprintf("dl.k8s.io/release/%s/bin/linux/amd64/program-%d", version, i)
			write(t, filepath.Join(dir, "files", path), string(b))
			files = append(files, object{"url": "https://" + path, "sha256": oci.DigestOf(b).Hex(), "size": len(b), "origin": "published"})
			continue
		}
		var gz bytes.Buffer
		z, _ := gzip.NewWriterLevel(&gz, gzip.DefaultCompression)
		_, _ = z.Write(b)
		_ = z.Close()
		d, size := put(gz.Bytes())
		diffIDs = append(diffIDs, oci.DigestOf(b))
		descriptors = append(descriptors, object{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": d, "size": size})
		layers = append(layers, filepath.Join(dir, "oci", "blobs", "sha256", d.Hex()))
	}
	config, configSize := put(text(object{"os": "linux", "architecture": "amd64", "rootfs": object{"type": "layers", "diff_ids": diffIDs}}))
	const imageType = "application/vnd.oci.image.manifest.v1+json"
	image, size := put(text(object{"schemaVersion": 2, "mediaType": imageType, "layers": descriptors,
		"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": configSize}}))
	name := outside + "/kube-proxy-amd64:" + version
	write(t, filepath.Join(dir, "oci", "oci-layout"), `{"imageLayoutVersion":"1.0.0"}`)
	write(t, filepath.Join(dir, "oci", "index.json"), string(text(object{"schemaVersion": 2, "manifests": []object{
		{"mediaType": imageType, "digest": image, "size": size, "annotations": object{"org.opencontainers.image.ref.name": name}}}})))
	write(t, filepath.Join(dir, "MANIFEST.json"), string(text(object{"schemaVersion": 1, "releases": []string{version}, "files": files,
		"images": []object{{"name": name, "digest": image, "mediaType": imageType, "size": size}}})))
	return layers
}
