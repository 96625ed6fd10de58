//go:build unix

package fetch_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/fetch"
)

// A transfer that was cut says what is kept of it, and the next run goes on there.
func TestACutTransferSaysWhatIsKept(t *testing.T) {
	s := newFile(t, 1000)
	cut := true
	s.first = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		if cut {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(s.body[:600])
		}
		return cut
	}
	root, _ := dirRoot(t)
	_, err := save(t, s, root, "f", func(r *fetch.SaveRequest) { r.Attempts = 1 })
	var e *fetch.Error
	if !errors.As(err, &e) || e.KeptBytes != 600 || strings.Contains(err.Error(), "nothing was kept") || !strings.Contains(err.Error(), "600 bytes are kept") {
		t.Fatalf("%v", err)
	}
	cut = false
	p, err := save(t, s, root, "f", nil)
	if err != nil || p.Resumed != 600 {
		t.Fatalf("%+v, %v", p, err)
	}
	_ = p.Discard()
	cut = true
	s.body = nil
	s.first = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Length", "1000")
		return true
	}
	if _, err := save(t, s, root, "g", func(r *fetch.SaveRequest) { r.Attempts = 1 }); err == nil || !strings.Contains(err.Error(), "nothing was kept") {
		t.Errorf("%v", err)
	}
}

// Nobody can remove what could not be made.
func TestADirectoryThatCannotBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root writes everywhere")
	}
	root, dir := dirRoot(t)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(dir, 0o700) }()
	if _, err := save(t, newFile(t, 10), root, "f", nil); err == nil || strings.Contains(err.Error(), "remove it") || !strings.Contains(err.Error(), "writable") {
		t.Errorf("%v", err)
	}
}
