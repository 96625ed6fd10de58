// Package registry reads and writes images in registries: manifests, blobs and
// referrers, by tag or by digest. It asks for tokens and finds credentials
// itself.
//
// The bytes are what counts. A [Manifest] is exactly what the registry sent,
// its digest is computed here, and nothing is ever marshalled again. Whatever
// was asked for by digest either hashes to it or is a [*DigestError]; whatever
// two readers could understand in two ways is a [*FormatError]; whatever did
// not arrive is a [*fetch.Error]. Only the first contradicts anything.
//
// A [Client] asks for what it needs and for nothing else: no ping, no HEAD,
// credentials only once the registry has asked for them, and nothing twice.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

const (
	// ManifestLimit caps a manifest: 4 MiB, the size that the distribution
	// specification wants registries to accept at least.
	ManifestLimit = 4 << 20

	// keepBlob is the largest blob that is remembered: configs and signature
	// payloads are far smaller, layers are not read twice.
	keepBlob = 1 << 20

	// maxReferrers and maxPages cap what is asked for about one digest.
	maxReferrers = 1024
	maxPages     = 8
)

// Client reads from registries. It is made for one run: it remembers what it
// has read, tags included, within 16 MiB, and asks for nothing twice. It may
// be used by many goroutines at once, and must not be copied.
type Client struct {
	Fetch *fetch.Client

	// Endpoints maps a registry's host to the base URL that stands in for it:
	// "registry.k8s.io" -> "http://127.0.0.1:5000/k8s" reads
	// registry.k8s.io/pause as 127.0.0.1:5000/k8s/pause. A path that ends in /v2
	// is where the API lies: "https://HOST/artifactory/api/docker/REPO/v2". Credentials and scopes
	// are those of the stand-in, and all that it gives is Carried.
	Endpoints map[string]string

	// Keychain has the credentials of each registry; nil is anonymous. It is
	// asked only when a registry wants some.
	Keychain Keychain

	// Cache keeps on disk what is named by a digest; nil keeps nothing.
	Cache *Cache

	memo memo
	auth authorizer
	lane lane
}

// Manifest gets the manifest that ref names, by its digest if it has one, else
// by its tag. The error is a *fetch.Error, a *FormatError or a *DigestError,
// the last also if the registry announces another digest for a tag than that
// of the bytes it sends.
func (c *Client) Manifest(ctx context.Context, ref Ref) (*Manifest, error) {
	return c.manifestFrom(ctx, ref, c.Cache)
}

// Refresh asks the registry again for a manifest that came out of the cache and
// did not serve. What it gives takes the place of what was kept.
func (c *Client) Refresh(ctx context.Context, ref Ref) (*Manifest, error) {
	key := manifestKey(ref.Host, ref.Repository, ref.identifier())
	if old, ok := c.memo.get(key); ok && old.(*Manifest).FromCache {
		c.memo.drop(key)
	}
	return c.manifestFrom(ctx, ref, nil)
}

func (c *Client) manifestFrom(ctx context.Context, ref Ref, cache *Cache) (*Manifest, error) {
	at, err := c.locate(ref.Host, ref.Repository)
	if err != nil {
		return nil, err
	}
	if ref.identifier() == "" {
		return nil, &RefError{Input: ref.String(), Why: "it has neither a tag nor a digest", Hint: "add :TAG or @sha256:..."}
	}
	// A Ref may be made by hand; the URL must not lead anywhere else for it.
	if ref.Digest != "" && !ref.Digest.IsSHA256() {
		return nil, &RefError{Input: ref.String(), Why: "its digest is invalid", Hint: "a digest is sha256: and 64 lower-case hex digits"}
	}
	if ref.Tag != "" && !isTag(ref.Tag) {
		return nil, &RefError{Input: ref.String(), Why: "its tag is invalid", Hint: "a tag is at most 128 letters, digits, dots, hyphens and underscores"}
	}
	key := manifestKey(ref.Host, ref.Repository, ref.identifier())
	got, err := c.memo.do(ctx, key, func() (any, error) {
		m := c.fromCache(cache, at, ref)
		if m == nil {
			var err error
			if m, err = c.manifest(ctx, at, ref); err != nil {
				return nil, err
			}
			c.Cache.put(cacheKey(at, ref), m.MediaType, m.Body)
		}
		size := 4 * int64(len(m.Body)) // with its parsed form
		c.memo.put(key, m, size)
		if ref.Digest == "" {
			c.memo.put(manifestKey(ref.Host, ref.Repository, string(m.Digest)), m, 0)
		}
		return m, nil
	})
	if err != nil {
		return nil, cutShort(ctx, "manifest", ref.String(), err)
	}
	m := *got.(*Manifest)
	m.Ref = ref
	return &m, nil
}

// StandsIn reports whether an endpoint stands in for a host: what is read of it
// is then its operator's copy.
func (c *Client) StandsIn(host string) bool { return c.Endpoints[host] != "" }

func manifestKey(host, repo, id string) string { return "manifest " + host + "/" + repo + " " + id }

func (c *Client) manifest(ctx context.Context, at location, ref Ref) (*Manifest, error) {
	resp, done, err := c.get(ctx, at, "manifests/"+ref.identifier(), ManifestLimit, DockerIndex, OCIIndex, DockerManifest, OCIManifest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	defer done()
	m := &Manifest{Ref: ref, Digest: oci.DigestOf(resp.Body), MediaType: mediaType(resp), Body: resp.Body, Origin: at.origin(resp), doc: &document{}}
	if what := instead(resp); what != "" {
		return nil, &FormatError{Subject: ref.String(), Why: what + " where a manifest was expected"}
	}
	if ref.Digest != "" && m.Digest != ref.Digest {
		return nil, &DigestError{Subject: ref.String(), Want: string(ref.Digest), Got: string(m.Digest), Claim: "the reference"}
	}
	if said := resp.Header.Get("Docker-Content-Digest"); ref.Digest == "" && said != "" && said != string(m.Digest) {
		if !oci.Digest(said).IsSHA256() {
			return nil, &FormatError{Subject: ref.String(), Why: "the header Docker-Content-Digest holds no sha256 digest"}
		}
		return nil, &DigestError{Subject: ref.String(), Want: said, Got: string(m.Digest), Claim: "the header Docker-Content-Digest"}
	}
	if d := m.parsed(); d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// Blob gets the blob of at most limit bytes that hashes to ref's digest; a tag
// plays no part. Small blobs are remembered by their digest, whatever repository they came from. Change
// nothing in the result: others may hold it too.
func (c *Client) Blob(ctx context.Context, ref Ref, limit int64) ([]byte, error) {
	at, err := c.locate(ref.Host, ref.Repository)
	if err != nil {
		return nil, err
	}
	digest := ref.Digest
	name, memo := ref.At(digest).String(), "blob "+string(digest)
	if !digest.IsSHA256() {
		return nil, &RefError{Input: name, Why: "its digest is invalid", Hint: "a digest is sha256: and 64 lower-case hex digits"}
	}
	if limit <= 0 {
		limit = fetch.DefaultLimit
	}
	if kept, ok := c.memo.get(memo); ok && int64(len(kept.([]byte))) <= limit {
		return kept.([]byte), nil
	}
	// Only those who ask the same place under the same limit can share the
	// answer, because only they would get the same error.
	got, err := c.memo.do(ctx, fmt.Sprintf("blob %s %d", name, limit), func() (any, error) {
		if _, body, ok := c.Cache.get(blobKey(at, digest)); ok && oci.DigestOf(body) == digest && int64(len(body)) <= limit {
			c.memo.put(memo, body, int64(len(body)))
			return body, nil
		}
		resp, done, err := c.get(ctx, at, "blobs/"+string(digest), limit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		defer done()
		if got := oci.DigestOf(resp.Body); got != digest {
			if what := instead(resp); what != "" {
				return nil, &FormatError{Subject: name, Why: what + " where a blob was expected"}
			}
			return nil, &DigestError{Subject: name, Want: string(digest), Got: string(got), Claim: "the reference"}
		}
		if len(resp.Body) <= keepBlob {
			c.memo.put(memo, resp.Body, int64(len(resp.Body)))
			c.Cache.put(blobKey(at, digest), "", resp.Body)
		}
		return resp.Body, nil
	})
	if err != nil {
		return nil, cutShort(ctx, "blob", name, err)
	}
	return got.([]byte), nil
}

// Referrers lists what refers to ref's digest: by the referrers API, and where
// the registry has none, by the tag that stands in for it
// (opencontainers/distribution-spec, "Referrers tag schema"). No error and no
// descriptor means that the registry answered that it has none. An
// answer of 404 or 403 is an error: such a registry has not said so.
func (c *Client) Referrers(ctx context.Context, ref Ref) ([]Descriptor, error) {
	at, err := c.locate(ref.Host, ref.Repository)
	if err != nil {
		return nil, err
	}
	if !ref.Digest.IsSHA256() {
		return nil, &RefError{Input: ref.String(), Why: "referrers are found by digest", Hint: "add @sha256:..."}
	}
	key := "referrers " + ref.Host + "/" + ref.Repository + " " + string(ref.Digest)
	got, err := c.memo.do(ctx, key, func() (any, error) {
		list, err := c.referrers(ctx, at, ref)
		if lacksAPI(err) {
			m, tagErr := c.Manifest(ctx, referrersTag(ref))
			if tagErr != nil {
				return nil, fmt.Errorf("referrers of %w, and by tag %w", err, tagErr)
			}
			x, indexErr := m.Index()
			if indexErr != nil {
				return nil, indexErr
			}
			list, err = x.Manifests, nil
		}
		if err != nil {
			return nil, err
		}
		if len(list) > maxReferrers {
			return nil, &FormatError{Subject: ref.String(), Why: fmt.Sprintf("more than %d referrers", maxReferrers)}
		}
		c.memo.put(key, list, int64(len(list))*1024)
		return list, nil
	})
	if err != nil {
		return nil, cutShort(ctx, "referrers", ref.String(), err)
	}
	return got.([]Descriptor), nil
}

func (c *Client) referrers(ctx context.Context, at location, ref Ref) ([]Descriptor, error) {
	var all []Descriptor
	path := "referrers/" + string(ref.Digest)
	for range maxPages {
		list, query, err := c.referrersPage(ctx, at, ref, path)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
		if query == "" || len(all) > maxReferrers {
			return all, nil
		}
		path = "referrers/" + string(ref.Digest) + "?" + query
	}
	return nil, &FormatError{Subject: ref.String(), Why: fmt.Sprintf("more than %d pages of referrers", maxPages)}
}

// referrersPage reads one page of the list, and the query of the next.
func (c *Client) referrersPage(ctx context.Context, at location, ref Ref, path string) ([]Descriptor, string, error) {
	resp, done, err := c.get(ctx, at, path, ManifestLimit, OCIIndex)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", ref, err)
	}
	defer done()
	if what := instead(resp); what != "" {
		return nil, "", &FormatError{Subject: ref.String(), Why: what + " where a list of referrers was expected"}
	}
	x, _, err := ParseManifest(mediaType(resp), resp.Body)
	if err != nil || x == nil {
		why := "an image where a list of referrers was expected"
		var fe *FormatError
		if errors.As(err, &fe) {
			why = fe.Why
		}
		return nil, "", &FormatError{Subject: "referrers of " + ref.String(), Why: why}
	}
	return x.Manifests, nextPage(resp.Header.Get("Link")), nil
}

// nextPage takes the query of a Link header's next page (RFC 8288). Only the
// query is used: the next page is always of the same list.
func nextPage(link string) string {
	target, params, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(link), "<"), ">")
	if !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
		return ""
	}
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return u.Query().Encode()
}

// lacksAPI reports whether err is how registries answer a request that they
// do not know.
func lacksAPI(err error) bool {
	var e *fetch.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusBadRequest:
		return true
	}
	return false
}

// get sends one request, and once more if the registry wants a token. What is larger
// than genuine answers are is asked for again in the lane, which done leaves: call it
// once the answer was parsed.
func (c *Client) get(ctx context.Context, at location, path string, limit int64, accept ...string) (_ *fetch.Response, done func(), _ error) {
	req := fetch.Request{URL: at.base + path, Limit: min(limit, ordinary), AllowHTML: true, Header: http.Header{}}
	if len(accept) > 0 {
		req.Header.Set("Accept", strings.Join(accept, ", "))
	}
	resp, err := c.send(ctx, at, req, pullScope(at.repo))
	if limit <= ordinary || !fetch.Is(err, fetch.TooLarge) || errors.Is(err, fetch.ErrFull) {
		return resp, func() {}, err
	}
	if done, err = c.lane.enter(ctx); err != nil {
		return nil, nil, err
	}
	req.Limit = limit
	if resp, err = c.send(ctx, at, req, pullScope(at.repo)); err != nil {
		done()
		return nil, nil, err
	}
	return resp, done, nil
}

// send sends one request with the credentials that it needs, and once more if
// the registry wants others. An upload is not sent again: its error stands, and
// the next request has the right ones. What is asked of another host than the
// registry's is asked without any.
func (c *Client) send(ctx context.Context, at location, req fetch.Request, scopes string) (*fetch.Response, error) {
	if c.Fetch == nil {
		return nil, errors.New("registry: this client was given no Fetch")
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if !sameHost(at.root, req.URL) {
		resp, err := c.Fetch.Do(ctx, req)
		return resp, refused(err)
	}
	used, err := c.auth.known(ctx, c, at, scopes)
	if err != nil {
		return nil, err
	}
	if used != "" {
		req.Header.Set("Authorization", used)
	}
	resp, err := c.Fetch.Do(ctx, req)
	var e *fetch.Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized || !sameHost(e.FinalURL, req.URL) {
		return resp, refused(err)
	}
	header, authErr := c.auth.answer(ctx, c, at, scopes, e, used)
	if authErr != nil {
		return nil, authErr
	}
	if header == "" || header == used || req.Open != nil {
		return nil, c.denied(at, err)
	}
	req.Header.Set("Authorization", header)
	resp, err = c.Fetch.Do(ctx, req)
	return resp, c.denied(at, err)
}

func sameHost(a, b string) bool {
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

// instead names what came that is nothing of a registry's: see [fetch.Instead].
func instead(resp *fetch.Response) string {
	if strings.HasPrefix(strings.ToLower(resp.Header.Get("Content-Type")), "text/html") {
		return "a web page"
	}
	return fetch.Instead(resp.Body)
}

func mediaType(resp *fetch.Response) string {
	t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// cutShort makes a context's end, met while waiting for another caller's
// request, look as it would have in a request of one's own.
func cutShort(ctx context.Context, what, name string, err error) error {
	var e *fetch.Error
	if ctx.Err() == nil || errors.As(err, &e) {
		return err
	}
	return fmt.Errorf("%s: %w", name, &fetch.Error{Method: "GET", URL: what, FinalURL: what, Kind: fetch.Cancelled, Err: err})
}
