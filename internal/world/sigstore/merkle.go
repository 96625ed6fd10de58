package sigstore

import (
	"crypto/sha256"
	"slices"
)

// LeafHash is the hash of a leaf of a Merkle tree, RFC 6962, 2.1.
func LeafHash(body []byte) [32]byte { return sha256.Sum256(append([]byte{0}, body...)) }

func nodeHash(left, right [32]byte) [32]byte {
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func treeHash(leaves [][32]byte) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return nodeHash(treeHash(leaves[:k]), treeHash(leaves[k:]))
}

func inclusion(leaves [][32]byte, i int) [][]byte {
	if len(leaves) < 2 {
		return nil
	}
	k := split(len(leaves))
	if i < k {
		sibling := treeHash(leaves[k:])
		return append(inclusion(leaves[:k], i), sibling[:])
	}
	sibling := treeHash(leaves[:k])
	return append(inclusion(leaves[k:], i-k), sibling[:])
}

// split is the largest power of two below n.
func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}
