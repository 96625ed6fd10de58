package trust

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

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
	// Kept is [Updated.Keep] of the last update; nil if there was none.
	Kept []byte
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
// otherwise nobody can tell, as where it was not reachable or is out of date.
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

// kept is the form of [Updated.Keep].
type kept struct {
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
// This is the only thing in kverify that compares with the local clock what
// somebody signed: metadata of the repository is valid for days. Its errors
// are [*FileError] for Kept and [*UpdateError].
func Update(ctx context.Context, r UpdateRequest) (*Updated, error) {
	state, err := readKept(r.Kept)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "kverify-tuf-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	files := map[string]*[]byte{"timestamp": &state.Timestamp, "snapshot": &state.Snapshot, "targets": &state.Targets}
	for name, text := range files {
		if *text == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(work, name+".json"), *text, 0o600); err != nil {
			return nil, err
		}
	}
	if r.TUFRoot == nil {
		r.TUFRoot = tufRoot
	}
	c, err := config.New(Repository, r.TUFRoot)
	if err != nil {
		return nil, err
	}
	c.Fetcher, c.LocalMetadataDir, c.LocalTargetsDir = &tufFetcher{ctx, r.Client, state.Roots}, work, work
	c.TargetsMaxLength = maxFile
	up, err := updater.New(c)
	if err != nil {
		return nil, &FileError{Path: "root.json", What: "TUF root", Err: err}
	}
	out := new(Updated)
	if out.Text, err = target(up); err != nil {
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
	for name, text := range files {
		if *text, err = os.ReadFile(filepath.Join(work, name+".json")); err != nil {
			return nil, err
		}
	}
	if out.Keep, err = json.Marshal(state); err != nil {
		return nil, err
	}
	set := up.GetTrustedMetadataSet()
	out.RootVersion, out.TimestampVersion, out.Until = set.Root.Signed.Version, set.Timestamp.Signed.Version, set.Timestamp.Signed.Expires
	out.TargetsVersion = set.Targets[metadata.TARGETS].Signed.Version
	return out, nil
}

func target(up *updater.Updater) ([]byte, error) {
	if err := up.Refresh(); err != nil {
		return nil, err
	}
	info, err := up.GetTargetInfo(rootTarget)
	if err != nil {
		return nil, err
	}
	_, text, err := up.DownloadTarget(info, "", "")
	return text, err
}

func readKept(text []byte) (*kept, error) {
	k := &kept{SchemaVersion: 1, Repository: Repository}
	if text != nil {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		err := dec.Decode(k)
		if err == nil && (k.SchemaVersion != 1 || k.Repository != Repository) {
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
		return &UpdateError{What: "the newest trusted root could not be had", Err: err}
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

// tufFetcher asks the repository through the run's own transport. Roots that an
// earlier update has seen are not asked for again, so that nobody can hide them.
type tufFetcher struct {
	ctx    context.Context
	client *fetch.Client
	roots  map[string][]byte
}

var rootName = lazily(`^([1-9][0-9]*)\.root\.json$`)

// DownloadFile has the form that go-tuf asks for; it ignores the time-out, which the context has.
func (f *tufFetcher) DownloadFile(url string, limit int64, _ time.Duration) ([]byte, error) {
	root := rootName().FindStringSubmatch(path.Base(url))
	if len(root) == 2 && f.roots[root[1]] != nil {
		return f.roots[root[1]], nil
	}
	resp, err := f.client.Get(f.ctx, url, limit)
	switch {
	case root != nil && fetch.Is(err, fetch.NotFound):
		// The one answer that go-tuf acts upon: there is no newer root.
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: url}
	case err != nil:
		return nil, err
	case root != nil:
		f.roots[root[1]] = resp.Body
	}
	return resp.Body, nil
}
