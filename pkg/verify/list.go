package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// StrongClaim is a document's word on a digest, and how much it counts.
type StrongClaim struct {
	release.Claim
	Strength report.Strength
}

// counts says whether the claim can verify a file: it is signed, or published
// by another party than the one that serves the file. What stands beside a file
// (SHA256SUMS, SHA512SUMS, a provenance.json that is not signed) can only refute it (rule 8).
func (c StrongClaim) counts() bool {
	switch c.Strength {
	case report.Signed, report.Embedded:
		return true
	case report.Published, report.Vouched:
		return c.Document == release.DocChangelog || c.Document == release.DocPromotion
	}
	return false
}

// Listed is one file or image of a release, and who says what of it.
type Listed struct {
	Subject   string // path below the release, or image reference
	Image     bool
	Info      release.FileInfo
	URL       string   // of a file
	Platforms []string // of an image, such as "linux/arm64"
	SHA256    string   // hex, where the claims agree; of an image, its digest without "sha256:"
	SHA512    string
	Claims    []StrongClaim
	Conflict  string // a sentence that names the documents which disagree; empty if none do

	ambiguous error // the SBOM has entries of it that are not one claim
}

// Listing is what a release holds, by its own documents.
type Listing struct {
	Version release.Version
	Items   []Listed           // files, then images, each by name
	Read    []release.Document // those that could be read, whether or not they name anything that can be listed
	Notes   []string           // documents, and rows of them, that could not be read, and why; what else is to be known of them
	// Unread are those of which nobody can tell whether they name more: where one
	// stands here, what is not in Items may exist all the same; see None.
	Unread []string
	// Verdict is Refuted where documents contradict each other, or one is of
	// another version; Unknown where one that every release has could not be
	// read. It says nothing of any bytes.
	Verdict report.Verdict
}

// List reads everything that a release publishes about itself. The only error
// is a [*UsageError].
func (v *Verifier) List(ctx context.Context, version release.Version) (*Listing, error) {
	r, err := v.start()
	if err != nil {
		return nil, err
	}
	return r.loadAll(ctx, version).listing(), nil
}

// listing joins the claims of all documents by subject.
func (f *facts) listing() *Listing {
	l := &Listing{Version: f.version, Verdict: report.Verified}
	if f.rel == nil {
		return &Listing{Version: f.version, Notes: []string{f.sbom.signature.Detail}, Unread: f.unread()}
	}
	l.Read = f.rel.Read()
	l.Unread = f.unread()
	f.noteUnread(l)
	byName := map[string]*Listed{}
	item := func(subject string, image bool) *Listed {
		it := byName[subject]
		if it == nil {
			it = &Listed{Subject: subject, Image: image}
			if image {
				it.Info = release.DescribeImage(subject)
			} else {
				it.Info, it.URL = release.DescribeFile(subject), f.version.FileURL(subject)
			}
			byName[subject] = it
		}
		return it
	}
	for _, c := range f.claims() {
		it := item(c.Subject, c.Image)
		it.Claims = append(it.Claims, c)
	}
	for _, images := range f.lists() {
		for _, im := range images.images {
			it := item(f.run.Policy.Images.Registry+"/"+im.Name+":"+f.version.String(), true)
			for _, p := range im.Platforms {
				if !slices.Contains(it.Platforms, p) {
					it.Platforms = append(it.Platforms, p)
				}
			}
			slices.Sort(it.Platforms)
		}
	}
	f.noteAmbiguous(l, byName)
	if c := f.rel.Changelog.Value; c != nil {
		for _, row := range c.Odd { // named there, though nothing is claimed of them
			for _, name := range row.Names {
				item(name, false)
			}
		}
	}
	for _, it := range byName {
		it.settle()
		if it.Conflict != "" {
			l.Verdict = report.Refuted
		}
		l.Items = append(l.Items, *it)
	}
	slices.SortFunc(l.Items, func(a, b Listed) int {
		if a.Image != b.Image {
			if b.Image {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Subject, b.Subject)
	})
	return l
}

// noteUnread says which documents are missing, and lowers the verdict for
// those that every release has.
func (f *facts) noteUnread(l *Listing) {
	note := func(err error, always bool) {
		if err == nil {
			return
		}
		l.Notes = append(l.Notes, err.Error())
		if v, _ := judge(err); v == report.Refuted {
			l.Verdict = report.Refuted
		} else if always && l.Verdict == report.Verified {
			l.Verdict = report.Unknown
		}
	}
	note(f.rel.SBOM.Err, f.signedSince())
	if s := f.sbom.signature; f.rel.SBOM.Err == nil && s.Verdict != report.Verified {
		l.Notes = append(l.Notes, fmt.Sprintf("%s: signature %s: %s", f.rel.SBOM.URL, s.Verdict, s.Detail))
		if s.Verdict == report.Refuted {
			l.Verdict = report.Refuted
		}
	}
	note(f.rel.Changelog.Err, true)
	f.noteOdd(note)
	note(f.rel.Promotion.Err, false)
	note(f.rel.SHA256SUMS.Err, false)
	note(f.rel.SHA512SUMS.Err, false)
	note(f.rel.Provenance.Err, false)
	if f.provenance.note != "" {
		l.Notes = append(l.Notes, f.provenance.note)
	}
}

// maxAmbiguous caps how many such files are named one by one.
const maxAmbiguous = 8

// noteAmbiguous marks the files of which the SBOM says two things (rule 9). It
// vouches for none of them, whoever signed it, and no provenance does beside it;
// that hashes contradict each other is settle's to find.
func (f *facts) noteAmbiguous(l *Listing, byName map[string]*Listed) {
	if !f.usable() {
		return
	}
	ambiguous := release.SBOMAmbiguous(f.rel.SBOM.Value)
	n := 0
	for _, path := range slices.Sorted(maps.Keys(ambiguous)) {
		it := byName[path]
		if it == nil {
			continue // no path of a release
		}
		it.ambiguous = ambiguous[path]
		for i, c := range it.Claims {
			if c.Strength == report.Signed {
				it.Claims[i].Strength = report.Carried
			}
		}
		if n++; n <= maxAmbiguous {
			l.Notes = append(l.Notes, fmt.Sprintf("%s: %v", f.rel.SBOM.URL, it.ambiguous))
		}
	}
	if n > maxAmbiguous {
		l.Notes = append(l.Notes, fmt.Sprintf("%s: the same of %d more files", f.rel.SBOM.URL, n-maxAmbiguous))
	}
	if n > 0 && l.Verdict == report.Verified {
		l.Verdict = report.Unknown
	}
}

// maxOddNotes bounds how many rows that could not be read are named one by one.
const maxOddNotes = 20

// noteOdd names the rows of the CHANGELOG that could not be read.
func (f *facts) noteOdd(note func(err error, always bool)) {
	if f.rel.Changelog.Value == nil {
		return
	}
	for rest := f.rel.Changelog.Value.Odd; len(rest) > 0; {
		n := 1
		if len(rest) > 1 && len(f.rel.Changelog.Value.Odd)-len(rest) == maxOddNotes-1 {
			n = len(rest)
		}
		note(&release.OddRowError{Version: f.version, Rows: rest[:n]}, true)
		rest = rest[n:]
	}
}

// claims gives every claim of the release its strength, sorted by subject.
func (f *facts) claims() []StrongClaim {
	var out []StrongClaim
	claims := f.rel.Claims()
	vouched := map[string]bool{} // by the SBOM, path and digest
	for _, c := range claims {
		if c.Document == release.DocSBOM {
			vouched[c.Subject+" "+c.Digest] = true
		}
	}
	for _, c := range claims {
		s := strength(c.Origin)
		switch c.Document {
		case release.DocProvenance:
			s = f.provenanceStrength(c, vouched)
		case release.DocSBOM:
			s = f.sbomStrength()
		case release.DocChangelog:
			s = f.run.strengthOf(c.URL, f.rel.Changelog.Digest, c.Origin)
		case release.DocPromotion:
			s = f.run.strengthOf(c.URL, f.rel.Promotion.Digest, c.Origin)
		}
		out = append(out, StrongClaim{c, s})
	}
	if f.usable() {
		out = append(out, f.archives()...)
	}
	return out
}

// archives are the SBOM's claims on the image archives that are published
// beside the binaries, as bin/linux/ARCH/IMAGE.tar.
func (f *facts) archives() []StrongClaim {
	images, err := release.SBOMImages(f.rel.SBOM.Value, f.version)
	if err != nil {
		return nil
	}
	var out []StrongClaim
	for _, im := range images {
		if im.Name == "conformance" { // the one archive that is built and not published
			continue
		}
		for _, arch := range im.Arches() {
			sha256, sha512, err := release.SBOMArchive(f.rel.SBOM.Value, f.version, im.Name, arch)
			if err != nil {
				continue
			}
			for _, digest := range []string{"sha256:" + sha256, "sha512:" + sha512} {
				out = append(out, StrongClaim{release.Claim{
					Subject: "bin/linux/" + arch + "/" + im.Name + ".tar", Digest: digest,
					Document: release.DocSBOM, URL: f.rel.SBOM.URL, Origin: f.rel.SBOM.Origin,
				}, f.sbomStrength()})
			}
		}
	}
	return out
}

// settle finds what the claims agree on, or who disagrees.
func (it *Listed) settle() {
	for _, algorithm := range []string{"sha256", "sha512"} {
		who := map[string][]string{}
		for _, c := range it.Claims {
			if sum, ok := strings.CutPrefix(c.Digest, algorithm+":"); ok {
				who[sum] = append(who[sum], string(c.Document))
			}
		}
		if len(who) > 1 {
			var says []string
			for sum, documents := range who {
				slices.Sort(documents)
				says = append(says, fmt.Sprintf("%s... in %s", sum[:12], strings.Join(slices.Compact(documents), ", ")))
			}
			slices.Sort(says)
			it.Conflict = fmt.Sprintf("%s is %s", algorithm, strings.Join(says, ", but "))
			continue
		}
		for sum := range who {
			if algorithm == "sha256" {
				it.SHA256 = sum
			} else {
				it.SHA512 = sum
			}
		}
	}
}

// loadAll reads every document of a release, and judges its SBOM.
func (r *run) loadAll(ctx context.Context, v release.Version) *facts {
	return r.loadDocuments(ctx, v, release.Options{})
}

// None is what to say where a listing does not have what was asked for: err
// itself, or an [*UnreadError] if documents could not be read.
func (l *Listing) None(err error) error { return notFound(err, l.Unread) }
