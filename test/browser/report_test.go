package browser

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// openReports opens a browser without JavaScript on the reports of a directory.
func openReports(t *testing.T, dir string) *window {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, "file://"+filepath.ToSlash(dir))
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return w
}

func (w *window) report(name string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.base+"/"+name), chromedp.WaitVisible("main"))
}

// TestReport looks at the page of a saved report, as -o html writes it: it asks for
// nothing, works without a script, fits a phone, opens the evidence of a cell, and
// prints all of it.
func TestReport(t *testing.T) {
	w := openReports(t, "../../internal/render/testdata/formats")
	for _, name := range []string{"good.html", "mixed.html", "cut.html", "none.html"} {
		for _, scheme := range []string{"light", "dark"} {
			w.scheme(scheme)
			w.screen(1100, 900)
			w.report(name)
			for _, bad := range value[[]string](w, audit) {
				t.Errorf("%s, %s: %s", name, scheme, bad)
			}
			background := value[int](w, `Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0])`)
			if (background > 128) != (scheme == "light") {
				t.Errorf("%s, %s: the background's red is %d", name, scheme, background)
			}
			for _, width := range []int64{390, 800, 1280} {
				w.screen(width, 900)
				if n := value[int](w, `document.documentElement.scrollWidth`); n > int(width) {
					t.Errorf("%s is %d wide on a screen of %d", name, n, width)
				}
			}
		}
	}
	w.screen(1100, 900)
	w.report("good.html")
	const shown = `(e => e.checkVisibility({contentVisibilityAuto: true}) && e.getBoundingClientRect().height > 20)`
	if value[bool](w, `document.querySelector("details").open`) || value[bool](w, shown+`(document.querySelector(".proof"))`) {
		t.Error("what is verified is not folded")
	}
	value[chromedp.Void](w, `document.querySelector("a.cell").click()`)
	w.until(`document.querySelector(":target") && ` + shown + `(document.querySelector(":target"))`)

	w.report("good.html")
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	w.until(`Array.from(document.querySelectorAll(".proof")).every(` + shown + `)`)
}

// TestReportScreenshots looks at the report of the sample as the docs show it.
func TestReportScreenshots(t *testing.T) {
	if !*update {
		t.Skip("it writes docs/images, with -update")
	}
	program, err := kverify()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(program, "images", "v1.27.2", "-q", "--mirror", "mirror", "--trusted-root", "trusted_root.json", "-o", "html="+filepath.Join(dir, "report.html"))
	cmd.Dir = "../../testdata/sample"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w := openReports(t, dir)
	for name, shot := range map[string]struct {
		scheme string
		width  int64
	}{"light": {"light", 1100}, "dark": {"dark", 1100}, "phone": {"light", 390}} {
		w.scheme(shot.scheme)
		w.screen(shot.width, 820)
		w.report("report.html")
		if name == "dark" {
			value[chromedp.Void](w, `document.querySelectorAll("a.cell")[1].click()`)
			w.until(`document.querySelector(":target")`)
		}
		w.picture("report-" + name + ".png")
	}
}
