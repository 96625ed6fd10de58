package mirror

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// The lists that a registry gives: tags, repositories and referrers. They name
// what oci/index.json names or reaches, and nothing else.

// maxReferrers is how many referrers of one digest are listed, so that the
// answer stays below the 4 MiB that clients take: at 4 KiB of annotations each.
const maxReferrers = 1000

// answerReferrers lists the manifests of the repository whose subject is ref:
// those that a name of the mirror reaches, whichever way they came in.
func (d *Mirror) answerReferrers(req *http.Request, r *layout.Repository, ref string) *Answer {
	if !oci.Digest(ref).IsSHA256() {
		return ociError(http.StatusBadRequest, layout.CodeDigest, fmt.Sprintf("%q is not a sha256 digest", ref))
	}
	all := r.Reach()
	if all.Damage != nil {
		return d.ociRefuse(all.Damage)
	}
	type entry struct {
		MediaType    string            `json:"mediaType"`
		Digest       oci.Digest        `json:"digest"`
		Size         int64             `json:"size"`
		ArtifactType string            `json:"artifactType,omitempty"`
		Annotations  map[string]string `json:"annotations,omitempty"`
	}
	wanted := req.URL.Query().Get("artifactType")
	list := []entry{}
	for _, n := range all.Nodes {
		if n.Refers != nil && n.Refers.Subject == oci.Digest(ref) && (wanted == "" || n.Refers.ArtifactType == wanted) {
			list = append(list, entry{n.MediaType, n.Digest, n.Size, n.Refers.ArtifactType, n.Refers.Annotations})
		}
	}
	if len(list) > maxReferrers {
		return d.ociRefuse(fmt.Errorf("%s has %d referrers, %w of %d", ref, len(list), layout.ErrTooLarge, maxReferrers))
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	const index = "application/vnd.oci.image.index.v1+json"
	a := fromJSON(http.StatusOK, map[string]any{"schemaVersion": 2, "mediaType": index, "manifests": list})
	a.Header["Content-Type"] = index
	if wanted != "" {
		a.Header["OCI-Filters-Applied"] = "artifactType"
	}
	return a
}

// answerTags lists the tags of a repository.
func answerTags(req *http.Request, repo string, r *layout.Repository) *Answer {
	tags, next, bad := page(req, slices.Sorted(maps.Keys(r.Tags)))
	if bad != nil {
		return bad
	}
	a := fromJSON(http.StatusOK, map[string]any{"name": repo, "tags": tags})
	if next != "" {
		a.Header["Link"] = next
	}
	return a
}

// answerCatalog lists the repositories of a host.
func (d *Mirror) answerCatalog(req *http.Request, host string) *Answer {
	repos := []string{}
	for key := range d.repos {
		if repo, ok := strings.CutPrefix(key, host+"/"); ok {
			repos = append(repos, repo)
		}
	}
	slices.Sort(repos)
	repos, next, bad := page(req, repos)
	if bad != nil {
		return bad
	}
	a := fromJSON(http.StatusOK, map[string]any{"repositories": repos})
	if next != "" {
		a.Header["Link"] = next
	}
	return a
}

// page cuts what the parameters n and last ask for out of a sorted list, and
// gives the Link to the rest, if there is one.
func page(req *http.Request, list []string) (part []string, link string, bad *Answer) {
	q := req.URL.Query()
	if last := q.Get("last"); last != "" {
		i, found := slices.BinarySearch(list, last)
		if found {
			i++
		}
		list = list[i:]
	}
	if !q.Has("n") {
		return append([]string{}, list...), "", nil
	}
	n, err := strconv.Atoi(q.Get("n"))
	if err != nil || n < 0 {
		return nil, "", ociError(http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", fmt.Sprintf("n is %q, which is not a number of entries", q.Get("n")))
	}
	if n < len(list) {
		if n > 0 {
			q.Set("last", list[n-1])
			link = fmt.Sprintf("<%s?%s>; rel=\"next\"", req.URL.EscapedPath(), q.Encode())
		}
		list = list[:n]
	}
	return append([]string{}, list...), link, nil
}
