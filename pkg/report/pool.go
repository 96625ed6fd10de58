package report

import (
	"maps"
	"slices"
	"strings"
)

// pool keeps once what many results of a report say alike, and counts what they take.
type pool struct {
	cost     int64 // bytes that all results take, at most
	texts    map[string]string
	fields   map[string]map[string]string
	strength [Signed + 1]Strength
}

// maxPool is how many strings or sets of fields are remembered; then it begins anew.
const maxPool = 1 << 14

// What the values of a report take, in bytes on a machine of 64 bits; a list that grows
// takes a quarter more.
const (
	sizeResult   = 300
	sizeCheck    = 80
	sizeEvidence = 64
	sizeText     = 16
	sizePlace    = 50
	sizeIncident = 130
	sizeFields   = 48
	sizeField    = 40 // and a map of few has room for eight
)

func newPool() *pool {
	p := &pool{texts: map[string]string{}, fields: map[string]map[string]string{}}
	for i := range p.strength {
		p.strength[i] = Strength(i)
	}
	return p
}

// text is s, or the same text that was kept before.
func (p *pool) text(s string) string {
	if kept, ok := p.texts[s]; ok {
		return kept
	}
	p.cost += int64(len(s)) + 8
	if len(p.texts) >= maxPool {
		clear(p.texts)
	}
	p.texts[s] = s
	return s
}

func (p *pool) list(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	for i, s := range list {
		list[i] = p.text(s)
	}
	p.cost += int64(len(list)) * sizeText
	return slices.Clone(list) // as long as it is
}

// result is r, of which nothing is held twice.
func (p *pool) result(r Result) Result {
	p.cost += sizeResult
	r.Subject, r.Release, r.Platform, r.Digest = p.text(r.Subject), p.text(r.Release), p.text(r.Platform), p.text(r.Digest)
	r.Kind = Kind(p.text(string(r.Kind)))
	r.SeenAs, r.Notes = p.list(r.SeenAs), p.list(r.Notes)
	for i := range r.Places {
		place := &r.Places[i]
		p.cost += sizePlace
		place.Source, place.Entry = p.text(place.Source), p.text(place.Entry)
	}
	for i := range r.Incidents {
		in := &r.Incidents[i]
		p.cost += sizeIncident
		for _, s := range []*string{&in.ID, &in.Title, &in.Link, &in.Explains, &in.Advice} {
			*s = p.text(*s)
		}
		in.Checks = p.list(in.Checks)
	}
	for i := range r.Checks {
		p.check(&r.Checks[i])
	}
	r.Checks = slices.Clone(r.Checks)
	return r
}

func (p *pool) check(c *Check) {
	p.cost += sizeCheck
	c.Name, c.Reason, c.Detail = p.text(c.Name), Reason(p.text(string(c.Reason))), p.text(c.Detail)
	for i := range c.Evidence {
		e := &c.Evidence[i]
		p.cost += sizeEvidence
		e.What, e.Source, e.Digest = p.text(e.What), p.text(e.Source), p.text(e.Digest)
		if e.Strength != nil {
			e.Strength = &p.strength[*e.Strength]
		}
		e.Fields = p.same(e.Fields)
	}
	c.Evidence = slices.Clone(c.Evidence)
}

// same is the set of fields, or an equal one that was kept before. No caller writes to
// the fields of a report that was read.
func (p *pool) same(fields map[string]string) map[string]string {
	if len(fields) == 0 {
		return nil
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		b.WriteString(k + "\x00" + fields[k] + "\x00")
	}
	key := b.String()
	if kept, ok := p.fields[key]; ok {
		return kept
	}
	out := make(map[string]string, len(fields))
	for k, v := range fields {
		out[p.text(k)] = p.text(v)
	}
	p.cost += sizeFields + sizeField*int64(max(8, 2*len(fields)))
	if len(p.fields) >= maxPool {
		clear(p.fields)
	}
	p.fields[key] = out
	return out
}
