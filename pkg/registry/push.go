package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// A Blob is content that can be sent: a layer, a config, a signed payload.
type Blob struct {
	Digest oci.Digest // a SHA-256
	Size   int64      // bytes
	// Open gives the bytes, from the first one, each time it is called.
	Open func() (io.ReadCloser, error)
	// Sent, if not nil, counts bytes as they go out, those of attempts that
	// failed too.
	Sent *atomic.Int64
}

// PutOutcome is how a blob came to be in a repository.
type PutOutcome uint8

const (
	Present PutOutcome = iota // it was there
	Mounted                   // the registry took it over from another of its repositories
	Sent                      // its bytes were sent
)

// String returns "present", "mounted" or "sent".
func (w PutOutcome) String() string {
	switch w {
	case Mounted:
		return "mounted"
	case Sent:
		return "sent"
	}
	return "present"
}

// askedAbove is the size up to which a blob is sent without the question whether it is
// there: what fits into the first packets that a connection may send (RFC 6928: ten) travels as
// fast as the question, and most small blobs, configs and signatures, are new.
const askedAbove = 14_600

// PutBlob sees to it that in's repository holds a blob, and sends one of more than
// 14,600 bytes only if the registry has it neither there nor in the repository from, which may be
// empty; a smaller one it does not look for there. The bytes are hashed as they are sent: a reader that gives others is a
// [*DigestError], and the upload breaks off before its last byte.
//
// attempts is how often an upload is begun at most. Each is a new one, since
// the client cannot know how much of a broken one the registry kept.
func (c *Client) PutBlob(ctx context.Context, in Ref, b Blob, from string, attempts int) (PutOutcome, error) {
	at, err := c.locate(in.Host, in.Repository)
	if err != nil {
		return Present, err
	}
	if !b.Digest.IsSHA256() || b.Size < 0 {
		return Present, &RefError{Input: in.At(b.Digest).String(), Why: "its digest or size is invalid", Hint: "a digest is sha256: and 64 lower-case hex digits"}
	}
	if b.Size == 0 && b.Digest != oci.DigestOf(nil) { // nothing will be read of it
		return Present, &DigestError{Subject: "what was to be sent", Want: string(b.Digest), Got: string(oci.DigestOf(nil)), Claim: "its name"}
	}
	other := ""
	if from != "" && from != in.Repository {
		source, err := c.locate(in.Host, from)
		if err != nil {
			return Present, err
		}
		other = source.repo
	}
	for n := 1; ; n++ {
		way, err := c.putBlob(ctx, at, b, other, n)
		if n >= attempts || !passing(err) { // nor is success passing
			if err != nil {
				err = fmt.Errorf("%s/%s@%s: %w", at.host, at.repo, b.Digest, err)
			}
			return way, err
		}
		wait(ctx, n)
	}
}

func (c *Client) putBlob(ctx context.Context, at location, b Blob, from string, attempt int) (PutOutcome, error) {
	// A mount answers the question too. After an answer that was lost the blob
	// may be there.
	if (from == "" && b.Size > askedAbove || attempt > 1) && c.hasBlob(ctx, at, b) {
		return Present, nil
	}
	scopes := pushScope(at.repo, from)
	begin := func(query string) (*fetch.Response, error) {
		return c.send(ctx, at, fetch.Request{Method: http.MethodPost, URL: at.base + "blobs/uploads/" + query, AllowHTML: true, Repeatable: true}, scopes)
	}
	var resp *fetch.Response
	var err error
	if from != "" {
		resp, err = begin("?mount=" + url.QueryEscape(string(b.Digest)) + "&from=" + url.QueryEscape(from))
		if err == nil && resp.Status == http.StatusCreated {
			return Mounted, checkDigestHeader(at, resp, b.Digest)
		}
	}
	if from == "" || err != nil && !passing(err) {
		scopes = pushScope(at.repo, "") // not every registry mounts, nor lets every user
		resp, err = begin("")
	}
	if err != nil {
		return Present, err
	}
	to, err := uploadURL(at, resp)
	if err != nil {
		return Present, err
	}
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	var failed atomic.Pointer[error]
	resp, err = c.send(ctx, at, fetch.Request{
		Method: http.MethodPut, URL: to + sep + "digest=" + url.QueryEscape(string(b.Digest)),
		Header: http.Header{"Content-Type": {"application/octet-stream"}},
		Open: func() (io.ReadCloser, error) {
			file, err := b.Open()
			if err != nil {
				failed.Store(&err)
				return nil, err
			}
			return &sending{file: file, hash: sha256.New(), blob: b, failed: &failed}, nil
		}, Size: b.Size, AllowHTML: true,
	}, scopes)
	if wrong := failed.Load(); wrong != nil {
		return Present, *wrong // whatever the registry made of it
	}
	if err != nil {
		return Present, err
	}
	if resp.Status != http.StatusCreated && resp.Status != http.StatusNoContent {
		return Present, &FormatError{Subject: at.host + "/" + at.repo + "@" + string(b.Digest), Why: fmt.Sprintf("status %d at the end of an upload", resp.Status)}
	}
	return Sent, checkDigestHeader(at, resp, b.Digest)
}

// hasBlob asks whether a blob is there, with its size. No answer is none: an upload
// finds out what is wrong.
func (c *Client) hasBlob(ctx context.Context, at location, b Blob) bool {
	resp, err := c.send(ctx, at, fetch.Request{Method: http.MethodHead, URL: at.base + "blobs/" + string(b.Digest), AllowHTML: true}, pushScope(at.repo, ""))
	if err != nil {
		return false
	}
	n, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64)
	return (err != nil || n == b.Size) && checkDigestHeader(at, resp, b.Digest) == nil
}

// checkDigestHeader compares what the registry announces with what was meant.
func checkDigestHeader(at location, resp *fetch.Response, digest oci.Digest) error {
	if got := oci.Digest(resp.Header.Get("Docker-Content-Digest")); got != "" && got != digest {
		if !got.IsSHA256() {
			got = "something else"
		}
		return &DigestError{Subject: at.host + "/" + at.repo, Want: string(digest), Got: string(got), Claim: claimSent}
	}
	return nil
}

// uploadURL reads where an upload goes. Another host gets no credentials (see
// ask); one that would be spoken to in the clear gets nothing at all.
func uploadURL(at location, resp *fetch.Response) (string, error) {
	bad := func(why string) (string, error) {
		return "", &FormatError{Subject: at.host + "/" + at.repo, Why: why}
	}
	base, err := url.Parse(resp.FinalURL)
	loc := resp.Header.Get("Location")
	if err != nil || loc == "" || resp.Status != http.StatusAccepted {
		return bad(fmt.Sprintf("status %d and no Location to upload to", resp.Status))
	}
	ref, err := url.Parse(loc)
	if err != nil {
		return bad("a Location to upload to that is not a URL")
	}
	to := base.ResolveReference(ref)
	to.Fragment, to.RawFragment = "", ""
	switch {
	case to.User != nil || to.Hostname() == "" || to.Scheme != "http" && to.Scheme != "https":
		return bad("a Location to upload to that is not a plain URL")
	case to.Scheme == "http" && !at.plain:
		return bad("it asks for uploads over plain http, although kverify reaches it over https; a registry behind a proxy must know its own URL (http.host, or http.relativeurls, in its configuration)")
	}
	// A default port that is written out is the same host.
	if port := map[string]string{"http": ":80", "https": ":443"}[to.Scheme]; !strings.HasSuffix(at.host, port) {
		to.Host = strings.TrimSuffix(to.Host, port)
	}
	return to.String(), nil
}

// sending hashes what goes out. The last bytes go only if the whole is right.
type sending struct {
	file   io.ReadCloser
	hash   hash.Hash
	blob   Blob
	n      int64
	failed *atomic.Pointer[error] // read when the request is over
}

func (s *sending) Read(p []byte) (int, error) {
	if wrong := s.failed.Load(); wrong != nil {
		return 0, *wrong
	}
	left := s.blob.Size - s.n
	if left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), left)]
	n, err := s.file.Read(p)
	s.hash.Write(p[:n])
	s.n += int64(n)
	switch {
	case s.n == s.blob.Size:
		if got := oci.FromHash(s.hash); got != s.blob.Digest {
			return 0, s.fail(&DigestError{Subject: "what was to be sent", Want: string(s.blob.Digest), Got: string(got), Claim: "its name"})
		}
		err = nil
	case errors.Is(err, io.EOF):
		return n, s.fail(&DigestError{Subject: "what was to be sent", Want: fmt.Sprintf("%s, %d bytes", s.blob.Digest, s.blob.Size), Got: fmt.Sprintf("%d bytes", s.n), Claim: "its name"})
	case err != nil:
		err = s.fail(err)
	}
	if s.blob.Sent != nil {
		s.blob.Sent.Add(int64(n))
	}
	return n, err
}

func (s *sending) fail(err error) error {
	s.failed.Store(&err)
	return err
}

func (s *sending) Close() error { return s.file.Close() }

// PutManifest writes a manifest under ref: by its tag if it has one, else by
// its digest. The bytes are sent as they are. indexed says that the registry
// has taken note of the manifest's subject, so that its list of referrers holds
// it; a manifest without a subject is never indexed.
func (c *Client) PutManifest(ctx context.Context, ref Ref, mediaType string, body []byte) (indexed bool, err error) {
	at, err := c.locate(ref.Host, ref.Repository)
	if err != nil {
		return false, err
	}
	digest := oci.DigestOf(body)
	if ref.Digest != "" && ref.Digest != digest {
		return false, &DigestError{Subject: ref.String(), Want: string(ref.Digest), Got: string(digest), Claim: "its name"}
	}
	id := string(digest)
	if ref.Tag != "" {
		id = ref.Tag
		if !isTag(id) {
			return false, &RefError{Input: ref.String(), Why: "its tag is invalid", Hint: "a tag is at most 128 letters, digits, dots, hyphens and underscores"}
		}
	}
	c.memo.drop(manifestKey(ref.Host, ref.Repository, id))
	c.memo.drop(manifestKey(ref.Host, ref.Repository, string(digest))) // what is asked for next is asked of the registry
	resp, err := c.send(ctx, at, fetch.Request{
		Method: http.MethodPut, URL: at.base + "manifests/" + id, Body: body,
		Header: http.Header{"Content-Type": {mediaType}}, AllowHTML: true, Repeatable: true,
	}, pushScope(at.repo, ""))
	if err != nil {
		return false, fmt.Errorf("%s/%s: %w", at.host, at.repo, err)
	}
	return resp.Header.Get("OCI-Subject") != "", checkDigestHeader(at, resp, digest)
}

// CheckBlob reads a blob of in's repository, keeps nothing of it, and gives a
// [*DigestError] unless its bytes hash to their digest. Nothing is taken from
// memory.
func (c *Client) CheckBlob(ctx context.Context, in Ref, d Descriptor, attempts int) error {
	at, err := c.locate(in.Host, in.Repository)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		sum := sha256.New()
		_, err := c.send(ctx, at, fetch.Request{URL: at.base + "blobs/" + string(d.Digest), Limit: max(1, d.Size), AllowHTML: true, Into: sum}, pullScope(at.repo))
		if err == nil {
			if got := oci.FromHash(sum); got != d.Digest {
				return &DigestError{Subject: at.host + "/" + at.repo, Want: string(d.Digest), Got: string(got), Claim: "the name of the blob"}
			}
			return nil
		}
		if n >= attempts || !passing(err) {
			return fmt.Errorf("%s/%s@%s: %w", at.host, at.repo, d.Digest, err)
		}
		wait(ctx, n)
	}
}

// passing says whether a failure may be another one next time.
func passing(err error) bool {
	var e *fetch.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case fetch.Unreachable, fetch.Throttled, fetch.ServerError, fetch.Truncated:
		return true
	}
	// A token that ran out on the way, or an upload that the registry forgot.
	return e.Method == http.MethodPut && (e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound || e.Status == http.StatusRequestedRangeNotSatisfiable)
}

// wait waits longer from attempt to attempt. Should ctx end, the next one says so.
func wait(ctx context.Context, n int) {
	t := time.NewTimer(200 * time.Millisecond << min(n-1, 5))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
