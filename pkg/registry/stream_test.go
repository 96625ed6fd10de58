package registry

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/oci"
)

// A blob that is a page, or a storage server's error, was not given: that is no
// contradiction, as other bytes are.
func TestOpenBlobTellsErrorsFromOtherBytes(t *testing.T) {
	digest := oci.DigestOf([]byte("the blob"))
	for _, c := range []struct {
		name, body string
		format     bool
	}{
		{"other bytes", "another blob", false},
		{"a storage error", "<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", true},
		{"a web page", "<html>log in</html>", true},
	} {
		h := &hosts{handlers: map[string]http.Handler{"https://registry.k8s.io": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, c.body)
		})}}
		b, err := client(h).OpenBlob(t.Context(), Ref{Host: "registry.k8s.io", Repository: "kube-proxy"}, Descriptor{Digest: digest, Size: 1000})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(b)
		_ = b.Close()
		var format *FormatError
		var other *DigestError
		if errors.As(err, &format) != c.format || errors.As(err, &other) == c.format || c.format && !strings.Contains(err.Error(), "where a blob was expected") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
