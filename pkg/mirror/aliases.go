package mirror

import (
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// Manifest is MANIFEST.json: everything that a mirror holds, with digests, where
// it was from and the verdict that it had there. It is a record and proves
// nothing by itself. docs/mirror.md has its members.
type Manifest = layout.Manifest

// The entries of a [Manifest]: what a run was asked for, a name of
// oci/index.json, a file below files/, and a subject that could not be proved
// and lies outside of everything that is served.
type (
	Scope        = layout.Scope
	ImageEntry   = layout.ImageEntry
	FileEntry    = layout.FileEntry
	UnknownEntry = layout.UnknownEntry
)

// A CorruptError says that bytes of the mirror are not what a digest or
// MANIFEST.json says they are: Path is inside the mirror, Want and Got are a
// SHA-256 in hex or a size in words. Reading a body can end with it.
type CorruptError = layout.CorruptError

// A LayerError says that a layer does not unpack to what the config of its
// image says: Digest is the layer's, Want and Got are diff_ids.
type LayerError = layout.LayerError
