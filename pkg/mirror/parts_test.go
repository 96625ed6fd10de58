package mirror

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Parts read as the whole does, wherever a reading begins and ends.
func TestParts(t *testing.T) {
	dir := t.TempDir()
	whole := make([]byte, 5*7+3)
	for i := range whole {
		whole[i] = byte(i)
	}
	first := filepath.Join(dir, "a.001")
	for i := 0; i*7 < len(whole); i++ {
		name := filepath.Join(dir, "a.00"+string(rune('1'+i)))
		if err := os.WriteFile(name, whole[i*7:min(i*7+7, len(whole))], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{"a.000", "a.0001", "a.1", "a.tar", "aa.007", "b.007", ".007"} {
		if err := os.WriteFile(filepath.Join(dir, other), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := openParts(first)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if len(p.files) != 6 || p.size != int64(len(whole)) {
		t.Fatalf("%d parts of %d bytes", len(p.files), p.size)
	}
	for at := range len(whole) + 2 {
		for n := range len(whole) + 2 {
			got := make([]byte, n)
			read, err := p.ReadAt(got, int64(at))
			want, wantErr := make([]byte, n), error(nil)
			wanted := 0
			if n > 0 {
				wanted, wantErr = bytes.NewReader(whole).ReadAt(want, int64(at))
			}
			if read != wanted || !bytes.Equal(got, want) || !errors.Is(err, wantErr) {
				t.Fatalf("%d bytes at %d: %d %v, want %d %v", n, at, read, err, wanted, wantErr)
			}
		}
	}
	if err := os.Truncate(filepath.Join(dir, "a.002"), 3); err != nil { // under its reader
		t.Fatal(err)
	}
	if _, err := p.ReadAt(make([]byte, 10), 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a part that shrank: %v", err)
	}
	if err := p.ended(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("its end: %v", err)
	}
	for n, ended := range map[int]bool{512: false, 1023: false, 1024: true, 1025: true} {
		name := filepath.Join(t.TempDir(), "z.001")
		if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		z, err := openParts(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := z.ended(); (err == nil) != ended {
			t.Errorf("%d zeros: %v", n, err)
		}
		_ = z.Close()
	}
}
