package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/kverify/kverify/internal/rootfs"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
)

// Only a contradiction that was read refutes, however deep an error wraps it; what is
// not in the table could not be understood, and never verifies.
func TestClassify(t *testing.T) {
	for name, tt := range map[string]struct {
		err     error
		verdict report.Verdict
		reason  report.Reason
	}{
		"other bytes":         {&registry.DigestError{}, report.Refuted, report.Mismatch},
		"another layer":       {&rootfs.DiffIDError{}, report.Refuted, report.Mismatch},
		"another payload":     {&sigstore.MismatchError{}, report.Refuted, report.Mismatch},
		"not there":           {&fetch.Error{Kind: fetch.NotFound}, report.Unknown, report.Absent},
		"too large":           {&fetch.Error{Kind: fetch.TooLarge}, report.Unknown, report.Limit},
		"no answer":           {&fetch.Error{Kind: fetch.Unreachable}, report.Unknown, report.Unreachable},
		"cut off":             {&fetch.Error{Kind: fetch.Cancelled, Err: context.DeadlineExceeded}, report.Unknown, report.Interrupted},
		"a disk that is full": {&fetch.FileError{Err: errors.New("no space")}, report.Unknown, report.Incomplete},
		"a pipe for a file":   {&fetch.FileError{Err: fetch.ErrNotRegular}, report.Unknown, report.Incomplete},
		"too large a file":    {&fetch.FileError{Err: fetch.ErrTooBig}, report.Unknown, report.Limit},
		"a missing file":      {fs.ErrNotExist, report.Unknown, report.Incomplete},
		"not logged":          {sigstore.ErrNoEntry, report.Unknown, report.Absent},
		"a manifest's form":   {&registry.FormatError{}, report.Unknown, report.Malformed},
		"a layer's form":      {&rootfs.LayerError{}, report.Unknown, report.Malformed},
		"a bomb":              {rootfs.ErrLimit, report.Unknown, report.Limit},
		"interrupted":         {context.Canceled, report.Unknown, report.Interrupted},
		"out of time":         {context.DeadlineExceeded, report.Unknown, report.Interrupted},
		"a slow answer":       {&fetch.Error{Kind: fetch.Unreachable, Err: context.DeadlineExceeded}, report.Unknown, report.Unreachable},
		"this program's":      {Guard(func() { panic("x") }), report.Unknown, report.Internal},
		"anything else":       {errors.New("x"), report.Unknown, report.Malformed},
		"nothing, by mistake": {nil, report.Unknown, report.Malformed},
	} {
		err := tt.err
		if err != nil {
			err = fmt.Errorf("deep: %w", fmt.Errorf("deeper: %w", err))
		}
		if v, reason := Classify(err); v != tt.verdict || reason != tt.reason {
			t.Errorf("%s: %s, %s; want %s, %s", name, v, reason, tt.verdict, tt.reason)
		}
	}
}

// What the policy requires and a caller leaves out makes the session partial; digest
// and signature cannot be left out, and a check that there is none of is refused.
func TestChecks(t *testing.T) {
	policy := trust.EmbeddedPolicy()
	s, err := New(policy, []string{report.Signature, report.Digest}, []string{report.Contents})
	if err != nil {
		t.Fatal(err)
	}
	if !s.Partial() || !s.Needs(report.Contents) || s.Needs(report.Binding) {
		t.Errorf("checks %q, left out %q", s.required, s.omitted)
	}
	if c := s.Check(report.Contents, report.Unknown, report.NoClaim, "x"); !c.Required {
		t.Error("what was asked for is not required")
	}
	s.Drop(func(string) bool { return true })
	if s.Partial() || s.Needs(report.Digest) {
		t.Errorf("after all were dropped: %q, left out %q", s.required, s.omitted)
	}
	if whole, err := New(policy, nil, nil); err != nil || whole.Partial() {
		t.Errorf("by the policy alone: partial, %v", err)
	}
	for name, checks := range map[string][]string{"no signature": {report.Digest}, "none of that name": {report.Digest, report.Signature, "seal"}, "empty": {}} {
		var usage *report.UsageError
		if _, err := New(policy, checks, nil); !errors.As(err, &usage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
