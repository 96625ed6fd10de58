package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
)

// checkArchive says before anything is fetched what is wrong with --archive and
// --base.
func (o *order) checkArchive() error {
	if o.archive == "" {
		return nil
	}
	parent, err := fetch.OpenDir(filepath.Dir(o.archive))
	if err != nil {
		return usagef("--archive %s: %w; name a file in a directory that exists", o.archive, plainError(err))
	}
	_ = parent.Close()
	if info, err := os.Stat(o.archive); err == nil && !info.Mode().IsRegular() {
		return usagef("--archive %s: a %s stands there; name a file", o.archive, fetch.KindOf(info.Mode()))
	}
	if o.base == "" {
		return nil
	}
	base, err := mirror.OpenBase(o.base)
	if err != nil {
		return usagef("--base: %w", err)
	}
	return base.Close()
}

// archive writes the mirror into one file, which gets its name once it is whole.
func (a *app) archive(ctx context.Context, set *settings, o *order) (err error) {
	dir, err := mirror.Open(o.dir)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // only read
	var base *mirror.Base
	if o.base != "" {
		if base, err = mirror.OpenBase(o.base); err != nil {
			return usagef("--base: %w", err)
		}
		defer base.Close() //nolint:errcheck // only read
	}
	tar, err := mirror.NewArchive(dir, base)
	if err != nil {
		return err
	}
	parent, err := fetch.OpenDir(filepath.Dir(o.archive))
	if err != nil {
		return usagef("--archive %s: %w; name a file in a directory that exists", o.archive, plainError(err))
	}
	defer parent.Close() //nolint:errcheck // only names lead through it
	if err := fetch.Room(parent, tar.Bytes); err != nil {
		return err
	}
	name := filepath.Base(o.archive)
	temp := "." + name + "." + rand.Text()[:8] + ".kverify-part"
	f, err := parent.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return usagef("--archive %s: %w; name a file that can be written", o.archive, plainError(err))
	}
	defer func() {
		if err != nil {
			_ = parent.Remove(temp)
		}
	}()
	watched := []watchedFile{{name: name, transfer: new(fetch.Transfer)}}
	watched[0].transfer.Begin(tar.Bytes)
	a.watchFiles(set, watched, func(began, ended func(int, string)) {
		began(0, "")
		err = tar.WriteTo(ctx, f, watched[0].transfer)
		ended(0, "written")
	})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := parent.Rename(temp, name); err != nil {
		return err
	}
	if tar.Left > 0 {
		a.sayLater(count(tar.Left, "file") + " that " + o.base + " has are not in " + o.archive + ": unpack it over that mirror")
	}
	return nil
}
