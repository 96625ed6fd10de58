// Package browser tests the page of a served mirror in a real browser: a
// headless Chromium, driven over its own protocol. A module of its own, so
// that what it needs is asked of nobody else. Without a Chromium it skips.
//
//	go test . -update    writes the screenshots of the docs anew
package browser

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var update = flag.Bool("update", false, "write docs/images anew")

// A window is a page in a browser that watches what it does.
type window struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	requests []string // every URL that was asked for
	problems []string // errors of the console, and violations of the page's policy
}

// open starts a browser. hosts maps names to loopback, as --host-resolver-rules does.
func open(t *testing.T, base string, flags ...chromedp.ExecAllocatorOption) *window {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium (Debian: apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 1000),
		chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("font-render-hinting", "none"),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	w := &window{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			w.requests = append(w.requests, e.Request.URL)
		case *log.EventEntryAdded:
			w.problems = append(w.problems, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		case *runtime.EventConsoleAPICalled:
			w.problems = append(w.problems, fmt.Sprintf("console.%s", e.Type))
		case *runtime.EventExceptionThrown:
			w.problems = append(w.problems, e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	call(w, network.Enable, network.EnableParams{})
	call(w, log.Enable, cdp.Empty{})
	call(w, runtime.Enable, cdp.Empty{})
	// Whatever was asked, the page is judged by what it did as well.
	t.Cleanup(w.quiet)
	return w
}

// quiet holds that nothing left the host and nothing complained.
func (w *window) quiet() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requests) == 0 {
		w.t.Error("no request was seen: the test is blind")
	}
	for _, r := range w.requests {
		if !strings.HasPrefix(r, w.base+"/") {
			w.t.Errorf("a request to %s", r)
		}
	}
	for _, p := range w.problems {
		w.t.Errorf("the browser complains: %s", p)
	}
}

func (w *window) do(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, actions...); err != nil {
		w.t.Fatal(err)
	}
}

// call sends a command of the protocol.
func call[P, R any](w *window, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	result, err := chromedp.Call(w.ctx, command, params)
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

func (w *window) visit(path string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.base+path), chromedp.WaitVisible("#results"))
}

// value evaluates an expression in the page.
func value[T any](w *window, expression string) T {
	w.t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true of a document that is whole: while one
// loads, what is not there yet satisfies every "every", and asking may fail.
func (w *window) until(expression string) {
	w.t.Helper()
	whole := chromedp.Evaluate[bool](`document.readyState === "complete" && Boolean(` + expression + `)`)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(w.ctx, whole)
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) || w.ctx.Err() != nil {
			w.t.Fatalf("it never became true: %s (%v)\n%s", expression, err, value[string](w, "document.body.innerText.slice(0, 2000)"))
		}
	}
}

// choose sets a select as a person does.
func (w *window) choose(id, option string) {
	w.t.Helper()
	value[chromedp.Void](w, fmt.Sprintf(`(s => { s.value = %q; s.dispatchEvent(new Event("input", {bubbles: true})) })(document.getElementById(%q))`, option, id))
}

const (
	rowNames = `Array.from(document.querySelectorAll(".item > tr:first-child th"), e => e.textContent.replace("#", "").trim().replace(/\s+/g, " "))`
	platform = `Array.from(new Set(Array.from(document.querySelectorAll("section.files .c-platform"), e => e.textContent.trim()).filter(s => s.includes("/"))))`
)

func TestFilter(t *testing.T) {
	w := open(t, serve(t, true))
	w.visit("/")
	if n := value[int](w, `document.querySelectorAll(".item").length`); n < 40 {
		t.Fatalf("only %d lines", n)
	}
	if got := value[string](w, `document.querySelector("h1").textContent`); got != "Kubernetes v1.27.2 is verified" {
		t.Errorf("the newest version is not shown first, but %q", got)
	}
	// By mouse: no button is pressed.
	w.choose("arch", "arm64")
	w.until(platform + `.every(p => p.endsWith("/arm64")) && ` + platform + `.length > 1`)
	w.choose("os", "linux")
	w.until(platform + `.join() === "linux/arm64"`)
	w.choose("component", "kubelet")
	w.until(rowNames + `.join() === "kubelet"`)
	if got := value[string](w, "location.search"); !strings.Contains(got, "arch=arm64") || !strings.Contains(got, "component=kubelet") {
		t.Errorf("the address is %q, and cannot be passed on", got)
	}
	if got := value[string](w, `document.getElementById("total").textContent`); !strings.HasPrefix(got, "1 of ") {
		t.Errorf("the total is %q", got)
	}
	w.until(`document.getElementById("said").textContent.startsWith("1 of ")`)
	// By words, in any order.
	w.visit("/")
	w.do(chromedp.SendKeys("#q", "LINUX/amd64 kubectl"))
	w.until(rowNames + `.join() === "kubectl"`)
	// By another version.
	w.visit("/")
	w.choose("version", "v1.27.1")
	w.until(`document.querySelector("h1").textContent === "Kubernetes v1.27.1 is verified" && document.title.startsWith("verified · Kubernetes v1.27.1")`)
	w.do(chromedp.SendKeys("#q", "no such thing <b>"))
	w.until(`document.getElementById("total").textContent.startsWith("Nothing in this mirror")`)
	if got := value[string](w, `document.getElementById("q").value`); got != "no such thing <b>" {
		t.Errorf("the field has %q", got)
	}
}

func TestVerdicts(t *testing.T) {
	w := open(t, serve(t, false))
	w.visit("/?version=v1.27.1")
	verdict := func(name string) string {
		return value[string](w, fmt.Sprintf(`Array.from(document.querySelectorAll(".item")).find(e => e.querySelector("th").textContent.includes(%q)).querySelector(".badge").textContent`, name))
	}
	for name, want := range map[string]string{
		"kube-proxy": "verified", "kube-scheduler": "refuted", "kube-controller-manager": "unknown", "kubernetes-client-linux-amd64.tar.gz": "refuted", "kubectl": "verified",
	} {
		if got := verdict(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	// What is refuted is said to be withheld, has no link, and is withheld.
	if got := value[int](w, `document.querySelectorAll(".item.refuted th a:not(.anchor), .item.refuted .copy, .file.refuted[href], #matrix a[href*=client-linux-amd64]").length`); got != 0 {
		t.Errorf("%d links and buttons at what is refuted", got)
	}
	if got := value[string](w, `document.querySelector(".item.refuted .c-do").textContent.trim()`); got != "withheld" {
		t.Errorf("it says %q", got)
	}
	if got := value[string](w, `document.title`); got != "refuted · Kubernetes v1.27.1 · kverify mirror" {
		t.Errorf("the title is %q", got)
	}
	if got := value[string](w, `document.querySelector("h1").innerText + " " + document.querySelector(".reason").innerText`); got != "Kubernetes v1.27.1 is refuted Refuted, and withheld: kube-scheduler and kubernetes-client-linux-amd64.tar.gz. Why" {
		t.Errorf("the first lines are %q", got)
	}
	if got := value[string](w, `Array.from(document.querySelectorAll("#releases a"), a => a.innerText.replace(/\s+/g, " ")).join()`); !strings.HasPrefix(got, "v1.27.2 verified support ended 2024-") || !strings.Contains(got, "v1.27.1 refuted") {
		t.Errorf("the releases are %q", got)
	}
	if got := value[string](w, `Array.from(document.querySelectorAll("#results section:first-of-type .badge"), e => e.textContent).join()`); got != "refuted,refuted,unknown" {
		t.Errorf("first come %q", got)
	}
	w.do(chromedp.Click(chromedp.CSS("a.count.refuted")))
	w.until(`document.querySelectorAll(".item").length > 0 && Array.from(document.querySelectorAll(".item .badge")).every(b => b.textContent === "refuted")`)
	text := value[string](w, `document.getElementById("results").innerText`)
	for _, want := range []string{"which is not a name of kube-scheduler", "but"} {
		if !strings.Contains(text, want) {
			t.Errorf("the reasons do not say %q:\n%s", want, text)
		}
	}
	// Evidence: identity, log and claims are there for what is verified.
	w.visit("/?component=kubelet&os=linux&arch=amd64")
	w.do(chromedp.Click(".item summary"), chromedp.WaitVisible(".item .panel"))
	panel := value[string](w, `document.querySelector(".item .panel").innerText`)
	for _, want := range []string{"ties this digest to this version", "krel-staging@k8s-releng-prod.iam.gserviceaccount.com", "https://accounts.google.com", "log index", "SBOM", "signed", "sha256:"} {
		if !strings.Contains(panel, want) {
			t.Errorf("the evidence does not show %q:\n%s", want, panel)
		}
	}
	status := value[string](w, `document.getElementById("status").innerText`)
	for _, want := range []string{"Verified here", "UTC", "trusted root", "policy", "nothing missing"} {
		if !strings.Contains(status, want) {
			t.Errorf("the status does not say %q: %s", want, status)
		}
	}
}

// TestCopy reads the clipboard back, where the browser has one for the page
// and where it has none, as on plain HTTP from another machine.
func TestCopy(t *testing.T) {
	base := serve(t, true)
	for _, secure := range []bool{true, false} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			base := base
			var flags []chromedp.ExecAllocatorOption
			if !secure {
				u, _ := url.Parse(base)
				base = "http://mirror.test:" + u.Port()
				flags = append(flags, chromedp.Flag("host-resolver-rules", "MAP mirror.test 127.0.0.1"))
			}
			w := open(t, base, flags...)
			w.visit("/?component=kubectl&os=linux&arch=amd64")
			if got := value[bool](w, "window.isSecureContext"); got != secure {
				t.Fatalf("isSecureContext is %v", got)
			}
			if _, err := chromedp.CallBrowser(w.ctx, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: "clipboard-write"}, Setting: browser.PermissionSettingGranted,
			}); err != nil {
				t.Fatal(err)
			}
			host := strings.TrimPrefix(base, "http://")
			sum := value[string](w, `document.querySelector(".item .c-sum code").title`)
			for button, want := range map[string]string{
				"curl":   "curl -fLO " + base + "/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl",
				"sha256": strings.TrimPrefix(sum, "sha256:"),
			} {
				w.click(button)
				w.until(`document.getElementById("said").textContent.startsWith("Copied ")`)
				if got := w.paste(); got != want {
					t.Errorf("%s: the clipboard has %q, want %q", button, got, want)
				}
			}
			w.visit("/?component=kube-proxy")
			w.click("crictl pull")
			w.until(`document.querySelector(".copy.done")`)
			if got, want := w.paste(), "crictl pull "+host+"/kube-proxy:v1.27.2"; got != want {
				t.Errorf("the clipboard has %q, want %q", got, want)
			}
			w.click("by digest")
			w.until(`document.querySelectorAll(".copy.done").length === 2`)
			if got, want := w.paste(), "crictl pull "+host+"/kube-proxy@sha256:"; !strings.HasPrefix(got, want) || len(got) != len(want)+64 {
				t.Errorf("the clipboard has %q", got)
			}
			w.do(chromedp.Click(chromedp.CSS(".ways .copy")))
			w.until(`document.querySelector(".ways .copy.done")`)
			if got, want := w.paste(), "server = \""+base+"\"\n\n[host.\""+base+"\"]\n  capabilities = [\"pull\", \"resolve\"]"; got != want {
				t.Errorf("the clipboard has %q, want %q", got, want)
			}
			// The button becomes what it was.
			w.until(`!document.querySelector(".copy.done")`)
		})
	}
}

func (w *window) click(button string) {
	w.t.Helper()
	w.do(chromedp.Click(fmt.Sprintf(`//button[text()=%q]`, button)))
}

// paste reads the clipboard as a person does: into a field.
func (w *window) paste() string {
	w.t.Helper()
	// A field of the test's own: what is put into one of the page's filters it.
	value[chromedp.Void](w, `(a => { a.id = "paste"; document.body.append(a); a.focus() })(document.createElement("textarea"))`)
	call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyDown", Key: "v", Code: "KeyV", Modifiers: 2, Commands: []string{"paste"}})
	got := value[string](w, `document.getElementById("paste").value`)
	value[chromedp.Void](w, `document.getElementById("paste").remove(); document.getElementById("said").textContent = ""`)
	return got
}

// TestWithoutScript reads and filters with JavaScript switched off.
func TestWithoutScript(t *testing.T) {
	w := open(t, serve(t, true))
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w.visit("/")
	// The protocol still evaluates for the tester.
	if n := value[int](w, `document.querySelectorAll(".item").length`); n < 40 {
		t.Fatalf("only %d lines", n)
	}
	if n := value[int](w, `Array.from(document.querySelectorAll("button.copy")).filter(b => b.offsetParent).length`); n != 0 {
		t.Errorf("%d buttons that do nothing", n)
	}
	w.do(chromedp.SendKeys("#q", "kubectl linux/arm64"+kb.Enter))
	w.until(`location.search.includes("q=kubectl") && ` + rowNames + `.join() === "kubectl"`)
	w.do(chromedp.Click(".item summary"), chromedp.WaitVisible(".item .panel"))
	panel := value[string](w, `document.querySelector(".item .panel").innerText`)
	for _, want := range []string{"curl -fLO " + w.base + "/dl.k8s.io/release/v1.27.2/bin/linux/arm64/kubectl", "| sha256sum --check", "krel-staging@"} {
		if !strings.Contains(panel, want) {
			t.Errorf("without a script there is no %q:\n%s", want, panel)
		}
	}
	// A select, and the button.
	w.visit("/")
	w.do(chromedp.SetValue("#component", "kubelet"), chromedp.Click(".go button"))
	w.until(`location.search.includes("component=kubelet") && ` + rowNames + `.every(n => n.startsWith("kubelet"))`)
	if got := value[string](w, `document.getElementById("component").value`); got != "kubelet" {
		t.Errorf("the form has forgotten: %q", got)
	}
}

// TestKeyboard goes the whole way with keys only.
func TestKeyboard(t *testing.T) {
	w := open(t, serve(t, true))
	w.visit("/")
	active := func() string {
		return value[string](w, `(e => e.id || e.className || e.textContent.trim())(document.activeElement)`)
	}
	w.do(chromedp.KeyEvent(kb.Tab))
	if got := active(); got != "skip" {
		t.Fatalf("the first stop is %q, not the skip link", got)
	}
	if !value[bool](w, `document.querySelector(".skip").getBoundingClientRect().top >= 0`) {
		t.Error("the skip link cannot be seen where it has the focus")
	}
	w.do(chromedp.KeyEvent(kb.Enter))
	w.until(`document.activeElement.id === "results"`)
	w.do(chromedp.KeyEvent("/"))
	if got := active(); got != "q" {
		t.Fatalf("a slash goes to %q", got)
	}
	w.do(chromedp.KeyEvent("kubeadm"))
	w.until(rowNames + `.every(n => n.startsWith("kubeadm"))`)
	stops := map[string]bool{}
	var order []string
	for range 14 {
		w.do(chromedp.KeyEvent(kb.Tab))
		got := active()
		if !stops[got] {
			order = append(order, got)
		}
		stops[got] = true
		// Whatever has the focus shows it.
		if !value[bool](w, `(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))`) {
			t.Errorf("%q has the focus and does not show it", got)
		}
	}
	if want := []string{"version", "component", "os", "arch", "verdict"}; !slices.Equal(order[:5], want) {
		t.Errorf("the order of stops is %v", order)
	}
	if !stops["copy"] {
		t.Errorf("no copy button is reached: %v", order)
	}
	w.do(chromedp.Focus(".item summary"), chromedp.KeyEvent(kb.Enter))
	w.until(`document.querySelector(".item details").open`)
	w.do(chromedp.Focus(".item .copy"), chromedp.KeyEvent(kb.Enter))
	w.until(`document.getElementById("said").textContent.startsWith("Copied the ")`)
	if got := active(); !strings.HasPrefix(got, "copy") {
		t.Errorf("copying took the focus to %q", got)
	}
}

// TestAccessible holds what a screen reader needs, and contrast in both schemes.
func TestAccessible(t *testing.T) {
	w := open(t, serve(t, false))
	for _, scheme := range []string{"light", "dark"} {
		w.scheme(scheme)
		for _, path := range []string{"/?version=v1.27.1", "/?version=v1.27.1&entry=kube-scheduler-v1.27.1", "/dl.k8s.io/release/v1.27.1/"} {
			w.do(chromedp.Navigate(w.base+path), chromedp.WaitVisible(chromedp.CSS("h1")))
			value[chromedp.Void](w, `document.querySelectorAll("details").forEach(d => d.open = true)`)
			w.until(`Array.from(document.querySelectorAll("details.closed, .evidence-of")).length === 0`)
			for _, b := range value[[]string](w, audit) {
				t.Errorf("%s, %s: %s", path, scheme, b)
			}
		}
		background := value[int](w, `Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0])`)
		if (background > 128) != (scheme == "light") {
			t.Errorf("%s: the background's red is %d", scheme, background)
		}
	}
	for _, path := range []string{"/?version=v1.27.1", "/?version=v1.27.1&entry=kube-scheduler-v1.27.1", "/dl.k8s.io/release/v1.27.1/"} {
		for _, width := range []int64{360, 390, 800, 1280} {
			w.screen(width, 800)
			w.do(chromedp.Navigate(w.base+path), chromedp.WaitVisible(chromedp.CSS("h1")))
			if got := value[int](w, `document.documentElement.scrollWidth`); got > int(width) {
				wide := value[[]string](w, fmt.Sprintf(`Array.from(document.querySelectorAll("body *")).filter(e => !e.closest(".scroll, pre, .sr") && e.getBoundingClientRect().right > %d).map(e => e.tagName + "." + e.className).slice(0, 8)`, width+1))
				t.Errorf("%s is %d wide on a screen of %d: %v", path, got, width, wide)
			}
		}
	}
	// On paper there is the verdict and its reason, and nothing to click.
	w.visit("/?version=v1.27.1")
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	w.until(`document.querySelector("h1").checkVisibility() && document.querySelector(".item.refuted summary").checkVisibility()`)
	if got := value[int](w, `Array.from(document.querySelectorAll("button, select, input, .anchor, .use")).filter(e => e.checkVisibility()).length`); got != 0 {
		t.Errorf("%d buttons on paper", got)
	}
}

// scheme makes the browser one whose user likes light or dark.
func (w *window) scheme(s string) {
	w.t.Helper()
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s}}})
}

// screen gives the browser a size; a narrow one is a phone.
func (w *window) screen(width, height int64) {
	w.t.Helper()
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

// audit lists what is wrong with names, labels, headers and contrast.
const audit = `(() => {
  const bad = [];
  for (const e of document.querySelectorAll("input, select")) if (!e.labels || !e.labels.length) bad.push("no label: " + e.outerHTML.slice(0, 80));
  for (const e of document.querySelectorAll("button, a")) if (!(e.getAttribute("aria-label") || e.textContent.trim())) bad.push("no name: " + e.outerHTML.slice(0, 80));
  for (const t of document.querySelectorAll("table")) {
    if (!t.querySelector("thead th[scope=col]")) bad.push("a table without headers");
    for (const r of t.querySelectorAll("tbody.item > tr:first-child")) if (!r.querySelector("th[scope=row]")) bad.push("a line without a header");
  }
  if (document.querySelectorAll("h1").length !== 1) bad.push("not one h1");
  const ids = Array.from(document.querySelectorAll("[id]"), e => e.id);
  if (new Set(ids).size !== ids.length) bad.push("an id twice");
  for (const b of document.querySelectorAll(".badge")) if (!b.textContent.trim() || !b.querySelector("svg")) bad.push("a verdict by colour alone");
  const parse = c => c.match(/[\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const seen = new Set();
  for (const e of document.querySelectorAll("body *")) {
    if (!e.offsetParent || !Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const a = lum(parse(getComputedStyle(e).color)), b = lum(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const key = e.className + e.tagName;
    if (ratio < 4.5 && !seen.has(key)) { seen.add(key); bad.push("contrast " + ratio.toFixed(2) + " of " + key + ": " + e.textContent.trim().slice(0, 40)); }
  }
  return bad;
})()`

// smaller writes a picture again with the 256 colours that it has most of, for whom a
// byte a pixel is enough, and with more patience.
func smaller(t *testing.T, picture []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	const shades = 3 // of 256 levels, that become one
	box, often := img.Bounds(), map[color.RGBA]int{}
	at := func(x, y int) color.RGBA {
		r, g, b, _ := img.At(x, y).RGBA()
		near := func(v uint32) uint8 { return uint8(min((int(v>>8)+shades/2)/shades*shades, 255)) }
		return color.RGBA{near(r), near(g), near(b), 255}
	}
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			often[at(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int {
		return cmp.Or(often[b]-often[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var few color.Palette
	for _, c := range colours[:min(len(colours), 256)] {
		few = append(few, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range colours {
		index[c] = uint8(few.Index(c))
	}
	out := image.NewPaletted(box, few)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// picture writes what the window shows to the docs.
func (w *window) picture(name string) {
	w.t.Helper()
	const images, limit = "../../docs/images", 150_000
	picture, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		w.t.Fatal(err)
	}
	picture = smaller(w.t, picture)
	if len(picture) > limit {
		w.t.Errorf("%s has %d bytes, too many for the docs", name, len(picture))
	}
	if err := os.WriteFile(filepath.Join(images, name), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// TestScreenshots looks at the page as the docs show it.
func TestScreenshots(t *testing.T) {
	if !*update {
		t.Skip("it writes docs/images, with -update")
	}
	w := open(t, serve(t, false, "--listen", "127.0.0.1:18931"))
	shot := func(name, scheme, path string, width, height int64, before string) {
		w.scheme(scheme)
		w.screen(width, height)
		w.visit(path)
		value[chromedp.Void](w, before)
		w.picture(name)
	}
	shot("page-light.png", "light", "/?version=v1.27.1", 1100, 1290, "0")
	shot("page-dark.png", "dark", "/?entry=kubelet-v1.27.2-linux-amd64#results", 1100, 900, "0")
	shot("page-phone.png", "light", "/?version=v1.27.1", 390, 900, "0")
}
