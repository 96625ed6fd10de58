package mirror_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/cosign"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/create"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/vouch"
)

// pair is an operator's pair of keys as cosign makes it, once for all tests: that a password is
// hard to guess costs half a second each time.
var pair = sync.OnceValues(func() (*cosign.KeysBytes, error) {
	return cosign.GenerateKeyPair(func(bool) ([]byte, error) { return []byte("x"), nil })
})

// opened is the operator whom the password lets in.
var opened = sync.OnceValues(func() (*vouch.Operator, error) {
	keys, err := pair()
	if err != nil {
		return nil, err
	}
	return vouch.ReadOperator(keys.PrivateBytes, []byte("x"))
})

func operator(t testing.TB) (o *vouch.Operator, public []byte) {
	t.Helper()
	o, err := opened()
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := pair()
	return o, keys.PublicBytes
}

// stranger is the public key of another operator.
func stranger(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestOperatorPassword(t *testing.T) {
	operator(t)
	keys, _ := pair()
	if _, err := vouch.ReadOperator(keys.PrivateBytes, []byte("y")); err == nil {
		t.Fatal("another password opens the key")
	}
}

// vouches reads what a key vouches for in a mirror.
func vouches(t testing.TB, dir string, key []byte) (*vouch.Word, error) {
	t.Helper()
	d, err := mirror.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	list, signature, err := d.ManifestAndSignature()
	if err != nil {
		t.Fatal(err)
	}
	return vouch.Read("operator.pub", key, list, signature)
}

// withPause wants little of a release, and pause, which has no signed SBOM.
func withPause(version string) create.Request {
	w := small(version)
	w.Names = []string{"kube-proxy"}
	ref, err := registry.ParseRef("registry.k8s.io/pause:3.9")
	if err != nil {
		panic(err)
	}
	w.Also = []registry.Ref{ref}
	return w
}

// TestVouch: with the operator's key what was published when the mirror was
// made counts inside, and nothing else does.
func TestVouch(t *testing.T) {
	w := world.New(world.Options{})
	o, key := operator(t)
	other := stranger(t)
	sign := func(m *create.Options) { m.Operator = o }
	dir := filepath.Join(t.TempDir(), "m")
	r, _ := makes(t, w, dir, sign, withPause("v1.27.2"))
	wantVerdict(t, "the run", r, report.Verified)

	wantVerdict(t, "without the key", inside(t, w, dir, nil), report.Unknown)
	v, err := vouches(t, dir, key)
	if err != nil {
		t.Fatal(err)
	}
	in := inside(t, w, dir, v)
	wantVerdict(t, "with the key", in, report.Verified)
	if in.OperatorKey == nil || in.OperatorKey.Path != "operator.pub" {
		t.Errorf("the report does not name the key: %+v", in.OperatorKey)
	}
	var refused *vouch.Error
	if _, err := vouches(t, dir, other); !errors.As(err, &refused) || refused.Refuted {
		t.Errorf("with another's key: %v", err)
	}

	// A second run that finds nothing new leaves the signature as it is; one
	// without the key that changes the list takes it away.
	before := contents(t, dir)
	makes(t, w, dir, sign, withPause("v1.27.2"))
	if contents(t, dir)["MANIFEST.json.sigstore.json"] != before["MANIFEST.json.sigstore.json"] {
		t.Error("the same list was signed again")
	}
	_, made := makes(t, w, dir, nil, small("v1.27.1"))
	if _, ok := contents(t, dir)["MANIFEST.json.sigstore.json"]; ok || !made.Unsigned {
		t.Errorf("the signature of another list is still there, %+v", made)
	}
}

// TestVouchAttacks: what an operator's key must not be talked into.
func TestVouchAttacks(t *testing.T) {
	w := world.New(world.Options{})
	o, key := operator(t)
	sign := func(m *create.Options) { m.Operator = o }
	made := func(t *testing.T, w *world.World, wish create.Request) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "m")
		makes(t, w, dir, sign, wish)
		return dir
	}
	promotion := "files/raw.githubusercontent.com/kubernetes/k8s.io/main/registry.k8s.io/images/k8s-staging-kubernetes/images.yaml"
	edit := func(t *testing.T, dir string, change func(m map[string]any)) []byte {
		t.Helper()
		var m map[string]any
		if err := json.Unmarshal([]byte(contents(t, dir)["MANIFEST.json"]), &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "MANIFEST.json", string(text))
		return text
	}
	origin := func(m map[string]any, to string) {
		for _, f := range m["files"].([]any) {
			if e := f.(map[string]any); strings.HasSuffix(e["url"].(string), "images.yaml") {
				e["origin"] = to
			}
		}
	}

	t.Run("the list was edited after it was signed", func(t *testing.T) {
		dir := made(t, w, withPause("v1.27.2"))
		edit(t, dir, func(m map[string]any) { m["note"] = "x" })
		var refused *vouch.Error
		if _, err := vouches(t, dir, key); !errors.As(err, &refused) || !refused.Refuted {
			t.Errorf("%v", err)
		}
		wantVerdict(t, "the mirror", inside(t, w, dir, nil), report.Refuted)
	})
	t.Run("a claim recorded as carried is not lifted", func(t *testing.T) {
		dir := made(t, w, withPause("v1.27.2"))
		text := edit(t, dir, func(m map[string]any) { origin(m, "carried") })
		signature, err := o.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "MANIFEST.json.sigstore.json", string(signature))
		v, err := vouches(t, dir, key)
		if err != nil {
			t.Fatal(err)
		}
		if got := inside(t, w, dir, v); !strings.Contains(bad(got), "pause:3.9") {
			t.Errorf("pause is %s", got.Verdict())
		}
	})
	t.Run("made where nothing was published", func(t *testing.T) {
		far := w.Clone()
		far.Distrust(world.HostRaw) // read, and not from its publisher
		dir := filepath.Join(t.TempDir(), "m")
		r, m := makes(t, far, dir, func(mo *create.Options) { mo.Operator, mo.AllowUnknown = o, true }, withPause("v1.27.2"))
		if r.Verdict() != report.Unknown || !m.Listed {
			t.Fatalf("%s %+v%s", r.Verdict(), m, bad(r))
		}
		v, err := vouches(t, dir, key)
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, "what was unknown outside", inside(t, w, dir, v), report.Unknown)
	})
	t.Run("the document was changed", func(t *testing.T) {
		dir := made(t, w, withPause("v1.27.2"))
		body := contents(t, dir)[promotion]
		put(t, dir, promotion, strings.Replace(body, `"3.9"`, `"3.8"`, 1)+"\n")
		v, err := vouches(t, dir, key)
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, "the mirror", inside(t, w, dir, v), report.Refuted)
	})
	t.Run("the signed list of another mirror", func(t *testing.T) {
		other := made(t, w, withPause("v1.27.1"))
		dir := made(t, w, withPause("v1.27.2"))
		for _, name := range []string{"MANIFEST.json", "MANIFEST.json.sigstore.json", "MANIFEST.sha256"} {
			put(t, dir, name, contents(t, other)[name])
		}
		v, err := vouches(t, dir, key)
		if err != nil {
			t.Fatal(err) // it is genuine
		}
		if got := inside(t, w, dir, v).Verdict(); got == report.Verified {
			t.Error("a list of another mirror passes")
		}
	})
	t.Run("a signature of something else", func(t *testing.T) {
		dir := made(t, w, withPause("v1.27.2"))
		signature := contents(t, dir)["MANIFEST.json.sigstore.json"]
		put(t, dir, "MANIFEST.json.sigstore.json", strings.Replace(signature, "vnd.kverify.mirror.manifest.v1+json", "vnd.in-toto+json", 1))
		if _, err := vouches(t, dir, key); err == nil || !strings.Contains(err.Error(), "not of a mirror's list") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a missing signature stays missing", func(t *testing.T) {
		bare := w.Clone()
		bare.DropSignature("registry.k8s.io/pause:3.9")
		dir := filepath.Join(t.TempDir(), "m")
		makes(t, bare, dir, func(mo *create.Options) { mo.Operator, mo.AllowUnknown = o, true }, withPause("v1.27.2"))
		v, err := vouches(t, dir, key)
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, "the mirror", inside(t, w, dir, v), report.Unknown)
	})
	t.Run("names swapped between releases, and signed", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "m")
		a, b := withPause("v1.27.1"), withPause("v1.27.2")
		makes(t, w, dir, sign, a, b)
		for _, name := range []string{"MANIFEST.json", "oci/index.json"} {
			text := contents(t, dir)[name]
			text = strings.ReplaceAll(text, "kube-proxy:v1.27.1", "kube-proxy:X")
			text = strings.ReplaceAll(text, "kube-proxy:v1.27.2", "kube-proxy:v1.27.1")
			put(t, dir, name, strings.ReplaceAll(text, "kube-proxy:X", "kube-proxy:v1.27.2"))
		}
		signature, err := o.Sign([]byte(contents(t, dir)["MANIFEST.json"]))
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "MANIFEST.json.sigstore.json", string(signature))
		v, err := vouches(t, dir, key)
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, "the mirror", inside(t, w, dir, v), report.Refuted)
	})
	t.Run("an older release under a newer name, with its papers", func(t *testing.T) {
		replay := w.Clone()
		replay.ServeAs("v1.27.1", "v1.27.2")
		dir := filepath.Join(t.TempDir(), "m")
		r, m := makes(t, replay, dir, func(mo *create.Options) { mo.Operator, mo.AllowUnknown = o, true }, withPause("v1.27.2"))
		if r.Verdict() != report.Refuted || m.Listed {
			t.Errorf("%s %+v", r.Verdict(), m)
		}
		if _, err := os.Stat(filepath.Join(dir, "MANIFEST.json")); err == nil {
			t.Error("there is a signed list")
		}
	})
}

// TestVouchOldRelease: of a release from before file signing images and tarballs
// are verified outside by what was published, and inside by the key alone.
func TestVouchOldRelease(t *testing.T) {
	w := world.New(world.Options{Versions: []string{"v1.24.0"}})
	o, key := operator(t)
	dir := filepath.Join(t.TempDir(), "m")
	wish := small("v1.24.0")
	wish.Names = []string{"kube-proxy"}
	wish.Files = func(p string) bool { return p == "kubernetes-client-linux-amd64.tar.gz" }
	r, m := makes(t, w, dir, func(mo *create.Options) { mo.Operator = o }, wish)
	wantVerdict(t, "the run", r, report.Verified)
	if !m.Listed {
		t.Fatal("it is not listed")
	}
	wantVerdict(t, "without the key", inside(t, w, dir, nil), report.Unknown)
	v, err := vouches(t, dir, key)
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, "with the key", inside(t, w, dir, v), report.Verified)
}
