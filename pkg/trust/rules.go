package trust

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Rule adds checks for some images. It can only add: what every subject must
// pass stands in Policy.Required.
type Rule struct {
	// Images are paths in the registry, exact; none means every image. What is named
	// is the image, for all of its architectures.
	Images []string `json:"images,omitempty"`
	// From and To are versions such as "v1.37.0", or whole minors such as "1.37",
	// both included; empty means no bound. A rule with a bound is for images of
	// releases, and for others that Images names. What is named by its digest alone is
	// of the versions that it is bound to; where none is known, the rule holds.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`

	Require []string `json:"require,omitempty"` // checks that must pass
	Report  []string `json:"report,omitempty"`  // checks that are made and shown, and lower nothing
}

// OnRequest lists the checks that a rule may add.
var OnRequest = []string{report.Contents, report.Staging, report.Promotion, report.VSA, report.Provenance}

// bound reads "1.37" or "v1.37.2".
func bound(s string) (v release.Version, minor bool, err error) {
	if minorForm().MatchString(s) {
		return release.Version{Major: 1, Minor: minorNumber(s)}, true, nil
	}
	if !strings.HasPrefix(s, "v") {
		return v, minor, fmt.Errorf("%q is neither a version such as v1.37.2 nor a minor such as \"1.37\" in quotes", s)
	}
	v, err = release.ParseVersion(s)
	return v, minor, err
}

// Applies says whether the rule is for that image of that release; v is zero
// for an image of none, or one that is named by its digest alone. Then a rule
// for some versions applies if it names the image: who leaves out the version
// does not leave out the check.
func (r Rule) Applies(image string, v release.Version) bool {
	if len(r.Images) > 0 && !slices.Contains(r.Images, image) {
		return false
	}
	if r.From == "" && r.To == "" {
		return true
	}
	if v.IsZero() {
		return len(r.Images) > 0
	}
	if v.Major != 1 {
		return false
	}
	if r.From != "" {
		from, minor, err := bound(r.From)
		if err != nil || v.Minor < from.Minor || !minor && v.Compare(from) < 0 {
			return false
		}
	}
	if r.To != "" {
		to, minor, err := bound(r.To)
		if err != nil || v.Minor > to.Minor || !minor && v.Compare(to) > 0 {
			return false
		}
	}
	return true
}

// Of says whether the rule is for that image, of whatever release.
func (r Rule) Of(image string) bool { return len(r.Images) == 0 || slices.Contains(r.Images, image) }

// Architectures lists those that any release of the inventory has.
func (p *Policy) Architectures() []string {
	var out []string
	for _, r := range p.Inventory {
		out = append(out, r.Architectures...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// SplitArch takes the architecture off the name of an architecture's own
// repository, such as "kube-proxy-arm64", of an image of the inventory. arch is empty
// for any other name.
func (p *Policy) SplitArch(name string) (image, arch string) {
	for _, a := range p.Architectures() {
		if base, ok := strings.CutSuffix(name, "-"+a); ok && p.InInventory(base) {
			return base, a
		}
	}
	return name, ""
}

// InInventory says whether any release of the inventory has an image of that name.
func (p *Policy) InInventory(name string) bool {
	return slices.ContainsFunc(p.Inventory, func(r InventoryRule) bool { return slices.Contains(r.Images, name) })
}

func (p *Policy) checkRules() error {
	for i, r := range p.Rules {
		where := fmt.Sprintf("rules: rule %d", i+1)
		for _, name := range r.Images {
			if !repositoryForm().MatchString(name) {
				return fmt.Errorf("%s: %q is not an image", where, name)
			}
			if image, arch := p.SplitArch(name); arch != "" { // it would be passed over where a version names the image
				return fmt.Errorf("%s: %q is one architecture of %s, and is judged with it: name %s", where, name, image, image)
			}
		}
		var ends []release.Version
		for _, s := range []string{r.From, r.To} {
			if s == "" {
				continue
			}
			v, _, err := bound(s)
			if err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			ends = append(ends, v)
		}
		if len(ends) == 2 && ends[0].Minor > ends[1].Minor {
			return fmt.Errorf("%s: from %s is after to %s", where, r.From, r.To)
		}
		names := slices.Concat(r.Require, r.Report)
		if len(names) == 0 {
			return fmt.Errorf("%s: it adds no check", where)
		}
		for j, name := range names {
			if !slices.Contains(OnRequest, name) {
				return fmt.Errorf("%s: %q is not one of %s", where, name, strings.Join(OnRequest, ", "))
			}
			if slices.Contains(names[:j], name) {
				return fmt.Errorf("%s: %q appears twice", where, name)
			}
		}
	}
	for image, programs := range p.Contents {
		if !repositoryForm().MatchString(image) || len(programs) == 0 {
			return fmt.Errorf("contents: %q: want an image, and at least one program", image)
		}
		for file, name := range programs {
			if !strings.HasPrefix(file, "/") || path.Clean(file) != file || file == "/" || !nameForm().MatchString(name) {
				return fmt.Errorf("contents: %s: %q: %q: want the path of a program in the image, and its name below bin/linux/ARCH/", image, file, name)
			}
		}
	}
	return nil
}
