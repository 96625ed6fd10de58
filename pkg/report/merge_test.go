package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// one is a whole report over one image of a release.
func one(version string) Report {
	return Report{
		SchemaVersion: SchemaVersion, Tool: Tool{"kverify", "v1"}, Time: time.Unix(1e9, 0).UTC(),
		Scope: Scope{Subjects: []string{version}, Checks: []string{Inventory, Digest, Signature}}, Releases: []string{version},
		Policy: Source{Digest: digestOf("p"), Embedded: true}, TrustedRoot: Source{Digest: digestOf("r"), Embedded: true},
		Results: []Result{{Subject: "registry.k8s.io/a:" + version, Kind: "image", Release: version, Digest: digestOf(version),
			Checks: []Check{{Name: Digest, Verdict: Verified, Required: true, Evidence: EvidenceOf(Evidence{What: "manifest", Digest: digestOf(version)})},
				{Name: Signature, Verdict: Verified, Required: true, Evidence: EvidenceOf(Evidence{What: "signature"})}}}},
	}
}

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// whole is one with its inventory, as a run writes it.
func whole(version string) Report {
	r := one(version)
	r.Results = append([]Result{{Subject: version, Kind: "release", Release: version,
		Checks: []Check{{Name: Inventory, Verdict: Verified, Required: true, Detail: "1 images with 0 platforms, nothing missing"}}}}, r.Results...)
	return r
}

func file(name string, r Report) *File { return &File{Name: name, Digest: name, Report: r} }

func TestMergeRefuses(t *testing.T) {
	change := func(f func(*Report)) Report { r := one("v1.27.2"); f(&r); return r }
	shard := func(v string, i, n int) Report {
		r := one(v)
		r.Scope.Subjects, r.Scope.Shard = []string{"v1.27.1", "v1.27.2", "v1.27.3"}, &Shard{i, n}
		return r
	}
	for name, c := range map[string]struct {
		parts []Report
		want  string
	}{
		"policy":      {[]Report{one("v1.27.1"), change(func(r *Report) { r.Policy.Digest = "sha256:q" })}, "judged by policy sha256:q"},
		"root":        {[]Report{one("v1.27.1"), change(func(r *Report) { r.TrustedRoot.Digest = "sha256:q" })}, "judged under trusted root sha256:q"},
		"no policy":   {[]Report{one("v1.27.1"), change(func(r *Report) { r.Policy.Digest = "" })}, "does not say by which policy"},
		"partial":     {[]Report{one("v1.27.1"), change(func(r *Report) { r.Scope.Partial, r.Scope.Omitted = true, []string{Binding} })}, "it is partial: binding was left out"},
		"interrupted": {[]Report{one("v1.27.1"), change(func(r *Report) { r.Interrupted = true })}, "interrupted"},
		"checks":      {[]Report{one("v1.27.1"), change(func(r *Report) { r.Scope.Checks = []string{Digest, Signature} })}, "it ran the checks digest,signature"},
		"narrower":    {[]Report{one("v1.27.1"), change(func(r *Report) { r.Scope.Names = []string{"a"} })}, "asked for other images"},
		"empty":       {[]Report{one("v1.27.1"), change(func(r *Report) { r.Results = nil })}, "has no result"},
		"missing":     {[]Report{shard("v1.27.1", 0, 3), shard("v1.27.3", 2, 3)}, "missing: shard 1/3"},
		"one shard":   {[]Report{shard("v1.27.1", 0, 2), one("v1.26.0")}, "missing: shard 1/2"},
		"twice":       {[]Report{shard("v1.27.1", 0, 2), shard("v1.27.2", 0, 2)}, "is shard 0 too"},
		"no shard":    {[]Report{shard("v1.27.1", 0, 2), shard("v1.27.2", 5, 2)}, "there is no shard 5/2"},
		"nothing of":  {[]Report{shard("v1.27.1", 0, 2), shard("v1.27.2", 1, 2)}, "v1.27.3 was asked for, and no result speaks of it"},
		"two digests": {[]Report{one("v1.27.2"), change(func(r *Report) { r.Results[0].Digest = "sha256:x" })}, "registry.k8s.io/a:v1.27.2 is sha256:x, but sha256:"},
		"nothing":     {nil, "no report was given"},
	} {
		var files []*File
		for i, r := range c.parts {
			files = append(files, file(string(rune('a'+i)), r))
		}
		_, err := Merge(files)
		var bad *FileError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	same := file("a", one("v1.27.1"))
	if _, err := Merge([]*File{same, same}); err == nil || !strings.Contains(err.Error(), "the same report") {
		t.Error(err)
	}
}

func TestMergeKeepsTheWorst(t *testing.T) {
	bad := one("v1.27.2")
	bad.Results[0].Checks = append([]Check(nil), bad.Results[0].Checks...)
	bad.Results[0].Checks[1].Verdict = Refuted
	for _, files := range [][]*File{
		{file("a", one("v1.27.1")), file("b", bad)}, {file("b", bad), file("a", one("v1.27.1"))},
		{file("c", one("v1.27.2")), file("b", bad)}, {file("b", bad), file("c", one("v1.27.2"))},
	} {
		r, err := Merge(files)
		if err != nil || r.Verdict() != Refuted || len(r.Merged) != 2 {
			t.Errorf("%v %s", err, r.Verdict())
		}
	}
}

// What a verdict does not speak of is said of every part, whichever comes first.
func TestMergeKeepsWhatWasNotJudged(t *testing.T) {
	a, b := one("v1.27.1"), one("v1.27.2")
	a.Scope.Others, a.Scope.Vendors, a.Scope.Remarks = []string{"x.io/a", "x.io/b"}, 2, []string{"1 container names no image"}
	b.Scope.Others, b.Scope.Vendors, b.Scope.Remarks = []string{"x.io/b", "x.io/c"}, 2, []string{"1 container names no image", "1 value has no form"}
	for _, files := range [][]*File{{file("a", a), file("b", b), file("c", one("v1.27.3"))}, {file("c", one("v1.27.3")), file("b", b), file("a", a)}} {
		r, err := Merge(files)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(r.Scope.Others)
		if !slices.Equal(r.Scope.Others, []string{"x.io/a", "x.io/b", "x.io/c"}) || r.Scope.Vendors != 3 || !slices.Equal(r.Scope.Remarks, b.Scope.Remarks) {
			t.Errorf("%+v", r.Scope)
		}
	}
	if len(a.Scope.Others) != 2 || a.Scope.Others[0] != "x.io/a" {
		t.Errorf("a part was changed: %q", a.Scope.Others)
	}
}

// TestReadRefuses alters saved reports.
func TestReadRefuses(t *testing.T) {
	type object = map[string]any
	result := func(o object) object { return o["results"].([]any)[1].(object) }
	for name, c := range map[string]struct {
		change func(object)
		want   string
	}{
		"as it is":         {func(object) {}, ""},
		"verdict":          {func(o object) { o["verdict"] = "refuted" }, "said to be refuted, but its results make it verified"},
		"counts":           {func(o object) { o["counts"] = map[string]any{"verified": 9, "refuted": 0, "unknown": 0} }, "it counts {Verified:9"},
		"result's":         {func(o object) { result(o)["verdict"] = "unknown" }, "but its checks make it verified"},
		"no check":         {func(o object) { result(o)["checks"] = result(o)["checks"].([]any)[:1] }, "lacks the check signature"},
		"not required":     {func(o object) { result(o)["checks"].([]any)[1].(object)["required"] = false }, "is required of all"},
		"schema":           {func(o object) { o["schemaVersion"] = 2 }, "of schema version 2"},
		"another document": {func(o object) { clear(o); o["kind"] = "Pod" }, "of schema version 0"},
	} {
		var o object
		b, _ := json.Marshal(whole("v1.27.2"))
		if err := json.Unmarshal(b, &o); err != nil {
			t.Fatal(err)
		}
		o["verdict"], result(o)["verdict"] = "verified", "verified"
		o["results"].([]any)[0].(object)["verdict"] = "verified"
		c.change(o)
		b, _ = json.Marshal(o)
		_, err := Read("x", strings.NewReader(string(b)))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for _, text := range []string{"", "{", "[]", `{"schemaVersion":1}{}`, "null"} {
		if _, err := Read("x", strings.NewReader(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	b, _ := json.Marshal(whole("v1.27.2"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read("x", strings.NewReader(string(b)))
		if err == nil && len(r.Report.Results) == 0 && r.Report.Verdict() != Unknown {
			t.Error("an empty report says something")
		}
	})
}
