package release

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// provenanceOf writes a statement about names, each with a sha256 and sha512 of
// its own unless it is "NAME=KIND", KIND saying which hashes it has.
func provenanceOf(names ...string) []byte {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	kinds := map[string]map[string]string{
		"":        {"sha256": a, "sha512": a + a},
		"sha1":    {"sha1": a[:40], "sha256": a, "sha512": a + a},
		"other1":  {"sha1": b[:40], "sha256": a, "sha512": a + a},
		"256":     {"sha256": a},
		"512":     {"sha512": a + a},
		"other":   {"sha256": b, "sha512": b + b},
		"half":    {"sha256": a, "sha512": b + b},
		"onlymd5": {"md5": a[:32]},
	}
	var subjects []map[string]any
	for _, n := range names {
		name, kind, _ := strings.Cut(n, "=")
		subjects = append(subjects, map[string]any{"name": name, "digest": kinds[kind]})
	}
	out, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2", "subject": subjects,
		"predicate": map[string]any{"builder": map[string]string{"id": "https://git.k8s.io/release/docs/krel"}, "buildType": "a build"},
	})
	if err != nil {
		panic(err)
	}
	return out
}

func bundleOf(statement []byte) []byte {
	return []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{},"dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","payload":"` +
		base64.StdEncoding.EncodeToString(statement) + `","signatures":[]}}`)
}

const publishedAt, stagedAt = "gs://kubernetes-release/release/v1.27.2/", "gs://any/stage/v1.27.2-rc.0.5+0123456789abcd/v1.27.2/gcs-stage/v1.27.2/"

func TestProvenanceForms(t *testing.T) {
	v := version(t, "v1.27.2")
	const exe = "bin/windows/amd64/kubectl.exe"
	for _, c := range []struct {
		name     string
		data     []byte
		paths    string
		released bool
		signed   bool
		mislaid  int
	}{
		{"published", provenanceOf(publishedAt+exe, publishedAt+"kubernetes.tar.gz"), exe + " kubernetes.tar.gz", true, false, 0},
		{"published, a path twice", provenanceOf(publishedAt+exe+"=sha1", publishedAt+exe, publishedAt+exe), exe + " " + exe + " " + exe, true, false, 0},
		{"published, one hash", provenanceOf(publishedAt+exe+"=256", publishedAt+"x"), exe + " x", false, false, 0},
		{"staged", provenanceOf(stagedAt+exe, "gs://any/stage/v1.27.2-rc.0.5+0123456789abcd/src.tar.gz"), exe + " ", false, false, 0},
		{"both forms", provenanceOf(stagedAt+exe, publishedAt+"x"), exe + " x", false, false, 0},
		{"mixed with a rehearsal's", provenanceOf(publishedAt+exe, "gs://kubernetes-release-gcb/release/v1.27.2/x"), exe + " ", false, false, 1},
		{"mixed with anything", provenanceOf(publishedAt+exe, "x", "https://dl.k8s.io/release/v1.27.2/x", "gs://"), exe + "   ", false, false, 3},
		{"mixed with another version in a rehearsal's", provenanceOf(publishedAt+exe, "gs://kubernetes-release-gcb/release/v1.27.1/x"), exe + " ", false, false, 1},
		{"in a bundle", bundleOf(provenanceOf(publishedAt + exe)), exe, true, true, 0},
		{"in an envelope", []byte(`{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString(provenanceOf(publishedAt+exe)) + `","signatures":[]}`), exe, true, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParseProvenance(c.data, v)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, s := range p.Subjects {
				paths = append(paths, s.Path)
			}
			if got := strings.Join(paths, " "); got != c.paths || p.Released() != c.released || (p.Statement != nil) != c.signed || len(p.Misplaced()) != c.mislaid {
				t.Errorf("%q, released %v, in an envelope %v, misplaced %q", got, p.Released(), p.Statement != nil, p.Misplaced())
			}
			if p.BuildType != "a build" || p.Builder != "https://git.k8s.io/release/docs/krel" {
				t.Errorf("%q by %q", p.BuildType, p.Builder)
			}
		})
	}
	other := provenanceOf("gs://elsewhere/release/v1.27.2/x")
	if p, err := ParseProvenance(other, v, "one", "elsewhere"); err != nil || p.Subjects[0].Path != "x" {
		t.Errorf("a bucket that was given: %v", err)
	}
	if _, err := ParseProvenance(provenanceOf(publishedAt+"x"), v, "elsewhere"); err == nil {
		t.Error("a bucket that was not given")
	}
}

// What cannot be placed was not read, and a name that points elsewhere is nobody's claim.
func TestProvenanceRefuses(t *testing.T) {
	v := version(t, "v1.27.2")
	var (
		format    *FormatError
		wrong     *WrongVersionError
		ambiguous *AmbiguousError
	)
	for name, c := range map[string]struct {
		names  []string
		target any
		says   string
	}{
		"another version":                      {[]string{"gs://kubernetes-release/release/v1.27.1/x"}, &wrong, "v1.27.1"},
		"another version among others":         {[]string{publishedAt + "y", "gs://kubernetes-release/release/v1.27.20/x"}, &wrong, "v1.27.20"},
		"a candidate":                          {[]string{"gs://kubernetes-release/release/v1.27.2-rc.0/x"}, &wrong, "v1.27.2-rc.0"},
		"a version without v":                  {[]string{"gs://kubernetes-release/release/1.27.2/x"}, &format, "no version"},
		"no version":                           {[]string{"gs://kubernetes-release/release/stable.txt"}, &format, "no version"},
		"no path":                              {[]string{"gs://kubernetes-release/release/v1.27.2"}, &format, "path"},
		"a rehearsal's bucket":                 {[]string{"gs://kubernetes-release-gcb/release/v1.27.2/x"}, &format, "was not read"},
		"a bucket that begins so":              {[]string{"gs://kubernetes-release-x/release/v1.27.2/x"}, &format, "was not read"},
		"a bucket in capitals":                 {[]string{"gs://Kubernetes-Release/release/v1.27.2/x"}, &format, "was not read"},
		"a bucket behind another":              {[]string{"gs://evil/kubernetes-release/release/v1.27.2/x"}, &format, "was not read"},
		"another scheme":                       {[]string{"s3://kubernetes-release/release/v1.27.2/x"}, &format, "was not read"},
		"https":                                {[]string{"https://storage.googleapis.com/kubernetes-release/release/v1.27.2/x"}, &format, "was not read"},
		"another directory":                    {[]string{"gs://kubernetes-release/ci/v1.27.2/x"}, &format, "was not read"},
		"two slashes":                          {[]string{"gs://kubernetes-release//release/v1.27.2/x"}, &format, "was not read"},
		"none of many":                         {[]string{"x", "y", "gs://a/stage/z"}, &format, "none of its 3 subjects"},
		"a path that climbs":                   {[]string{publishedAt + "../v1.27.1/x"}, &format, "path"},
		"a path that climbs in the middle":     {[]string{publishedAt + "bin/../x"}, &format, "path"},
		"a version that climbs":                {[]string{"gs://kubernetes-release/release/../release/v1.27.2/x"}, &format, "no version"},
		"an encoded path":                      {[]string{publishedAt + "bin%2flinux%2famd64%2fkubectl"}, &format, "path"},
		"an encoded dot":                       {[]string{publishedAt + "%2e%2e/x"}, &format, "path"},
		"an encoded version":                   {[]string{"gs://kubernetes-release/release/v1.27.2%2fx/y"}, &format, "no version"},
		"an absolute path":                     {[]string{publishedAt + "/bin/linux/amd64/kubectl"}, &format, "path"},
		"a backslash":                          {[]string{publishedAt + `bin\kubectl`}, &format, "path"},
		"a generation":                         {[]string{publishedAt + "x#1663770000"}, &format, "path"},
		"a query":                              {[]string{publishedAt + "x?alt=media"}, &format, "path"},
		"a line break":                         {[]string{publishedAt + "x\ny"}, &format, "path"},
		"two paths in one":                     {[]string{"gs://kubernetes-release/release/v1.27.1/gcs-stage/v1.27.2/x"}, &wrong, "v1.27.1"},
		"a path twice, one hash and two":       {[]string{publishedAt + "x", publishedAt + "x=256"}, &ambiguous, "x"},
		"a path twice, two hashes and one":     {[]string{publishedAt + "x=256", publishedAt + "x"}, &ambiguous, "x"},
		"a path twice, a hash each":            {[]string{publishedAt + "x=256", publishedAt + "x=512"}, &ambiguous, "x"},
		"a path twice, one hash":               {[]string{publishedAt + "x=256", publishedAt + "x=256"}, &ambiguous, "x"},
		"a path twice, other hashes":           {[]string{publishedAt + "x", publishedAt + "x=other"}, &ambiguous, "x"},
		"a path twice, another sha512":         {[]string{publishedAt + "x", publishedAt + "x=half"}, &ambiguous, "x"},
		"a path twice, another sha1":           {[]string{publishedAt + "x=sha1", publishedAt + "x=other1"}, &ambiguous, "x"},
		"a path three times, the last other":   {[]string{publishedAt + "x=sha1", publishedAt + "x", publishedAt + "x=other1"}, &ambiguous, "x"},
		"a path in two forms, other hashes":    {[]string{publishedAt + "x", stagedAt + "x=other"}, &ambiguous, "x"},
		"a hash that proves nothing":           {[]string{publishedAt + "x=onlymd5"}, &format, "neither"},
		"a bucket of releases, another's path": {[]string{"gs://kubernetes-release/release/v1.27.2/"}, &format, "path"},
	} {
		t.Run(name, func(t *testing.T) {
			statement := provenanceOf(c.names...)
			for _, data := range [][]byte{statement, bundleOf(statement)} {
				if p, err := ParseProvenance(data, v); err == nil || p != nil || !errors.As(err, c.target) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%T: %v", err, err)
				}
			}
		})
	}
	good := string(bundleOf(provenanceOf(publishedAt + "x")))
	for name, data := range map[string]string{
		"a bundle of a message":     `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{}}`,
		"an envelope of what else":  strings.Replace(good, "vnd.in-toto+json", "json", 1),
		"a payload that is no JSON": string(bundleOf([]byte("<html>"))),
		"an empty payload":          string(bundleOf(nil)),
		"a payload with a key twice": string(bundleOf([]byte(strings.Replace(string(provenanceOf(publishedAt+"x")),
			`"subject":`, `"subject":[],"subject":`, 1)))),
		"two envelopes":               strings.Replace(good, `"dsseEnvelope":`, `"dsseEnvelope":{},"dsseEnvelope":`, 1),
		"two envelopes by folding":    strings.Replace(good, `"dsseEnvelope":`, `"dſſeEnvelope":{},"dsseEnvelope":`, 1),
		"a bundle in a bundle":        string(bundleOf([]byte(good))),
		"a payload that is no base64": strings.Replace(good, `"payload":"`, `"payload":"!`, 1),
	} {
		if p, err := ParseProvenance([]byte(data), v); err == nil || p != nil || !errors.As(err, &format) {
			t.Errorf("%s: %T: %v", name, err, err)
		}
	}
}

// Errors are in words of a document, not of a program.
func TestProvenanceErrorsArePlain(t *testing.T) {
	good := string(provenanceOf(publishedAt + "x"))
	_, subject, _ := strings.Cut(good, `"subject":`)
	subject = `"subject":` + subject
	with := func(list string) string { return `{"_type":"https://in-toto.io/Statement/v1","subject":` + list + "}" }
	for name, c := range map[string][2]string{
		"nothing":            {"", "is empty, or ends too early"},
		"cut":                {good[:len(good)/2], "ends too early"},
		"a list":             {"[]", "it is a JSON array, and should be an object"},
		"a text":             {`"x"`, "it is a JSON string"},
		"a web page":         {"<html>", "not a JSON document"},
		"UTF-16":             {"\xff\xfe{\x00", "not a JSON document"},
		"subjects in a map":  {with("{}"), `its "subject" cannot be of the kind object`},
		"a digest in a list": {with(`[{"name":"x","digest":[]}]`), `its "digest" cannot be of the kind array`},
		"a number for a sum": {with(`[{"name":"x","digest":{"sha256":1}}]`), `its "digest" cannot be of the kind number`},
		"a number in front":  {`{"payloadType":1,"payload":""}`, `its "payloadType" cannot be of the kind number`},
		"no base64":          {`{"payloadType":"application/vnd.in-toto+json","payload":"!"}`, "should be base64"},
		"a null subject":     {with("[null]"), "none of its 1 subjects can be placed"},
	} {
		_, err := ParseProvenance([]byte(c[0]), version(t, "v1.27.2"))
		if err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range []string{"Go ", "json: c", "struct", "inToto", "unmarshal", "EOF"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: words of a program: %v", name, err)
			}
		}
	}
	// What is no file of the release needs no hash of one; and a mark is no fault.
	marked := "\xef\xbb\xbf" + strings.Replace(good, subject, strings.Replace(subject, "[", `[{"name":"git+https://example.test/x","digest":{"gitCommit":"00"}},`, 1), 1)
	p, err := ParseProvenance([]byte(marked), version(t, "v1.27.2"))
	if err != nil || len(p.Subjects) != 2 || p.Subjects[0].Path != "" || p.Subjects[1].Path != "x" || p.Released() || len(p.Misplaced()) != 1 {
		t.Errorf("%+v %v", p, err)
	}
}

// The edition of SLSA says where builder and build type stand; elsewhere they count for nothing.
func TestProvenanceBuilder(t *testing.T) {
	for _, c := range []struct{ kind, predicate, builder, buildType string }{
		{"https://slsa.dev/provenance/v0.1", `{"builder":{"id":"b"},"recipe":{"type":"t"}}`, "b", "t"},
		{"https://slsa.dev/provenance/v0.2", `{"builder":{"id":"b"},"buildType":"t"}`, "b", "t"},
		{"https://slsa.dev/provenance/v1", `{"buildDefinition":{"buildType":"t"},"runDetails":{"builder":{"id":"b"}}}`, "b", "t"},
		{"https://slsa.dev/provenance/v1", `{"builder":{"id":"b"},"buildType":"t"}`, "", ""},
		{"https://slsa.dev/provenance/v0.2", `{"buildDefinition":{"buildType":"t"},"runDetails":{"builder":{"id":"b"}}}`, "", ""},
		{"https://example.com/provenance", `{"builder":{"id":"b"},"buildType":"t"}`, "", ""},
		{"https://slsa.dev/provenance/v0.2", `{"builder":"b","buildType":"t"}`, "", ""},
		{"https://slsa.dev/provenance/v0.2", `[]`, "", ""},
		{"https://slsa.dev/provenance/v0.2", ``, "", ""},
	} {
		if builder, buildType := builtBy(c.kind, json.RawMessage(c.predicate)); builder != c.builder || buildType != c.buildType {
			t.Errorf("%s %s: %q %q", c.kind, c.predicate, builder, buildType)
		}
	}
}

func TestCaseProvenancePublishedForm(t *testing.T) {
	data := fieldCase(t, "provenance-published-form.json")
	p, err := ParseProvenance(data, version(t, "v1.25.2"))
	if err != nil || len(p.Subjects) != 4 || !p.Released() || p.Subjects[2].Path != "bin/linux/amd64/kubectl" {
		t.Fatalf("%+v, %v", p, err)
	}
	var wrong *WrongVersionError
	if _, err := ParseProvenance(data, version(t, "v1.25.3")); !errors.As(err, &wrong) {
		t.Errorf("it spoke for v1.25.3: %v", err)
	}
}

func TestRealPublishedProvenance(t *testing.T) {
	v := version(t, "v1.25.2")
	p, err := ParseProvenance(realdata(t, "provenance", "provenance-v1.25.2.json"), v)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, s := range p.Subjects {
		paths[s.Path] = true
	}
	if len(p.Subjects) != 113 || len(paths) != 111 || paths[""] || !p.Released() || len(p.Misplaced()) != 0 {
		t.Errorf("%d subjects, %d paths", len(p.Subjects), len(paths))
	}
	if p.Builder != "https://git.k8s.io/release/docs/krel" || p.BuildType != "https://cloudbuild.googleapis.com/CloudBuildYaml@v1" {
		t.Errorf("%q by %q", p.BuildType, p.Builder)
	}
	r := &Release{Version: v}
	r.Provenance.Value = p
	if claims := r.Claims(); len(claims) != 222 || len(Conflicts(claims)) != 0 {
		t.Errorf("%d claims", len(claims))
	}
}
