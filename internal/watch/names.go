package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/kverify/kverify/pkg/release"
)

// Images is the name of the unit that is all images which were named, by lists or one by one.
const Images = "images"

// A Unit is what is verified at once: a release, or all images that were named.
type Unit struct {
	Name    string          // "v1.27.2", or [Images]
	Version release.Version // zero for images
	channel string          // that led to the release; empty if it was named
}

// MaxReleases is how many versions and channels may be named: no minor has had more than twenty patches.
const MaxReleases = 400

// What a state may hold. A cluster has some hundred images, a release some thousand subjects.
const (
	stateVersion = 1
	maxState     = 64 << 20 // bytes
	maxUnits     = MaxReleases + 100
	maxResults   = 50_000 // of one unit
	maxName      = 512    // bytes of a subject's name
	maxAlarms    = 1_000  // that are remembered of one subject
	maxQueue     = 1_000  // events that wait for a webhook
)

const (
	maxListed = 20  // subjects or problems in one event
	maxDetail = 600 // bytes of a sentence
)

// short is a name for parts, of 16 hex digits.
func short(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// shown is a name as it is kept and shown: of a bounded length, and two are two.
func shown(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) <= maxName {
		return name
	}
	return clip(name, maxName-20) + "..." + short(name)
}

// clip cuts a text to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
