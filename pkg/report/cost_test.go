package report_test

import (
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/report"
)

type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}

// What is no report is not read to its end, which it may not have, and what would
// cost too much is not decoded.
func TestSavedReportsAreBounded(t *testing.T) {
	z := new(zeros)
	if _, err := report.Read("/dev/zero", z); err == nil || z.read > 1<<20 {
		t.Errorf("%d bytes of zeros were read: %v", z.read, err)
	}
	fill := func(one string, bytes int) string { return strings.Repeat(one, bytes/len(one)) }
	for name, text := range map[string]string{
		"spaces":   fill(" ", 140<<20),
		"results":  `{"results":[` + fill("{},", 20<<20) + `{}]}`,
		"checks":   `{"results":[{"checks":[` + fill("{},", 20<<20) + `{}]}]}`,
		"evidence": `{"results":[{"checks":[{"evidence":[` + fill(`{"fields":{"a":""}},`, 30<<20) + `{}]}]}]}`,
		"notes":    `{"results":[{"notes":[` + fill(`"",`, 60<<20) + `""]}]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := report.Read(name, io.Reader(strings.NewReader(text)))
		runtime.ReadMemStats(&after)
		// What is thrown away again counts too: results are read one by one.
		if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > 896<<20 {
			t.Errorf("%s: %d MiB: %v", name, got>>20, err)
		}
	}
}
