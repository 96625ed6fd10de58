package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/sbom"
)

// Document names a kind of document that speaks of releases.
type Document string

const (
	DocSBOM       Document = "sbom"
	DocChangelog  Document = "changelog"
	DocPromotion  Document = "promotion"
	DocSHA256SUMS Document = "SHA256SUMS"
	DocSHA512SUMS Document = "SHA512SUMS"
	DocProvenance Document = "provenance.json"
)

// Source is one document: where it is from, whose word it is, and what it
// says, or why it says nothing.
type Source[T any] struct {
	URL    string
	Digest oci.Digest   // the SHA-256 of Body; empty without one
	Origin fetch.Origin // of Body
	Body   []byte       // as it came, even if it could not be read
	Value  T            // the zero value if Err is set
	// Err says why there is no Value: a [*fetch.Error] if there is no Body, the
	// parser's error if there is. Nil and no URL mean that it was not asked for.
	Err error
}

// Asked reports whether the document was asked for at all.
func (s Source[T]) Asked() bool { return s.URL != "" }

// Release is what the documents about one version say. It holds documents,
// not proof: how strong a claim is depends on a document's Origin and on its
// signature, which is not looked at here.
type Release struct {
	Version Version
	// SBOM's Value has passed CheckSBOM for Version; one that speaks for
	// another version is an Err, with its Body left to look at.
	SBOM       Source[*sbom.Document]
	Changelog  Source[*Changelog]
	Promotion  Source[*Promotion] // of the core images
	SHA256SUMS Source[*Checksums]
	SHA512SUMS Source[*Checksums]
	Provenance Source[*Provenance]
}

// Read lists the documents that were asked for and could be read.
func (r *Release) Read() (read []Document) {
	add := func(d Document, asked bool, err error) {
		if asked && (err == nil || errors.As(err, new(*NoFilesError))) { // which was read, and lists nothing
			read = append(read, d)
		}
	}
	add(DocSBOM, r.SBOM.Asked(), r.SBOM.Err)
	add(DocChangelog, r.Changelog.Asked(), r.Changelog.Err)
	add(DocPromotion, r.Promotion.Asked(), r.Promotion.Err)
	add(DocSHA256SUMS, r.SHA256SUMS.Asked(), r.SHA256SUMS.Err)
	add(DocSHA512SUMS, r.SHA512SUMS.Asked(), r.SHA512SUMS.Err)
	add(DocProvenance, r.Provenance.Asked(), r.Provenance.Err)
	return read
}

// Options says what to load. The zero value loads every document.
type Options struct {
	Want   []Document // nil means all
	Shared *Shared    // read by others of this run too; nil reads everything anew
	// Buckets are those in which a provenance may name the release's files; nil
	// means [ReleaseBucket].
	Buckets []string
}

// Load reads the documents about v side by side, each under a cap. It never
// fails as a whole: each Source says for itself what became of it.
func Load(ctx context.Context, c *fetch.Client, v Version, o Options) *Release {
	r := &Release{Version: v}
	var todo []func()
	want := func(d Document, f func()) {
		if o.Want == nil || slices.Contains(o.Want, d) {
			todo = append(todo, f)
		}
	}
	want(DocSBOM, func() {
		r.SBOM = load(ctx, c, v.SBOMURL(), sbom.MaxBytes, func(b []byte) (*sbom.Document, error) {
			doc, err := sbom.Parse(b)
			if err == nil {
				err = CheckSBOM(doc, v)
			}
			return doc, err
		})
	})
	want(DocChangelog, func() {
		resp, err := o.Shared.document(ctx, c, v.ChangelogURL(), maxChangelog)
		r.Changelog = newSource(v.ChangelogURL(), resp, err, forVersion(v, ParseChangelog))
	})
	want(DocPromotion, func() { r.Promotion = o.Shared.LoadPromotion(ctx, c, "kube-apiserver") })
	want(DocSHA256SUMS, func() {
		r.SHA256SUMS = load(ctx, c, v.FileURL("SHA256SUMS"), maxChecksums, sums(v, "sha256"))
	})
	want(DocSHA512SUMS, func() {
		r.SHA512SUMS = load(ctx, c, v.FileURL("SHA512SUMS"), maxChecksums, sums(v, "sha512"))
	})
	want(DocProvenance, func() {
		r.Provenance = load(ctx, c, v.FileURL("provenance.json"), maxProvenance, func(b []byte) (*Provenance, error) {
			return ParseProvenance(b, v, o.Buckets...)
		})
	})
	par.Do(todo...)
	return r
}

// LoadPromotion reads the promotion manifest that lists the image; its name in
// there is [PromotionName].
func LoadPromotion(ctx context.Context, c *fetch.Client, image string) Source[*Promotion] {
	return load(ctx, c, PromotionURL(image), maxPromotion, ParsePromotion)
}

// LoadPromotionAt reads the promotion manifest that lists the image as it was at
// a commit of kubernetes/k8s.io.
func LoadPromotionAt(ctx context.Context, c *fetch.Client, image, commit string) Source[*Promotion] {
	return load(ctx, c, PromotionAt(image, commit), maxPromotion, ParsePromotion)
}

func forVersion[T any](v Version, parse func([]byte, Version) (T, error)) func([]byte) (T, error) {
	return func(b []byte) (T, error) { return parse(b, v) }
}

// sums reads a SHA*SUMS that must be of the algorithm in its name.
func sums(v Version, algorithm string) func([]byte) (*Checksums, error) {
	return func(b []byte) (*Checksums, error) {
		c, err := ParseChecksums(b, v)
		if err == nil && c.Algorithm != algorithm {
			err = &FormatError{Document: "SHA*SUMS", Why: "it holds " + c.Algorithm + " sums, not " + algorithm}
		}
		return c, err
	}
}

// load reads one document.
func load[T any](ctx context.Context, c *fetch.Client, url string, limit int64, parse func([]byte) (T, error)) Source[T] {
	resp, err := c.Get(ctx, url, limit)
	return newSource(url, resp, err, parse)
}

// newSource makes a Source of an answer.
func newSource[T any](url string, resp *fetch.Response, err error, parse func([]byte) (T, error)) Source[T] {
	s := Source[T]{URL: url}
	if err != nil {
		s.Err = err
		return s
	}
	sum := sha256.Sum256(resp.Body)
	s.Body, s.Origin, s.Digest = resp.Body, resp.Origin, oci.FromHex(hex.EncodeToString(sum[:]))
	value, err := guard(url, resp.Body, parse)
	if err != nil {
		s.Err = fmt.Errorf("%s: %w", url, err)
		return s
	}
	s.Value = value
	return s
}

// guard turns a panic of a parser, or of a library below it, into that
// document's error: it runs in a goroutine in which no caller could recover.
func guard[T any](url string, body []byte, parse func([]byte) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &FormatError{Document: url, Why: "reading it failed: " + quote(fmt.Sprint(p))}
		}
	}()
	return parse(body)
}

// maxSigned bounds a .sig (96 bytes in base64) and a .cert (some 4 KB, base64
// of PEM).
const maxSigned = 64 << 10

// FetchSigned reads what was signed along with a file or SBOM: the base64
// signature at url+".sig" and the base64 of the PEM certificate at
// url+".cert", both as they came. The error is the first one met, a
// [*fetch.Error]; of NotFound where a release has no signature.
func FetchSigned(ctx context.Context, c *fetch.Client, url string) (sig, cert []byte, err error) {
	var sigErr, certErr error
	get := func(url string, to *[]byte, err *error) func() {
		return func() {
			resp, e := c.Get(ctx, url, maxSigned)
			if *err = e; e == nil {
				*to = resp.Body
			}
		}
	}
	par.Do(get(url+".sig", &sig, &sigErr), get(url+".cert", &cert, &certErr))
	if sigErr != nil {
		return nil, nil, sigErr
	}
	if certErr != nil {
		return nil, nil, certErr
	}
	return sig, cert, nil
}
