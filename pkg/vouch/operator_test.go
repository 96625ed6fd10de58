package vouch

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/sigstore"
)

// A key as cosign makes it signs what its public half reads; with another password, or as no key at all, it is
// refused for what it is.
func TestReadOperator(t *testing.T) {
	private, public, err := sigstore.GenerateKeyPair([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := ReadOperator(private, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	list := listOf([3]string{listedURL, one, "published"})
	bundle := signs(t, o, list)
	w, err := Read("k", public, list, bundle)
	if err != nil || !o.Signed(list, bundle) {
		t.Fatal(err)
	}
	if hint := `"hint":"` + o.hint + `"`; o.hint == "" || !strings.Contains(string(bundle), hint) || w.Key().Digest == "" {
		t.Errorf("%s is not in %s", hint, bundle)
	}
	for name, tt := range map[string]struct{ key, password, says string }{
		"another password": {string(private), "other", "decrypt"}, "no key": {"x", "secret", "pem"}, "the public key": {string(public), "secret", "PUBLIC KEY"},
	} {
		if o, err := ReadOperator([]byte(tt.key), []byte(tt.password)); err == nil || o != nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want %q", name, err, tt.says)
		}
	}
}
