package detached

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
)

// rekorURL is the public-good transparency log that Kubernetes' file signatures
// are in. A file's signature has no log entry beside it, so that the entry is
// asked for.
const rekorURL = "https://rekor.sigstore.dev"

const (
	rekorEntries = "/api/v1/log/entries/retrieve"
	// rekorIndex is a search by hash beside the log: experimental, best effort,
	// absent from newer logs, and answered with a web page by the public instance
	// for some time. It is the second way, never the first.
	rekorIndex = "/api/v1/index/retrieve"
)

const (
	// maxFound caps the answer of a search: anyone may log any hash, and a flood
	// of entries must not cost more than this.
	maxFound = 1 << 20
	// retrieveAtOnce is Rekor's own limit on one retrieval.
	retrieveAtOnce = 10
	// maxEntry caps one retrieval: each entry is about 8 KB with its proof.
	maxEntry = 1 << 20
)

// noEntry says why no entry of the log counts.
func noEntry(reason report.Reason, format string, args ...any) *sigstore.EntryError {
	return &sigstore.EntryError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// prover proves signatures in one session.
type prover struct{ session *session.Session }

// lookUp asks the log for the entry of exactly this signature, and returns the
// entries that count ([sigstore.CountEntries]), the earliest first, at least one.
//
// The log is asked for the entry that it must have, which is one request and
// finds it in every shard. Only where that gave nothing that counts is the search
// index asked, for an entry that was stored in another writing of the certificate.
// That the log has none is its own word alone: an empty list, from its own host,
// in answer to the proposed entry.
//
// The errors are *sigstore.EntryError and those of the fetch.
func (r prover) lookUp(ctx context.Context, s *sigstore.DetachedSignature) ([]*sigstore.LogEntry, error) {
	first, err := r.proposed(ctx, s)
	if len(first) > 0 {
		return first, nil
	}
	if final(err) {
		return nil, err
	}
	second, other := r.searched(ctx, s)
	if len(second) > 0 {
		return second, nil
	}
	// An entry that was found and does not count says more than that none was found.
	var why *sigstore.EntryError
	if errors.As(other, &why) && (why.Reason == report.Untrusted || why.Reason == report.Limit) {
		return nil, other
	}
	return nil, err
}

// final says that a second question would meet the same.
func final(err error) bool {
	var wire *fetch.Error
	if !errors.As(err, &wire) {
		return false
	}
	switch wire.Kind {
	case fetch.Unreachable, fetch.Cancelled, fetch.Throttled, fetch.ServerError:
		return true
	}
	return false
}

// proposed asks the log with the entry itself, which it makes canonical and
// looks up in all of its shards.
func (r prover) proposed(ctx context.Context, s *sigstore.DetachedSignature) ([]*sigstore.LogEntry, error) {
	var found []map[string]json.RawMessage
	direct, err := r.ask(ctx, rekorEntries, map[string]any{"entries": []any{s.Proposal()}}, maxEntry, &found)
	switch {
	case fetch.Is(err, fetch.NotFound): // of the address, not of the entry
		return nil, noEntry(report.Unreachable, "POST %s%s: status 404, which is of the address and not of the entry; check the --endpoint, or use a mirror (--mirror DIR)", rekorURL, rekorEntries)
	case err != nil:
		return nil, err
	case len(found) > 0:
		return sigstore.CountEntries(r.session.Root, s, found)
	case found == nil:
		return nil, noEntry(report.Malformed, "POST %s%s: the answer is not the list that was asked for; look for a proxy in between, or use a mirror (--mirror DIR)", rekorURL, rekorEntries)
	case !direct:
		return nil, noEntry(report.Unreachable, "the log has not been asked: what stands in for %s knows no entry for these bytes by this signature and certificate", rekorURL)
	}
	return nil, noEntry(report.Absent, "the log has no entry for these bytes by this signature and certificate")
}

// searched asks the search index by hash and the log for what was found. Nothing
// that the index says is absence.
func (r prover) searched(ctx context.Context, s *sigstore.DetachedSignature) ([]*sigstore.LogEntry, error) {
	var ids []string
	if _, err := r.ask(ctx, rekorIndex, map[string]string{"hash": string(s.Digest())}, maxFound, &ids); err != nil {
		return nil, err
	}
	flooded := len(ids) > sigstore.MaxEntries
	var all []map[string]json.RawMessage
	for ids = ids[:min(len(ids), sigstore.MaxEntries)]; len(ids) > 0; {
		n := min(len(ids), retrieveAtOnce)
		var found []map[string]json.RawMessage
		if _, err := r.ask(ctx, rekorEntries, map[string][]string{"entryUUIDs": ids[:n]}, maxEntry, &found); err != nil {
			return nil, err
		}
		ids, all = ids[n:], append(all, found...)
	}
	list, err := sigstore.CountEntries(r.session.Root, s, all)
	if len(list) == 0 && flooded {
		return nil, noEntry(report.Limit, "the log has more than %d entries for these bytes, and the first are not of this signature", sigstore.MaxEntries)
	}
	return list, err
}

// ask sends a question to the log and reads the answer. direct is whether the
// log's own host gave it.
func (r prover) ask(ctx context.Context, path string, question any, limit int64, answer any) (direct bool, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return false, err
	}
	resp, err := r.session.Fetch.Do(ctx, fetch.Request{
		Method: http.MethodPost, URL: rekorURL + path, Body: body, Limit: limit, Repeatable: true,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	})
	if err != nil {
		return false, err
	}
	dec := json.NewDecoder(bytes.NewReader(resp.Body))
	err = dec.Decode(answer)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the list")
		}
	}
	if err != nil {
		return false, noEntry(report.Malformed, "POST %s%s: the answer is not the list that was asked for; look for a proxy in between, or use a mirror (--mirror DIR)", rekorURL, path)
	}
	return resp.Direct && resp.Status == http.StatusOK, nil
}
