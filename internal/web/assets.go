package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/report"
)

//go:embed static page.html
var embedded embed.FS

var contentTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// assets are what the page uses and its addresses, by file name. The addresses
// change with the content, so that browsers may keep it for good.
var assets = sync.OnceValues(func() (map[string][]byte, map[string]string) {
	content, urls := map[string][]byte{}, map[string]string{}
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
		content[e.Name()] = text
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
	w.Header().Set("Content-Type", contentTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "no-cache")
	if req.URL.RequestURI() == urls[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(text)
}

// page is parsed when it is first served: other commands have no use for it.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{
		"text":   text,
		"short":  short,
		"size":   size,
		"moment": moment,
		"href":   func(p string) string { return (&url.URL{Path: p}).EscapedPath() },
		"curl":   curl,
		"check":  check,
		"pull":   func(v view, i item) string { return "crictl pull " + pullName(v, i) },
		"pinned": func(i item) string { return "crictl pull " + i.Host + "/" + repository(i) + "@" + i.Digest },
		"fields": fields,
		"only":   query,
		"button": func(label, what, value string) button { return button{label, what, value} },
	}).ParseFS(embedded, "page.html"))
})

// A button copies a value.
type button struct{ Label, What, Value string }

// text writes what comes from outside so that it reads as it is written:
// without control characters and without marks that turn its direction.
func text(s string) string { return render.Escape(s) }

// short is the beginning of a digest, enough to tell and too little to trust.
func short(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	if len(hex) > 12 {
		return hex[:12]
	}
	return hex
}

func size(n int64) string {
	switch {
	case n < 0:
		return ""
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

// quote makes one word of a shell's command line.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._-@%+,=[]") == "" && !strings.ContainsAny(s, "[]") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func curl(v view, i item) string {
	return "curl -fLO " + quote(v.Base+(&url.URL{Path: i.Path}).EscapedPath())
}

// check is the line that compares a file with its checksum.
func check(i item) string {
	return "echo " + quote(i.Hex()+"  "+i.File()) + " | sha256sum --check"
}

func repository(i item) string {
	repo, _, _ := strings.Cut(strings.SplitN(i.Reference, "@", 2)[0], ":")
	return repo
}

// pullName is the image as it is pulled from this server. A registry of the
// mirror other than the usual one is a prefix.
func pullName(v view, i item) string {
	if i.Host != "registry.k8s.io" {
		return v.Host + "/" + i.Host + "/" + i.Reference
	}
	return v.Host + "/" + i.Reference
}

// A field of evidence, in the order in which a person asks.
type field struct{ Key, Value string }

var fieldNames = []field{
	{"identity", "identity"}, {"issuer", "issuer"}, {"integratedTime", "logged"}, {"logIndex", "log index"},
	{"docker-reference", "reference"}, {"path", "path"}, {"says", "says"},
}

func fields(e report.Evidence) (out []field) {
	seen := map[string]bool{"logID": true, "rule": true, "document": true} // said by identity and source
	for _, f := range fieldNames {
		if v := e.Fields[f.Key]; v != "" {
			out = append(out, field{f.Value, v})
		}
		seen[f.Key] = true
	}
	var rest []field
	for k, v := range e.Fields {
		if !seen[k] {
			rest = append(rest, field{k, v})
		}
	}
	slices.SortFunc(rest, func(a, b field) int { return strings.Compare(a.Key, b.Key) })
	return append(out, rest...)
}

// query is the page with another verdict asked for.
func query(f filter, verdict string) string {
	q := url.Values{"verdict": {verdict}}
	if f.Version == "" {
		q.Set("version", everything)
	} else {
		q.Set("version", f.Version)
	}
	return "/?" + q.Encode()
}
