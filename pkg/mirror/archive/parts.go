package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// WriteParts writes the archive into files NAME.001, NAME.002 and so on in dir, each but
// the last of size bytes, and says how many: concatenated they are what
// [Archive.WriteTo] writes. They get their names once all are written, the first one last, so
// that what was begun is not taken for an archive; what an earlier run left of more parts is
// removed before. More than 256 parts are an error.
func (a *Archive) WriteParts(ctx context.Context, dir *os.Root, name string, size int64, t *fetch.Transfer) (n int, err error) {
	w := &partWriter{dir: dir, name: name, size: size}
	defer func() {
		for _, f := range w.made {
			err = errors.Join(err, f.Discard())
		}
	}()
	if err := a.WriteTo(ctx, w, t); err != nil {
		return 0, err
	}
	for i := 1; i <= layout.MaxParts; i++ {
		if i > 1 && i <= len(w.made) {
			continue // it is replaced
		}
		if err := dir.Remove(name + layout.PartSuffix(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	for i := len(w.made) - 1; i >= 0; i-- {
		if err := w.made[i].Commit(); err != nil {
			return 0, err
		}
	}
	return len(w.made), nil
}

// partWriter begins another file whenever one is full.
type partWriter struct {
	dir  *os.Root
	name string
	size int64
	left int64 // bytes that the last file may still take
	made []*fetch.NewFile
}

func (w *partWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if w.left == 0 {
			if len(w.made) == layout.MaxParts {
				return n, fmt.Errorf("more than %d parts of %d bytes: %w", layout.MaxParts, w.size, layout.ErrTooLarge)
			}
			f, err := fetch.Create(w.dir, w.name+layout.PartSuffix(len(w.made)+1), 0o644)
			if err != nil {
				return n, err
			}
			w.made, w.left = append(w.made, f), w.size
		}
		m, err := w.made[len(w.made)-1].Write(b[:min(int64(len(b)), w.left)])
		n, b, w.left = n+m, b[m:], w.left-int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Parts is how many parts of that size the archive has, and whether they are too many.
func (a *Archive) Parts(size int64) (n int64, tooMany bool) {
	n = (a.Bytes + size - 1) / size
	return n, n > layout.MaxParts
}
