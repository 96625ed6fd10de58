package sigstore_test

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sigstore"
)

// What is read of a payload, a log entry and a statement has one meaning.
func TestKeysThatFoldToOneAreRefused(t *testing.T) {
	genuine := `{"critical":{"identity":{"docker-reference":"a"},"image":{"docker-manifest-digest":"b"},"type":"cosign container image signature"},"optional":null}`
	if _, _, err := sigstore.ParsePayload([]byte(genuine)); err != nil {
		t.Fatal(err)
	}
	for _, twice := range []string{
		strings.Replace(genuine, `"critical"`, `"Critical":{},"critical"`, 1),
		strings.Replace(genuine, `"docker-reference"`, `"Docker-Reference":"x","docker-reference"`, 1),
		strings.Replace(genuine, `"docker-manifest-digest"`, `"doc\u212aer-manifest-digest":"x","docker-manifest-digest"`, 1),
		strings.Replace(genuine, `"docker-manifest-digest"`, `"docker-manife`+"\u017f"+`t-digest":"x","docker-manifest-digest"`, 1),
	} {
		if _, _, err := sigstore.ParsePayload([]byte(twice)); err == nil {
			t.Errorf("taken: %s", twice)
		}
	}
}
