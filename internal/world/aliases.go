package world

import "github.com/kverify/kverify/internal/world/sigstore"

// The names of a world's Sigstore that tests write on every other line.
type (
	Sigstore = sigstore.Sigstore
	Signing  = sigstore.Signing
	Signed   = sigstore.Signed
	Attested = sigstore.Attested
	Stamp    = sigstore.Stamp
	Log      = sigstore.Log
	Entry    = sigstore.Entry
	Proof    = sigstore.Proof
	Tiles    = sigstore.Tiles
	Tile     = sigstore.Tile
)

// Identities and issuer of Kubernetes' signatures.
const (
	Google     = sigstore.Google
	KrelTrust  = sigstore.KrelTrust
	KrelStage  = sigstore.KrelStage
	Promoter22 = sigstore.Promoter22
	Summaries  = sigstore.Summaries
)

// HostTiles is the origin of the tile-based log.
const HostTiles = sigstore.HostTiles

// When the Sigstore opened, when its tile-based log did, and when a signing that
// names no time is made.
var (
	Opened      = sigstore.Opened
	TilesOpened = sigstore.TilesOpened
	Signed2023  = sigstore.Signed2023
)

// NewSigstore makes the Sigstore of a seed. Two seeds never trust each other.
func NewSigstore(seed string) *Sigstore { return sigstore.NewSigstore(seed) }
