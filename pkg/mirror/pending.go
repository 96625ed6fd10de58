package mirror

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
	changeFile = ".lists.kverify-part"
	// maxChange leaves room for every document of a hundred releases.
	maxChange = 4 << 20
	// maxChanged caps the files of one change.
	maxChanged = 20_000
)

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
func readChange(fsys fs.FS) (*pendingDoc, error) {
	text, err := readIfThere(fsys, changeFile, maxChange)
	if text == nil || err != nil {
		return nil, err
	}
	doc, err := parseChange(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", changeFile, err)
	}
	return &doc, nil
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
