package create

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// change is what becomes at once of a mirror's lists and of what they list.
//
// Everything new is written under private names first. Then one rename counts:
// that of the record, which names all of it. What follows, giving each file its
// name, any later run can do in place of one that was killed, and a reader
// of the mirror meanwhile finds the new files by the record ([pending]). So lists
// that were not written together are told from lists that were changed by hand.
type change struct {
	root  *os.Root
	texts map[string][]byte // by path; nil removes
	order []string
	wrote bool // something was not as it shall be
}

// put gives a file a content, unless it has that already.
func (c *change) put(name string, text []byte) {
	if text == nil {
		text = []byte{}
	}
	c.set(name, text)
}

// remove takes a file away.
func (c *change) remove(name string) { c.set(name, nil) }

func (c *change) set(name string, text []byte) {
	if c.texts == nil {
		c.texts = map[string][]byte{}
	}
	if _, again := c.texts[name]; !again {
		c.order = append(c.order, name)
	}
	c.texts[name] = text
}

// carryOut makes the change. If it fails before all of it was written, nothing
// has changed; after that the next run completes it.
func (c *change) carryOut() error {
	doc := layout.Change{SchemaVersion: 1}
	for _, name := range c.order {
		text := c.texts[name]
		if c.same(name, text) {
			continue
		}
		doc.Files = append(doc.Files, layout.ChangedFile{Path: name, Remove: text == nil})
	}
	if c.wrote = len(doc.Files) > 0; !c.wrote {
		return nil
	}
	if err := c.prepare(doc); err != nil {
		_ = c.root.Remove(layout.ChangeFile)
		for _, f := range doc.Files {
			_ = c.root.Remove(layout.StagedName(f.Path))
		}
		return err
	}
	if err := complete(c.root, doc); err != nil {
		return fmt.Errorf("the mirror's lists were written, and not all have their names yet: %w; run it again, that completes them", err)
	}
	return nil
}

// same says whether a file is as it shall be.
func (c *change) same(name string, text []byte) bool {
	info, err := c.root.Lstat(name)
	if text == nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(text)) {
		return false
	}
	there, err := c.root.ReadFile(name)
	return err == nil && bytes.Equal(there, text)
}

// prepare writes everything that is new, and the record last.
func (c *change) prepare(doc layout.Change) error {
	dirs := map[string]bool{}
	for _, f := range doc.Files {
		if f.Remove {
			continue
		}
		dir := path.Dir(f.Path)
		if err := c.root.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("%s: %w", dir, layout.WithoutPath(err))
		}
		if err := c.stage(layout.StagedName(f.Path), c.texts[f.Path]); err != nil {
			return fmt.Errorf("%s: %w; nothing was changed", f.Path, layout.WithoutPath(err))
		}
		for ; !dirs[dir]; dir = path.Dir(dir) { // and those above it, which may be new
			dirs[dir] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := fetch.SyncDir(c.root, dir); err != nil {
			return fmt.Errorf("%s: %w; nothing was changed", dir, layout.WithoutPath(err))
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if len(doc.Files) > layout.MaxChanged || len(text) > layout.MaxChange {
		return fmt.Errorf("%d lists and documents would change at once: %w of %d", len(doc.Files), layout.ErrTooLarge, layout.MaxChanged)
	}
	f, err := fetch.Create(c.root, layout.ChangeFile, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Discard())
	}
	return f.Commit()
}

// stage writes a file under its private name, all of it on disk.
func (c *change) stage(name string, text []byte) error {
	if err := c.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		if info, statErr := c.root.Lstat(name); statErr == nil {
			return fmt.Errorf("%s is in the way, a %s that cannot be removed (%w): remove it, and run this again", name, kindName(info.Mode()), layout.WithoutPath(err))
		}
		return err
	}
	f, err := c.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// kindName names what stands under a private name.
func kindName(m fs.FileMode) string {
	if m.IsRegular() {
		return "file"
	}
	return fetch.KindOf(m)
}

// complete gives every file of a change its name, and ends it. It may be done
// any number of times.
func complete(root *os.Root, doc layout.Change) error {
	dirs := map[string]bool{}
	for _, f := range doc.Files {
		dirs[path.Dir(f.Path)] = true
		var err error
		if f.Remove {
			err = root.Remove(f.Path)
		} else {
			err = root.Rename(layout.StagedName(f.Path), f.Path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was done already
			return fmt.Errorf("%s: %w", f.Path, layout.WithoutPath(err))
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := fetch.SyncDir(root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", dir, layout.WithoutPath(err))
		}
	}
	if err := root.Remove(layout.ChangeFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", layout.ChangeFile, layout.WithoutPath(err))
	}
	if err := fetch.SyncDir(root, "."); err != nil {
		return fmt.Errorf("the directory: %w", layout.WithoutPath(err))
	}
	return nil
}

// completeChange completes the change that a run was killed in. The lists must be locked.
func (m *Maker) completeChange() error {
	doc, err := layout.ReadChange(m.root.FS())
	if err != nil {
		return fmt.Errorf("the mirror %s has a change that was not completed, and cannot be read: %w; remove that file, and make the mirror anew if it does not verify then", m.Dir, err)
	}
	if doc == nil {
		return nil
	}
	if err := complete(m.root, *doc); err != nil {
		return fmt.Errorf("the mirror %s has a change that was not completed: %w; run it again", m.Dir, err)
	}
	return nil
}
