package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

// result is one of a kind with one required check.
func result(kind report.Kind, subject, version string, v report.Verdict, reason report.Reason) report.Result {
	return report.Result{Kind: kind, Subject: subject, Release: version, Checks: []report.Check{{Name: report.Inventory, Required: true, Verdict: v, Reason: reason, Detail: "detail of " + subject}}}
}

// TestVerdictOfVersion holds the one verdict: what is wrong with the version or may be
// wrong with it counts, and what is another's does not.
func TestVerdictOfVersion(t *testing.T) {
	const one, two = "v1.27.2", "v1.26.5"
	const ok, bad, open = report.Verified, report.Refuted, report.Unknown
	mirrorIs := func(v report.Verdict) report.Result { return result("mirror", "/srv/mirror", "", v, "") }
	image := func(version string, v report.Verdict) report.Result {
		return result("image", "registry.k8s.io/kube-proxy:"+version, version, v, "")
	}
	finding := func(what string, v report.Verdict, reason report.Reason) report.Result {
		return result("mirror", what, "", v, reason)
	}
	for name, c := range map[string]struct {
		results []report.Result
		want    report.Verdict
	}{
		"nothing":                       {nil, open},
		"only the mirror":               {[]report.Result{mirrorIs(ok)}, open},
		"another version alone":         {[]report.Result{mirrorIs(ok), image(two, ok)}, open},
		"verified":                      {[]report.Result{mirrorIs(ok), image(one, ok)}, ok},
		"refuted":                       {[]report.Result{mirrorIs(ok), image(one, ok), result("file", "x", one, bad, "")}, bad},
		"another is refuted":            {[]report.Result{mirrorIs(ok), image(one, ok), image(two, bad)}, ok},
		"what belongs to none":          {[]report.Result{mirrorIs(ok), image(one, ok), result("image", "registry.k8s.io/pause:3.9", "", bad, "")}, bad},
		"a leftover":                    {[]report.Result{mirrorIs(open), image(one, ok), finding("files/x/y", open, report.NoClaim)}, ok},
		"a leftover in its directory":   {[]report.Result{mirrorIs(open), image(one, ok), finding("files/dl.k8s.io/release/v1.27.2/evil", open, report.NoClaim)}, open},
		"something of its is missing":   {[]report.Result{mirrorIs(open), image(one, ok), finding("files/dl.k8s.io/release/v1.27.2/kubectl", open, report.Incomplete)}, open},
		"something of its is damaged":   {[]report.Result{mirrorIs(bad), image(one, ok), finding("registry.k8s.io/kube-proxy:v1.27.2", bad, report.Mismatch)}, bad},
		"another's is damaged":          {[]report.Result{mirrorIs(bad), image(one, ok), image(two, ok), finding("files/dl.k8s.io/release/v1.26.5/kubectl", bad, report.Mismatch)}, ok},
		"a blob of somebody's":          {[]report.Result{mirrorIs(bad), image(one, ok), image(two, ok), finding("oci/blobs/sha256/ab", bad, report.Mismatch)}, open},
		"a blob, and no other version":  {[]report.Result{mirrorIs(bad), image(one, ok), finding("oci/blobs/sha256/ab", bad, report.Mismatch)}, bad},
		"a blob is missing":             {[]report.Result{mirrorIs(open), image(one, ok), image(two, ok), finding("oci/blobs/sha256/ab", open, report.Incomplete)}, open},
		"a list cannot be read":         {[]report.Result{mirrorIs(open), image(one, ok), image(two, ok), finding("MANIFEST.json", open, report.Malformed)}, open},
		"a demand on the mirror":        {[]report.Result{mirrorIs(open), image(one, ok), finding(".", open, report.NoClaim)}, open},
		"the mirror, and nobody why":    {[]report.Result{mirrorIs(open), image(one, ok)}, open},
		"a result without any check":    {[]report.Result{mirrorIs(ok), image(one, ok), {Kind: "file", Release: one}}, open},
		"a version that begins like it": {[]report.Result{mirrorIs(bad), image(one, ok), image("v1.27.20", ok), finding("files/dl.k8s.io/release/v1.27.20/kubectl", bad, report.Mismatch)}, ok},
	} {
		r := report.Report{Results: c.results}
		for _, res := range c.results {
			if res.Release != "" && !strings.Contains(strings.Join(r.Releases, " ")+" ", res.Release+" ") {
				r.Releases = append(r.Releases, res.Release)
			}
		}
		if got := verdictOf(&r, one); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if r.Interrupted = true; verdictOf(&r, one) == report.Verified {
			t.Errorf("%s: a run that was cut short verified it", name)
		}
	}
	if verdictOf(nil, one) != open || verdictOf(nil, "") != open {
		t.Error("no report, and yet a verdict")
	}
	many := report.Report{Releases: []string{one, two}, Results: []report.Result{mirrorIs(open), image(one, ok)}}
	for i := range mirror.MaxFindings {
		many.Results = append(many.Results, finding(fmt.Sprintf("files/x/%d", i), open, report.NoClaim))
	}
	if got := verdictOf(&many, one); got != open {
		t.Errorf("with more findings than are told: %s", got)
	}
}

func judged(t *testing.T) (*Page, mirror.Contents) {
	t.Helper()
	c := held(t)
	v := c.Versions[0].String()
	results := []report.Result{
		{Subject: "/srv/secret/mirror", Kind: "mirror", Notes: []string{"the mirror /srv/secret/mirror is sparse"}, Checks: []report.Check{{Name: report.Digest, Required: true, Verdict: report.Unknown, Detail: "99 things, 1413644 bytes"}}},
	}
	for i := range 96 {
		results = append(results, result("mirror", fmt.Sprintf("files/stray/%02d", i), "", report.Unknown, report.NoClaim))
	}
	results = append(results,
		result("mirror", "oci/blobs/sha256/ab", "", report.Refuted, report.Mismatch),
		result("image", "registry.k8s.io/kube-proxy:"+v, v, report.Verified, ""),
		result("image", "registry.k8s.io/kube-apiserver:"+v, v, report.Unknown, report.Absent), // not in the mirror
		result("file", c.Versions[0].FileURL("bin/linux/amd64/kubectl"), v, report.Verified, ""),
		result("file", c.Versions[0].FileURL("bin/windows/amd64/kubectl.exe"), v, report.Refuted, report.Mismatch),
		result("image", "registry.k8s.io/kube-proxy:v1.26.5", "v1.26.5", report.Verified, ""),
	)
	p := New(c, report.Tool{Version: "v1"})
	p.Now = func() time.Time { return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) }
	p.Judge(c, report.Report{Time: p.Now(), Releases: []string{v, "v1.26.5"}, Results: results,
		Scope: report.Scope{Subjects: []string{"/srv/secret/mirror"}}, TrustedRoot: report.Source{Path: "/srv/secret/root.json"}})
	return p, c
}

// TestFirst holds what is said first: the verdict, the releases, the three worst
// findings with a way to the rest, and what is not verified before what is.
func TestFirst(t *testing.T) {
	p, _ := judged(t)
	_, body := get(t, p, "/", nil)
	for _, want := range []string{
		"<title>refuted · Kubernetes v1.27.2 · kverify mirror</title>", "is <strong>refuted</strong>", "Refuted, and withheld: kubectl.exe windows/amd64.",
		`<a href="/?version=v1.26.5">`, `<a href="/?version=v1.27.2" aria-current="page">`, "supported until 2024-07-16", "supported until 2024-02-28",
		"99 things, 1.4 MB", `title="digest: 99 things, 1413644 bytes"`, "and 94 more in this mirror", "oci/blobs/sha256/ab",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if got := strings.Count(body, "detail of files/stray/"); got != 2*2 { // each in its text and its title
		t.Errorf("%d leftovers are told on the page", got/2)
	}
	if _, all := get(t, p, "/?findings=all", nil); strings.Count(all, "detail of files/stray/") != 96*2 {
		t.Error("the rest of the leftovers is not there")
	}
	var at []int
	for _, id := range []string{`id="kubectl-v1.27.2-windows-amd64"`, `id="kube-apiserver-v1.27.2"`, `id="kube-proxy-v1.27.2"`, `id="kubectl-v1.27.2-linux-amd64"`} {
		at = append(at, strings.Index(body, id))
	}
	if at[0] < 0 || at[0] > at[1] || at[1] > at[2] || at[2] > at[3] {
		t.Errorf("refuted, unknown, images, files are at %v", at)
	}
	if !strings.Contains(body, "not here") || strings.Contains(body, "crictl pull example.com/kube-apiserver") {
		t.Error("what the mirror does not have is not said to be missing, or is offered")
	}
	if _, body := get(t, p, "/?version=v1.26.5", nil); !strings.Contains(body, "<title>unknown · Kubernetes v1.26.5") {
		t.Error("the other version has not the verdict of its own")
	}
	p.Now = func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }
	if _, body := get(t, p, "/", nil); !strings.Contains(body, "support ended 2024-07-16") || !strings.Contains(body, "is past its end of life") {
		t.Error("the end of life is not said")
	}
}

// TestNoPath holds that neither the page nor the report says where the mirror lies.
func TestNoPath(t *testing.T) {
	p, _ := judged(t)
	for _, target := range []string{"/?findings=all&version=all", "/-/report.json"} {
		resp, body := get(t, p, target, nil)
		if resp.StatusCode != 200 || strings.Contains(body, "/srv/secret") {
			t.Errorf("%s: %d, and the path is in it: %v", target, resp.StatusCode, strings.Contains(body, "/srv/secret"))
		}
	}
	_, body := get(t, p, "/-/report.json", nil)
	var saved struct {
		Verdict string
		Results []struct{ Subject string }
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&saved); err != nil || saved.Verdict != "refuted" || saved.Results[0].Subject != "mirror" || len(saved.Results) != 103 {
		t.Errorf("the report is %v, %d results: %v", saved.Verdict, len(saved.Results), err)
	}
	p.Pending(mirror.Contents{})
	if resp, _ := get(t, p, "/-/report.json", nil); resp.StatusCode != 404 {
		t.Error("a report before there is one")
	}
}

// TestIDs holds that no two entries have one ID, and none has the page's own.
func TestIDs(t *testing.T) {
	list := []item{{Name: "kubectl", Version: "v1.27.2"}, {Name: "kubectl", Version: "v1.27.2"}, {Name: "kubectl", Version: "v1.27.2"}, {Name: "kubectl", Version: "v1.27.2-2"},
		{Name: "results"}, {Name: `"><script>`}, {Name: strings.Repeat("x", 9000)}, {Name: ""}, {Name: "m-verified"}}
	name(list)
	seen := map[string]bool{"": true, "results": true, "m-verified": true}
	for _, i := range list {
		if seen[i.ID] || strings.ContainsAny(i.ID, `"<> `) || len(i.ID) > maxID+3 {
			t.Errorf("%.20q has the ID %.40q", i.Name, i.ID)
		}
		seen[i.ID] = true
	}
	if list[0].ID != "kubectl-v1.27.2" || list[1].ID != "kubectl-v1.27.2-2" {
		t.Errorf("%q, %q", list[0].ID, list[1].ID)
	}
}
