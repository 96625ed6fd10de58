package fetch

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// DiskReserve shares out the room on a disk among the files that are saved at once,
// so that none begins for which there will be none. The zero value is ready to
// use; so is nil, for one file alone.
type DiskReserve struct {
	mu     sync.Mutex
	active map[*Part]int64 // the size that each will have
}

// reserve refuses a file whose rest does not fit beside what the others still
// need. A file of unknown length is let pass.
func (s *DiskReserve) reserve(p *Part) (release func(), err error) {
	free, known := freeSpace(p.file)
	if s == nil {
		s = &DiskReserve{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	need := p.state.Length - p.Size
	if known && need > 0 {
		var others int64
		for q, size := range s.active {
			if info, err := q.file.Stat(); err == nil {
				others += max(0, size-info.Size())
			}
		}
		if need+others > free {
			return nil, &FileError{Name: p.name, Err: fmt.Errorf("it needs %s more, other files on the way %s, and %s are free", megabytes(need), megabytes(others), megabytes(free)),
				Hint: "free some space, or choose another directory"}
		}
	}
	if s.active == nil {
		s.active = map[*Part]int64{}
	}
	s.active[p] = p.state.Length
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.active, p)
	}, nil
}

// CheckFree refuses what does not fit beside a directory. Where the free space is
// not known everything does.
func CheckFree(root *os.Root, need int64) error {
	d, err := root.Open(".")
	if err != nil {
		return &FileError{Name: filepath.Clean(root.Name()), Err: bare(err), Hint: "choose another directory"}
	}
	defer d.Close()
	if free, known := freeSpace(d); known && need > free {
		return &FileError{Name: filepath.Clean(root.Name()), Err: fmt.Errorf("it needs %s more, and %s are free", megabytes(need), megabytes(free)),
			Hint: "free some space, or choose another directory"}
	}
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
