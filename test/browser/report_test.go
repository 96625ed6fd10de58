package browser

import (
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
// prints all of it. With -update it writes the pictures of the docs.
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

	if !*update {
		return
	}
	for name, scheme := range map[string]string{"report-light.png": "light", "report-dark.png": "dark"} {
		w.scheme(scheme)
		w.screen(1100, 820)
		w.report("mixed.html")
		w.picture(name)
	}
}
