package simulate

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxEdited is how much of a document is edited: what is larger is cut.
const maxEdited = 4 << 20

var hexes = regexp.MustCompile(`[0-9a-f]{64}`)

// edit changes a document in one of the ways that documents can be changed: bytes, lines
// (of YAML, tables, tag-value), members of JSON, digests.
func edit(rnd *rand.Rand, body []byte) []byte {
	b := bytes.Clone(body[:min(len(body), maxEdited)])
	if len(b) == 0 {
		return []byte("x")
	}
	edits := []func(*rand.Rand, []byte) []byte{editBytes, editLines, editLines, editDigests, editDigests}
	if b[0] == '{' || b[0] == '[' {
		edits = []func(*rand.Rand, []byte) []byte{editBytes, editDigests, editMembers, editMembers, editMembers}
	}
	return pick(rnd, edits)(rnd, b)
}

func editBytes(rnd *rand.Rand, b []byte) []byte {
	at := rnd.IntN(len(b))
	end := min(len(b), at+1+rnd.IntN(64))
	switch rnd.IntN(6) {
	case 0:
		b[at] ^= 1 << rnd.IntN(8)
	case 1:
		return append(b[:at:at], b[end:]...)
	case 2:
		return append(append(b[:at:at], byte(rnd.IntN(256))), b[at:]...)
	case 3:
		return b[:at]
	case 4:
		return append(append(b[:end:end], b[at:end]...), b[end:]...)
	default:
		return append(b, pick(rnd, []string{"\n", " ", "\x00", "{}", "\r\n", "\ufeff"})...)
	}
	return b
}

// rewrite writes a document in other bytes that say the same to whoever does not hash them.
func rewrite(rnd *rand.Rand, body []byte) []byte {
	b := bytes.Clone(body)
	if len(b) == 0 || b[0] != '{' {
		return append(b, "\n"...)
	}
	switch rnd.IntN(3) {
	case 0:
		return append(b, pick(rnd, []string{"\n", " ", "\t"})...)
	case 1:
		return append([]byte("{ "), b[1:]...)
	}
	return append([]byte(`{"author":"nobody",`), b[1:]...)
}

// editLines drops, doubles, moves or rewrites a line.
func editLines(rnd *rand.Rand, b []byte) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	i, j := rnd.IntN(len(lines)), rnd.IntN(len(lines))
	switch rnd.IntN(5) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines = slices.Insert(lines, j, lines[i])
	case 2:
		lines[i], lines[j] = lines[j], lines[i]
	case 3:
		lines[i] = editBytes(rnd, append(bytes.Clone(lines[i]), ' '))
	default: // a table's cell, or a value after a colon, is that of another line
		a, c := bytes.LastIndexAny(lines[i], "|: "), bytes.LastIndexAny(lines[j], "|: ")
		if a >= 0 && c >= 0 {
			lines[i] = append(bytes.Clone(lines[i][:a]), lines[j][c:]...)
		}
	}
	return bytes.Join(lines, nil)
}

// editDigests puts one digest of the document in the place of another.
func editDigests(rnd *rand.Rand, b []byte) []byte {
	at := hexes.FindAllIndex(b, 4096)
	if len(at) == 0 {
		return editBytes(rnd, b)
	}
	i, j := at[rnd.IntN(len(at))], at[rnd.IntN(len(at))]
	other := bytes.Clone(b[j[0]:j[1]])
	if bytes.Equal(other, b[i[0]:i[1]]) {
		other[rnd.IntN(64)] = "0123456789abcdef"[rnd.IntN(16)]
	}
	if rnd.IntN(2) == 0 {
		return bytes.ReplaceAll(b, bytes.Clone(b[i[0]:i[1]]), other)
	}
	copy(b[i[0]:i[1]], other)
	return b
}

// editMembers drops, doubles, renames or exchanges members of JSON, at any depth.
func editMembers(rnd *rand.Rand, b []byte) []byte {
	var doc any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return editBytes(rnd, b)
	}
	var objects []map[string]any
	var lists []*[]any
	var walk func(v any, set func(any))
	walk = func(v any, set func(any)) {
		switch v := v.(type) {
		case map[string]any:
			objects = append(objects, v)
			for _, k := range sorted(v) {
				walk(v[k], func(n any) { v[k] = n })
			}
		case []any:
			list := &v
			lists = append(lists, list)
			for i := range v {
				walk(v[i], func(n any) { (*list)[i] = n })
			}
		}
	}
	walk(doc, func(any) {})
	if len(lists) > 0 && rnd.IntN(3) == 0 {
		if l := *pick(rnd, lists); len(l) > 1 {
			i, j := rnd.IntN(len(l)), rnd.IntN(len(l))
			l[i], l[j] = pick(rnd, []any{l[j], l[i]}), l[i]
		}
	} else if len(objects) > 0 {
		o := pick(rnd, objects)
		if keys := sorted(o); len(keys) > 0 {
			k := pick(rnd, keys)
			if again, ok := editMember(rnd, o, k, pick(rnd, objects)); ok {
				return again(doc)
			}
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return editBytes(rnd, b)
	}
	return out
}

// editMember changes one member; again, where ok, writes the document in a way that
// encoding/json does not.
func editMember(rnd *rand.Rand, o map[string]any, k string, other map[string]any) (again func(any) []byte, ok bool) {
	switch rnd.IntN(6) {
	case 0:
		delete(o, k)
	case 1:
		o[k] = pick(rnd, []any{nil, "", 0, -1, true, []any{}, map[string]any{}, "sha256:" + strings.Repeat("0", 64), []any{o[k]}})
	case 2:
		o[strings.ToUpper(k)] = o[k]
	case 3:
		for _, own := range sorted(other) {
			if own == k {
				o[k] = other[own]
			}
		}
	case 4:
		o[pick(rnd, []string{"urls", "subject", "config", "manifests", "layers", "annotations", "mediaType", "artifactType", "platform"})] = o[k]
	default: // twice
		mark := "\x01"
		o[mark+k] = "other"
		return func(doc any) []byte {
			out, _ := json.Marshal(doc)
			return bytes.ReplaceAll(out, []byte(`"\u0001`), []byte(`"`))
		}, true
	}
	return nil, false
}

func sorted(m map[string]any) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// turn is the attacker's chance between two runs: what lies in a directory is edited, and
// the world answers otherwise, or honestly again.
func (r *run) turn(rnd *rand.Rand, dir string) {
	if r.honest {
		return
	}
	if rnd.IntN(3) > 0 {
		for range 1 + rnd.IntN(3) {
			editTree(rnd, dir)
		}
	}
	switch rnd.IntN(4) {
	case 0:
		r.w.Calm()
	case 1:
		r.attack(pick(rnd, controls), rnd.Uint64())
	}
}

// editTree changes one file below a directory: its bytes, or whose they are.
func editTree(rnd *rand.Rand, dir string) {
	var files []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if len(files) == 0 {
		return
	}
	one, two := pick(rnd, files), pick(rnd, files)
	switch rnd.IntN(8) {
	case 0:
		_ = os.Remove(one)
	case 1, 2:
		_ = os.Rename(two, one)
	case 3:
		if b, err := os.ReadFile(two); err == nil {
			_ = os.WriteFile(one, b, 0o600)
		}
	default:
		if b, err := os.ReadFile(one); err == nil {
			_ = os.Chmod(one, 0o600)
			_ = os.WriteFile(one, edit(rnd, b), 0o600)
		}
	}
}
