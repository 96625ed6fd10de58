package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/command"
)

// Files that are named on the line line and do not end, or are far too large, are
// not read.
func TestEndlessFilesAreNotRead(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("there is no /dev/zero")
	}
	sparse := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, name := range []string{"/dev/zero", sparse} {
		for what, read := range map[string]func() error{
			"--tls-cert": func() error { _, err := command.ServerTLS(t.Context(), name, name); return err },
			"report":     func() error { _, err := readReport(t.Context(), name); return err },
			"sbom show":  func() error { _, err := readSBOM(t.Context(), name); return err },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read()
			runtime.ReadMemStats(&after)
			got := after.TotalAlloc - before.TotalAlloc
			if err == nil || got > 4<<20 || strings.Contains(err.Error(), "\x00") {
				t.Errorf("%s %s: %d KiB: %v", what, name, got>>10, err)
			}
		}
	}
}
