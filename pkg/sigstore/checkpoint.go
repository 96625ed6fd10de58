package sigstore

import (
	"fmt"

	"github.com/kverify/kverify/internal/lazyregexp"
)

// olderTree is how checkpoints of Rekor v1 name their tree: origin and tree id.
var olderTree = lazyregexp.New(` - [0-9]+$`)

// checkGeneration refuses an entry of the newer log (Rekor v2) under a checkpoint
// of the older one's form. sigstore-go looks at the checkpoint to choose how an
// entry is verified and at the entry to choose what is compared with it; one of
// each kind would be compared with nothing.
func checkGeneration(version, origin string, promised bool) error {
	tiled := version == "0.0.2"
	switch {
	case tiled && olderTree().MatchString(origin):
		return fmt.Errorf("an entry of version %s under a checkpoint of the older log's form, %.80q", version, origin)
	case tiled && promised:
		return fmt.Errorf("an entry of version %s with a promise, which its log does not give", version)
	}
	return nil
}
