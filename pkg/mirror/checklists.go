package mirror

import (
	"bytes"
	"errors"
	"strings"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/vouch"
)

// lists holds the mirror's lists to their checksums, and to each other. What is
// missing or cannot be read is not known; only what was read can contradict.
func (a *audit) lists() {
	d := a.dir
	for _, half := range []string{manifestFile, "oci"} {
		if err := d.broken[half]; err != nil {
			a.note(half, report.Unknown, report.Malformed, "%v", err)
		}
	}
	texts, unread := map[string][]byte{}, map[string]bool{}
	for _, name := range summed {
		body, err := readIfThere(d.fsys, name, maxManifestFile)
		switch {
		case err != nil:
			unread[name] = true
			reason := report.Malformed
			if errors.Is(err, errTooLarge) {
				reason = report.Limit
			}
			a.note(name, report.Unknown, reason, "it cannot be read: %v", err)
			a.listed[name] = true
		case body != nil:
			texts[name], a.listed[name] = body, true
		}
	}
	a.noIndex = texts[layoutFile] == nil || texts[indexFile] == nil
	if sig, list := texts[signatureFile], texts[manifestFile]; sig != nil && list != nil {
		if err := vouch.Check(list, sig); err != nil {
			a.note(signatureFile, report.Refuted, report.Mismatch, "%v", err)
		}
	}
	if d.manifest == nil || d.manifest.doc.Sums == "" {
		return // made by hand, or by another tool
	}
	a.listed[sumsFile] = true
	said, err := readIfThere(d.fsys, sumsFile, maxBundle)
	switch {
	case err != nil:
		a.note(sumsFile, report.Unknown, report.Malformed, "it cannot be read: %v", err)
	case said == nil:
		a.note(sumsFile, report.Unknown, report.Incomplete, "it is missing")
	default:
		a.sums(string(said), texts, unread)
	}
	for _, name := range []string{layoutFile, indexFile} {
		if texts[name] == nil && !unread[name] && (said == nil || !strings.Contains(string(said), "  "+name+"\n")) {
			a.note(name, report.Unknown, report.Incomplete, "it is missing")
		}
	}
	if index, err := d.manifest.doc.index(); err == nil && texts[indexFile] != nil && !bytes.Equal(index, texts[indexFile]) {
		a.note(indexFile, report.Refuted, report.Mismatch, "it does not hold exactly the names of MANIFEST.json")
	}
}

// sums compares MANIFEST.sha256 with the lists that were read. Each must have its
// very line; a line of one that is not there says that it is missing.
func (a *audit) sums(said string, texts map[string][]byte, unread map[string]bool) {
	lines := map[string]string{} // by name
	left := said
	for _, name := range summed { // in the order in which they are written, and nothing else
		line, rest, ok := strings.Cut(left, "\n")
		sum, of, two := strings.Cut(line, "  ")
		if ok && two && of == name && isHex(sum) {
			lines[name], left = line+"\n", rest
		}
	}
	wrong := left != ""
	for _, name := range summed {
		text, there := texts[name]
		line, listed := lines[name]
		switch {
		case there:
			wrong = wrong || line != string(sums(map[string][]byte{name: text}))
		case listed && !unread[name]:
			a.note(name, report.Unknown, report.Incomplete, "MANIFEST.sha256 lists it, and it is missing")
		}
	}
	if wrong {
		a.note(sumsFile, report.Refuted, report.Mismatch, "the lists of the mirror (MANIFEST.json, oci/index.json and what is beside them) are not the ones that were written together")
	}
}
