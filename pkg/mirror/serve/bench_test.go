package serve

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// BenchmarkServe asks one connection for a layer of 5 MB, for a config, and for a manifest by its
// tag, again and again.
func BenchmarkServe(b *testing.B) {
	files, _, _, config, layer := listedSample()
	base, _, _, _ := serveTree(b, files)
	time.Sleep(2100 * time.Millisecond) // what has changed this moment is not remembered
	for name, path := range map[string]string{
		"layer":    "/v2/kube-proxy/blobs/" + layer,
		"config":   "/v2/kube-proxy/blobs/" + config,
		"manifest": "/v2/kube-proxy/manifests/v1.27.2",
	} {
		b.Run(name, func(b *testing.B) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = conn.Close() })
			in := bufio.NewReaderSize(conn, 256<<10)
			if name == "layer" {
				b.SetBytes(int64(len(files[layout.BlobPath(oci.Digest(layer))])))
			}
			for b.Loop() {
				if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: mirror\r\n\r\n", path); err != nil {
					b.Fatal(err)
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					b.Fatal(resp, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
