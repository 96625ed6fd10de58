package files

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"time"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// BundleSuffix is what a kept bundle has behind the name of its file.
const BundleSuffix = release.BundleSuffix

// Target is a file of the release, and where it goes.
type Target struct {
	Path string // in the release, such as "bin/linux/amd64/kubectl"
	Name string // in the directory, slash-separated
	Mode fs.FileMode

	Origin       *fetch.Origin      // set to where the bytes came from, if not nil; what was there already leaves it
	QuarantineAs string             // where what could not be proved goes; empty keeps it as a part
	Sidecars     bool               // keep checksums, signature and certificate beside it too
	WaitIfBusy   bool               // wait for another process that fetches the same file
	Attempts     int                // see [fetch.SaveRequest]
	Reserve      *fetch.DiskReserve // shared by all targets of a run
	Progress     *fetch.Transfer    // nil counts nothing

	// Write is given everything that shall lie beside the file, each time, also
	// what lies there already, which may then stay as it is. Nil writes to the directory.
	Write func(name string, text []byte) error
}

// Download fetches a file and proves it, and only then gives it its name, and
// its bundle beside it. A file that is there already and is right is not
// fetched again. Whatever goes wrong is in the result; nothing then stands
// under the name that was not there before.
//
// The part of a file that could not be proved stays for the next run; that of
// one that was refuted is removed. Refuted content is fetched once more from
// zero if some of it was there before this run, or came in ranges, else never.
func (f *Verifier) Download(ctx context.Context, root *os.Root, t Target) report.Result {
	res, err := f.download(ctx, root, t)
	if err != nil {
		return f.notSaved(t, err)
	}
	return res
}

func (f *Verifier) download(ctx context.Context, root *os.Root, t Target) (report.Result, error) {
	if res, done, err := f.present(ctx, root, t); done || err != nil {
		return res, err
	}
	var b *sidecars
	for fresh := false; ; {
		req := fetch.SaveRequest{
			URL: f.Version.FileURL(t.Path), Root: root, Name: t.Name, Attempts: t.Attempts,
			Fresh: fresh, Reserve: t.Reserve, Progress: t.Progress,
		}
		var part *fetch.Part
		var err error
		par.Do(
			func() { part, err = f.session.Fetch.Save(ctx, req) },
			func() {
				if b == nil {
					b = f.readSidecars(ctx, t.Path)
				}
			},
		)
		if t.WaitIfBusy && errors.Is(err, fetch.ErrBusy) {
			if err := await(ctx); err != nil {
				return report.Result{}, err
			}
			if res, done, err := f.present(ctx, root, t); done || err != nil {
				return res, err
			}
			continue
		}
		if err != nil {
			return report.Result{}, err
		}
		if t.Origin != nil {
			*t.Origin = part.Origin
		}
		judged := f.judgeBytes(ctx, t.Path, fetch.Sums{SHA256: part.SHA256, SHA512: part.SHA512, Size: part.Size}, b)
		switch judged.Result.Verdict() {
		case report.Verified:
			return judged.Result, f.saveWithBundle(root, t, part, judged)
		case report.Refuted:
			if err := part.Discard(); err != nil {
				judged.Result.Notes = append(judged.Result.Notes, fmt.Sprintf("what was fetched could not be removed: %v", err))
			}
			if (part.Resumed > 0 || part.Joined) && !fresh && ctx.Err() == nil {
				fresh = true // what was on disk, or how it was joined, may be to blame
				continue
			}
			judged.Result.Notes = append(judged.Result.Notes, "nothing was saved")
		default:
			if t.QuarantineAs != "" && ctx.Err() == nil {
				if err := part.CommitAs(t.QuarantineAs, t.Mode); err != nil {
					return judged.Result, errors.Join(err, part.Close())
				}
				judged.Result.SeenAs = append(judged.Result.SeenAs, t.QuarantineAs)
				return judged.Result, nil
			}
			_ = part.Close()
			judged.Result.Notes = append(judged.Result.Notes, "nothing was saved; what was fetched is kept for the next run")
		}
		return judged.Result, nil
	}
}

// busyWait is how long a run waits before it looks again at what another one fetches.
const busyWait = 200 * time.Millisecond

// await waits until another process may be done with a file.
func await(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(busyWait):
		return nil
	}
}

// saveWithBundle writes the bundle and then gives the file its name.
func (f *Verifier) saveWithBundle(root *os.Root, t Target, part *fetch.Part, judged FileVerdict) error {
	if err := f.keepBundle(root, t, judged); err != nil {
		return errors.Join(err, part.Close())
	}
	if err := part.Commit(t.Mode); err != nil {
		return errors.Join(err, part.Close())
	}
	return nil
}

func (f *Verifier) keepBundle(root *os.Root, t Target, judged FileVerdict) error {
	write := t.Write
	if write == nil {
		write = func(name string, text []byte) error { return writeUnless(root, name, text) }
	}
	if t.Sidecars {
		for _, suffix := range slices.Sorted(maps.Keys(judged.Sidecars)) {
			if text := judged.Sidecars[suffix]; len(text) > 0 {
				if err := write(t.Name+suffix, text); err != nil {
					return err
				}
			}
		}
	}
	if len(judged.Bundle) == 0 {
		return nil
	}
	return write(t.Name+BundleSuffix, append(bytes.TrimSuffix(judged.Bundle, []byte("\n")), '\n'))
}

// writeUnless writes a small file unless it has this very content.
func writeUnless(root *os.Root, name string, text []byte) error {
	if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(text)) {
		if there, err := root.ReadFile(name); err == nil && bytes.Equal(there, text) {
			return nil
		}
	}
	return fetch.WriteFile(root, name, text, 0o644)
}

// present judges what stands under the name already. done says that it is
// right.
func (f *Verifier) present(ctx context.Context, root *os.Root, t Target) (res report.Result, done bool, err error) {
	info, err := root.Lstat(t.Name)
	if err != nil || !info.Mode().IsRegular() {
		return res, false, nil //nolint:nilerr // what is not a file there, saving says
	}
	sums, err := fetch.HashOwn(ctx, root, t.Name, t.Progress)
	if errors.Is(err, fetch.ErrNotAlone) {
		return res, false, nil // others may change this one (rule 25): a file of our own takes its name
	}
	if t.WaitIfBusy && errors.Is(err, fetch.ErrNotRegular) {
		return res, false, nil // another run is giving it its name
	}
	if err != nil {
		return res, false, err
	}
	if f.Load(ctx); len(f.Find(ctx, sums)) == 0 {
		return res, false, nil // of another version, or damaged: it stays until the right one is proved
	}
	bundle := bundleBeside(root, t.Name)
	f.session.Entries.Add(sums.Digest(), bundle)
	judged := f.Judge(ctx, t.Path, sums)
	if judged.Result.Verdict() != report.Verified {
		return res, false, nil
	}
	judged.Result.Notes = append(judged.Result.Notes, "it was there already")
	// What lies beside it proves it, or is written anew.
	switch {
	case f.proves(bundle, sums):
		judged.Bundle = bundle
	case len(bundle) > 0 && len(judged.Bundle) == 0:
		judged.Result.Notes = append(judged.Result.Notes, "what lies beside it as "+path.Base(t.Name)+BundleSuffix+" does not prove it")
	}
	err = f.keepBundle(root, t, judged)
	fetch.Forget(root, t.Name)
	fetch.ClearNew(root, t.Name+BundleSuffix)
	if err == nil && info.Mode().Perm()&t.Mode != t.Mode {
		err = root.Chmod(t.Name, info.Mode().Perm()|t.Mode)
	}
	return judged.Result, true, err
}

// bundleBeside reads the bundle that was kept beside a file, if there is one.
func bundleBeside(root *os.Root, name string) []byte {
	text, err := fetch.ReadRegular(root, name+BundleSuffix, session.MaxBundle)
	if err != nil {
		return nil
	}
	return text
}

// proves says whether a bundle proves a file of these hashes, as any client
// would find that verifies it.
func (f *Verifier) proves(text []byte, sums fetch.Sums) bool {
	sum, err := hex.DecodeString(sums.SHA256)
	if err != nil {
		return false
	}
	proved := false
	err = session.Guard(func() {
		b, err := sigstore.ParseLogged(text, sum)
		proved = err == nil && b.Verify(f.session.Root, f.session.Policy.FileIdentity()) == nil
	})
	return err == nil && proved
}

// notSaved is the result of a file that could not be fetched or written.
func (f *Verifier) notSaved(t Target, err error) report.Result {
	res := f.result(t.Path)
	res.Checks = []report.Check{f.session.Failed(report.Digest, err)}
	res.Notes = []string{"nothing was saved under its name"}
	return res
}

// Skipped is the result of a file that a run did not come to.
func (f *Verifier) Skipped(path string) report.Result {
	res := f.result(path)
	res.Checks = []report.Check{f.session.Check(report.Digest, report.Unknown, report.Interrupted, "the run was interrupted before this was examined")}
	return res
}
