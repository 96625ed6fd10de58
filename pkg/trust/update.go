package trust

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/fetch"
)

// Repository is where Sigstore publishes its trusted root, as a repository of
// The Update Framework (theupdateframework.github.io/specification).
const Repository = "https://tuf-repo-cdn.sigstore.dev"

// rootTarget is the repository's name for the trusted root.
const rootTarget = "trusted_root.json"

// The first root of that repository that is trusted; all later ones are chained
// to it by signatures. `make roots` says where it is taken from. That it has
// expired is normal: only the last root of the chain must not have.
//
//go:embed data/tuf_root.json
var tufRoot []byte

// UpdateRequest says what to bring up to date.
type UpdateRequest struct {
	Client *fetch.Client
	// TUFRoot is the root.json from which trust starts; nil is the embedded one.
	TUFRoot []byte
	// Old is what the new root must still hold.
	Old *Root
	// Previous is [Updated.Keep] of the last update; nil if there was none.
	Previous []byte
	// AcceptRemoval takes a root that no longer holds what Old holds.
	AcceptRemoval bool
}

// Updated is a trusted root as its publisher signed it.
type Updated struct {
	Text    []byte // byte for byte
	Root    *Root
	Changes []Change
	// Keep is the metadata that proves it. The next update needs it to refuse
	// whatever is older; it is verified again each time.
	Keep []byte
	// Versions of the repository's metadata, and until when its publisher says
	// that there is nothing newer.
	RootVersion, TargetsVersion, TimestampVersion int64
	Until                                         time.Time
}

// UpdateError reports that the repository's answer was not taken. Refuted says
// that it contradicts what is known, as a forgery or a roll-back does;
// otherwise it is not known, as where the repository was not reachable or is out of date.
type UpdateError struct {
	Refuted bool
	What    string
	Err     error
}

func (e *UpdateError) Error() string {
	if e.Err == nil {
		return e.What
	}
	return e.What + ": " + e.Err.Error()
}

func (e *UpdateError) Unwrap() error { return e.Err }

// updateState is the form of [Updated.Keep].
type updateState struct {
	SchemaVersion int               `json:"schemaVersion"`
	Repository    string            `json:"repository"`
	Roots         map[string][]byte `json:"roots"` // by version, from the one after the first
	Timestamp     []byte            `json:"timestamp"`
	Snapshot      []byte            `json:"snapshot"`
	Targets       []byte            `json:"targets"`
}

// Update asks the repository for the newest trusted root and verifies it as The
// Update Framework says: the chain of roots, fresh timestamp, snapshot and
// targets, none older than those of the last update, and the target's length and
// hashes. It then refuses a root that has lost or reopened what the old one
// held. Nothing is written.
//
// This is the only thing in kverify that compares the local clock with a date that
// was signed: metadata of the repository is valid for days. Its errors
// are [*FileError] for Previous and [*UpdateError].
func Update(ctx context.Context, r UpdateRequest) (*Updated, error) {
	state, err := readKept(r.Previous)
	if err != nil {
		return nil, err
	}
	if r.TUFRoot == nil {
		r.TUFRoot = tufRoot
	}
	c := &tufClient{ctx: ctx, client: r.Client, state: state}
	if err := guarded(func() (err error) { c.set, err = trustedmetadata.New(r.TUFRoot); return err }); err != nil {
		return nil, &FileError{Path: "root.json", What: "TUF root", Err: err}
	}
	out := new(Updated)
	if err := guarded(func() (err error) { out.Text, err = c.target(); return err }); err != nil {
		return nil, refused(err)
	}
	if out.Root, err = ParseRoot(out.Text); err != nil {
		return nil, &UpdateError{What: "the newest trusted root cannot be read by this kverify, which may be too old for it", Err: err}
	}
	out.Root.source.Embedded = out.Root.source.Digest == EmbeddedRoot().source.Digest
	if out.Changes = Changes(r.Old, out.Root); !r.AcceptRemoval {
		for _, change := range out.Changes {
			if change.IsRollback() {
				return nil, &UpdateError{Refuted: true, What: "the root that is served is a step back: " + change.String()}
			}
		}
	}
	if out.Keep, err = json.Marshal(state); err != nil {
		return nil, err
	}
	timestamp := c.set.Timestamp.Signed
	out.RootVersion, out.TimestampVersion, out.Until = c.set.Root.Signed.Version, timestamp.Version, timestamp.Expires
	out.TargetsVersion = c.set.Targets[metadata.TARGETS].Signed.Version
	return out, nil
}

// guarded calls what reads metadata by go-tuf, whose v2.4.2 panics over some that is
// malformed, even before it looks at a signature: over a null for a target, a timestamp
// that names no snapshot after one that did, a key of a wrong length.
func guarded(read func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("malformed metadata")
		}
	}()
	return read()
}

// tufClient follows the workflow of The Update Framework's client, section 5 of
// theupdateframework.github.io/specification, on what was kept and what is
// served; every step is verified by go-tuf's set of trusted metadata. Nothing
// of it touches a disk. Targets of delegated roles are not looked for: the
// repository has this one in its own.
type tufClient struct {
	ctx    context.Context //nolint:containedctx // of this one update
	client *fetch.Client
	set    *trustedmetadata.TrustedMetadata
	state  *updateState
}

// Caps of what the repository serves; go-tuf's own.
const (
	maxRoots     = 256
	maxRootFile  = 512_000
	maxTimestamp = 16 << 10
	maxSnapshot  = 2_000_000
)

// target brings the metadata up to date, which may be done once, and returns
// the trusted root that it signs.
func (c *tufClient) target() ([]byte, error) {
	for _, step := range []func() error{c.roots, c.timestamp, c.snapshot, c.targets} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	info := c.set.Targets[metadata.TARGETS].Signed.Targets[rootTarget]
	if info == nil {
		return nil, inDocument("targets.json", &metadata.ErrRepository{Msg: "it signs no " + rootTarget})
	}
	name := rootTarget
	if c.set.Root.Signed.ConsistentSnapshot {
		first := slices.Sorted(maps.Keys(info.Hashes))[0] // there is one, and it is published under each
		name = hex.EncodeToString(info.Hashes[first]) + "." + name
	}
	text, err := c.get("targets/"+name, capped(info.Length, maxFile))
	if err != nil {
		return nil, err
	}
	return text, inDocument(rootTarget, info.VerifyLengthHashes(text))
}

// roots follows the chain to its end (5.3). Roots that an earlier update has
// seen are not asked for again, so that a server cannot hide them.
func (c *tufClient) roots() error {
	for range maxRoots {
		version := strconv.FormatInt(c.set.Root.Signed.Version+1, 10)
		name := version + ".root.json"
		text, seen := c.state.Roots[version]
		if !seen {
			var err error
			if text, err = c.get(name, maxRootFile); fetch.Is(err, fetch.NotFound) {
				return nil // there is no newer one
			} else if err != nil {
				return err
			}
		}
		if _, err := c.set.UpdateRoot(text); err != nil {
			return inDocument(name, err)
		}
		c.state.Roots[version] = text
	}
	return nil
}

// timestamp loads the kept one, against which the served one is held (5.4).
func (c *tufClient) timestamp() error {
	const name = "timestamp.json"
	if c.state.Timestamp != nil {
		if _, err := c.set.UpdateTimestamp(c.state.Timestamp); err != nil && !errors.Is(err, &metadata.ErrRepository{}) {
			return inDocument("the kept "+name, err) // else it has ended, and still says what was seen
		}
	}
	text, err := c.get(name, maxTimestamp)
	if err != nil {
		return err
	}
	_, err = c.set.UpdateTimestamp(text)
	if errors.Is(err, &metadata.ErrEqualVersionNumber{}) {
		return nil
	}
	c.state.Timestamp = text // which is kept if the rest holds too
	return inDocument(name, err)
}

// snapshot is loaded as timestamp is, and asked for only if a newer one is signed (5.5).
func (c *tufClient) snapshot() error {
	info := c.set.Timestamp.Signed.Meta["snapshot.json"]
	if info == nil {
		return inDocument("timestamp.json", &metadata.ErrRepository{Msg: "it names no snapshot.json"})
	}
	if c.state.Snapshot != nil {
		_, err := c.set.UpdateSnapshot(c.state.Snapshot, true)
		if !errors.Is(err, &metadata.ErrRepository{}) {
			return inDocument("the kept snapshot.json", err)
		}
	}
	name := c.versioned(info.Version, "snapshot.json")
	text, err := c.get(name, capped(info.Length, maxSnapshot))
	if err != nil {
		return err
	}
	if _, err := c.set.UpdateSnapshot(text, false); err != nil {
		return inDocument(name, err)
	}
	c.state.Snapshot = text
	return nil
}

// targets are loaded as the snapshot is (5.6).
func (c *tufClient) targets() error {
	if c.state.Targets != nil {
		_, err := c.set.UpdateTargets(c.state.Targets)
		if !errors.Is(err, &metadata.ErrRepository{}) {
			return inDocument("the kept targets.json", err)
		}
	}
	info := c.set.Snapshot.Signed.Meta["targets.json"]
	if info == nil {
		return inDocument("snapshot.json", &metadata.ErrRepository{Msg: "it names no targets.json"})
	}
	name := c.versioned(info.Version, "targets.json")
	text, err := c.get(name, capped(info.Length, maxFile))
	if err != nil {
		return err
	}
	if _, err := c.set.UpdateTargets(text); err != nil {
		return inDocument(name, err)
	}
	c.state.Targets = text
	return nil
}

func (c *tufClient) versioned(version int64, name string) string {
	if c.set.Root.Signed.ConsistentSnapshot {
		return strconv.FormatInt(version, 10) + "." + name
	}
	return name
}

func (c *tufClient) get(name string, limit int64) ([]byte, error) {
	resp, err := c.client.Get(c.ctx, Repository+"/"+name, limit)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// capped is how much is read of what is signed to have so many bytes.
func capped(announced, most int64) int64 {
	if announced <= 0 || announced > most {
		return most
	}
	return announced
}

// inDocument says of which document an error is.
func inDocument(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func readKept(text []byte) (*updateState, error) {
	k := &updateState{SchemaVersion: 1, Repository: Repository}
	if text != nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		err := strictjson.Plain(dec.Decode(k))
		if k.SchemaVersion != 1 || k.Repository != Repository {
			err = fmt.Errorf("schema %d of %.100q, want 1 of %s", k.SchemaVersion, k.Repository, Repository)
		}
		if err != nil {
			return nil, &FileError{Path: "what the last update kept", What: "record of an update", Err: err}
		}
	}
	if k.Roots == nil {
		k.Roots = map[string][]byte{}
	}
	return k, nil
}

// refused says what an error of the update means.
func refused(err error) error {
	var (
		wire    *fetch.Error
		expired *metadata.ErrExpiredMetadata
		older   *metadata.ErrBadVersionNumber
		forged  *metadata.ErrUnsignedMetadata
		other   *metadata.ErrLengthOrHashMismatch
		form    *metadata.ErrRepository
	)
	switch {
	case errors.As(err, &wire):
		return &UpdateError{What: "the newest trusted root could not be fetched", Err: err}
	case errors.As(err, &expired):
		return &UpdateError{What: "what is served is out of date: it is withheld, or the clock of this machine is wrong", Err: err}
	case errors.As(err, &older):
		return &UpdateError{Refuted: true, What: "what is served is older than what was seen before", Err: err}
	case errors.As(err, &forged):
		return &UpdateError{Refuted: true, What: "what is served is not signed by enough of the keys that must sign it", Err: err}
	case errors.As(err, &other):
		return &UpdateError{Refuted: true, What: "what is served is not what was signed", Err: err}
	case errors.As(err, &form):
		return &UpdateError{Refuted: true, What: "what is served contradicts itself", Err: err}
	}
	return &UpdateError{What: "what is served cannot be read", Err: err}
}
