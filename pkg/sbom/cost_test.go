package sbom

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

// allocated is all that f allocates, which the peak cannot exceed.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// What a document costs is known before it is read: elements of two bytes, or of a
// line of thirteen, are refused by what they would become.
func TestElementsAreBoundedByTheirCost(t *testing.T) {
	const mib = 1 << 20
	many := func(head, one, tail string, bytes int) string {
		return head + strings.Repeat(one, bytes/len(one)) + strings.TrimSuffix(one, ",") + tail
	}
	json := `{"spdxVersion":"SPDX-2.3","packages":[`
	tags := "SPDXVersion: SPDX-2.3\n"
	for name, text := range map[string]string{
		"empty packages":            many(json, "{},", "]}", 6*mib),
		"null packages":             many(json, "null,", "]}", 60*mib),
		"files of a package":        many(json+`{"files":[`, "{},", "]}]}", 6*mib),
		"files in another spelling": many(json+`{"fil\u0065s":[`, "{},", "]}]}", 6*mib),
		"checksums of a package":    many(json+`{"checksums":[`, "{},", "]}]}", 6*mib),
		"texts of a package":        many(json+`{"attributionTexts":[`, `"",`, "]}]}", 60*mib),
		"relationships":             many(`{"spdxVersion":"SPDX-2.3","relationships":[`, "{},", "]}", 6*mib),
		"lists in lists":            many(`{"spdxVersion":"SPDX-2.3","x":[`, "[],", "]}", 60*mib),
		"members of one object":     many(`{"spdxVersion":"SPDX-2.3","x":{`, `"a":{},`, `"b":0}}`, 60*mib),
		"tag-value packages":        many(tags, "PackageName:x\n", "", 16*mib),
		"tag-value files":           many(tags, "FileName:x\n", "", 16*mib),
		"tag-value relationships":   many(tags, "Relationship:SPDXRef-a CONTAINS SPDXRef-b\n", "", 60*mib),
		"tag-value references":      many(tags+"PackageName:x\n", "ExternalDocumentRef:DocumentRef-x https://x SHA1:1\n", "", 60*mib),
	} {
		var err error
		data := []byte(text)
		got := allocated(func() { _, err = Parse(data) })
		t.Logf("%s: %d MiB of text cost %d MiB: %.100v", name, len(data)/mib, got/mib, err)
		if got > 200*mib {
			t.Errorf("%s: %d MiB of text cost %d MiB", name, len(data)/mib, got/mib)
		}
		var limit *LimitError
		if name == "empty packages" && !errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
