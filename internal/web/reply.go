package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// A body is what is answered, and the same as gzip packs it; packed is nil where
// that is not made yet, or not worth it.
type body struct{ plain, packed []byte }

// worthPacking is the size in bytes from which on a body is compressed: below, an
// answer fits into one packet of a network anyway.
const worthPacking = 1200

// pack compresses text; nil if that saves nothing.
func pack(text []byte) []byte {
	if len(text) < worthPacking {
		return nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil || z.Close() != nil || b.Len() >= len(text) {
		return nil
	}
	return b.Bytes()
}

// reply answers with a body, compressed for a client that accepts that. Each form has an
// ETag of its own (RFC 9110, section 8.8.3.3), and HEAD has the header of GET.
func reply(w http.ResponseWriter, req *http.Request, contentType string, b body) {
	h := w.Header()
	sum := sha256.Sum256(b.plain)
	tag, text := hex.EncodeToString(sum[:16]), b.plain
	h.Add("Vary", "Accept-Encoding")
	if takesGzip(strings.Join(req.Header.Values("Accept-Encoding"), ",")) {
		if b.packed == nil {
			b.packed = pack(b.plain)
		}
		if b.packed != nil {
			tag, text = tag+"-gzip", b.packed
		}
	}
	tag = `"` + tag + `"`
	h.Set("ETag", tag)
	if isKnown(req.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if strings.HasSuffix(tag, `-gzip"`) {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}

// takesGzip reads an Accept-Encoding (RFC 9110, section 12.5.3). What is out of form
// takes nothing.
func takesGzip(accept string) bool {
	any, named, takes := false, false, false
	for part := range strings.SplitSeq(accept, ",") {
		coding, parameter, weighted := strings.Cut(part, ";")
		yes := true
		if weighted {
			weight, isQ := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameter)), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			yes = isQ && err == nil && q > 0 && q <= 1
		}
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			named, takes = true, yes
		case "*":
			any = yes
		}
	}
	return takes || any && !named
}

// isKnown reads an If-None-Match, by weak comparison (RFC 9110, section 13.1.2).
func isKnown(ifNoneMatch, tag string) bool {
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
