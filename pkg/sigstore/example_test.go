package sigstore_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// A bundle is read, then asked whether it can be judged at all, then verified.
func Example() {
	artifact := []byte("an artifact\n")
	test := world.NewSigstore("example") // stands for whoever signed
	raw := test.Sign(artifact, world.Signing{}).Bundle("0.3")
	root, err := trust.ParseRoot(test.TrustedRootJSON())
	if err != nil {
		panic(err)
	}

	b, err := sigstore.ParseBundle(raw)
	if err != nil {
		panic(err) // it cannot be read, which does not mean that it is false
	}
	who := sigstore.Signer{Identity: trust.Identity{Issuer: "https://accounts.google.com", Subject: world.KrelTrust}}
	if reason, detail := b.Undecidable(root, who); reason != "" {
		panic(detail)
	}
	sum := sha256.Sum256(artifact)
	proof, err := b.Verify(root, who, sigstore.Digest{Algorithm: "sha256", Sum: sum[:]})
	if err != nil {
		panic(err) // it contradicts what it claims
	}
	fmt.Println("signed" + proof.When())

	sum[0]++
	_, err = b.Verify(root, who, sigstore.Digest{Algorithm: "sha256", Sum: sum[:]})
	fmt.Println("of other bytes:", err != nil)
	// Output:
	// signed, logged 2023-05-17T15:00:01Z
	// of other bytes: true
}
