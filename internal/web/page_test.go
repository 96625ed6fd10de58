package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

func version(t testing.TB, s string) release.Version {
	t.Helper()
	v, err := release.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func fileOf(v release.Version, path string) mirror.HeldFile {
	return mirror.HeldFile{
		URL: v.FileURL(path), Name: "files/dl.k8s.io/release/" + v.String() + "/" + path, Version: v, Path: path,
		SHA256: strings.Repeat("ab", 32), Size: 47_000_000,
	}
}

func held(t testing.TB) mirror.Contents {
	old, now := version(t, "v1.26.5"), version(t, "v1.27.2")
	c := mirror.Contents{Versions: []release.Version{now, old}}
	for _, v := range c.Versions {
		for _, p := range []string{"bin/linux/amd64/kubectl", "bin/linux/arm64/kubectl", "bin/windows/amd64/kubectl.exe", "kubernetes-client-linux-amd64.tar.gz", "SHA256SUMS", "bin/linux/amd64/kubectl.sig"} {
			c.Files = append(c.Files, fileOf(v, p))
		}
		c.Images = append(c.Images, mirror.HeldImage{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: v.String(), Digest: oci.Digest("sha256:" + strings.Repeat("cd", 32))})
	}
	sortFiles(c.Files)
	c.Images = append(c.Images,
		mirror.HeldImage{Host: "registry.k8s.io", Repository: "pause", Tag: "3.9", Digest: oci.Digest("sha256:" + strings.Repeat("ef", 32))},
		mirror.HeldImage{Host: "registry.k8s.io", Repository: "kube-proxy", Tag: "sha256-" + strings.Repeat("cd", 32) + ".sig", Digest: oci.Digest("sha256:" + strings.Repeat("01", 32))})
	return c
}

func judgedBy(verdict report.Verdict, detail string) []report.Check {
	return []report.Check{{Name: report.Signature, Verdict: verdict, Required: true, Detail: detail, Evidence: report.EvidenceOf(
		report.Evidence{What: "signature", Digest: "sha256:00", Fields: map[string]string{"identity": "krel-trust@example.com", "zzz": "more", "logIndex": "7"}},
	)}}
}

func get(t testing.TB, p *Page, target string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, target, nil)
	if change != nil {
		change(req)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, req)
	return w.Result(), w.Body.String()
}

var row = regexp.MustCompile(`<tbody id="[^"]*" class="item[^"]*">`)

func TestFilter(t *testing.T) {
	p := New(held(t), report.Tool{Version: "v1"})
	for query, want := range map[string]int{
		"":                                      7, // the newest version, its document, and pause
		"?version=all":                          13,
		"?version=v1.26.5":                      7,
		"?version=v9.9.9":                       1, // pause belongs to none
		"?version=v1.27.2&component=kubectl":    3,
		"?component=kubectl&os=linux":           2,
		"?component=kubectl&arch=arm64":         1,
		"?component=client":                     1,
		"?component=pause":                      1,
		"?os=windows":                           1,
		"?q=KUBECTL+arm64":                      1,
		"?q=" + strings.Repeat("cd", 32):        1,
		"?q=bin/linux":                          2,
		"?q=nothing":                            0,
		"?verdict=verified":                     0, // nothing was verified
		"?from=3":                               4,
		"?from=1000":                            7,
		"?from=-1":                              7,
		"?from=x":                               7,
		"?version=" + strings.Repeat("x", 9000): 1,
	} {
		resp, body := get(t, p, "/"+query, nil)
		if got := len(row.FindAllString(body, -1)); resp.StatusCode != 200 || got != want {
			t.Errorf("%.60s: status %d, %d lines, want %d", query, resp.StatusCode, got, want)
		}
		if strings.Contains(body, ".sig<") {
			t.Errorf("%s: a signature has a line of its own", query)
		}
	}
}

func TestPages(t *testing.T) {
	v := version(t, "v1.27.2")
	c := mirror.Contents{Versions: []release.Version{v}}
	for i := range atOnce + 10 {
		c.Files = append(c.Files, fileOf(v, fmt.Sprintf("file-%03d.tar.gz", i)))
	}
	p := New(c, report.Tool{})
	_, body := get(t, p, "/?q=file", nil)
	if got := len(row.FindAllString(body, -1)); got != atOnce {
		t.Errorf("%d lines at once", got)
	}
	if !strings.Contains(body, `href="/?from=250&amp;q=file" rel="next"`) {
		t.Error("no way on, or one that forgets the filter")
	}
	_, body = get(t, p, "/?q=file&from=250", nil)
	if got := len(row.FindAllString(body, -1)); got != 10 || !strings.Contains(body, `rel="prev"`) {
		t.Errorf("%d lines in the rest", got)
	}
}

func TestStates(t *testing.T) {
	c := held(t)
	p := New(c, report.Tool{Version: "v1"})
	_, body := get(t, p, "/", nil)
	if !strings.Contains(body, "was not verified here") || !strings.Contains(body, "<title>not verified · Kubernetes v1.27.2") || strings.Contains(body, `class="badge verified"`) {
		t.Error("what was not verified does not say so")
	}
	p.Pending(c)
	_, body = get(t, p, "/", nil)
	if !strings.Contains(body, "is being verified") || !strings.Contains(body, `http-equiv="refresh"`) || strings.Contains(body, `class="badge verified"`) {
		t.Error("what is being verified does not say so")
	}
	p.Failed(c, errors.New("no <root>"))
	if _, body = get(t, p, "/", nil); !strings.Contains(body, "no &lt;root&gt;") || strings.Contains(body, `class="badge verified"`) {
		t.Error("what could not be verified does not say so")
	}
	p.Judge(c, report.Report{
		Time: time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC), Tool: report.Tool{Version: "v9"}, TrustedRoot: report.Source{Digest: "sha256:1234567890abcdef", Embedded: true},
		Results: []report.Result{
			{Subject: "registry.k8s.io/kube-proxy:v1.27.2", Kind: "image", Release: "v1.27.2", Digest: "sha256:" + strings.Repeat("cd", 32), Checks: judgedBy(report.Verified, "signed")},
			{Subject: "registry.k8s.io/kube-proxy:v1.27.2", Kind: "image", Release: "v1.27.2", Platform: "linux/arm64", Checks: judgedBy(report.Refuted, "forged by somebody")},
			{Subject: c.Versions[0].FileURL("bin/linux/amd64/kubectl"), Kind: "file", Release: "v1.27.2", Checks: judgedBy(report.Verified, "signed by krel-staging, logged 2023-05-17T16:00:01Z")},
			{Subject: c.Versions[0].FileURL("bin/linux/arm64/kubectl"), Kind: "file", Release: "v1.27.2", Checks: judgedBy(report.Unknown, "there is none")},
		},
	})
	_, body = get(t, p, "/", nil)
	for _, want := range []string{
		"Verified here, from the bytes, at", "2026-11-22 23:00 UTC", "by kverify v9", "built-in trusted root", "1234567890ab",
		"<b>1</b> verified", "<b>1</b> refuted", "<b>1</b> unknown",
		"linux/arm64: signature: forged by somebody", // the platform decides about the image
		"signed by krel-staging, logged 2023-05-17<", "signature: there is none", "withheld",
		"<title>refuted · Kubernetes v1.27.2 · kverify mirror</title>", "is <strong>refuted</strong>", "Refuted, and withheld: kube-proxy.",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(body, "krel-trust@example.com") {
		t.Error("the evidence of closed details is in the list")
	}
	if _, one := get(t, p, "/?entry=kube-proxy-v1.27.2", nil); !strings.Contains(one, "krel-trust@example.com") || !strings.Contains(one, "<details open>") {
		t.Error("an entry alone has no evidence")
	}
	// A verdict is this page's only if it was given to it.
	if got := strings.Count(body, `class="badge verified"`); got != 1 {
		t.Errorf("%d lines are verified, want 1", got)
	}
	for query, want := range map[string]int{"?verdict=refuted": 1, "?verdict=verified": 1, "?verdict=unknown": 1, "?arch=arm64": 2} {
		if _, body := get(t, p, "/"+query, nil); len(row.FindAllString(body, -1)) != want {
			t.Errorf("%s: %d lines, want %d", query, len(row.FindAllString(body, -1)), want)
		}
	}
	if strings.Contains(body, "crictl pull example.com/kube-proxy:v1.27.2<") {
		t.Error("a line to pull what is withheld")
	}
}

// TestHostile gives the page names, digests, reasons, hosts and questions of an
// attacker.
func TestHostile(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>` + "\u202egpj.exe\x1b[2J"
	v := version(t, "v1.27.2")
	c := mirror.Contents{Versions: []release.Version{v}, Damage: []string{evil}}
	f := fileOf(v, "bin/linux/amd64/"+evil+"'; rm -rf ~;'")
	f.SHA256 = ""
	c.Files = []mirror.HeldFile{f}
	c.Images = []mirror.HeldImage{{Host: "registry.k8s.io", Repository: evil, Tag: evil, Digest: evil}}
	p := New(c, report.Tool{Version: evil})
	p.Judge(c, report.Report{Tool: report.Tool{Version: evil}, TrustedRoot: report.Source{Digest: evil}, Policy: report.Source{Digest: evil}, Results: []report.Result{
		{Subject: f.URL, Kind: "file", Release: evil, Platform: evil, Digest: evil, SeenAs: []string{evil}, Notes: []string{evil}, Checks: []report.Check{
			{Name: evil, Verdict: report.Unknown, Required: true, Detail: evil, Evidence: report.EvidenceOf(report.Evidence{What: evil, Source: "javascript:" + evil, Digest: evil, Fields: map[string]string{evil: evil}})},
		}},
		{Subject: evil, Kind: "release", Release: v.String(), Checks: judgedBy(report.Unknown, evil)},
	}})
	resp, body := get(t, p, "/?q="+url.QueryEscape(evil)+"&version="+url.QueryEscape(evil)+"&component="+url.QueryEscape(evil), nil)
	_, all := get(t, p, "/?version=all", func(r *http.Request) { r.Host = evil })
	for _, text := range []string{body, all} {
		if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img src=x") || strings.Contains(text, "javascript:\"") {
			t.Error("markup of the attacker's is in the page")
		}
		bare := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(text, `""`)
		for _, m := range regexp.MustCompile(`<[a-z][^<>]*\s(on[a-z]+|style|srcdoc)=`).FindAllString(bare, 3) {
			t.Errorf("an attribute that acts: %.120s", m)
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r == 0x1b || r == 0x202e }); i >= 0 && !strings.Contains(text[max(0, i-400):i], `value="`) {
			t.Errorf("a character that turns or commands: %q", text[max(0, i-80):i+20])
		}
	}
	if !strings.Contains(all, "http://localhost/dl.k8s.io/") {
		t.Error("the Host of an attacker is in the lines to copy")
	}
	if got := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'") || strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
		t.Errorf("Content-Security-Policy: %s", got)
	}
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", resp.Header)
	}
	if !strings.Contains(all, `curl -fLO &#39;http`) && !strings.Contains(all, "curl -fLO http://localhost/dl.k8s.io/release/v1.27.2/bin/linux/amd64/%22%3E%3Cscript") {
		t.Error("the curl line is not escaped as an address")
	}
}

// TestNothingForeign holds that the page names no other host than its own.
func TestNothingForeign(t *testing.T) {
	p := New(held(t), report.Tool{})
	_, body := get(t, p, "/", nil)
	for _, m := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") || strings.HasPrefix(m[1], "//") {
			t.Errorf("a reference to %q", m[1])
		}
	}
	content, urls := assets()
	for name, text := range content {
		if name != "icon.svg" && regexp.MustCompile(`https?://|url\(|@import|eval|innerHTML`).Match(text.plain) {
			t.Errorf("%s loads from elsewhere, or makes markup of text", name)
		}
		resp, got := get(t, p, urls[name], nil)
		if got != string(text.plain) || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || resp.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %v", name, resp.Header)
		}
		if resp, _ := get(t, p, "/-/"+name+"?v=old", nil); strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s under another address is kept for good", name)
		}
	}
	for _, name := range []string{"page.html", "../page.go", "", "static/page.css"} {
		if resp, _ := get(t, p, "/-/"+name, nil); resp.StatusCode != 404 {
			t.Errorf("/-/%s: %d", name, resp.StatusCode)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:8080/a-b_c.d": "http://127.0.0.1:8080/a-b_c.d",
		"":                              "''",
		"a b":                           "'a b'",
		"it's":                          `'it'\''s'`,
		"$(x)":                          "'$(x)'",
		"http://[::1]/x":                "'http://[::1]/x'", // a pattern, to a shell and to curl
	} {
		if got := quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	for n, want := range map[int64]string{-1: "", 0: "0 B", 999: "999 B", 1000: "1.0 kB", 47_000_000: "47.0 MB", 1_200_000_000: "1.20 GB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// Example shows a mirror that holds nothing yet.
func Example() {
	p := New(mirror.Contents{}, report.Tool{Version: "v1.0.0"})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "This mirror holds nothing yet."))
	// Output: 200 true
}
