package render

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// A trouble is one cause for which results are not verified, shown once. Nothing in it
// is escaped.
type trouble struct {
	check   report.Check // the first that failed for it
	cause   string       // one that begins with "is " has who as its subject
	general bool         // it is of no subject: of a host, of the run
	several bool         // the words are those of the first, and other results say it of themselves
	hosts   []string     // that stand in cause in the place of hostsHere
	todo    string       // what the error itself advises
	checks  []string     // names of all that failed
	results []*report.Result
}

// hostsHere stands in a text for the hosts of all results that say it.
const hostsHere = "\x00"

// troubles puts the results that are not verified together by the cause of each, refuted
// first, then what was interrupted, then the larger. It is empty only where the verdict is
// verified.
func troubles(r report.Report) (list []trouble) {
	at := map[string]int{}
	details := detailsOf(r)
	for _, res := range each(r.Results) {
		if res.Verdict() == report.Verified {
			continue
		}
		x, key := troubleOf(r, res, details)
		i, ok := at[key]
		if !ok {
			i = len(list)
			at[key] = i
			list = append(list, x)
		} else {
			list[i].several = list[i].several || x.several || list[i].cause != x.cause
			list[i].hosts = append(list[i].hosts, x.hosts...)
			list[i].todo = cmp.Or(list[i].todo, x.todo)
		}
		list[i].results = append(list[i].results, res)
		for _, name := range x.checks {
			if !slices.Contains(list[i].checks, name) {
				list[i].checks = append(list[i].checks, name)
			}
		}
	}
	if _, listed := at[interruptedKey]; r.Interrupted && !listed {
		list = append(list, trouble{check: report.Check{Reason: report.Interrupted}, cause: stopped(r), general: true})
	}
	if len(r.Results) == 0 && !r.Interrupted {
		list = append(list, trouble{check: report.Check{Reason: report.Incomplete}, cause: "nothing was examined", general: true})
	}
	list = withoutEchoes(r, list)
	slices.SortStableFunc(list, func(a, b trouble) int {
		return cmp.Or(
			cmp.Compare(b.check.Verdict, a.check.Verdict),
			cmp.Compare(a.rank(), b.rank()),
			cmp.Compare(len(b.results), len(a.results)))
	})
	return list
}

// detailsOf is of each subject the result that says what it fails for, for those that say
// "as for SUBJECT", before or behind it.
func detailsOf(r report.Report) map[string]*report.Result {
	details := map[string]*report.Result{}
	for _, res := range each(r.Results) {
		if _, known := details[res.Subject]; known || res.Verdict() == report.Verified {
			continue
		}
		if c, _ := rootCheck(res); !asFor().MatchString(c.Detail) {
			details[res.Subject] = res
		}
	}
	return details
}

// rank tells causes from what follows of them.
func (x trouble) rank() int {
	switch x.check.Reason {
	case report.Interrupted, report.NotReleased:
		return 0
	case report.Absent:
		if notHeld().MatchString(x.check.Detail) { // nor are its documents
			return 0
		}
	case report.NoClaim, report.Incomplete:
		return 2
	}
	return 1
}

// withoutEchoes leaves out a release of which nothing is missing but what could not be read:
// that has a trouble of its own.
func withoutEchoes(r report.Report, list []trouble) []trouble {
	unread := map[string]bool{}
	for _, res := range each(r.Results) {
		if res.Kind == report.KindImage && res.Verdict() == report.Unknown {
			name, _, _ := strings.Cut(res.Subject[strings.LastIndexByte(res.Subject, '/')+1:], ":")
			unread[name] = true
		}
	}
	return slices.DeleteFunc(list, func(x trouble) bool {
		missing, ok := strings.CutPrefix(x.check.Detail, "missing: ")
		if !ok || x.check.Verdict != report.Unknown || x.check.Name != report.Inventory || len(x.results) != 1 {
			return false
		}
		for _, name := range strings.Split(missing, ", ") {
			name, _, _ = strings.Cut(name, " ")
			if !unread[name] {
				return false
			}
		}
		return true
	})
}

const interruptedKey = "interrupted"

// troubleOf finds what one result fails for, and a key that results share which fail
// for the same.
func troubleOf(r report.Report, res *report.Result, details map[string]*report.Result) (x trouble, key string) {
	x.check, x.checks = rootCheck(res)
	own := res // whose words they are
	if m := asFor().FindStringSubmatch(x.check.Detail); len(m) > 1 && details[m[1]] != nil {
		own = details[m[1]]
		c, _ := rootCheck(own)
		x.check.Detail = c.Detail
	}
	if words, ok := requestIn(x.check.Detail); ok {
		if r.Interrupted && x.check.Verdict == report.Unknown && strings.HasPrefix(words.outcome, "given up") {
			x.check.Reason = report.Interrupted
		}
		x.cause, x.todo = words.cause, words.todo
		if strings.Contains(x.cause, hostsHere) {
			x.hosts, x.general = []string{words.host}, !words.ofIt
		}
	} else if m := notHeld().FindStringSubmatch(x.check.Detail); m != nil {
		x.cause, x.todo = m[1], m[2]
	} else {
		x.cause = plainDetail(own, x.check)
		x.several = own != res && pattern(own, x.cause) != x.cause
		for _, other := range alongside(res, x.check, x.checks) {
			x.cause += "; " + other
		}
	}
	if x.check.Reason == report.Interrupted && x.check.Verdict == report.Unknown && r.Interrupted {
		x.cause, x.hosts, x.general = stopped(r), nil, true
		return x, interruptedKey
	}
	return x, fmt.Sprint(x.check.Verdict, x.check.Reason, x.general, pattern(own, x.cause))
}

var (
	unknownLog = lazyregexp.New(`^(?:a signature by \S+ was )?logged by "?([0-9a-f]{12})[0-9a-f]*"?, which the trusted root does not know.*$`)
	unknownCA  = lazyregexp.New(`^a signature by \S+ comes from (.*), which the trusted root does not know.*$`)
	noVoucher  = lazyregexp.New(`^only .* names? it, which cannot vouch for a file: (.*)$`)
	notThere   = lazyregexp.New(`is not in the mirror ([^ ()]+)\)?$`)
	notHeld    = lazyregexp.New(`^(the mirror .+ does not hold v\S+; it holds [^;]+); (kverify mirror show .+)$`)
	ownURL     = lazyregexp.New(`^https?://\S+: `)
)

// alongside is what the other checks say that fail for themselves, where nothing contradicts.
func alongside(res *report.Result, root report.Check, names []string) (details []string) {
	if root.Verdict == report.Refuted {
		return nil
	}
	first := plainDetail(res, root)
	for _, name := range names {
		c, _ := res.Check(name)
		if d := plainDetail(res, c); name != root.Name && d != first && !slices.Contains(details, d) {
			details = append(details, d)
		}
	}
	return details
}

// rootCheck is the check that a result fails for, where others fail only because it did,
// and the names of all that fail as it does.
func rootCheck(res *report.Result) (root report.Check, names []string) {
	v := res.Verdict()
	var failed []report.Check
	for _, c := range res.Checks {
		if c.Required && c.Verdict == v {
			failed = append(failed, c)
		}
	}
	if len(failed) == 0 {
		return report.Check{Name: ofRun, Required: true, Reason: report.Incomplete, Detail: "no check was made of it"}, nil
	}
	root = failed[0]
	if i := slices.IndexFunc(failed, func(c report.Check) bool { return c.Reason != report.NoClaim }); i >= 0 {
		root = failed[i]
	}
	signature, _ := res.Check(report.Signature)
	for _, c := range failed {
		if c.Name == report.Reference && v == report.Unknown && signature.Required && signature.Verdict != report.Verified {
			continue // it rests on the signature
		}
		if c.Reason != report.NoClaim || root.Reason == report.NoClaim {
			names = append(names, c.Name)
		}
	}
	return root, names
}

// stopped says what cut the run short, and how far it was.
func stopped(r report.Report) string {
	why := "the run was stopped"
	switch by := r.InterruptedBy; {
	case strings.HasPrefix(by, "--"):
		why = by + " was over"
	case by != "":
		why = "stopped by " + by
	}
	to, what, none := pushedTo(r), "examined", "anything was examined"
	if to != "" {
		what, none = "names in place there", "any name was in place there"
	}
	done, all := 0, 0
	for _, res := range each(r.Results) {
		if !strings.HasPrefix(res.Subject, to) {
			continue // examined before anything was pushed
		}
		all++
		c, _ := rootCheck(res)
		open := c.Reason == report.Interrupted || givenUp(c) || res.Kind == report.KindRelease
		if res.Verdict() != report.Unknown || !open {
			done++
		}
	}
	switch {
	case done == all && done > 0:
		return why
	case done == 0:
		return why + " before " + none
	}
	return fmt.Sprintf("%s, %d of %d %s", why, done, all, what)
}

func givenUp(c report.Check) bool {
	words, ok := requestIn(c.Detail)
	return ok && strings.HasPrefix(words.outcome, "given up")
}

// asFor is how a result refers to another one that failed alike (push.Result).
var asFor = lazyregexp.New(`^[^;]*, as for (\S+)$`)

// A request that failed, as the text of a fetch.Error tells of it.
type request struct {
	host           string
	outcome, cause string // as it stands there, and for a person
	todo           string
	ofIt           bool // it is of what was asked for, and not of the host
}

var (
	requestText = lazyregexp.New(`^(?:what the release holds is not known: )?(?:[^ ]+[:@][^ ]+: )?(?:GET|HEAD|POST|PUT|PATCH|DELETE) (https?://\S+): (?:at (https?://\S+): )?(?:at the stand-in (https?://\S+): )?([^;]*)(?:; ([^;]*))?$`)
	unreached   = lazyregexp.New(`^cannot reach (\S+?)(?:: (.*))?$`)
	dialled     = lazyregexp.New(`^(proxyconnect tcp: )?dial tcp (\S+): (?:connect: )?(.*)$`)
)

// requestIn finds a failed request in a text.
func requestIn(detail string) (w request, ok bool) {
	m := requestText().FindStringSubmatch(detail)
	if m == nil {
		return w, false
	}
	w.host = cmp.Or(hostOf(m[3]), hostOf(m[2]), hostOf(m[1]))
	w.outcome, w.todo = m[4], m[5]
	switch u := unreached().FindStringSubmatch(w.outcome); {
	case notThere().MatchString(w.todo):
		dir := notThere().FindStringSubmatch(w.todo)[1]
		w.cause = "the mirror " + dir + " does not have it"
		w.todo = "name what the mirror has, or take all of it: kverify verify " + localPath(dir)
	case u != nil:
		w.host, w.cause = u[1], "cannot reach "+hostsHere
		why := strings.TrimPrefix(u[2], "lookup failed: ")
		if d := dialled().FindStringSubmatch(why); d != nil {
			if why = d[3]; d[1] != "" {
				why = "the proxy " + d[2] + ": " + why
			}
		}
		if why != "" {
			w.cause += ": " + why
		}
	case strings.HasPrefix(w.outcome, "status 429"):
		w.cause = hostsHere + " asks to wait (429 Too Many Requests)"
	case strings.HasPrefix(w.outcome, "status "):
		w.ofIt = strings.HasPrefix(w.outcome, "status 4")
		w.cause = hostsHere + " answers " + strings.TrimPrefix(w.outcome, "status ")
	case strings.HasPrefix(w.outcome, "given up"):
		w.cause = hostsHere + " gave no answer in time"
	default:
		w.cause = hostsHere + ": " + w.outcome
	}
	return w, true
}

// localPath writes a path so that it is taken for nothing else.
func localPath(p string) string {
	if strings.ContainsRune(p, '/') {
		return shellWord(p)
	}
	return shellWord("./" + p)
}

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// words are what the trouble says, with its hosts, those of most results first.
func (x trouble) words() string {
	if len(x.hosts) == 0 {
		return x.cause
	}
	count := map[string]int{}
	var hosts []string
	for _, h := range x.hosts {
		if count[h]++; count[h] == 1 {
			hosts = append(hosts, h)
		}
	}
	slices.SortStableFunc(hosts, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	text := strings.Replace(x.cause, hostsHere, someOf(hosts), 1)
	if len(hosts) > 1 { // the one verb that agrees with them
		text = strings.NewReplacer(" answers ", " answer ", " asks to wait ", " ask to wait ").Replace(text)
	}
	return text
}

var (
	longURL   = lazyregexp.New(`https?://[^\s,()]{40,}`)
	urlBehind = lazyregexp.New(` \(https?://[^\s()]+\)$`)
	wholeHash = lazyregexp.New(`\b[0-9a-f]{40,128}\b`)
)

// plainDetail is what a check says, without the name of its subject before it and without
// what is too long to be read.
func plainDetail(res *report.Result, c report.Check) string {
	if other := anotherName(res, c); other != "" {
		return "is " + other + " under another name"
	}
	if c.Name == report.Signature && c.Reason == report.Absent && strings.Contains(c.Detail, " has no signature for ") {
		return "there is no signature"
	}
	text := strings.TrimSuffix(sentence(c), " ("+string(c.Reason)+")")
	for _, lead := range []string{"what the release holds is not known", res.Subject} {
		text = strings.TrimPrefix(text, lead+": ")
	}
	if rest, ok := strings.CutPrefix(text, res.Subject+" is "); ok {
		text = "is " + rest
	}
	text = ownURL().ReplaceAllString(text, "")
	text = unknownLog().ReplaceAllString(text, "signed in a log ($1) that the trusted root does not know")
	text = unknownCA().ReplaceAllString(text, "signed under $1, which the trusted root does not know")
	text = noVoucher().ReplaceAllString(text, "it is named only by documents that cannot vouch for a file; $1")
	text = urlBehind().ReplaceAllString(text, "")
	if c.Reason != report.Untrusted { // there a URL is an identity, of which every letter counts
		text = longURL().ReplaceAllStringFunc(text, func(u string) string {
			return hostOf(u) + "/.../" + path.Base(u)
		})
	}
	return wholeHash().ReplaceAllStringFunc(text, func(h string) string { return h[:terminal.ShortDigest] })
}

// anotherName is the name under which an image was signed that stands under a name which is
// not its own; empty if that is not what is wrong.
func anotherName(res *report.Result, c report.Check) string {
	if c.Name != report.Reference || c.Verdict != report.Refuted || c.Reason != report.Mismatch {
		return ""
	}
	for _, e := range c.Evidence.All() {
		signed := e.Fields[report.FieldReference]
		if signed == "" {
			continue
		}
		name := signed[strings.LastIndexByte(signed, '/')+1:]
		if _, arch, ok := strings.Cut(res.Platform, "/"); ok {
			arch, _, _ = strings.Cut(arch, "/")
			arch, _, _ = strings.Cut(arch, ":")
			name = strings.TrimSuffix(name, "-"+arch)
		}
		own, _, _ := strings.Cut(res.Subject[strings.LastIndexByte(res.Subject, '/')+1:], ":")
		if own, _, _ = strings.Cut(own, "@"); name != own {
			return name
		}
	}
	return ""
}

var (
	quoted  = lazyregexp.New(`"[^"]*"`)
	anyURL  = lazyregexp.New(`https?://[^\s,()]+`)
	hashing = lazyregexp.New(`(?:sha(?:256|384|512):)?\b[0-9a-f]{12,128}\b`)
)

// pattern is what texts have in common that say the same of different subjects.
func pattern(res *report.Result, text string) string {
	if strings.HasPrefix(text, "is ") {
		return text
	}
	title, _ := groupAndLabel(res)
	name, tag, _ := strings.Cut(title[strings.LastIndexByte(title, '/')+1:], ":")
	for _, own := range []string{res.Subject, title, res.Platform, strings.TrimSuffix(name, ".exe"), tag} {
		if len(own) > 2 && res.Kind != report.KindRelease && res.Kind != report.KindDocument {
			text = strings.ReplaceAll(text, own, "*")
		}
	}
	for _, form := range []func() *regexp.Regexp{quoted, anyURL, hashing} {
		text = form().ReplaceAllString(text, "*")
	}
	return text
}
