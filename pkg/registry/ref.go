package registry

import (
	"fmt"
	"net"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/kverify/kverify/pkg/oci"
)

// Ref names one image: a host, a repository there, and a tag or a digest or
// both. Where both are given the digest decides and the tag is a remark.
type Ref struct {
	Host       string     // "registry.k8s.io", with ":port" where there is one
	Repository string     // "kube-proxy" or "coredns/coredns"
	Tag        string     // "v1.27.2", or empty
	Digest     oci.Digest // a SHA-256, or empty
}

// String gives HOST/REPOSITORY[:TAG][@DIGEST], which ParseRef reads back.
func (r Ref) String() string {
	s := r.Host + "/" + r.Repository
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + string(r.Digest)
	}
	return s
}

// At gives the name of what has the digest d in the same repository.
func (r Ref) At(d oci.Digest) Ref {
	return Ref{Host: r.Host, Repository: r.Repository, Digest: d}
}

// identifier is what a registry is asked for.
func (r Ref) identifier() string {
	if r.Digest != "" {
		return string(r.Digest)
	}
	return r.Tag
}

// The grammar of the distribution specification (opencontainers/distribution-spec,
// spec.md, "Pulling manifests").
var (
	repositoryRE = lazyregexp.New(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagRE        = lazyregexp.New(`^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`) // see isTag
	hostRE       = lazyregexp.New(`^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$`)
)

// maxTag is the specification's. An expression that counted to it would be a hundred kilobytes.
const maxTag = 128

func isTag(s string) bool { return len(s) <= maxTag && tagRE().MatchString(s) }

// maxRef is the longest reference: the specification's 255 characters of host
// and repository, a tag and a digest.
const maxRef = 255 + 1 + maxTag + 1 + oci.DigestLen

// RefError says why a string names no image.
type RefError struct {
	Input string
	Why   string // what is wrong with it
	Hint  string // what to write instead
}

func (e *RefError) Error() string {
	in := e.Input
	if i := strings.Index(in, "://"); i >= 0 { // a user and a password may stand in what looks like a URL
		if at := strings.LastIndexByte(in, '@'); at > i && !strings.HasPrefix(in[at:], "@sha256:") || strings.Count(in[i:], "@") > 1 {
			in = in[:i] + "://xxxxx" + in[at:]
		}
	}
	if len(in) > 128 {
		in = in[:128] + "..."
	}
	return fmt.Sprintf("image %+q: %s; %s", in, e.Why, e.Hint)
}

// ParseRef reads HOST/REPOSITORY:TAG, HOST/REPOSITORY@DIGEST, or both. It
// completes nothing: a name without a host, or with neither tag nor digest, is
// a [*RefError] that says what to write.
func ParseRef(s string) (Ref, error) {
	bad := func(hint, why string, args ...any) (Ref, error) {
		return Ref{}, &RefError{Input: s, Why: fmt.Sprintf(why, args...), Hint: hint}
	}
	const form = "write HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:..., such as registry.k8s.io/kube-proxy:v1.27.2"
	switch {
	case s == "":
		return bad(form, "empty")
	case len(s) > maxRef:
		return bad(form, "longer than %d characters", maxRef)
	case strings.Contains(s, "://"):
		return bad("leave out the scheme; a registry on plain HTTP is named with --endpoint", "a URL, not an image")
	}
	rest, digest, hasDigest := strings.Cut(s, "@")
	host, repo, found := strings.Cut(rest, "/")
	if !found || host != "localhost" && !strings.ContainsAny(host, ".:") {
		hint := form
		if _, err := ParseRef("registry.k8s.io/" + s); err == nil && !strings.HasPrefix(s, "sha256:") { // else it would be refused next
			hint = fmt.Sprintf("did you mean %+q?", "registry.k8s.io/"+clip(s))
		}
		return bad(hint, "it names no registry")
	}
	tag, hasTag := "", false
	if i := strings.LastIndexByte(repo, ':'); i >= 0 {
		repo, tag, hasTag = repo[:i], repo[i+1:], true
	}
	switch {
	case !hostRE().MatchString(host):
		return bad("a host is lower-case letters, digits, dots and hyphens, with :PORT if need be", "%+q is not a host", host)
	case len(host)+1+len(repo) > 255 || !repositoryRE().MatchString(repo):
		return bad("a repository is lower-case words, separated by / . _ or -", "%+q is not a repository", repo)
	case hasTag && !isTag(tag):
		return bad("a tag is at most 128 letters, digits, dots, hyphens and underscores", "%+q is not a tag", tag)
	case hasDigest && !oci.Digest(digest).IsSHA256():
		return bad("a digest is sha256: and 64 lower-case hex digits", "%+q is not a digest", clip(digest))
	case !hasTag && !hasDigest:
		return bad("add :TAG or @sha256:...; none is assumed", "it has neither a tag nor a digest")
	}
	// The library that talks to registries must see the same name.
	var err error
	if hasTag {
		_, err = name.NewTag(host+"/"+repo+":"+tag, name.WeakValidation)
	} else {
		_, err = name.NewDigest(host+"/"+repo+"@"+digest, name.WeakValidation)
	}
	if err != nil {
		return bad(form, "%s", strings.Trim(fmt.Sprintf("%+q", err.Error()), `"`))
	}
	return Ref{Host: host, Repository: repo, Tag: tag, Digest: oci.Digest(digest)}, nil
}

func clip(s string) string { return s[:min(len(s), 128)] }

// PlainHTTP reports whether a registry is spoken to without TLS although no
// endpoint says so: only where the bytes never leave the machine.
func PlainHTTP(host string) bool {
	h := host
	if hn, _, err := net.SplitHostPort(host); err == nil {
		h = hn
	}
	h = strings.Trim(h, "[]")
	if h == "localhost" || strings.HasSuffix(h, ".localhost") {
		return true
	}
	return net.ParseIP(h).IsLoopback()
}
