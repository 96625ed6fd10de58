package mirror

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/fetch"
)

const (
	// changeFile is there while lists are exchanged, and says which: from the
	// moment that it has its name, the new ones count.
	changeFile = ".lists.kverify-part"
	// maxChange leaves room for every document of a hundred releases.
	maxChange = 4 << 20
	// maxChanged caps the files of one change.
	maxChanged = 20_000
)

// change is what becomes at once of a mirror's lists and of what they list.
//
// Everything new is written under private names first. Then one rename counts:
// that of the record, which names all of it. What follows, giving each file its
// name, any later run can do in place of one that was killed, and whoever reads
// the mirror meanwhile reads the new files by the record ([pending]). So lists
// that were not written together are told from lists that somebody changed.
type change struct {
	root  *os.Root
	texts map[string][]byte // by path; nil removes
	order []string
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

// pendingDoc is the record of a change.
type pendingDoc struct {
	SchemaVersion int           `json:"schemaVersion"`
	Files         []pendingFile `json:"files"`
}

// pendingFile is a file of a change: under its private name, or under its own
// already.
type pendingFile struct {
	Path   string `json:"path"`
	Remove bool   `json:"remove,omitempty"`
}

// stagedName is where the new content of a file waits for its name.
func stagedName(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + ".next.kverify-part"
}

// carryOut makes the change. If it fails before all of it was written, nothing
// has changed; after that the next run completes it.
func (c *change) carryOut() error {
	doc := pendingDoc{SchemaVersion: 1}
	for _, name := range c.order {
		text := c.texts[name]
		if c.same(name, text) {
			continue
		}
		doc.Files = append(doc.Files, pendingFile{Path: name, Remove: text == nil})
	}
	if len(doc.Files) == 0 {
		return nil
	}
	if err := c.prepare(doc); err != nil {
		_ = c.root.Remove(changeFile)
		for _, f := range doc.Files {
			_ = c.root.Remove(stagedName(f.Path))
		}
		return err
	}
	if err := doc.complete(c.root); err != nil {
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
func (c *change) prepare(doc pendingDoc) error {
	dirs := map[string]bool{}
	for _, f := range doc.Files {
		if f.Remove {
			continue
		}
		dir := path.Dir(f.Path)
		if err := c.root.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("%s: %w", dir, bare(err))
		}
		if err := c.stage(stagedName(f.Path), c.texts[f.Path]); err != nil {
			return fmt.Errorf("%s: %w; nothing was changed", f.Path, bare(err))
		}
		for ; !dirs[dir]; dir = path.Dir(dir) { // and those above it, which may be new
			dirs[dir] = true
		}
	}
	for _, dir := range sortedKeys(dirs) {
		if err := fetch.SyncDir(c.root, dir); err != nil {
			return fmt.Errorf("%s: %w; nothing was changed", dir, bare(err))
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if len(doc.Files) > maxChanged || len(text) > maxChange {
		return fmt.Errorf("%d lists and documents would change at once: %w of %d", len(doc.Files), errTooLarge, maxChanged)
	}
	f, err := fetch.Create(c.root, changeFile, 0o644)
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
			return fmt.Errorf("%s is in the way, a %s that cannot be removed (%w): remove it, and run this again", name, kindName(info.Mode()), bare(err))
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
func (doc pendingDoc) complete(root *os.Root) error {
	dirs := map[string]bool{}
	for _, f := range doc.Files {
		dirs[path.Dir(f.Path)] = true
		var err error
		if f.Remove {
			err = root.Remove(f.Path)
		} else {
			err = root.Rename(stagedName(f.Path), f.Path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was done already
			return fmt.Errorf("%s: %w", f.Path, bare(err))
		}
	}
	for _, dir := range sortedKeys(dirs) {
		if err := fetch.SyncDir(root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", dir, bare(err))
		}
	}
	if err := root.Remove(changeFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", changeFile, bare(err))
	}
	if err := fetch.SyncDir(root, "."); err != nil {
		return fmt.Errorf("the directory: %w", bare(err))
	}
	return nil
}

// parseChange reads the record of a change. It can name the lists of a mirror
// and what is below files/, and nothing else.
func parseChange(text []byte) (pendingDoc, error) {
	var doc pendingDoc
	if err := noDuplicateKeys(text); err != nil {
		return pendingDoc{}, err
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return pendingDoc{}, strictjson.Plain(err)
	}
	if doc.SchemaVersion != 1 {
		return pendingDoc{}, fmt.Errorf("schemaVersion is %d, and this kverify reads 1", doc.SchemaVersion)
	}
	if len(doc.Files) > maxChanged {
		return pendingDoc{}, fmt.Errorf("%d files: %w of %d", len(doc.Files), errTooLarge, maxChanged)
	}
	for _, f := range doc.Files {
		list := slices.Contains([]string{manifestFile, signatureFile, sumsFile, layoutFile, indexFile}, f.Path)
		if !fs.ValidPath(f.Path) || !list && !strings.HasPrefix(f.Path, "files/") || fetch.IsPart(path.Base(f.Path)) {
			return pendingDoc{}, fmt.Errorf("%.100q is no list and no document of a mirror", f.Path)
		}
	}
	return doc, nil
}

// readChange reads the record of a change that was not completed; none is nil.
func (d *Dir) readChange() (*pendingDoc, error) {
	text, err := d.readIf(changeFile, maxChange)
	if text == nil || err != nil {
		return nil, err
	}
	doc, err := parseChange(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", changeFile, err)
	}
	return &doc, nil
}

// mend completes the change that a run was killed in. The lists must be locked.
func (m *Maker) mend() error {
	doc, err := (&Dir{path: m.Dir, fsys: m.root.FS()}).readChange()
	if err != nil {
		return fmt.Errorf("the mirror %s has a change that was not completed, and cannot be read: %w; remove that file, and make the mirror anew if it does not verify then", m.Dir, err)
	}
	if doc == nil {
		return nil
	}
	if err := doc.complete(m.root); err != nil {
		return fmt.Errorf("the mirror %s has a change that was not completed: %w; run it again", m.Dir, err)
	}
	return nil
}

// pending reads a mirror whose lists are being exchanged: what has not its name
// yet is read under the private one.
type pending struct {
	fs.FS
	files map[string]pendingFile
}

func newPending(fsys fs.FS, doc *pendingDoc) pending {
	p := pending{FS: fsys, files: map[string]pendingFile{}}
	for _, f := range doc.Files {
		p.files[f.Path] = f
	}
	return p
}

// place is where a file is now.
func (p pending) place(op, name string) (string, error) {
	f, ok := p.files[name]
	if !ok {
		return name, nil
	}
	if f.Remove {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	if isKind(p.FS, stagedName(name), fs.FileMode.IsRegular) {
		return stagedName(name), nil
	}
	return name, nil
}

// Open implements [fs.FS].
func (p pending) Open(name string) (fs.File, error) {
	at, err := p.place("open", name)
	if err != nil {
		return nil, err
	}
	f, err := p.FS.Open(at)
	if errors.Is(err, fs.ErrNotExist) && at != name { // it has got its name meanwhile
		return p.FS.Open(name)
	}
	return f, err
}

// Stat implements [fs.StatFS].
func (p pending) Stat(name string) (fs.FileInfo, error) {
	at, err := p.place("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(p.FS, at)
	if errors.Is(err, fs.ErrNotExist) && at != name {
		return fs.Stat(p.FS, name)
	}
	return info, err
}
