package mirrors

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

// sayEnd says how large a mirror has become, what to do next, and what will be unknown
// where there is no network. A run that changed nothing says that, and its table only what failed.
func sayEnd(a *command.App, set *command.Settings, path string, busy bool, r report.Report) {
	dir, err := mirror.Open(path)
	if err != nil {
		return // the report says what became of it
	}
	defer dir.Close() //nolint:errcheck // only read
	held := dir.Overview()
	size := fmt.Sprintf("%s, %s and %s", command.BytesText(held.Bytes), command.Count(held.Blobs.Count, "blob"), command.Count(held.Files.Count, "file"))
	next := "kverify verify " + command.LocalPath(path)
	if held.Signed.Present {
		next += " --key FILE, the public half of the key that signed it"
	}
	if !busy && r.Verdict() == report.Verified {
		a.SayLater(fmt.Sprintf("nothing has changed: the mirror %s holds all of it already (%s)", path, size))
		a.SayRemarks()
		set.Quiet = !set.Verbose
		return
	}
	a.SayLater(fmt.Sprintf("the mirror %s has %s; next: %s", path, size, next))
	if held.Signed.Present {
		return
	}
	if list := onlyPublished(r); len(list) > 0 {
		a.SayLater(fmt.Sprintf("inside, without network, %s will be unknown, since only its publisher's host ties it to its version: %s; vouch for the mirror to lift that: kverify mirror keygen, the same command again with --sign-key cosign.key, and inside --key cosign.pub",
			command.Count(len(list), "subject"), strings.Join(firstFew(list), ", ")))
	}
}

// onlyPublished are the verified subjects whose binding rests on what was read from a publisher's
// own host, and on nothing that is signed or built in.
func onlyPublished(r report.Report) (list []string) {
	strong, published := map[string]bool{}, map[string]bool{}
	for _, res := range r.Results {
		c, _ := res.Check(report.Binding)
		for _, e := range c.Evidence.All() {
			if e.Strength == nil {
				continue
			}
			switch *e.Strength {
			case report.Signed, report.Embedded:
				strong[res.Subject] = true
			case report.Published:
				published[res.Subject] = true
			}
		}
	}
	for _, res := range r.Results {
		if published[res.Subject] && !strong[res.Subject] && !slices.Contains(list, res.Subject) {
			list = append(list, res.Subject)
		}
	}
	return list
}
