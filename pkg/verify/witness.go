package verify

import (
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// witness is what one document says of whether a digest is this version.
type witness struct {
	stance   stance // affirms, contradicts, or silent
	strength report.Strength
	detail   string
	source   string
	digest   oci.Digest // of the document
	tags     []string   // that it gives the digest, where no tag was asked for
}

// stance is what a witness says of the question.
type stance int

const (
	silent stance = iota
	affirms
	contradicts
)

func (t witness) strong() bool { return t.strength != report.Carried }

func (t witness) evidence() report.Evidence {
	return report.Evidence{What: "claim", Source: t.source, Digest: string(t.digest), Strength: &t.strength, Fields: map[string]string{report.FieldSays: t.detail}}
}

// pick returns the first witness that says so; of the affirming ones only those
// that count.
func pick(says stance, ts ...witness) (witness, bool) {
	for _, t := range ts {
		if t.stance == says && (says != affirms || t.strong()) {
			return t, true
		}
	}
	return witness{}, false
}

// versionOf reads a tag that is a release's version.
func versionOf(tag string) (release.Version, bool) {
	v, err := release.ParseVersion(tag)
	return v, err == nil && strings.HasPrefix(tag, "v") && v.Major == 1
}

// boundVersions are the versions that claims which count give a digest.
func boundVersions(ts []witness) []release.Version {
	var out []release.Version
	for _, t := range ts {
		if t.stance != affirms || !t.strong() {
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
