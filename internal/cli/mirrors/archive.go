package mirrors

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/archive"
)

// archiving is what an archive of a mirror was asked for.
type archiving struct {
	file string // to write; empty means none
	base string // what the other side has; empty means nothing
	size string // of each part, as it was written; empty means that there is one file

	part int64 // size in bytes, once it was read
}

// minPart is the smallest part that may be asked for: less is a mistake in the unit.
const minPart = 10_000

// split reads --split.
func (o *archiving) split() (err error) {
	switch {
	case o.size == "":
		return nil
	case o.file == "":
		return command.Usagef("--split is for an archive, and none is named; add --archive FILE")
	}
	if o.part, err = command.ParseSize(o.size); err != nil {
		return command.Usagef("--split: %w", err)
	}
	if o.part < minPart {
		return command.Usagef("--split %s: a part has at least %d bytes; write a size such as 4GB", o.size, minPart)
	}
	return nil
}

// ready opens what --archive and --base name, and looks at them before anything
// is fetched: what cannot be written or read in the end is said at once.
func (o archiving) ready(dir string) error {
	if o.file == "" {
		return nil
	}
	parent, err := fetch.OpenDir(filepath.Dir(o.file))
	if err != nil {
		return command.Usagef("--archive %s: %w; name a file in a directory that exists", o.file, command.PlainError(err))
	}
	defer parent.Close() //nolint:errcheck // only names lead through it
	name := filepath.Base(o.file)
	if info, err := parent.Stat(name); err == nil && !info.Mode().IsRegular() {
		return command.Usagef("--archive %s: a %s stands there; name a file", o.file, fetch.KindOf(info.Mode()))
	}
	if inside, err := filepath.Rel(absolute(dir), absolute(o.file)); err == nil && filepath.IsLocal(inside) {
		return command.Usagef("--archive %s lies inside the mirror %s; name a file outside of it", o.file, dir)
	}
	f, err := fetch.Create(parent, name, 0o644)
	if err != nil {
		return command.Usagef("--archive %s: %w; name a file that can be written", o.file, command.PlainError(err))
	}
	if err := f.Discard(); err != nil {
		return command.Usagef("--archive %s: %w; name a file that can be written", o.file, err)
	}
	base, err := o.opened()
	if err != nil {
		return err
	}
	return base.Close()
}

// opened opens what --base names; nil if it names nothing.
func (o archiving) opened() (*archive.Base, error) {
	if o.base == "" {
		return nil, nil
	}
	base, err := archive.OpenBase(o.base)
	if err != nil {
		return nil, command.Usagef("--base: %w", err)
	}
	return base, nil
}

// absolute is a path with its links resolved, as far as it is there.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// pack writes the mirror into one file, which gets its name once it is whole.
func pack(ctx context.Context, a *command.App, set *command.Settings, path string, o archiving) (err error) {
	dir, err := mirror.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // only read
	base, err := o.opened()
	if err != nil {
		return err
	}
	defer base.Close() //nolint:errcheck // only read
	tar, err := archive.New(dir, base)
	if err != nil {
		return err
	}
	parent, err := fetch.OpenDir(filepath.Dir(o.file))
	if err != nil {
		return command.Usagef("--archive %s: %w; name a file in a directory that exists", o.file, command.PlainError(err))
	}
	defer parent.Close() //nolint:errcheck // only names lead through it
	if err := fetch.CheckFree(parent, tar.Bytes); err != nil {
		return err
	}
	name := filepath.Base(o.file)
	watched := []command.WatchedFile{{Name: name, Transfer: new(fetch.Transfer)}}
	watched[0].Transfer.Begin(tar.Bytes)
	a.WatchFiles(ctx, set, command.Watched{What: "--archive", Files: watched}, func(began, ended func(int)) {
		began(0)
		err = o.write(ctx, a, tar, parent, watched[0].Transfer)
		ended(0)
	})
	if err != nil {
		return err
	}
	if tar.Left > 0 {
		a.SayLater(command.Count(tar.Left, "file") + " that " + o.base + " has are not in " + o.file + ": unpack it over that mirror")
	}
	return nil
}

// write writes the archive into the directory, as one file or in parts.
func (o archiving) write(ctx context.Context, a *command.App, tar *archive.Archive, parent *os.Root, t *fetch.Transfer) (err error) {
	name := filepath.Base(o.file)
	if o.part > 0 {
		if n, tooMany := tar.Parts(o.part); tooMany {
			return command.Usagef("--split %s: the archive has %s, which would be %d parts, and 256 are read; write a larger size", o.size, command.BytesText(tar.Bytes), n)
		}
		n, err := tar.WriteParts(ctx, parent, name, o.part, t)
		if err == nil {
			a.SayLater(o.file + " is in " + command.Count(n, "part") + ", which stay together: name the first, " + o.file + ".001, or join them: cat " + o.file + ".* > " + o.file)
		}
		return err
	}
	f, err := fetch.Create(parent, name, 0o644)
	if err != nil {
		return command.Usagef("--archive %s: %w; name a file that can be written", o.file, command.PlainError(err))
	}
	defer func() { err = errors.Join(err, f.Discard()) }()
	if err := tar.WriteTo(ctx, f, t); err != nil {
		return err
	}
	return f.Commit()
}
