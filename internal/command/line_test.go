package command

import (
	"testing"
	"time"
)

// Parts go in order of what they are worth, and what is left is cut.
func TestFit(t *testing.T) {
	parts := []part{
		{text: "12 of 64 files", priority: 6}, {text: "210 of 640 MB", priority: 5}, {text: "1.5 MB/s", priority: 3}, {text: "5 min left", priority: 4},
		{text: "", priority: 9}, {text: "kubernetes-server-linux-amd64.tar.gz", short: "server", priority: 1},
	}
	for width, want := range map[int]string{
		100: "12 of 64 files, 210 of 640 MB, 1.5 MB/s, 5 min left, kubernetes-server-linux-amd64.tar.gz",
		80:  "12 of 64 files, 210 of 640 MB, 1.5 MB/s, 5 min left, server",
		56:  "12 of 64 files, 210 of 640 MB, 1.5 MB/s, 5 min left",
		45:  "12 of 64 files, 210 of 640 MB, 5 min left",
		31:  "12 of 64 files, 210 of 640 MB",
		20:  "12 of 64 files",
		11:  "12 of 64...",
	} {
		if got := fit(parts, width); got != want {
			t.Errorf("%d columns: %q", width, got)
		}
	}
	if got := fit([]part{{text: "a\x1b[2Jb\n"}}, 40); got != `a\x1b[2Jb\x0a` {
		t.Errorf("not escaped: %q", got)
	}
	if got := fit([]part{{text: "镜像镜像镜像"}}, 9); columns(got) > 9 {
		t.Errorf("wide characters: %q", got)
	}
}

// A rate is of the last seconds, and none is made up.
func TestMeter(t *testing.T) {
	var m meter
	start := time.Now()
	at := func(seconds float64, bytes int64) float64 {
		return m.rate(start.Add(time.Duration(seconds*float64(time.Second))), bytes)
	}
	if r := at(0, 0); r != 0 {
		t.Errorf("at once: %v", r)
	}
	if r := at(0.1, 50e6); r != 0 {
		t.Errorf("after a tenth of a second: %v", r)
	}
	for s := 1; s <= 30; s++ {
		at(float64(s), int64(s)*2e6)
	}
	if r := at(31, 62e6); r != 2e6 {
		t.Errorf("steady: %v", r)
	}
	for s := 32; s <= 45; s++ {
		at(float64(s), 62e6)
	}
	if r := at(46, 62e6); r != 0 {
		t.Errorf("nothing came for fourteen seconds: %v", r)
	}
	if r := at(47, 1e6); r != 0 {
		t.Errorf("bytes that are counted anew: %v", r)
	}
}

func TestTransferWords(t *testing.T) {
	for got, want := range map[string]string{
		doneText(0, 0):                            "0.0 kB",
		doneText(210e6, 640e6):                    "210 of 640 MB",
		doneText(210e6, 0):                        "210.0 MB",
		doneText(1.25e9, 9.8e9):                   "1.2 of 9.8 GB",
		doneText(999_960, 50e6):                   "1.0 of 50.0 MB",
		leftText(430e6, 1.5e6):                    "5 min left",
		leftText(1, 0):                            "",
		leftText(0, 1e6):                          "",
		leftText(4<<40, 1):                        "",
		leftText(1, 1e6):                          "1 s left",
		timeText(89 * time.Second):                "89 s",
		timeText(90 * time.Second):                "2 min",
		timeText(59*time.Minute + 40*time.Second): "1 h",
		timeText(80 * time.Minute):                "1 h 20 min",
	} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
