package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// manyStories is how many subjects have a story where all are verified and none is named.
const manyStories = 8

// A NoSubjectError says that a report has nothing under a name.
type NoSubjectError struct {
	Subject string
	Known   []string // what it has
}

func (e *NoSubjectError) Error() string {
	some, more := e.Known, ""
	if len(some) > 12 {
		some, more = some[:12], fmt.Sprintf(" and %d more", len(e.Known)-12)
	}
	return fmt.Sprintf("the report has no subject %q; it has %s%s%s", e.Subject, strings.Join(some, ", "), more, guess.DidYouMean(e.Subject, e.Known))
}

// Story tells, for one subject of the report, in words that need no other
// knowledge, what was proved and by whose word, or what is wrong and what to do.
// The subject is named as the report names it, or by less of it: "kube-proxy",
// "kube-proxy:v1.27.2", a digest, the end of a path; or as a table calls it: "the SBOM". The last line is the
// subject's own verdict, that of [Subject]. A name that fits nothing is a [*NoSubjectError].
func Story(w io.Writer, r report.Report, subject string, o Options) error {
	own, err := Subject(r, subject)
	if err != nil {
		return err
	}
	t := newTable(o)
	for _, g := range subjects(own.Results) {
		t.story(r, g)
	}
	t.Last(t.verdict(own, troubles(own)))
	_, err = t.WriteTo(w)
	return err
}

// Subject is the part of a report that is of one subject, named as [Story] takes it, with
// the verdict of that part. It stays interrupted if the report is. A name that fits nothing
// is a [*NoSubjectError].
func Subject(r report.Report, subject string) (report.Report, error) {
	var known, titles []string
	var results []report.Result
	n := namingOf(r)
	for _, g := range subjects(r.Results) {
		known = append(known, g.title)
		if !g.named(n, subject) {
			continue
		}
		titles = append(titles, g.title)
		for _, r := range g.rows {
			results = append(results, *r.Result)
		}
	}
	if len(results) == 0 {
		return report.Report{}, &NoSubjectError{subject, known}
	}
	r.Results, r.Accepted = results, nil
	r.Scope.Subjects, r.Scope.Names, r.Scope.Platforms = titles, nil, nil
	r.Scope.Absent, r.Scope.Others, r.Scope.Vendors, r.Scope.Remarks = nil, nil, 0, nil
	return r, nil
}

// subjects sorts all results under what they are of: an image's platforms under
// the image, everything else alone.
func subjects(results []report.Result) []group {
	images := groups(results)
	var out []group
	for _, res := range each(results) {
		if res.Kind != kindImage {
			out = append(out, group{title: res.Subject, rows: []row{{label: res.Subject, Result: res}}})
		}
	}
	return append(out, images...)
}

// named says whether a person means the group: by a name that the report has, or by less of it, or
// by what n calls it.
func (g group) named(n naming, subject string) bool {
	subject = strings.TrimSpace(subject)
	if subject == "" {
		return false
	}
	for _, r := range g.rows {
		if shown, _ := n.name(r.Result); shown == subject {
			return true
		}
		for _, name := range append([]string{g.title, r.Subject, r.Digest}, r.SeenAs...) {
			plain, _, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
			if name == subject || plain == subject || strings.HasSuffix(name, "/"+subject) {
				return true
			}
		}
	}
	return false
}

// stories tells of the subjects that [Options.Explain] names. Where it names none, and nothing is
// wrong, it tells of all, if they are few.
func (t *table) stories(w io.Writer, r report.Report) {
	list, n := subjects(r.Results), namingOf(r)
	shown := map[string]bool{}
	tell := func(g group) {
		if !shown[g.title] {
			shown[g.title] = true
			t.story(r, g)
			t.Spill(w)
		}
	}
	for _, name := range t.options.Explain {
		found := false
		for _, g := range list {
			if name == "" && verdictOf(g) != report.Verified || g.named(n, name) {
				found = true
				tell(g)
			}
		}
		switch {
		case found:
		case name == "" && len(list) <= manyStories:
			for _, g := range list {
				tell(g)
			}
		case name != "":
			var all []*report.Result
			for _, res := range each(r.Results) {
				all = append(all, res)
			}
			var known []string
			for _, it := range n.items(all) {
				known = append(known, it.name)
			}
			t.hang("", "  ", (&NoSubjectError{name, known}).Error())
			t.Line("")
		}
	}
}

func (t *table) story(rep report.Report, g group) {
	head := g.rows[0]
	v := verdictOf(g)
	t.Line(t.Paint(terminal.Bold, terminal.Escape(g.title)) + "  " + t.Paint(terminal.Bold+styleOf(v), v.String()))
	t.prose(what(head.Result))
	t.failures(g)
	shown := map[string]bool{}
	for _, r := range g.rows {
		for _, i := range r.Incidents {
			if !shown[i.ID] {
				t.heading("A known incident: " + i.Title)
				t.prose(i.Explains + " " + i.Advice)
				t.prose("Its id is " + i.ID + ", more is at " + i.Link + ". It explains, and changes no verdict.")
			}
			shown[i.ID] = true
		}
	}
	if isOther(head.Result) {
		t.genuine(head.Result)
	} else {
		for _, c := range head.Checks {
			if c.Verdict == report.Verified {
				t.proved(head.Result, c)
			}
		}
	}
	t.platforms(g)
	for _, n := range head.Notes {
		t.heading("Note")
		t.prose(n)
	}
	t.heading("Judged by")
	t.prose(judge("the policy", rep.Policy) + "; " + judge("the trusted root", rep.TrustedRoot) + ". With these two and the same bytes anybody gets the same verdict.")
	t.Line("")
}

func judge(name string, s report.Source) string {
	whose := "the one built in"
	if !s.Embedded {
		whose = "read from " + cmp.Or(s.Path, "elsewhere")
	}
	return fmt.Sprintf("%s %s (%s)", name, terminal.Short(s.Digest), whose)
}

func verdictOf(g group) report.Verdict {
	v := report.Verified
	for _, r := range g.rows {
		switch r.Verdict() {
		case report.Refuted:
			return report.Refuted
		case report.Unknown:
			v = report.Unknown
		}
	}
	return v
}

// what says what kind of thing a subject is.
func what(r *report.Result) string {
	as := ""
	if r.Release != "" && r.Release != r.Subject {
		as = ", held to be of " + r.Release
	}
	digest := cmp.Or(r.Digest, "of which no bytes could be read")
	switch {
	case r.Kind == kindImage && r.Digest == "" && isCopy(r):
		return "What was seen under this name, of which no digest could be read."
	case isOther(r):
		return "What was seen under this name: " + digest + "."
	case r.Kind == kindImage && r.Platform == "":
		return "An image" + as + ": the index " + digest + ". An index is the list that names one image for each platform; whoever pins this digest pins them all."
	case r.Kind == kindImage:
		return "The image of one platform, " + r.Platform + as + ": " + digest + "."
	case r.Kind == "file":
		return "A file" + as + ": " + digest + "."
	case r.Kind == "document":
		return "A document that speaks of the release" + as + ": " + digest + "."
	case r.Kind == "release":
		return "The release as a whole: whether everything that it must hold is there."
	}
	return cmp.Or(r.Digest, r.Subject) + as + "."
}

// proved tells of a check that holds.
func (t *table) proved(r *report.Result, c report.Check) {
	switch c.Name {
	case report.Inventory:
		t.heading("Is anything missing?")
		t.prose("No: " + cmp.Or(c.Detail, "nothing") + ". What must be there is the union of several lists, so that none of them can hide anything.")
		t.claims(c)
	case report.Digest:
		t.heading("Are these the bytes?")
		t.prose("Yes: " + cmp.Or(c.Detail, "they hash to the digest") + ".")
		t.claims(c)
	case report.Copy:
		t.heading("Is what was seen this image?")
		t.prose("Yes: " + cmp.Or(c.Detail, "it is") + ". Everything below is of the image that Kubernetes released.")
		t.seenAt(c)
	case report.Signature, report.Staging:
		t.heading(map[string]string{report.Signature: "Who signed it, and when?", report.Staging: "Who signed it when it was built?"}[c.Name])
		t.signature(c)
	case report.Reference:
		t.heading("Did the signer mean this image?")
		t.prose(reference(c))
	case report.Binding:
		t.heading("Why is it " + cmp.Or(r.Release, "what it is said to be") + ", and not another release?")
		t.prose("A signature says who, and not which version: an older image is signed as well. What ties this one: " + c.Detail + ".")
		t.claims(c)
	case report.Anchor:
		t.heading("Is the SBOM that names it of the real release?")
		t.prose("Who signs files signs test releases too, and cannot sign images: " + c.Detail + ".")
		t.claims(c)
	case report.Contents:
		t.heading("Is the right program inside?")
		t.prose("Yes: " + c.Detail + ".")
		t.claims(c)
	default:
		t.heading("On request: " + c.Name)
		t.prose(cmp.Or(c.Detail, "it holds") + ".")
	}
}

func (t *table) signature(c report.Check) {
	for _, e := range c.Evidence.All() {
		f := e.Fields
		if f["identity"] == "" {
			continue
		}
		t.prose(fmt.Sprintf("%s signed it. That this account did so is what %s confirmed when it let it log in; the certificate says both.", f["identity"], cmp.Or(f["issuer"], "the issuer")))
		if f["rule"] != "" {
			t.prose(fmt.Sprintf("The policy demands exactly this identity, under the name %q. No pattern, no other account.", f["rule"]))
		}
		when := cmp.Or(f["integratedTime"], f["time"])
		if f["logIndex"] != "" {
			t.prose(fmt.Sprintf("The signature is entry %s of a transparency log, a public list to which entries can only be added (log %.16s...). The log confirmed the time, %s: the certificate was valid then, and it lives for ten minutes only.",
				f["logIndex"], f["logID"], cmp.Or(when, "unknown")))
		} else if when != "" {
			t.prose("The time is proved: " + when + ".")
		}
		where := "Where it was found: " + e.Source
		if f[report.FieldKept] != "" {
			where += ", in an earlier run: it was kept " + f[report.FieldKept] + ", and the registry was not asked for it again; --no-cache asks"
		}
		t.prose(where)
		return
	}
	t.prose(cmp.Or(c.Detail, "a signature that the policy demands") + ".")
}

func reference(c report.Check) string {
	for _, e := range c.Evidence.All() {
		if name := e.Fields["docker-reference"]; name != "" {
			return fmt.Sprintf("Yes: the signature itself says %q. That name, the docker-reference, was written in by the signer, so that kube-proxy cannot be served as kube-scheduler. It is one of the exact names that the policy allows for this image.", name)
		}
	}
	return "Yes: " + cmp.Or(c.Detail, "the name that the signer wrote into the signature is one of this image's") + "."
}

// platforms tells of the rows below an index in one line each.
func (t *table) platforms(g group) {
	if len(g.rows) < 2 {
		return
	}
	t.heading("Its platforms")
	for _, r := range g.rows[1:] {
		signature, _ := r.Check(report.Signature)
		binding, _ := r.Check(report.Binding)
		facts := []string{r.label + " is " + r.Verdict().String() + ", " + cmp.Or(r.Digest, "not there")}
		for _, d := range []string{signature.Detail, binding.Detail} {
			if d != "" && r.Verdict() == report.Verified {
				facts = append(facts, d)
			}
		}
		t.item(strings.Join(facts, "; "))
	}
}

// failures tells of every check that does not hold, once for all rows whose check fails
// alike. What fails only because a signature is missing is not repeated.
func (t *table) failures(g group) {
	type found struct {
		detail string
		rows   []string
	}
	type failure struct {
		report.Check
		rows  []string
		found []found
	}
	var list []failure
	for _, r := range g.rows {
		signature, _ := r.Check(report.Signature)
		for _, c := range r.Checks {
			if c.Verdict == report.Verified || !c.Required || c.Name == report.Reference && c.Verdict == report.Unknown && signature.Verdict != report.Verified {
				continue
			}
			i := slices.IndexFunc(list, func(f failure) bool {
				return f.Name == c.Name && f.Verdict == c.Verdict && f.Reason == c.Reason
			})
			if i < 0 {
				i = len(list)
				list = append(list, failure{Check: c})
			}
			f := &list[i]
			f.rows = append(f.rows, r.label)
			j := slices.IndexFunc(f.found, func(w found) bool { return w.detail == c.Detail })
			if j < 0 {
				j = len(f.found)
				f.found = append(f.found, found{detail: c.Detail})
			}
			f.found[j].rows = append(f.found[j].rows, r.label)
		}
	}
	slices.SortStableFunc(list, func(a, b failure) int { return int(b.Verdict) - int(a.Verdict) }) // refuted first
	for i, f := range list {
		of := ""
		if len(g.rows) > 1 {
			of = " of " + strings.Join(f.rows, ", ")
		}
		mark := "What could not be told: the "
		if f.Verdict == report.Refuted {
			mark = "What is wrong: the "
		}
		t.heading(mark + f.Name + of)
		if want := expected[f.Name]; want != "" {
			t.prose("Expected: " + want + ".")
		}
		for _, w := range f.found {
			of := ""
			if len(f.found) > 1 {
				of = ", of " + strings.Join(w.rows, ", ")
			}
			t.prose("Found" + of + ": " + strings.TrimSuffix(sentence(report.Check{Detail: w.detail}), ".") + ".")
		}
		if m := meanings[f.Reason]; m != "" {
			t.prose(fmt.Sprintf("That means (%s): %s", f.Reason, m))
		}
		t.seenAt(f.Check)
		t.claims(f.Check)
		if i+1 < len(list) && advice(list[i+1].Check) == advice(f.Check) {
			continue // the next says it
		}
		t.prose("What to do: " + advice(f.Check))
	}
}
