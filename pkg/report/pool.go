package report

import (
	"slices"
	"unique"
)

// pool keeps once what many results of a report say alike, and counts what they take.
type pool struct {
	cost  int64 // bytes that all results take, at most
	texts map[string]string
	forms map[unique.Handle[string]]bool // of evidence, that were counted
}

// maxPool is how many texts or forms are remembered; then it begins anew.
const maxPool = 1 << 14

// What the values of a report take, in bytes on a machine of 64 bits; a list that grows
// takes a quarter more.
const (
	sizeResult   = 300
	sizeCheck    = 80
	sizeText     = 16
	sizePlace    = 50
	sizeIncident = 130
	sizeForm     = 150 // and what keeps it once
)

func newPool() *pool {
	return &pool{texts: map[string]string{}, forms: map[unique.Handle[string]]bool{}}
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
	r.Places, r.Incidents = slices.Clone(r.Places), slices.Clone(r.Incidents)
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
	p.cost += int64(len(c.Evidence.parts)) + 8
	if c.Evidence.IsZero() {
		return
	}
	if form := c.Evidence.form; !p.forms[form] {
		p.cost += int64(len(form.Value())) + sizeForm
		if len(p.forms) >= maxPool {
			clear(p.forms)
		}
		p.forms[form] = true
	}
}
