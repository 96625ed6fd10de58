package serve

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// lists are the lists of a mirror that have an address of their own. They are a
// record, and no verdict.
var lists = []string{layout.ManifestFile, layout.SignatureFile, layout.SumsFile}

// list is the answer for a list: its bytes, as they lie in the mirror.
func list(d *mirror.Mirror, req *http.Request) *mirror.Answer {
	name := strings.TrimPrefix(req.URL.Path, "/")
	text, err := layout.ReadIfThere(d.FS(), name, layout.MaxManifestFile)
	switch {
	case err != nil:
		return d.Refuse(req, fmt.Errorf("%s cannot be read: %w", name, layout.WithoutPath(err)))
	case text == nil:
		return mirror.Fail(req, http.StatusNotFound, layout.CodeName, "this mirror has no "+name)
	case name == layout.SumsFile:
		return mirror.NewAnswer(http.StatusOK, "text/plain; charset=utf-8", text)
	}
	return mirror.NewAnswer(http.StatusOK, "application/json", text)
}

// A Lister is a page that can list what the mirror holds below a directory of a host,
// such as "/dl.k8s.io/release/v1.27.2/": it is asked for that path if so.
type Lister interface {
	Lists(path string) bool
}

// listing is the path under which the page lists a directory, which the outside world
// does not list: where in, the request as it is meant, found nothing of that name. It
// is empty where the page lists none.
func listing(page http.Handler, in *http.Request, a *mirror.Answer) string {
	l, ok := page.(Lister)
	path := "/" + in.URL.Host + in.URL.Path
	if !ok || a.Status != http.StatusNotFound || in.URL.Host == "" || strings.HasPrefix(in.URL.Path, "/v2/") || !l.Lists(path) {
		return ""
	}
	return path
}
