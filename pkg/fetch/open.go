package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Whatever a user names or a directory holds may be a pipe whose other end
// no process has opened, and opening one waits for it, past every time-out and signal
// (open(2), fifo(7)). Everything that is opened by a name that is not ours
// goes through one of the functions below, none of which waits.

const (
	// pipeGrace is how long the other end of a pipe may take to come: of
	// "<(command)" it is there before the pipe is named.
	pipeGrace = time.Second
	// pipeTurn is how often a reader of a pipe looks whether its run has ended.
	pipeTurn = 100 * time.Millisecond
	// pipeStall is how long a reader of what is written into a pipe may read nothing.
	pipeStall = 10 * time.Second
)

var (
	// ErrTooBig is wrapped where a file is over the limit of what is read.
	ErrTooBig = errors.New("too large")
	// ErrNotAlone is wrapped where a file may be another's to change: it
	// belongs to another user, or another name leads to it.
	ErrNotAlone = errors.New("others may change it")

	errNoWriter = errors.New("a pipe through which nothing came")
	errNoReader = errors.New("a pipe that no program reads from")
)

// OpenDir opens a directory. It refuses anything else at once, a pipe too.
func OpenDir(path string) (*os.Root, error) {
	if path == "" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	// The separator makes the system itself say that it is not a directory.
	return os.OpenRoot(path + string(os.PathSeparator))
}

// OpenRegular opens a regular file in a directory to be read. Links are not
// followed, and nothing waits; what is not a regular file is [ErrNotRegular].
func OpenRegular(root *os.Root, name string) (*os.File, error) {
	return openRegular(root, name, os.O_RDONLY)
}

// ReadRegular reads what [OpenRegular] opens, if it has at most limit bytes;
// else the error is [ErrTooBig].
func ReadRegular(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readCapped(f, limit)
}

// openRegular opens what is a regular file, by its own name alone.
func openRegular(root *os.Root, name string, flag int) (*os.File, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, notRegular(before.Mode())
	}
	// Should a pipe have come in between, this does not wait for its other end.
	f, err := root.OpenFile(name, flag|syscall.O_NONBLOCK|noFollow, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || !os.SameFile(before, info) {
		_ = f.Close()
		return nil, errReplaced
	}
	return f, nil
}

// errReplaced is met where another process gives a file its name meanwhile.
var errReplaced = fmt.Errorf("it was replaced while it was opened, %w", ErrNotRegular)

func sameFile(f *os.File, there fs.FileInfo) bool {
	mine, err := f.Stat()
	return err == nil && os.SameFile(mine, there)
}

// lockNamed locks a file that was opened by a private name, and says why it is not this run's: another has
// the lock, or had it and has given the file its own name by now, or has removed it.
func lockNamed(root *os.Root, name string, f *os.File) error {
	if err := lock(f); err != nil {
		return err
	}
	there, err := root.Lstat(name)
	if err == nil && !sameFile(f, there) {
		err = errReplaced
	}
	return err
}

// KindOf names what is not a regular file, such as "named pipe".
func KindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m.IsDir():
		return "directory"
	case m&fs.ModeDevice != 0:
		return "device"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "special file"
}

// OpenFile opens the regular file that a path leads to, over links too, to be
// read. Anything but a regular file is [ErrNotRegular].
func OpenFile(path string) (*os.File, error) {
	return openPath(path, os.O_RDONLY, fs.FileMode.IsRegular)
}

// ReadFile reads what [OpenFile] opens, if it has at most limit bytes; else the
// error is [ErrTooBig].
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readCapped(f, limit)
}

// OpenInput opens a file, over links too, or a pipe, such as a shell gives for
// "<(command)". Reading ends with the context; a pipe that no process writes to is
// an error after a second. Devices, sockets and directories are [ErrNotRegular].
func OpenInput(ctx context.Context, path string) (io.ReadCloser, error) {
	f, err := openPath(path, os.O_RDONLY, func(m fs.FileMode) bool { return m.IsRegular() || m&fs.ModeNamedPipe != 0 })
	if err != nil {
		return nil, err
	}
	return &input{File: f, ctx: ctx, since: time.Now()}, nil
}

// ReadInput reads what [OpenInput] opens, if it has at most limit bytes; else
// the error is [ErrTooBig].
func ReadInput(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := OpenInput(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readCapped(f, limit)
}

// openPath opens what a path leads to if it is what it may be, before and after.
func openPath(path string, flag int, may func(fs.FileMode) bool) (*os.File, error) {
	// Looked at first: opening alone does something to some devices.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !may(info.Mode()) {
		return nil, notRegular(info.Mode())
	}
	f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil && !may(info.Mode()) {
		err = notRegular(info.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func notRegular(m fs.FileMode) error {
	return fmt.Errorf("a %s stands there, %w", KindOf(m), ErrNotRegular)
}

// readCapped reads all of f, and takes the room for a file at once.
func readCapped(f io.Reader, limit int64) ([]byte, error) {
	tooBig := fmt.Errorf("%w: more than %d bytes", ErrTooBig, limit)
	var size int64
	if s, ok := f.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := s.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	if size > limit {
		return nil, tooBig
	}
	body := make([]byte, 0, max(size+1, 512))
	for int64(len(body)) <= limit {
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
		n, err := f.Read(body[len(body):min(int64(cap(body)), limit+1)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, tooBig
}

// input is a file or a pipe that is read until its run ends.
type input struct {
	*os.File
	ctx   context.Context //nolint:containedctx // of this one input: ends its reading
	since time.Time
	began bool
}

func (in *input) Read(p []byte) (int, error) {
	for {
		if in.ctx.Err() != nil {
			return 0, context.Cause(in.ctx)
		}
		_ = in.SetReadDeadline(time.Now().Add(pipeTurn)) // only a pipe takes one
		n, err := in.File.Read(p)
		switch {
		case n > 0:
			in.began = true
			return n, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case errors.Is(err, syscall.EAGAIN): // a system whose pipes take no deadline
		case errors.Is(err, io.EOF) && !in.began && in.isPipe():
			if time.Since(in.since) > pipeGrace {
				return 0, errNoWriter
			}
		default:
			return n, err
		}
		if err := sleep(in.ctx, pipeTurn/4); err != nil {
			return 0, err
		}
	}
}

func (in *input) isPipe() bool {
	info, err := in.Stat()
	return err == nil && info.Mode()&fs.ModeNamedPipe != 0
}

// OpenOutput opens what stands there and is neither a file nor a directory to
// be written to: a pipe, such as a shell gives for ">(command)", or a device,
// such as /dev/null. A pipe that no process opens or reads is an error, after one
// second and ten.
func OpenOutput(path string) (io.WriteCloser, error) {
	may := func(m fs.FileMode) bool { return !m.IsRegular() && !m.IsDir() }
	for begun := time.Now(); ; {
		f, err := openPath(path, os.O_WRONLY, may)
		switch {
		case err == nil:
			return &outlet{f, pipeStall}, nil
		case !errors.Is(err, syscall.ENXIO): // what opening a pipe gives that no process reads
			return nil, err
		case time.Since(begun) > pipeGrace:
			return nil, errNoReader
		}
		time.Sleep(pipeTurn / 4)
	}
}

// outlet gives up where nothing is taken for a while.
type outlet struct {
	*os.File
	stall time.Duration
}

func (o *outlet) Write(p []byte) (n int, err error) {
	const piece = 64 << 10 // what a pipe holds
	for n < len(p) {
		_ = o.SetWriteDeadline(time.Now().Add(o.stall)) // only a pipe takes one
		m, err := o.File.Write(p[n:min(len(p), n+piece)])
		if n += m; err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EAGAIN) {
				err = errNoReader
			}
			return n, err
		}
	}
	return n, nil
}
