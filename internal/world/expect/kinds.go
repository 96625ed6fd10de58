package expect

import (
	"fmt"
	"slices"
)

// Era is what a release of its time has to show.
type Era string

// The eras. Rules 9, 10 and 14 divide them.
const (
	AnyEra   Era = ""
	Unsigned Era = "before v1.26.0" // images are signed, files and SBOM are not
	Signed   Era = "since v1.26.0"  // the SBOM and every file are signed
)

// EraOf is the era of a release, "v1.27.2".
func EraOf(version string) Era {
	var major, minor int
	if _, err := fmt.Sscanf(version, "v%d.%d.", &major, &minor); err != nil || major != 1 {
		panic("expect: no version: " + version)
	}
	if minor < 26 {
		return Unsigned
	}
	return Signed
}

// Subject is a kind of what is asked about.
type Subject string

// The kinds of subjects.
const (
	AnySubject     Subject = ""
	Images         Subject = "images of a release"
	Tag            Subject = "an image by tag"
	Digest         Subject = "an image by digest"
	PlatformDigest Subject = "a platform by digest, beside its tag"
	BareDigest     Subject = "a digest without a name"
	OneArch        Subject = "an image of one architecture"
	Companion      Subject = "pause, etcd or coredns"
	Program        Subject = "a program"
	Tarball        Subject = "a tarball"
	ImageTar       Subject = "an image's archive among the files"
	Copy           Subject = "a copy that another tool wrote"
	Artifact       Subject = "a file kept as an OCI artifact"
)

// Source is where bytes and claims come from.
type Source string

// The sources.
const (
	AnySource Source = ""
	Live      Source = "the publishers"
	Mirror    Source = "a mirror, with no word of its operator"
	Vouched   Source = "a mirror, and its operator's key"
)

// Fault is what lasts.
type Fault string

// The lasting faults.
const (
	AnyFault    Fault = "any"
	None        Fault = ""
	NoSBOM      Fault = "the SBOM is absent"
	NoChangelog Fault = "the CHANGELOG is absent"
	NoPromotion Fault = "the promotion manifest is absent"
	NoSignature Fault = "the image's signature is absent"
	NoLog       Fault = "the log cannot be reached"
	NoRegistry  Fault = "the registry cannot be reached"
)

// Key is a situation.
type Key struct {
	Era     Era
	Subject Subject
	Source  Source
	Fault   Fault
}

// Row is what must be said in a situation: the verdict of the whole report, and the
// reasons that required checks may give for not being verified, "verdict reason".
type Row struct {
	Key
	Verdict string
	Reasons []string
	Rules   string // of docs/trust.md
}

// Allows says whether a row allows a report: its verdict, and the "verdict reason" of every
// required check that is not verified.
func (r Row) Allows(verdict string, reasons []string) bool {
	for _, reason := range reasons {
		if !slices.Contains(r.Reasons, reason) {
			return false
		}
	}
	return verdict == r.Verdict && (verdict == "verified") == (len(reasons) == 0)
}
