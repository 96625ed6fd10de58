package sigstore

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"

	"github.com/kverify/kverify/pkg/oci"
)

// Payloads saves requests for simple signing payloads. A payload is known in
// all but a few words: the docker-reference, which is one of a closed list, the
// digest that it signs, and what the signer's tool adds, which is the same for
// all images that it signed together. A payload that is put together from these
// is used only if it hashes to the digest that the signature manifest names:
// then it is that payload. The zero value is ready, and safe for use by several
// goroutines.
type Payloads struct {
	mu       sync.Mutex
	optional []string // JSON of "optional", as seen in this run
}

// maxOptional caps how many forms of "optional" are tried. A release has one.
const maxOptional = 4

// Rebuild returns the payload of this digest, if it signs subject
// under one of the references; nil if it is another, which must be fetched.
func (p *Payloads) Rebuild(digest, subject oci.Digest, references []string) []byte {
	p.mu.Lock()
	optionals := append([]string{"null"}, p.optional...)
	p.mu.Unlock()
	want := digest.Bytes()
	if !digest.IsSHA256() {
		return nil
	}
	buf := make([]byte, 0, 512)
	for _, optional := range optionals {
		for _, reference := range references {
			buf = append(buf[:0], `{"critical":{"identity":{"docker-reference":"`...)
			buf = append(buf, reference...)
			buf = append(buf, `"},"image":{"docker-manifest-digest":"`...)
			buf = append(buf, subject...)
			buf = append(buf, `"},"type":"cosign container image signature"},"optional":`...)
			buf = append(buf, optional...)
			buf = append(buf, '}')
			if sha256.Sum256(buf) == [sha256.Size]byte(want) {
				return slices.Clone(buf)
			}
		}
	}
	return nil
}

// Learn remembers what the signer's tool added to a payload.
func (p *Payloads) Learn(payload []byte) {
	var s struct {
		Optional json.RawMessage `json:"optional"`
	}
	if json.Unmarshal(payload, &s) != nil || len(s.Optional) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := string(s.Optional); o != "null" && len(p.optional) < maxOptional && !slices.Contains(p.optional, o) {
		p.optional = append(p.optional, o)
	}
}
