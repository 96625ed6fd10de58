package release

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// cost is what reading takes at most, beside the text: the highest that the heap
// stands while it reads.
func cost(read func()) int64 {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := before.HeapAlloc
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc)
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	}()
	read()
	close(stop)
	<-done
	return int64(peak - before.HeapAlloc)
}

// Every document that a release's hosts serve is bounded by what it costs.
func TestDocumentsAreBoundedByTheirCost(t *testing.T) {
	fill := func(one string, bytes int) string { return strings.Repeat(one, bytes/len(one)) }
	laughs := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		laughs += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	list := ""
	for i := range 12 {
		list += fmt.Sprintf("- &a%d [%s*a%d]\n", i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	v, _ := ParseVersion("v1.27.2")
	for name, text := range map[string]string{
		"aliases":             laughs,
		"aliases in a list":   "- &a0 [x,x,x,x,x,x,x,x,x]\n" + list,
		"lists":               "[" + fill("[],", 8<<20-8) + "[]]",
		"maps":                "[" + fill("{},", 8<<20-8) + "{}]",
		"words":               "[" + fill("a,", 8<<20-8) + "a]",
		"block words":         fill("- a\n", 8<<20-8),
		"tags":                "- name: a\n  dmap:\n    sha256:x: [" + fill("a,", 8<<20-64) + "a]\n",
		"nested":              fill("[", 4<<20-8) + fill("]", 4<<20-8),
		"nested blocks":       fill("- ", 1<<20),
		"table rows":          "# v1.27.2\n\n## Downloads for v1.27.2\n\nfilename | sha512 hash\n-------- | -----------\n" + fill("a|b\n", 4<<20-100),
		"headings":            fill("# v1.27.2\n", 4<<20-10),
		"notes":               "# v1.27.2\n\n## Changes by Kind\n\n### Feature\n\n" + fill("- a\n", 4<<20-100),
		"checksums":           fill("0 a\n", 1<<20),
		"objects":             `{"subject":[` + fill("{},", 4<<20-64) + `{}]}`,
		"digests":             `{"subject":[{"digest":{` + fill(`"a":"",`, 4<<20-64) + `"b":""}}]}`,
		"materials":           `{"predicate":{"materials":[` + fill("{},", 4<<20-64) + `{}]}}`,
		"words in a document": `{"x":[` + fill(`"",`, 4<<20-64) + `""]}`,
	} {
		data := []byte(text)
		for what, read := range map[string]func() error{
			"promotion":  func() error { _, err := ParsePromotion(data); return err },
			"changelog":  func() error { _, err := ParseChangelog(data, v); return err },
			"notes":      func() error { _, err := ParseNotes(data, v); return err },
			"checksums":  func() error { _, err := ParseChecksums(data, v); return err },
			"provenance": func() error { _, err := ParseProvenance(data, v); return err },
		} {
			var err error
			if got := cost(func() { err = read() }); got > 128<<20 {
				t.Errorf("%s as %s: %d MiB for %d KiB: %.150v", name, what, got>>20, len(data)>>10, err)
			}
		}
	}
}
