package sbom

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Change is one difference between two documents. Old is empty for what only
// the second has, New for what only the first has.
type Change struct {
	Subject string `json:"subject"`
	Old     string `json:"old,omitempty"`
	New     string `json:"new,omitempty"`
}

// Delta holds every difference between two documents, each list sorted by
// subject.
type Delta struct {
	Document      []Change `json:"document,omitempty"`      // name, namespace, creators, ...
	Files         []Change `json:"files,omitempty"`         // by file name
	Packages      []Change `json:"packages,omitempty"`      // by id
	Relationships []Change `json:"relationships,omitempty"` // by "FROM TYPE TO"
}

// Empty reports whether the documents say the same.
func (d Delta) Empty() bool {
	return len(d.Document)+len(d.Files)+len(d.Packages)+len(d.Relationships) == 0
}

// Diff compares everything that a Document holds; order does not matter, nor
// does a relationship that appears twice. Two releases differ in every id:
// [Document.Replace] each one's version by the same word before.
func Diff(a, b *Document) Delta {
	return Delta{
		Document:      diffEntries(a.entries(), b.entries()),
		Files:         diffEntries(entriesOf(a.Files, File.entry), entriesOf(b.Files, File.entry)),
		Packages:      diffEntries(entriesOf(a.Packages, Package.entry), entriesOf(b.Packages, Package.entry)),
		Relationships: diffEntries(unique(entriesOf(a.Relationships, Relationship.entry)), unique(entriesOf(b.Relationships, Relationship.entry))),
	}
}

// Replace returns a copy of d with every occurrence of old in names, ids and
// file names replaced; checksums stay.
func (d *Document) Replace(old, new string) *Document {
	r := strings.NewReplacer(old, new)
	c := *d
	c.Name, c.Namespace = r.Replace(d.Name), r.Replace(d.Namespace)
	c.External = slices.Clone(d.External)
	for i, e := range c.External {
		c.External[i].ID, c.External[i].URI = r.Replace(e.ID), r.Replace(e.URI)
	}
	c.Files = slices.Clone(d.Files)
	for i, f := range c.Files {
		c.Files[i].Name, c.Files[i].ID = r.Replace(f.Name), r.Replace(f.ID)
	}
	c.Packages = slices.Clone(d.Packages)
	for i, p := range c.Packages {
		p.Name, p.ID, p.FileName, p.Version = r.Replace(p.Name), r.Replace(p.ID), r.Replace(p.FileName), r.Replace(p.Version)
		c.Packages[i] = p
	}
	c.Relationships = slices.Clone(d.Relationships)
	for i, l := range c.Relationships {
		c.Relationships[i] = Relationship{From: r.Replace(l.From), Type: l.Type, To: r.Replace(l.To)}
	}
	return &c
}

// entry is one thing to compare: what it is called, and all it says.
type entry struct{ key, value string }

func entriesOf[T any](list []T, f func(T) entry) []entry {
	out := make([]entry, len(list))
	for i, e := range list {
		out[i] = f(e)
	}
	return out
}

func (d *Document) entries() []entry {
	out := []entry{
		{"SPDXVersion", d.SPDXVersion}, {"DocumentName", d.Name},
		{"DocumentNamespace", d.Namespace}, {"Created", d.Created},
	}
	for _, c := range d.Creators {
		out = append(out, entry{"Creator", c})
	}
	for _, e := range d.External {
		out = append(out, entry{"ExternalDocumentRef " + e.ID, e.URI + " " + e.Checksum})
	}
	return out
}

func (f File) entry() entry {
	return entry{f.Name, join(f.ID, f.SHA1, f.SHA256, f.SHA512)}
}

func (p Package) entry() entry {
	return entry{p.ID, join(p.Name, p.Version, p.FileName, p.SHA1, p.SHA256, p.SHA512)}
}

func (r Relationship) entry() entry {
	key := r.From + " " + r.Type + " " + r.To
	return entry{key, "present"}
}

// join shows what is there of an element's fields, one space between.
func join(fields ...string) string {
	return strings.Join(slices.DeleteFunc(fields, func(s string) bool { return s == "" }), " ")
}

func unique(list []entry) []entry {
	seen := make(map[entry]bool, len(list))
	return slices.DeleteFunc(list, func(e entry) bool {
		dup := seen[e]
		seen[e] = true
		return dup
	})
}

// diffEntries compares two lists as multisets, and pairs what is left under
// one key: a file whose hash changed is one change, not two.
func diffEntries(a, b []entry) []Change {
	count := make(map[entry]int, len(a))
	for _, e := range a {
		count[e]++
	}
	for _, e := range b {
		count[e]--
	}
	type sides struct{ old, new []string }
	left := map[string]*sides{}
	for e, n := range count {
		if n == 0 {
			continue
		}
		s := left[e.key]
		if s == nil {
			s = &sides{}
			left[e.key] = s
		}
		for ; n > 0; n-- {
			s.old = append(s.old, e.value)
		}
		for ; n < 0; n++ {
			s.new = append(s.new, e.value)
		}
	}
	var out []Change
	for _, key := range slices.SortedFunc(maps.Keys(left), cmp.Compare[string]) {
		s := left[key]
		slices.Sort(s.old)
		slices.Sort(s.new)
		for i := range max(len(s.old), len(s.new)) {
			c := Change{Subject: key}
			if i < len(s.old) {
				c.Old = s.old[i]
			}
			if i < len(s.new) {
				c.New = s.new[i]
			}
			out = append(out, c)
		}
	}
	return out
}
