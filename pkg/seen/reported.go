package seen

import (
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
)

// judgeReported judges digests of which there are no bytes: what a machine says
// that it runs, and not the machine (rule 27). Room is left for the results before them.
func (s *run) judgeReported(before []report.Result) {
	// Grown step by step, or copied to put others ahead of them, twice as many would be held.
	s.results = slices.Grow(s.results, len(s.groups)+len(s.inner)+len(before))
	for _, g := range s.groups {
		switch {
		case g.fault != "":
			s.emit(claim{seen: orElse(g.seen, orElse(string(g.digest()), placeOf(g)))}, g, unknown(report.Malformed, "%s", g.fault))
		case g.claim == nil && g.seen == "" && len(g.digests) > 0:
			s.nameless(g)
		case g.claim == nil:
			// judgeOthers has it
		case len(g.digests) > 0 || g.reported:
			s.emit(*g.claim, g, s.reported(*g.claim, g)...)
		case g.at.own:
			s.asTheyAre(g)
		default:
			s.fetched = append(s.fetched, *g.claim)
		}
	}
}

// asTheyAre reports an image that was named and not seen: what is served under
// that name now.
func (s *run) asTheyAre(g *group) {
	results := s.ofArchitecture(g)
	if t := s.tables[g.claim.key()]; t != nil {
		results = t.results()
	}
	if len(results) == 0 {
		s.emit(*g.claim, g, unknown(report.Incomplete, "it was not examined: nothing is known of what Kubernetes released under that name"))
	}
	for _, res := range results {
		res.Places, res.MorePlaces = g.places, g.more
		s.put(res)
	}
}

// ofArchitecture gives what was found out about the name of one architecture: its
// results have the image's name, and its own in SeenAs.
func (s *run) ofArchitecture(g *group) (out []report.Result) {
	if !s.isArch(g.claim.ref) {
		return nil
	}
	image, arch := s.policy.SplitArch(g.claim.ref.Repository)
	ref := g.claim.ref
	ref.Repository = image
	for _, res := range slices.Concat(s.ofArch[ref.String()], s.ofArch[g.claim.key()]) {
		_, at, _ := strings.Cut(res.Platform, "/")
		of, _, _ := strings.Cut(at, "/")
		if res.Kind == report.KindImage && (res.Platform == "" || of == arch) {
			out = append(out, res)
		}
	}
	return out
}

// results are those that were found out about the image itself.
func (t *table) results() []report.Result {
	var out []report.Result
	if t.index.Subject != "" { // a name of one architecture has no index
		out = append(out, *t.index)
	}
	for _, g := range t.platforms {
		if g.result.Platform != "" {
			out = append(out, g.result)
		}
	}
	return out
}

// reported judges digests of one image that stand under a name of ours: one that is
// another's contradicts. One that the table has is enough, unless what is reported
// beside it, as the id of the very bytes that run, is none of a table that is whole.
func (s *run) reported(c claim, g *group) []finding {
	if len(g.digests) == 0 {
		return []finding{unknown(report.Absent, "the list gives no digest: the container waits, or its image was imported without one")}
	}
	var in []hit
	var strange, beyond oci.Digest
	for i, d := range g.toldDigests() {
		here := s.within(c, d)
		if i < len(g.digests) {
			in = append(in, here...)
		}
		if len(here) > 0 || i == 0 && g.bare {
			continue
		}
		if a, ok := s.elsewhere(c, d); ok {
			f := contradicted(a, "%s is %s, under the name %s", d.Short(), a.name, c.label())
			f.digest, f.role = d, g.role
			return []finding{f}
		}
		switch {
		case i >= len(g.digests) && s.beyond[d]:
			beyond = d
		case i > 0 && i < len(g.digests):
			strange = d
		}
	}
	f := s.unpublished(c, g)
	switch {
	case len(in) > 0 && strange != "" && in[0].table.whole:
		f = unknown(report.NoClaim, "%s is the genuine one, and %s beside it is none of that image: one image cannot be both", s.digestOf(in[0]).Short(), strange.Short())
	case len(in) > 0 && beyond != "":
		f = unasked(beyond)
	case len(in) > 0:
		return s.known(c, in[0])
	}
	f.digest, f.role = g.digest(), g.role
	return []finding{f}
}

// unasked is the finding of a digest in a name that may be of another image.
func unasked(d oci.Digest) finding {
	return unknown(report.Limit, "%s, in its name, is none of that image, and more than %d such digests were listed, so that this one was not looked up by itself; give fewer at a time", d.Short(), maxLate)
}

// unpublished is the finding of digests that no table has. Where the table was not read, or
// the digest not looked up, nothing is known of what Kubernetes published.
func (s *run) unpublished(c claim, g *group) finding {
	t := s.tables[c.key()]
	switch {
	case t == nil || len(t.platforms) == 0:
		return unknown(report.NoClaim, "no release is known to have an image of the name %s", c.label())
	case slices.ContainsFunc(g.digests, func(d oci.Digest) bool { return s.beyond[d] }):
		return unknown(report.Limit, "it is none of %s, and more than %d such digests were listed, so that this one was not looked up by itself; give fewer at a time", t.ref, maxLate)
	case slices.ContainsFunc(t.platforms, func(p *genuine) bool { return p.err != nil }):
		return unknown(report.Incomplete, "not all of %s could be read, so that what is not found there says nothing", t.ref)
	}
	return unknown(report.NoClaim, "Kubernetes never published %s under that name; a mirror that was filled by docker push changes every digest, so that only the bytes can tell: kverify verify %s", g.digest().Short(), c.seen)
}

// known gives the findings of a digest that a table has. An index stands with
// its platforms, since a machine runs one of them.
func (s *run) known(c claim, h hit) (out []finding) {
	s.remark("digests as reported, and not the machines that reported them")
	say := func(role sight.Role) string {
		return "as reported: its " + role.String() + " is the genuine one" + h.form.words()
	}
	if h.role != sight.Index || h.of != nil {
		return []finding{{verdict: report.Verified, of: h.of, role: h.role, form: h.form, digest: s.digestOf(h), detail: say(h.role)}}
	}
	out = append(out, finding{verdict: report.Verified, index: h.table, role: sight.Index, form: h.form, digest: s.digestOf(h), detail: say(sight.Index)})
	for _, g := range h.table.platforms {
		if g.result.Platform != "" && !s.leaves(g.result.Platform, true) && c.allows(g.at()) {
			out = append(out, finding{verdict: report.Verified, of: g, role: sight.Manifest, digest: oci.Digest(g.result.Digest), detail: "as reported: the genuine index names it"})
		}
	}
	return out
}

func (s *run) digestOf(h hit) oci.Digest {
	switch {
	case h.form != nil:
		return h.form.Digest
	case h.of == nil:
		return oci.Digest(h.table.index.Digest)
	case h.role == sight.Config:
		return h.of.image.Config.Digest
	default:
		return oci.Digest(h.of.result.Digest)
	}
}

// nameless judges digests that stand alone. Those of one image must all be in its table.
func (s *run) nameless(g *group) {
	for _, d := range g.digests {
		for _, h := range s.hits[d] {
			c := claim{seen: h.table.ref.String(), ref: h.table.ref}
			s.emit(c, g, s.reported(c, g)...)
			return
		}
	}
	f := unknown(report.NoClaim, "no release that kverify knows names this digest; name the release with --release VERSION. A config's digest (an image id) cannot be looked up: give the image's name")
	f.digest, f.role = g.digest(), g.role
	s.emit(claim{seen: string(g.digest())}, g, f)
}

// judgeOthers counts what is not Kubernetes', and says what only looks like it.
func (s *run) judgeOthers() {
	for _, g := range s.groups {
		if g.claim != nil || g.seen == "" || g.fault != "" {
			continue
		}
		known := slices.ContainsFunc(g.digests, func(d oci.Digest) bool { return len(s.hits[d]) > 0 })
		s.other(g, claim{seen: g.seen}, g.at, known, finding{digest: g.digest(), role: g.role})
	}
}

// other is what became of an image that no name of ours points at. known says
// that something of it is in a table: then it is a copy, under a name that no --as maps.
func (s *run) other(g *group, c claim, at standing, known bool, f finding) {
	say := func(format string, args ...any) {
		v := unknown(report.NoClaim, format, args...)
		f.verdict, f.reason, f.detail = v.verdict, v.reason, v.detail
		s.emit(c, g, f)
	}
	switch {
	case at.kind == sight.Alike:
		say("it has the name of an image of Kubernetes, at a place that is not ours; if it is a copy: --as %s", s.judge.Names.Advice(c.seen))
	case known:
		say("it is an image of Kubernetes, under a name that says another thing; if it is a copy, say so with --as FROM=TO")
	case s.judge.Strict:
		say("it is no image of Kubernetes, and --strict lets no other pass")
	default:
		key := orElse(string(f.digest), c.seen)
		if s.counted[key] {
			return
		}
		s.counted[key] = true
		if at.kind == sight.Vendor {
			s.vendors++
		}
		s.others = append(s.others, c.seen)
	}
}
