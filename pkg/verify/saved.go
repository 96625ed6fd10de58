package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Saved holds a saved report, as [report.Read] gives it, against the policy by
// which it says that it was judged, if that is the one built into this program: whether
// it left out a check without saying so, or an image that every such release has. The
// error says what no run of this program writes; nil proves nothing (rule 34).
func Saved(r report.Report) error {
	policy := trust.EmbeddedPolicy()
	if r.Policy.Digest != policy.Source().Digest {
		return nil
	}
	if !r.Policy.Embedded {
		return errors.New("its policy is the built-in one, and it says otherwise")
	}
	for _, name := range policy.Required {
		if !slices.Contains(r.Scope.Checks, name) && !slices.Contains(r.Scope.Omitted, name) && applies(name, r) {
			return fmt.Errorf("it was made without the check %s, which the built-in policy requires, and does not say that it is partial", name)
		}
	}
	if r.Verdict() != report.Verified || r.Scope.Shard != nil || len(r.Scope.Names) > 0 {
		return nil
	}
	images := map[string][]*report.Result{} // by release
	for i := range r.Results {
		if res := &r.Results[i]; res.Kind == report.KindImage {
			images[res.Release] = append(images[res.Release], res)
		}
	}
	for _, subject := range r.Scope.Subjects {
		if v, ok := versionOf(subject); ok {
			if err := holdsLeast(r, images[v.String()], policy, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdsLeast says whether a report over the images of a release has all that the
// inventory has of it; of are its images.
func holdsLeast(r report.Report, of []*report.Result, policy *trust.Policy, v release.Version) error {
	var have []string
	for _, res := range of {
		have = append(have, strings.TrimSuffix(strings.TrimPrefix(res.Subject, policy.Images.Registry+"/"), ":"+v.String())+" "+res.Platform)
	}
	images, arches, _ := policy.MinimumImages(v.Minor) // none of a minor that is not known
	if len(have) == 0 || !slices.Contains(r.Scope.Checks, report.Inventory) {
		return nil
	}
	for _, name := range images {
		if !slices.Contains(have, name+" ") {
			return fmt.Errorf("it says nothing of %s, which %s has", name, v)
		}
		for _, arch := range arches {
			if len(r.Scope.Platforms) > 0 && !slices.ContainsFunc(r.Scope.Platforms, func(p string) bool { return p == arch || strings.HasSuffix(p, "/"+arch) }) {
				continue
			}
			if !slices.ContainsFunc(have, func(h string) bool { return h == name+" linux/"+arch || strings.HasPrefix(h, name+" linux/"+arch+"/") }) {
				at := registry.Ref{Host: policy.Images.Registry, Repository: name, Tag: v.String()}.String() + " linux/" + arch
				if slices.Contains(r.Scope.Absent, at) { // a mirror was not made for it, and the line says so (rule 2)
					continue
				}
				return fmt.Errorf("it says nothing of %s for linux/%s, which %s has", name, arch, v)
			}
		}
	}
	return nil
}

// applies says whether a check is of what the report is about: files alone have no
// reference, and only a release that was asked for has an inventory.
func applies(check string, r report.Report) bool {
	switch check {
	case report.Inventory:
		return slices.ContainsFunc(r.Results, func(res report.Result) bool {
			return res.Kind == report.KindImage && res.Release != "" && slices.Contains(r.Scope.Subjects, res.Release)
		})
	case report.Reference:
		return slices.ContainsFunc(r.Results, func(res report.Result) bool { return res.Kind == report.KindImage })
	}
	return true
}
