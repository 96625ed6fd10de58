//go:build unix

package fetch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// takes is a writer that takes so many bytes, and then has no room.
type takes struct{ room int }

func (w *takes) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	if w.room -= n; n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// TestOnlyWhatIsWrittenIsHashed holds that a part's size and hashes are those of what is on disk, also where
// the disk, or the source, fails.
func TestOnlyWhatIsWrittenIsHashed(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		room int
		src  error
		want string
		err  error
	}{
		"all of it": {9, nil, "body", nil}, "there is no room": {3, nil, "bod", syscall.ENOSPC}, "none at all": {0, nil, "", syscall.ENOSPC}, "the source fails": {9, broken, "body", broken}, "both fail": {3, broken, "bod", syscall.ENOSPC},
	} {
		p := &Part{part: "p"}
		p.resetHashes()
		progress := new(Transfer)
		n, err := p.pump(served{body: "body", err: tt.src}.response().Body, &takes{tt.room}, progress)
		p.sum()
		done, _ := progress.Counts()
		want := Sum([]byte(tt.want))
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || n != want.Size || p.Size != n || done != n || progress.Fetched() != n || p.SHA256 != want.SHA256 || p.SHA512 != want.SHA512 {
			t.Errorf("%s: %d bytes, %d in the part, %d counted, %v", name, n, p.Size, done, err)
		}
		if local := new(FileError); errors.As(err, &local) != errors.Is(tt.err, syscall.ENOSPC) {
			t.Errorf("%s: whose fault it is: %v", name, err)
		}
	}
}

// readOnly is a part of four bytes that cannot be written.
func readOnly(t *testing.T) *Part {
	t.Helper()
	root, dir := tempRoot(t)
	if err := os.WriteFile(filepath.Join(dir, "p"), []byte("abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "p"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	p := &Part{root: root, part: "p", file: f}
	p.resetHashes()
	p.Size, p.state = 4, state{URL: "u", ETag: `"a"`, Length: 8}
	return p
}

// TestAPartThatCannotBeChanged holds that where a part cannot be emptied, or written, that is this side's
// fault, of which no further attempt is made.
func TestAPartThatCannotBeChanged(t *testing.T) {
	for name, answer := range map[string]served{
		"of another place":    {status: 206, length: 4, header: "ETag: \"a\"\nContent-Range: bytes 3-7/8"},
		"of another file":     {status: 206, length: 4, header: "ETag: \"b\"\nContent-Range: bytes 4-7/8"},
		"beyond the end":      {status: 416},
		"the whole of it":     {status: 200, length: 8},
		"that no state takes": {status: 206, length: 4, header: "ETag: \"a\"\nContent-Range: bytes 4-7/8"},
	} {
		p := readOnly(t)
		err := p.checkAnswer(answer.response(), &Error{}, SaveRequest{URL: "u", Limit: 9})
		var local *FileError
		var again *brokenError
		if good := name == "that no state takes"; good != (err == nil) || !good && (!errors.As(err, &local) || errors.As(err, &again)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := readOnly(t)
	var local *FileError
	var again *brokenError
	if err := p.receive(t.Context(), strings.NewReader("efgh"), &Error{}, SaveRequest{Limit: 9}); !errors.As(err, &local) || errors.As(err, &again) || p.Size != 4 {
		t.Errorf("%d bytes, %v", p.Size, err)
	}
	if err := p.resume("u", nil); !errors.As(err, &local) {
		t.Errorf("gone on with: %v", err)
	}
}

// TestHowMuchComesUnannounced holds the cap of a file whose length the server does not say.
func TestHowMuchComesUnannounced(t *testing.T) {
	for name, tt := range map[string]struct {
		length, limit, before int64
		brings                int
		want                  bool
	}{
		"announced":                 {maxUnannounced + 9, MaxFile, maxUnannounced, 9, true},
		"not announced":             {-1, MaxFile, maxUnannounced - 4, 4, true},
		"not announced, and a byte": {-1, MaxFile, maxUnannounced - 4, 5, false},
		"up to a lower limit":       {-1, 100, 96, 4, true},
		"over a lower limit":        {-1, 100, 96, 5, false},
	} {
		root, _ := tempRoot(t)
		p, err := openPart(root, "f")
		if err != nil {
			t.Fatal(err)
		}
		p.Size, p.state.Length = tt.before, tt.length
		err = p.receive(t.Context(), io.LimitReader(strings.NewReader(strings.Repeat("x", 100)), int64(tt.brings)), &Error{}, SaveRequest{Limit: tt.limit})
		if (err == nil) != tt.want || err != nil && (!Is(err, TooLarge) || p.Size != 0) {
			t.Errorf("%s: %d bytes, %v", name, p.Size, err)
		}
		_ = p.Discard()
	}
}

// TestProgressOfADownload holds what is counted: what is there and hashed, what there will be, and what came.
func TestProgressOfADownload(t *testing.T) {
	rest := served{status: 206, length: 4, header: headerA + "\nContent-Range: bytes 4-7/8", body: "efgh"}
	whole := served{status: 200, length: 8, header: headerA, body: "abcdefgh"}
	for name, tt := range map[string]struct {
		kept   string
		first  served
		counts string
	}{
		"nothing was there": {"", whole, "8 8 8"}, "half was": {"abcd", rest, "8 8 4"}, "half was, and of another": {"abcd", whole, "8 8 8"}, "it was cut": {"", served{status: 200, length: 8, header: headerA, body: "ab", err: io.ErrUnexpectedEOF}, "8 8 10"},
		"no length": {"", served{status: 200, length: -1, body: "abcdefgh"}, "8 0 8"},
	} {
		if s := saved(t, tt.kept, stateA, SaveRequest{Attempts: 2}, tt.first, whole); s.counts != tt.counts {
			t.Errorf("%s: %s, %s %v", name, s.counts, s.got, s.err)
		}
	}
	elsewhere := served{status: 206, length: 5, header: headerA + "\nContent-Range: bytes 3-7/8", body: "defgh"}
	if s := saved(t, "abcd", stateA, SaveRequest{Attempts: 1}, elsewhere); !strings.HasPrefix(s.counts, "0 ") {
		t.Errorf("nothing is left: %s, %s %v", s.counts, s.got, s.err)
	}
	counts := new(Transfer)
	counts.Begin(9)
	if text, err := io.ReadAll(counts.Watch(strings.NewReader("text"))); string(text) != "text" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	if done, total := counts.Counts(); done != 4 || total != 9 || counts.Fetched() != 0 {
		t.Errorf("%d of %d, of which %d came", done, total, counts.Fetched())
	}
}
