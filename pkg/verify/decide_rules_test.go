package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// summaries are signed statements about one digest of kube-proxy, by what is in them.
func summaries(t testing.TB, s *world.Sigstore, digest oci.Digest) map[string]*sigstore.Bundle {
	t.Helper()
	const ours = "registry.k8s.io/kube-proxy"
	by := func(identity string) world.Signing { return world.Signing{Identity: identity} }
	forged, stranger := by(world.Summaries), by(world.Summaries)
	forged.NoSCT, stranger.CA = true, world.NewSigstore("a stranger")
	type object = map[string]any
	summary := func(result string) any {
		return world.Summary(world.SummaryVerifier, result, "", "SLSA_BUILD_LEVEL_3")
	}
	other := string(hashOf("9"))
	unreadable := object{"verifier": object{"id": world.SummaryVerifier}, "verificationResult": 1}
	out := map[string]*sigstore.Bundle{}
	for name, b := range map[string]struct {
		typ       string
		predicate any
		how       world.Signing
		subjects  []string
	}{
		"passed":            {world.PredicateSummary, summary("PASSED"), by(world.Summaries), nil},
		"failed":            {world.PredicateSummary, summary("FAILED"), by(world.Summaries), nil},
		"neither":           {world.PredicateSummary, summary("MAYBE"), by(world.Summaries), nil},
		"unreadable":        {world.PredicateSummary, unreadable, by(world.Summaries), nil},
		"by another":        {world.PredicateSummary, world.Summary("https://example.com/v", "PASSED", "", "SLSA_BUILD_LEVEL_3"), by(world.Summaries), nil},
		"forged":            {world.PredicateSummary, summary("PASSED"), forged, nil},
		"stranger's":        {world.PredicateSummary, summary("PASSED"), stranger, nil},
		"stranger's failed": {world.PredicateSummary, summary("FAILED"), stranger, nil},
		"stranger's odd":    {world.PredicateSummary, summary("MAYBE"), stranger, nil},
		"krel-trust's":      {world.PredicateSummary, summary("PASSED"), by(world.KrelTrust), nil},
		"staging's failed":  {world.PredicateSummary, summary("FAILED"), by(world.KrelStage), nil},
		"promotion":         {world.PredicatePromotion, object{}, by(world.KrelTrust), nil},
		"of another image":  {world.PredicateSummary, summary("PASSED"), by(world.Summaries), []string{ours, other}},
		"under a name":      {world.PredicateSummary, summary("PASSED"), by(world.Summaries), []string{"registry.k8s.io/kube-scheduler", string(digest)}},
		"of both":           {world.PredicateSummary, summary("PASSED"), by(world.Summaries), []string{"registry.k8s.io/kube-scheduler", other, ours, string(digest)}},
	} {
		if b.subjects == nil {
			b.subjects = []string{ours, string(digest)}
		}
		bundle, err := sigstore.ParseBundle(s.Attest(world.Statement(b.typ, b.predicate, b.subjects...), b.how).Bundle("0.3"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = bundle
	}
	return out
}

// absentError is an answer that says of itself that there is nothing.
type absentError struct{ error }

func (absentError) Classify() (report.Verdict, report.Reason) { return report.Unknown, report.Absent }

// Rule 14: one statement that satisfies the policy is enough, unless another says that the image
// failed, or might say so: one that could not be read, or lies behind what is read.
func TestWhatStatementsDecide(t *testing.T) {
	s := world.NewSigstore("decides")
	root, err := trust.ParseRoot(s.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	r := runOf(t)
	r.session.Root = root
	digest := hashOf("1")
	known := summaries(t, s, digest)
	notThere, outage := &fetch.Error{Kind: fetch.NotFound, URL: "there", Status: 404}, &fetch.Error{Kind: fetch.Unreachable, URL: "there"}
	ofClass := trust.EmbeddedPolicy().Attestations[report.VSA].PredicateTypes[0]
	type seen = attestations
	const (
		passed    = "verified: by promoter-summaries, logged"
		failed    = "refuted mismatch: by promoter-summaries, logged"
		nothing   = "unknown absent: not available for this image"
		noAnswer  = "unknown unreachable: the registry does not answer what refers to this image, which does not mean that nothing does"
		mightFail = "unknown malformed: one passed, and another that is listed as of this class cannot be read as a bundle"
		forged    = "refuted forged: an attestation that claims to be by promoter-summaries does not verify"
		old       = "unknown untrusted: signed under"
	)
	for _, tt := range []struct {
		name  string
		these string // statements, by name, "+" between them
		a     seen
		want  string
	}{
		{"none", "", seen{lists: 1}, nothing},
		{"one", "passed", seen{lists: 1}, passed},
		{"two", "passed+passed", seen{lists: 1}, passed},
		{"of several images", "of both", seen{lists: 1}, passed},
		{"of another class", "promotion", seen{lists: 1}, nothing},
		{"of another class before it", "promotion+passed", seen{lists: 1}, passed},
		{"by somebody else", "krel-trust's", seen{lists: 1}, "unknown untrusted: none by promoter-summaries; there is one by \"krel-trust@"},
		{"by somebody else before it", "krel-trust's+passed", seen{lists: 1}, passed},
		{"FAILED by somebody else", "staging's failed+passed", seen{lists: 1}, passed},
		{"failed", "failed", seen{lists: 1}, failed},
		{"failed after it", "passed+failed", seen{lists: 1}, failed},
		{"failed before it", "failed+passed", seen{lists: 1}, failed},
		{"failed after one that counts for nothing", "neither+failed+passed", seen{lists: 1}, failed},
		{"failed before one that counts for nothing", "failed+neither", seen{lists: 1}, failed},
		{"failed, before a forged one", "failed+forged", seen{lists: 1}, failed},
		{"forged", "forged", seen{lists: 1}, forged},
		{"forged, before failed", "forged+failed", seen{lists: 1}, forged},
		{"forged beside it", "passed+forged", seen{lists: 1}, forged},
		{"of another image", "passed+of another image", seen{lists: 1}, "refuted mismatch: the statement is about \"registry.k8s.io/kube-proxy\", not about this image"},
		{"under another name", "under a name", seen{lists: 1}, "refuted mismatch: it speaks of \"registry.k8s.io/kube-scheduler\", which is not a name of kube-proxy"},
		{"by a stranger", "stranger's", seen{lists: 1}, old},
		{"by a stranger beside it", "stranger's+passed", seen{lists: 1}, passed},
		{"failed by a stranger", "stranger's failed", seen{lists: 1}, old},
		{"failed by a stranger beside it", "passed+stranger's failed", seen{lists: 1}, "unknown untrusted: one passed, and another might say otherwise: signed under"},
		{"odd, by a stranger beside it", "stranger's odd+passed", seen{lists: 1}, "unknown untrusted: one passed, and another might say otherwise: signed under"},
		{"neither beside it", "neither+passed", seen{lists: 1}, "unknown malformed: one passed, and another might say otherwise: by promoter-summaries"},
		{"unreadable beside it", "passed+unreadable", seen{lists: 1}, "unknown malformed: one passed, and another might say otherwise: its predicate cannot be read"},
		{"unreadable", "unreadable", seen{lists: 1}, "unknown malformed: its predicate cannot be read"},
		{"by another verifier beside it", "by another+passed", seen{lists: 1}, passed},
		{"by another verifier", "by another", seen{lists: 1}, "unknown untrusted: by promoter-summaries"},

		{"no list", "", seen{err: notThere}, noAnswer},
		{"no list, and nobody knows why", "", seen{err: outage}, "unknown unreachable: "},
		{"no list, by its own word", "", seen{err: absentError{errors.New("it is empty")}}, "unknown absent: it is empty"},
		{"no list, though there is one", "passed", seen{err: notThere}, noAnswer},
		{"one of two lists", "passed", seen{lists: 1, err: notThere}, passed},
		{"one of two lists, an outage", "passed", seen{lists: 1, err: outage}, "unknown unreachable: "},
		{"one of two lists, and none", "", seen{lists: 1, err: notThere}, noAnswer},
		{"one of two lists, an outage, and none", "promotion", seen{lists: 1, err: outage}, "unknown unreachable: "},
		{"one of two lists, an outage, and failed", "failed", seen{lists: 1, err: outage}, failed},
		{"one of two lists, an outage, and neither", "neither", seen{lists: 1, err: outage}, "unknown malformed: by promoter-summaries"},

		{"one unread", "", seen{lists: 1, unread: []error{outage}}, "unknown unreachable: "},
		{"one that was listed and is not there", "", seen{lists: 1, unread: []error{notThere}}, "unknown unreachable: "},
		{"one unread beside it", "passed", seen{lists: 1, unread: []error{notThere}}, "unknown unreachable: one passed, and another that is listed could not be read, which might say otherwise: "},
		{"one unread that is other bytes", "passed", seen{lists: 1, unread: []error{errors.Join(&sigstore.MismatchError{})}}, "refuted mismatch: "},
		{"one unread beside failed", "failed", seen{lists: 1, unread: []error{outage}}, failed},
		{"one unread beside neither", "neither", seen{lists: 1, unread: []error{outage}}, "unknown malformed: by promoter-summaries"},
		{"one unread beside somebody's", "krel-trust's", seen{lists: 1, unread: []error{outage}}, "unknown untrusted: none by"},
		{"a broken one", "", seen{lists: 1, listed: 3, broken: []string{"x"}}, "unknown malformed: 1 of the 3 referrers of this image cannot be read as bundles"},
		{"a broken one of another class beside it", "passed", seen{lists: 1, broken: []string{"x"}}, passed},
		{"a broken one of the class beside it", "passed", seen{lists: 1, broken: []string{"x", ofClass}}, mightFail},
		{"a broken one of no class beside it", "passed", seen{lists: 1, broken: []string{""}}, mightFail},
		{"a broken one beside neither", "neither", seen{lists: 1, broken: []string{ofClass}}, "unknown malformed: by promoter-summaries"},
		{"more than are read", "", seen{lists: 1, more: true}, "unknown limit: more than 32 bundles refer to this image"},
		{"more than are read beside it", "passed", seen{lists: 1, more: true}, "unknown limit: more than 32"},
		{"more than are read beside failed", "failed", seen{lists: 1, more: true}, failed},
		{"more than are read beside neither", "neither", seen{lists: 1, more: true}, "unknown malformed: by promoter-summaries"},
		{"more than are read beside somebody's", "krel-trust's", seen{lists: 1, more: true}, "unknown limit: more than 32"},
	} {
		a := tt.a
		a.run, a.im = r, &image{name: "kube-proxy", tag: "v1.37.2", digest: digest}
		for _, name := range strings.FieldsFunc(tt.these, func(c rune) bool { return c == '+' }) {
			if known[name] == nil {
				t.Fatalf("no %q", name)
			}
			a.bundles = append(a.bundles, attestation{source: name, from: r.sources()[0], bundle: known[name]})
		}
		c := a.decide(report.VSA)
		if !strings.HasPrefix(said(c), tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, said(c), tt.want)
		}
		if tt.want != noAnswer && strings.Contains(c.Detail, "does not mean that nothing does") {
			t.Errorf("%s: %s: an outage is told as what it is", tt.name, said(c))
		}
		e := c.Evidence.All()
		if c.Name != report.VSA || c.Verdict == report.Verified && (len(e) != 1 || e[0].Fields[report.FieldRule] != "promoter-summaries" || e[0].Fields[report.FieldPredicateType] != ofClass) {
			t.Errorf("%s: %+v", tt.name, c)
		}
	}
}

// Where nothing was read under a name, each check that was asked for stands as unknown, and
// nothing is looked up; nor is anything where no check was asked for.
func TestAttestationsOfWhatWasNotRead(t *testing.T) {
	r := runOf(t)
	r.registry = nil // nobody may be asked
	im := &image{name: "kube-proxy", tag: "v1.27.2"}
	if r.attest(context.Background(), im); im.attested != nil {
		t.Errorf("nobody asked: %+v", im.attested)
	}
	r = ruledBy(t, nil, []string{report.VSA, report.Staging}, `{report: [promotion]}`)
	r.registry = nil
	r.attest(context.Background(), im)
	var got []string
	for _, c := range im.attested {
		got = append(got, c.Name+" "+said(c))
	}
	const none = " unknown noClaim: there is no manifest to look it up for"
	if want := "staging" + none + "\npromotion" + none + "\nvsa" + none; strings.Join(got, "\n") != want {
		t.Errorf("%q", got)
	}
	// A crash in what looks for it leaves it unknown.
	r = ruledBy(t, nil, []string{report.Staging}, `{report: [staging]}`)
	r.registry = nil
	crashed := &image{name: "kube-proxy", tag: "v1.27.2", digest: hashOf("1")}
	if r.attest(context.Background(), crashed); len(crashed.attested) != 1 || !strings.HasPrefix(said(crashed.attested[0]), "unknown internal: ") {
		t.Errorf("a crash: %+v", crashed.attested)
	}
	r = ruledBy(t, nil, []string{report.VSA, report.Staging}, `{report: [promotion]}`)
	r.registry = nil
	// What an index lacks is no child that anybody asked for.
	missing := &platform{name: "linux/arm64"}
	im.platforms = []*platform{missing}
	if r.attestChild(context.Background(), im); missing.attested != nil {
		t.Errorf("a platform that is not there: %+v", missing.attested)
	}
}
