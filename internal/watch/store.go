package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kverify/kverify/pkg/fetch"
)

// stateFile is the one file of a store.
const stateFile = "state.json"

// Store keeps the state in a directory, which it has for itself. A nil Store keeps nothing.
type Store struct {
	dir  string
	root *os.Root
	lock *os.File
	kept *state
}

// StateError says that a state cannot be used. Nothing was verified, and no verdict follows.
type StateError struct {
	Dir string
	Err error
	do  string
}

func (e *StateError) Error() string {
	return fmt.Sprintf("the state in %s: %v; %s", e.Dir, e.Err, e.do)
}

// Unwrap gives the cause.
func (e *StateError) Unwrap() error { return e.Err }

// OpenStore opens a directory, makes it if it is not there, locks it until the store is
// closed, and reads its state. The error is a [*StateError].
func OpenStore(dir string) (*Store, error) {
	fail := func(err error) (*Store, error) {
		return nil, &StateError{dir, fetch.WithoutPath(err), "name a directory that can be written to, for this watch alone"}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	root, err := fetch.OpenDir(dir)
	if err != nil {
		return fail(err)
	}
	s := &Store{dir: dir, root: root}
	if s.lock, err = root.Open("."); err == nil {
		err = fetch.Lock(s.lock)
	}
	if err != nil {
		s.Close()
		if errors.Is(err, fetch.ErrBusy) {
			return nil, &StateError{dir, errors.New("another kverify watch has it"), "end that one, or name another directory"}
		}
		return fail(err)
	}
	fetch.ClearNew(root, stateFile)
	if s.kept, err = s.load(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close gives the directory free.
func (s *Store) Close() {
	if s == nil {
		return
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
	_ = s.root.Close()
}

// load reads the state; a new one if there is none yet.
func (s *Store) load() (*state, error) {
	text, err := fetch.ReadRegular(s.root, stateFile, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return newState(), nil
	}
	var st *state
	if err == nil {
		st, err = parseState(text)
	}
	if err != nil {
		return nil, &StateError{s.dir, fmt.Errorf("%s: %w", stateFile, fetch.WithoutPath(err)),
			"restore it, or remove the file: what was seen, and what was not delivered, is then forgotten"}
	}
	return st, nil
}

// save replaces the state at once or not at all.
func (s *Store) save(st *state) error {
	if s == nil {
		return nil
	}
	text, err := json.Marshal(st)
	if err == nil && len(text) > maxState {
		err = fmt.Errorf("it has %d bytes, and %d are read", len(text), maxState)
	}
	if err == nil {
		err = affordable(text)
	}
	if err == nil {
		err = fetch.WriteFile(s.root, stateFile, append(text, '\n'), 0o600)
	}
	if err != nil {
		return &StateError{s.dir, fetch.WithoutPath(err), "it was not saved: what is found now would be told once more after a restart; check the directory"}
	}
	return nil
}

// keeps says what becomes of what is left at the end.
func (s *Store) keeps() string {
	if s == nil {
		return "they are lost, since no --state was given"
	}
	return "they are kept in the state for the next run"
}
