package release

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// Claim is one document's word on one subject's digest. How much it counts for
// is not said here: that depends on who signed or published the document.
type Claim struct {
	// Subject is the path of a file in the release ("bin/linux/amd64/kubectl"),
	// or an image as its registry names it ("registry.k8s.io/kube-proxy:v1.27.2",
	// "registry.k8s.io/kube-proxy-arm64:v1.27.2").
	Subject string     `json:"subject"`
	Image   bool       `json:"image,omitempty"` // Subject is an image
	Digest  oci.Digest `json:"digest"`          // SHA-256 or SHA-512

	Document Document     `json:"document"`
	URL      string       `json:"url"`
	Origin   fetch.Origin `json:"-"` // of the document
}

// Claims lists what every document that could be read says of the digests of
// the release's files and images, sorted by subject, algorithm and document.
// The CHANGELOG's sha1 and md5 are not claims: they prove nothing.
func (r *Release) Claims() []Claim {
	var out []Claim
	add := func(d Document, url string, origin fetch.Origin) func(subject, algorithm, hex string) {
		return func(subject, algorithm, hex string) {
			if hex != "" {
				out = append(out, Claim{Subject: subject, Digest: oci.New(algorithm, hex), Document: d, URL: url, Origin: origin})
			}
		}
	}
	if s := r.SBOM; s.Value != nil {
		claim := add(DocSBOM, s.URL, s.Origin)
		for _, f := range s.Value.Files {
			if CheckPath(f.Name) != nil {
				continue
			}
			claim(f.Name, "sha256", hexOrNone(f.SHA256, sha256Hex))
			claim(f.Name, "sha512", hexOrNone(f.SHA512, sha512Hex))
		}
	}
	if s := r.Changelog; s.Value != nil {
		claim := add(DocChangelog, s.URL, s.Origin)
		for _, f := range s.Value.Files {
			claim(f.Name, "sha256", f.SHA256)
			claim(f.Name, "sha512", f.SHA512)
		}
	}
	for d, s := range map[Document]Source[*Checksums]{DocSHA256SUMS: r.SHA256SUMS, DocSHA512SUMS: r.SHA512SUMS} {
		if s.Value != nil {
			claim := add(d, s.URL, s.Origin)
			for path, sum := range s.Value.Sums {
				claim(path, s.Value.Algorithm, sum)
			}
		}
	}
	if s := r.Provenance; s.Value != nil {
		claim := add(DocProvenance, s.URL, s.Origin)
		for _, p := range s.Value.Subjects {
			if p.Path != "" {
				claim(p.Path, "sha256", p.SHA256)
				claim(p.Path, "sha512", p.SHA512)
			}
		}
	}
	if s := r.Promotion; s.Value != nil {
		for _, name := range s.Value.Images() {
			for _, digest := range s.Value.Digests(name, r.Version.String()) {
				out = append(out, Claim{
					Subject: registryHost + "/" + name + ":" + r.Version.String(), Image: true,
					Digest: digest, Document: DocPromotion, URL: s.URL, Origin: s.Origin,
				})
			}
		}
	}
	slices.SortFunc(out, func(a, b Claim) int {
		return cmp.Or(strings.Compare(a.Subject, b.Subject), strings.Compare(a.algorithm(), b.algorithm()),
			strings.Compare(string(a.Document), string(b.Document)), strings.Compare(string(a.Digest), string(b.Digest)))
	})
	return slices.Compact(out)
}

func (c Claim) algorithm() string {
	a, _, _ := strings.Cut(string(c.Digest), ":")
	return a
}

func hexOrNone(s string, n int) string {
	if isHex(s, n) {
		return s
	}
	return ""
}

// Conflict is a subject of which claims say different digests of one kind.
type Conflict struct {
	Subject string  `json:"subject"`
	Claims  []Claim `json:"claims"` // all of that kind, not only those at odds
}

// Conflicts finds the subjects on which claims, sorted as [Release.Claims]
// sorts them, disagree.
func Conflicts(claims []Claim) []Conflict {
	var out []Conflict
	for len(claims) > 0 {
		n, differ := 1, false
		for n < len(claims) && claims[n].Subject == claims[0].Subject && claims[n].algorithm() == claims[0].algorithm() {
			differ = differ || claims[n].Digest != claims[0].Digest
			n++
		}
		if differ {
			out = append(out, Conflict{Subject: claims[0].Subject, Claims: slices.Clone(claims[:n])})
		}
		claims = claims[n:]
	}
	return out
}
