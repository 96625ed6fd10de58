package command

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/render"
	"github.com/kverify/kverify/pkg/fetch"
)

// WatchedFile is a file on its way, as a progress bar sees it.
type WatchedFile struct {
	Name     string
	Transfer *fetch.Transfer
	begun    atomic.Int64 // unix nanoseconds; 0 not yet
	over     atomic.Bool
}

// nameWidth is how much of a name stands before its bar.
const nameWidth = 32

// WatchFiles runs work, and shows its files: on a terminal a bar each for those
// that travel and one for the total, else a line each when it is done. began
// and ended may be called from several goroutines.
func (a *App) WatchFiles(set *Settings, files []WatchedFile, work func(began, ended func(i int, said string))) {
	began := func(i int, _ string) { files[i].begun.Store(time.Now().UnixNano()) }
	if _, ok := Terminal(a.Stderr); !ok || set.Verbose || a.Getenv("TERM") == "dumb" || set.Quiet {
		lines := make(chan string, len(files))
		par.Do(
			func() {
				for l := range lines {
					if !set.Quiet {
						a.Say("%s", l)
					}
				}
			},
			func() {
				defer close(lines)
				work(began, func(i int, said string) {
					size, _ := files[i].Transfer.Counts()
					took := time.Since(time.Unix(0, files[i].begun.Load())).Seconds()
					lines <- fmt.Sprintf("%s: %s, %s in %.1f s", files[i].Name, said, BytesText(size), took)
				})
			},
		)
		return
	}
	over := make(chan struct{})
	par.Do(
		func() { fileBars(a.Stderr, files, over) },
		func() {
			defer close(over)
			work(began, func(i int, _ string) { files[i].over.Store(true) })
		},
	)
}

// fileBars draws until over is closed, and leaves no trace.
func fileBars(w io.Writer, files []WatchedFile, over <-chan struct{}) {
	tick := time.NewTicker(barPeriod)
	defer tick.Stop()
	drawn := 0
	clear := func() {
		if drawn > 0 {
			fmt.Fprintf(w, "\x1b[%dA\r\x1b[J", drawn)
		}
		drawn = 0
	}
	for {
		select {
		case <-over:
			clear()
			return
		case <-tick.C:
		}
		var lines []string
		var done, total int64
		finished := 0
		for i := range files {
			d, t := files[i].Transfer.Counts()
			done, total = done+d, total+max(d, t)
			switch {
			case files[i].over.Load():
				finished++
			case files[i].begun.Load() != 0:
				lines = append(lines, barLine(files[i].Name, d, t))
			}
		}
		lines = append(lines, barLine(fmt.Sprintf("%d of %d files", finished, len(files)), done, total))
		clear()
		fmt.Fprint(w, strings.Join(lines, "\n")+"\n")
		drawn = len(lines)
	}
}

// barLine is one bar as text.
func barLine(name string, done, total int64) string {
	name = render.Escape(name)
	if len(name) > nameWidth {
		name = "..." + name[len(name)-nameWidth+3:]
	}
	b := progressbar.NewOptions64(max(1, total),
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetDescription(fmt.Sprintf("%-*s", nameWidth, name)),
		progressbar.OptionSetWidth(barWidth),
		progressbar.OptionShowBytes(true),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
	)
	_ = b.Set64(min(done, max(1, total)))
	return strings.TrimSpace(strings.TrimLeft(b.String(), "\r"))
}

// WatchBytes runs work with a bar of bytes beside it, if somebody looks.
func (a *App) WatchBytes(set *Settings, what string, counts func() (done, total int64), work func()) {
	if _, ok := Terminal(a.Stderr); !ok || set.Quiet || set.Verbose || a.Getenv("TERM") == "dumb" {
		work()
		return
	}
	over := make(chan struct{})
	par.Do(
		func() { byteBar(a.Stderr, what, counts, over) },
		func() {
			defer close(over)
			work()
		},
	)
}

// byteBar draws until over is closed, and leaves no trace.
func byteBar(w io.Writer, what string, counts func() (done, total int64), over <-chan struct{}) {
	tick := time.NewTicker(barPeriod)
	defer tick.Stop()
	for {
		select {
		case <-over:
			fmt.Fprint(w, "\r\x1b[K")
			return
		case <-tick.C:
			done, total := counts()
			fmt.Fprint(w, "\r\x1b[K"+barLine(what, min(done, total), total))
		}
	}
}
