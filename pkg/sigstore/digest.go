package sigstore

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is what an artifact hashes to: sha256, sha384 or sha512.
type Digest struct {
	Algorithm string
	Sum       []byte // raw, not hex
}

// String is the digest as it is written: "sha256:<hex>".
func (d Digest) String() string { return d.Algorithm + ":" + hex.EncodeToString(d.Sum) }

// digestSizes are the algorithms that an artifact may be named by, and their sizes in bytes.
var digestSizes = map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}

// ParseDigest reads "sha256:<hex>", likewise sha384 and sha512, in lower case.
func ParseDigest(s string) (Digest, error) {
	algorithm, text, _ := strings.Cut(s, ":")
	sum, err := hex.DecodeString(text)
	if err != nil || digestSizes[algorithm] == 0 || len(sum) != digestSizes[algorithm] || text != strings.ToLower(text) {
		return Digest{}, fmt.Errorf("%.150q is not a digest such as sha256: and 64 hex digits", s)
	}
	return Digest{algorithm, sum}, nil
}
