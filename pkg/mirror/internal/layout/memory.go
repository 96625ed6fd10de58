package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// maxRemembered bounds what a [Memory] holds, in bytes, and maxRememberedFile one file of it:
	// manifests, configs, signatures and checksums. perFile is what the memory of one takes beside its bytes.
	maxRemembered     = 32 << 20
	maxRememberedFile = 256 << 10
	perFile           = 512
	// settled is how old a change must be before what was read since is remembered. Two
	// changes within one tick of a file system's clock look alike: 2 s at most, of FAT.
	settled = 2 * time.Second
)

// Memory keeps small files that were read and had the hash that they must have. What it hands out
// is right whatever has become of a file; it is forgotten once the file is looked at and is
// another one, or has changed. The zero value holds nothing, and is safe for use by many goroutines.
type Memory struct {
	mu    sync.Mutex
	files map[string]remembered // by name
	size  int64
}

type remembered struct {
	body []byte
	sum  string // sha256 in hex
	info fs.FileInfo
}

func (r remembered) size() int64 { return int64(len(r.body)) + perFile }

// Remember reads a mirror through a memory, if it is a directory on a system that tells when a
// file was changed in a way that no program can set; else it is read as it is.
func Remember(fsys fs.FS, m *Memory) fs.FS {
	if dir, ok := fsys.(NonBlocking); ok {
		return remembering{dir, m}
	}
	return fsys
}

type remembering struct {
	NonBlocking
	memory *Memory
}

// recall gives what is remembered of a file with that sha256 and size, else nil, and what
// the file is now: nil if it is none to remember.
func recall(fsys fs.FS, name, sum string, size int64) (body []byte, now fs.FileInfo) {
	r, ok := fsys.(remembering)
	if !ok || sum == "" || size > maxRememberedFile || !fs.ValidPath(name) {
		return nil, nil
	}
	// By its path, in one system call. It tells whether the file has changed and nothing else:
	// what it leads to is not read.
	info, err := os.Lstat(filepath.Join(r.Root.Name(), filepath.FromSlash(name)))
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	changed, ok := changeTime(info)
	if !ok {
		return nil, nil
	}
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	if known, there := r.memory.files[name]; there && known.sum == sum && same(known.info, info) {
		return known.body, info
	}
	if time.Since(changed) < settled {
		return nil, nil
	}
	return nil, info
}

// remember keeps what was read and is right. info is what the file was before.
func remember(fsys fs.FS, name, sum string, body []byte, info fs.FileInfo) {
	r, ok := fsys.(remembering)
	if !ok || info == nil {
		return
	}
	m := r.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string]remembered{}
	}
	m.forget(name)
	known := remembered{body, sum, info}
	for other := range m.files { // whichever comes
		if m.size+known.size() <= maxRemembered {
			break
		}
		m.forget(other)
	}
	m.files[name] = known
	m.size += known.size()
}

func (m *Memory) forget(name string) {
	if known, there := m.files[name]; there {
		m.size -= known.size()
		delete(m.files, name)
	}
}

// same says whether a file is the one that it was, unchanged.
func same(a, b fs.FileInfo) bool {
	changedA, _ := changeTime(a)
	changedB, _ := changeTime(b)
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && changedA.Equal(changedB)
}
