package simulate

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/world"
)

// anyURL is a document that the scene is likely to ask for, or several by a pattern.
func (s *scene) anyURL(r *rand.Rand) string {
	ref := s.image + ":" + s.tag
	own := s.image + "-" + s.arch + ":" + s.version
	index, child := s.truth.Image(ref, ""), s.truth.Image(own, "")
	suffix := pick(r, []string{"", "", ".sig", ".cert", ".sha256", ".sha512"})
	urls := []string{
		world.ManifestURL(ref), world.ManifestURL(ref), world.ManifestURL(own), world.ManifestURL(s.image + "@" + index),
		world.SignatureURL(s.image, index), world.SignatureURL(s.image, index), world.SBOMURL(s.version), world.SBOMURL(s.version) + suffix,
		world.ChangelogURL(s.version), world.PromotionURL("k8s-staging-kubernetes"), world.PromotionAtCommit("k8s-staging-kubernetes"),
		world.FileURL(s.version, s.path), world.FileURL(s.version, s.path) + suffix, world.FileURL(s.version, s.path) + suffix,
		world.FileURL(s.version, pick(r, []string{"SHA256SUMS", "SHA512SUMS", "provenance.json", "kubernetes-release.spdx"})),
		world.RekorEntriesURL, world.RekorSearchURL, "https://" + world.HostBlobs + "/*",
		"https://registry.k8s.io/v2/" + s.image + "/referrers/*", "https://registry.k8s.io/v2/" + s.image + "/*",
		"https://" + pick(r, world.Hosts) + "/*", "https://dl.k8s.io/*", "https://rekor.sigstore.dev/*",
	}
	if child != "" {
		urls = append(urls, world.ManifestURL(s.image+"@"+child), world.SignatureURL(s.image, child), world.SignatureURL(s.image+"-"+s.arch, child))
	}
	if m, ok := s.w.Manifest(own); ok {
		if at := hexes.FindAllIndex(m.Body, 8); len(at) > 0 {
			one := pick(r, at)
			urls = append(urls, world.BlobURL(s.image, "sha256:"+string(m.Body[one[0]:one[1]])), blobAt("sha256:"+string(m.Body[one[0]:one[1]])))
		}
	}
	return pick(r, urls)
}

// blobAt is where a blob is, and not where a registry sends who asks for it.
func blobAt(digest string) string { return "https://" + world.HostRegistry + "/blobs/" + digest }

// sworn is a document of the scene that is named by its digest, or whose digest another one names.
func (s *scene) sworn(r *rand.Rand) string {
	ref, own := s.image+":"+s.tag, s.image+"-"+s.arch+":"+s.version
	index, child := s.truth.Image(ref, ""), s.truth.Image(own, "")
	urls := []string{
		world.ManifestURL(s.image + "@" + index), world.ManifestURL(s.image + "@" + index), world.ManifestURL(ref),
		world.FileURL(s.version, s.path), world.SBOMURL(s.version),
	}
	if child != "" {
		urls = append(urls, world.ManifestURL(s.image+"@"+child), world.ManifestURL(s.image+"-"+s.arch+"@"+child), world.ManifestURL(own))
	}
	if m, ok := s.w.Manifest(own); ok {
		for _, at := range hexes.FindAllIndex(m.Body, 3) { // the config first
			urls = append(urls, blobAt("sha256:"+string(m.Body[at[0]:at[1]])))
		}
	}
	return pick(r, urls)
}

// claims notes that what is answered at a URL may be a publisher's lie.
func (s *scene) claims(url string) string {
	if strings.Contains(url, world.HostRaw) || url == "*" {
		s.lies = true
	}
	return url
}

// sometimes limits a fault to its first requests, or lets the first pass. The order of
// requests that run side by side is nobody's, so that what is counted is one URL.
func sometimes(r *rand.Rand, url string, f *world.Fault) {
	if strings.Contains(url, "*") {
		return
	}
	switch r.IntN(4) {
	case 0:
		f.Times(1 + r.IntN(6))
	case 1:
		f.After(1 + r.IntN(2))
	}
}

// onTheWay are the controls over answers.
var onTheWay = []control{
	{"edit an answer", 14, func(s *scene, r *rand.Rand) {
		url, seed := s.claims(s.anyURL(r)), r.Uint64()
		sometimes(r, url, s.w.Tamper(url, func(b []byte) []byte { return edit(sub(seed, 2), b) }))
	}},
	{"the same in other bytes", 10, func(s *scene, r *rand.Rand) {
		seed := r.Uint64()
		s.w.Tamper(s.sworn(r), func(b []byte) []byte { return rewrite(sub(seed, 4), b) })
	}},
	{"answer with another document", 4, func(s *scene, r *rand.Rand) {
		url := s.claims(s.anyURL(r))
		other := s.w.File(pick(r, []string{world.FileURL(s.other, s.path), world.SBOMURL(s.other), world.FileURL(s.version, "SHA256SUMS"), world.ChangelogURL(s.other)}))
		if m, ok := s.w.Manifest(s.anyRef(r)); ok && r.IntN(2) == 0 {
			other = m.Body
		}
		s.w.Tamper(url, func([]byte) []byte { return other })
	}},
	{"flip a bit", 2, func(s *scene, r *rand.Rand) { url := s.claims(s.anyURL(r)); sometimes(r, url, s.w.FlipBit(url)) }},
	{"a header", 3, func(s *scene, r *rand.Rand) {
		kv := pick(r, [][2]string{
			{"Content-Type", "text/plain"}, {"Content-Type", "application/vnd.oci.image.index.v1+json"}, {"Content-Type", "application/vnd.oci.image.manifest.v1+json"},
			{"Docker-Content-Digest", "sha256:" + strings.Repeat("0", 64)}, {"Content-Encoding", "gzip"}, {"Content-Range", "bytes 0-1/2"},
			{"Retry-After", "100000"}, {"Content-Length", "1"}, {"Location", "https://evil.example/"}, {"Www-Authenticate", `Bearer realm="https://evil.example/token"`},
		})
		s.w.Header(s.anyURL(r), kv[0], kv[1])
	}},
	{"a status", 6, func(s *scene, r *rand.Rand) {
		url := s.anyURL(r)
		sometimes(r, url, s.w.Status(url, pick(r, []int{http.StatusNotFound, 404, 403, 401, 410, 429, 500, 502, 503, 204, 304, 200, 206, 416})))
	}},
	{"a web page", 2, func(s *scene, r *rand.Rand) { url := s.anyURL(r); sometimes(r, url, s.w.HTML(url)) }},
	{"a storage error", 1, func(s *scene, r *rand.Rand) { url := s.anyURL(r); sometimes(r, url, s.w.StorageError(url)) }},
	{"cut short", 2, func(s *scene, r *rand.Rand) {
		url := s.anyURL(r)
		sometimes(r, url, s.w.Truncate(url, r.IntN(2000)))
	}},
	{"cut short, and said so", 2, func(s *scene, r *rand.Rand) {
		url := s.claims(s.anyURL(r))
		sometimes(r, url, s.w.Shorten(url, r.IntN(2000)))
	}},
	{"reset", 2, func(s *scene, r *rand.Rand) { url := s.anyURL(r); sometimes(r, url, s.w.Reset(url, r.IntN(2000))) }},
	{"late", 3, func(s *scene, r *rand.Rand) { s.w.Delay(s.anyURL(r), time.Duration(r.IntN(20000))*time.Millisecond) }},
	{"refused", 1, func(s *scene, r *rand.Rand) { s.w.Refuse(s.anyURL(r)) }},
	{"no such host", 1, func(s *scene, r *rand.Rand) { s.w.NoSuchHost(s.anyURL(r)) }},
	{"sent elsewhere", 4, func(s *scene, r *rand.Rand) {
		from, to := s.claims(s.anyURL(r)), s.anyURL(r)
		to = pick(r, []string{to, world.Elsewhere(to), strings.Replace(to, "https:", "http:", 1), "file:///etc/passwd", "https://evil.example/", from})
		s.w.Redirect(from, strings.TrimSuffix(to, "*"))
	}},
	{"sent abroad", 2, func(s *scene, r *rand.Rand) { s.w.RedirectAbroad(s.anyURL(r)) }},
	{"sent abroad, and changed there", 3, func(s *scene, r *rand.Rand) {
		url, seed := s.anyURL(r), r.Uint64()
		s.w.RedirectAbroad(url)
		s.w.Tamper("https://"+world.HostForeign+"/*", func(b []byte) []byte { return edit(sub(seed, 3), b) })
	}},
	{"huge", 1, func(s *scene, r *rand.Rand) {
		if url := s.anyURL(r); !strings.Contains(url, "*") {
			s.w.HugeBody(s.claims(url), int64(r.IntN(5<<20)))
		}
	}},
	{"endless", 1, func(s *scene, r *rand.Rand) {
		s.w.EndlessBody(world.ManifestURL(pick(r, []string{s.image + ":" + s.tag, s.image + "-" + s.arch + ":" + s.version})))
	}},
	{"a certificate that does not verify", 2, func(s *scene, r *rand.Rand) {
		s.w.Distrust(pick(r, world.Hosts))
		s.w.Distrust(world.HostRaw)
		s.distrusted = true
	}},
	{"a search index that answers", 1, func(s *scene, r *rand.Rand) { s.w.SetIndex(world.Index(r.IntN(5))) }},
}

// habits are what registries and publishers do in good faith. Nothing may come of them.
var habits = []control{
	{"a token", 3, func(s *scene, r *rand.Rand) { s.w.RequireToken(true) }},
	{"the referrers API", 2, func(s *scene, r *rand.Rand) { s.w.HaveReferrers(true) }},
	{"referrers by tag", 1, func(s *scene, r *rand.Rand) { s.w.TagReferrers(s.image + ":" + s.tag) }},
	{"answers in another order", 4, func(s *scene, r *rand.Rand) {
		for range 1 + r.IntN(5) {
			s.w.Delay(s.anyURL(r), time.Duration(r.IntN(1500))*time.Millisecond)
		}
	}},
	{"a long way", 1, func(s *scene, r *rand.Rand) { s.w.SetRoundTrip(time.Duration(r.IntN(800)) * time.Millisecond) }},
	{"a fault that passes", 5, func(s *scene, r *rand.Rand) {
		url := s.anyURL(r)
		for strings.Contains(url, "*") {
			url = s.anyURL(r)
		}
		switch r.IntN(4) {
		case 0:
			s.w.Status(url, pick(r, []int{429, 500, 502, 503})).Times(1 + r.IntN(2))
		case 1:
			s.w.Reset(url, r.IntN(100)).Times(1)
		case 2:
			s.w.Truncate(url, r.IntN(100)).Times(1)
		default:
			s.w.Refuse(url).Times(1)
		}
	}},
	{"a search index", 1, func(s *scene, r *rand.Rand) { s.w.SetIndex(world.Index(r.IntN(5))) }},
}

var controls = append(append(append([]control{}, stored...), onTheWay...), habits...)

func draw(r *rand.Rand, list []control) control {
	total := 0
	for _, c := range list {
		total += c.part
	}
	n := r.IntN(total)
	for _, c := range list {
		if n -= c.part; n < 0 {
			return c
		}
	}
	panic("no control")
}
