package world

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/kverify/kverify/internal/world/sigstore"
)

// The hosts that a release is spread over.
const (
	HostDL       = "dl.k8s.io"
	HostCDN      = "cdn.dl.k8s.io"
	HostSBOM     = "sbom.k8s.io"
	HostRaw      = "raw.githubusercontent.com"
	HostRegistry = "registry.k8s.io"
	HostRekor    = sigstore.HostRekor
	// Backends of the registry: manifests, signatures by tag, and blobs.
	HostManifests  = "us-west1-docker.pkg.dev"
	HostSignatures = "us-central1-docker.pkg.dev"
	HostBlobs      = "prod-registry-k8s-io-us-west-1.s3.dualstack.us-west-1.amazonaws.com"
	// HostForeign is no publisher. Below its path it has a copy of everything:
	// https://evil.example/dl.k8s.io/release/v1.27.2/... is that file.
	HostForeign = "evil.example"
)

// HostTUF is where Sigstore's trusted root is published.
const HostTUF = "tuf-repo-cdn.sigstore.dev"

// The hosts of Debian packages: the documented one redirects to the other, which is
// the one that apt names when it fetches.
const (
	HostPackages    = "pkgs.k8s.io"
	HostPackagesCDN = "prod-cdn.packages.k8s.io"
)

// Hosts are the hosts that releases are served from and the log, the foreign one last.
var Hosts = []string{
	HostDL, HostCDN, HostSBOM, HostRaw, HostRegistry, HostRekor,
	HostManifests, HostSignatures, HostBlobs, HostTUF, HostForeign,
}

const (
	pathImages    = "/v2/k8s-artifacts-prod/images/"
	pathBlobs     = "/containers/images/"
	pathChangelog = "/kubernetes/kubernetes/master/CHANGELOG/CHANGELOG-%d.%d.md"
	pathPromotion = "/kubernetes/k8s.io/main/registry.k8s.io/images/%s/images.yaml"
	pathSupport   = "/kubernetes/website/main/data/releases/"
	pathPackages  = "/repositories/isv:/kubernetes:"
)

// PackageURL is the address of what lies at path in the Debian repository of a
// version's minor: "Packages", or "amd64/kubelet_1.28.2-1.1_amd64.deb".
func PackageURL(version, path string) string {
	v := parseVersion(version)
	return sprintf("https://%s/core:/stable:/v%d.%d/deb/%s", HostPackages, v[0], v[1], path)
}

// FileURL is the documented address of a release's file.
func FileURL(version, path string) string {
	return "https://" + HostDL + "/release/" + version + "/" + path
}

// SBOMURL is the documented address of a release's SBOM; suffixes such as
// ".sig" may follow.
func SBOMURL(version string) string { return "https://" + HostSBOM + "/" + version + "/release" }

// ChangelogURL is the address of the CHANGELOG that a version is in.
func ChangelogURL(version string) string {
	v := parseVersion(version)
	return "https://" + HostRaw + sprintf(pathChangelog, v[0], v[1])
}

// PromotionCommit is the commit of kubernetes/k8s.io that promotion records name.
// The manifests at it are those of the world as it was built.
const PromotionCommit = "25d18949f7b8000000000000000000000000cafe"

// PromotionPath is where a project's promotion manifest lies in kubernetes/k8s.io.
func PromotionPath(project string) string {
	return strings.TrimPrefix(sprintf(pathPromotion, project), "/kubernetes/k8s.io/main/")
}

// PromotionAtCommit is the address of a project's promotion manifest at [PromotionCommit].
func PromotionAtCommit(project string) string {
	return "https://" + HostRaw + "/kubernetes/k8s.io/" + PromotionCommit + "/" + PromotionPath(project)
}

// PromotionURL is the address of a project's promotion manifest, such as
// "k8s-staging-kubernetes".
func PromotionURL(project string) string {
	return "https://" + HostRaw + sprintf(pathPromotion, project)
}

// ScheduleURL and EndOfLifeURL are the website's data files.
const (
	ScheduleURL  = "https://" + HostRaw + pathSupport + "schedule.yaml"
	EndOfLifeURL = "https://" + HostRaw + pathSupport + "eol.yaml"
)

// ManifestURL is the address at the registry of "repo:tag" or "repo@digest".
func ManifestURL(ref string) string {
	repo, tag, digest := splitRef(ref)
	return "https://" + HostRegistry + "/v2/" + repo + "/manifests/" + orElse(digest, tag)
}

// SignatureURL is the address at the registry of a digest's `.sig` tag.
func SignatureURL(repo, digest string) string { return ManifestURL(repo + ":" + sigTag(digest)) }

// BlobURL is the address at the registry of a blob.
func BlobURL(repo, digest string) string {
	return "https://" + HostRegistry + "/v2/" + repo + "/blobs/" + digest
}

// RekorSearchURL and RekorEntriesURL are the look-ups that a verifier makes.
const (
	RekorSearchURL  = "https://" + HostRekor + "/api/v1/index/retrieve"
	RekorEntriesURL = "https://" + HostRekor + "/api/v1/log/entries/retrieve"
)

// Elsewhere is the same document on the foreign host.
func Elsewhere(u string) string {
	_, rest, _ := strings.Cut(u, "://")
	return "https://" + HostForeign + "/" + rest
}

// canonicalKey is the host and path under which a URL's content is stored:
// where the redirects of dl.k8s.io and sbom.k8s.io end.
func canonicalKey(raw string) string {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		rest = raw
	}
	rest, _, _ = strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	if to := redirected(host, "/"+path); to != "" {
		return canonicalKey(to)
	}
	return host + "/" + path
}

var sbomPath = regexp.MustCompile(`^/(v[0-9][^/]*)/(release|source)(\.(?:sig|cert|sha256|sha512))?$`)

// redirected is where the file hosts send a request, empty if they do not.
func redirected(host, path string) string {
	switch host {
	case HostSBOM:
		if m := sbomPath.FindStringSubmatch(path); m != nil {
			return "https://" + HostDL + "/release/" + m[1] + "/kubernetes-" + m[2] + ".spdx" + m[3]
		}
	case HostDL:
		if strings.HasPrefix(path, "/release/") {
			return "https://" + HostCDN + path
		}
		if strings.HasPrefix(path, "/v") {
			return "https://" + HostCDN + "/release" + path
		}
	case HostPackages:
		return "https://" + HostPackagesCDN + pathPackages + path
	}
	return ""
}

// names are all URLs that lead to a URL, itself first. They let an attack name
// a document by the address its user knows.
func names(u *url.URL) []string {
	rest := u.Host + u.Path
	out := []string{u.Scheme + "://" + rest}
	add := func(host, path string) { out = append(out, "https://"+host+path) }
	switch {
	case u.Host == HostCDN && strings.HasPrefix(u.Path, "/release/"):
		add(HostDL, u.Path)
		add(HostDL, strings.TrimPrefix(u.Path, "/release"))
		version, file, _ := strings.Cut(strings.TrimPrefix(u.Path, "/release/"), "/")
		for _, kind := range []string{"release", "source"} {
			if suffix, ok := strings.CutPrefix(file, "kubernetes-"+kind+".spdx"); ok {
				add(HostSBOM, "/"+version+"/"+kind+suffix)
			}
		}
	case strings.HasPrefix(u.Path, pathImages):
		add(HostRegistry, "/v2/"+strings.TrimPrefix(u.Path, pathImages))
	case u.Host == HostBlobs:
		add(HostRegistry, "/blobs/"+strings.TrimPrefix(u.Path, pathBlobs))
	}
	return out
}
