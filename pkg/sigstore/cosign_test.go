package sigstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/trust"
)

// whole is what cosign says of a layer when it is asked in one call.
func (c *SignatureVerifier) whole(ctx context.Context, l *Signature, payload []byte, digest string) error {
	h, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	sig, err := static.NewSignature(payload, l.signature,
		static.WithCertChain(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.cert.Raw}), nil),
		static.WithBundle(&bundle.RekorBundle{SignedEntryTimestamp: l.promise, Payload: bundle.RekorPayload{
			Body: l.body, IntegratedTime: l.IntegratedTime, LogIndex: l.LogIndex, LogID: l.LogID}}))
	if err != nil {
		return err
	}
	opts := *c.opts
	opts.Offline, opts.ClaimVerifier = true, cosign.SimpleClaimVerifier
	_, err = cosign.VerifyImageSignature(ctx, sig, h, &opts)
	return err
}

const (
	subjectA = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	subjectB = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

func payloadOf(digest string) []byte {
	return []byte(`{"critical":{"identity":{"docker-reference":"registry.k8s.io/pause"},"image":{"docker-manifest-digest":"` +
		digest + `"},"type":"cosign container image signature"},"optional":null}`)
}

// bothAnswer says what verify and what cosign say of one layer; read is false
// if it is not a layer at all.
func bothAnswer(t *testing.T, c *SignatureVerifier, subject string, payload []byte, sig, cert, entry string) (read bool, ours, theirs error) {
	t.Helper()
	sum := sha256.Sum256(payload)
	l, err := ParseSignature(registry.Descriptor{
		MediaType: simpleSigningType, Digest: oci.Digest("sha256:" + hex.EncodeToString(sum[:])), Size: int64(len(payload)),
		Annotations: map[string]string{signatureAnnotation: sig, certificateAnnotation: cert, bundleAnnotation: entry},
	})
	if err != nil || l.ReadEntry() != nil {
		return false, nil, nil //nolint:nilerr // it is not a layer
	}
	return true, c.Verify(t.Context(), l, payload, oci.Digest(subject)), c.whole(t.Context(), l, payload, subject)
}

func judgeOf(tb testing.TB, w *world.World) *SignatureVerifier {
	tb.Helper()
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		tb.Fatal(err)
	}
	c, err := NewSignatureVerifier(root, trust.EmbeddedPolicy().ImageIdentity())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestAgainstCosign puts signatures together from the parts of several, genuine
// and not, and wants cosign's own answer to each.
func TestAgainstCosign(t *testing.T) {
	w, foreign := world.New(world.Options{}), world.New(world.Options{Seed: "foreign"})
	c := judgeOf(t, w)
	at := world.Signed2023
	hows := map[string]world.Signing{
		"genuine":         {},
		"at the bounds":   {Time: at, LogTime: at},
		"too early":       {Time: at, LogTime: at.Add(-time.Second)},
		"too late":        {Time: at, LogTime: at.Add(11 * time.Minute)},
		"staging":         {Identity: world.KrelStage},
		"other issuer":    {Issuer: "https://accounts.google.com.example"},
		"no SCT":          {NoSCT: true},
		"foreign CA":      {CA: foreign.Sigstore()},
		"foreign CT log":  {CT: foreign.Sigstore()},
		"foreign log":     {Log: foreign.Sigstore()},
		"before the keys": {Time: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	genuine := w.Sigstore().Sign(payloadOf(subjectA), world.Signing{}).Annotations()
	accepted, refused := 0, 0
	for name, how := range hows {
		a := w.Sigstore().Sign(payloadOf(subjectA), how).Annotations()
		b := w.Sigstore().Sign(payloadOf(subjectB), how).Annotations()
		for mask := range 3 * 3 * 3 * 2 * 2 {
			from := func(n int) map[string]string {
				part := mask / n % 3
				return []map[string]string{a, b, genuine}[part]
			}
			payload, subject := payloadOf(subjectA), subjectA
			if mask/27%2 == 1 {
				payload = payloadOf(subjectB)
			}
			if mask/54%2 == 1 {
				subject = subjectB
			}
			read, ours, theirs := bothAnswer(t, c, subject, payload, from(1)[signatureAnnotation], from(3)[certificateAnnotation], from(9)[bundleAnnotation])
			if !read {
				t.Fatalf("%s, parts %d: cannot be read", name, mask)
			}
			if (ours == nil) != (theirs == nil) {
				t.Errorf("%s, parts %d: %v, and cosign says %v", name, mask, ours, theirs)
			}
			if ours == nil {
				accepted++
			} else {
				refused++
			}
		}
	}
	t.Logf("%d accepted, %d refused, as cosign does", accepted, refused)
	if accepted < len(hows) || refused < 10*accepted {
		t.Errorf("%d accepted, %d refused: the table is not what it was", accepted, refused)
	}
}

// FuzzAgainstCosign changes parts of a genuine signature, and of another one
// that is as genuine but of something else: what verify accepts,
// cosign.VerifyImageSignature must accept, and it must be what was signed.
func FuzzAgainstCosign(f *testing.F) {
	w := world.New(world.Options{})
	c := judgeOf(f, w)
	signed := w.Sigstore().Sign(payloadOf(subjectA), world.Signing{})
	a, b := signed.Annotations(), w.Sigstore().Sign(payloadOf(subjectB), world.Signing{}).Annotations()
	for _, payload := range [][]byte{payloadOf(subjectA), payloadOf(subjectB)} {
		for _, by := range [][3]map[string]string{{a, a, a}, {b, a, a}, {a, b, a}, {a, a, b}, {b, b, b}} {
			f.Add(subjectA, payload, by[0][signatureAnnotation], by[1][certificateAnnotation], by[2][bundleAnnotation])
		}
	}
	f.Fuzz(func(t *testing.T, subject string, payload []byte, sig, cert, entry string) {
		read, ours, theirs := bothAnswer(t, c, subject, payload, sig, cert, entry)
		if !read || ours != nil {
			return
		}
		if theirs != nil {
			t.Fatalf("accepted, and cosign says: %v", theirs)
		}
		of := map[string]string{string(payloadOf(subjectA)): subjectA, string(payloadOf(subjectB)): subjectB}[string(payload)]
		if of == "" || subject != of {
			t.Fatalf("accepted for %s what nobody signed: %s", subject, payload)
		}
	})
}
