package layout

import (
	"fmt"
	"runtime"
	gauges "runtime/metrics"
	"strings"
	"testing"
	"time"
)

// heapInUse is how many bytes the heap takes. Unlike runtime.ReadMemStats, asking
// does not stop the program.
func heapInUse() uint64 {
	samples := []gauges.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	gauges.Read(samples)
	return samples[0].Value.Uint64() + samples[1].Value.Uint64()
}

// A mirror's lists may be anybody's: they are refused by what they would cost.
func TestListsAreBoundedByTheirCost(t *testing.T) {
	fill := func(one string, bytes int) string { return strings.Repeat(one, bytes/len(one)) }
	var keys strings.Builder
	for i := 0; keys.Len() < 8<<20; i++ {
		fmt.Fprintf(&keys, `"%x":0,`, i)
	}
	for name, text := range map[string]string{
		"files":       `{"schemaVersion":1,"files":[` + fill("{},", 16<<20) + `{}]}`,
		"images":      `{"schemaVersion":1,"images":[` + fill("{},", 16<<20) + `{}]}`,
		"releases":    `{"schemaVersion":1,"files":[{"releases":[` + fill(`"",`, 30<<20) + `""]}]}`,
		"anything":    `{"schemaVersion":1,"x":[` + fill("[],", 30<<20) + `0]}`,
		"keys":        `{"schemaVersion":1,"x":{` + keys.String() + `"z":0}}`,
		"descriptors": `{"schemaVersion":2,"manifests":[` + fill("{},", 16<<20) + `{}]}`,
		"annotations": `{"schemaVersion":2,"manifests":[{"annotations":{` + strings.ReplaceAll(keys.String(), ":0", `:""`) + `"z":""}}]}`,
	} {
		body := []byte(text)
		for what, read := range map[string]func() error{
			"MANIFEST.json": func() error { _, err := ParseManifest(body); return err },
			"index.json":    func() error { _, err := ParseIndex(body); return err },
		} {
			var peak uint64
			var err error
			stop := make(chan bool)
			done := make(chan bool)
			runtime.GC()
			before := heapInUse()
			go func() {
				defer close(done)
				look := time.NewTicker(time.Millisecond)
				defer look.Stop()
				for {
					peak = max(peak, heapInUse())
					select {
					case <-stop:
						return
					case <-look.C:
					}
				}
			}()
			err = read()
			close(stop)
			<-done
			if got := int64(peak) - int64(before); got > 200<<20 {
				t.Errorf("%s as %s: %d MiB for %d MiB: %v", name, what, got>>20, len(body)>>20, err)
			}
		}
	}
}
