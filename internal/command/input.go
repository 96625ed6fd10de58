package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kverify/kverify/pkg/fetch"
)

// ReadFile reads a file, or what comes through a pipe, under a cap.
func ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	b, err := fetch.ReadInput(ctx, path, limit)
	if err == nil && len(b) == 0 {
		err = errors.New("it is empty")
	}
	return b, err
}

// PlainError takes off the operation and path, which the caller names better.
func PlainError(err error) error { return fetch.WithoutPath(err) }

// firstFile reads the first of several files that is there.
func firstFile(ctx context.Context, paths []string, limit int64) ([]byte, error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir(), errors.Is(err, syscall.ENOTDIR),
			err == nil && info.Size() == 0 && info.Mode()&fs.ModeNamedPipe == 0: // empty, or /dev/null
			continue
		case err != nil:
			return nil, PlainError(err)
		}
		text, err := ReadFile(ctx, path, limit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, PlainError(err))
		}
		return text, nil
	}
	return nil, fs.ErrNotExist
}

const (
	MaxKeyFile    = 64 << 10 // a key in PEM is under 2 KB
	MaxBundleFile = 32 << 20 // beyond what the verifier accepts, so that it says so itself
)

// IsLocal says whether WHAT is written as a path, so that it can be nothing else: it
// begins with "./", "../" or "/", or on Windows with their like or a volume, such as C:.
func IsLocal(what string) bool {
	return writtenAsPath(what, filepath.VolumeName(what), os.IsPathSeparator)
}

// writtenAsPath is IsLocal by the rules of a system, which names the volume of WHAT and
// says what separates.
func writtenAsPath(what, volume string, separates func(uint8) bool) bool {
	switch {
	case volume != "" || what == "." || what == "..":
		return true
	case what == "":
		return false
	}
	return separates(what[0]) || len(what) > 1 && what[0] == '.' && (what[1] == '.' || what[1] == '/' || separates(what[1]))
}

// LocalPath writes a path so that it can be nothing else.
func LocalPath(path string) string {
	if IsLocal(path) {
		return path
	}
	return "./" + path
}
