package container

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/kverify/kverify/internal/strictjson"
)

// manifestMembers are the members by which runtimes tell manifests and indexes (containerd,
// core/images, unknownDocument). A config is one too, but of images' configs as well: see outline.find.
var manifestMembers = []string{"layers", "manifests", "fsLayers"}

// longestMember is the longest spelling of one of them: nine letters, each escaped.
const longestMember = 9 * len(`\u0000`)

// isManifest says whether a runtime could take a text for a manifest or an index, however
// long it is and whatever else is wrong with it: an object with a member of theirs, in any
// case of letters, behind any number of blanks. Other documents have none, be they as
// large. Nothing of the text is held, and it is read no further than to that member.
func isManifest(text io.Reader) (bool, error) {
	found, err := (&outline{text: bufio.NewReaderSize(text, 4<<10)}).find()
	if errors.Is(err, io.EOF) {
		return false, nil // it is no whole object, which nobody reads
	}
	return found, err
}

// outline goes through what may be a JSON object, and sees the names of its members. Of
// what is no JSON it sees something or other, on which nothing depends.
type outline struct {
	text   *bufio.Reader
	depth  int
	isName bool   // the next string is a name
	top    string // the last name at depth 1
	raw    [longestMember]byte
}

// find looks for a member of manifests', or a config that has a digest: in the config of
// an image, "config" is how it is run.
func (o *outline) find() (bool, error) {
	for {
		c, err := o.text.ReadByte()
		switch {
		case err != nil:
			return false, err
		case c == ' ', c == '\t', c == '\r', c == '\n':
			continue
		case c == '{', c == '[':
			if o.depth == 0 && c == '[' {
				return false, nil
			}
			o.depth++
			o.isName = c == '{'
		case o.depth == 0:
			return false, nil
		case c == '}', c == ']':
			if o.depth--; o.depth == 0 {
				return false, nil
			}
			o.isName = false
		case c == ',':
			o.isName = true // in a list nothing follows from it
		case c == ':':
			o.isName = false
		case c == '"':
			name, err := o.name()
			if err != nil {
				return false, err
			}
			if o.isName && o.tells(name) {
				return true, nil
			}
		}
	}
}

func (o *outline) tells(name string) bool {
	switch o.depth {
	case 1:
		o.top = name
		return slices.ContainsFunc(manifestMembers, func(m string) bool { return isMember(name, m) })
	case 2:
		return isMember(name, "digest") && isMember(o.top, "config")
	}
	return false
}

func isMember(name, exact string) bool { return name == exact || strictjson.Twin(name, exact) }

// name reads a string to its end, and gives it, or nothing of one that is longer than any
// member's name that is looked for.
func (o *outline) name() (string, error) {
	n, long, escaped := 0, false, false
	for {
		c, err := o.text.ReadByte()
		if err != nil {
			return "", err
		}
		if c == '"' && !escaped {
			break
		}
		escaped = c == '\\' && !escaped
		if long = n == len(o.raw); !long {
			o.raw[n] = c
			n++
		}
	}
	raw := o.raw[:n]
	if long || !o.isName || o.depth > 2 {
		return "", nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), nil
	}
	var name string
	if err := json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &name); err != nil {
		return "", nil //nolint:nilerr // it is no JSON
	}
	return name, nil
}
