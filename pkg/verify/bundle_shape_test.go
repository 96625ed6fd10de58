package verify_test

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// checksOf prints all checks of a result: name, verdict and reason of each.
func checksOf(res report.Result) string {
	var out []string
	for _, c := range res.Checks {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Name, c.Verdict, c.Reason)))
	}
	return strings.Join(out, ", ")
}

// saysOf are the words of all checks of a result.
func saysOf(res report.Result) string {
	var out []string
	for _, c := range res.Checks {
		out = append(out, c.Detail)
	}
	return strings.Join(out, "\n")
}

const (
	bothHold  = "digest verified, signature verified"
	noBundle  = "digest unknown malformed, signature unknown malformed"
	otherFile = "digest refuted mismatch, signature refuted forged"
	notBy     = "digest verified, signature unknown untrusted"
	isForged  = "digest verified, signature refuted forged"
	notRead   = "digest unknown unreachable, signature unknown unreachable"
	notAgain  = "digest verified, signature unknown unreachable"
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
	stranger := w.Sigstore().Sign(body, world.Signing{Identity: world.KrelStage}).Bundle("0.3")
	forged := w.Sigstore().Sign(body, world.Signing{NoSCT: true}).Bundle("0.3")
	garbage := []byte("{}")
	for name, tt := range map[string]struct {
		bundle []byte
		want   string
		says   string
	}{
		"one":                           {own, bothHold, "it is of these bytes"},
		"the second fits":               {lines(foreign, own), bothHold, "it (document 2) is of these bytes"},
		"the first fits":                {lines(own, garbage), bothHold, "it (document 1) is of these bytes"},
		"both fit":                      {lines(own, own), bothHold, "it (document 1) is of these bytes"},
		"the last of three fits":        {lines(garbage, forged, own), bothHold, "it (document 3) is of these bytes"},
		"none fits":                     {lines(foreign, foreign), otherFile, "it (document 1) is of sha256:"},
		"none fits, and no bundle":      {lines(foreign, garbage), otherFile, "it (document 1) is of sha256:"},
		"one and no bundle":             {lines([]byte(`{"base64Signature":""}`), foreign), noBundle, "cosign 1 and 2"},
		"another's, and a stranger's":   {lines(foreign, stranger), notBy, "it (document 2): signed by"},
		"no bundle, and a stranger's":   {lines(garbage, stranger), notBy, "it (document 2): signed by"},
		"a stranger's, and a forged":    {lines(stranger, forged), notBy, "it (document 1): signed by"},
		"a forged, and a stranger's":    {lines(forged, stranger), isForged, "it (document 1) does not verify"},
		"a forged, and another file's":  {lines(forged, foreign), isForged, "it (document 1) does not verify"},
		"a stranger's, and no bundle":   {lines(stranger, garbage), notBy, "it (document 1): signed by"},
		"too many":                      {bytes.Repeat([]byte("{}\n"), 65), noBundle, "it: no digest"},
		"old bundle":                    {[]byte(`{"base64Signature":"","cert":"","rekorBundle":{}}`), noBundle, "cosign 1 and 2"},
		"signing config":                {[]byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}`), noBundle, "signing config"},
		"a list":                        {[]byte(`[1]`), noBundle, "a JSON list"},
		"a later bundle":                {[]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.9+json"}`), noBundle, "update kverify"},
		"a later member":                {bytes.Replace(own, []byte("{"), []byte(`{"novelty":1,`), 1), noBundle, "update kverify"},
		"PEM":                           {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), noBundle, "PEM (CERTIFICATE)"},
		"another type":                  {[]byte(`{"mediaType":[]}`), noBundle, "a form that it cannot have"},
		"another file's by a stranger":  {w.Sigstore().Sign(other, world.Signing{Identity: world.KrelStage}).Bundle("0.3"), "digest refuted mismatch, signature unknown untrusted", ""},
		"of the file by its other hash": {attested512(w, body), bothHold, "it is of these bytes"},
	} {
		res := artifact(t, root, verify.Artifact{Bundle: tt.bundle, Open: content(body), Identity: google(world.KrelTrust)})
		says := saysOf(res)
		if checksOf(res) != tt.want || !strings.Contains(says, tt.says) || strings.Contains(says, "Go value") || strings.Contains(says, "\u00a0") {
			t.Errorf("%s: %s\n%s", name, checksOf(res), says)
		}
		if (res.Verdict() == report.Verified) != (tt.want == bothHold) {
			t.Errorf("%s: %s", name, res.Verdict())
		}
	}
}

// attested512 is a statement about a file by its SHA-512.
func attested512(w *world.World, body []byte) []byte {
	sum := sha512.Sum512(body)
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"it","digest":{"sha512":"%x"}}],"predicateType":"https://example.com/p","predicate":{}}`, sum)
	return w.Sigstore().Attest([]byte(statement), world.Signing{}).Bundle("0.3")
}

func lines(docs ...[]byte) []byte {
	var b bytes.Buffer
	for _, d := range docs {
		b.Write(bytes.ReplaceAll(d, []byte("\n"), nil))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// A file is read twice, to hash it and to verify it. What cannot be read, or changes in
// between, contradicts nothing, and is never taken for what was hashed.
func TestArtifactsThatCannotBeReadTwice(t *testing.T) {
	w := world.New(world.Options{ImagesOnly: true})
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	one, two := []byte("one"), []byte("two")
	of := func(b []byte) io.Reader { return bytes.NewReader(b) }
	failing := func() io.Reader {
		return io.MultiReader(of([]byte("on")), iotest.ErrReader(errors.New("disk failure")))
	}
	statement := w.Sigstore().Attest(world.Statement("https://example.com/p", map[string]any{}, "one", sum(one), "two", sum(two)), world.Signing{}).Bundle("0.3")
	signed := w.Sigstore().Sign(one, world.Signing{}).Bundle("0.3")
	for name, tt := range map[string]struct {
		bundle []byte
		reads  []io.Reader // nil fails to open
		want   string
		says   string
	}{
		"as it is":                            {signed, []io.Reader{of(one), of(one)}, bothHold, ""},
		"not there":                           {signed, []io.Reader{nil}, notRead, "no such file"},
		"breaks off":                          {signed, []io.Reader{failing()}, notRead, "disk failure"},
		"taken away":                          {signed, []io.Reader{of(one), nil}, notAgain, "no such file"},
		"breaks off then":                     {signed, []io.Reader{of(one), failing()}, notAgain, "disk failure"},
		"another file then":                   {signed, []io.Reader{of(one), of(two)}, notAgain, "changed while it was read"},
		"a longer file then":                  {signed, []io.Reader{of(one), of([]byte("one two"))}, notAgain, "changed while it was read"},
		"another file of the same statement":  {statement, []io.Reader{of(one), of(two)}, notAgain, "changed while it was read"},
		"the file of the statement":           {statement, []io.Reader{of(two), of(two)}, bothHold, ""},
		"the signed file after another":       {signed, []io.Reader{of(two), of(one)}, "digest refuted mismatch, signature unknown unreachable", "changed while it was read"},
		"fails behind its end":                {signed, []io.Reader{of(one), behind(of(one))}, notAgain, "disk failure"},
		"not there, and a statement about it": {statement, []io.Reader{nil}, notRead, "no such file"},
	} {
		left := tt.reads
		res := artifact(t, root, verify.Artifact{Bundle: tt.bundle, Identity: google(world.KrelTrust), Open: func() (io.ReadCloser, error) {
			r := left[0]
			if left = left[1:]; r == nil {
				return nil, errors.New("no such file")
			}
			return io.NopCloser(r), nil
		}})
		if checksOf(res) != tt.want || !strings.Contains(saysOf(res), tt.says) || len(left) > 0 {
			t.Errorf("%s: %s\n%s", name, checksOf(res), saysOf(res))
		}
	}
	res := artifact(t, root, verify.Artifact{Bundle: signed, Identity: google(world.KrelTrust), Open: func() (io.ReadCloser, error) { panic("oh") }})
	if checksOf(res) != "signature unknown internal" {
		t.Errorf("a reader that crashes: %s", checksOf(res))
	}
}

// behind reads to the end, and fails for who asks for more.
func behind(r io.Reader) io.Reader {
	ended := false
	return readerFunc(func(b []byte) (int, error) {
		if ended {
			return 0, errors.New("disk failure")
		}
		n, err := r.Read(b)
		ended = err == io.EOF
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// What is asked of an artifact names its bytes once, and its signer whole.
func TestArtifactRequests(t *testing.T) {
	w := world.New(world.Options{ImagesOnly: true})
	body := []byte("it")
	bundle, key := w.Sigstore().SignWithKey("one", body)
	bundle = edit(t, bundle, func(_, material, _ object) { delete(material, "tlogEntries") })
	public, err := sigstore.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	by := google(world.KrelTrust)
	for name, tt := range map[string]struct {
		a    verify.Artifact
		says string
	}{
		"by nobody":                {verify.Artifact{Digest: sum(body)}, "exactly one"},
		"by a key and an identity": {verify.Artifact{Digest: sum(body), Key: public, Identity: by}, "exactly one"},
		"by any issuer":            {verify.Artifact{Digest: sum(body), Identity: trust.Identity{Subject: by.Subject}}, "accept too much"},
		"by any subject":           {verify.Artifact{Digest: sum(body), Identity: trust.Identity{Issuer: by.Issuer}}, "accept too much"},
		"of nothing":               {verify.Artifact{Identity: by}, "exactly one"},
		"of a file and a digest":   {verify.Artifact{Identity: by, Digest: sum(body), Open: content(body)}, "exactly one"},
		"of no digest":             {verify.Artifact{Identity: by, Digest: "sha256:12"}, "is not a digest"},
		"of an unknown algorithm":  {verify.Artifact{Identity: by, Digest: "md5:" + strings.Repeat("0", 32)}, "is not a digest"},
	} {
		tt.a.Bundle = bundle
		rep, err := (&verify.Verifier{Root: root}).Artifact(t.Context(), tt.a)
		var usage *verify.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.says) || len(rep.Results) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rep, err := (&verify.Verifier{Root: root, Policy: &trust.Policy{}}).Artifact(t.Context(), verify.Artifact{Bundle: bundle, Digest: sum(body), Key: public}); err == nil || len(rep.Results) != 0 {
		t.Errorf("a policy of nothing: %v", err)
	}
	// What the caller's verifier checks otherwise is not asked of an artifact.
	watched := new(verify.Progress)
	v := &verify.Verifier{Root: root, Progress: watched, Checks: []string{"no such check"}, Require: []string{report.Binding}}
	rep, err := v.Artifact(t.Context(), verify.Artifact{Name: "it", Bundle: bundle, Digest: sum(body), Key: public})
	if err != nil || checksOf(rep.Results[0]) != bothHold || !rep.Scope.Partial || !slices.Equal(rep.Scope.Subjects, []string{"it"}) {
		t.Fatalf("%v %+v", err, rep)
	}
	if done, total := watched.Counts(); done != 1 || total != 1 {
		t.Errorf("%d of %d are done", done, total)
	}
	notes := strings.Join(rep.Results[0].Notes, "\n")
	if !strings.Contains(notes, "nothing here says that it is part") || !strings.Contains(notes, "holds no log entry") {
		t.Errorf("of a key: %q", notes)
	}
	logged := artifact(t, root, verify.Artifact{Bundle: w.Sigstore().Sign(body, world.Signing{}).Bundle("0.3"), Digest: sum(body), Identity: by})
	if len(logged.Notes) != 1 || strings.Contains(logged.Notes[0], "no log entry") {
		t.Errorf("in a log: %q", logged.Notes)
	}
}
