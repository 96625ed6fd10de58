// Package seen judges what others hold: digests that a list or a cluster
// reports, copies that other tools wrote into archives, layouts and private
// registries. Those are not signed. It verifies the image that Kubernetes released
// once, by the path that every image takes, and holds what was seen against the
// digests that its signed index leads to. The rules are 27 to 31 of docs/trust.md.
package seen

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sight"
	"github.com/kverify/kverify/pkg/verify"
)

// Judge gives one report of everything. The error is a [*verify.UsageError], or
// what a list yielded.
func (j *Judge) Judge(ctx context.Context, in Input) (report.Report, error) {
	if j.Verifier == nil {
		return report.Report{}, errors.New("seen: this judge was given no Verifier")
	}
	s := newRun(j)
	for _, l := range in.Lists {
		empty := true
		for one, err := range l {
			empty = false
			var broken *sight.ListError
			if errors.As(err, &broken) && !broken.NotAList { // what came before it counts
				s.group(thing{seen: broken.Source, fault: err.Error()}, report.Place{Source: broken.Source, Line: broken.Line})
				break
			}
			if err != nil {
				return report.Report{}, err
			}
			s.sighted(one)
		}
		if empty { // as a namespace without pods gives, and a command that failed
			s.remark("a list names nothing")
		}
	}
	for _, v := range in.Releases {
		s.version(v.String())
	}
	for _, ref := range in.Refs {
		s.addName(ref)
	}
	for _, digest := range in.Digests {
		s.group(thing{digests: []oci.Digest{digest}}, report.Place{})
	}
	for _, c := range in.Copies {
		s.contained(c)
	}
	s.byKey = nil // nothing is taken in any more
	s.identify(ctx)
	rep, err := s.examine(ctx)
	if err != nil {
		return report.Report{}, err
	}
	late, err := s.examineLate(ctx)
	if err != nil {
		return report.Report{}, err
	}
	rep.Interrupted = rep.Interrupted || late.Interrupted
	rep = joined(rep, in.Before)
	s.asked = nil // nothing is asked for any more
	s.judgeReported(in.Before.Results)
	s.judgeFetched(ctx)
	s.judgeContainers(ctx)
	if err := s.packaged(ctx, in.Packages); err != nil {
		return report.Report{}, err
	}
	s.judgeOthers()
	return s.report(ctx, rep, in)
}

// sighted takes one sighting in: each of its names that is ours is a claim of its own.
func (s *run) sighted(one sight.Sighting) {
	names := slices.DeleteFunc(append([]string{one.Name}, one.Others...), func(n string) bool { return n == "" })
	t := thing{bare: one.Bare, role: one.Role, reported: one.Reported, fault: one.Fault, also: names}
	if one.Digest != "" {
		t.digests = append([]oci.Digest{one.Digest}, one.Also...)
	}
	if len(names) == 0 && len(t.digests) == 0 && one.Version != "" {
		s.version(one.Version)
		return
	}
	if s.claimed(t, one.Place, names) {
		return
	}
	if len(names) == 0 && len(t.digests) == 0 && t.fault == "" {
		t.fault = "it has neither a name nor a digest, so that nothing says what it is"
	}
	for i, name := range names { // what points at us counts, wherever it stands
		if at, _ := s.classify(name); i == 0 || at.kind == sight.Alike && t.at.kind != sight.Alike {
			t.at, t.seen = at, name
		}
	}
	s.group(t, one.Place)
}

// claimed takes a thing in by each of its names that is ours, and says whether one is.
// A name that has a digest alone, beside one of the same image with a tag, is no claim of its
// own: its digest is one more that stands in that name.
func (s *run) claimed(t thing, place report.Place, names []string) (any bool) {
	type ownName struct {
		at  standing
		ref registry.Ref
		own claim
	}
	ours := make([]ownName, 0, len(names))
	var tagged []string               // images that have a tag
	var alone map[string][]oci.Digest // in names without one, by image
	for _, name := range names {
		at, ref := s.classify(name)
		if at.kind != sight.Ours {
			continue
		}
		n := ownName{at, ref, s.claimOf(name, ref)}
		ours = append(ours, n)
		if ref.Tag != "" {
			tagged = append(tagged, n.own.ref.Repository)
			continue
		}
		if alone == nil {
			alone = map[string][]oci.Digest{}
		}
		alone[n.own.ref.Repository] = append(alone[n.own.ref.Repository], ref.Digest)
	}
	var taken []string
	for _, n := range ours {
		own, c := t, n.own
		inName := []oci.Digest{n.ref.Digest}
		if n.ref.Tag != "" {
			inName = append(inName, alone[c.ref.Repository]...)
		} else if slices.Contains(tagged, c.ref.Repository) {
			continue
		}
		own.write(inName)
		if n.at.own && len(own.digests) == 0 && !own.reported {
			c = claim{seen: c.seen, ref: n.ref} // as it is: the ordinary path judges it
		}
		key := strings.Join([]string{c.key(), c.platform, joinDigests(own.written)}, " ")
		if slices.Contains(taken, key) { // another spelling of the same claim: one place counts once
			continue
		}
		taken = append(taken, key)
		own.seen, own.claim, own.at = c.seen, &c, n.at
		s.group(own, place)
	}
	return len(ours) > 0
}

// addName takes in a name that is to be fetched.
func (s *run) addName(ref registry.Ref) {
	name := ref.String()
	at, ours := s.classify(name)
	t := thing{seen: name, at: at}
	if ref.Digest != "" {
		t.digests = []oci.Digest{ref.Digest}
	}
	switch {
	case at.kind != sight.Ours:
		s.group(t, report.Place{Source: name})
	case at.own:
		t.claim, t.digests = &claim{seen: name, ref: ours}, nil // as it is: the ordinary path judges it
		s.group(t, report.Place{})
	default:
		c := s.claimOf(name, ours)
		s.want(c.ref)
		s.fetched = append(s.fetched, c)
	}
}

// version takes in a release that is to be examined as a whole.
func (s *run) version(name string) {
	v, err := release.ParseVersion(name)
	switch {
	case err != nil:
		s.group(thing{seen: name, fault: err.Error()}, report.Place{})
	case !slices.Contains(s.whole, v):
		s.whole = append(s.whole, v)
	}
}

// examine verifies what Kubernetes released under every name that was claimed.
func (s *run) examine(ctx context.Context) (report.Report, error) {
	all, err := s.verifier.Compose(ctx, nil, nil, nil)
	if err == nil && len(s.whole) > 0 {
		var rep report.Report
		if rep, err = s.verifier.Images(ctx, verify.Request{Versions: s.whole}); err == nil {
			s.addReported(ctx, rep)
			all = joined(all, rep)
			for _, res := range rep.Results {
				if res.Kind == report.KindImage {
					s.put(res)
				}
			}
		}
	}
	if err == nil && len(s.alone) > 0 {
		var rep report.Report
		if rep, err = s.verifier.References(ctx, s.alone); err == nil {
			s.inside(rep.Results)
			s.ofArch = map[string][]report.Result{}
			for _, res := range rep.Results {
				s.ofArch[res.Subject] = append(s.ofArch[res.Subject], res)
			}
			all = joined(all, rep)
		}
	}
	if err == nil && len(s.wanted) > 0 {
		var rep report.Report
		if rep, err = s.verifier.References(ctx, s.wanted); err == nil {
			s.wanted = nil
			s.addReported(ctx, rep)
			all = joined(all, rep)
		}
	}
	return all, err
}

// joined is the scope of two examinations: what either left out or was kept from is
// left out of both.
func joined(a, b report.Report) report.Report {
	a.Scope.Checks = union(a.Scope.Checks, b.Scope.Checks)
	a.Scope.Omitted = union(a.Scope.Omitted, b.Scope.Omitted)
	a.Scope.Absent = union(a.Scope.Absent, b.Scope.Absent)
	a.Scope.Partial = a.Scope.Partial || b.Scope.Partial
	a.Interrupted = a.Interrupted || b.Interrupted
	return a
}

func union(a, b []string) []string {
	have := map[string]bool{}
	for _, one := range a {
		have[one] = true
	}
	for _, one := range b {
		if !have[one] {
			have[one] = true
			a = append(a, one)
		}
	}
	return a
}

func (s *run) addReported(ctx context.Context, rep report.Report) {
	for _, v := range rep.Releases {
		if !slices.Contains(s.releases, v) {
			s.releases = append(s.releases, v)
		}
	}
	s.inside(rep.Results)
	s.newTables(ctx, rep.Results)
}

// examineLate asks what a digest is that stands under a name of ours and is not in
// its table: the digest of another image or version contradicts the name.
func (s *run) examineLate(ctx context.Context) (rep report.Report, err error) {
	var strange []oci.Digest
	s.wanted = nil
	look := func(c claim, digests []oci.Digest) {
		for _, d := range digests {
			switch {
			case len(s.hits[d]) > 0 || slices.Contains(strange, d):
				continue
			case len(strange) == maxLate:
				s.beyond[d] = true
				continue
			}
			strange = append(strange, d)
			ref := c.ref
			ref.Tag, ref.Digest = "", d
			s.want(ref)
		}
	}
	for _, g := range s.groups {
		if g.claim != nil {
			look(*g.claim, g.toldDigests())
		}
	}
	for _, h := range s.containers {
		for _, one := range h.copies {
			for _, c := range one.claims {
				if c.pinned != "" {
					look(c, []oci.Digest{c.pinned})
				}
			}
		}
	}
	s.wantNamesOf(ctx, strange)
	if len(s.wanted) == 0 {
		return rep, nil
	}
	if rep, err = s.verifier.References(ctx, s.wanted); err == nil {
		s.addReported(ctx, rep)
	}
	return rep, err
}

func (s *run) report(ctx context.Context, rep report.Report, in Input) (report.Report, error) {
	// A document that both read is one result.
	inner := slices.DeleteFunc(s.inner, func(res report.Result) bool {
		return slices.ContainsFunc(in.Before.Results, func(o report.Result) bool { return o.Kind == res.Kind && o.Subject == res.Subject })
	})
	// A list may be long: what it was judged by is given up, and its results are moved in their place.
	s.groups, s.order, s.tables, s.hits, s.merged = nil, nil, nil, nil, nil
	s.results = slices.Insert(s.results, 0, slices.Concat(inner, in.Before.Results)...)
	out, err := s.verifier.Compose(ctx, in.Subjects, nil, s.results)
	if err != nil {
		return report.Report{}, err
	}
	for _, v := range append(in.Before.Releases, s.releases...) {
		if !slices.Contains(out.Releases, v) {
			out.Releases = append(out.Releases, v)
		}
	}
	out.Scope.Checks = withCopy(rep.Scope.Checks)
	out.Scope.Partial, out.Scope.Omitted, out.Scope.Absent = rep.Scope.Partial, rep.Scope.Omitted, rep.Scope.Absent
	out.Scope.Platforms = s.judge.Arches
	out.Scope.Others, out.Scope.Vendors, out.Scope.Remarks = s.others, s.vendors, s.remarks
	out.Interrupted = cmp.Or(out.Interrupted, rep.Interrupted)
	return out, nil
}

// withCopy puts the check copy into its place among those that were made.
func withCopy(checks []string) (out []string) {
	for _, name := range report.CheckNames {
		if name == report.Copy || slices.Contains(checks, name) {
			out = append(out, name)
		}
	}
	return out
}
