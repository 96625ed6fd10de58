package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// promised evaluates a promise in the page.
func promised[T any](w *window, expression string) T {
	w.t.Helper()
	value[chromedp.Void](w, `void (window.kept = null, `+expression+`.then(v => { window.kept = [v] }))`)
	w.until("window.kept")
	return value[T](w, "window.kept[0]")
}

// TestMatrix picks a file from the matrix, and the machine that the browser says it runs on.
func TestMatrix(t *testing.T) {
	w := open(t, serve(t, true))
	w.visit("/")
	if got := value[string](w, `Array.from(document.querySelectorAll(".matrix thead .os"), e => e.innerText).join()`); got != "Linux,macOS,Windows" {
		t.Errorf("the systems are %q", got)
	}
	if got := value[string](w, `Array.from(document.querySelectorAll(".matrix tbody th"), e => e.innerText).slice(0, 4).join()`); got != "kubectl,kubeadm,kubelet,kubernetes-client" {
		t.Errorf("the programs begin with %q", got)
	}
	cell := value[string](w, `(a => a.pathname + " " + a.getAttribute("aria-label"))(document.querySelector(".matrix a[href*='windows/arm64/kubectl']"))`)
	if !strings.HasPrefix(cell, "/dl.k8s.io/release/v1.27.2/bin/windows/arm64/kubectl.exe kubectl.exe windows/arm64 ") || !strings.HasSuffix(cell, " verified") {
		t.Errorf("a cell is %q", cell)
	}
	if got := promised[int](w, `(async () => (await fetch(document.querySelector(".matrix a.file").href)).status)()`); got != 200 {
		t.Errorf("the first file of the matrix: status %d", got)
	}
	mine := func() string {
		return value[string](w, `Array.from(document.querySelectorAll(".mine"), e => e.innerText.replace(/\s+/g, " ")).join() + " | " + Array.from(document.querySelectorAll(".matrix thead .is-mine"), e => e.innerText).join()`)
	}
	agent := func(name string, hints *emulation.UserAgentMetadata) {
		call(w, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: name, UserAgentMetadata: hints})
		w.visit("/")
		w.visit("/") // what the first answer asks for is in the second request
	}
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	agent("Mozilla/5.0 (X11; Linux x86_64)", &emulation.UserAgentMetadata{Platform: "macOS", Architecture: "arm", Bitness: "64"})
	if got := mine(); !strings.Contains(got, "macOS arm64, as your browser says kubectl darwin/arm64") || !strings.HasSuffix(got, "| arm64") {
		t.Errorf("a Mac that says what it is: %q", got)
	}
	agent("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:120.0) Gecko/20100101 Firefox/120.0", &emulation.UserAgentMetadata{})
	if got := mine(); !strings.Contains(got, "Windows amd64, a guess from your browser’s name for itself kubectl") {
		t.Errorf("a browser that says nothing: %q", got)
	}
	agent("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)", &emulation.UserAgentMetadata{})
	if got := mine(); got != " | " {
		t.Errorf("a phone: %q", got)
	}
}

// TestAnchors opens the address of an entry, as a colleague gets it.
func TestAnchors(t *testing.T) {
	w := open(t, serve(t, true))
	w.visit("/?q=kube-proxy")
	href := value[string](w, `document.querySelector("#kube-proxy-v1\\.27\\.2 a.anchor").getAttribute("href")`)
	if href != "/?version=v1.27.2#kube-proxy-v1.27.2" {
		t.Fatalf("the link is %q", href)
	}
	w.visit(href)
	w.until(`document.querySelector(".item:target") && document.querySelector(".item:target").getBoundingClientRect().top < innerHeight && document.querySelector(".item:target").getBoundingClientRect().top >= 0`)
	if n := value[int](w, `document.querySelectorAll(".item").length`); n < 40 {
		t.Errorf("only %d lines", n)
	}
	// The evidence comes when it is asked for, into its place.
	if value[bool](w, `document.body.textContent.includes("log index")`) {
		t.Error("the evidence of closed details is in the page")
	}
	w.do(chromedp.Click(chromedp.CSS("#kubeadm-v1\\.27\\.2-linux-arm64 summary")))
	w.until(`document.querySelector("#kubeadm-v1\\.27\\.2-linux-arm64 .panel").innerText.includes("krel-staging@")`)
	if got := value[int](w, `document.querySelectorAll("#kubeadm-v1\\.27\\.2-linux-arm64 .panel button.copy:not([hidden])").length`); got != 3 {
		t.Errorf("%d buttons in it", got)
	}
	// And without a script it is a link away.
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w.visit("/")
	w.do(chromedp.Click(chromedp.CSS("#kube-proxy-v1\\.27\\.2 summary")), chromedp.Click(chromedp.CSS("#kube-proxy-v1\\.27\\.2 .evidence-of")))
	w.until(`location.search.includes("entry=kube-proxy-v1.27.2") && document.querySelectorAll(".item").length === 1 && document.querySelector(".item .panel").innerText.includes("log index")`)
	w.visit("/?version=v1.27.2#words")
	w.until(`document.getElementById("words").getBoundingClientRect().top < innerHeight`)
}

// TestLeftovers fills a mirror with strays: the page has three of them, and a link to the rest.
func TestLeftovers(t *testing.T) {
	dir, root := mirrored(t, true)
	for i := range 96 {
		if err := os.WriteFile(filepath.Join(dir, "files", "dl.k8s.io", fmt.Sprintf("stray-%02d", i)), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := open(t, serveDir(t, dir, root))
	w.visit("/")
	if got := value[string](w, `document.querySelector("h1").innerText`); got != "Kubernetes v1.27.2 is verified" {
		t.Errorf("what belongs to no release makes it %q", got)
	}
	const strays = `Array.from(document.querySelectorAll("#findings li")).filter(e => e.innerText.includes("stray-")).length`
	if n := value[int](w, strays); n != 3 {
		t.Errorf("%d leftovers are on the page", n)
	}
	if top := value[float64](w, `document.querySelector(".matrix").getBoundingClientRect().top`); top > 900 {
		t.Errorf("the files begin at %v", top)
	}
	w.do(chromedp.Click(chromedp.CSS("#findings .rest a")))
	w.until(strays + ` === 96`)
}

// TestDocuments follows the links to what is not the page: the report, the list and
// the directories. All of it is sent compressed where that helps.
func TestDocuments(t *testing.T) {
	w := open(t, serve(t, true))
	w.visit("/")
	if got := promised[string](w, `(async () => { const r = await fetch("/-/report.json"); const d = await r.json(); return [r.headers.get("content-type"), d.verdict, d.results.length > 50, d.results[0].subject].join() })()`); got != "application/json,verified,true,mirror" {
		t.Errorf("the report is %q", got)
	}
	if got := promised[string](w, `(async () => { const d = await (await fetch("/MANIFEST.json")).json(); return d.releases.join() })()`); !strings.Contains(got, "v1.27.2") {
		t.Errorf("the list is of %q", got)
	}
	if sent, size := value[int](w, `performance.getEntriesByType("navigation")[0].encodedBodySize`), value[int](w, `performance.getEntriesByType("navigation")[0].decodedBodySize`); sent > 20_000 || sent*4 > size {
		t.Errorf("the page is sent in %d bytes for %d", sent, size)
	}
	w.do(chromedp.Navigate(w.base+"/dl.k8s.io/release/v1.27.2/bin/linux/"), chromedp.WaitVisible(chromedp.CSS("h1")))
	w.do(chromedp.Click(chromedp.CSS("a[href='./arm64/']")))
	w.until(`location.pathname === "/dl.k8s.io/release/v1.27.2/bin/linux/arm64/" && document.querySelector("a[href='./kubelet']")`)
	w.do(chromedp.Click(chromedp.CSS("a[href='../']")))
	w.until(`location.pathname === "/dl.k8s.io/release/v1.27.2/bin/linux/"`)
}
