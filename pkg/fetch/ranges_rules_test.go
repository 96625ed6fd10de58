//go:build unix

package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inRanges is the rest of a file of some ranges, the last of five bytes, and what it is read from:
// the answer that began it has only "b" in it, and scratch the number of each range, repeated.
func inRanges(t *testing.T, ranges int) *ahead {
	t.Helper()
	scratch, err := os.Create(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = scratch.Close() })
	a := &ahead{host: hostOfLanes(2), etag: `"a"`, scratch: scratch, tries: 2, start: 3, at: 3, cut: -1, done: make([]bool, ranges+1), changed: make(chan struct{})}
	a.end = a.start + int64(ranges)*rangeSize + 5
	a.body = io.NopCloser(strings.NewReader(strings.Repeat("b", 3*rangeSize)))
	a.host.meter.split = true
	return a
}

func (a *ahead) fill(t *testing.T, i int, what byte) {
	t.Helper()
	if _, err := a.scratch.WriteAt(bytes.Repeat([]byte{what}, rangeSize), slot(i)); err != nil {
		t.Fatal(err)
	}
	a.done[i] = true
}

// TestReadingInOrder holds from where each byte is read: from the answer up to the first range that
// does not come in it, from there on out of the ranges, and never over the end of one.
func TestReadingInOrder(t *testing.T) {
	failed := errors.New("failed")
	for name, tt := range map[string]struct {
		cut    int
		at     int64 // of the rest
		room   int
		done   []int
		err    error
		want   string // the byte that is read
		n      int
		wrong  error
		closed bool
	}{
		"one answer":                   {-1, 0, 7, nil, nil, "b", 7, nil, false},
		"one answer, over its end":     {-1, 3*rangeSize + 5, 7, nil, nil, "b", 7, nil, false},
		"one answer, and an error":     {-1, 0, 7, nil, failed, "b", 7, nil, false},
		"the answer":                   {2, 0, 7, nil, nil, "b", 7, nil, false},
		"the answer, two ranges of it": {2, 0, 2*rangeSize + 1, nil, nil, "b", 2 * rangeSize, nil, true},
		"the answer's end":             {2, 2*rangeSize - 3, 7, nil, nil, "b", 3, nil, true},
		"before the answer's end":      {2, 2*rangeSize - 3, 2, nil, nil, "b", 2, nil, false},
		"a range":                      {2, 2 * rangeSize, 7, []int{2}, nil, "2", 7, nil, false},
		"a range's end":                {2, 3*rangeSize - 3, 7, []int{2, 3}, nil, "2", 3, nil, false},
		"the last range":               {2, 3 * rangeSize, 7, []int{2, 3}, nil, "3", 5, nil, false},
		"a range, beside an error":     {2, 2 * rangeSize, 7, []int{2}, failed, "2", 7, nil, false},
		"a range that will not come":   {2, 2 * rangeSize, 7, []int{3}, failed, "", 0, failed, false},
		"the end":                      {2, 3*rangeSize + 5, 7, nil, nil, "", 0, io.EOF, false},
		"the end, beside an error":     {2, 3*rangeSize + 5, 7, nil, failed, "", 0, io.EOF, false},
		"an answer of nothing":         {0, 0, 7, []int{0}, nil, "0", 7, nil, false},
	} {
		a := inRanges(t, 3)
		a.cut, a.at, a.err = tt.cut, a.start+tt.at, tt.err
		closed := 0
		a.body = &closing{io.LimitReader(a.body, 3*rangeSize), &closed}
		for _, i := range tt.done {
			a.fill(t, i, byte('0'+i))
		}
		p := make([]byte, tt.room)
		n, err := inOrder{a, t.Context()}.Read(p)
		for n < tt.n && err == nil && n > 0 && tt.n > rangeSize { // an answer may come in pieces
			var more int
			more, err = inOrder{a, t.Context()}.Read(p[n:])
			n += more
		}
		if n != tt.n || string(p[:n]) != strings.Repeat(tt.want, n) || !errors.Is(err, tt.wrong) || a.at != a.start+tt.at+int64(n) || (closed > 0) != tt.closed {
			t.Errorf("%s: %d bytes, %v, at %d, closed %d times", name, n, err, a.at-a.start, closed)
		}
	}
}

// TestReadingWaitsForARange holds that a reader waits for the range that is next, until it is there,
// will not come, or the reader's own end.
func TestReadingWaitsForARange(t *testing.T) {
	failed, ended := errors.New("failed"), errors.New("ended")
	for name, tt := range map[string]struct {
		do   func(a *ahead, end func(error))
		want error
	}{
		"it comes":          {func(a *ahead, _ func(error)) { a.fill(t, 2, '2'); a.call() }, nil},
		"it will not come":  {func(a *ahead, _ func(error)) { a.err = failed; a.call() }, failed},
		"its reader's end":  {func(_ *ahead, end func(error)) { end(ended) }, ended},
		"another comes too": {func(a *ahead, _ func(error)) { a.fill(t, 3, '3'); a.call(); a.fill(t, 2, '2'); a.call() }, nil},
	} {
		a := inRanges(t, 3)
		synctest.Test(t, func(t *testing.T) {
			a.changed = make(chan struct{})
			a.cut, a.at = 2, a.start+2*rangeSize
			ctx, end := context.WithCancelCause(t.Context())
			defer end(nil)
			over := make(chan error, 1)
			go func() {
				_, err := inOrder{a, ctx}.Read(make([]byte, 7))
				over <- err
			}()
			synctest.Wait()
			if len(over) > 0 {
				t.Errorf("%s: it did not wait", name)
			}
			a.mu.Lock()
			tt.do(a, end)
			a.mu.Unlock()
			if err := <-over; !errors.Is(err, tt.want) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestWhoseTurnItIs holds when a range may be asked for: the first a while behind the answer's reader, the others in order,
// as far ahead as there is room and with a claim; and the one that is waited for, once the answer has ended, in its place.
func TestWhoseTurnItIs(t *testing.T) {
	const far = rangesAhead
	for name, tt := range map[string]struct {
		i, cut, head, next int
		full               bool // no claim is to be had
		over               bool
		err                error
		want               string // "y" asks, "c" with a claim, "n" never, "w" waits
		left               [2]int // cut and next
	}{
		"the one that is read":           {0, -1, 0, 0, false, false, nil, "n", [2]int{-1, 0}},
		"the one after it":               {1, -1, 0, 0, false, false, nil, "n", [2]int{-1, 0}},
		"the first":                      {2, -1, 0, 0, false, false, nil, "c", [2]int{2, 3}},
		"the first, further on":          {7, -1, 5, 0, false, false, nil, "c", [2]int{7, 8}},
		"not yet the first":              {3, -1, 0, 0, false, false, nil, "w", [2]int{-1, 0}},
		"the first, and there is no way": {2, -1, 0, 0, true, false, nil, "w", [2]int{-1, 0}},
		"of the answer":                  {1, 2, 0, 3, false, false, nil, "n", [2]int{2, 3}},
		"the next":                       {3, 2, 0, 3, false, false, nil, "c", [2]int{2, 4}},
		"the next, and there is no way":  {3, 2, 0, 3, true, false, nil, "w", [2]int{2, 3}},
		"not yet the next":               {4, 2, 0, 3, false, false, nil, "w", [2]int{2, 3}},
		"the last that may be":           {far - 1, 2, 0, far - 1, false, false, nil, "c", [2]int{2, far}},
		"too far ahead":                  {far, 2, 0, far, false, false, nil, "w", [2]int{2, far}},
		"waited for":                     {3, 2, 3, 3, true, false, nil, "y", [2]int{2, 4}},
		"waited for, and there is a way": {3, 2, 3, 3, false, false, nil, "y", [2]int{2, 4}},
		"it is over":                     {3, 2, 0, 3, false, true, nil, "n", [2]int{2, 3}},
		"another failed":                 {3, 2, 0, 3, false, false, io.ErrUnexpectedEOF, "n", [2]int{2, 3}},
		"over before the first":          {2, -1, 0, 0, false, true, nil, "n", [2]int{-1, 0}},
		"the next of such a cut":         {3, 0, 0, 3, false, false, nil, "c", [2]int{0, 4}},
		"of a cut at the beginning":      {0, 0, 0, 0, true, false, nil, "y", [2]int{0, 1}},
	} {
		a := inRanges(t, 60)
		synctest.Test(t, func(t *testing.T) {
			a.changed, a.host.changed = make(chan struct{}), make(chan struct{})
			a.cut, a.at, a.next, a.over, a.err = tt.cut, a.start+int64(tt.head)*rangeSize, tt.next, tt.over, tt.err
			if tt.full {
				a.host.flying = 4
			}
			changed := a.changed
			ctx, end := context.WithCancel(t.Context())
			mark, over := new(bulk), make(chan bool, 1)
			go func() { over <- a.turn(ctx, tt.i, mark) }()
			synctest.Wait()
			got := "w"
			if len(over) > 0 {
				switch {
				case !<-over:
					got = "n"
				case mark.claimed == a.host:
					got = "c"
				default:
					got = "y"
				}
				over <- false
			}
			claims := map[string]int{"c": 1}[tt.want]
			if got != tt.want || [2]int{a.cut, a.next} != tt.left || a.host.claims != claims || called(changed) != (tt.want == "y" || tt.want == "c") || a.host.waiting != map[bool]int{true: 1}[got == "w"] {
				t.Errorf("%s: %s, cut %d, next %d, %d claims, %d wait", name, got, a.cut, a.next, a.host.claims, a.host.waiting)
			}
			end()
			if <-over {
				t.Errorf("%s: it was asked for after its end", name)
			}
			if synctest.Wait(); a.host.waiting != 0 {
				t.Errorf("%s: %d wait after the end", name, a.host.waiting)
			}
		})
	}
}

// TestTurnsThatCome holds that a range which waits is asked for once another has been, or once there is a claim.
func TestTurnsThatCome(t *testing.T) {
	for name, do := range map[string]func(a *ahead){
		"its turn": func(a *ahead) { a.next = 4; a.call() },
		"a claim":  func(a *ahead) { a.host.flying = 0; a.host.call() },
	} {
		a := inRanges(t, 60)
		synctest.Test(t, func(t *testing.T) {
			a.changed, a.host.changed = make(chan struct{}), make(chan struct{})
			a.cut, a.next = 2, 4
			if name == "its turn" {
				a.next = 3
			} else {
				a.host.flying = 4
			}
			over := make(chan bool, 1)
			go func() { over <- a.turn(t.Context(), 4, new(bulk)) }()
			synctest.Wait()
			if len(over) > 0 {
				t.Errorf("%s: it did not wait", name)
			}
			a.mu.Lock()
			do(a)
			a.mu.Unlock()
			if !<-over || a.next != 5 {
				t.Errorf("%s: it was not asked for; next %d", name, a.next)
			}
		})
	}
}

// TestRangesAreBrought holds what is asked for of a range, what of it again after a cut and how often, and
// what becomes of it.
func TestRangesAreBrought(t *testing.T) {
	const header = "ETag: \"a\"\nContent-Range: bytes %d-%d/%d"
	part := func(from, to, n int, cert string) served {
		return served{status: 206, length: int64(to - from), header: fmt.Sprintf(header, from, to-1, 2*rangeSize+8), body: strings.Repeat("x", n), cert: cert}
	}
	const from, to = rangeSize + 3, 2*rangeSize + 3 // the second range
	whole, short, rest := part(from, to, to-from, "dl.k8s.io"), part(from, to, 9, "dl.k8s.io"), part(from+9, to, to-from-9, "dl.k8s.io")
	short.err, rest.err = io.ErrUnexpectedEOF, nil
	for name, tt := range map[string]struct {
		tries    int
		answers  []served
		asked    string
		kind     string // empty: it came
		requests int
		foreign  bool
	}{
		"whole":             {2, []served{whole}, fmt.Sprintf("%d-%d", from, to-1), "", 1, false},
		"carried":           {2, []served{part(from, to, to-from, "")}, fmt.Sprintf("%d-%d", from, to-1), "", 1, true},
		"longer than asked": {2, []served{part(from, to, to-from+5, "dl.k8s.io")}, fmt.Sprintf("%d-%d", from, to-1), "", 1, false},
		"cut":               {2, []served{short, rest}, fmt.Sprintf("%d-%d %d-%d", from, to-1, from+9, to-1), "", 2, false},
		"cut, carried once": {2, []served{short, part(from+9, to, to-from-9, "")}, fmt.Sprintf("%d-%d %d-%d", from, to-1, from+9, to-1), "", 2, true},
		"carried, then not": {2, []served{{status: 206, length: -1, header: short.header, body: short.body}, rest}, fmt.Sprintf("%d-%d %d-%d", from, to-1, from+9, to-1), "", 2, true},
		"cut too often":     {1, []served{short, rest}, fmt.Sprintf("%d-%d", from, to-1), "truncated", 1, false},
		"ended early":       {1, []served{part(from, to, 9, "dl.k8s.io")}, fmt.Sprintf("%d-%d", from, to-1), "truncated", 1, false},
		"not there":         {2, []served{{status: 404}, whole}, fmt.Sprintf("%d-%d", from, to-1), "bad status", 0, false},
		"a loop":            {2, []served{{status: 302, header: "Location: /f"}, whole}, fmt.Sprintf("%d-%d", from, to-1), "bad redirect", 0, false},
	} {
		a := inRanges(t, 2)
		a.tries = tt.tries
		synctest.Test(t, func(t *testing.T) {
			a.changed, a.host.changed = make(chan struct{}), make(chan struct{})
			a.cut, a.next, a.at = 1, 1, a.start+rangeSize // waited for
			a.request = Request{URL: "https://dl.k8s.io/f", Header: http.Header{"X": {"y"}}}
			asked := ""
			n := 0
			a.client = &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
				asked += " " + strings.TrimPrefix(r.Header.Get("Range"), "bytes=")
				limit, _ := r.Context().Value(limitKey{}).(int64)
				if _, bulky := r.Context().Value(bulkKey{}).(*bulk); r.Header.Get("If-Range") != `"a"` || r.Header.Get("X") != "y" || limit != 0 || !bulky {
					t.Errorf("%s: asked with %v", name, r.Header)
				}
				n++
				return tt.answers[min(n, len(tt.answers))-1].response(), nil
			})}
			changed := a.changed
			a.fetch(t.Context(), 1)
			kind := ""
			var e *Error
			if errors.As(a.err, &e) {
				kind = e.Kind.String()
			}
			if strings.TrimSpace(asked) != tt.asked || kind != tt.kind || a.done[1] != (tt.kind == "") || a.requests != tt.requests || a.foreign != tt.foreign || !called(changed) || a.host.claims != 0 {
				t.Errorf("%s: asked%s, %v, done %v, %d requests, foreign %v", name, asked, a.err, a.done, a.requests, a.foreign)
			}
			if len(a.request.Header) != 1 {
				t.Errorf("%s: the header was changed: %v", name, a.request.Header)
			}
			if got := make([]byte, rangeSize); a.done[1] {
				if _, err := a.scratch.ReadAt(got, slot(1)); err != nil || string(got) != strings.Repeat("x", rangeSize) {
					t.Errorf("%s: other bytes, %v", name, err)
				}
			}
			// The first error is kept, and nothing more is asked for.
			first := a.err
			a.next = 2
			if a.fetch(t.Context(), 2); first != nil && (!errors.Is(a.err, first) || a.done[2] || a.requests != tt.requests) {
				t.Errorf("%s: then %v", name, a.err)
			}
		})
	}
}

// TestARangeThatEndsHalf holds that a range is not there where its run ended before what is missing of it
// was asked for again.
func TestARangeThatEndsHalf(t *testing.T) {
	a := inRanges(t, 2)
	synctest.Test(t, func(t *testing.T) {
		a.changed, a.host.changed = make(chan struct{}), make(chan struct{})
		a.cut, a.next, a.at = 1, 1, a.start+rangeSize // waited for
		ctx, end := context.WithCancel(t.Context())
		asked := 0
		a.client = &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			asked++
			time.AfterFunc(time.Millisecond, end)
			from := rangeSize + 3
			return served{status: 206, length: -1, header: fmt.Sprintf("ETag: \"a\"\nContent-Range: bytes %d-%d/%d", from, from+rangeSize-1, a.end), body: "x"}.response(), nil
		})}
		a.request = Request{URL: "https://dl.k8s.io/f", Header: http.Header{}}
		if a.fetch(ctx, 1); a.done[1] || !errors.Is(a.err, context.Canceled) || asked != 1 {
			t.Errorf("done %v, %v, asked %d times", a.done, a.err, asked)
		}
	})
}
