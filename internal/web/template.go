package web

import (
	"html/template"
	"net/url"
	"strings"
	"sync"
)

// page is parsed when it is first served: other commands have no use for it.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"text":     text,
		"short":    short,
		"size":     size,
		"exact":    exact,
		"humane":   humane,
		"moment":   moment,
		"href":     func(p string) string { return (&url.URL{Path: p}).EscapedPath() },
		"curl":     curl,
		"check":    check,
		"pull":     func(host string, i item) string { return "crictl pull " + pullName(host, i) },
		"pulled":   func(host string, i item) string { return "crictl pull " + byDigest(pullName(host, i), i.Digest) },
		"pinned":   func(i item) string { return "crictl pull " + i.Host + "/" + repository(i) + "@" + i.Digest },
		"fields":   fields,
		"only":     query,
		"platform": platformQuery,
		"own":      own,
		"alone":    alone,
		"system":   systemName,
		"word":     meaning,
		"words":    func() []word { return words },
		"button":   func(label, what, value string) button { return button{label, what, value} },
		"findings": func(f filter) string { return pageURL(f.Version, "findings", everything) + "#findings" },
		"entry": func(v view, i item) entry {
			return entry{i, v.Base, v.Host, v.Filter.Version, v.Full, v.Filter.Entry != ""}
		},
	}).ParseFS(embedded, "*.html"))
})

// A button copies a value.
type button struct{ Label, What, Value string }

// An entry is an item as its line shows it.
type entry struct {
	item
	Base, Server string // this server's address and host, as the reader knows them
	Shown        string // the version that is shown; empty for all
	Full         bool   // with its evidence
	Alone        bool   // the page was asked for this very entry
}

// This is the item itself.
func (e entry) This() item { return e.item }

// own is the address of an entry in the list of its version, for others to open.
func own(i entry) string {
	version := i.Shown
	if version != "" && i.Version != "" && strings.HasPrefix(i.Version, "v") {
		version = i.Version
	}
	return pageURL(version) + "#" + i.ID
}

// alone is the address of one entry with all of its evidence.
func alone(i entry) string { return pageURL(i.Shown, "entry", i.ID) + "#" + i.ID }
