package serve

import (
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"
)

func sealers(tb testing.TB) map[string]sealer {
	key := make([]byte, 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]sealer{"gmac": gmacSealer(gcm), "hmac": hmacSealer(key), "chosen": newSealer()}
}

// TestSeal holds that a tag is of one number and of every bit of its block, its length included.
func TestSeal(t *testing.T) {
	for name, seal := range sealers(t) {
		block := make([]byte, blockSize)
		random := rand.NewChaCha8([32]byte{3})
		_, _ = random.Read(block)
		tag := seal(7, block)
		if seal(7, block) != tag {
			t.Errorf("%s: the same block has two tags", name)
		}
		if seal(8, block) == tag {
			t.Errorf("%s: a block has the same tag under another number", name)
		}
		if seal(7, block[:blockSize-1]) == tag || seal(7, append(block[:blockSize:blockSize], 0)) == tag {
			t.Errorf("%s: a shorter or longer block has the same tag", name)
		}
		for at := range blockSize {
			if at%97 != 0 && at != blockSize-1 {
				continue
			}
			block[at] ^= 1 << (at % 8)
			if seal(7, block) == tag {
				t.Errorf("%s: a block with another byte at %d has the same tag", name, at)
			}
			block[at] ^= 1 << (at % 8)
		}
	}
	one, other := newSealer(), newSealer()
	if one(0, nil) == other(0, nil) {
		t.Error("two servers have the same key")
	}
}

// TestBlocksNumbers holds that no two blocks of what is remembered share a number, even of files read again.
func TestBlocksNumbers(t *testing.T) {
	files, _, _, _, layer := listedSample()
	base, _, h, _ := serveTree(t, files)
	for _, path := range []string{"/dl.k8s.io/" + bigPath, "/v2/kube-proxy/blobs/" + layer, "/dl.k8s.io/" + bigPath} {
		if resp, _, err := ask(t, "GET", base, path, nil); err != nil || resp.StatusCode != 200 {
			t.Fatal(path, resp, err)
		}
	}
	seen := map[uint64]bool{}
	for _, known := range h.blocks.files {
		for i := range known.tags.list {
			n := known.tags.first + uint64(i)
			if seen[n] {
				t.Fatalf("two blocks have the number %d", n)
			}
			seen[n] = true
		}
	}
	if len(seen) < 100 || h.blocks.next != uint64(len(seen)) {
		t.Errorf("%d blocks, %d numbers", len(seen), h.blocks.next)
	}
}

func BenchmarkSeal(b *testing.B) {
	block := make([]byte, blockSize)
	for name, seal := range sealers(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(blockSize)
			for b.Loop() {
				seal(7, block)
			}
		})
	}
}
