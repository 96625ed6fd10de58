package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/report"
)

// A mirror's errors stand in the one table of errors, however deep they are wrapped.
func TestClassify(t *testing.T) {
	for name, tt := range map[string]struct {
		err     error
		verdict report.Verdict
		reason  report.Reason
	}{
		"damaged bytes":     {&CorruptError{}, report.Refuted, report.Mismatch},
		"another layer":     {&LayerError{}, report.Refuted, report.Mismatch},
		"too large":         {ErrTooLarge, report.Unknown, report.Limit},
		"interrupted":       {context.Canceled, report.Unknown, report.Interrupted},
		"missing":           {fs.ErrNotExist, report.Unknown, report.Incomplete},
		"damage, cut short": {errors.Join(context.Canceled, &CorruptError{}), report.Refuted, report.Mismatch},
		"too large a layer": {fmt.Errorf("it unpacks to more: %w", ErrTooLarge), report.Unknown, report.Limit},
	} {
		err := fmt.Errorf("deep: %w", tt.err)
		if v, reason := session.Classify(err); v != tt.verdict || reason != tt.reason {
			t.Errorf("%s: %s, %s; want %s, %s", name, v, reason, tt.verdict, tt.reason)
		}
	}
}
