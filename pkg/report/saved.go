package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"
)

// credible says whether some run of kverify can have written the report: it holds
// nothing but checks and kinds that there are, names by which policy and trusted root it
// was judged, never leaves out digest and signature, and what it calls verified has every
// check that such a subject must have, each with what it looked at.
//
// It is no proof that one did: a saved report is its writer's word (rule 34). It
// finds what was visibly altered, and nothing more.
func (r Report) credible() error {
	for what, digest := range map[string]string{"policy": r.Policy.Digest, "trusted root": r.TrustedRoot.Digest} {
		if !isDigest(digest) {
			return fmt.Errorf("it does not say by which %s it was judged: %.80q is not a digest", what, digest)
		}
	}
	if r.OperatorKey != nil && !isDigest(r.OperatorKey.Digest) {
		return fmt.Errorf("it does not say which operator's key vouched: %.80q is not a digest", r.OperatorKey.Digest)
	}
	if err := r.Scope.credible(); err != nil {
		return err
	}
	k := r.known()
	for _, res := range r.Results {
		if err := k.credible(res); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(res.Subject+" "+res.Platform), err)
		}
	}
	return r.complete()
}

// credible says whether a run can have been asked for these checks.
func (s Scope) credible() error {
	last := -1
	for _, name := range s.Checks {
		i := slices.Index(CheckNames, name)
		if i < 0 {
			return fmt.Errorf("it ran a check %.60q, which kverify does not have", name)
		}
		if i <= last {
			return fmt.Errorf("its list of checks has %s out of its place", name)
		}
		last = i
	}
	for _, name := range []string{Digest, Signature} {
		if !slices.Contains(s.Checks, name) {
			return fmt.Errorf("it was made without the check %s, which cannot be left out", name)
		}
	}
	for _, name := range s.Omitted {
		if slices.Contains(s.Checks, name) || !slices.Contains(CheckNames, name) {
			return fmt.Errorf("it left out %.60q, which it ran or which is no check", name)
		}
	}
	if s.Partial != (len(s.Omitted) > 0) {
		return errors.New("whether it is partial contradicts what it left out")
	}
	if s.Shard != nil && (s.Shard.Count < 1 || s.Shard.Index < 0 || s.Shard.Index >= s.Shard.Count) {
		return fmt.Errorf("there is no shard %s", s.Shard)
	}
	if len(s.Subjects) == 0 {
		return errors.New("it does not say what was asked for")
	}
	return nil
}

// known is a report, and what is asked of it again and again.
type known struct {
	Report
	releases map[string]bool // that were examined
	// whole are the releases over which the run was, images and files, by the documents of
	// the release: not over a mirror or over files that were read.
	whole map[string]bool
}

func (r Report) known() known {
	k := known{Report: r, releases: map[string]bool{}, whole: map[string]bool{}}
	for _, v := range r.Releases {
		k.releases[v] = true
	}
	asked := map[string]bool{}
	for _, s := range r.Scope.Subjects {
		asked[s] = true
	}
	for _, res := range r.Results {
		switch res.Kind {
		case KindMirror:
			k.whole = nil
			return k
		case KindImage, KindRelease:
			if res.Release != "" && asked[res.Release] {
				k.whole[res.Release] = true
			}
		}
	}
	return k
}

func (k known) credible(res Result) error {
	if !slices.Contains(Kinds, res.Kind) {
		return fmt.Errorf("a subject of kind %.40q, which kverify does not have", res.Kind)
	}
	if res.Digest != "" && !isDigest(res.Digest) {
		return fmt.Errorf("%.80q is not a digest", res.Digest)
	}
	for i, c := range res.Checks {
		switch {
		case !slices.Contains(CheckNames, c.Name):
			return fmt.Errorf("a check %.60q, which kverify does not have", c.Name)
		case slices.ContainsFunc(res.Checks[:i], func(o Check) bool { return o.Name == c.Name }):
			return fmt.Errorf("the check %s stands twice", c.Name)
		case c.Verdict == Verified && c.Reason != "":
			return fmt.Errorf("the check %s is said to be verified, with a reason why it is not (%.40s)", c.Name, c.Reason)
		}
	}
	if res.Verdict() != Verified {
		return nil
	}
	if len(k.releases) > 0 && res.Release != "" && !k.releases[res.Release] {
		return fmt.Errorf("it is of %.40s, which is not among the releases that were examined", res.Release)
	}
	return k.verified(res)
}

// verified holds what is called verified to the checks of its kind.
func (k known) verified(res Result) error {
	holds := func(name string) bool {
		c, ok := res.Check(name)
		return ok && c.Required && c.Verdict == Verified
	}
	must := func(names ...string) error {
		for _, name := range names {
			if !holds(name) {
				return fmt.Errorf("it is said to be verified, and lacks the check %s", name)
			}
		}
		return nil
	}
	asked := func(names ...string) []string { // of them, those that the run made
		return slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(k.Scope.Checks, n) })
	}
	switch res.Kind {
	case "release":
		return must(Inventory)
	case "document":
		return cmp.Or(must(asked(Signature, Binding)...), hasDigest(res))
	case "mirror":
		return must(Inventory, Digest)
	case "artifact":
		return cmp.Or(must(Digest, Signature), hasDigest(res))
	case "blob":
		return errors.New("it is said to be verified, and only a blob that could not be brought in is reported")
	case "file":
		return k.verifiedFile(res, must, asked)
	}
	// An image: every check of the run that is of images.
	for _, name := range k.Scope.Checks {
		if name == Inventory || name == Anchor || name == Copy {
			continue
		}
		if err := must(name); err != nil {
			return err
		}
	}
	if err := hasDigest(res); err != nil {
		return err
	}
	for _, name := range []string{Digest, Signature} {
		if c, _ := res.Check(name); c.Evidence.IsZero() {
			return fmt.Errorf("its check %s does not say what it looked at", name)
		}
	}
	return res.looked()
}

// looked holds the digest of a verified image against what was looked at: the manifest or,
// of what was seen elsewhere, whatever form of it was seen.
func (r Result) looked() error {
	c, isCopy := r.Check(Copy)
	if !isCopy {
		c, _ = r.Check(Digest)
	} else if c.Verdict != Verified || !c.Required || c.Evidence.IsZero() {
		return errors.New("it is said to be verified, and its check copy is not, or does not say what was seen")
	}
	for _, e := range c.Evidence.All() {
		if (isCopy || e.What == "manifest") && e.Digest != r.Digest {
			return fmt.Errorf("its digest is %.80s, and what was looked at is %.80s", r.Digest, e.Digest)
		}
	}
	return nil
}

// verifiedFile holds a file to digest, signature and binding. Where a whole release
// was examined, its files were not read, and binding alone speaks of them; a file of
// before file signing has no signature, and its binding stands for that.
func (k known) verifiedFile(res Result, must func(...string) error, asked func(...string) []string) error {
	if err := hasDigest(res); err != nil {
		return err
	}
	_, digest := res.Check(Digest)
	signature, signed := res.Check(Signature)
	if !digest && !signed && k.whole[res.Release] {
		return must(Binding)
	}
	if signed && !signature.Required && signature.Reason == Absent {
		return must(Digest, Binding)
	}
	return must(append([]string{Digest, Signature}, asked(Binding)...)...)
}

// complete says whether a result speaks of everything that was asked for, and
// whether the results are as many as the inventory counted.
func (r Report) complete() error {
	if r.Verdict() != Verified || r.Scope.Shard != nil {
		return nil // it says that something is lacking
	}
	held := map[string]numbers{}
	for _, res := range r.Results {
		if res.Kind == KindImage {
			n := held[res.Release]
			if res.Platform == "" {
				n.images++
			} else {
				n.platforms++
			}
			held[res.Release] = n
		}
	}
	if s := r.unspoken(r.Scope.sawOthersIn); s != "" {
		return fmt.Errorf("%.200s was asked for, and no result speaks of it", s)
	}
	return r.inventories(held)
}

// unspoken is the first of what was asked for of which no result speaks, but for what need not
// be spoken of; empty if there is none.
func (r Report) unspoken(neednt func(string) bool) string {
	spoken := map[string]bool{}
	for _, res := range r.Results {
		spoken[res.Subject], spoken[res.Release] = true, true
		for _, name := range res.SeenAs {
			spoken[name] = true
		}
	}
	for _, s := range r.Scope.Subjects {
		if !spoken[s] && !neednt(s) && !slices.ContainsFunc(r.Results, func(res Result) bool { return res.speaksOf(s) }) {
			return s
		}
	}
	return ""
}

// numbers are how many images and platforms of a release there are.
type numbers struct{ images, platforms int }

// sawOthersIn says whether a list or a path may have held nothing but images that were not judged.
func (s Scope) sawOthersIn(asked string) bool {
	return len(s.Others) > 0 && (strings.HasPrefix(asked, "-f ") || strings.HasPrefix(asked, ".") || strings.HasPrefix(asked, "/"))
}

func (r Result) speaksOf(asked string) bool {
	// What was seen says where.
	if _, isCopy := r.Check(Copy); (isCopy || len(r.Places) > 0) && (r.Digest == asked || slices.ContainsFunc(r.Places, func(p Place) bool { return p.Source == strings.TrimPrefix(asked, "-f ") })) {
		return true
	}
	// The manifest of one architecture is seen under its own name, without a digest.
	if name, digest, pinned := strings.Cut(asked, "@"); pinned && r.Digest == digest && slices.Contains(r.SeenAs, name) {
		return true
	}
	return r.Subject == asked || r.Release == asked || slices.Contains(r.SeenAs, asked) || strings.HasPrefix(r.Subject, asked+"/")
}

// counted is how an inventory that is complete says so.
var counted = lazyregexp.New(`^([0-9]+) images with ([0-9]+) platforms, nothing missing$`)

// inventories holds the inventory of each release that was asked for: it is there,
// and what it counted is there.
func (r Report) inventories(held map[string]numbers) error {
	if !slices.Contains(r.Scope.Checks, Inventory) {
		return nil
	}
	details, known := map[string]string{}, map[string]bool{}
	for _, res := range r.Results {
		if res.Kind == KindRelease && !known[res.Subject] {
			c, _ := res.Check(Inventory)
			details[res.Subject], known[res.Subject] = c.Detail, true
		}
	}
	for _, release := range r.Scope.Subjects {
		have, ok := held[release]
		if !ok {
			continue // files alone have none
		}
		if !known[release] {
			return fmt.Errorf("it has images of %.40s, and no inventory of it", release)
		}
		n := counted().FindStringSubmatch(details[release])
		if n == nil {
			continue // another program's words, or those of several parts
		}
		if n[1] != strconv.Itoa(have.images) || n[2] != strconv.Itoa(have.platforms) {
			return fmt.Errorf("its inventory counted %s images with %s platforms of %.40s, and it has results of %d and %d", n[1], n[2], release, have.images, have.platforms)
		}
	}
	return nil
}

func hasDigest(res Result) error {
	if res.Digest == "" {
		return errors.New("it is said to be verified, and has no digest")
	}
	return nil
}

// isDigest says whether s is a digest of one of the three algorithms, in lower case.
func isDigest(s string) bool {
	algorithm, hex, _ := strings.Cut(s, ":")
	digits := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
	return digits > 0 && len(hex) == digits && strings.Trim(hex, "0123456789abcdef") == ""
}
