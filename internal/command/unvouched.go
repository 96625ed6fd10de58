package command

import (
	"errors"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
	"github.com/kverify/kverify/pkg/vouch"
)

// Unvouched ends a run that could not begin for err, as [App.UnvouchedReport] says. Any other
// error is only returned.
func (a *App) Unvouched(set *Settings, err error) error {
	r, err := a.UnvouchedReport(set, err)
	if err != nil {
		return err
	}
	a.SayRemarks()
	return a.Write(r, set)
}

// UnvouchedReport is what there is to report where the key that was given does not vouch for the
// mirror: that is a verdict on the mirror's list, and nothing else was examined. It sets the exit
// code. Any other error is returned.
func (a *App) UnvouchedReport(set *Settings, err error) (report.Report, error) {
	var word *vouch.Error
	if !errors.As(err, &word) {
		return report.Report{}, err
	}
	policy, root, wrong := TrustedBy(set)
	if wrong != nil {
		return report.Report{}, errors.Join(err, wrong)
	}
	check := report.Check{Name: report.Signature, Required: true, Detail: word.Error()}
	if check.Verdict, check.Reason = word.Classify(); check.Verdict == report.Refuted {
		check.Name = report.Digest // the signature is genuine, and of a list with another
	}
	v := &verify.Verifier{Policy: policy, Root: root, Checks: set.checks, Require: set.require, Tool: ThisBuild().Tool()}
	r, wrong := v.Compose(set.Ctx, []string{set.Mirror}, nil, []report.Result{{
		Subject: set.Mirror, Kind: report.KindMirror, Checks: []report.Check{check}, Notes: []string{"nothing else was examined"},
	}})
	if wrong != nil {
		return report.Report{}, errors.Join(err, wrong)
	}
	a.Code = VerdictExit[r.Verdict()]
	return r, nil
}
