package push

import (
	"errors"
	"fmt"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/report"
)

// In is the reference of the name in a registry, "HOST[/PREFIX]".
func (c Name) In(registry string) string {
	ref := registry + "/" + c.Ref.Repository
	if c.Ref.Tag != "" {
		return ref + ":" + c.Ref.Tag
	}
	return ref + "@" + string(c.Digest)
}

// Report says of every copy what was proved: of an image what judged, the
// report about the mirror, says of the same digest, and that it was read back
// from the registry, "HOST[/PREFIX]". What judged does not prove is reported as
// it is there, since it was not pushed. Signatures and referrers have a result of
// their own only where they are not as they should be.
func (p *Result) Report(judged report.Report, there string) report.Report {
	proof := map[string]report.Result{}
	r := judged
	r.Results = nil
	for _, res := range judged.Results {
		if res.Kind == "image" && res.Verdict() == report.Verified {
			proof[res.Digest] = res
			continue
		}
		r.Results = append(r.Results, res)
	}
	told := map[string]string{} // of each cause the first name that failed for it
	for _, c := range p.Names {
		res := report.Result{Subject: c.In(there), Kind: "image", Digest: string(c.Digest), SeenAs: []string{c.Ref.String()}}
		check := report.Check{Name: report.Digest, Required: true, Detail: c.detail(), Evidence: report.EvidenceOf(
			report.Evidence{What: "manifest", Source: c.In(there), Digest: string(c.Digest)},
		)}
		check.Verdict, check.Reason = c.verdict()
		if c.Err != nil {
			switch why := cause(c); {
			case told[why] == "":
				told[why] = c.In(there)
			case !errors.As(c.Err, new(*AttachedError)):
				check.Detail = fmt.Sprintf("%s, as for %s", why, told[why])
			}
		}
		if c.Of != "" && check.Verdict == report.Verified {
			continue
		}
		res.Checks = append(res.Checks, check)
		if of, ok := proof[string(c.Digest)]; ok && c.Of == "" {
			res.Release, res.Platform = of.Release, of.Platform
			for _, k := range of.Checks {
				if k.Name != report.Digest {
					res.Checks = append(res.Checks, k)
				}
			}
		}
		r.Results = append(r.Results, res)
	}
	return r
}

func (c Name) detail() string {
	switch c.State {
	case AlreadyThere:
		return "the registry had it, with every byte of the mirror's manifest"
	case Pushed:
		return "it was pushed, and read back from the registry"
	case WouldPush:
		return "it is not there yet"
	}
	return c.Err.Error()
}

// verdict says what a state proves. Only a registry that holds something else
// contradicts anything.
func (c Name) verdict() (report.Verdict, report.Reason) {
	switch c.State {
	case AlreadyThere, Pushed:
		return report.Verified, ""
	case WouldPush:
		return report.Unknown, report.Absent
	}
	return session.Classify(c.Err)
}
