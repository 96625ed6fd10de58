package verify

import (
	"errors"
	"testing"

	"github.com/kverify/kverify/pkg/claims"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// What can be asked of files: their own checks, and what a policy asks of a whole release; a check of
// images is refused, and one that there is not.
func TestWhichChecksAreAskedOfFiles(t *testing.T) {
	v27 := versionNamed(t, "v1.27.2")
	least := []string{report.Digest, report.Signature}
	client := &fetch.Client{Transport: served{}}
	for _, tt := range []struct {
		name            string
		checks, require []string
		files, known    bool // taken for files; taken at all
	}{
		{"the policy's", nil, nil, true, true},
		{"digest and signature", least, nil, true, true},
		{"an inventory", append(least, report.Inventory), nil, true, true},
		{"a reference", append(least, report.Reference), nil, true, true},
		{"an anchor", nil, []string{report.Anchor}, true, false},
		{"contents", nil, []string{report.Contents}, false, true},
		{"staging, behind what is of files", append(least, report.Staging), nil, false, true},
		{"a check that there is not", nil, []string{"taste"}, false, false},
		{"without digest", []string{report.Signature}, nil, false, false},
	} {
		v := &Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Checks: tt.checks, Require: tt.require}
		var usage *UsageError
		if _, err := v.Files(v27); (err == nil) != tt.files || err != nil && !errors.As(err, &usage) {
			t.Errorf("%s: files: %v", tt.name, err)
		}
		l, err := v.List(t.Context(), v27)
		if (err == nil) != tt.known || (l != nil) != tt.known || err != nil && !errors.As(err, &usage) {
			t.Errorf("%s: list: %v", tt.name, err)
		}
		s, err := v.SBOM(t.Context(), v27)
		if (err == nil) != tt.known || (s != nil) != tt.known || err != nil && !errors.As(err, &usage) {
			t.Errorf("%s: SBOM: %v", tt.name, err)
		}
	}
	// Where documents were read for a run over both, files are asked for their own checks alone.
	for name, v := range map[string]*Verifier{"contents": {Fetch: client, Require: []string{report.Contents}}, "without digest": {Fetch: client, Checks: []string{report.Signature}}} {
		if f, err := v.filesFromDocuments(&claims.Documents{Version: v27}); (err == nil) != (name == "contents") || (f != nil) != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
