package verify_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// TestBundlesInOtherShapes holds that of several bundles in a file the one
// counts that fits, and that what is not a bundle is called what it is.
func TestBundlesInOtherShapes(t *testing.T) {
	w := world.New(world.Options{ImagesOnly: true})
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	body, other := []byte("this"), []byte("that")
	own, foreign := w.Sigstore().Sign(body, world.Signing{}).Bundle("0.3"), w.Sigstore().Sign(other, world.Signing{}).Bundle("0.3")
	for name, tt := range map[string]struct {
		bundle []byte
		want   report.Verdict
		says   string
	}{
		"the second fits":   {lines(foreign, own), report.Verified, ""},
		"the first fits":    {lines(own, []byte("{}")), report.Verified, ""},
		"none fits":         {lines(foreign, foreign), report.Refuted, ""},
		"one and no bundle": {lines([]byte(`{"base64Signature":""}`), foreign), report.Unknown, "cosign 1 and 2"},
		"too many":          {bytes.Repeat([]byte("{}\n"), 65), report.Unknown, ""},
		"old bundle":        {[]byte(`{"base64Signature":"","cert":"","rekorBundle":{}}`), report.Unknown, "cosign 1 and 2"},
		"signing config":    {[]byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}`), report.Unknown, "signing config"},
		"a list":            {[]byte(`[1]`), report.Unknown, "a JSON list"},
		"a later bundle":    {[]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.9+json"}`), report.Unknown, "update kverify"},
		"a later member":    {bytes.Replace(own, []byte("{"), []byte(`{"novelty":1,`), 1), report.Unknown, "update kverify"},
		"PEM":               {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), report.Unknown, "PEM (CERTIFICATE)"},
		"another type":      {[]byte(`{"mediaType":[]}`), report.Unknown, "a form that it cannot have"},
	} {
		res := artifact(t, root, verify.Artifact{Bundle: tt.bundle, Open: content(body), Identity: google(world.KrelTrust)})
		c, _ := res.Check(report.Signature)
		if res.Verdict() != tt.want || !strings.Contains(c.Detail, tt.says) || strings.Contains(c.Detail, "Go value") || strings.Contains(c.Detail, "\u00a0") {
			t.Errorf("%s: %s: %+v", name, res.Verdict(), res.Checks)
		}
	}
}

func lines(docs ...[]byte) []byte {
	var b bytes.Buffer
	for _, d := range docs {
		b.Write(bytes.ReplaceAll(d, []byte("\n"), nil))
		b.WriteByte('\n')
	}
	return b.Bytes()
}
