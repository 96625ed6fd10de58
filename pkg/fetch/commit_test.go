//go:build unix

package fetch

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommitGivesNoNameToWhatWasChanged holds that a file gets its final name only if it is, to the
// byte, what was hashed while it came, and nobody else has it under another name.
func TestCommitGivesNoNameToWhatWasChanged(t *testing.T) {
	const body = "what was served"
	for name, tt := range map[string]struct {
		change func(part string) error
		want   bool
	}{
		"nothing": {func(string) error { return nil }, true},
		"a byte more": {func(part string) error {
			f, err := os.OpenFile(part, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString("x")
				_ = f.Close()
			}
			return err
		}, false},
		"a byte less": {func(part string) error { return os.Truncate(part, int64(len(body)-1)) }, false},
		"other bytes": {func(part string) error { return os.WriteFile(part, []byte("what was sErved"), 0) }, false},
		"another file": {func(part string) error {
			_ = os.Remove(part)
			return os.WriteFile(part, []byte(body), 0o600)
		}, false},
		"a link": {func(part string) error {
			_ = os.Rename(part, part+"2")
			return os.Symlink(filepath.Base(part)+"2", part)
		}, false},
		"another name": {func(part string) error { return os.Link(part, part+"2") }, false},
		"gone":         {os.Remove, false},
	} {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
		})}
		p, err := c.Save(t.Context(), SaveRequest{URL: "https://a.example/", Root: root, Name: "file", Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.change(filepath.Join(dir, p.part)); err != nil {
			t.Fatal(name, err)
		}
		err = p.Commit(0o640)
		got, readErr := os.ReadFile(filepath.Join(dir, "file"))
		if (err == nil) != tt.want || tt.want && string(got) != body || !tt.want && readErr == nil {
			t.Errorf("%s: %v; the name stands for %q", name, err, got)
		}
		_ = p.Close()
		_ = root.Close()
	}
}
