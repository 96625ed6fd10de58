package web

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
)

func TestTakesGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "gzip; q=1.0": true,
		"*": true, "*;q=0": false, "gzip;q=0, *": false, "identity": false, "br": false, "gzipped": false, "gzip;q=x": false, "gzip;level=9": false, "gzip;q=2": false,
		" deflate , gzip ": true, "gzip;q=NaN": false,
	} {
		if got := takesGzip(accept); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// TestReply holds compression, entity tags, HEAD and Vary, for everything that the page answers.
func TestReply(t *testing.T) {
	p, _ := judged(t)
	_, urls := assets()
	for _, target := range []string{"/", "/?version=all", "/-/report.json", urls["page.css"], urls["page.js"], "/dl.k8s.io/release/v1.27.2/"} {
		plain, text := get(t, p, target, nil)
		packed, wire := get(t, p, target, func(r *http.Request) { r.Header.Set("Accept-Encoding", "br, gzip") })
		if plain.Header.Get("Content-Encoding") != "" || packed.Header.Get("Content-Encoding") != "gzip" || len(wire) >= len(text)/2 {
			t.Errorf("%s: %d bytes are %d as %q", target, len(text), len(wire), packed.Header.Get("Content-Encoding"))
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(wire))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != text {
			t.Errorf("%s: what was packed is something else: %v", target, err)
		}
		for _, r := range []*http.Response{plain, packed} {
			if !strings.Contains(strings.Join(r.Header.Values("Vary"), ", "), "Accept-Encoding") {
				t.Errorf("%s: Vary %v", target, r.Header.Values("Vary"))
			}
		}
		tag := packed.Header.Get("ETag")
		if tag == "" || tag == plain.Header.Get("ETag") {
			t.Errorf("%s: both forms have the tag %s", target, tag)
		}
		for method, none := range map[string]string{"GET": "", "HEAD": "", "304": tag} {
			resp, body := get(t, p, target, func(r *http.Request) {
				r.Header.Set("Accept-Encoding", "gzip")
				if method == "HEAD" {
					r.Method = method
				}
				if none != "" {
					r.Header.Set("If-None-Match", `W/"x", W/`+none)
				}
			})
			switch {
			case resp.Header.Get("ETag") != tag:
				t.Errorf("%s %s: the tag is %s", method, target, resp.Header.Get("ETag"))
			case method == "304" && (resp.StatusCode != 304 || body != "" || resp.Header.Get("Content-Length") != "" || resp.Header.Get("Content-Encoding") != ""):
				t.Errorf("%s: %d %v", target, resp.StatusCode, resp.Header)
			case method == "HEAD" && (body != "" || resp.Header.Get("Content-Length") != fmt.Sprint(len(wire)) || resp.Header.Get("Content-Encoding") != "gzip"):
				t.Errorf("HEAD %s: %v", target, resp.Header)
			}
		}
		if resp, _ := get(t, p, target, func(r *http.Request) { r.Header.Set("If-None-Match", tag) }); resp.StatusCode != 200 {
			t.Errorf("%s: the tag of the packed form stands for the plain one", target)
		}
	}
	if resp, _ := get(t, p, urls["icon.svg"], func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") }); resp.Header.Get("Content-Encoding") != "" {
		t.Error("what is too small to gain is compressed")
	}
	resp, _ := get(t, p, "/", nil)
	for _, name := range []string{"User-Agent", hintPlatform, hintArch, hintBits} {
		if !strings.Contains(strings.Join(resp.Header.Values("Vary"), ", "), name) {
			t.Errorf("the page varies by %s and does not say so", name)
		}
	}
	if got := resp.Header.Get("Accept-CH"); !strings.Contains(got, hintArch) {
		t.Errorf("Accept-CH: %s", got)
	}
}

// TestSmall holds the size of a page of a whole release.
func TestSmall(t *testing.T) {
	v := version(t, "v1.27.2")
	c := mirror.Contents{}
	c.Versions = append(c.Versions, v)
	r := report.Report{}
	for i := range 130 {
		f := fileOf(v, fmt.Sprintf("bin/linux/amd64/program-%d", i))
		c.Files = append(c.Files, f)
		var checks []report.Check
		for _, name := range []string{report.Digest, report.Signature, report.Binding} {
			checks = append(checks, report.Check{Name: name, Required: true, Verdict: report.Verified, Detail: "it is", Evidence: report.EvidenceOf(report.Evidence{What: strings.Repeat("evidence ", 100)})})
		}
		r.Results = append(r.Results, report.Result{Subject: f.URL, Kind: "file", Release: v.String(), Checks: checks})
	}
	p := New(c, report.Tool{})
	p.Judge(c, r)
	_, body := get(t, p, "/", nil)
	if len(body) > 250_000 || len(pack([]byte(body))) > 25_000 {
		t.Errorf("%d bytes, %d packed", len(body), len(pack([]byte(body))))
	}
}

func TestMachine(t *testing.T) {
	const (
		chrome  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
		windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:120.0) Gecko/20100101 Firefox/120.0"
		mac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15"
	)
	for _, c := range []struct {
		agent, platform, arch, bits string
		chosen                      filter
		want                        machine
	}{
		{want: machine{}},
		{agent: "curl/8.0", want: machine{}},
		{agent: chrome, want: machine{"linux", "amd64", "guessed"}},
		{agent: "Mozilla/5.0 (X11; Linux aarch64; rv:120.0) Gecko/20100101 Firefox/120.0", want: machine{"linux", "arm64", "guessed"}},
		{agent: windows, want: machine{"windows", "amd64", "guessed"}},
		{agent: mac, want: machine{"darwin", "", "guessed"}}, // every Mac says Intel
		{agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)", want: machine{}},
		{agent: "Mozilla/5.0 (Linux; Android 14) Mobile", want: machine{}},
		{agent: chrome, platform: `"Linux"`, want: machine{"linux", "amd64", "guessed"}},
		{agent: chrome, platform: `"Linux"`, arch: `"arm"`, bits: `"64"`, want: machine{"linux", "arm64", "said"}},
		{agent: mac, platform: `"macOS"`, arch: `"arm"`, bits: `"64"`, want: machine{"darwin", "arm64", "said"}},
		{agent: mac, platform: `"macOS"`, arch: `"x86"`, bits: `"64"`, want: machine{"darwin", "amd64", "said"}},
		{agent: chrome, platform: `"Windows"`, want: machine{"windows", "", "said"}},
		{agent: chrome, platform: `"Android"`, want: machine{}},
		{agent: chrome, platform: `"<script>"`, arch: `"arm"`, bits: `"64"`, want: machine{}},
		{agent: chrome, chosen: filter{OS: "darwin", Arch: "arm64"}, want: machine{"darwin", "arm64", "chosen"}},
		{agent: chrome, chosen: filter{OS: "darwin"}, want: machine{"linux", "amd64", "guessed"}},
	} {
		h := http.Header{"User-Agent": {c.agent}, "Sec-Ch-Ua-Platform": {c.platform}, "Sec-Ch-Ua-Arch": {c.arch}, "Sec-Ch-Ua-Bitness": {c.bits}}
		if got := machineOf(c.chosen, h); got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestMatrix holds rows, columns and cells, and that the reader's own are said to be guessed.
func TestMatrix(t *testing.T) {
	p, _ := judged(t)
	linux := func(r *http.Request) { r.Header.Set("User-Agent", "(X11; Linux x86_64)") }
	_, body := get(t, p, "/", linux)
	_, table, _ := strings.Cut(body, `<table class="matrix">`)
	table, _, _ = strings.Cut(table, "</table>")
	for _, want := range []string{
		`colspan="2" class="os">Linux`, `colspan="1" class="os">Windows`,
		`aria-label="kubectl linux/amd64 47.0 MB verified"`, `href="/dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl" download`, "kubernetes-client", "withheld",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the matrix has no %q:\n%s", want, table)
		}
	}
	if strings.Contains(table, "kubectl.exe\" download") {
		t.Error("what is withheld has a link")
	}
	if got := strings.Count(table, "<td class=\"is-mine\">"); got != 2 {
		t.Errorf("%d cells are for this machine", got)
	}
	if !strings.Contains(body, "Linux amd64, a guess from your browser’s name for itself") || !strings.Contains(body, "curl -fLO http://example.com/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl") {
		t.Error("nothing for this machine, or a guess that is not said to be one")
	}
	if _, body := get(t, p, "/", nil); strings.Contains(body, "For this machine") {
		t.Error("a machine out of nothing")
	}
	if _, body := get(t, p, "/?version=all", linux); strings.Contains(body, `class="matrix"`) {
		t.Error("a matrix of two versions")
	}
}

// TestListing holds the lists of directories: of what is listed, escaped, and without a
// way to what is withheld or outside.
func TestListing(t *testing.T) {
	p, c := judged(t)
	const evil = `"><script>alert(1)</script>` + "\u202ex"
	bad := fileOf(c.Versions[0], "bin/"+evil+"/x")
	odd := fileOf(c.Versions[0], "bin/javascript:alert(1)")
	c.Files = append([]mirror.HeldFile{bad, odd}, c.Files...)
	sortFiles(c.Files)
	p.Judge(c, *p.now.Load().report)
	for target, want := range map[string][]string{
		"/dl.k8s.io/":                                   {`href="./release/"`},
		"/dl.k8s.io/release/":                           {`href="./v1.26.5/"`, `href="./v1.27.2/"`, `href="../"`},
		"/dl.k8s.io/release/v1.27.2/":                   {`href="./SHA256SUMS"`, `title="47` + "\u202f000\u202f000 bytes\">47.0 MB"},
		"/dl.k8s.io/release/v1.27.2/bin/linux/amd64/":   {`href="./kubectl"`, `href="./kubectl.sig"`, "verified"},
		"/dl.k8s.io/release/v1.27.2/bin/windows/amd64/": {"refuted, withheld", "kubectl.exe"},
		"/dl.k8s.io/release/v1.27.2/bin/":               {`href="./linux/"`, "&lt;script&gt;", `href="./javascript:alert%281%29"`},
	} {
		resp, body := get(t, p, target, nil)
		if resp.StatusCode != 200 || !p.Lists(target) {
			t.Errorf("%s: %d", target, resp.StatusCode)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: no %q in\n%s", target, w, body)
			}
		}
		if strings.Contains(body, "<script>alert") || strings.ContainsRune(body, 0x202e) || strings.Contains(body, `href="./kubectl.exe"`) {
			t.Errorf("%s is not escaped, or has a link to what is withheld", target)
		}
	}
	for _, target := range []string{"/dl.k8s.io", "/dl.k8s.io/release/v1.27.2", "//", "/x/", "/dl.k8s.io/release/v1.27.2/bin/../", "/dl.k8s.io//", "/../", "/etc/", "/dl.k8s.io/release/v1.27/", "/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl/"} {
		if resp, _ := get(t, p, "http://example.com"+target, nil); p.Lists(target) || resp.StatusCode != 404 {
			t.Errorf("%s is listed: %d", target, resp.StatusCode)
		}
	}
	if strings.Contains(func() string { _, b := get(t, p, "/dl.k8s.io/", nil); return b }(), `href="../"`) {
		t.Error("a way above the host")
	}
}

func sortFiles(list []mirror.HeldFile) {
	for i := range list {
		for j := i; j > 0 && list[j].URL < list[j-1].URL; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// FuzzRequest asks for the page as nobody should, and holds that nothing of it becomes markup.
func FuzzRequest(f *testing.F) {
	f.Add("/", "version=v1.27.2&q=x", "gzip;q=0.5", `"x"`, "(X11; Linux x86_64)", `"Linux"`, `"arm"`)
	f.Add("/dl.k8s.io/release/v1.27.2/", "", "*", "*", "(Macintosh)", `"macOS"`, `"x86"`)
	f.Add("/-/report.json", "findings=all&from=1", "", "", "", "", "")
	c := mirror.Contents{Versions: nil, Files: []mirror.HeldFile{{URL: "https://dl.k8s.io/release/v1.27.2/kubectl", Name: "files/dl.k8s.io/release/v1.27.2/kubectl", Size: 1}}}
	p := New(c, report.Tool{})
	f.Fuzz(func(t *testing.T, path, query, accept, none, agent, platform, arch string) {
		resp, body := get(t, p, "/", func(r *http.Request) {
			r.URL.Path, r.URL.RawQuery = path, query
			r.Header = http.Header{"Accept-Encoding": {accept}, "If-None-Match": {none}, "User-Agent": {agent}, "Sec-Ch-Ua-Platform": {platform}, "Sec-Ch-Ua-Arch": {arch}}
		})
		if resp.StatusCode == 200 && resp.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			body = string(text)
		}
		if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && strings.Count(body, "<script") > 1 {
			t.Errorf("a script more than one:\n%s", body)
		}
	})
}
