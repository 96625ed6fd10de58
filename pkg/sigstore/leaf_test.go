package sigstore

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
)

// tree is the root hash of leaves (RFC 9162, 2.1.1), and path the proof that one of them
// is among them (2.1.3.1): the definitions, where the code has the loop.
func tree(leaves [][sha256.Size]byte) [sha256.Size]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	left, right := tree(leaves[:k]), tree(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func path(leaves [][sha256.Size]byte, i int) [][]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if i < k {
		other := tree(leaves[k:])
		return append(path(leaves[:k], i), other[:])
	}
	other := tree(leaves[:k])
	return append(path(leaves[k:], i-k), other[:])
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// An inclusion proof holds for its leaf, index, size and root, and for no other.
func TestIncluded(t *testing.T) {
	const most = 19
	var leaves [][sha256.Size]byte
	for i := range most + 1 {
		leaves = append(leaves, sha256.Sum256(fmt.Appendf([]byte{0}, "leaf %d", i)))
	}
	for size := 1; size <= most; size++ {
		root := tree(leaves[:size])
		for i := range size {
			proof := path(leaves[:size], i)
			if !included(leaves[i], int64(i), int64(size), proof, root[:]) {
				t.Errorf("%d of %d is not included", i, size)
			}
			no := func(what string, leaf [sha256.Size]byte, index, size int, proof [][]byte, root []byte) {
				if included(leaf, int64(index), int64(size), proof, root) {
					t.Errorf("%d of %d: included with %s", i, size, what)
				}
			}
			for j := -2; j <= size+2; j++ {
				if j != i {
					no(fmt.Sprintf("index %d", j), leaves[i], j, size, proof, root[:])
				}
			}
			no("another leaf", leaves[(i+1)%len(leaves)], i, size, proof, root[:])
			no("another root", leaves[i], i, size, proof, make([]byte, sha256.Size))
			no("no root", leaves[i], i, size, proof, nil)
			no("one hash more", leaves[i], i, size, append(slices.Clone(proof), make([]byte, sha256.Size)), root[:])
			no("size nought", leaves[i], i, 0, proof, root[:])
			if len(proof) > 0 {
				no("one hash less", leaves[i], i, size, proof[:len(proof)-1], root[:])
				short := slices.Clone(proof)
				short[0] = short[0][:sha256.Size-1]
				no("a short hash", leaves[i], i, size, short, root[:])
				no("a tree of one", leaves[i], 0, 1, proof, root[:])
			}
		}
	}
}

// What would hash to the root by another cut of the same bytes is no proof: a hash in
// a proof has one length.
func TestIncludedTakesWholeHashes(t *testing.T) {
	leaf, other := sha256.Sum256([]byte("leaf")), sha256.Sum256([]byte("other"))
	for _, cut := range []int{0, 1, 31, 33} {
		sibling := append(slices.Clone(other[:]), 0)[:min(cut, 33)]
		root := sha256.Sum256(slices.Concat([]byte{1}, leaf[:], sibling))
		if included(leaf, 0, 2, [][]byte{sibling}, root[:]) {
			t.Errorf("included by a hash of %d bytes", len(sibling))
		}
	}
}
