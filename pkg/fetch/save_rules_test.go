//go:build unix

package fetch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tempRoot is an empty directory.
func tempRoot(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

// saving is what a run asked for and got.
type saving struct {
	asked string // "Range/If-Range" of each request
	got   string // "ok SIZE RESUMED ORIGIN", or "KIND KEPT"
	took  time.Duration
	left  string // what is in the directory after it
	err   error

	counts string // bytes that are there, that there will be, and that came
}

// saved runs Save over answers, and once more over the last of them. kept lies in the part from an
// earlier run, with its state.
func saved(t *testing.T, kept, state string, r SaveRequest, answers ...served) (out saving) {
	synctest.Test(t, func(t *testing.T) {
		root, dir := tempRoot(t)
		if state != "" {
			for name, text := range map[string]string{".f.kverify-part": kept, ".f.kverify-part.json": state} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		n := 0
		c := &Client{Transport: tripper(func(req *http.Request) (*http.Response, error) {
			out.asked = strings.TrimPrefix(fmt.Sprintf("%s %s/%s", out.asked, strings.TrimPrefix(req.Header.Get("Range"), "bytes="), req.Header.Get("If-Range")), " ")
			if limit, ok := req.Context().Value(limitKey{}).(int64); !ok || limit != 0 {
				t.Errorf("the transport was told to look at %d bytes", limit)
			}
			n++
			return answers[min(n, len(answers))-1].response(), nil
		})}
		progress := new(Transfer)
		r.Root, r.Name, r.Progress = root, "f", progress
		if r.URL == "" {
			r.URL = "https://dl.k8s.io/f"
		}
		began := time.Now()
		p, err := c.Save(t.Context(), r)
		out.took, out.err = time.Since(began), err
		done, total := progress.Counts()
		out.counts = fmt.Sprint(done, total, progress.Fetched())
		var e *Error
		switch {
		case err == nil:
			out.got = fmt.Sprintf("ok %d %d %s", p.Size, p.Resumed, p.Origin)
			body, _ := io.ReadAll(p.Reader())
			if sums := Sum(body); sums.SHA256 != p.SHA256 || sums.SHA512 != p.SHA512 {
				t.Errorf("what is on disk is %q, and the hashes are others'", body)
			}
			if info, err := p.file.Stat(); err != nil || info.Size() != p.Size {
				t.Errorf("there is more on disk than was hashed: %v %v", info, err)
			}
			out.left = string(body)
			_ = p.Discard()
		case errors.As(err, &e):
			out.got = fmt.Sprintf("%s %d", e.Kind, e.KeptBytes)
			fallthrough
		default:
			entries, _ := os.ReadDir(dir)
			for _, entry := range entries {
				out.left += entry.Name() + " "
			}
		}
	})
	return out
}

const (
	stateA    = `{"url":"https://dl.k8s.io/f","etag":"\"a\"","lastModified":"Mon","length":8}`
	headerA   = "ETag: \"a\"\nLast-Modified: Mon"
	bothParts = ".f.kverify-part .f.kverify-part.json "
)

// TestSaveAsksForWhatIsMissing holds which bytes are asked for of a file of which a part is there,
// under which validator, and which parts are gone on with.
func TestSaveAsksForWhatIsMissing(t *testing.T) {
	rest := func(from int) served {
		return served{status: 206, length: int64(8 - from), header: headerA + fmt.Sprintf("\nContent-Range: bytes %d-7/8", from), body: "abcdefgh"[from:], cert: "dl.k8s.io"}
	}
	whole := served{status: 200, length: 8, header: headerA, body: "abcdefgh", cert: "dl.k8s.io"}
	for name, tt := range map[string]struct {
		kept, state, asked string
		answer             served
		got                string
	}{
		"nothing":             {"", "", "/", whole, "ok 8 0 published"},
		"half":                {"abcd", stateA, `4-/"a"`, rest(4), "ok 8 4 carried"},
		"all":                 {"abcdefgh", stateA, `7-/"a"`, rest(7), "ok 8 7 carried"},
		"a byte too many":     {"abcdefghi", stateA, "/", whole, "ok 8 0 published"},
		"an empty part":       {"", stateA, "/", whole, "ok 8 0 published"},
		"of another URL":      {"abcd", strings.Replace(stateA, "/f", "/g", 1), "/", whole, "ok 8 0 published"},
		"no state":            {"abcd", "{", "/", whole, "ok 8 0 published"},
		"no length":           {"abcd", `{"url":"https://dl.k8s.io/f","length":-1}`, "4-/", rest(4), "ok 8 4 carried"},
		"a weak validator":    {"abcd", strings.Replace(stateA, `"\"a\""`, `"W/\"a\""`, 1), "4-/Mon", served{status: 206, length: 4, header: "Content-Range: bytes 4-7/8", body: "efgh"}, "ok 8 4 carried"},
		"a date alone":        {"abcd", `{"url":"https://dl.k8s.io/f","lastModified":"Mon","length":8}`, "4-/Mon", rest(4), "ok 8 4 carried"},
		"a bad date":          {"abcd", `{"url":"https://dl.k8s.io/f","lastModified":"Mo\nn","length":8}`, "4-/", rest(4), "ok 8 4 carried"},
		"a tab in a date":     {"abcd", `{"url":"https://dl.k8s.io/f","lastModified":"Mo\tn","length":8}`, "4-/Mo\tn", served{status: 206, length: 4, header: "Content-Range: bytes 4-7/8", body: "efgh"}, "ok 8 4 carried"},
		"the server takes it": {"abcd", stateA, `4-/"a"`, whole, "ok 8 0 published"},
		"a byte of one":       {"a", strings.Replace(stateA, "8}", "1}", 1), "/", served{status: 200, length: 1, body: "a", cert: "dl.k8s.io"}, "ok 1 0 published"},
	} {
		s := saved(t, tt.kept, tt.state, SaveRequest{Attempts: 1}, tt.answer)
		if s.asked != tt.asked || s.got != tt.got || s.left != "abcdefgh"[:len(s.left)] {
			t.Errorf("%s: asked %q, %s %q %v", name, s.asked, s.got, s.left, s.err)
		}
	}
}

// TestSaveHoldsAnswersAgainstThePart holds that an answer which is not the rest of the same file
// costs the part, or the run, and is never added to it.
func TestSaveHoldsAnswersAgainstThePart(t *testing.T) {
	whole := served{status: 200, length: 8, header: headerA, body: "ABCDEFGH"}
	part := func(header, body string) served {
		return served{status: 206, length: int64(len(body)), header: header, body: body}
	}
	const again = `4-/"a" /`
	for name, tt := range map[string]struct {
		answer     served
		asked, got string
	}{
		"the rest":              {part(headerA+"\nContent-Range: bytes 4-7/8", "efgh"), `4-/"a"`, "ok 8 4 carried"},
		"from elsewhere":        {part(headerA+"\nContent-Range: bytes 3-7/8", "defgh"), again, "ok 8 0 carried"},
		"not to the end":        {part(headerA+"\nContent-Range: bytes 4-6/8", "efg"), again, "ok 8 0 carried"},
		"of a longer file":      {part(headerA+"\nContent-Range: bytes 4-8/9", "efghi"), again, "ok 8 0 carried"},
		"another length":        {part(headerA+"\nContent-Range: bytes 4-7/8", "efg"), again, "ok 8 0 carried"},
		"no length":             {served{status: 206, length: -1, header: headerA + "\nContent-Range: bytes 4-7/8", body: "efgh"}, `4-/"a"`, "ok 8 4 carried"},
		"no range":              {part(headerA, "efgh"), again, "ok 8 0 carried"},
		"no range, and nothing": {part(headerA, ""), again, "ok 8 0 carried"},
		"another, and nothing":  {served{status: 206, length: -1, header: "ETag: \"b\"\nContent-Range: bytes 4-7/8"}, again, "ok 8 0 carried"},
		"cut, not announced":    {served{status: 200, length: -1, body: "0123", err: io.ErrUnexpectedEOF}, `4-/"a" 4-/`, "ok 8 0 carried"},
		"another validator":     {part("ETag: \"b\"\nContent-Range: bytes 4-7/8", "efgh"), again, "ok 8 0 carried"},
		"another date":          {part("Last-Modified: Tue\nContent-Range: bytes 4-7/8", "efgh"), again, "ok 8 0 carried"},
		"beyond the end":        {served{status: 416, length: 0}, again, "ok 8 0 carried"},
		"not there":             {served{status: 404, length: 0, body: "gone"}, `4-/"a"`, "not found 4"},
		"no content":            {served{status: 204, length: 0}, `4-/"a"`, "bad status 4"},
		"below 200":             {served{status: 199, length: 0, body: "x"}, `4-/"a"`, "bad status 4"},
		"down":                  {served{status: 500, length: 0}, `4-/"a"`, "server error 4"},
		"encoded":               {part(headerA+"\nContent-Encoding: gzip\nContent-Range: bytes 4-7/8", "efgh"), `4-/"a"`, "not a document 4"},
		"a page":                {part(headerA+"\nContent-Type: text/html\nContent-Range: bytes 4-7/8", "efgh"), `4-/"a"`, "not a document 4"},
		"a page in its place":   {served{status: 200, length: 6, body: "<html>"}, `4-/"a"`, "not a document 0"},
		"too large":             {served{status: 200, length: 10, body: "0123456789"}, `4-/"a"`, "too large 4"},
		"too large, not said":   {served{status: 200, length: -1, body: "0123456789"}, `4-/"a"`, "too large 0"},
		"as large as may be":    {served{status: 200, length: 9, body: "012345678"}, `4-/"a"`, "ok 9 0 carried"},
		"as large, not said":    {served{status: 200, length: -1, body: "012345678"}, `4-/"a"`, "ok 9 0 carried"},
		"more than announced":   {served{status: 200, length: 3, body: "0123"}, again, "ok 8 0 carried"},
		"less than announced":   {served{status: 200, length: 6, body: "0123"}, `4-/"a" 4-/`, "ok 8 0 carried"},
		"cut":                   {served{status: 206, length: 4, header: headerA + "\nContent-Range: bytes 4-7/8", body: "ef", err: io.ErrUnexpectedEOF}, `4-/"a" 6-/"a"`, "ok 8 0 carried"},
		"a range of the middle": {part(headerA+"\nContent-Range: bytes 4-7/9", "efgh"), again, "ok 8 0 carried"},
	} {
		s := saved(t, "abcd", stateA, SaveRequest{Attempts: 2, Limit: 9}, tt.answer, whole)
		if s.asked != tt.asked || s.got != tt.got {
			t.Errorf("%s: asked %q, %s %q %v", name, s.asked, s.got, s.left, s.err)
		}
		kept := s.err != nil && !strings.HasSuffix(s.got, " 0")
		if s.err != nil && s.left != map[bool]string{true: bothParts}[kept] {
			t.Errorf("%s: left %q", name, s.left)
		}
		var e *Error
		if said := (tt.answer.status < 200 || tt.answer.status > 299); errors.As(s.err, &e) && (e.Status != tt.answer.status || string(e.Body) != map[bool]string{true: tt.answer.body}[said] || !said && e.Err == nil) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	// What costs the part is no other kind of failure where there is no further attempt.
	for name, tt := range map[string]struct {
		answer served
		got    string
	}{
		"from elsewhere":      {part(headerA+"\nContent-Range: bytes 3-7/8", "defgh"), "truncated 0"},
		"another validator":   {part("ETag: \"b\"\nContent-Range: bytes 4-7/8", "efgh"), "truncated 0"},
		"beyond the end":      {served{status: 416}, "bad status 0"},
		"more than announced": {served{status: 200, length: 3, body: "0123"}, "truncated 0"},
		"less than announced": {served{status: 200, length: 6, body: "0123"}, "truncated 4"},
		"cut":                 {served{status: 200, length: -1, body: "0123", err: io.ErrUnexpectedEOF}, "truncated 4"},
	} {
		if s := saved(t, "abcd", stateA, SaveRequest{Attempts: 1}, tt.answer); s.got != tt.got || s.asked != `4-/"a"` {
			t.Errorf("%s, once: asked %q, %s %v", name, s.asked, s.got, s.err)
		}
	}
	// Where nothing is there no part of the file is one, nor is its end.
	for status, want := range map[int]string{206: "bad status 0", 416: "bad status 0"} {
		s := saved(t, "", "", SaveRequest{Attempts: 2}, served{status: status, length: 4, header: "Content-Range: bytes 0-3/4", body: "abcd"}, whole)
		if s.asked != "/" || s.got != want || s.left != "" {
			t.Errorf("%d: asked %q, %s %q %v", status, s.asked, s.got, s.left, s.err)
		}
	}
}

// TestSaveTriesAgain holds how often a body that breaks off is taken up again, and after which
// errors: attempts are counted anew once one has brought a megabyte.
func TestSaveTriesAgain(t *testing.T) {
	broken := func(from, n int, err error) served {
		s := served{status: 206, length: -1, header: fmt.Sprintf("ETag: \"a\"\nContent-Range: bytes %d-%d/%d", from, 8<<20-1, 8<<20), body: strings.Repeat("x", n), err: err}
		if from == 0 {
			s.status, s.length, s.header = 200, 8<<20, `ETag: "a"`
		}
		return s
	}
	for name, tt := range map[string]struct {
		attempts int
		brought  []int // by each answer
		err      error
		sent     int
		kind     string
	}{
		"once":                   {1, []int{4}, io.ErrUnexpectedEOF, 1, "truncated 4"},
		"twice":                  {2, []int{4, 4}, io.ErrUnexpectedEOF, 2, "truncated 8"},
		"as often as by default": {0, []int{1, 1, 1, 1}, io.ErrUnexpectedEOF, DefaultAttempts, "truncated 4"},
		"below naught":           {-1, []int{1, 1, 1, 1}, io.ErrUnexpectedEOF, DefaultAttempts, "truncated 4"},
		"a megabyte":             {2, []int{progress, progress, 4, 4}, io.ErrUnexpectedEOF, 3, fmt.Sprint("truncated ", 2*progress+4)},
		"a byte less":            {2, []int{progress - 1, 4, 4}, io.ErrUnexpectedEOF, 2, fmt.Sprint("truncated ", progress+3)},
		"stalled":                {2, []int{4, 4}, ErrStalled, 2, "unreachable 8"},
		"timed out":              {2, []int{4, 4}, slow(true), 2, "unreachable 8"},
		"broken in another way":  {2, []int{4, 4}, slow(false), 2, "truncated 8"},
	} {
		var answers []served
		from := 0
		for _, n := range tt.brought {
			answers = append(answers, broken(from, n, tt.err))
			from += n
		}
		s := saved(t, "", "", SaveRequest{Attempts: tt.attempts, Wait: time.Minute}, answers...)
		if n := strings.Count(s.asked, "/"); n != tt.sent || s.got != tt.kind || (s.took >= time.Second) != (tt.sent > 1) {
			t.Errorf("%s: asked %q in %s, %s %v", name, s.asked, s.took, s.got, s.err)
		}
	}
}

// TestSaveIsPublishedAsAWhole holds that one answer which is not the publisher's makes the file carried.
func TestSaveIsPublishedAsAWhole(t *testing.T) {
	first := served{status: 200, length: 8, header: headerA, body: "abcd", err: io.ErrUnexpectedEOF}
	rest := served{status: 206, length: 4, header: headerA + "\nContent-Range: bytes 4-7/8", body: "efgh"}
	for _, tt := range []struct{ first, rest, want string }{{"dl.k8s.io", "dl.k8s.io", "published"}, {"", "dl.k8s.io", "carried"}, {"dl.k8s.io", "", "carried"}} {
		first.cert, rest.cert = tt.first, tt.rest
		if s := saved(t, "", "", SaveRequest{Attempts: 2}, first, rest); s.got != "ok 8 0 "+tt.want {
			t.Errorf("certificates of %q and %q: %s %v", tt.first, tt.rest, s.got, s.err)
		}
	}
	// What is begun anew is judged anew.
	other := served{status: 200, length: 8, header: "ETag: \"b\"", body: "ABCDEFGH", cert: "dl.k8s.io"}
	if s := saved(t, "", "", SaveRequest{Attempts: 2}, first, other); s.got != "ok 8 0 published" {
		t.Errorf("begun anew: %s %v", s.got, s.err)
	}
	if s := saved(t, "abcdefghijkl", stateA, SaveRequest{Attempts: 1, Fresh: true}, other); s.asked != "/" || s.got != "ok 8 0 published" {
		t.Errorf("fresh: asked %q, %s %v", s.asked, s.got, s.err)
	}
}

// TestSaveTakesTheLimit holds where the caps of a file are, and which files may have lanes of their own.
func TestSaveTakesTheLimit(t *testing.T) {
	for limit, want := range map[int64]bool{0: true, -1: true, MaxFile + 1: true, smallFile: false, smallFile + 1: true, 1: false} {
		root, _ := tempRoot(t)
		bulky := false
		for _, announced := range []int64{MaxFile + 1, 0} {
			c := &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
				_, bulky = r.Context().Value(bulkKey{}).(*bulk)
				return served{status: 200, length: announced}.response(), nil
			})}
			p, err := c.Save(t.Context(), SaveRequest{URL: "https://dl.k8s.io/f", Root: root, Name: "f", Limit: limit})
			if bulky != want || (announced > 0) != Is(err, TooLarge) || announced == 0 && err != nil {
				t.Errorf("limit %d, %d bytes: lanes %v, %v", limit, announced, bulky, err)
			}
			if p != nil {
				_ = p.Discard()
			}
		}
	}
}

// TestContentRange holds what a range of an answer that reaches to the end is.
func TestContentRange(t *testing.T) {
	for in, want := range map[string]string{
		"bytes 4-7/8": "4 8", "bytes 0-0/1": "0 1", "bytes 7-7/8": "7 8",
		"": "", "4-7/8": "", "bytes=4-7/8": "", "bytes 4-7": "", "bytes 4/8": "", "bytes 4-6/8": "", "bytes 4-8/8": "", "bytes 8-7/8": "", "bytes 5-4/5": "", "bytes */8": "", "bytes 4-7/*": "",
		"bytes -4-7/8": "", "bytes 4-+7/8": "", "bytes x-7/8": "", "bytes 4-x/8": "", "bytes 4-7/x": "", "bytes 0-9223372036854775806/9223372036854775807": "", "bytes 0-18446744073709551615/0": "",
	} {
		from, total, err := contentRange(in)
		got := ""
		if err == nil {
			got = fmt.Sprint(from, total)
		}
		if got != want || err != nil && (from != 0 || total != 0) {
			t.Errorf("%q: %d %d %v", in, from, total, err)
		}
	}
}

// TestAnotherFile holds what tells that a server has another file by now: whatever it said both times.
func TestAnotherFile(t *testing.T) {
	a := state{URL: "u", ETag: "e", LastModified: "m", Length: 8}
	for name, tt := range map[string]struct {
		before, now state
		want        bool
	}{
		"the same": {a, a, false}, "another ETag": {a, state{"u", "f", "m", 8}, true}, "another date": {a, state{"u", "e", "n", 8}, true}, "another length": {a, state{"u", "e", "m", 9}, true},
		"no ETag now": {a, state{"u", "", "m", 8}, false}, "no date now": {a, state{"u", "e", "", 8}, false}, "no length now": {a, state{"u", "e", "m", -1}, true},
		"no ETag before": {state{"u", "", "m", 8}, a, false}, "no date before": {state{"u", "e", "", 8}, a, false}, "no length before": {state{"u", "e", "m", -1}, a, false}, "empty before": {state{"u", "e", "m", 0}, a, true},
	} {
		if got := tt.before.differs(tt.now); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestSaveFailsHere holds that what is wrong on this side is not tried again, and is no fault of the server's.
func TestSaveFailsHere(t *testing.T) {
	for name, tt := range map[string]struct {
		name string
		is   error
	}{"a name that is none": {"../f", nil}, "a link in its place": {"link", ErrNotRegular}} {
		root, dir := tempRoot(t)
		if err := os.Symlink("x", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		asked := 0
		c := &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
			asked++
			return served{status: 200}.response(), nil
		})}
		p, err := c.Save(t.Context(), SaveRequest{URL: "https://dl.k8s.io/f", Root: root, Name: tt.name})
		var local *FileError
		if p != nil || asked > 0 || !errors.As(err, &local) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %+v %v, asked %d times", name, p, err, asked)
		}
		if left, err := root.Lstat(".f.kverify-part"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: left %v", name, left)
		}
	}
	// Nor is a disk that is full of what others have begun.
	root, _ := tempRoot(t)
	other, err := openPart(root, "other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	full, asked := &DiskReserve{active: map[*Part]int64{other: 1 << 60}}, 0
	c := &Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
		asked++
		return served{status: 200, length: 8, body: "abcdefgh"}.response(), nil
	})}
	var local *FileError
	if p, err := c.Save(t.Context(), SaveRequest{URL: "https://dl.k8s.io/f", Root: root, Name: "f", Reserve: full}); p != nil || !errors.As(err, &local) || asked != 1 || len(full.active) != 1 {
		t.Errorf("%+v %v, asked %d times", p, err, asked)
	}
}
