package verify

import (
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// tie is what one document says of whether a digest is this version.
type tie struct {
	says     int // affirms, contradicts, or silent
	strength report.Strength
	detail   string
	source   string
	digest   string   // of the document
	tags     []string // that it gives the digest, where no tag was asked for
}

const (
	silent = iota
	affirms
	contradicts
)

func (t tie) strong() bool { return t.strength != report.Carried }

func (t tie) evidence() report.Evidence {
	return report.Evidence{What: "claim", Source: t.source, Digest: t.digest, Strength: &t.strength, Fields: map[string]string{report.FieldSays: t.detail}}
}

// pick returns the first tie that says so; of the affirming ones only those
// that count.
func pick(says int, ts ...tie) (tie, bool) {
	for _, t := range ts {
		if t.says == says && (says != affirms || t.strong()) {
			return t, true
		}
	}
	return tie{}, false
}

// versionOf reads a tag that is a release's version.
func versionOf(tag string) (release.Version, bool) {
	v, err := release.ParseVersion(tag)
	return v, err == nil && strings.HasPrefix(tag, "v") && v.Major == 1
}

// boundVersions are the versions that claims which count give a digest.
func boundVersions(ts []tie) []release.Version {
	var out []release.Version
	for _, t := range ts {
		if t.says != affirms || !t.strong() {
			continue
		}
		for _, tag := range t.tags {
			if v, ok := versionOf(tag); ok {
				out = append(out, v)
			}
		}
	}
	return out
}
