package claims

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// Claim is a document's word on a digest, and how much it counts.
type Claim struct {
	release.Claim
	Strength report.Strength
}

// counts says whether the claim can verify a file: it is signed, or published
// by another party than the one that serves the file. What stands beside a file
// (SHA256SUMS, SHA512SUMS, a provenance.json that is not signed) can only refute it (rule 8).
func (c Claim) counts() bool {
	switch c.Strength {
	case report.Signed, report.Embedded:
		return true
	case report.Published, report.Vouched:
		return c.Document == release.DocChangelog || c.Document == release.DocPromotion
	}
	return false
}

// Listed is one file or image of a release, and who says what of it.
type Entry struct {
	Subject   string // path below the release, or image reference
	Image     bool
	Info      release.FileInfo
	URL       string   // of a file
	Platforms []string // of an image, such as "linux/arm64"
	SHA256    string   // hex, where the claims agree; of an image, its digest without "sha256:"
	SHA512    string
	Claims    []Claim
	Conflict  string // a sentence that names the documents which disagree; empty if none do

	ambiguous error // the SBOM has entries of it that are not one claim
}

// Listing is what a release holds, by its own documents.
type Listing struct {
	Version release.Version
	Items   []Entry            // files, then images, each by name
	Read    []release.Document // those that could be read, whether or not they name anything that can be listed
	Notes   []string           // documents, and rows of them, that could not be read, and why; what else is to be known of them
	// Unread are the documents that may name more and could not be read: where one
	// stands here, what is not in Items may exist all the same; see None.
	Unread []string
	// Gone says why there is nothing of the release: it was never made, or a mirror does
	// not hold it; nil where that is not known.
	Gone error
	// Verdict is Refuted where documents contradict each other, or one is of
	// another version; Unknown where one that every release has could not be
	// read. It says nothing of any bytes.
	Verdict report.Verdict
}

// Listing joins the claims of all documents by subject.
func (d *Documents) Listing() *Listing {
	l := &Listing{Version: d.Version, Verdict: report.Verified}
	if d.Release == nil {
		return &Listing{Version: d.Version, Notes: []string{d.SBOM.Signature.Detail}, Unread: d.Unread()}
	}
	l.Read = d.Release.Read()
	l.Unread = d.Unread()
	if l.Gone = d.NotReleased(); l.Gone == nil {
		l.Gone = d.NotHeld()
	}
	d.noteUnread(l)
	byName := map[string]*Entry{}
	item := func(subject string, image bool) *Entry {
		it := byName[subject]
		if it == nil {
			it = &Entry{Subject: subject, Image: image}
			if image {
				it.Info = release.DescribeImage(subject)
			} else {
				it.Info, it.URL = release.DescribeFile(subject), d.Version.FileURL(subject)
			}
			byName[subject] = it
		}
		return it
	}
	for _, c := range d.claims() {
		it := item(c.Subject, c.Image)
		it.Claims = append(it.Claims, c)
	}
	for _, images := range d.ImageLists() {
		for _, im := range images.Images {
			it := item(d.session.Policy.Images.Registry+"/"+im.Name+":"+d.Version.String(), true)
			for _, p := range im.Platforms {
				if !slices.Contains(it.Platforms, p) {
					it.Platforms = append(it.Platforms, p)
				}
			}
			slices.Sort(it.Platforms)
		}
	}
	d.noteAmbiguous(l, byName)
	if c := d.Release.Changelog.Value; c != nil {
		for _, row := range c.Odd { // named there, though nothing is claimed of them
			for _, name := range row.Names {
				item(name, false)
			}
		}
	}
	for _, it := range byName {
		it.compareClaims()
		if it.Conflict != "" {
			l.Verdict = report.Refuted
		}
		l.Items = append(l.Items, *it)
	}
	slices.SortFunc(l.Items, func(a, b Entry) int {
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
func (d *Documents) noteUnread(l *Listing) {
	note := func(err error, always bool) {
		if err == nil {
			return
		}
		l.Notes = append(l.Notes, err.Error())
		if v, _ := session.Classify(err); v == report.Refuted {
			l.Verdict = report.Refuted
		} else if always && l.Verdict == report.Verified {
			l.Verdict = report.Unknown
		}
	}
	note(d.Release.SBOM.Err, d.SignedSince())
	if s := d.SBOM.Signature; d.Release.SBOM.Err == nil && s.Verdict != report.Verified {
		url := d.Release.SBOM.URL + ": "
		l.Notes = append(l.Notes, fmt.Sprintf("%ssignature %s: %s", url, s.Verdict, strings.TrimPrefix(s.Detail, url)))
		if s.Verdict == report.Refuted {
			l.Verdict = report.Refuted
		}
	}
	note(d.Release.Changelog.Err, true)
	d.noteOdd(note)
	note(d.Release.Promotion.Err, false)
	note(d.Release.SHA256SUMS.Err, false)
	note(d.Release.SHA512SUMS.Err, false)
	note(d.Release.Provenance.Err, false)
	if d.provenance.note != "" {
		l.Notes = append(l.Notes, d.provenance.note)
	}
}

// maxAmbiguous caps how many such files are named one by one.
const maxAmbiguous = 8

// noteAmbiguous marks the files of which the SBOM says two things (rule 9). It
// vouches for none of them, whichever identity signed it, and no provenance does beside it;
// that hashes contradict each other is settle's to find.
func (d *Documents) noteAmbiguous(l *Listing, byName map[string]*Entry) {
	if !d.Usable() {
		return
	}
	ambiguous := release.SBOMAmbiguous(d.Release.SBOM.Value)
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
			l.Notes = append(l.Notes, fmt.Sprintf("%s: %v", d.Release.SBOM.URL, it.ambiguous))
		}
	}
	if n > maxAmbiguous {
		l.Notes = append(l.Notes, fmt.Sprintf("%s: the same of %d more files", d.Release.SBOM.URL, n-maxAmbiguous))
	}
	if n > 0 && l.Verdict == report.Verified {
		l.Verdict = report.Unknown
	}
}

// maxOddNotes bounds how many rows that could not be read are named one by one.
const maxOddNotes = 20

// noteOdd names the rows of the CHANGELOG that could not be read.
func (d *Documents) noteOdd(note func(err error, always bool)) {
	if d.Release.Changelog.Value == nil {
		return
	}
	for rest := d.Release.Changelog.Value.Odd; len(rest) > 0; {
		n := 1
		if len(rest) > 1 && len(d.Release.Changelog.Value.Odd)-len(rest) == maxOddNotes-1 {
			n = len(rest)
		}
		note(&release.OddRowError{Version: d.Version, Rows: rest[:n]}, true)
		rest = rest[n:]
	}
}

// claims gives every claim of the release its strength, sorted by subject.
func (d *Documents) claims() []Claim {
	var out []Claim
	claims := d.Release.Claims()
	vouched := map[string]bool{} // by the SBOM, path and digest
	for _, c := range claims {
		if c.Document == release.DocSBOM {
			vouched[c.Subject+" "+string(c.Digest)] = true
		}
	}
	for _, c := range claims {
		s := session.Strength(c.Origin)
		switch c.Document {
		case release.DocProvenance:
			s = d.provenanceStrength(c, vouched)
		case release.DocSBOM:
			s = d.SBOMStrength()
		case release.DocChangelog:
			s = d.session.StrengthOf(c.URL, d.Release.Changelog.Digest, c.Origin)
		case release.DocPromotion:
			s = d.session.StrengthOf(c.URL, d.Release.Promotion.Digest, c.Origin)
		}
		out = append(out, Claim{c, s})
	}
	if d.Usable() {
		out = append(out, d.archives()...)
	}
	return out
}

// archives are the SBOM's claims on the image archives that are published
// beside the binaries, as bin/linux/ARCH/IMAGE.tar.
func (d *Documents) archives() []Claim {
	images, err := release.SBOMImages(d.Release.SBOM.Value, d.Version)
	if err != nil {
		return nil
	}
	var out []Claim
	for _, im := range images {
		if im.Name == "conformance" { // the one archive that is built and not published
			continue
		}
		for _, arch := range im.Arches() {
			sha256, sha512, err := release.SBOMArchive(d.Release.SBOM.Value, d.Version, im.Name, arch)
			if err != nil {
				continue
			}
			for _, digest := range []oci.Digest{oci.FromHex(sha256), oci.New(oci.SHA512, sha512)} {
				out = append(out, Claim{release.Claim{
					Subject: "bin/linux/" + arch + "/" + im.Name + ".tar", Digest: digest,
					Document: release.DocSBOM, URL: d.Release.SBOM.URL, Origin: d.Release.SBOM.Origin,
				}, d.SBOMStrength()})
			}
		}
	}
	return out
}

// compareClaims finds what the claims agree on, or who disagrees.
func (it *Entry) compareClaims() {
	for _, algorithm := range []string{"sha256", "sha512"} {
		who := map[string][]string{}
		for _, c := range it.Claims {
			if sum, ok := strings.CutPrefix(string(c.Digest), algorithm+":"); ok {
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

// None is what to say where a listing does not have what was asked for: err
// itself, or an [*UnreadError] if documents could not be read.
func (l *Listing) None(err error) error { return NotFound(err, l.Unread) }
