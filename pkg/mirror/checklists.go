package mirror

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/vouch"
)

// lists holds the mirror's lists to their checksums, and to each other. What is
// missing or cannot be read is not known; only what was read can contradict.
func (a *audit) lists() {
	d := a.dir
	for _, half := range []string{layout.ManifestFile, "oci"} {
		if err := d.broken[half]; err != nil {
			a.failed(half, err)
		}
	}
	texts, unread := map[string][]byte{}, map[string]bool{}
	for _, name := range layout.Summed {
		body, err := layout.ReadIfThere(d.fsys, name, layout.MaxManifestFile)
		switch {
		case err != nil:
			unread[name] = true
			a.failed(name, fmt.Errorf("it cannot be read: %w", err))
			a.listed[name] = true
		case body != nil:
			texts[name], a.listed[name] = body, true
		}
	}
	a.noIndex = texts[layout.LayoutFile] == nil || texts[layout.IndexFile] == nil
	if sig, list := texts[layout.SignatureFile], texts[layout.ManifestFile]; sig != nil && list != nil {
		if err := vouch.Check(list, sig); err != nil {
			a.failed(layout.SignatureFile, err)
		}
	}
	if d.manifest == nil || d.manifest.Manifest.Sums == "" {
		return // made by hand, or by another tool
	}
	a.listed[layout.SumsFile] = true
	said, err := layout.ReadIfThere(d.fsys, layout.SumsFile, layout.MaxBundle)
	switch {
	case err != nil:
		a.failed(layout.SumsFile, fmt.Errorf("it cannot be read: %w", err))
	case said == nil:
		a.note(layout.SumsFile, report.Unknown, report.Incomplete, "it is missing")
	default:
		a.sums(string(said), texts, unread)
	}
	for _, name := range []string{layout.LayoutFile, layout.IndexFile} {
		if texts[name] == nil && !unread[name] && !strings.Contains(string(said), "  "+name+"\n") {
			a.note(name, report.Unknown, report.Incomplete, "it is missing")
		}
	}
	if index, err := d.manifest.Manifest.Index(); err == nil && texts[layout.IndexFile] != nil && !bytes.Equal(index, texts[layout.IndexFile]) {
		a.note(layout.IndexFile, report.Refuted, report.Mismatch, "it does not hold exactly the names of MANIFEST.json")
	}
}

// sums compares MANIFEST.sha256 with the lists that were read. Each must have its
// very line; a line of one that is not there says that it is missing.
func (a *audit) sums(said string, texts map[string][]byte, unread map[string]bool) {
	lines := map[string]string{} // by name
	left := said
	for _, name := range layout.Summed { // in the order in which they are written, and nothing else
		line, rest, ok := strings.Cut(left, "\n")
		sum, of, _ := strings.Cut(line, "  ")
		if ok && of == name && layout.IsHex(sum) {
			lines[name], left = line+"\n", rest
		}
	}
	wrong := left != ""
	for _, name := range layout.Summed {
		text, there := texts[name]
		line, listed := lines[name]
		switch {
		case there:
			wrong = wrong || line != string(layout.Sums(map[string][]byte{name: text}))
		case listed && !unread[name]:
			a.note(name, report.Unknown, report.Incomplete, "MANIFEST.sha256 lists it, and it is missing")
		}
	}
	if wrong {
		a.note(layout.SumsFile, report.Refuted, report.Mismatch, "the lists of the mirror (MANIFEST.json, oci/index.json and what is beside them) are not the ones that were written together")
	}
}
