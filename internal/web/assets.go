package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"sync"
)

//go:embed static *.html
var embedded embed.FS

var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// assets are what the page uses and its addresses, by file name. The addresses
// change with the content, so that browsers may keep it for good.
var assets = sync.OnceValues(func() (map[string]body, map[string]string) {
	content, urls := map[string]body{}, map[string]string{}
	entries, err := embedded.ReadDir("static")
	if err != nil {
		panic(err) // compiled in
	}
	for _, e := range entries {
		text, err := embedded.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(text)
		content[e.Name()] = body{text, pack(text)}
		urls[e.Name()] = "/-/" + e.Name() + "?v=" + hex.EncodeToString(sum[:6])
	}
	return content, urls
})

func asset(w http.ResponseWriter, req *http.Request, name string) {
	content, urls := assets()
	text, ok := content[name]
	if !ok {
		http.Error(w, "there is nothing here", http.StatusNotFound)
		return
	}
	if req.URL.RequestURI() == urls[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	reply(w, req, contentTypes[path.Ext(name)], text)
}
