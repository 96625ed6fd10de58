package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
)

// LockVersion is the version of the JSON form of a [Lock].
const LockVersion = 1

// Lock is what a run found under each name, so that a later run can say whether
// something moved. A difference refutes, and equality verifies nothing (rule 5 of
// docs/trust.md). Documents that grow, such as SBOM signatures and CHANGELOGs, are not in it.
type Lock struct {
	LockVersion int      `json:"lockVersion"`
	Tool        Tool     `json:"tool"`
	Releases    []string `json:"releases"` // exact versions, never channels
	Policy      Source   `json:"policy"`
	TrustedRoot Source   `json:"trustedRoot"`
	Entries     []Locked `json:"entries"` // by subject and platform
}

// Locked is one subject, and the digest that it had.
type Locked struct {
	Subject  string `json:"subject"`
	Platform string `json:"platform,omitempty"`
	Digest   string `json:"digest"` // "sha256:<hex>"
}

// NewLock makes a lock of a report. Only a run that examined, whole, and verified
// everything makes one (rule 34): the error says what this one is instead.
func NewLock(r Report) (Lock, error) {
	switch {
	case r.Saved, len(r.Merged) > 0:
		return Lock{}, errors.New("a lock is made by the run that examined, and this report was read from a file")
	case r.Scope.Partial:
		return Lock{}, fmt.Errorf("a lock is made of a whole run, and this one left out %s", inWords(r.Scope.Omitted))
	case r.Scope.Shard != nil:
		return Lock{}, errors.New("a lock is made of a whole run, and this one is a part of one")
	case r.Verdict() != Verified:
		return Lock{}, fmt.Errorf("a lock is made of what is verified, and this is %s", r.Verdict())
	}
	l := Lock{LockVersion: LockVersion, Tool: r.Tool, Releases: r.Releases, Policy: r.Policy, TrustedRoot: r.TrustedRoot}
	for _, res := range r.Results {
		if res.Digest != "" && res.Kind == KindImage {
			l.Entries = append(l.Entries, Locked{res.Subject, res.Platform, res.Digest})
		}
	}
	slices.SortFunc(l.Entries, func(a, b Locked) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Platform, b.Platform))
	})
	return l, nil
}

func inWords(list []string) string {
	if len(list) == 0 {
		return "some checks"
	}
	var b bytes.Buffer
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s)
	}
	return b.String()
}

// maxLock caps a lock: one release's is about 5 KB.
const maxLock = 8 << 20

// A LockError says why a file is not a lock.
type LockError struct {
	Name string // of the file
	Err  error
}

func (e *LockError) Error() string {
	return fmt.Sprintf("%s: %v; kverify lock VERSION writes one", e.Name, e.Err)
}

// Unwrap gives the cause.
func (e *LockError) Unwrap() error { return e.Err }

// lockPrice is what the JSON of a lock costs in memory.
var lockPrice = bounds.Price{Item: 128, Object: 128, Value: 16}

// ReadLock reads a lock. The error is a [*LockError].
func ReadLock(name string, r io.Reader) (Lock, error) {
	bad := func(err error) (Lock, error) { return Lock{}, &LockError{Name: name, Err: err} }
	text, err := bounds.Read(r, maxLock)
	if err != nil {
		return bad(err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var l Lock
	if err := strictjson.Check(text); err != nil {
		return bad(fmt.Errorf("it is not a lock: %w", err))
	}
	if err := bounds.JSON(text, lockPrice, bounds.Memory); err != nil {
		return bad(fmt.Errorf("it is not a lock: %w", err))
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return bad(fmt.Errorf("it is not a lock: %w", strictjson.Plain(err)))
	}
	if l.LockVersion != LockVersion {
		return bad(fmt.Errorf("it is not a lock of version %d", LockVersion))
	}
	seen := map[[2]string]bool{}
	for _, e := range l.Entries {
		key := [2]string{e.Subject, e.Platform}
		if e.Subject == "" || !isDigest(e.Digest) || seen[key] {
			return bad(fmt.Errorf("its entry %.100q %.40q has no digest, or stands twice", e.Subject, e.Platform))
		}
		seen[key] = true
	}
	return l, nil
}

// LockOutcome says how a report stood to a lock.
type LockOutcome struct {
	Moved int // subjects that have another digest than the lock says
	Equal int
	New   int // subjects with a digest that the lock does not have, which were not compared
}

// Hold holds a report against the lock: what has another digest than it had is refuted, as
// moved since it was locked. Nothing else changes.
func (l Lock) Hold(r *Report) (h LockOutcome) {
	was := map[[2]string]string{}
	for _, e := range l.Entries {
		was[[2]string{e.Subject, e.Platform}] = e.Digest
	}
	for i := range r.Results {
		res := &r.Results[i]
		is := res.released()
		if res.Kind != KindImage || res.Digest == "" {
			continue
		}
		switch digest, ok := was[[2]string{res.Subject, res.Platform}]; {
		case !ok || is == "":
			h.New++
		case digest == is:
			h.Equal++
		default:
			h.Moved++
			res.refuteMoved(digest, is)
		}
	}
	return h
}

// released is the digest of what Kubernetes released under the result's name. What was seen
// elsewhere may have another, as a config's is; empty if the result does not say.
func (r *Result) released() string {
	if _, isCopy := r.Check(Copy); !isCopy {
		return r.Digest
	}
	c, _ := r.Check(Digest)
	for _, e := range c.Evidence.All() {
		if e.What == "manifest" {
			return e.Digest
		}
	}
	return ""
}

func (r *Result) refuteMoved(was, is string) {
	moved := Check{
		Name: Digest, Verdict: Refuted, Required: true, Reason: Mismatch,
		Detail:   fmt.Sprintf("moved since it was locked: it was %s, and is %s", was, is),
		Evidence: EvidenceOf(Evidence{What: "lock", Digest: was}),
	}
	for i, c := range r.Checks {
		if c.Name == Digest {
			moved.Evidence = moved.Evidence.Add(c.Evidence.All()...)
			r.Checks[i] = moved
			return
		}
	}
	r.Checks = slices.Insert(r.Checks, 0, moved)
}

// JSON is the lock as it is written.
func (l Lock) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(l, "", "  ")
	return append(text, '\n'), err
}
