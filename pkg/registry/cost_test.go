package registry

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Manifests are read many at once, from anybody: what a value costs is bounded before
// it is kept.
func TestManifestsAreBoundedByTheirValues(t *testing.T) {
	const size = 4 << 20
	fill := func(one string) string { return strings.Repeat(one, size/len(one)) }
	var keys strings.Builder
	for i := 0; keys.Len() < size; i++ {
		fmt.Fprintf(&keys, `"%x":0,`, i)
	}
	for name, text := range map[string]string{
		"numbers":      `{"schemaVersion":2,"x":[` + fill("0,") + `0]}`,
		"objects":      `{"schemaVersion":2,"x":[` + fill("{},") + `0]}`,
		"lists":        `{"schemaVersion":2,"x":[` + fill("[],") + `0]}`,
		"descriptors":  `{"schemaVersion":2,"manifests":[` + fill("{},") + `{}]}`,
		"keys":         `{"schemaVersion":2,"x":{` + keys.String() + `"z":0}}`,
		"nested lists": `{"schemaVersion":2,"x":` + fill("[") + fill("]") + `}`,
	} {
		body := []byte(text)
		for what, read := range map[string]func() error{
			"manifest": func() error { _, _, err := ParseManifest(OCIIndex, body); return err },
			"config":   func() error { _, err := ParseConfig(body); return err },
			"check":    func() error { return CheckJSON(body) },
		} {
			var before, after runtime.MemStats
			var err error
			runtime.ReadMemStats(&before)
			err = read()
			runtime.ReadMemStats(&after)
			got := after.TotalAlloc - before.TotalAlloc - uint64(len(body)) // one copy of the text
			most := uint64(12 << 20)
			if what == "check" {
				most = 64 << 20
			}
			if err == nil || got > most {
				t.Errorf("%s, %s: %d KiB beside the text of %d KiB: %v", name, what, got>>10, len(body)>>10, err)
			}
		}
	}
}

// Genuine documents are far below.
func TestManifestsOfManyPlatformsAreRead(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `%s{"mediaType":"%s","digest":"sha256:%064x","size":7,"platform":{"os":"windows","architecture":"amd64","os.version":"10.%d"},"annotations":{"a":"b"}}`,
			map[bool]string{true: ","}[i > 0], OCIManifest, i, i)
	}
	x, _, err := ParseManifest(OCIIndex, []byte(`{"schemaVersion":2,"manifests":[`+b.String()+`]}`))
	if err != nil || len(x.Manifests) != 100 {
		t.Error(err)
	}
}

// What is small is parsed beside any number of others; what is larger waits for its turn.
func TestLargeManifestsAreParsedInTurn(t *testing.T) {
	sized := func(n int) []byte {
		body := `{"schemaVersion":2,"manifests":[]}`
		return []byte(body + strings.Repeat(" ", n-len(body)))
	}
	for range cap(parsing) {
		parsing <- struct{}{}
	}
	if _, _, err := ParseManifest(OCIIndex, sized(small)); err != nil {
		t.Error(err)
	}
	done := make(chan error)
	go func() { _, _, err := ParseManifest(OCIIndex, sized(small+1)); done <- err }()
	select {
	case <-done:
		t.Error("did not wait")
		done = nil
	case <-time.After(30 * time.Millisecond):
	}
	for range cap(parsing) {
		<-parsing
	}
	if done != nil {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for range 2 * cap(parsing) { // and leaves
		if _, _, err := ParseManifest(OCIIndex, sized(small+1)); err != nil {
			t.Error(err)
		}
	}
}
