package serve

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"
)

// tagSize is the length of a tag, in bytes.
const tagSize = 16

// A sealer gives the tag of a block under a number that no other block has. It is a MAC
// whose key is drawn when the server starts. Neither key nor tag leaves its memory, so that who
// writes to the files, and sees what is answered, finds other bytes with the same tag by guessing
// alone. That is all that a later comparison needs, and costs a fifth of SHA-256, by
// which the whole was proved.
type sealer func(number uint64, block []byte) [tagSize]byte

// newSealer takes the faster one here of two: without instructions for AES and for
// carry-less multiplication GMAC is slow.
func newSealer() sealer {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // which never fails: its documentation
	with := []sealer{hmacSealer(key)}
	if block, err := aes.NewCipher(key); err == nil {
		if gcm, err := cipher.NewGCM(block); err == nil { // an error: GODEBUG=fips140=only takes no nonce of ours
			with = append(with, gmacSealer(gcm))
		}
	}
	return slices.MinFunc(with, func(a, b sealer) int { return cmp.Compare(timeOf(a), timeOf(b)) })
}

// gmacSealer is GMAC (NIST SP 800-38D), the number being the nonce: other bytes have
// the same tag with a probability of 2^-115 at most, a block having 2^12 times 16 bytes.
func gmacSealer(gcm cipher.AEAD) sealer {
	return func(number uint64, block []byte) (tag [tagSize]byte) {
		var nonce [12]byte
		binary.BigEndian.PutUint64(nonce[4:], number)
		gcm.Seal(tag[:0], nonce[:], nil, block)
		return tag
	}
}

// hmacSealer is HMAC-SHA-256 (RFC 2104), cut to half of its length.
func hmacSealer(key []byte) sealer {
	return func(number uint64, block []byte) [tagSize]byte {
		h := hmac.New(sha256.New, key)
		h.Write(binary.BigEndian.AppendUint64(nil, number))
		h.Write(block)
		return [tagSize]byte(h.Sum(nil)[:tagSize])
	}
}

// timeOf is what a block of 64 KiB costs at the best of three.
func timeOf(seal sealer) time.Duration {
	best, block := time.Duration(1<<62), make([]byte, 64<<10)
	for range 3 {
		begun := time.Now()
		seal(0, block)
		best = min(best, time.Since(begun))
	}
	return best
}
