package report

import (
	"slices"
	"testing"
)

// TestDiff holds that every difference is told of, and nothing else is.
func TestDiff(t *testing.T) {
	older, newer := whole("v1.27.2"), whole("v1.27.2")
	if got := Diff(older, newer); len(got) != 0 {
		t.Errorf("the same report differs: %+v", got)
	}
	newer.Results[1].Checks = slices.Clone(newer.Results[1].Checks)
	newer.Results[1].Checks[1].Verdict = Refuted
	newer.Results = append(newer.Results, Result{Subject: "came", Kind: "image"})
	older.Results = append(older.Results, Result{Subject: "gone", Kind: "image"}, Result{Subject: "moved", Kind: "file", Digest: digestOf("1")})
	newer.Results = append(newer.Results, Result{Subject: "moved", Kind: "file", Digest: digestOf("2")})
	got := Diff(older, newer)
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.Old.Verdict != Verified || c.New.Verdict != Refuted || c.Old.Checks[Signature] != Verified || c.New.Checks[Signature] != Refuted || len(c.New.Checks) != 1 {
		t.Errorf("%+v %+v", c.Old, c.New)
	}
	if c := got[1]; c.Subject != "came" || c.Old != nil || c.New.Verdict != Unknown {
		t.Errorf("%+v", c)
	}
	if c := got[2]; c.Subject != "moved" || c.Old.Digest != digestOf("1") || c.New.Digest != digestOf("2") {
		t.Errorf("%+v", c)
	}
	if c := got[3]; c.Subject != "gone" || c.New != nil {
		t.Errorf("%+v", c)
	}
}
