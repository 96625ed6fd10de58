package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"

	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// answerFile answers for files/<host>/<path>.
func (d *Mirror) answerFile(req *http.Request, host string) *Answer {
	url := "https://" + host + req.URL.Path
	missing := func() *Answer {
		return plain(http.StatusNotFound, fmt.Sprintf("%s is not in the mirror %s", url, d.path))
	}
	if err := d.broken["MANIFEST.json"]; err != nil {
		return d.refuse(err)
	}
	if !layout.IsClean(req.URL.Path) {
		return missing()
	}
	w, listed := d.manifest.Lookup(url)
	body, size, err := layout.OpenChecked(req.Context(), d.fsys, "files/"+host+req.URL.Path, w)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing()
	case err == nil && !listed:
		_ = body.Close()
		err = errors.New("the file is there, but MANIFEST.json does not list it")
		fallthrough
	case err != nil:
		return d.refuse(fmt.Errorf("%s: %w", url, err))
	}
	return &Answer{Status: http.StatusOK, Size: size, SHA256: w.Sha256, Body: body, Header: map[string]string{"Content-Type": contentType(req.URL.Path)}}
}

// contentType is what the publishers' own hosts say of the same files.
func contentType(p string) string {
	switch path.Ext(p) {
	case ".json":
		return "application/json"
	case ".txt", ".md", ".yaml", ".spdx", ".sig", ".cert", ".sha256", ".sha512", ".docker_tag":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
