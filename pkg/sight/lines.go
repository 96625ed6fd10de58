package sight

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/release"
)

// maxLine bounds a line; a reference has some 450 bytes at most.
const maxLine = 8 << 10

// readLines reads a reference, "sha256:<64 hex>" or a version from each line.
// Blank lines and what follows a "#" are passed over.
func (f *found) readLines(ctx context.Context, r *bufio.Reader) error {
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		raw, err := r.ReadSlice('\n')
		if len(raw) > maxLine { // the reader's buffer is larger
			return &ListError{Source: f.source, Line: n, Why: "the line is longer than any reference", Hint: Shapes, NotAList: !f.understood, Err: &bounds.Error{What: "bytes in a line", Max: maxLine}}
		}
		if bytes.IndexByte(raw, 0) >= 0 {
			return &ListError{Source: f.source, Line: n, Why: "there is a NUL byte in it", Hint: Shapes, NotAList: !f.understood}
		}
		// Editors and terminals begin a line after it, where others read a comment on.
		if bytes.IndexByte(bytes.TrimRight(raw, "\r\n"), '\r') >= 0 {
			return &ListError{Source: f.source, Line: n, Why: "there is a carriage return within it, after which some readers see another line", Hint: "end each line with a line feed", NotAList: !f.understood}
		}
		if text := uncommented(string(raw)); text != "" {
			if err := f.oneLine(text, n); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// uncommented is a line without its comment, which a "#" at its beginning or after a blank begins.
func uncommented(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	return strings.TrimSpace(line)
}

// oneLine reads one. The first that is nothing that a list has shows that it is
// no list at all; a later one is a fault of its own, and the others still count.
func (f *found) oneLine(text string, n int) error {
	s := readLine(text)
	s.Place = placeInList(n, "")
	if s.Fault != "" && !f.understood {
		return f.notLines(text, n, s.Fault)
	}
	return f.add(s)
}

// LineFault says why a text is nothing that a line of a list may be, such as a digest that is
// cut short, and what to write; empty if it may be one.
func LineFault(text string) string { return readLine(text).Fault }

func readLine(text string) (s Sighting) {
	id := readID(text)
	v, notVersion := release.ParseVersion(text)
	switch {
	case notVersion == nil:
		s.Version = v.String()
	case isHex(text, 12):
		s.Fault = id.fault
	case isNearlyVersion(text):
		s.Fault = notVersion.Error()
	case strings.ContainsAny(text, " \t"):
		s.Fault = "the line " + quoted(text) + " has more than one word; write a reference a line"
	case strings.HasPrefix(text, "./"), strings.HasPrefix(text, "../"), strings.HasPrefix(text, "/"), strings.HasPrefix(text, `.\`), strings.Contains(text, `:\`):
		s.Fault = quoted(text) + " is a path; a path is itself judged, so give it as an argument"
	case id.bare:
		s.Fault = quoted(text) + " is 64 digits alone; a digest is written sha256:" + string(id.digest[7:15]) + "..."
	case strings.HasPrefix(text, "sha256:") && id.fault == "":
		s.Digest = id.digest
	case strings.HasPrefix(text, "sha256:"):
		s.Fault = id.fault
	case strings.HasPrefix(text, "docker://"), strings.HasPrefix(text, "docker-pullable://"):
		s.Digest, s.Name, s.Fault, s.Reported = id.digest, id.name, id.fault, true // an imageID, as jsonpath prints it
	default:
		w := readWritten(text)
		s.Name, s.Digest, s.Fault = w.name, w.digest, w.fault
	}
	return s
}

// isNearlyVersion says whether a line means a version or channel that a list
// cannot have. It would else be an image of docker.io, and foreign.
func isNearlyVersion(text string) bool {
	if strings.ContainsAny(text, "/:@ \t") || isHex(text, 64) {
		return false
	}
	number := strings.TrimPrefix(strings.ToLower(text), "v")
	return number != "" && number[0] >= '0' && number[0] <= '9' || strings.HasPrefix(text, "stable") || strings.HasPrefix(text, "latest")
}

// tables are the first words of tables for people, and how to have them for programs.
var tables = []struct{ header, hint string }{
	{"REPOSITORY ", "this is a table for people; give docker image ls --digests --no-trunc --format json, or podman images --format json"},
	{"IMAGE ", "this is a table for people; give crictl images -o json"},
	{"NAME ", "this is a table for people; give kubectl get ... -o json"},
	{"NAMESPACE ", "this is a table for people; give kubectl get ... -o json"},
}

func (f *found) notLines(text string, n int, fault string) error {
	hint := Shapes
	for _, t := range tables {
		if strings.HasPrefix(text, t.header) {
			hint = t.hint
		}
	}
	switch {
	case strings.HasPrefix(text, "<"):
		fault = "it is a web page or XML"
	case strings.HasPrefix(text, "-----BEGIN"):
		fault = "it is PEM: a key, a certificate or a signature"
	}
	return &ListError{Source: f.source, Line: n, Why: fault, Hint: hint, NotAList: true}
}
