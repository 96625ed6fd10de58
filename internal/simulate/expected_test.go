package simulate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/expect"
)

// holds compares what is said of an honest world with what must be said of it.
func (r *run) holds(o outcome, subject expect.Subject, from expect.Source) {
	if !r.honest {
		return
	}
	k := expect.Key{Era: expect.EraOf(r.version), Subject: subject, Source: from, Fault: r.fault}
	n := expect.Number(k)
	if n < 0 {
		r.unsaid[fmt.Sprintf("%s, %s, %s, %s", k.Era, k.Subject, k.Source, k.Fault)]++
		return
	}
	r.rows[n]++
	if o.report == nil {
		r.fail("row %d: %q gives no report\n%s", n+1, o.args, o.stderr)
		return
	}
	var reasons, told []string
	for _, res := range o.report.Results {
		for _, c := range res.Checks {
			if reason := c.Verdict + " " + c.Reason; c.Required && c.Verdict != "verified" {
				if !slices.Contains(reasons, reason) {
					reasons = append(reasons, reason)
				}
				told = append(told, fmt.Sprintf("%s %s %s: %s: %s", res.Subject, res.Platform, c.Name, reason, c.Detail))
			}
		}
	}
	if !expect.Table[n].Allows(o.report.Verdict, reasons) {
		r.fail("row %d (%s, %s, %s, %s) wants %s %q: %q says %s:\n    %s", n+1, k.Era, k.Subject, k.Source, k.Fault, expect.Table[n].Verdict, expect.Table[n].Reasons,
			o.args, o.report.Verdict, strings.Join(told, "\n    "))
	}
}

// lasting are the faults that honest worlds may have for good.
var lasting = map[expect.Fault]func(s *scene){
	expect.NoSBOM:      func(s *scene) { s.w.Status(world.SBOMURL(s.version)+"*", 404) },
	expect.NoChangelog: func(s *scene) { s.w.Status(world.ChangelogURL(s.version), 404) },
	expect.NoPromotion: func(s *scene) { s.w.Status(world.PromotionURL("k8s-staging-kubernetes"), 404) },
	expect.NoSignature: func(s *scene) { s.w.DropSignature(s.image + ":" + s.tag) },
	expect.NoLog:       func(s *scene) { s.w.Status("https://"+world.HostRekor+"/*", 503) },
	expect.NoRegistry:  func(s *scene) { s.w.Refuse("https://" + world.HostRegistry + "/*") },
}

// core says whether the scene's image is built with the release.
func (s *scene) core() bool { return s.tag == s.version }

// kindOf is the kind of an image by name, in the way that is named for those of a release.
func (s *scene) kindOf(of expect.Subject) expect.Subject {
	if s.core() {
		return of
	}
	return expect.Companion
}

func fileKind(path string) expect.Subject {
	switch {
	case strings.HasSuffix(path, ".tar.gz"):
		return expect.Tarball
	case strings.HasSuffix(path, ".tar"):
		return expect.ImageTar
	}
	return expect.Program
}
