package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/report"
)

// text writes what comes from outside so that it reads as it is written:
// without control characters and without marks that turn its direction.
func text(s string) string { return terminal.Escape(s) }

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

// exact is a size to the byte.
func exact(n int64) string {
	if n < 0 {
		return ""
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits + " bytes"
}

func curl(base string, i item) string {
	return "curl -fLO " + quote(base+(&url.URL{Path: i.Path}).EscapedPath())
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
func pullName(host string, i item) string {
	if i.Host != "registry.k8s.io" {
		return host + "/" + i.Host + "/" + i.Reference
	}
	return host + "/" + i.Reference
}

// byDigest is a name with a digest in the place of its tag.
func byDigest(name, digest string) string {
	if at := strings.IndexByte(name, '@'); at >= 0 {
		return name[:at] + "@" + digest
	}
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	return name + "@" + digest
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

// pageURL is the page of a version, with more asked for: pairs of a field and its value.
func pageURL(version string, pairs ...string) string {
	if version == "" {
		version = everything
	}
	q := url.Values{"version": {version}}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "/?" + q.Encode()
}

// query is the page with another verdict asked for.
func query(f filter, verdict string) string { return pageURL(f.Version, "verdict", verdict) }

// platformQuery is the page with what is for one platform.
func platformQuery(f filter, os, arch string) string {
	return pageURL(f.Version, "os", os, "arch", arch) + "#results"
}
