// Package report holds what kverify says: a verdict for every check, the
// checks of every subject, and the report over all subjects.
//
// There are three verdicts, never two. [Unknown] is the zero value, so that
// whatever was forgotten, skipped or could not be fetched never counts as
// proof. Only contradiction refutes; absence, failure to reach a host, and
// input that cannot be read are Unknown, each with its [Reason].
//
// Verdicts combine upward in one way only: Refuted beats Unknown beats
// Verified, no required check at all is Unknown, and so is an empty report.
//
// This package imports nothing else of the project but a guard for JSON.
package report

import (
	"fmt"
	"slices"
	"time"
)

// Verdict is the outcome of a check, of a subject, or of a whole report.
type Verdict uint8

const (
	Unknown  Verdict = iota // could not tell: absent, unreachable, malformed, or never looked at
	Verified                // proved, under the policy and the trusted root that the report names
	Refuted                 // contradicted by evidence
)

// String returns "unknown", "verified" or "refuted". Any other value is
// "unknown" too.
func (v Verdict) String() string {
	switch v {
	case Verified:
		return "verified"
	case Refuted:
		return "refuted"
	}
	return "unknown"
}

// MarshalText writes the verdict as its String.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes. Anything else is an error.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch string(text) {
	case "unknown":
		*v = Unknown
	case "verified":
		*v = Verified
	case "refuted":
		*v = Refuted
	default:
		return fmt.Errorf("verdict %q: want verified, refuted or unknown", text)
	}
	return nil
}

// and joins two verdicts: Refuted beats Unknown beats Verified.
func (v Verdict) and(w Verdict) Verdict {
	switch {
	case v == Refuted || w == Refuted:
		return Refuted
	case v == Verified && w == Verified:
		return Verified
	}
	return Unknown
}

// Reason is a stable, machine-readable word for why a check is not Verified.
type Reason string

const (
	Absent      Reason = "absent"      // asked for, and the answer was that there is none
	Unreachable Reason = "unreachable" // no usable answer: network, timeout, 5xx, 429, 403
	Malformed   Reason = "malformed"   // an answer that cannot be read as what was asked for
	Limit       Reason = "limit"       // refused because a size or count limit was exceeded
	NotReleased Reason = "notReleased" // the version has never been released
	Untrusted   Reason = "untrusted"   // signed by a CA, a log or an identity that the policy or root does not know
	NoClaim     Reason = "noClaim"     // nothing strong enough ties the subject to what it is said to be
	Mismatch    Reason = "mismatch"    // two things that must be equal differ
	OtherBytes  Reason = "otherBytes"  // the release's own signature is for other bytes than those on which all its documents agree
	Forged      Reason = "forged"      // a signature, certificate or log entry that does not verify
	Incomplete  Reason = "incomplete"  // something expected is missing
	Interrupted Reason = "interrupted" // the run was cancelled before this was done
	Internal    Reason = "internal"    // a fault of kverify itself, such as a recovered panic
)

// The names of the checks, in the order in which they are reported.
const (
	Inventory = "inventory" // everything that a release must hold is there
	Digest    = "digest"    // bytes hash to their digest, and name, index and platform agree
	Copy      = "copy"      // of what was seen elsewhere: it is the image that the other checks are of
	Signature = "signature" // signed by the identity that the policy demands, and logged
	Reference = "reference" // the signed docker-reference names this image
	Binding   = "binding"   // a strong claim ties the digest to the version

	// On request, of files alone: the SBOM that binds them is anchored in images
	// that were signed by another identity than it.
	Anchor = "anchor"

	// On request. Each is a class of its own, and none stands for another.
	Contents   = "contents"   // the programs inside are the files that the release signs
	Staging    = "staging"    // signed when it was built, before promotion
	Promotion  = "promotion"  // a signed record that it was promoted
	VSA        = "vsa"        // a signed summary that its verification passed
	Provenance = "provenance" // a signed statement of how it was built
)

// CheckNames lists every check that can be asked for, in report order.
var CheckNames = []string{Inventory, Digest, Copy, Signature, Reference, Binding, Anchor, Contents, Staging, Promotion, VSA, Provenance}

// Check is one question asked of one subject.
type Check struct {
	Name     string       `json:"name"`
	Verdict  Verdict      `json:"verdict"`
	Required bool         `json:"required"`         // a check that is not required never lowers a result
	Reason   Reason       `json:"reason,omitempty"` // set unless Verified
	Detail   string       `json:"detail,omitempty"` // one sentence for a person
	Evidence EvidenceList `json:"evidence,omitzero"`
}

// Result is everything that was found out about one subject.
type Result struct {
	// Subject is what was examined: an image reference such as
	// "registry.k8s.io/kube-proxy:v1.27.2", a release ("v1.27.2"), or the URL of a document.
	Subject string `json:"subject"`
	Kind    Kind   `json:"kind"`
	// Release is the version that the subject is examined as, such as "v1.27.2"; may be empty.
	Release string `json:"release,omitempty"`
	// Platform is "os/arch[/variant]", with ":os.version" after it where there is one;
	// empty for an index, and for what is not an image.
	Platform string `json:"platform,omitempty"`
	// Digest is "sha256:<hex>" of what was examined; empty if it could not be fetched.
	Digest string `json:"digest,omitempty"`
	// SeenAs lists other names under which the same digest was seen.
	SeenAs []string `json:"seenAs,omitempty"`
	// Places are where it was seen, where it was seen and not fetched: at most
	// [MaxPlaces], and MorePlaces counts the rest.
	Places     []Place `json:"places,omitempty"`
	MorePlaces int     `json:"morePlaces,omitempty"`
	Checks     []Check `json:"checks"`
	// Incidents are what is on record of exactly these bytes, where a check that
	// they explain is not verified.
	Incidents []Incident `json:"incidents,omitempty"`
	// Notes are remarks that change no verdict.
	Notes []string `json:"notes,omitempty"`
}

// Verdict joins the required checks. A result without any is Unknown.
func (r Result) Verdict() Verdict {
	v, any := Verified, false
	for _, c := range r.Checks {
		if c.Required {
			v, any = v.and(c.Verdict), true
		}
	}
	if !any {
		return Unknown
	}
	return v
}

// Check returns the check of that name; ok is false where there is none.
func (r Result) Check(name string) (c Check, ok bool) {
	i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == name })
	if i < 0 {
		return Check{Name: name}, false
	}
	return r.Checks[i], true
}

// Source names a policy or a trusted root, so that a verdict can be reproduced.
type Source struct {
	Digest   string `json:"digest"`         // "sha256:<hex>" of its bytes
	Embedded bool   `json:"embedded"`       // it is the one compiled into kverify
	Path     string `json:"path,omitempty"` // where it was read from, if it was not
}

// Scope is what the run was asked for.
type Scope struct {
	Subjects  []string `json:"subjects"`            // versions or references, as asked
	Names     []string `json:"names,omitempty"`     // image names; none means all
	Platforms []string `json:"platforms,omitempty"` // architectures; none means all
	Checks    []string `json:"checks"`              // the checks that were required
	Partial   bool     `json:"partial"`             // fewer checks than the policy requires
	Omitted   []string `json:"omitted,omitempty"`   // required by the policy, but left out
	Shard     *Shard   `json:"shard,omitempty"`     // only this part of what was asked for was examined
	// Absent are names and platforms that are not where it was read, and that its
	// verdict does not speak of.
	Absent []string `json:"absent,omitempty"`
	// Others are images that were seen, are not Kubernetes', and were not judged.
	// Vendors counts those of them that a vendor built from Kubernetes.
	Others  []string `json:"others,omitempty"`
	Vendors int      `json:"vendors,omitempty"`
	// Remarks say what the verdict does not speak of, in the words of its own line.
	Remarks []string `json:"remarks,omitempty"`
}

// Shard is one of Count equal parts of a job, Index counting from zero.
type Shard struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

// String returns "INDEX/COUNT".
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Count) }

// Tool is the program that wrote a report.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// SchemaVersion is the version of the JSON form of a Report. Fields may be
// added under the same version and readers must ignore those they do not
// know; a field is removed, or its meaning changed, only with a new one.
const SchemaVersion = 1

// Report is the answer of one run.
type Report struct {
	SchemaVersion int       `json:"schemaVersion"`
	Tool          Tool      `json:"tool"`
	Time          time.Time `json:"time"`
	Scope         Scope     `json:"scope"`
	Releases      []string  `json:"releases,omitempty"` // every version that was examined
	Policy        Source    `json:"policy"`
	TrustedRoot   Source    `json:"trustedRoot"`
	// OperatorKey is the public key by which documents that were carried in are vouched for; nil if none was given.
	OperatorKey *Source  `json:"operatorKey,omitempty"`
	Merged      []string `json:"merged,omitempty"`            // digests of the reports that this one was put together from
	Accepted    []string `json:"acceptedIncidents,omitempty"` // what the caller accepted, for the exit code alone
	Interrupted bool     `json:"interrupted,omitempty"`       // the run was cut short: results are what was known then
	// InterruptedBy says what cut it short: "Ctrl-C", "SIGTERM" or "--timeout 90s"; it may be empty.
	InterruptedBy string   `json:"interruptedBy,omitempty"`
	Results       []Result `json:"results"`

	// Saved says that this was read from a file: it is its writer's word, and
	// nothing was examined now. It is set by [Read], and not written.
	Saved bool `json:"-"`
}

// Verdict joins all results. An empty report is Unknown, and an interrupted
// one is never Verified.
func (r Report) Verdict() Verdict {
	if len(r.Results) == 0 {
		return Unknown
	}
	v := Verified
	for _, res := range r.Results {
		v = v.and(res.Verdict())
	}
	if r.Interrupted {
		v = v.and(Unknown)
	}
	return v
}

// Count returns how many results have the verdict v.
func (r Report) Count(v Verdict) int {
	n := 0
	for _, res := range r.Results {
		if res.Verdict() == v {
			n++
		}
	}
	return n
}
