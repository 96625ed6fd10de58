package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// spoilers are what may become of a file under a server: each is followed by the file as it was.
var spoilers = []struct {
	name string
	do   func(path, aside string) error
}{
	{"a byte changes in place", func(path, _ string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		b, last := make([]byte, 1), info.Size()-1 // which every reader comes to
		if _, err := f.ReadAt(b, last); err != nil {
			return err
		}
		b[0] ^= 1
		_, err = f.WriteAt(b, last)
		return err
	}},
	{"it is cut", func(path, _ string) error { return os.Truncate(path, 3) }},
	{"it grows", func(path, _ string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("more")
		return err
	}},
	{"it vanishes", func(path, _ string) error { return os.Remove(path) }},
	{"another takes its place", func(path, aside string) error {
		if err := os.WriteFile(aside, []byte(strings.Repeat("another file ", 100_000)), 0o600); err != nil {
			return err
		}
		return os.Rename(aside, path)
	}},
}

// TestServeUnderLoad has many clients read while files change, vanish and come back, and the
// mirror is opened anew: whatever was sent of a body, whole or cut off, is what its digest says,
// and what has come back is served.
func TestServeUnderLoad(t *testing.T) {
	files, index, image, config, layer := listedSample()
	files["files/dl.k8s.io/"+coldPath] = bigFile[17:]
	files["MANIFEST.json"] = files.manifest(index, image)
	targets := map[string]string{ // address to file
		"/dl.k8s.io/" + bigPath:              "files/dl.k8s.io/" + bigPath,
		"/dl.k8s.io/" + coldPath:             "files/dl.k8s.io/" + coldPath,
		"/v2/kube-proxy/blobs/" + layer:      layout.BlobPath(oci.Digest(layer)),
		"/v2/kube-proxy/blobs/" + config:     layout.BlobPath(oci.Digest(config)),
		"/v2/kube-proxy/manifests/" + image:  layout.BlobPath(oci.Digest(image)),
		"/dl.k8s.io/release/stable-1.27.txt": "files/dl.k8s.io/release/stable-1.27.txt",
	}
	base, dir, h, _ := serveTree(t, files)
	for address, name := range targets {
		if strings.HasSuffix(address, coldPath) {
			continue // which nobody has read before it changes
		}
		if resp, body, err := ask(t, "GET", base, address, nil); err != nil || resp.StatusCode != 200 || body != files[name] {
			t.Fatalf("%s before: %d %v", address, resp.StatusCode, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	whole, partly, refused := 0, 0, 0
	for i := range 16 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
			for n := i; ctx.Err() == nil; n++ {
				for address, name := range targets {
					from := n * 7919 % len(files[name])
					status, body, err := part(ctx, client, base+address, from)
					mu.Lock()
					switch {
					case status >= 400:
						refused++
					case !strings.HasPrefix(files[name][from:], body):
						t.Errorf("%s from %d: %d bytes that are not its own, status %d, %v", address, from, len(body), status, err)
					case status == http.StatusPartialContent && err == nil && len(body) == len(files[name])-from:
						whole++
					default:
						partly++
						if status == http.StatusPartialContent && err == nil {
							t.Errorf("%s from %d: %d bytes, fewer than there are, and no error", address, from, len(body))
						}
					}
					mu.Unlock()
				}
			}
		})
	}
	change(t, dir, files, targets, h)
	stop()
	wg.Wait()
	t.Logf("%d answers whole, %d cut off, %d refused", whole, partly, refused)
	if whole == 0 || refused == 0 {
		t.Error("nothing was met")
	}
	for address, name := range targets {
		deadline := time.Now().Add(damageKept + 5*time.Second)
		for {
			resp, body, err := ask(t, "GET", base, address, nil)
			if err == nil && resp.StatusCode == 200 && body == files[name] {
				break
			}
			if time.Now().After(deadline) || !strings.HasSuffix(address, coldPath) {
				t.Fatalf("%s has come back, and is not served: %d %v", address, resp.StatusCode, err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

const coldPath = "release/v1.27.2/kubernetes-node-linux-amd64.tar.gz"

// change spoils each file in each way, and puts it back.
func change(t *testing.T, dir string, files tree, targets map[string]string, h *Handler) {
	t.Helper()
	for round, s := range spoilers {
		for _, name := range targets {
			path := filepath.Join(dir, filepath.FromSlash(name))
			aside := filepath.Join(dir, "aside")
			if err := s.do(path, aside); err != nil {
				t.Fatalf("%s: %s: %v", name, s.name, err)
			}
			time.Sleep(20 * time.Millisecond)
			if err := os.WriteFile(aside, []byte(files[name]), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(aside, path); err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 0 { // as the watch over the lists does
			d, err := mirror.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			h.Swap(d)
		}
	}
}

// part reads a file from a byte on, as far as it comes.
func part(ctx context.Context, client *http.Client, url string, from int) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// TestServeBesideSlowReaders has hundreds of clients ask for a large file and read no further: who
// comes besides is answered, also with a file that the server has yet to read whole.
func TestServeBesideSlowReaders(t *testing.T) {
	const slow = 200
	files, index, image, config, _ := listedSample()
	files["files/dl.k8s.io/"+bigPath] = strings.Repeat(bigFile, 2) // more than the buffers on the way hold
	files["files/dl.k8s.io/"+coldPath] = bigFile[17:]
	files["MANIFEST.json"] = files.manifest(index, image)
	base, _, h, _ := serveTree(t, files)
	dialer := &net.Dialer{Control: smallBuffers}
	for range slow {
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "GET /dl.k8s.io/%s HTTP/1.1\r\nHost: mirror\r\n\r\n", bigPath); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for address, name := range map[string]string{
		"/dl.k8s.io/" + coldPath:         "files/dl.k8s.io/" + coldPath,
		"/v2/kube-proxy/blobs/" + config: layout.BlobPath(oci.Digest(config)),
	} {
		if status, body, err := part(ctx, http.DefaultClient, base+address, 0); err != nil || status != http.StatusPartialContent || body != files[name] {
			t.Errorf("%s: %d, %d bytes, %v", address, status, len(body), err)
		}
	}
	h.metrics.mu.Lock()
	defer h.metrics.mu.Unlock()
	if h.metrics.inFlight < slow {
		t.Errorf("%d answers are under way, and %d clients are slow", h.metrics.inFlight, slow)
	}
}
