package mirror_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror"
)

// Rules 22 and 23: a key that Go's own reader takes for the same as another is
// one key that appears twice; "\u017f" is a long s, and folds to s.
func TestHostileKeysThatFold(t *testing.T) {
	w := world.New(world.Options{})
	for name, key := range map[string]string{"oci/index.json": `"manifests"`, "MANIFEST.json": `"images"`} {
		dir := t.TempDir()
		if err := w.WriteMirror(dir, []string{"v1.27.2"}, world.MirrorOptions{}); err != nil {
			t.Fatal(err)
		}
		rewrite(t, dir, name, func(b []byte) []byte {
			folded := bytes.ReplaceAll([]byte(key), []byte("s"), []byte("\u017f"))
			return bytes.Replace(b, []byte("{"), append(append([]byte("{"), folded...), ": [],"...), 1)
		})
		d, err := mirror.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest(http.MethodGet, "https://registry.k8s.io/v2/kube-proxy/manifests/v1.27.2", nil)
		resp, err := d.RoundTrip(req)
		if err == nil {
			t.Errorf("%s with %s and the same in another spelling is read: %s", name, key, resp.Status)
		}
		_ = d.Close()
	}
}
