package browser

import (
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestReport looks at the page of a saved report, as -o html writes it: it asks for
// nothing, works without a script, opens the evidence of a cell, and fits a phone.
func TestReport(t *testing.T) {
	dir, err := filepath.Abs("../../internal/render/testdata/formats")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t, "file://"+filepath.ToSlash(dir))
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	for _, name := range []string{"good.html", "mixed.html", "cut.html", "none.html"} {
		for _, scheme := range []string{"light", "dark"} {
			w.scheme(scheme)
			w.screen(1100, 900)
			w.do(chromedp.Navigate(w.base+"/"+name), chromedp.WaitVisible("main"))
			for _, bad := range value[[]string](w, audit) {
				t.Errorf("%s, %s: %s", name, scheme, bad)
			}
			w.screen(390, 900)
			if n := value[int](w, `document.documentElement.scrollWidth`); n > 390 {
				t.Errorf("%s is %d wide on a phone", name, n)
			}
		}
	}
	w.screen(1100, 900)
	w.do(chromedp.Navigate(w.base+"/good.html"), chromedp.WaitVisible("main"))
	if value[bool](w, `document.querySelector("details").open`) {
		t.Error("what is verified is not folded")
	}
	w.do(chromedp.Click("a.cell"))
	w.until(`document.querySelector(":target").checkVisibility({contentVisibilityAuto: true})`)
}
