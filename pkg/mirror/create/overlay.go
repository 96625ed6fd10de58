package create

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
	"github.com/kverify/kverify/pkg/oci"
)

// overlay answers from a mirror, while it is brought up to date, what it holds
// already and what never changes: what a digest names, the signatures of a
// digest, the files of a release, log entries. Tags, the CHANGELOG and
// promotion manifests are asked for outside, each time.
//
// What it gives is carried, as everything that a mirror gives, and is verified
// as if it came from outside.
type overlay struct {
	dir      *mirror.Mirror
	next     http.RoundTripper
	registry *url.URL // that images are read from in place of the registry; nil: itself
	used     atomic.Int64
}

// RoundTrip implements [http.RoundTripper].
func (k *overlay) RoundTrip(req *http.Request) (*http.Response, error) {
	to := k.keptURL(req.URL)
	if to == nil {
		return k.next.RoundTrip(req)
	}
	asked := req.Clone(req.Context())
	asked.URL, asked.Host = to, to.Host
	again := req
	var query []byte
	if req.Body != nil {
		var err error
		query, err = io.ReadAll(io.LimitReader(req.Body, mirror.MaxQuery+1))
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
		again = req.Clone(req.Context())
		again.Body, asked.Body = io.NopCloser(bytes.NewReader(query)), io.NopCloser(bytes.NewReader(query))
	}
	resp, err := k.dir.RoundTrip(asked)
	if err != nil {
		fetch.FromMirror(req.Context(), "")
		return k.next.RoundTrip(again) // not there, or damaged: it is asked for anew
	}
	if resp.StatusCode == http.StatusOK && (req.Body == nil || answered(resp, query)) {
		resp.Request = req
		k.used.Add(1)
		return resp, nil
	}
	_ = resp.Body.Close()
	fetch.FromMirror(req.Context(), "")
	return k.next.RoundTrip(again)
}

// keptURL is where the mirror keeps what u names; nil if that may change.
func (k *overlay) keptURL(u *url.URL) *url.URL {
	host, p := strings.ToLower(u.Host), u.Path
	if k.registry != nil && strings.EqualFold(host, k.registry.Host) {
		rest, ok := strings.CutPrefix(p, "/v2"+strings.TrimSuffix(k.registry.Path, "/")+"/")
		if !ok {
			return nil
		}
		host, p = layout.HostImages, "/v2/"+rest
	}
	switch host {
	case layout.HostImages:
		kind, ref := "", ""
		if parts := strings.Split(p, "/"); len(parts) > 4 {
			kind, ref = parts[len(parts)-2], parts[len(parts)-1]
		}
		signature := strings.HasPrefix(ref, "sha256-") && strings.HasSuffix(ref, ".sig")
		if kind != "blobs" && kind != "manifests" || !oci.Digest(ref).IsSHA256() && !signature {
			return nil
		}
	case layout.HostFiles:
		if rest, ok := strings.CutPrefix(p, "/release/"); !ok || !layout.StartsWithVersion(rest) {
			return nil
		}
	case layout.HostSBOM:
		to, err := url.Parse(layout.Canonical(host, p))
		if err != nil || to.Host == "" {
			return nil
		}
		return to
	case layout.HostRekor:
	default:
		return nil
	}
	return &url.URL{Scheme: "https", Host: host, Path: p}
}

// answered says whether a look-up in the log found all that it asked for.
func answered(resp *http.Response, query []byte) bool {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var found []json.RawMessage
	var q struct {
		UUIDs []string `json:"entryUUIDs"`
	}
	return err == nil && json.Unmarshal(body, &found) == nil && json.Unmarshal(query, &q) == nil &&
		len(found) > 0 && len(found) >= len(q.UUIDs)
}
