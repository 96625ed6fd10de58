package mirror

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// parts is an archive that was cut into files FILE.001, FILE.002 and so on, each but the
// last of the same size, so that "cat FILE.*" gives the archive. Which files belong
// together only their names and sizes say: every byte is compared with what the lists in
// the archive say, as that of a whole one is.
type parts struct {
	files []*os.File
	each  int64 // bytes of every part but the last
	size  int64 // bytes of all
}

var partName = lazyregexp.New(`^\.[0-9]{3}$`)

// isFirstPart says whether a path is that of the first part of an archive.
func isFirstPart(path string) bool { return strings.HasSuffix(path, layout.PartSuffix(1)) }

// openParts opens the archive of which first is the first part. A part that is missing
// between two others, or of another size, is an error, and so are too many.
func openParts(first string) (*parts, error) {
	whole := strings.TrimSuffix(first, layout.PartSuffix(1))
	entries, err := os.ReadDir(filepath.Dir(first))
	if err != nil {
		return nil, layout.WithoutPath(err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		if suffix, ok := strings.CutPrefix(e.Name(), filepath.Base(whole)); ok && partName().MatchString(suffix) {
			there[suffix] = true
		}
	}
	delete(there, ".000") // no archive has it
	if len(there) > layout.MaxParts {
		return nil, fmt.Errorf("it has %d parts: %w of %d", len(there), layout.ErrTooLarge, layout.MaxParts)
	}
	p := &parts{}
	for n := 1; n <= len(there); n++ {
		if err := p.add(whole+layout.PartSuffix(n), n, len(there)); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

func (p *parts) add(path string, n, of int) error {
	f, err := fetch.OpenFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("part %d of it is missing, and later ones are there", n)
	}
	if err != nil {
		return fmt.Errorf("part %d: %w", n, layout.WithoutPath(err))
	}
	p.files = append(p.files, f)
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("part %d: %w", n, layout.WithoutPath(err))
	case n == 1:
		p.each = info.Size()
	case info.Size() > p.each || n < of && info.Size() < p.each:
		return fmt.Errorf("part %d has %d bytes, where part 1 has %d: it is cut short, or of another archive", n, info.Size(), p.each)
	}
	if info.Size() == 0 {
		return fmt.Errorf("part %d is empty", n)
	}
	p.size += info.Size()
	return nil
}

// ReadAt implements [io.ReaderAt] over all parts.
func (p *parts) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		if at >= p.size {
			return n, io.EOF
		}
		i := at / p.each
		end := min((i+1)*p.each, p.size)
		want := b[n:min(int64(len(b)), int64(n)+end-at)]
		got, err := p.files[i].ReadAt(want, at-i*p.each)
		n, at = n+got, at+int64(got)
		if got < len(want) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // it was longer when it was opened
			}
			return n, err
		}
	}
	return n, nil
}

// Close closes every part.
func (p *parts) Close() error {
	var errs []error
	for _, f := range p.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// ended says whether the last bytes are those with which an archive ends (POSIX.1-1988,
// "ustar"): two blocks of zeros. Without them a part may be missing behind the last.
func (p *parts) ended() error {
	const blocks = 1024
	end := make([]byte, min(blocks, p.size))
	if _, err := p.ReadAt(end, p.size-int64(len(end))); err != nil {
		return err
	}
	if len(end) < blocks || strings.Trim(string(end), "\x00") != "" {
		return fmt.Errorf("it does not end with part %d; the next part is missing", len(p.files))
	}
	return nil
}
