package verify

import (
	"slices"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/trust"
)

// asks says whether a check is made of an image, and whether it must pass: for
// all, or by a rule of the policy. The rules are the policy's, so that --checks
// stands instead of them too.
//
// Of an image that is named by its digest alone it may say more before the image
// is bound than afterwards: only the binding tells what it is a version of.
func (r *run) asks(im *image, check string) (required, made bool) {
	required = r.needs(check)
	made = required
	if r.session.Chosen {
		return required, made
	}
	for _, rule := range r.session.Policy.Rules {
		if r.applies(rule, im) {
			required = required || slices.Contains(rule.Require, check)
			made = made || required || slices.Contains(rule.Report, check)
		}
	}
	return required, made
}

// applies says whether a rule is for an image. Who names a digest in the place of
// a version, or the repository of one architecture, does not leave out the check: a
// digest is of the versions that it is bound to, and of any while none is known.
func (r *run) applies(rule trust.Rule, im *image) bool {
	base, _ := r.session.Policy.SplitArch(im.name)
	if !rule.Of(base) {
		return false
	}
	released := r.session.Policy.InInventory(base)
	switch {
	case rule.From == "" && rule.To == "":
		return true
	case !im.version.IsZero():
		return rule.Applies(base, im.version)
	case im.tag != "":
		if v, ok := versionOf(im.tag); ok && released {
			return rule.Applies(base, v)
		}
		return len(rule.Images) > 0 // not of a release, and meant by its name
	case len(im.boundTo) > 0:
		return slices.ContainsFunc(im.boundTo, func(v release.Version) bool { return rule.Applies(base, v) })
	}
	return released || len(rule.Images) > 0
}
