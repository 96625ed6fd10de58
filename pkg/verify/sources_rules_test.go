package verify

import (
	"testing"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// Where what is signed may lie: the registry, and a second place if there is one.
func TestWhereSignaturesMayLie(t *testing.T) {
	second := &registry.Client{}
	for _, tt := range []struct {
		also *Also
		want int
	}{{nil, 1}, {&Also{Name: "the mirror ./m"}, 1}, {&Also{Registry: second, Name: "the mirror ./m"}, 2}} {
		r := runOf(t)
		r.also = tt.also
		if got := r.sources(); len(got) != tt.want || got[0].client != r.registry || got[0].name != "" || tt.want == 2 && (got[1].client != second || got[1].from() != ", in the mirror ./m") {
			t.Errorf("%+v", got)
		}
	}
}

// Where the signatures of a digest were looked for is told as a repository, without their tag.
func TestWhereSignaturesWereLookedFor(t *testing.T) {
	r := runOf(t)
	ref := r.signatureRef("kube-proxy", hashOf("1"))
	if got := r.sources()[0].repository(ref); got != "registry.k8s.io/kube-proxy" || ref.Tag == "" {
		t.Errorf("%s, of %s", got, ref)
	}
}

// What holds and came out of a cache says so, with its evidence; what does not hold says nothing of it.
func TestWhatACacheKept(t *testing.T) {
	for _, tt := range []struct {
		cached  bool
		verdict report.Verdict
		want    string
	}{{true, report.Verified, "it holds, from the cache"}, {false, report.Verified, "it holds"}, {true, report.Unknown, "it holds"}, {true, report.Refuted, "it holds"}} {
		fields := map[string]string{report.FieldRule: "krel-trust"}
		for _, f := range []map[string]string{nil, fields} {
			c := keptIn(&registry.Manifest{FromCache: tt.cached}, report.Check{Verdict: tt.verdict, Detail: "it holds", Evidence: report.EvidenceOf(report.Evidence{What: "x", Fields: f})})
			e := c.Evidence.All()[0]
			if kept := e.Fields[report.FieldKept] == "in the cache"; c.Detail != tt.want || kept != (tt.want != "it holds") || e.Fields[report.FieldRule] != f[report.FieldRule] {
				t.Errorf("%+v: %q %+v", tt, c.Detail, e)
			}
		}
	}
}
