package report

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unique"
)

// Strength says how much a claim counts for, weakest first. The zero value is
// Carried.
type Strength uint8

const (
	Carried   Strength = iota // a mirror, an endpoint, a cache, plain HTTP: can refute, never verify
	Vouched                   // published once, by the word of an operator who signed what was carried
	Published                 // read over https from the publisher's own host
	Embedded                  // compiled into kverify
	Signed                    // in a document whose signature verified under the policy
)

// String returns "carried", "vouched", "published", "embedded" or "signed".
func (s Strength) String() string {
	switch s {
	case Vouched:
		return "vouched"
	case Published:
		return "published"
	case Embedded:
		return "embedded"
	case Signed:
		return "signed"
	}
	return "carried"
}

// MarshalText writes the strength as its String.
func (s Strength) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes. Anything else is an error.
func (s *Strength) UnmarshalText(text []byte) error {
	for _, c := range []Strength{Carried, Vouched, Published, Embedded, Signed} {
		if c.String() == string(text) {
			*s = c
			return nil
		}
	}
	return fmt.Errorf("claim strength %q: want carried, vouched, published, embedded or signed", text)
}

// Evidence is one thing that a check looked at, and whose word it took.
type Evidence struct {
	What     string            `json:"what"`               // such as "signature", "log entry", "claim"
	Source   string            `json:"source,omitempty"`   // URL, reference or file it came from
	Digest   string            `json:"digest,omitempty"`   // of the bytes looked at, "sha256:<hex>"
	Strength *Strength         `json:"strength,omitempty"` // for claims
	Fields   map[string]string `json:"fields,omitempty"`   // such as identity, issuer, logIndex, integratedTime
}

// EvidenceList is what a check looked at, in order. A report may have some hundred thousand of
// them, of which most differ from others in digests and numbers alone: what is alike is held
// once for all, and digests in half of their length. The zero value is empty. Lists are values:
// those of equal evidence are equal by ==.
type EvidenceList struct {
	form  unique.Handle[string] // the list, with gaps; of the zero value where it is empty
	parts string                // what stands in the gaps
}

// EvidenceOf makes a list.
func EvidenceOf(list ...Evidence) EvidenceList {
	if len(list) == 0 {
		return EvidenceList{}
	}
	var p packer
	p.number(uint64(len(list)))
	for _, e := range list {
		p.evidence(e)
	}
	return EvidenceList{unique.Make(string(p.form)), string(p.parts)}
}

// IsZero says whether it is empty.
func (l EvidenceList) IsZero() bool { return l == EvidenceList{} }

// All returns the list. It is the caller's.
func (l EvidenceList) All() []Evidence {
	if l.IsZero() {
		return nil
	}
	u := unpacker{form: l.form.Value(), parts: l.parts}
	list := make([]Evidence, u.number(&u.form))
	for i := range list {
		list[i] = u.evidence()
	}
	return list
}

// Add is the list with more behind it.
func (l EvidenceList) Add(more ...Evidence) EvidenceList {
	return EvidenceOf(append(l.All(), more...)...)
}

// Changed is the list as f leaves each of it.
func (l EvidenceList) Changed(f func(*Evidence)) EvidenceList {
	list := l.All()
	for i := range list {
		f(&list[i])
	}
	return EvidenceOf(list...)
}

// MarshalJSON writes an array of [Evidence].
func (l EvidenceList) MarshalJSON() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // whoever asks for that escapes it again
	err := enc.Encode(l.All())
	return buf.Bytes(), err
}

// UnmarshalJSON reads what MarshalJSON writes.
func (l *EvidenceList) UnmarshalJSON(text []byte) error {
	var list []Evidence
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*l = EvidenceOf(list...)
	return nil
}

// Before each piece of a text stands what it is: one of these, or from firstSame on the number of
// an equal text before it.
const (
	pieceEnd    = iota // of the text
	piecePlain         // a length, and so many bytes
	pieceHex           // a number of bytes, which are among the parts
	pieceDigits        // a number of digits, whose value is among the parts
	firstSame
)

const (
	leastHex   = 16 // digits of what counts as hexadecimal
	mostDigits = 18 // of a decimal number that fits into 64 bits
)

// packer writes a list: its form, and the parts that differ from one of the same form to another.
type packer struct {
	form, parts []byte
	texts       []string
}

func (p *packer) number(n uint64) { p.form = binary.AppendUvarint(p.form, n) }

func (p *packer) evidence(e Evidence) {
	p.text(e.What)
	p.text(e.Source)
	p.text(e.Digest)
	strength := uint64(0) // none is given
	if e.Strength != nil {
		strength = 1 + uint64(*e.Strength)
	}
	p.number(strength)
	p.number(uint64(len(e.Fields)))
	for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
		p.text(k)
		p.text(e.Fields[k])
	}
}

func (p *packer) text(s string) {
	if i := slices.Index(p.texts, s); i >= 0 && s != "" {
		p.number(firstSame + uint64(i))
		return
	}
	p.texts = append(p.texts, s)
	plain := 0 // where what is not written yet begins
	flush := func(end int) {
		if plain < end {
			p.number(piecePlain)
			p.number(uint64(end - plain))
			p.form = append(p.form, s[plain:end]...)
		}
	}
	for i := 0; i < len(s); {
		h, d := run(s[i:], isHex), run(s[i:], isDigit)
		switch {
		case h >= leastHex:
			h -= h % 2
			flush(i)
			p.number(pieceHex)
			p.number(uint64(h / 2))
			p.parts, _ = hex.AppendDecode(p.parts, []byte(s[i:i+h])) // it is hexadecimal
			i += h
			plain = i
		case d > 0:
			d = min(d, mostDigits)
			flush(i)
			p.number(pieceDigits)
			p.number(uint64(d))
			n, _ := strconv.ParseUint(s[i:i+d], 10, 64) // it is a number that fits
			p.parts = binary.AppendUvarint(p.parts, n)
			i += d
			plain = i
		default:
			i += max(1, h)
		}
	}
	flush(len(s))
	p.number(pieceEnd)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'f' }

// run is how many bytes at the beginning of a text are of a kind.
func run(s string, kind func(byte) bool) (n int) {
	for n < len(s) && kind(s[n]) {
		n++
	}
	return n
}

// unpacker reads what a packer wrote.
type unpacker struct {
	form, parts string
	texts       []string
}

func (u *unpacker) number(from *string) uint64 {
	n, size := uint64(0), 0
	for shift := 0; ; shift += 7 {
		c := (*from)[size]
		size++
		if n |= uint64(c&0x7f) << shift; c < 0x80 {
			break
		}
	}
	*from = (*from)[size:]
	return n
}

func (u *unpacker) evidence() (e Evidence) {
	e.What, e.Source, e.Digest = u.text(), u.text(), u.text()
	if n := u.number(&u.form); n > 0 {
		s := Strength(n - 1)
		e.Strength = &s
	}
	if n := u.number(&u.form); n > 0 {
		e.Fields = make(map[string]string, n)
		for range n {
			k := u.text()
			e.Fields[k] = u.text()
		}
	}
	return e
}

// text reads one text. One that is a single plain piece is a part of the form, and takes no memory.
func (u *unpacker) text() (s string) {
	var all []byte
	for first := true; ; first = false {
		switch kind := u.number(&u.form); kind {
		case pieceEnd:
			if all != nil {
				s = string(all)
			}
			u.texts = append(u.texts, s)
			return s
		case piecePlain:
			n := u.number(&u.form)
			if first {
				s = u.form[:n]
			} else {
				all = append(grown(all, s), u.form[:n]...)
			}
			u.form = u.form[n:]
		case pieceHex:
			n := u.number(&u.form)
			all = hex.AppendEncode(grown(all, s), []byte(u.parts[:n]))
			u.parts = u.parts[n:]
		case pieceDigits:
			width, n := int(u.number(&u.form)), u.number(&u.parts)
			all = grown(all, s)
			end := len(all) + width
			for len(all) < end {
				all = append(all, '0')
			}
			for i := end - 1; n > 0; i, n = i-1, n/10 {
				all[i] = byte('0' + n%10)
			}
		default:
			return u.texts[kind-firstSame]
		}
	}
}

// grown is the text that is put together: what it began with, if nothing was put to that yet.
func grown(all []byte, began string) []byte {
	if all == nil {
		return append(make([]byte, 0, 128), began...)
	}
	return all
}
