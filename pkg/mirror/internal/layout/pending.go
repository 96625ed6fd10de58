package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/fetch"
)

const (
	// changeFile is there while lists are exchanged, and says which: from the
	// moment that it has its name, the new ones count.
	ChangeFile = ".lists.kverify-part"
	// maxChange leaves room for every document of a hundred releases.
	MaxChange = 4 << 20
	// maxChanged caps the files of one change.
	MaxChanged = 20_000
)

// Change is the record of a change.
type Change struct {
	SchemaVersion int           `json:"schemaVersion"`
	Files         []ChangedFile `json:"files"`
}

// ChangedFile is a file of a change: under its private name, or under its own
// already.
type ChangedFile struct {
	Path   string `json:"path"`
	Remove bool   `json:"remove,omitempty"`
}

// StagedName is where the new content of a file waits for its name.
func StagedName(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + ".next.kverify-part"
}

// ParseChange reads the record of a change. It can name the lists of a mirror
// and what is below files/, and nothing else.
func ParseChange(text []byte) (Change, error) {
	var doc Change
	if err := NoDuplicateKeys(text); err != nil {
		return Change{}, err
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return Change{}, strictjson.Plain(err)
	}
	if doc.SchemaVersion != 1 {
		return Change{}, fmt.Errorf("schemaVersion is %d, and this kverify reads 1", doc.SchemaVersion)
	}
	if len(doc.Files) > MaxChanged {
		return Change{}, fmt.Errorf("%d files: %w of %d", len(doc.Files), ErrTooLarge, MaxChanged)
	}
	for _, f := range doc.Files {
		list := slices.Contains([]string{ManifestFile, SignatureFile, SumsFile, LayoutFile, IndexFile}, f.Path)
		if !fs.ValidPath(f.Path) || !list && !strings.HasPrefix(f.Path, "files/") || fetch.IsPart(path.Base(f.Path)) {
			return Change{}, fmt.Errorf("%.100q is neither a list nor a document of a mirror", f.Path)
		}
	}
	return doc, nil
}

// ReadChange reads the record of a change that was not completed; none is nil.
func ReadChange(fsys fs.FS) (*Change, error) {
	text, err := ReadIfThere(fsys, ChangeFile, MaxChange)
	if text == nil || err != nil {
		return nil, err
	}
	doc, err := ParseChange(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ChangeFile, err)
	}
	return &doc, nil
}

// Pending reads a mirror whose lists are being exchanged: what has not its name
// yet is read under the private one.
type Pending struct {
	fs.FS
	files map[string]ChangedFile
}

func Overlay(fsys fs.FS, doc *Change) Pending {
	p := Pending{FS: fsys, files: map[string]ChangedFile{}}
	for _, f := range doc.Files {
		p.files[f.Path] = f
	}
	return p
}

// pathNow is where a file is now.
func (p Pending) pathNow(op, name string) (string, error) {
	f, ok := p.files[name]
	if !ok {
		return name, nil
	}
	if f.Remove {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	if IsKind(p.FS, StagedName(name), fs.FileMode.IsRegular) {
		return StagedName(name), nil
	}
	return name, nil
}

// Open implements [fs.FS].
func (p Pending) Open(name string) (fs.File, error) {
	at, err := p.pathNow("open", name)
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
func (p Pending) Stat(name string) (fs.FileInfo, error) {
	at, err := p.pathNow("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(p.FS, at)
	if errors.Is(err, fs.ErrNotExist) && at != name {
		return fs.Stat(p.FS, name)
	}
	return info, err
}
