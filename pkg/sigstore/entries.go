package sigstore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// MaxEntries caps the log entries of one signature that are verified: anyone may log
// any hash, and a flood of entries must not cost more than this.
const MaxEntries = 20

// CountEntries is rule 16: of what a log look-up brought, the entries that count, the
// earliest first, at least one. Key, order, time and index of an answer are claims. An
// entry counts if its body is this signature by this certificate over these bytes, a
// log that the root knows signed body, time and index, and the certificate was valid
// at that time. At most [MaxEntries] are verified, and others are ignored.
//
// Each of found maps ids to entries, as Rekor's API returns them; what is not an entry is
// passed over. Where none counts the error is an [*EntryError], which says why the one
// that came nearest does not.
func CountEntries(root *trust.Root, s *DetachedSignature, found []map[string]json.RawMessage) ([]*LogEntry, error) {
	c := counter{root: root, of: s, seen: map[string]bool{}, why: &EntryError{report.Malformed,
		"the log answered with other entries than that of these bytes by this signature and certificate"}}
	for _, byID := range found {
		for _, raw := range byID { // the key, an id, proves nothing
			e := new(LogEntry)
			if json.Unmarshal(raw, e) == nil && s.LoggedBy(e) {
				c.add(e)
			}
		}
	}
	if len(c.list) == 0 {
		return nil, c.why
	}
	slices.SortStableFunc(c.list, func(a, b *LogEntry) int { return cmp.Compare(a.IntegratedTime, b.IntegratedTime) })
	return c.list, nil
}

// counter sorts the entries of one signature.
type counter struct {
	root     *trust.Root
	of       *DetachedSignature
	list     []*LogEntry // those that count
	seen     map[string]bool
	verified int
	nearest  int         // how near the best of the others came to counting
	why      *EntryError // why it does not
}

func (c *counter) not(near int, reason report.Reason, format string, args ...any) {
	if near > c.nearest {
		c.nearest, c.why = near, &EntryError{reason, fmt.Sprintf(format, args...)}
	}
}

func (c *counter) add(e *LogEntry) {
	e.LogID = strings.ToLower(e.LogID) // as the log signs it
	key := fmt.Sprint(e.LogID, e.LogIndex, e.IntegratedTime, e.Body, e.Verification.SignedEntryTimestamp)
	if c.seen[key] {
		return
	}
	c.seen[key] = true
	at, cert := time.Unix(e.IntegratedTime, 0), c.of.cert
	switch {
	case !e.LogKnown(c.root):
		c.not(2, report.Untrusted, "logged by %.64q, which the trusted root does not know: the trusted root may be older than the signature", e.LogID)
		return
	case !e.Promised():
		c.not(1, report.Absent, "its log entry has no signed timestamp, so nothing says when it was signed")
		return
	case c.verified == MaxEntries:
		c.not(4, report.Limit, "the log has more than %d entries of this signature, and none of the first counts", MaxEntries)
		return
	}
	c.verified++
	if err := verifyPromise(c.root, e, at); err != nil {
		c.not(3, report.Untrusted, "its log entry does not count: %v", err)
		return
	}
	if at.Before(cert.NotBefore) || at.After(cert.NotAfter) {
		c.not(5, report.Untrusted, "logged at %s, when the certificate was not valid (%s to %s); another shard of the log may hold an earlier entry",
			utc(at), utc(cert.NotBefore), utc(cert.NotAfter))
		return
	}
	c.list = append(c.list, e)
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
