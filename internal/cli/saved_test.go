package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

type object = map[string]any

// savedRun is the report of a whole release, as -o json=FILE writes it.
func savedRun(t *testing.T) []byte {
	t.Helper()
	w := world.New(world.Options{})
	root, err := trust.ParseRoot(w.TrustedRootJSON())
	if err != nil {
		t.Fatal(err)
	}
	client := &fetch.Client{Transport: w}
	v := &verify.Verifier{Fetch: client, Registry: &registry.Client{Fetch: client}, Root: root, Tool: report.Tool{Name: "kverify", Version: "v1.2.3"}}
	version, _ := release.ParseVersion("v1.27.2")
	r, err := v.Images(t.Context(), verify.Request{Versions: []release.Version{version}})
	if err != nil || r.Verdict() != report.Verified {
		t.Fatal(err, r.Verdict())
	}
	var b bytes.Buffer
	if err := render.JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAltered reads a report as the line does, and gives its last line.
func readAltered(t *testing.T, doc any) (string, error) {
	t.Helper()
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := readReport(t.Context(), name)
	if err != nil {
		return "", err
	}
	var line bytes.Buffer
	if err := render.Verdict(&line, f.Report, render.Options{}); err != nil {
		t.Fatal(err)
	}
	return line.String(), nil
}

// Rule 34: a saved report says that it is one, and what was visibly altered in it
// is refused, or shown as what it is.
func TestSavedReportThatWasAltered(t *testing.T) {
	genuine := savedRun(t)
	parse := func() (o object) {
		if err := json.Unmarshal(genuine, &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	line, err := readAltered(t, parse())
	if err != nil || !strings.HasPrefix(line, "VERIFIED") || !strings.Contains(line, "as the saved report says") {
		t.Fatalf("%v %s", err, line)
	}
	results := func(o object) []any { return o["results"].([]any) }
	image := func(o object) object { // the first index
		for _, r := range results(o) {
			if r.(object)["kind"] == "image" {
				return r.(object)
			}
		}
		panic("no image")
	}
	check := func(o object, name string) object {
		for _, c := range image(o)["checks"].([]any) {
			if c.(object)["name"] == name {
				return c.(object)
			}
		}
		panic("no check " + name)
	}
	without := func(o object, name string) {
		image(o)["checks"] = slices.DeleteFunc(image(o)["checks"].([]any), func(c any) bool { return c.(object)["name"] == name })
	}
	scope := func(o object) object { return o["scope"].(object) }
	source := func(o object, what string) object { return o[what].(object) }
	drop := func(o object, gone func(r object) bool) {
		o["results"] = slices.DeleteFunc(results(o), func(r any) bool { return gone(r.(object)) })
	}
	other := "sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		alter func(o object)
		says  string // in the error, or after "shown:" in the last line
	}{
		"a check taken out":                     {func(o object) { without(o, "reference") }, "lacks the check reference"},
		"the signature taken out":               {func(o object) { without(o, "signature") }, "lacks the check signature"},
		"the digest taken out":                  {func(o object) { without(o, "digest") }, "lacks the check digest"},
		"all checks taken out":                  {func(o object) { image(o)["checks"] = []any{} }, "but its checks make it unknown"},
		"a check that there is not":             {func(o object) { check(o, "binding")["name"] = "bindings" }, "which kverify does not have"},
		"a check renamed to another":            {func(o object) { check(o, "reference")["name"] = "staging" }, "lacks the check reference"},
		"a check twice":                         {func(o object) { check(o, "reference")["name"] = "signature" }, "stands twice"},
		"a check that is not required":          {func(o object) { check(o, "binding")["required"] = false }, "required of all"},
		"a check that failed, and not required": {func(o object) { c := check(o, "binding"); c["required"], c["verdict"] = false, "refuted" }, "required of all"},
		"a verdict of a check flipped":          {func(o object) { check(o, "binding")["verdict"] = "refuted" }, "make it refuted"},
		"verified, with a reason against it":    {func(o object) { check(o, "binding")["reason"] = "noClaim" }, "with a reason why it is not"},
		"a verdict of a result flipped":         {func(o object) { image(o)["verdict"] = "refuted" }, "its checks make it verified"},
		"the verdict flipped":                   {func(o object) { o["verdict"] = "unknown" }, "its results make it verified"},
		"a verdict that there is not":           {func(o object) { o["verdict"] = "ok" }, "verdict"},
		"a kind that there is not":              {func(o object) { image(o)["kind"] = "picture" }, "which kverify does not have"},
		"no kind":                               {func(o object) { delete(image(o), "kind") }, "which kverify does not have"},
		"an image as a release":                 {func(o object) { image(o)["kind"] = "release" }, "lacks the check inventory"},
		"an image as a file":                    {func(o object) { image(o)["kind"] = "file" }, "inventory counted"},
		"no digest":                             {func(o object) { delete(image(o), "digest") }, "has no digest"},
		"a digest that is none":                 {func(o object) { image(o)["digest"] = "sha256:0" }, "not a digest"},
		"another digest":                        {func(o object) { image(o)["digest"] = other }, "what was looked at is"},
		"a signature that looked at nothing":    {func(o object) { delete(check(o, "signature"), "evidence") }, "does not say what it looked at"},
		"no inventory":                          {func(o object) { drop(o, func(r object) bool { return r["kind"] == "release" }) }, "no inventory"},
		"an image taken out": {func(o object) {
			drop(o, func(r object) bool { return strings.Contains(r["subject"].(string), "kube-proxy") })
		}, "its inventory counted"},
		"a platform taken out": {func(o object) {
			drop(o, func(r object) bool {
				return strings.Contains(r["subject"].(string), "kube-proxy") && r["platform"] == "linux/arm64"
			})
		}, "its inventory counted"},
		"an image taken out, and counted so": {func(o object) {
			drop(o, func(r object) bool { return strings.Contains(r["subject"].(string), "kube-proxy") })
			results(o)[0].(object)["checks"].([]any)[0].(object)["detail"] = "everything is there"
		}, "says nothing of kube-proxy"},
		"a platform taken out, and counted so": {func(o object) {
			drop(o, func(r object) bool {
				return strings.Contains(r["subject"].(string), "kube-proxy") && r["platform"] == "linux/arm64"
			})
			results(o)[0].(object)["checks"].([]any)[0].(object)["detail"] = "everything is there"
		}, "says nothing of kube-proxy for linux/arm64"},
		"all results taken out": {func(o object) { o["results"] = []any{} }, "its results make it unknown"},
		"every image taken out": {func(o object) {
			drop(o, func(r object) bool { return r["kind"] == "image" })
			for _, r := range results(o) {
				r.(object)["release"] = "v1.27.1"
			}
		}, "not among the releases"},
		"the scope widened":             {func(o object) { scope(o)["subjects"] = []any{"v1.27.2", "v1.27.3"} }, "v1.27.3 was asked for"},
		"the scope of another release":  {func(o object) { scope(o)["subjects"] = []any{"v1.27.3"} }, "v1.27.3 was asked for"},
		"no scope":                      {func(o object) { delete(o, "scope") }, "cannot be left out"},
		"nothing asked for":             {func(o object) { delete(scope(o), "subjects") }, "what was asked for"},
		"a scope without the digest":    {func(o object) { scope(o)["checks"] = []any{"signature"} }, "digest, which cannot be left out"},
		"a scope without the signature": {func(o object) { scope(o)["checks"] = []any{"inventory", "digest"} }, "signature, which cannot be left out"},
		"a scope with less, in silence": {func(o object) { scope(o)["checks"] = []any{"digest", "signature"} }, "which the built-in policy requires"},
		"a scope with less, partial, and nothing left out": {func(o object) {
			scope(o)["partial"], scope(o)["checks"] = true, []any{"digest", "signature"}
		}, "contradicts what it left out"},
		"a scope with a check twice":      {func(o object) { scope(o)["checks"] = []any{"inventory", "digest", "digest", "signature"} }, "out of its place"},
		"a scope with a check there not":  {func(o object) { scope(o)["checks"] = []any{"digest", "signature", "x"} }, "which kverify does not have"},
		"what was left out, and was made": {func(o object) { scope(o)["partial"], scope(o)["omitted"] = true, []any{"binding"} }, "which it ran"},
		"a shard that there is not":       {func(o object) { scope(o)["shard"] = object{"index": 2, "count": 2} }, "no shard"},
		"no policy":                       {func(o object) { delete(o, "policy") }, "by which policy"},
		"a policy without a digest":       {func(o object) { source(o, "policy")["digest"] = "" }, "by which policy"},
		"no trusted root":                 {func(o object) { delete(o, "trustedRoot") }, "by which trusted root"},
		"a key without a digest":          {func(o object) { o["operatorKey"] = object{"digest": ""} }, "which operator's key"},
		"the built-in policy, as another": {func(o object) { source(o, "policy")["embedded"] = false }, "says otherwise"},
		"a foreign policy that is said to be built in": {func(o object) { source(o, "policy")["digest"] = other },
			"shown:policy of kverify v1.2.3 sha256:000000000000"},
		"a foreign root that is said to be built in": {func(o object) { source(o, "trustedRoot")["embedded"] = true },
			"shown:trusted root of kverify v1.2.3 sha256:"},
		"of another schema": {func(o object) { o["schemaVersion"] = 2 }, "schema version"},
		"a shard":           {func(o object) { scope(o)["shard"] = object{"index": 0, "count": 2} }, "shown:shard 0/2, not the whole"},
		"interrupted":       {func(o object) { o["interrupted"] = true }, "its results make it unknown"},
	} {
		o := parse()
		c.alter(o)
		delete(o, "counts") // an older program writes none
		line, err := readAltered(t, o)
		shown, isShown := strings.CutPrefix(c.says, "shown:")
		switch {
		case isShown && (err != nil || !strings.Contains(line, shown)):
			t.Errorf("%s: %v %s", name, err, line)
		case !isShown && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	for _, twice := range []string{`{"verdict":"refuted",`, `{"Verdict":"refuted",`, "{\"re\u017fults\":[],"} {
		if _, err := report.Read("x", strings.NewReader(strings.Replace(string(genuine), "{", twice, 1))); err == nil {
			t.Errorf("%s: read", twice)
		}
	}
}

// Every single member of a genuine report is taken out, one by one: what is still
// read as verified is of a few kinds of words, and of evidence beyond the first.
func TestSavedReportWithoutAnyOneMember(t *testing.T) {
	genuine := savedRun(t)
	remarks := regexp.MustCompile(`^/(time|counts.*|tool.*|releases.*|trustedRoot/embedded|scope/partial|results/\d+/(subject|release|platform|seenAs.*|notes.*|checks/\d+/(detail|evidence.*)))$`)
	var doc any
	if err := json.Unmarshal(genuine, &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	var visit func(v any, path string)
	try := func(path string) {
		n++
		line, err := readAltered(t, doc)
		if err == nil && strings.HasPrefix(line, "VERIFIED") && !remarks.MatchString(path) {
			t.Errorf("without %s: %s", path, line)
		}
	}
	visit = func(v any, path string) {
		o, ok := v.(object)
		if list, isList := v.([]any); isList {
			for i, item := range list[:min(len(list), 4)] {
				visit(item, fmt.Sprintf("%s/%d", path, i))
			}
		}
		if !ok {
			return
		}
		for key, old := range o {
			if strings.HasSuffix(path, "/evidence/0") || strings.Contains(path, "/fields") {
				continue
			}
			delete(o, key)
			try(path + "/" + key)
			o[key] = old
			visit(old, path+"/"+key)
		}
	}
	visit(doc, "")
	t.Logf("%d members", n)
}
